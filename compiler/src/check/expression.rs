//! Expressions, by their form. What is more than a few lines lives in the file of its noun.

use vega_bytecode::module::Constant;
use vega_bytecode::{Type, TypeId};

use super::Checker;
use super::fits::Why;
use super::frame::FrameResult;
use super::statement::Want;
use super::types::ERROR;
use crate::ast::{self, ExprKind as A};
use crate::diagnostic::{Diagnostic, codes};
use crate::ir::{BinaryOp, Expr, ExprKind, Statement, StatementKind};
use crate::source::Span;

impl<'a> Checker<'a> {
    /// An expression, checked and typed.
    pub(super) fn expr(&mut self, written: &'a ast::Expr, want: Want) -> Expr {
        let span = written.span;
        match &written.kind {
            A::Literal(literal) => self.literal(literal, want, span),
            A::Interpolated(parts) => self.interpolated(parts, span),
            A::Name(name) => self.name(*name, want),
            A::Path(path) => self.path_value(path, want),
            A::Paren(inner) => self.expr(inner, want),
            A::Tuple(parts) => self.tuple(parts, want, span),
            A::Array(elements) => self.array(elements, want, span),
            A::Comprehension(comprehension) => self.comprehension(comprehension, want, span),
            A::Map(entries) => self.map(entries, want, span),
            A::Struct(literal) => self.struct_literal(literal, want, span),
            A::Unary(unary) => self.unary(unary, want, span),
            A::Binary(_) => self.binary(written, want),
            A::Range(range) => self.range(range, span),
            A::Send(send) => self.ask(send, written.id, want, span),
            A::Spawn(spawn) => self.spawn(spawn, span),
            A::Await(inner) => self.await_value(inner, want, span),
            A::Async(inner) => self.async_task(inner, span),
            A::Call(call) => self.call(call, want, span),
            A::MethodCall(call) => self.method_call(call, want, span),
            A::Field(field) => self.field(field, span),
            A::TupleField(field) => self.tuple_field(field, span),
            A::Index(index) => self.index(index, span),
            A::Propagate(inner) => self.propagate(inner, want, span),
            A::Closure(closure) => self.closure(closure, want, span),
            A::Block(block) | A::Sequential(block) => {
                let (block, ty) = self.block(block, want);
                Expr::new(ExprKind::Block(block), ty, span)
            }
            A::If(branches) => self.if_value(branches, want, span),
            A::Match(matched) => self.match_value(matched, want, span),
            A::Receive(receive) => self.receive(receive, want, span),
            A::Loop(looped) if want != Want::Drop => self.loop_value(looped, want, span),
            A::Try(tried) if want != Want::Drop => self.try_value(tried, want, span),
            A::Session(session) if want != Want::Drop => self.session_value(session, want, span),
            A::Deadline(deadline) if want != Want::Drop => self.deadline_value(deadline, want, span),
            A::Assign(_)
            | A::Loop(_)
            | A::While(_)
            | A::For(_)
            | A::CountedFor(_)
            | A::Try(_)
            | A::Session(_)
            | A::Deadline(_) => {
                let was_reachable = self.frame().is_reachable;
                let kind = self.statement_of(written);
                let ends = was_reachable && !self.frame().is_reachable;
                let ty = if ends { self.types.never } else { self.types.void };
                self.statement_expr(Statement { kind, span, joins_before: Vec::new() }, ty)
            }
            A::Return(value) => {
                let kind = self.return_statement(value.as_deref(), span);
                self.diverging(kind, span)
            }
            A::Throw(value) => {
                let kind = self.throw_statement(value);
                self.diverging(kind, span)
            }
            A::Break(left) => {
                let kind = self.break_statement(left, span);
                self.diverging(kind, span)
            }
            A::Continue(label) => {
                let kind = self.continue_statement(*label, span);
                self.diverging(kind, span)
            }
            A::Parallel(parallel) => self.parallel(parallel, want, span),
            A::Error => Expr::wrong(span),
        }
    }

    /// An expression that must fit a type.
    pub(super) fn expr_as(&mut self, written: &'a ast::Expr, ty: TypeId, why: Why<'_>) -> Expr {
        let expr = self.expr(written, Want::Hint(ty));
        self.coerce(expr, ty, why)
    }

