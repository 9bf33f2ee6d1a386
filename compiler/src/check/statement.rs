//! Blocks, statements and loops.

use vega_bytecode::module::Constant;
use vega_bytecode::{Type, TypeId};

use super::Checker;
use super::fits::Why;
use super::frame::{Binding, FrameKind, FrameResult, Role};
use super::narrow::{Narrowed, Spot};
use super::types::ERROR;
use crate::ast::{self, ExprKind as A, Ident, PatternKind, StmtKind};
use crate::diagnostic::{Diagnostic, codes};
use crate::interner::{Symbol, words};
use crate::ir::{self, Block, Expr, ExprKind, LocalId, LoopId, Statement, StatementKind};
use crate::resolve::definition::Found;
use crate::resolve::suggest::nearest;
use crate::source::Span;

/// What is wanted of an expression.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Want {
    /// Its value is dropped.
    Drop,
    /// Its value, whatever the type.
    Infer,
    /// Its value, for a place of this type; the caller makes it fit.
    Hint(TypeId),
}

impl Want {
    /// The type of the place, if there is one.
    pub(crate) fn hint(self) -> Option<TypeId> {
        match self {
            Want::Hint(ty) => Some(ty),
            Want::Drop | Want::Infer => None,
        }
    }
}

/// What a loop may change of a variable.
#[derive(Clone, Copy)]
enum Change {
    /// All of it.
    Whole,
    /// A field, an element, or something inside of them.
    Inside,
}

impl<'a> Checker<'a> {
    /// A block with its scope, and the type of its value: `void` without one, `never` where its end is not reached.
    pub(super) fn block(&mut self, block: &'a ast::Block, want: Want) -> (Block, TypeId) {
        let mark = self.frame().enter();
        let mut statements = Vec::with_capacity(block.statements.len() + 1);
        self.statements(&block.statements, &mut statements);
        let mut value = None;
        if let Some(last) = &block.value {
            self.note_unreachable(last.span);
            let joins_before = self.joins_before_value(block.id);
            if want == Want::Drop {
                let kind = self.statement_of(last);
                statements.push(Statement { kind, span: last.span, joins_before });
            } else {
                if !joins_before.is_empty() {
                    let null = Expr::new(ExprKind::Constant(Constant::Null), self.types.null, last.span);
                    statements.push(Statement { kind: StatementKind::Expr(null), span: last.span, joins_before });
                }
                let expr = self.expr(last, want);
                if expr.ty == self.types.void {
                    statements.push(Statement { kind: StatementKind::Expr(expr), span: last.span, joins_before: Vec::new() });
                } else {
                    value = Some(expr);
                }
            }
        }
        self.frame().leave(mark);
        let ty = match &value {
            Some(value) => value.ty,
            None if self.frame().is_reachable => self.types.void,
            None => self.types.never,
        };
        let joins_at_end = self.joins_at_end(block.id);
        (Block { statements, value: value.map(Box::new), span: block.span, joins_at_end }, ty)
    }

    /// The statements of a block or file.
    pub(super) fn statements(&mut self, written: &'a [ast::Stmt], statements: &mut Vec<Statement>) {
        for statement in written {
            self.note_unreachable(statement.span);
            let joins_before = self.joins_before(statement.id);
            let kind = match &statement.kind {
                StmtKind::Let(declaration) => self.let_statement(declaration),
                StmtKind::Const(declaration) => {
                    self.block_constant(declaration);
                    continue;
                }
                StmtKind::Expr(expr) => self.statement_of(expr),
                StmtKind::Defer(body) => self.defer(body),
                StmtKind::Mock(mock) => {
                    self.refuse("`mock`", mock.span);
                    continue;
                }
                StmtKind::Error => {
                    // What the parser dropped here may well have returned or declared something.
                    self.frame().is_reachable = true;
                    continue;
                }
            };
            statements.push(Statement { kind, span: statement.span, joins_before });
        }
    }

    fn note_unreachable(&mut self, span: Span) {
        if !self.frame().is_reachable {
            self.report(Diagnostic::warning(codes::UNREACHABLE, span, "this is never reached").with_remark("nothing leads here"));
            // Once is enough.
            self.frame().is_reachable = true;
            self.frame().narrowed = Narrowed::default();
        }
    }

