//! Questions to agents and their answers; what can be said in JSON.

use vega_bytecode::module::Capability;
use vega_bytecode::{StructId, Type, TypeId};

use super::Checker;
use super::fits::Why;
use super::statement::Want;
use super::types::ERROR;
use crate::ast::{self, ExprId, ExprKind as A};
use crate::diagnostic::{Diagnostic, codes};
use crate::ir::{Ask, Expr, ExprKind};
use crate::resolve::definition::TypeDefinition;
use crate::source::Span;

impl<'a> Checker<'a> {
    /// `agent <- message`
    pub(super) fn ask(&mut self, send: &'a ast::Send, id: ExprId, want: Want, span: Span) -> Expr {
        let agent = self.value(&send.receiver, Want::Infer);
        // A map or array written as the message may hold values of several types.
        let hint = match send.message.peel().kind {
            A::Map(_) | A::Array(_) => Want::Hint(self.types.any),
            _ => Want::Infer,
        };
        let message = self.value(&send.message, hint);
        let (duration, money) = (self.types.duration, self.types.money);
        let timeout = send.timeout.as_ref().map(|timeout| self.expr_as(timeout, duration, Why::Setting("timeout")));
        let budget = send.budget.as_ref().map(|budget| self.expr_as(budget, money, Why::Setting("budget")));
        self.uses(Capability::Agent);
        let own = match self.types.of(agent.ty) {
            Type::Agent(index) => self.agents[index.0 as usize].output,
            Type::AnyAgent => self.types.str,
            _ => return self.not_an_agent(send, &agent, &message, span),
        };
        if !message.is_wrong() && !self.is_message_like(message.ty) && !self.has_json_form(message.ty) {
            let shown = self.show(message.ty);
            let diagnostic =
                Diagnostic::error(codes::NOT_A_MESSAGE, message.span, format!("a `{shown}` cannot be sent to an agent"))
                    .with_help("text, numbers, arrays, maps and structs of them, and a `Message` of several parts can");
            return self.wrong(diagnostic);
        }
        let chunk = self.types.chunk();
        let hint = match want.hint().map(|hint| (hint, self.types.of(hint))) {
            // What is wanted of a stream is what awaiting it gives; `Stream<Chunk>` is one of text.
            Some((_, Type::Stream(reply))) if send.is_stream => Some(*reply).filter(|reply| *reply != chunk),
            Some((hint, _)) if !send.is_stream => Some(hint),
            Some(_) | None => None,
        };
        let output = match hint {
            // Text fits where text or null is wanted.
            Some(hint) if matches!(self.types.of(hint), Type::Optional(inner) if *inner == own) => own,
            Some(hint) if self.is_reply_type(hint) => hint,
            _ => own,
        };
        let join = self.ask_join(id);
        self.note_unseen_call(&agent, join, span);
        let ty = if send.is_stream { self.types.stream(output) } else { output };
        let ask = Ask { agent, message, timeout, budget, output, join, streaming: send.is_stream };
        Expr::new(ExprKind::Ask(Box::new(ask)), ty, span)
    }

    /// The language's `Message`, and the type of its parts.
    pub(super) fn message_types(&mut self) -> Option<(TypeId, TypeId)> {
        let prelude = self.prelude?;
        let name = self.interner.intern("Message");
        let scope = &self.modules[prelude.0 as usize].scope;
        let Some(TypeDefinition::Struct(index)) = scope.types.get(&name).copied() else { return None };
        let parts = self.structs[index as usize].fields.first()?.ty;
        Some((self.types.structure(StructId(index), Vec::new()), parts))
    }

    /// Whether a type is a `Message` or a part of one.
    pub(super) fn is_message(&mut self, ty: TypeId) -> bool {
        if !matches!(self.types.of(ty), Type::Struct(..) | Type::Enum(..)) {
            return false;
        }
        let Some((message, parts)) = self.message_types() else { return false };
        ty == message || self.types.of(parts) == &Type::Array(ty)
    }

    /// Whether a type is a message of several parts, in whichever form.
    pub(super) fn is_message_like(&mut self, ty: TypeId) -> bool {
        match *self.types.of(ty) {
            Type::Array(element) => matches!(self.types.of(element), Type::Enum(..)) && self.is_message(element),
            _ => self.is_message(ty),
        }
    }

    /// Whether a wanted type can be asked of a model.
    fn is_reply_type(&self, ty: TypeId) -> bool {
        match self.types.of(ty) {
            Type::Struct(..) | Type::Enum(..) | Type::Int | Type::Float | Type::Bool | Type::Str | Type::Json => true,
            Type::Duration | Type::Money => true,
            Type::Array(element) | Type::Optional(element) => self.is_reply_type(*element),
            Type::Map(key, value) => *key == self.types.str && self.is_reply_type(*value),
            Type::Tuple(parts) => parts.iter().all(|part| self.is_reply_type(*part)),
            _ => false,
        }
    }