    /// An expression that must have a value, of whatever type.
    pub(super) fn value(&mut self, written: &'a ast::Expr, want: Want) -> Expr {
        let expr = self.expr(written, want);
        if expr.ty == self.types.void {
            let diagnostic = Diagnostic::error(codes::VOID_VALUE, expr.span, "this gives no value");
            return self.wrong(diagnostic);
        }
        expr
    }

    fn diverging(&mut self, kind: StatementKind, span: Span) -> Expr {
        let never = self.types.never;
        match kind {
            StatementKind::Expr(expr) if expr.is_wrong() => Expr::wrong(span),
            StatementKind::Expr(expr) => expr,
            kind => {
                let statement = Statement { kind, span, joins_before: Vec::new() };
                Expr::new(ExprKind::Diverge(Box::new(statement)), never, span)
            }
        }
    }

    fn range(&mut self, range: &'a ast::Range, span: Span) -> Expr {
        let int = self.types.int;
        let (Some(start), Some(end)) = (&range.start, &range.end) else {
            let diagnostic = Diagnostic::error(codes::MISMATCHED, span, "a range outside of `[ ]` needs both ends");
            return self.wrong(diagnostic);
        };
        let start = self.expr_as(start, int, Why::Plain);
        let end = self.expr_as(end, int, Why::Plain);
        let ty = self.types.range;
        Expr::new(ExprKind::Range(Box::new(start), Box::new(end), range.is_inclusive), ty, span)
    }

    fn field(&mut self, field: &'a ast::Field, span: Span) -> Expr {
        let receiver = self.value(&field.receiver, Want::Infer);
        if field.is_optional {
            return self.optional_chain(receiver, span, |checker, inner| checker.field_of(inner, field.name, span));
        }
        self.field_of(receiver, field.name, span)
    }

    /// `receiver?.…`: the rest is made from the value that is not null.
    pub(super) fn optional_chain(&mut self, receiver: Expr, span: Span, rest: impl FnOnce(&mut Self, Expr) -> Expr) -> Expr {
        let inner = match *self.types.of(receiver.ty) {
            Type::Optional(inner) => inner,
            Type::Result(..) => {
                let unwrapped = self.propagate_value(receiver, span);
                return rest(self, unwrapped);
            }
            _ if receiver.is_wrong() => return receiver,
            _ => {
                let shown = self.show(receiver.ty);
                let diagnostic = Diagnostic::error(codes::MISMATCHED, receiver.span, "`?.` is for values that may be null")
                    .with_remark(format!("this is a `{shown}`, never null"))
                    .with_help("write `.`");
                return self.wrong(diagnostic);
            }
        };
        let local = self.hidden_local("some", inner, receiver.span);
        let value = Expr::new(ExprKind::Local(local), inner, receiver.span);
        let before = self.frame().narrowed.clone();
        let rest = rest(self, value);
        self.maybe_ran(&before);
        let ty = if rest.ty == self.types.void { self.types.void } else { self.types.optional(rest.ty) };
        Expr::new(ExprKind::OptionalChain(Box::new(receiver), local, Box::new(rest)), ty, span)
    }

    /// A field of a value, under what is known of it.
    pub(super) fn field_of(&mut self, receiver: Expr, name: ast::Ident, span: Span) -> Expr {
        match self.types.of(receiver.ty).clone() {
            Type::Struct(id, arguments) => {
                let info = self.structs[id.0 as usize].clone();
                let Some((index, field)) = info.field(name.symbol) else {
                    return self.unknown_field(&receiver, name);
                };
                let arguments: Vec<Option<TypeId>> = arguments.into_iter().map(Some).collect();
                let ty = self.types.substitute(field.ty, &arguments);
                let expr = Expr::new(ExprKind::Field(Box::new(receiver), index), field.ty, span).retyped(ty);
                self.with_facts(expr)
            }
            Type::Error => self.error_field(receiver, name, span),
            Type::Optional(_) => self.maybe_null(&receiver, &format!(".{}", self.text(name.symbol))),
            _ if receiver.is_wrong() || receiver.ty == self.types.never => Expr::wrong(span),
            _ => self.unknown_field(&receiver, name),
        }
    }

