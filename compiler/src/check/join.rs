//! When the rounds of agent calls join the histories of their agents: the numbers found from the syntax, carried into the typed tree.

use vega_bytecode::module::Join;

use super::Checker;
use crate::ast::{BlockId, ExprId, StmtId};
use crate::schedule::join::JoinPlan;

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
    pub(super) fn joins_before(&self, statement: StmtId) -> Vec<u32> {
        self.plan().before(statement).to_vec()
    }

    /// Rounds that join just before the value of a block.
    pub(super) fn joins_before_value(&self, block: BlockId) -> Vec<u32> {
        self.plan().before_value(block).to_vec()
    }

    /// Rounds that join when a block is left.
    pub(super) fn joins_at_end(&self, block: BlockId) -> Vec<u32> {
        self.plan().at_end(block).to_vec()
    }

    /// Rounds that join when the statements of a file have run.
    pub(super) fn joins_at_file_end(&self) -> Vec<u32> {
        self.plan().at_file_end().to_vec()
    }
}