    /// An expression whose value is dropped, as a statement.
    pub(super) fn statement_of(&mut self, written: &'a ast::Expr) -> StatementKind {
        match &written.kind {
            A::Paren(inner) => self.statement_of(inner),
            A::Assign(assign) => self.assign(assign, written.span),
            A::While(looped) => self.while_loop(looped),
            A::For(looped) => self.for_loop(looped),
            A::CountedFor(looped) => self.counted_loop(looped, written.span),
            A::Loop(looped) => self.endless_loop(looped),
            A::Try(tried) => self.try_statement(tried, None),
            A::Return(value) => self.return_statement(value.as_deref(), written.span),
            A::Throw(value) => self.throw_statement(value),
            A::Break(left) => self.break_statement(left, written.span),
            A::Continue(label) => self.continue_statement(*label, written.span),
            _ => {
                let expr = self.expr(written, Want::Drop);
                self.note_useless(&expr);
                StatementKind::Expr(expr)
            }
        }
    }

    fn note_useless(&mut self, expr: &Expr) {
        let useless = match &expr.kind {
            ExprKind::Binary(..) | ExprKind::Local(_) | ExprKind::Constant(_) => !expr.is_wrong(),
            _ => false,
        };
        if !useless {
            return;
        }
        let mut diagnostic = Diagnostic::warning(codes::UNUSED_VALUE, expr.span, "this value is not used");
        if let ExprKind::Binary(ir::BinaryOp::Eq | ir::BinaryOp::EqInt | ir::BinaryOp::EqFloat, left, right) = &expr.kind {
            let between = Span::new(expr.span.file, left.span.end, right.span.start);
            diagnostic = diagnostic.with_suggestion("to assign, write one `=`", between, " = ");
        }
        self.report(diagnostic);
    }

    fn let_statement(&mut self, declaration: &'a ast::LetStatement) -> StatementKind {
        let annotated = declaration.ty.as_ref().map(|ty| (self.resolve_value_type(ty), ty.span));
        let want = annotated.map_or(Want::Infer, |(ty, _)| Want::Hint(ty));
        let mut value = self.expr(&declaration.value, want);
        // An expression that never ends leaves the rest of the block unreachable, but the names are declared all the same.
        let mut ty = value.ty;
        if let Some((annotated, span)) = annotated {
            let given = value.ty;
            value = self.coerce(value, annotated, Why::Annotation(span));
            ty = annotated;
            if let PatternKind::Binding(binding) = &declaration.pattern.kind {
                let local = self.declare_local(binding.name.symbol, ty, binding.name.span, Role::Variable);
                self.assigned(Spot::local(local), ty, given);
                return StatementKind::Let(local, Some(value));
            }
        }
        if ty == self.types.void {
            self.report(
                Diagnostic::error(codes::VOID_VALUE, value.span, "this gives no value")
                    .with_remark("there is nothing to put into a variable"),
            );
            ty = ERROR;
        } else if ty == self.types.null && annotated.is_none() {
            self.report(
                Diagnostic::error(
                    codes::NEEDS_ANNOTATION,
                    value.span,
                    "the type of this variable cannot be told from `null` alone",
                )
                .with_help("write the type: `let x: str? = null;`"),
            );
            ty = ERROR;
        }
        match &declaration.pattern.kind {
            PatternKind::Binding(binding) => {
                let local = self.declare_local(binding.name.symbol, ty, binding.name.span, Role::Variable);
                StatementKind::Let(local, Some(value))
            }
            _ => {
                let pattern = self.irrefutable_pattern(&declaration.pattern, ty, "`let`");
                StatementKind::LetPattern(pattern, value)
            }
        }
    }

    fn block_constant(&mut self, declaration: &'a ast::ConstDecl) {
        let index = self.consts.len() as u32;
        self.consts.push(super::definition::ConstInfo {
            module: self.module,
            declaration,
            is_public: false,
            is_busy: false,
            ty: None,
        });
        self.check_const(index);
        self.frame().bind(declaration.binding.name.symbol, Binding::Const(index));
    }

    fn defer(&mut self, body: &'a ast::Expr) -> StatementKind {
        let reachable = self.frame().is_reachable;
        let block = match &body.kind {
            A::Block(block) => self.block(block, Want::Drop).0,
            _ => {
                let kind = self.statement_of(body);
                let statement = Statement { kind, span: body.span, joins_before: Vec::new() };
                Block { statements: vec![statement], value: None, span: body.span, joins_at_end: Vec::new() }
            }
        };
        self.frame().is_reachable = reachable;
        StatementKind::Defer(block)
    }