    fn error_field(&mut self, receiver: Expr, name: ast::Ident, span: Span) -> Expr {
        let optional_text = self.types.optional(self.types.str);
        let payload = self.types.array(self.types.any);
        let optional_error = self.types.optional(self.types.error);
        let ty = match self.text(name.symbol) {
            "kind" | "message" | "position" | "trace_id" => self.types.str,
            "partial" => optional_text,
            "payload" => payload,
            "cause" => optional_error,
            _ => return self.unknown_field(&receiver, name),
        };
        let native = format!("error::{}", self.text(name.symbol));
        let part = self.native_call(&native, vec![receiver], ty, span);
        self.with_facts(part)
    }

    /// Says that something is done to a value that may be null.
    pub(super) fn maybe_null(&mut self, receiver: &Expr, what: &str) -> Expr {
        let shown = self.show(receiver.ty);
        let text = self.sources.text_of(receiver.span).to_string();
        let diagnostic = Diagnostic::error(codes::MAYBE_NULL, receiver.span, format!("`{text}` may be null"))
            .with_remark(format!("this is a `{shown}`"))
            .with_help(format!(
                "test it first (`if {text} != null {{ … }}`), write `{text}?{what}`, or give a default with `??`"
            ));
        self.wrong(diagnostic)
    }

    fn unknown_field(&mut self, receiver: &Expr, name: ast::Ident) -> Expr {
        let text = self.text(name.symbol);
        let shown = self.show(receiver.ty);
        let mut diagnostic = Diagnostic::error(codes::UNKNOWN_FIELD, name.span, format!("`{shown}` has no field `{text}`"))
            .with_remark("unknown field");
        match self.types.of(receiver.ty) {
            Type::Struct(id, _) => {
                let info = &self.structs[id.0 as usize];
                let known: Vec<&str> = info.fields.iter().map(|field| self.interner.text(field.name)).collect();
                if let Some(near) = self.nearest(text, known.iter().copied()) {
                    diagnostic = diagnostic.with_suggestion("a similar field exists", name.span, near);
                } else if self.has_method(receiver.ty, name.symbol) {
                    diagnostic = diagnostic.with_help(format!("to call the method, write `.{text}()`"));
                } else if known.is_empty() {
                    diagnostic = diagnostic.with_note(format!("`{shown}` has no fields"));
                } else {
                    diagnostic = diagnostic.with_note(format!("its fields are `{}`", known.join("`, `")));
                }
            }
            Type::Agent(id)
                if self.agents[id.0 as usize].state.iter().any(|state| state.field.binding.name.symbol == name.symbol) =>
            {
                diagnostic = diagnostic.with_help("only the agent's own tools see its state");
            }
            Type::Json | Type::Any => {
                diagnostic = diagnostic.with_help(format!("parts of JSON are named in brackets: `[\"{text}\"]`"));
            }
            Type::Map(..) => diagnostic = diagnostic.with_help(format!("entries of a map are named in brackets: `[\"{text}\"]`")),
            _ if self.has_method(receiver.ty, name.symbol) => {
                diagnostic = diagnostic.with_help(format!("to call the method, write `.{text}()`"));
            }
            _ if text == "length" || text == "size" => diagnostic = diagnostic.with_help("write `.len()`"),
            _ => {}
        }
        self.wrong(diagnostic)
    }

    fn tuple_field(&mut self, field: &'a ast::TupleField, span: Span) -> Expr {
        let receiver = self.value(&field.receiver, Want::Infer);
        let select = |checker: &mut Self, receiver: Expr| {
            let part = match checker.types.of(receiver.ty) {
                Type::Tuple(parts) => parts.get(field.index as usize).copied(),
                Type::Optional(_) => return checker.maybe_null(&receiver, &format!(".{}", field.index)),
                _ if receiver.is_wrong() => return Expr::wrong(span),
                _ => None,
            };
            let Some(ty) = part else {
                let shown = checker.show(receiver.ty);
                let title = format!("`{shown}` has no part number {}", field.index);
                let diagnostic = Diagnostic::error(codes::UNKNOWN_FIELD, field.index_span, title).with_note("parts count from 0");
                return checker.wrong(diagnostic);
            };
            let expr = Expr::new(ExprKind::Field(Box::new(receiver), field.index as u16), ty, span);
            checker.with_facts(expr)
        };
        if field.is_optional { self.optional_chain(receiver, span, select) } else { select(self, receiver) }
    }

