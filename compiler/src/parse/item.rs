//! Files and their declarations.

use super::agent::{agent, supervisor};
use super::control::match_arms;
use super::expression::expression;
use super::grammar_error;
use super::list::{BRACES, PARENS, is_item, list, members, recover, separator};
use super::primary::plain_path;
use super::problem;
use super::statement::{Piece, block, misread, piece};
use super::token::{Kind, Value};
use super::tokens::{Parsed, Tokens, ident_of, name, word};
use super::types::{annotation, opt_annotation, opt_generics, opt_result, type_expr};
use crate::ast::{
    ConstDecl, DocLine, Docs, EnumDecl, ErrorDecl, ErrorField, FieldDecl, FunctionDecl, Ident, ImplDecl, ImplFunction,
    ImportDecl, ImportForm, ImportedName, Item, ItemKind, MockDecl, Parameter, Receiver, Stmt, StmtKind, StructDecl, TestDecl,
    TypeAliasDecl, VariantDecl, VariantPayload,
};
use crate::interner::words;
use crate::source::Span;
use std::sync::Arc;

/// `file = { declaration | statement }`
pub(crate) fn file(mut input: Tokens) -> (Vec<Item>, Vec<Stmt>) {
    let mut items = Vec::new();
    let mut statements = Vec::new();
    while input.kind() != Kind::End {
        let before = input;
        let result = match input.kind() {
            Kind::Semicolon => Ok((input.skip(), ())),
            Kind::BraceClose => {
                input.state.report(input.first().start, grammar_error::unmatched_brace(input));
                Ok((input.skip(), ()))
            }
            _ if is_item(input) || input.kind() == Kind::Const || input.kind() == Kind::Fn => {
                item(input).map(|(rest, item)| (rest, items.push(item)))
            }
            _ => top_statement(input).map(|(rest, statement)| (rest, statements.push(statement))),
        };
        input = match result {
            Ok((rest, ())) => rest,
            Err(error) => {
                let rest = recover(input, problem::unwrap(error));
                statements.push(misread(before, rest));
                rest
            }
        };
        if input.index() == before.index() {
            input = input.skip();
        }
    }
    (items, statements)
}

/// A statement at top level. It has no block whose value it could be, so it always ends with `;`.
fn top_statement(input: Tokens) -> Parsed<Stmt> {
    match piece(input)? {
        (rest, Piece::Statement(statement)) => Ok((rest, statement)),
        (rest, Piece::Value(expr)) => {
            let span = expr.span;
            Ok((rest, Stmt { id: rest.state.stmt_id(), kind: StmtKind::Expr(Box::new(expr)), span }))
        }
    }
}

/// The `///` lines directly before the next token.
pub(crate) fn docs_before(input: Tokens) -> Option<Box<Docs>> {
    let index = input.index() as u32;
    let docs = input.state.docs;
    let from = docs.partition_point(|doc| doc.before < index);
    let lines: Vec<DocLine> = docs[from..]
        .iter()
        .take_while(|doc| doc.before == index)
        .map(|doc| DocLine { text: doc.text.clone(), span: doc.span })
        .collect();
    (!lines.is_empty()).then(|| Box::new(Docs { lines }))
}

/// `declaration = [ "pub" ] ( import | function | … )`
pub(crate) fn item(input: Tokens) -> Parsed<Item> {
    let docs = docs_before(input);
    let start = input.span();
    let (input, public) = opt_pub(input);
    if let Some(span) = public
        && (matches!(input.kind(), Kind::Import | Kind::Impl) || input.is_word(words::TEST) || input.is_word(words::MOCK))
    {
        let help = "functions, constants, types, errors, agents and supervisors can be public";
        input.state.tell(grammar_error::misplaced_pub(span, help));
    }
    let (input, kind) = item_kind(input)?;
    Ok((input, Item { kind, docs, public, span: input.span_from(start) }))
}

fn opt_pub(input: Tokens) -> (Tokens, Option<Span>) {
    if input.kind() == Kind::Pub { (input.skip(), Some(input.span())) } else { (input, None) }
}