    /// A condition: a `bool`.
    pub(super) fn condition(&mut self, written: &'a ast::Expr) -> Expr {
        let condition = self.expr(written, Want::Hint(self.types.bool));
        if condition.ty == self.types.bool || condition.is_wrong() || condition.ty == self.types.never {
            return condition.retyped(self.types.bool);
        }
        let shown = self.show(condition.ty);
        let text = self.sources.text_of(condition.span).to_string();
        let help = match self.types.of(condition.ty) {
            Type::Int => format!("write `{text} != 0`"),
            Type::Str => format!("write `{text} != \"\"`"),
            Type::Optional(_) => format!("write `{text} != null`"),
            Type::Array(_) | Type::Map(..) => format!("write `!{text}.is_empty()`"),
            _ => String::new(),
        };
        let mut diagnostic = Diagnostic::error(codes::MISMATCHED, condition.span, "a condition is a `bool`")
            .with_remark(format!("this is a `{shown}`"));
        if !help.is_empty() {
            diagnostic = diagnostic.with_help(help);
        }
        self.wrong(diagnostic)
    }

    fn while_loop(&mut self, looped: &'a ast::While) -> StatementKind {
        self.forget_assigned(&looped.body, Some(&looped.condition));
        let before = self.frame().narrowed.clone();
        let condition = self.condition(&looped.condition);
        let is_endless = matches!(condition.kind, ExprKind::Constant(Constant::Bool(true)));
        let facts = self.facts(&condition, true);
        self.frame().narrowed.learn(facts);
        let id = self.enter_loop(looped.label, false, None);
        let (body, _) = self.block(&looped.body, Want::Drop);
        let has_break = self.leave_loop();
        self.frame().is_reachable = !is_endless || has_break;
        self.frame().narrowed = before;
        if !has_break {
            let facts = self.facts(&condition, false);
            self.frame().narrowed.learn(facts);
        }
        StatementKind::While { id, condition, body, step: None }
    }

    fn endless_loop(&mut self, looped: &'a ast::Loop) -> StatementKind {
        self.forget_assigned(&looped.body, None);
        let before = self.frame().narrowed.clone();
        let id = self.enter_loop(looped.label, false, None);
        if let Some(frame) = self.frame().loops.last_mut() {
            frame.gives_value = true;
        }
        let (body, _) = self.block(&looped.body, Want::Drop);
        let has_break = self.leave_loop();
        self.frame().is_reachable = has_break;
        self.frame().narrowed = before;
        let condition = Expr::new(ExprKind::Constant(Constant::Bool(true)), self.types.bool, looped.body.span);
        StatementKind::While { id, condition, body, step: None }
    }

    /// A `loop` whose value is wanted.
    pub(super) fn loop_value(&mut self, looped: &'a ast::Loop, want: Want, span: Span) -> Expr {
        self.forget_assigned(&looped.body, None);
        let before = self.frame().narrowed.clone();
        let value = self.hidden_local("loop", want.hint().unwrap_or(self.types.void), span);
        let id = self.enter_loop(looped.label, true, Some(value));
        let (body, _) = self.block(&looped.body, Want::Drop);
        let frame = self.frame().loops.pop().expect("entered above");
        self.frame().narrowed = before;
        self.frame().is_reachable = frame.has_break;
        let ty = match frame.value {
            Some((_, Some(ty))) => ty,
            _ if frame.has_break => self.types.void,
            _ => self.types.never,
        };
        self.frame().locals[value.0 as usize].ty =
            if ty == self.types.void || ty == self.types.never { self.types.null } else { ty };
        if ty == self.types.void || ty == self.types.never {
            let condition = Expr::new(ExprKind::Constant(Constant::Bool(true)), self.types.bool, span);
            let statement =
                Statement { kind: StatementKind::While { id, condition, body, step: None }, span, joins_before: Vec::new() };
            return self.statement_expr(statement, ty);
        }
        Expr::new(ExprKind::Loop(id, value, body), ty, span)
    }

