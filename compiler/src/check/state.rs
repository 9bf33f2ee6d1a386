//! The state of agents: variables that the tools of an agent share.
//!
//! To a tool they are variables of its own. Their values come as its last arguments, and what it has made of those that it changes is
//! handed over on its way out. Closures see copies, as of every variable.

use vega_bytecode::module::Constant;
use vega_bytecode::module::FieldDefinition;

use super::Checker;
use super::definition::{AgentInfo, StateInfo};
use super::fits::Why;
use super::frame::Role;
use super::types::ERROR;
use crate::ast;
use crate::diagnostic::{Diagnostic, codes};
use crate::interner::Symbol;
use crate::ir::{Block, Expr, ExprKind, LocalId, Statement, StatementKind};
use crate::source::Span;

impl<'a> Checker<'a> {
    /// Checks the variables where they are declared.
    pub(super) fn check_state(&mut self, info: &AgentInfo<'a>) {
        let mut names: Vec<ast::Ident> = info.parameters.iter().map(|parameter| parameter.name).collect();
        for StateInfo { field, ty } in &info.state {
            if *ty != ERROR && !self.has_json_form(*ty) {
                let shown = self.show(*ty);
                self.report(
                    Diagnostic::error(codes::NOT_JSON, field.ty.span, format!("a `{shown}` cannot be kept in an agent's state"))
                        .with_help("text, numbers, and arrays, maps, structs and enums of them can be kept"),
                );
            }
            let name = field.binding.name;
            if let Some(before) = names.iter().find(|before| before.symbol == name.symbol) {
                let before = before.span;
                self.report_duplicate("variable of the agent", name, Some(before));
            }
            names.push(name);
        }
    }

    /// The entry of the clauses with the values that the variables begin with. They may depend on the agent's parameters.
    pub(super) fn state_clause(&mut self, info: &AgentInfo<'a>, entries: &mut Vec<(Expr, Expr)>) {
        let values: Vec<Expr> = info
            .state
            .iter()
            .map(|StateInfo { field, ty }| self.expr_as(&field.value, *ty, Why::Annotation(field.ty.span)))
            .collect();
        if !values.is_empty() {
            let value = self.any_array(values, info.declaration.name.span);
            self.put_clause(entries, "state", value);
        }
    }

    /// Names and types of the variables.
    pub(super) fn state_fields(&self, info: &AgentInfo<'a>) -> Vec<FieldDefinition> {
        let field = |state: &StateInfo<'a>| FieldDefinition {
            name: self.text(state.field.binding.name.symbol).to_string(),
            ty: state.ty,
        };
        info.state.iter().map(field).collect()
    }

    /// The agent of the module that has a variable of this name, and where, for whoever looks for it in the wrong place.
    pub(super) fn state_meant(&self, name: Symbol) -> Option<(&str, Span)> {
        let agents = self.agents.iter().filter(|agent| agent.module == self.module);
        agents
            .flat_map(|agent| agent.state.iter().map(move |state| (agent, state.field.binding.name)))
            .find(|(_, variable)| variable.symbol == name)
            .map(|(agent, variable)| (self.text(agent.declaration.name.symbol), variable.span))
    }

    /// The variables as further parameters of a tool.
    pub(super) fn declare_state(&mut self, info: &AgentInfo<'a>) -> Vec<LocalId> {
        let mut state = Vec::with_capacity(info.state.len());
        for StateInfo { field, ty } in &info.state {
            let name = field.binding.name;
            let local = self.declare_local(name.symbol, *ty, name.span, Role::Variable);
            // What it holds at the end is kept, so that it counts as read.
            self.frame().uses[local.0 as usize].reads += 1;
            state.push(local);
        }
        state
    }

    /// Whether the tool under way reads or changes one of them.
    pub(super) fn uses_state(&self, state: &[LocalId]) -> bool {
        state.iter().any(|local| {
            let uses = self.frame_ref().uses[local.0 as usize];
            uses.reads > 1 || uses.changes > 0
        })
    }

    /// The body of a tool, which on its way out hands over what it changed: the numbers of the variables, each with its value.
    pub(super) fn keeping_state(&mut self, mut body: Block, state: &[LocalId], span: Span) -> Block {
        let mut changed = Vec::new();
        for (number, local) in (0..).zip(state) {
            if self.frame_ref().uses[local.0 as usize].changes > 0 {
                let ty = self.frame_ref().locals[local.0 as usize].ty;
                changed.push(Expr::new(ExprKind::Constant(Constant::Int(number)), self.types.int, span));
                changed.push(Expr::new(ExprKind::Local(*local), ty, span));
            }
        }
        if changed.is_empty() {
            return body;
        }
        let (changed, void) = (self.any_array(changed, span), self.types.void);
        let put = self.native_call("state::put", vec![changed], void, span);
        let statement = |kind| Statement { kind, span, joins_before: Vec::new() };
        let block = |statements| Block { statements, value: None, span, joins_at_end: Vec::new() };
        if let Some(value) = body.value.take() {
            body.statements.push(statement(StatementKind::Return(Some(*value))));
        }
        let finally = block(vec![statement(StatementKind::Expr(put))]);
        block(vec![statement(StatementKind::Try { body, catches: Vec::new(), finally: Some(finally) })])
    }
}