fn item_kind(input: Tokens) -> Parsed<ItemKind> {
    fn boxed<T>((input, value): (Tokens, T), kind: fn(Box<T>) -> ItemKind) -> Parsed<ItemKind> {
        Ok((input, kind(Box::new(value))))
    }
    match input.kind() {
        Kind::Fn => boxed(function(input, Place::File)?, ItemKind::Function),
        Kind::Import => boxed(import(input)?, ItemKind::Import),
        Kind::Struct => boxed(structure(input)?, ItemKind::Struct),
        Kind::Enum => boxed(enumeration(input)?, ItemKind::Enum),
        Kind::Impl => boxed(implementation(input)?, ItemKind::Impl),
        Kind::Const => {
            let (input, declaration) = const_declaration(input)?;
            let (input, ()) = semicolon(input)?;
            Ok((input, ItemKind::Const(Box::new(declaration))))
        }
        Kind::Ident => match ident_of(input).symbol {
            words::AGENT => boxed(agent(input)?, ItemKind::Agent),
            words::SUPERVISOR => boxed(supervisor(input)?, ItemKind::Supervisor),
            words::ERROR => boxed(error(input)?, ItemKind::Error),
            words::TYPE => boxed(type_alias(input)?, ItemKind::TypeAlias),
            words::TEST => boxed(test(input)?, ItemKind::Test),
            words::MOCK => boxed(mock(input)?, ItemKind::Mock),
            _ => input.expected("a declaration"),
        },
        _ => input.expected("a declaration"),
    }
}

/// The `;` behind a declaration; forgotten at the end of a line it is reported and taken as written.
fn semicolon(input: Tokens) -> Parsed<()> {
    match input.kind() {
        Kind::Semicolon => Ok((input.skip(), ())),
        _ if input.starts_line() || input.kind() == Kind::End => {
            input.state.report(input.first().start, grammar_error::missing_semicolon(input.behind_previous()));
            Ok((input, ()))
        }
        _ => input.expected("`;`"),
    }
}

/// A text as a value, with its place.
fn text<'a>(input: Tokens<'a>, what: &'static str) -> Parsed<'a, Arc<str>> {
    match (input.kind(), input.kind() == Kind::Text) {
        (_, true) => match input.state.value(input.first()) {
            Value::Text(text) => Ok((input.skip(), text.clone())),
            _ => input.expected(what),
        },
        _ => input.expected(what),
    }
}

/// `import = "import" ( text [ "as" name ] | "{" names "}" "from" text ) ";"`
fn import(input: Tokens) -> Parsed<ImportDecl> {
    let input = input.skip();
    match input.kind() {
        Kind::Text => {
            let path_span = input.span();
            let (input, path) = text(input, "the name of a module")?;
            let (input, alias) = opt_alias(input)?;
            let (input, ()) = semicolon(input)?;
            let form = alias.map_or(ImportForm::Plain, ImportForm::Renamed);
            Ok((input, ImportDecl { path, path_span, form }))
        }
        Kind::BraceOpen => {
            let (input, names) = list(input, BRACES, |input| {
                let (input, name) = name("the name of something to import")(input)?;
                let (input, alias) = opt_alias(input)?;
                Ok((input, ImportedName { name, alias }))
            })?;
            if !input.is_word(words::FROM) {
                return input.expected("`from` and the name of a module");
            }
            let input = input.skip();
            let path_span = input.span();
            if input.kind() != Kind::Text {
                return input.fail(grammar_error::import_form(path_span));
            }
            let (input, path) = text(input, "the name of a module")?;
            let (input, ()) = semicolon(input)?;
            Ok((input, ImportDecl { path, path_span, form: ImportForm::Selected(names) }))
        }
        _ => input.fail(grammar_error::import_form(input.span())),
    }
}

/// `[ "as" name ]`
fn opt_alias(input: Tokens) -> Parsed<Option<Ident>> {
    if !input.is_word(words::AS) {
        return Ok((input, None));
    }
    let (input, alias) = name("another name")(input.skip())?;
    Ok((input, Some(alias)))
}

/// Where a function stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    File,
    Impl,
}