    /// A statement in the place of an expression.
    pub(super) fn statement_expr(&mut self, statement: Statement, ty: TypeId) -> Expr {
        let span = statement.span;
        if ty == self.types.never {
            return Expr::new(ExprKind::Diverge(Box::new(statement)), ty, span);
        }
        let block = Block { statements: vec![statement], value: None, span, joins_at_end: Vec::new() };
        Expr::new(ExprKind::Block(block), ty, span)
    }

    fn for_loop(&mut self, looped: &'a ast::For) -> StatementKind {
        if let A::Range(range) = &looped.iterable.peel().kind
            && let (Some(start), Some(end), PatternKind::Binding(_) | PatternKind::Wildcard) =
                (&range.start, &range.end, &looped.pattern.kind)
        {
            return self.range_loop(looped, start, end, range.is_inclusive);
        }
        let iterable = self.expr(&looped.iterable, Want::Infer);
        let element = self.element_of(&iterable);
        self.forget_assigned(&looped.body, None);
        let before = self.frame().narrowed.clone();
        let mark = self.frame().enter();
        let pattern = self.irrefutable_pattern(&looped.pattern, element, "`for`");
        let id = self.enter_loop(looped.label, false, None);
        let (body, _) = self.block(&looped.body, Want::Drop);
        self.leave_loop();
        self.frame().leave(mark);
        self.frame().is_reachable = true;
        self.frame().narrowed = before;
        if let ir::PatternKind::Bind(local) = pattern.kind {
            self.note_changed_copy(local, &iterable);
        }
        StatementKind::ForEach { id, pattern, iterable, body }
    }

    /// A loop that only changes its copies of the elements has no effect.
    fn note_changed_copy(&mut self, variable: LocalId, iterable: &Expr) {
        let uses = self.frame_ref().uses[variable.0 as usize];
        if uses.changes == 0 || uses.reads > 0 {
            return;
        }
        let local = self.frame_ref().locals[variable.0 as usize].clone();
        let container = self.sources.text_of(iterable.span);
        let mut diagnostic = Diagnostic::warning(
            codes::COPY_CHANGED,
            local.span,
            format!("`{}` is a copy; nobody reads what is changed in it", local.name),
        )
        .with_remark("changed, but never read");
        if matches!(iterable.kind, ExprKind::Local(_) | ExprKind::Field(..))
            && matches!(self.types.of(iterable.ty), Type::Array(_))
        {
            diagnostic = diagnostic.with_help(format!(
                "to change the elements, write `for i in 0..{container}.len() {{ … }}` with `{container}[i]`"
            ));
        }
        self.report(diagnostic);
    }

    fn range_loop(&mut self, looped: &'a ast::For, start: &'a ast::Expr, end: &'a ast::Expr, inclusive: bool) -> StatementKind {
        let int = self.types.int;
        let start = self.expr_as(start, int, Why::Plain);
        let end = self.expr_as(end, int, Why::Plain);
        self.forget_assigned(&looped.body, None);
        let before = self.frame().narrowed.clone();
        let mark = self.frame().enter();
        let variable = match &looped.pattern.kind {
            PatternKind::Binding(binding) => self.declare_local(binding.name.symbol, int, binding.name.span, Role::Variable),
            _ => self.hidden_local("round", int, looped.pattern.span),
        };
        let id = self.enter_loop(looped.label, false, None);
        let (body, _) = self.block(&looped.body, Want::Drop);
        self.leave_loop();
        self.frame().leave(mark);
        self.frame().is_reachable = true;
        self.frame().narrowed = before;
        StatementKind::ForRange { id, variable, start, end, inclusive, body }
    }

    /// Type of the elements that iterating gives.
    pub(super) fn element_of(&mut self, iterable: &Expr) -> TypeId {
        match *self.types.of(iterable.ty) {
            Type::Array(element) => element,
            Type::Map(key, value) => self.types.tuple(vec![key, value]),
            Type::Str => self.types.str,
            Type::Range => self.types.int,
            Type::Stream(chunk) => chunk,
            Type::Bytes => self.types.int,
            _ if iterable.is_wrong() || iterable.ty == self.types.never => ERROR,
            ref ty => {
                let help = match ty {
                    Type::Optional(_) => "it may be null; test it first, or give a default with `??`",
                    Type::Int => "to count, write `0..n`",
                    Type::Json | Type::Any => "look at its type first: `match x { items: json[] => …, _ => … }`",
                    _ => "arrays, ranges, `str`, maps and streams can be gone through",
                };
                let shown = self.show(iterable.ty);
                self.report(
                    Diagnostic::error(
                        codes::NOT_ITERABLE,
                        iterable.span,
                        format!("a `{shown}` cannot be gone through with `for`"),
                    )
                    .with_help(help),
                );
                ERROR
            }
        }
    }

