//! Loops, and what is still known behind them.

use vega_bytecode::module::Constant;
use vega_bytecode::{Type, TypeId};

use super::Checker;
use super::fits::Why;
use super::frame::{Binding, FrameKind, Role};
use super::statement::Want;
use super::types::ERROR;
use crate::ast::{self, ExprKind as A, Ident, PatternKind};
use crate::diagnostic::{Diagnostic, codes};
use crate::interner::{Symbol, words};
use crate::ir::{self, Block, Expr, ExprKind, LocalId, LoopId, Statement, StatementKind};
use crate::source::Span;

/// What a loop may change of a variable.
#[derive(Clone, Copy)]
enum Change {
    /// All of it.
    Whole,
    /// A field, an element, or something inside of them.
    Inside,
}

impl<'a> Checker<'a> {
    pub(super) fn while_loop(&mut self, looped: &'a ast::While) -> StatementKind {
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

    pub(super) fn endless_loop(&mut self, looped: &'a ast::Loop) -> StatementKind {
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

    pub(super) fn for_loop(&mut self, looped: &'a ast::For) -> StatementKind {
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
            Type::Stream(_) => self.types.chunk(),
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

    pub(super) fn counted_loop(&mut self, looped: &'a ast::CountedFor, span: Span) -> StatementKind {
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

    pub(super) fn enter_loop(&mut self, label: Option<Ident>, gives_value: bool, value: Option<LocalId>) -> LoopId {
        self.frame().enter_loop(label.map(|label| label.symbol), gives_value, value)
    }

    /// Ends a loop; whether some `break` leaves it.
    fn leave_loop(&mut self) -> bool {
        let Some(left) = self.frame().loops.pop() else { return false };
        for local in left.spawned {
            if self.frame_ref().uses[local.0 as usize].reads == 0 {
                let local = self.frame_ref().locals[local.0 as usize].clone();
                let title = format!("each round drops the handle `{}`, and what it started lives on", local.name);
                self.report(Diagnostic::note(codes::DROPPED_HANDLE, local.span, title).with_remark("never used").with_help(
                    "to end it, keep the handle and call `process::stop`; where it shall live on, write `spawn` alone",
                ));
            }
        }
        left.has_break
    }

    /// The loop that a label or, without one, the place names: its index in the frame's loops.
    pub(super) fn find_loop(&mut self, label: Option<Ident>, word: &str, span: Span) -> Option<usize> {
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
            if let Some(near) = self.nearest(text, known) {
                diagnostic = diagnostic.with_suggestion(format!("write `{near}`"), label.span, near);
            }
            self.report(diagnostic);
        }
        found
    }

    /// Before a loop: what its rounds may change is not known any more.
    pub(super) fn forget_assigned(&mut self, body: &'a ast::Block, more: Option<&'a ast::Expr>) {
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
