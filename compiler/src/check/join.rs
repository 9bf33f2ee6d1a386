//! When the rounds of agent calls join the histories of their agents: the numbers found from the syntax, carried into the typed tree.

use vega_bytecode::Type;
use vega_bytecode::module::Join;

use super::Checker;
use crate::ast::{AgentClauseKind, BlockId, ExprId, StmtId};
use crate::diagnostic::{Diagnostic, codes};
use crate::interner::words;
use crate::ir::{Expr, ExprKind};
use crate::schedule::join::JoinPlan;
use crate::source::Span;

impl Checker<'_> {
    /// The plan of the file under check.
    fn plan(&self) -> &JoinPlan {
        &self.plans[self.module.0 as usize]
    }

    /// When the round of a send joins.
    pub(super) fn ask_join(&self, send: ExprId) -> Join {
        self.plan().ask(send)
    }

    /// Rounds that join just before a statement.
    pub(super) fn joins_before(&mut self, statement: StmtId) -> Vec<u32> {
        let numbers = self.plan().before(statement).to_vec();
        self.joined(&numbers);
        numbers
    }

    /// Rounds that join just before the value of a block.
    pub(super) fn joins_before_value(&mut self, block: BlockId) -> Vec<u32> {
        let numbers = self.plan().before_value(block).to_vec();
        self.joined(&numbers);
        numbers
    }

    /// Rounds that join when a block is left.
    pub(super) fn joins_at_end(&mut self, block: BlockId) -> Vec<u32> {
        let numbers = self.plan().at_end(block).to_vec();
        self.joined(&numbers);
        numbers
    }

    /// Rounds that join when the statements of a file have run.
    pub(super) fn joins_at_file_end(&self) -> Vec<u32> {
        self.plan().at_file_end().to_vec()
    }

    fn joined(&mut self, numbers: &[u32]) {
        if !numbers.is_empty() {
            self.frame().pending.retain(|(number, ..)| !numbers.contains(number));
        }
    }

    /// Notes a call of an agent that does not see an earlier one, because nobody has looked at that one's answer yet.
    pub(super) fn note_unseen_call(&mut self, agent: &Expr, join: Join, span: Span) {
        let (ExprKind::Local(handle), Type::Agent(id)) = (&agent.kind, self.types.of(agent.ty)) else { return };
        let (handle, id) = (*handle, *id);
        let declaration = self.agents[id.0 as usize].declaration;
        let mode = declaration.clauses.iter().find_map(|clause| match &clause.kind {
            AgentClauseKind::History(history) => history.mode,
            _ => None,
        });
        if mode.is_some_and(|mode| mode.symbol != words::CONVERSATION) {
            return;
        }
        let earlier = self.frame_ref().pending.iter().rev().find(|(_, pending, _)| *pending == handle).map(|(.., span)| *span);
        if let Some(earlier) = earlier {
            self.report(
                Diagnostic::note(codes::UNSEEN_CALL, span, "this call does not see the one before it")
                    .with_remark("begins from the same conversation")
                    .with_label(earlier, "nobody has used this answer yet")
                    .with_help("calls that need not see each other are fine as they are; for a continuation, use the answer first, or declare `history ordered`"),
            );
        }
        if let Join::Later(number) = join {
            self.frame().pending.push((number, handle, span));
        }
    }
}
