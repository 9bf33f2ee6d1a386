//! The `session budget` blocks that a process is in.
//!
//! Invariant: the process is charged to the scope of the innermost block that it has not left; a function leaves only blocks that it
//! entered itself.

use vega_bytecode::kinds;

use super::block::Life;
use super::turn::Turn;
use crate::error::Error;
use crate::ledger::{Exceeded, Scope};
use crate::value::Value;

/// Most budget scopes within each other: every call is charged to all of them.
const SCOPES_MAX: u32 = 256;

/// One block that the process is in.
pub(crate) struct Session {
    /// The depth of the frame that entered it.
    depth: u32,
    /// What the process is charged to again behind the block.
    outer: Option<Scope>,
}

/// Enters a block with a limit.
pub(super) fn enter(turn: &Turn<'_>, depth: u32, limit: i64) -> Result<(), Error> {
    if limit < 0 {
        return Err(Error::new(kinds::INVALID_ARGUMENT, "the budget of a session must not be negative"));
    }
    if turn.scope().depth() >= SCOPES_MAX {
        return Err(Error::new(kinds::LIMIT_REACHED, "sessions"));
    }
    let inner = turn.scope().child(Some(limit));
    let life = turn.life();
    let outer = life.scope.replace(inner);
    life.extend().sessions.push(Session { depth, outer });
    Ok(())
}

/// Leaves the innermost block, if the frame at this depth entered it.
pub(super) fn exit(life: &mut Life, depth: u32) {
    let sessions = &mut life.extend().sessions;
    if let Some(session) = sessions.pop_if(|session| session.depth == depth) {
        life.scope = session.outer;
    }
}

/// The error of an amount that does not fit.
pub(super) fn exceeded(exceeded: Exceeded) -> Error {
    let Exceeded { limit, used, needed } = exceeded;
    let payload = [limit, used, needed].map(Value::money).to_vec();
    Error::with_payload(kinds::BUDGET_EXCEEDED, "it does not fit the budget", payload)
}