    fn counted_loop(&mut self, looped: &'a ast::CountedFor, span: Span) -> StatementKind {
        let mark = self.frame().enter();
        let mut statements = Vec::new();
        if let Some(start) = &looped.start {
            let kind = self.let_statement(start);
            statements.push(Statement { kind, span: start.value.span, joins_before: Vec::new() });
        }
        self.forget_assigned(&looped.body, looped.step.as_ref());
        let before = self.frame().narrowed.clone();
        let condition = match &looped.condition {
            Some(condition) => self.condition(condition),
            None => Expr::new(ExprKind::Constant(Constant::Bool(true)), self.types.bool, span),
        };
        let is_endless = matches!(condition.kind, ExprKind::Constant(Constant::Bool(true)));
        let facts = self.facts(&condition, true);
        self.frame().narrowed.learn(facts);
        let id = self.enter_loop(looped.label, false, None);
        let (body, _) = self.block(&looped.body, Want::Drop);
        let has_break = self.leave_loop();
        self.frame().is_reachable = true;
        // Older programs write the name of the counter alone, which does nothing.
        let step = match &looped.step {
            Some(step) if !matches!(step.peel().kind, A::Name(_)) => {
                let kind = self.statement_of(step);
                Some(Box::new(Statement { kind, span: step.span, joins_before: Vec::new() }))
            }
            _ => None,
        };
        self.frame().is_reachable = !is_endless || has_break;
        self.frame().narrowed = before;
        self.frame().leave(mark);
        statements.push(Statement { kind: StatementKind::While { id, condition, body, step }, span, joins_before: Vec::new() });
        let block = Block { statements, value: None, span, joins_at_end: Vec::new() };
        let void = self.types.void;
        StatementKind::Expr(Expr::new(ExprKind::Block(block), void, span))
    }

    fn enter_loop(&mut self, label: Option<Ident>, gives_value: bool, value: Option<LocalId>) -> LoopId {
        self.frame().enter_loop(label.map(|label| label.symbol), gives_value, value)
    }

    /// Ends a loop; whether some `break` leaves it.
    fn leave_loop(&mut self) -> bool {
        self.frame().loops.pop().is_some_and(|frame| frame.has_break)
    }

    /// The loop that a label or, without one, the place names: its index in the frame's loops.
    fn find_loop(&mut self, label: Option<Ident>, word: &str, span: Span) -> Option<usize> {
        let loops = &self.frame_ref().loops;
        let Some(label) = label else {
            let last = loops.len().checked_sub(1);
            if last.is_none() {
                let place = match self.frame_ref().kind {
                    FrameKind::Function => "",
                    FrameKind::Closure => "; a closure cannot leave the loop around it",
                    FrameKind::Task => "; `async` cannot leave the loop around it",
                };
                self.error(codes::OUTSIDE_LOOP, span, format!("`{word}` outside of a loop{place}"));
            }
            return last;
        };
        let found = loops.iter().rposition(|frame| frame.label == Some(label.symbol));
        if found.is_none() {
            let text = self.text(label.symbol);
            let known = loops.iter().filter_map(|frame| frame.label).map(|label| self.interner.text(label));
            let mut diagnostic =
                Diagnostic::error(codes::UNKNOWN_LABEL, label.span, format!("no loop around is called `{text}`"));
            if let Some(near) = nearest(text, known) {
                diagnostic = diagnostic.with_suggestion(format!("write `{near}`"), label.span, near);
            }
            self.report(diagnostic);
        }
        found
    }