/// `function = "fn" name generics "(" parameters ")" [ "->" type ] ( block | ";" )`
fn function(input: Tokens, place: Place) -> Parsed<FunctionDecl> {
    let start = input.span();
    let (input, name) = name("the name of the function")(input.skip())?;
    let (input, generics) = opt_generics(input)?;
    let mut receiver = None;
    let mut count = 0;
    let (input, parameters) = list(input, PARENS, |input| {
        count += 1;
        if let Some((rest, found)) = opt_receiver(input) {
            if place == Place::File || count > 1 {
                input.state.tell(grammar_error::misplaced_self(found.span));
            }
            receiver = receiver.take().or(Some(found));
            return Ok((rest, None));
        }
        let (input, parameter) = parameter(input)?;
        Ok((input, Some(parameter)))
    })?;
    let parameters = parameters.into_iter().flatten().collect();
    let (input, result) = opt_result(input)?;
    let head = input.span_from(start);
    let (input, body) = match input.kind() {
        Kind::Semicolon => (input.skip(), None),
        _ => {
            let (input, body) = block(input)?;
            (input, Some(body))
        }
    };
    Ok((input, FunctionDecl { name, generics, receiver, parameters, result, body, head }))
}

/// `receiver = [ "mut" ] "self"`
fn opt_receiver(input: Tokens) -> Option<(Tokens, Receiver)> {
    let start = input.span();
    let is_mut = input.is_word(words::MUT) && input.is_word_at(1, words::SELF);
    let input = if is_mut { input.skip() } else { input };
    if !input.is_word(words::SELF) || input.kind_at(1) == Kind::Colon {
        return None;
    }
    let binding = input.state.binding(ident_of(input));
    let input = input.skip();
    Some((input, Receiver { binding, is_mut, span: input.span_from(start) }))
}

/// `parameter = word ":" type [ "=" expression ]`
fn parameter(input: Tokens) -> Parsed<Parameter> {
    let start = input.span();
    let (input, name) = word("the name of a parameter")(input)?;
    let binding = input.state.binding(name);
    let (input, ty) = annotation(input, name.span, "a parameter")?;
    let (input, default) = if input.kind() == Kind::Assign {
        let (input, default) = expression(input.skip())?;
        (input, Some(default))
    } else {
        (input, None)
    };
    Ok((input, Parameter { binding, ty, default, span: input.span_from(start) }))
}

/// `parameters = "(" [ parameter { "," parameter } ] ")"`
pub(crate) fn parameters(input: Tokens) -> Parsed<Vec<Parameter>> {
    list(input, PARENS, parameter)
}

/// `const = "const" name [ ":" type ] "=" expression`, without its `;`
pub(crate) fn const_declaration(input: Tokens) -> Parsed<ConstDecl> {
    let (input, name) = name("the name of the constant")(input.skip())?;
    let binding = input.state.binding(name);
    let (input, ty) = opt_annotation(input)?;
    if input.kind() != Kind::Assign {
        return input.expected("`=` and a value");
    }
    let (input, value) = expression(input.skip())?;
    Ok((input, ConstDecl { binding, ty, value }))
}

/// `type = "type" name generics "=" type ";"`
fn type_alias(input: Tokens) -> Parsed<TypeAliasDecl> {
    let (input, name) = name("the name of the type")(input.skip())?;
    let (input, generics) = opt_generics(input)?;
    if input.kind() != Kind::Assign {
        return input.expected("`=` and a type");
    }
    let (input, ty) = type_expr(input.skip())?;
    let (input, ()) = semicolon(input)?;
    Ok((input, TypeAliasDecl { name, generics, ty }))
}

/// `struct = "struct" name generics "{" fields "}"`
fn structure(input: Tokens) -> Parsed<StructDecl> {
    let (input, name) = name("the name of the struct")(input.skip())?;
    let (input, generics) = opt_generics(input)?;
    let (input, fields) = fields(input)?;
    Ok((input, StructDecl { name, generics, fields }))
}

/// `{ field: T, … }`
fn fields(input: Tokens) -> Parsed<Vec<FieldDecl>> {
    let mut fields = Vec::new();
    let (input, ()) = members(input, |input| {
        let docs = docs_before(input);
        let input = without_pub(input, "fields are as visible as their struct");
        let start = input.span();
        let (input, name) = word("a field")(input)?;
        let (input, ty) = annotation(input, name.span, "a field")?;
        fields.push(FieldDecl { name, ty, docs, span: input.span_from(start) });
        separator(input, "`,` or `}`")
    })?;
    Ok((input, fields))
}