    fn index(&mut self, index: &'a ast::Index, span: Span) -> Expr {
        let receiver = self.value(&index.receiver, Want::Infer);
        if let A::Range(range) = &index.index.peel().kind {
            return self.slice(receiver, range, &index.index, span);
        }
        let (key, element) = match *self.types.of(receiver.ty) {
            Type::Array(element) => (self.types.int, element),
            Type::Str => (self.types.int, self.types.str),
            Type::Bytes => (self.types.int, self.types.int),
            Type::Map(key, value) => (key, value),
            Type::Json => {
                let key = self.value(&index.index, Want::Infer);
                let key_fits = [self.types.str, self.types.int, ERROR].contains(&key.ty);
                let key = if key_fits { key } else { self.coerce(key, self.types.str, Why::Plain) };
                let ty = self.types.json;
                return Expr::new(ExprKind::Index(Box::new(receiver), Box::new(key)), ty, span);
            }
            Type::Optional(_) => return self.maybe_null(&receiver, ".get(…)"),
            ref ty => {
                let is_range = *ty == Type::Range;
                let key = self.value(&index.index, Want::Infer);
                if key.ty == self.types.range && is_range {
                    return Expr::wrong(span);
                }
                return self.not_indexable(&receiver, span);
            }
        };
        let key = self.expr_as(&index.index, key, Why::Plain);
        if key.ty == self.types.range {
            let ty = receiver.ty;
            return Expr::new(ExprKind::Slice(Box::new(receiver), Box::new(key)), ty, span);
        }
        Expr::new(ExprKind::Index(Box::new(receiver), Box::new(key)), element, span)
    }

    fn not_indexable(&mut self, receiver: &Expr, span: Span) -> Expr {
        if receiver.is_wrong() || receiver.ty == self.types.never {
            return Expr::wrong(span);
        }
        let shown = self.show(receiver.ty);
        let mut diagnostic =
            Diagnostic::error(codes::NOT_INDEXABLE, receiver.span, format!("a `{shown}` has no elements to index"));
        if matches!(self.types.of(receiver.ty), Type::Tuple(_)) {
            diagnostic = diagnostic.with_help("parts of a tuple are named with a dot: `pair.0`");
        }
        self.wrong(diagnostic)
    }

    fn slice(&mut self, receiver: Expr, range: &'a ast::Range, written: &ast::Expr, span: Span) -> Expr {
        if !matches!(self.types.of(receiver.ty), Type::Array(_) | Type::Str | Type::Bytes) {
            if let Type::Optional(_) = self.types.of(receiver.ty) {
                return self.maybe_null(&receiver, "[…]");
            }
            return self.not_indexable(&receiver, span);
        }
        let int = self.types.int;
        let start = match &range.start {
            Some(start) => self.expr_as(start, int, Why::Plain),
            None => Expr::new(ExprKind::Constant(Constant::Int(0)), int, written.span),
        };
        let ty = receiver.ty;
        match &range.end {
            Some(end) => {
                let end = self.expr_as(end, int, Why::Plain);
                let kind = ExprKind::Range(Box::new(start), Box::new(end), range.is_inclusive);
                let bounds = Expr::new(kind, self.types.range, written.span);
                Expr::new(ExprKind::Slice(Box::new(receiver), Box::new(bounds)), ty, span)
            }
            None => {
                // `xs[a..]` needs the value twice: once for its length.
                let local = self.hidden_local("sliced", ty, receiver.span);
                let receiver_span = receiver.span;
                let read = || Expr::new(ExprKind::Local(local), ty, receiver_span);
                let end = Expr::new(ExprKind::Len(Box::new(read())), int, written.span);
                let bounds = Expr::new(ExprKind::Range(Box::new(start), Box::new(end), false), self.types.range, written.span);
                let value = Expr::new(ExprKind::Slice(Box::new(read()), Box::new(bounds)), ty, span);
                self.block_value(vec![(local, receiver)], value)
            }
        }
    }