    pub(super) fn break_statement(&mut self, left: &'a ast::Break, span: Span) -> StatementKind {
        // `break name` without such a label gives the value of a variable.
        let is_value = left.value.is_none()
            && left.label.is_some_and(|label| {
                !self.frame_ref().loops.iter().any(|frame| frame.label == Some(label.symbol))
                    && self.frame_ref().loops.last().is_some_and(|frame| frame.gives_value)
                    && self.find_local(label.symbol).is_some()
            });
        // A word that nothing has is more likely a label with a slip than a variable.
        let unknown = match left.value.as_ref().map(|value| &value.kind) {
            Some(A::Name(name)) if self.find_local(name.symbol).is_none() && self.find_value(name.symbol) == Found::Nothing => {
                Some(*name)
            }
            _ => None,
        };
        if let Some(name) = unknown {
            self.find_loop(Some(name), "break", span);
            self.frame().loops.iter_mut().for_each(|frame| frame.has_break = true);
            self.frame().is_reachable = false;
            return StatementKind::Expr(Expr::wrong(span));
        }
        let found = self.find_loop(left.label.filter(|_| !is_value), "break", span);
        let Some(index) = found else {
            self.frame().is_reachable = false;
            return StatementKind::Expr(Expr::wrong(span));
        };
        let frame = &mut self.frame().loops[index];
        frame.has_break = true;
        let (id, gives_value, slot) = (frame.id, frame.gives_value, frame.value);
        let written = left.value.as_ref().map(|value| value.span).or(left.label.filter(|_| is_value).map(|label| label.span));
        let mut assigned = None;
        if let Some(value_span) = written {
            let hint = slot.and_then(|(local, ty)| ty.or(Some(self.frame_ref().locals[local.0 as usize].ty)));
            let want = hint.filter(|ty| *ty != self.types.void).map_or(Want::Infer, Want::Hint);
            let value = match &left.value {
                Some(value) => self.expr(value, want),
                None => left.label.map_or_else(|| Expr::wrong(span), |label| self.name(label, want)),
            };
            if !gives_value {
                self.error(codes::OUTSIDE_LOOP, value_span, "only `loop` gives a value; `while` and `for` end without one");
            } else if let Some((local, known)) = slot {
                assigned = Some(self.break_value(index, local, known, value));
            } else {
                assigned = Some(StatementKind::Expr(value));
            }
        }
        self.frame().is_reachable = false;
        let leave = StatementKind::Break(id);
        match assigned {
            None => leave,
            Some(first) => {
                let statements = vec![
                    Statement { kind: first, span, joins_before: Vec::new() },
                    Statement { kind: leave, span, joins_before: Vec::new() },
                ];
                let block = Block { statements, value: None, span, joins_at_end: Vec::new() };
                StatementKind::Expr(Expr::new(ExprKind::Block(block), self.types.never, span))
            }
        }
    }

    fn break_value(&mut self, index: usize, local: LocalId, known: Option<TypeId>, value: Expr) -> StatementKind {
        let declared = self.frame_ref().locals[local.0 as usize].ty;
        let ty = match known {
            Some(known) => known,
            None if declared != self.types.void => declared,
            None => value.ty,
        };
        let span = value.span;
        let value = self.coerce(value, ty, Why::Plain);
        self.frame().loops[index].value = Some((local, Some(ty)));
        StatementKind::Assign(ir::Place { local, steps: Vec::new(), ty, span }, value)
    }

    pub(super) fn continue_statement(&mut self, label: Option<Ident>, span: Span) -> StatementKind {
        let found = self.find_loop(label, "continue", span);
        self.frame().is_reachable = false;
        match found {
            Some(index) => StatementKind::Continue(self.frame_ref().loops[index].id),
            None => StatementKind::Expr(Expr::wrong(span)),
        }
    }

