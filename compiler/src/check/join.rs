//! When the rounds of agent calls join the histories of their agents: the numbers found from the syntax, carried into the typed tree.

use vega_bytecode::module::Join;

use super::Checker;
use crate::ast::{BlockId, ExprId, StmtId};

impl Checker<'_> {
    /// When the round of a send joins.
    pub(super) fn ask_join(&self, _send: ExprId) -> Join {
        Join::AtOnce
    }

    /// Rounds that join just before a statement.
    pub(super) fn joins_before(&self, _statement: StmtId) -> Vec<u32> {
        Vec::new()
    }

    /// Rounds that join just before the value of a block.
    pub(super) fn joins_before_value(&self, _block: BlockId) -> Vec<u32> {
        Vec::new()
    }

    /// Rounds that join when a block is left.
    pub(super) fn joins_at_end(&self, _block: BlockId) -> Vec<u32> {
        Vec::new()
    }

    /// Rounds that join when the statements of a file have run.
    pub(super) fn joins_at_file_end(&self) -> Vec<u32> {
        Vec::new()
    }
}
