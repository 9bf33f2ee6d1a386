//! Types as written.

use super::grammar_error;
use super::list::{ANGLES, PARENS, list};
use super::token::Kind;
use super::tokens::{Parsed, Tokens, name, token, word};
use crate::ast::{FunctionType, GenericParameter, Path, TypeExpr, TypeKind};
use crate::diagnostic::{Diagnostic, codes};
use crate::source::Span;
use nom::Parser;
use nom::sequence::preceded;

/// How many `[]` and `?` may follow a type.
const SUFFIXES_MAX: usize = 20;

/// `type = simple { "[" "]" | "?" }`
pub(crate) fn type_expr(input: Tokens) -> Parsed<TypeExpr> {
    input.deeper(|input| {
        let start = input.span();
        let (mut input, mut ty) = simple_type(input)?;
        for _ in 0..SUFFIXES_MAX {
            // `??` is one token, and two suffixes of a type.
            let (length, kinds): (usize, &[Suffix]) = match (input.kind(), input.kind_at(1)) {
                (Kind::BracketOpen, Kind::BracketClose) => (2, &[Suffix::Array]),
                (Kind::Question, _) => (1, &[Suffix::Optional]),
                (Kind::QuestionQuestion, _) => (1, &[Suffix::Optional, Suffix::Optional]),
                _ => return Ok((input, ty)),
            };
            input = input.skip_many(length);
            for kind in kinds {
                let inner = Box::new(ty);
                let kind = match kind {
                    Suffix::Array => TypeKind::Array(inner),
                    Suffix::Optional => TypeKind::Optional(inner),
                };
                ty = made(input, kind, start);
            }
        }
        input.fail(grammar_error::too_deep(input.span()))
    })
}

#[derive(Clone, Copy)]
enum Suffix {
    Array,
    Optional,
}

fn made(behind: Tokens, kind: TypeKind, start: Span) -> TypeExpr {
    TypeExpr { id: behind.state.type_id(), kind, span: behind.span_from(start) }
}

/// A type whose text was wrong, at an empty place.
pub(crate) fn error_type(input: Tokens) -> TypeExpr {
    made(input, TypeKind::Error, input.behind_previous())
}

/// `simple = path | "null" | "(" types ")" | "fn" "(" types ")" [ "->" type ]`
fn simple_type(input: Tokens) -> Parsed<TypeExpr> {
    let rule: fn(Tokens) -> Parsed<TypeExpr> = match input.kind() {
        Kind::Ident => named_type,
        Kind::Null => |input| Ok((input.skip(), made(input.skip(), TypeKind::Null, input.span()))),
        Kind::ParenOpen => tuple_type,
        Kind::Fn => function_type,
        Kind::BracketOpen => {
            let diagnostic =
                Diagnostic::error(codes::FOREIGN_SYNTAX, input.span(), "the brackets of an array type stand behind its element")
                    .with_help("as in `int[]`");
            return input.fail(diagnostic);
        }
        _ => return input.expected("a type"),
    };
    rule(input)
}

fn named_type(input: Tokens) -> Parsed<TypeExpr> {
    let start = input.span();
    let (input, path) = type_path(input)?;
    Ok((input, made(input, TypeKind::Path(Box::new(path)), start)))
}

/// `( A, B )`; parentheses around one type only group: `(fn() -> int)[]`.
fn tuple_type(input: Tokens) -> Parsed<TypeExpr> {
    let start = input.span();
    let (input, mut types) = list(input, PARENS, type_expr)?;
    if types.len() == 1 && !has_trailing_comma(input) {
        return Ok((input, types.remove(0)));
    }
    Ok((input, made(input, TypeKind::Tuple(types), start)))
}

/// `function_type = "fn" "(" types ")" [ "->" type ]`
fn function_type(input: Tokens) -> Parsed<TypeExpr> {
    let start = input.span();
    let (input, parameters) = list(input.skip(), PARENS, type_expr)?;
    let (input, result) = opt_result(input)?;
    Ok((input, made(input, TypeKind::Function(Box::new(FunctionType { parameters, result })), start)))
}

/// Whether the list that just ended had a comma before its closing bracket.
pub(crate) fn has_trailing_comma(behind: Tokens) -> bool {
    let index = behind.index();
    index >= 2 && behind.state.tokens[index - 2].kind == Kind::Comma
}

/// `path = name { "::" word } [ "<" types ">" ]`
pub(crate) fn type_path(input: Tokens) -> Parsed<Path> {
    let start = input.span();
    let (mut input, first) = name("a type")(input)?;
    let mut segments = vec![first];
    while input.kind() == Kind::ColonColon {
        let (rest, segment) = word("a name")(input.skip())?;
        segments.push(segment);
        input = rest;
    }
    let (input, type_arguments) = opt_angles(input, type_expr)?;
    Ok((input, Path { segments, type_arguments, span: input.span_from(start) }))
}

/// `[ "<" element { "," element } ">" ]`
fn opt_angles<'a, T>(input: Tokens<'a>, element: impl FnMut(Tokens<'a>) -> Parsed<'a, T>) -> Parsed<'a, Vec<T>> {
    if input.kind() == Kind::Less { list(input, ANGLES, element) } else { Ok((input, Vec::new())) }
}

/// `type_arguments = "<" type { "," type } ">"`
pub(crate) fn type_arguments(input: Tokens) -> Parsed<Vec<TypeExpr>> {
    list(input, ANGLES, type_expr)
}

/// `generics = [ "<" name [ ":" bound { "+" bound } ] … ">" ]`
pub(crate) fn opt_generics(input: Tokens) -> Parsed<Vec<GenericParameter>> {
    opt_angles(input, |input| {
        let (mut input, name) = name("the name of a type parameter")(input)?;
        let mut bounds = Vec::new();
        let mut separator = Kind::Colon;
        while input.kind() == separator {
            let (rest, bound) = self::name("a bound such as `Ord`, `Key` or `Num`")(input.skip())?;
            bounds.push(bound);
            input = rest;
            separator = Kind::Plus;
        }
        Ok((input, GenericParameter { name, bounds }))
    })
}

/// `result = [ "->" type ]`
pub(crate) fn opt_result(input: Tokens) -> Parsed<Option<TypeExpr>> {
    match input.kind() {
        Kind::Arrow => preceded(token(Kind::Arrow, "`->`"), type_expr).map(Some).parse(input),
        Kind::Colon => {
            let colon = input.span();
            input.state.tell(grammar_error::foreign_form(
                colon,
                "the type of a result stands behind `->`",
                "write `->`",
                colon,
                " ->",
            ));
            type_expr.map(Some).parse(input.skip())
        }
        _ => Ok((input, None)),
    }
}

/// `: type`, which must be there; where it is missing the rest can go on without it.
pub(crate) fn annotation<'a>(input: Tokens<'a>, name: Span, what: &'static str) -> Parsed<'a, TypeExpr> {
    match input.kind() {
        Kind::Colon => type_expr(input.skip()),
        Kind::Comma | Kind::ParenClose | Kind::BraceClose | Kind::Assign => {
            input.state.tell(grammar_error::missing_type(name, what));
            Ok((input, error_type(input)))
        }
        _ => input.expected("`:` and a type"),
    }
}

/// `[ ":" type ]`
pub(crate) fn opt_annotation(input: Tokens) -> Parsed<Option<TypeExpr>> {
    if input.kind() == Kind::Colon { type_expr.map(Some).parse(input.skip()) } else { Ok((input, None)) }
}