    pub(super) fn return_statement(&mut self, written: Option<&'a ast::Expr>, span: Span) -> StatementKind {
        let (expected, place) = match self.frame_ref().result {
            FrameResult::Declared(ty, place) => (Some(ty), place),
            FrameResult::Inferred(ty) => (ty, None),
        };
        let is_inferred = matches!(self.frame_ref().result, FrameResult::Inferred(_));
        let Some(written) = written else {
            match expected {
                Some(expected) if expected != self.types.void && expected != ERROR => {
                    let shown = self.show(expected);
                    let mut diagnostic = Diagnostic::error(codes::MISMATCHED, span, "`return` without a value")
                        .with_remark(format!("expected `{shown}`"));
                    if let Some(place) = place {
                        diagnostic = diagnostic.with_label(place, format!("the function gives `{shown}`"));
                    }
                    self.report(diagnostic);
                }
                None => self.frame().result = FrameResult::Inferred(Some(self.types.void)),
                Some(_) => {}
            }
            self.frame().is_reachable = false;
            return StatementKind::Return(None);
        };
        let want = expected.filter(|ty| *ty != self.types.void).map_or(Want::Infer, Want::Hint);
        let value = self.expr(written, want);
        let value = match expected {
            Some(expected) if expected == self.types.void => {
                if value.ty == self.types.void || value.is_wrong() || value.ty == self.types.never {
                    // `return f();` where both give nothing.
                    self.frame().is_reachable = false;
                    let statements = vec![
                        Statement { kind: StatementKind::Expr(value), span, joins_before: Vec::new() },
                        Statement { kind: StatementKind::Return(None), span, joins_before: Vec::new() },
                    ];
                    let block = Block { statements, value: None, span, joins_at_end: Vec::new() };
                    return StatementKind::Expr(Expr::new(ExprKind::Block(block), self.types.never, span));
                }
                let shown = self.show(value.ty);
                let mut diagnostic = Diagnostic::error(codes::MISMATCHED, value.span, "this function gives nothing")
                    .with_remark(format!("found `{shown}`"));
                if !is_inferred {
                    diagnostic = diagnostic.with_help(format!("write `-> {shown}` behind its parameters"));
                }
                self.wrong(diagnostic)
            }
            Some(expected) => self.coerce(value, expected, Why::Return(place)),
            None => {
                self.frame().result = FrameResult::Inferred(Some(value.ty));
                value
            }
        };
        self.frame().is_reachable = false;
        StatementKind::Return(Some(value))
    }

    /// Before a loop: what its rounds may change is not known any more.
    fn forget_assigned(&mut self, body: &'a ast::Block, more: Option<&'a ast::Expr>) {
        if self.frame_ref().narrowed.is_empty() {
            return;
        }
        let mut changes: Vec<(Symbol, Change)> = Vec::new();
        self.changed_names(body.span, &mut changes);
        if let Some(more) = more {
            self.changed_names(more.span, &mut changes);
        }
        for (name, change) in changes {
            let Some(Binding::Local(local)) = self.frame_ref().lookup(name) else { continue };
            match change {
                Change::Whole => self.frame().narrowed.forget_local(local),
                Change::Inside => self.frame().narrowed.forget_inside(local),
            }
        }
    }

    /// Names in a stretch of source after which something follows that may change them: an assignment, an index or a method call.
    /// Reading the text errs on the side of forgetting, and costs nothing where nothing is known.
    fn changed_names(&self, span: Span, changes: &mut Vec<(Symbol, Change)>) {
        let text = self.sources.text_of(span);
        let is_word = |character: char| character.is_alphanumeric() || character == '_';
        let mut rest = text;
        while let Some(start) = rest.find(is_word) {
            let tail = &rest[start..];
            let end = tail.find(|character| !is_word(character)).unwrap_or(tail.len());
            let (word, after) = tail.split_at(end);
            rest = after;
            let next = after.trim_start();
            // The place may go on with fields: look past them.
            let mut place = next;
            let mut calls = false;
            let mut change = Change::Whole;
            while let Some(field) = place.strip_prefix('.') {
                change = Change::Inside;
                let field = field.trim_start();
                let end = field.find(|character| !is_word(character)).unwrap_or(field.len());
                let (method, behind) = field.split_at(end);
                place = behind.trim_start();
                if place.starts_with('(') {
                    calls = self.is_changing_method(method);
                    break;
                }
            }
            if place.starts_with('[') {
                change = Change::Inside;
            }
            let assigns = place.starts_with('[')
                || place.starts_with('=') && !place.starts_with("==") && !place.starts_with("=>")
                || ["+=", "-=", "*=", "/=", "%=", "|=", "&=", "^=", "<<=", ">>=", "??="]
                    .iter()
                    .any(|operator| place.starts_with(operator));
            if (assigns || calls)
                && let Some(symbol) = self.interner.get(word)
            {
                changes.push((symbol, change));
            }
        }
    }

    fn is_changing_method(&self, name: &str) -> bool {
        let Some(symbol) = self.interner.get(name) else { return false };
        symbol == words::UNDERSCORE
            || name == "push"
            || self.methods.iter().any(|((_, method), index)| {
                *method == symbol && self.functions[*index as usize].receiver.is_some_and(|(_, is_mut)| is_mut)
            })
    }
}
