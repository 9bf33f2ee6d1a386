//! Declared supervisors: how `spawn Team` puts one together and starts it.
//!
//! A declared supervisor is compiled to a function that opens a team, spawns its children into it, and closes it. Nothing begins before
//! the team is closed, so a failure on the way leaves nothing behind; closing begins the supervisor and then its children, in order. A
//! team within another begins with that one.

use std::sync::Arc;

use vega_bytecode::kinds;
use vega_bytecode::module::Strategy;

use super::child::{Child, Factory};
use super::family::{Family, FamilyKind};
use crate::error::Error;
use crate::native::{NativeContext, NativeResult, Outcome, SpawnOptions, SupervisionValues};
use crate::value::{Handle, HandleKind, HandleObject, Value, View};

/// A declared supervisor that is being put together. Cloning names the same one.
#[derive(Clone)]
pub struct Team(pub(super) Arc<Family>);

impl Team {
    /// The team that a value names.
    pub(super) fn from_value(value: &Value) -> Result<Team, Error> {
        let handle = match value.view() {
            View::Handle(handle) => handle.downcast::<OpenTeam>(),
            _ => None,
        };
        handle.map(|team| team.0.clone()).ok_or_else(|| Error::new(kinds::INVALID_ARGUMENT, "this is no supervisor"))
    }
}

impl std::fmt::Debug for Team {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Team")
    }
}

/// What the compiled function holds of a team.
struct OpenTeam(Team);

impl HandleObject for OpenTeam {
    fn kind(&self) -> HandleKind {
        // It stays in the process that puts the team together.
        HandleKind::Future
    }

    fn text(&self) -> String {
        "<supervisor>".to_string()
    }

    fn identity(&self) -> u64 {
        Arc::as_ptr(&self.0.0).addr() as u64
    }
}

/// `supervisor::open(name, strategy, max_restarts, window, base, factor, longest)`; null takes the default.
pub(super) fn open(context: &mut NativeContext<'_>, arguments: &mut [Value]) -> NativeResult {
    let name = match arguments[0].view() {
        View::Str(name) => name.as_str().to_string(),
        _ => return Err(Error::new(kinds::INVALID_ARGUMENT, "a supervisor has a name")),
    };
    let strategy = match arguments[1].as_int() {
        Some(0) | None => Strategy::Restart,
        Some(1) => Strategy::Stop,
        Some(2) => Strategy::Escalate,
        Some(3) => Strategy::RestartAll,
        Some(_) => Strategy::RestartRest,
    };
    let number = |value: &Value| value.as_int().or_else(|| value.as_duration()).map(|number| u64::try_from(number).unwrap_or(0));
    let default = SupervisionValues::default();
    let backoff = match (number(&arguments[4]), arguments[5].as_float(), number(&arguments[6])) {
        (Some(base), Some(factor), Some(longest)) => Some((base, factor, longest)),
        _ => None,
    };
    let supervision = SupervisionValues {
        strategy,
        max_restarts: number(&arguments[2]).map_or(default.max_restarts, |max| u32::try_from(max).unwrap_or(u32::MAX)),
        window_ns: number(&arguments[3]).unwrap_or(default.window_ns),
        backoff,
    };
    let team = Team(Family::declared(name, supervision, &context.turn()));
    Ok(Outcome::Value(Value::from(Handle::new(Arc::new(OpenTeam(team))))))
}

/// `supervisor::close(team, outer, names)`: the supervisor's slot.
pub(super) fn close(context: &mut NativeContext<'_>, arguments: &mut [Value]) -> NativeResult {
    let team = Team::from_value(&arguments[0])?;
    let outer = match arguments[1].is_null() {
        true => None,
        false => Some(Team::from_value(&arguments[1])?),
    };
    if let View::Array(names) = arguments[2].view() {
        for (child, name) in team.0.children().iter().zip(names.as_slice()) {
            if let View::Str(name) = name.view() {
                child.set_name(name.as_str());
            }
        }
    }
    let label = match &team.0.kind {
        FamilyKind::Declared { name, .. } => name.clone(),
        FamilyKind::Spawned { .. } => "supervisor".to_string(),
    };
    let options = SpawnOptions { team: outer, ..SpawnOptions::default() };
    let child = Child::spawn(context, label, Factory::team(team), SupervisionValues::default(), None, options)?;
    Ok(Outcome::Value(child.to_value()))
}