/// Passes over a `pub` that has no meaning.
fn without_pub<'a>(input: Tokens<'a>, help: &str) -> Tokens<'a> {
    if input.kind() != Kind::Pub || input.kind_at(1) == Kind::Colon {
        return input;
    }
    input.state.tell(grammar_error::misplaced_pub(input.span(), help));
    input.skip()
}

/// `enum = "enum" name generics "{" variants "}"`
fn enumeration(input: Tokens) -> Parsed<EnumDecl> {
    let (input, name) = name("the name of the enum")(input.skip())?;
    let (input, generics) = opt_generics(input)?;
    let mut variants = Vec::new();
    let (input, ()) = members(input, |input| {
        let docs = docs_before(input);
        let start = input.span();
        let (input, name) = self::name("a variant")(input)?;
        let (input, payload) = match input.kind() {
            Kind::ParenOpen => {
                let (input, types) = list(input, PARENS, type_expr)?;
                (input, VariantPayload::Tuple(types))
            }
            Kind::BraceOpen => {
                let (input, fields) = fields(input)?;
                (input, VariantPayload::Struct(fields))
            }
            _ => (input, VariantPayload::Unit),
        };
        variants.push(VariantDecl { name, payload, docs, span: input.span_from(start) });
        separator(input, "`,` or `}`")
    })?;
    Ok((input, EnumDecl { name, generics, variants }))
}

/// `impl = "impl" generics type "{" { [ "pub" ] function } "}"`
fn implementation(input: Tokens) -> Parsed<ImplDecl> {
    let (input, generics) = opt_generics(input.skip())?;
    let (input, target) = type_expr(input)?;
    let mut functions = Vec::new();
    let (input, ()) = members(input, |input| {
        let docs = docs_before(input);
        let start = input.span();
        let (input, public) = opt_pub(input);
        if input.kind() != Kind::Fn {
            return input.expected("a function");
        }
        let (input, function) = function(input, Place::Impl)?;
        functions.push(ImplFunction { function, docs, public, span: input.span_from(start) });
        Ok((input, ()))
    })?;
    Ok((input, ImplDecl { generics, target, functions }))
}

/// `error = "error" name [ "(" fields ")" ] [ ":" name ] ";"`
fn error(input: Tokens) -> Parsed<ErrorDecl> {
    let (input, name) = name("the name of the kind of error")(input.skip())?;
    let (input, fields) = if input.kind() == Kind::ParenOpen { list(input, PARENS, error_field)? } else { (input, Vec::new()) };
    let (input, parent) = if input.kind() == Kind::Colon {
        let (input, parent) = self::name("a kind of error")(input.skip())?;
        (input, Some(parent))
    } else {
        (input, None)
    };
    let (input, ()) = semicolon(input)?;
    Ok((input, ErrorDecl { name, fields, parent }))
}

/// `name: T` or `T`
fn error_field(input: Tokens) -> Parsed<ErrorField> {
    if input.kind().is_word() && input.kind_at(1) == Kind::Colon {
        let name = ident_of(input);
        let (input, ty) = type_expr(input.skip_many(2))?;
        return Ok((input, ErrorField { name: Some(name), ty }));
    }
    let (input, ty) = type_expr(input)?;
    Ok((input, ErrorField { name: None, ty }))
}

/// `test = "test" text block`
fn test(input: Tokens) -> Parsed<TestDecl> {
    let input = input.skip();
    let name_span = input.span();
    let (input, name) = text(input, "the name of the test between quotes")?;
    let (input, body) = block(input)?;
    Ok((input, TestDecl { name, name_span, body }))
}

/// `mock = "mock" path "{" arms "}"`
pub(crate) fn mock(input: Tokens) -> Parsed<MockDecl> {
    let start = input.span();
    let (input, agent) = plain_path(input.skip(), "an agent")?;
    let (input, arms) = match_arms(input)?;
    Ok((input, MockDecl { agent, arms, span: input.span_from(start) }))
}