    /// Whether values of a type can be written as JSON.
    pub(super) fn has_json_form(&self, ty: TypeId) -> bool {
        self.json_form(ty, &mut Vec::new())
    }

    /// As [`Self::has_json_form`], with the definitions that are being looked at: a type may hold itself.
    fn json_form(&self, ty: TypeId, open: &mut Vec<TypeId>) -> bool {
        match self.types.of(ty) {
            Type::Null
            | Type::Bool
            | Type::Int
            | Type::Float
            | Type::Str
            | Type::Duration
            | Type::Money
            | Type::Any
            | Type::Json => true,
            Type::Array(inner) | Type::Optional(inner) => self.json_form(*inner, open),
            Type::Map(key, value) => self.json_form(*key, open) && self.json_form(*value, open),
            Type::Tuple(parts) => parts.iter().all(|part| self.json_form(*part, open)),
            Type::Struct(..) | Type::Enum(..) if open.contains(&ty) => true,
            Type::Struct(id, arguments) => {
                open.push(ty);
                let fields = &self.structs[id.0 as usize].fields;
                arguments.iter().all(|argument| self.json_form(*argument, open))
                    && fields.iter().all(|field| self.is_parameter(field.ty) || self.json_form(field.ty, open))
            }
            Type::Enum(id, arguments) => {
                open.push(ty);
                let variants = &self.enums[id.0 as usize].variants;
                arguments.iter().all(|argument| self.json_form(*argument, open))
                    && variants
                        .iter()
                        .flat_map(|variant| &variant.payload)
                        .all(|field| self.is_parameter(field.ty) || self.json_form(field.ty, open))
            }
            Type::Parameter(_) => ty == ERROR,
            Type::Void
            | Type::Never
            | Type::Bytes
            | Type::Error
            | Type::Secret
            | Type::Result(..)
            | Type::Range
            | Type::Function(..)
            | Type::Agent(_)
            | Type::AnyAgent
            | Type::Process
            | Type::Future(_)
            | Type::Stream(_)
            | Type::Monitor
            | Type::Span => false,
        }
    }

    /// Whether a field's type is left to the arguments of its definition, which are looked at by themselves.
    fn is_parameter(&self, ty: TypeId) -> bool {
        self.types.has_parameter(ty)
    }

    fn not_an_agent(&mut self, send: &ast::Send, receiver: &Expr, message: &Expr, span: Span) -> Expr {
        if receiver.is_wrong() {
            return Expr::wrong(span);
        }
        let shown = self.show(receiver.ty);
        let arrow = if send.is_stream { "<~" } else { "<-" };
        let title = format!("`{arrow}` asks an agent, and this is a `{shown}`");
        let mut diagnostic = Diagnostic::error(codes::NOT_AN_AGENT, receiver.span, title).with_remark("not an agent");
        match self.types.of(receiver.ty) {
            Type::Int | Type::Float | Type::Duration | Type::Money if !send.is_stream => {
                let text = self.sources.text_of(message.span).to_string();
                let text = text.trim_start();
                let right = Span { start: send.operator_span.start, ..message.span };
                diagnostic =
                    diagnostic.with_suggestion("to compare with a negative number, write a space", right, format!("< -{text}"));
            }
            Type::Process => {
                let (to, what) = (self.sources.text_of(receiver.span), self.sources.text_of(message.span));
                diagnostic = diagnostic.with_suggestion("to send to a process", span, format!("send({to}, {what})"));
            }
            Type::Future(inner) if matches!(self.types.of(*inner), Type::Agent(_)) => {
                let to = self.sources.text_of(receiver.span);
                diagnostic = diagnostic.with_suggestion("wait for the agent first", receiver.span, format!("(await {to})"));
            }
            Type::Optional(inner) if matches!(self.types.of(*inner), Type::Agent(_) | Type::AnyAgent) => {
                diagnostic = diagnostic.with_help("it may be null; test it first");
            }
            _ => {}
        }
        self.wrong(diagnostic)
    }

    /// `await future`
    pub(super) fn await_value(&mut self, inner: &'a ast::Expr, want: Want, span: Span) -> Expr {
        let wanted = match (&inner.peel().kind, want.hint()) {
            (A::Send(send), Some(reply)) if send.is_stream => Want::Hint(self.types.stream(reply)),
            _ => Want::Infer,
        };
        let value = self.value(inner, wanted);
        self.frame().effects.may_effect = true;
        let chunk = self.types.chunk();
        let ty = match *self.types.of(value.ty) {
            Type::Future(inner) => inner,
            Type::Stream(reply) if reply == chunk => self.types.str,
            Type::Stream(reply) => reply,
            // What is no future is there already.
            _ => return value,
        };
        Expr::new(ExprKind::Await(Box::new(value)), ty, span)
    }
}