    /// A block that gives variables their values, then computes one.
    pub(super) fn block_value(&mut self, variables: Vec<(crate::ir::LocalId, Expr)>, value: Expr) -> Expr {
        let (ty, span) = (value.ty, value.span);
        let statements = variables
            .into_iter()
            .map(|(local, expr)| {
                let span = expr.span;
                Statement { kind: StatementKind::Let(local, Some(expr)), span, joins_before: Vec::new() }
            })
            .collect();
        let block = crate::ir::Block { statements, value: Some(Box::new(value)), span, joins_at_end: Vec::new() };
        Expr::new(ExprKind::Block(block), ty, span)
    }

    fn propagate(&mut self, inner: &'a ast::Expr, want: Want, span: Span) -> Expr {
        let hint = want.hint().map_or(Want::Infer, |ty| Want::Hint(self.types.optional(ty)));
        // A hint of the optional type would mislead where a `Result` comes: only literals look at it.
        let value = self.value(inner, hint);
        self.propagate_value(value, span)
    }

    fn propagate_value(&mut self, value: Expr, span: Span) -> Expr {
        let result = match self.frame_ref().result {
            FrameResult::Declared(ty, _) => ty,
            FrameResult::Inferred(Some(ty)) => ty,
            FrameResult::Inferred(None) => value.ty,
        };
        match (self.types.of(value.ty).clone(), self.types.of(result).clone()) {
            (Type::Optional(inner), Type::Optional(_) | Type::Null | Type::Any) => {
                Expr::new(ExprKind::TryOptional(Box::new(value)), inner, span)
            }
            (Type::Result(ok, err), Type::Result(_, expected)) if self.is_subtype(err, expected) => {
                Expr::new(ExprKind::TryResult(Box::new(value)), ok, span)
            }
            _ if value.is_wrong() => value,
            (Type::Optional(_), _) => {
                let shown = self.show(result);
                let diagnostic = Diagnostic::error(codes::PROPAGATE, span, "`?` cannot leave this function with null")
                    .with_remark(format!("the function gives `{shown}`"))
                    .with_help("let it give an optional, or use `??` for a default");
                self.wrong(diagnostic)
            }
            (Type::Result(_, err), _) => {
                let (shown, err) = (self.show(result), self.show(err));
                let diagnostic = Diagnostic::error(codes::PROPAGATE, span, "`?` cannot leave this function with the error")
                    .with_remark(format!("the error is `{err}`, the function gives `{shown}`"))
                    .with_help("let it give a `Result` with that error, or match on the value");
                self.wrong(diagnostic)
            }
            _ => {
                let shown = self.show(value.ty);
                let diagnostic = Diagnostic::error(codes::PROPAGATE, span, "`?` is for values that may be null and for `Result`")
                    .with_remark(format!("this is a `{shown}`"));
                self.wrong(diagnostic)
            }
        }
    }

    /// A type that holds values of both, if there is a simple one.
    pub(super) fn common_type(&mut self, a: TypeId, b: TypeId) -> Option<TypeId> {
        if a == b || b == ERROR || b == self.types.never {
            return Some(a);
        }
        if a == ERROR || a == self.types.never {
            return Some(b);
        }
        if a == self.types.void || b == self.types.void {
            return None;
        }
        if a == self.types.null {
            return Some(self.types.optional(b));
        }
        if b == self.types.null {
            return Some(self.types.optional(a));
        }
        if self.is_subtype(a, b) {
            return Some(b);
        }
        if self.is_subtype(b, a) {
            return Some(a);
        }
        None
    }

    /// Structural equality of two values.
    pub(super) fn equality(&self, left: TypeId) -> (BinaryOp, BinaryOp) {
        match self.types.of(left) {
            Type::Int => (BinaryOp::EqInt, BinaryOp::NeInt),
            Type::Float => (BinaryOp::EqFloat, BinaryOp::NeFloat),
            _ => (BinaryOp::Eq, BinaryOp::Ne),
        }
    }
}
