//! Children: what a spawn starts, and what happens when it ends.
//!
//! A supervised child lives in a [`Child`], the slot that handles name; its incarnations are processes. The children of one spawner are
//! its [`Family`]. The family's supervisor is a process of its own, begun when it is first needed: at the first crash, or when the
//! spawner ends and children are left. A declared supervisor is a [`Child`] itself, and its children are a family too.

use std::sync::Arc;

use vega_bytecode::module::SpawnTarget;
use vega_bytecode::{FunctionId, kinds};

use crate::error::Error;
use crate::native::{NativeContext, NativeResult, NativeTable, Outcome, SpawnAgent, SpawnOptions, SupervisionValues};
use crate::process::turn::{no_agents, pack};
use crate::value::copy::Message;
use crate::value::{Handle, Value};

mod child; // the slot of a supervised child
mod family; // the children that one supervisor looks after
mod watch; // the process that does
mod team; // declared supervisors
mod tree; // a drawing of all of it
mod future; // a value that will be there later

pub(crate) use child::ChildHandle;
pub use child::{Child, ChildOwner, Factory};
pub(crate) use family::Family;
pub use future::FutureHandle;
pub(crate) use future::wait_for;
pub use team::Team;
pub(crate) use tree::draw;

/// The natives by which a compiled supervisor puts itself together. Programs cannot name them.
pub(crate) fn natives(table: &mut NativeTable) {
    table.add("supervisor::open", 7, team::open).add("supervisor::close", 3, team::close);
}

/// Who is told how a process ended.
pub(crate) enum Ending {
    /// Whoever waits for the run.
    Main,
    /// A future, if somebody still has it.
    Future(std::sync::Weak<FutureHandle>),
    /// The slot that the process is an incarnation of.
    Child(Child),
    /// The family that the process looked after, if it still is one.
    Supervisor(std::sync::Weak<Family>),
}

/// Starts what a spawn instruction says. The values are the target's arguments, then the numbers of the supervision.
pub(crate) fn spawn(context: &mut NativeContext<'_>, spawn: u32, values: &mut [Value]) -> NativeResult {
    let description = &context.module().spawns[spawn as usize];
    // The last value of a declared child is the supervisor that it belongs to.
    let (values, team) = match values.split_last_mut().filter(|_| description.member) {
        Some((team, values)) => (values, Some(Team::from_value(team)?)),
        None => (values, None),
    };
    let (arguments, numbers) = values.split_at_mut(description.arguments as usize);
    let supervision = description.supervision.map(|supervision| SupervisionValues::read(&supervision, numbers));
    let started = match (description.target, supervision) {
        (SpawnTarget::Agent(agent), supervision) => {
            let agents = context.turn().world.agents.as_ref().ok_or_else(no_agents)?;
            let spawn = SpawnAgent {
                agent,
                arguments,
                supervision,
                asynchronous: description.asynchronous,
                linked: description.linked,
                team,
            };
            return agents.spawn(context, spawn);
        }
        (SpawnTarget::Function(function), _) if team.is_some() => {
            spawn_supervised(context, function, arguments, SupervisionValues::default(), team)?
        }
        (SpawnTarget::Function(function), None) => spawn_plain(context, function, arguments, description.linked)?,
        (SpawnTarget::Function(function), Some(supervision)) => {
            spawn_supervised(context, function, arguments, supervision, None)?
        }
        (SpawnTarget::Task(function), _) => return spawn_task(context, function, arguments),
    };
    if !description.asynchronous {
        return Ok(Outcome::Value(started));
    }
    // A function's process is there at once: its future is settled from the start.
    let future = FutureHandle::settled(pack(&started)?, context.runtime());
    Ok(Outcome::Value(Value::from(Handle::new(Arc::new(future)))))
}

fn spawn_plain(context: &NativeContext<'_>, function: FunctionId, arguments: &[Value], linked: bool) -> Result<Value, Error> {
    let process = context.begin_function(function, arguments, SpawnOptions { linked, ..SpawnOptions::default() }, None)?;
    Ok(Value::process(process.to_bits()))
}

fn spawn_supervised(
    context: &NativeContext<'_>,
    function: FunctionId,
    arguments: &[Value],
    supervision: SupervisionValues,
    team: Option<Team>,
) -> Result<Value, Error> {
    let label = context.module().functions[function.0 as usize].name.clone();
    let factory = Factory::function(function, pack_all(arguments)?);
    let child = Child::spawn(context, label, factory, supervision, None, SpawnOptions { team, ..SpawnOptions::default() })?;
    Ok(child.to_value())
}

/// An expression that runs beside its spawner: a process whose result settles a future.
fn spawn_task(context: &NativeContext<'_>, function: FunctionId, arguments: &[Value]) -> NativeResult {
    let future = Arc::new(FutureHandle::pending(context.runtime()));
    let ending = Ending::Future(Arc::downgrade(&future));
    let process = context.begin_function(function, arguments, SpawnOptions::default(), Some(ending))?;
    future.set_task(process);
    Ok(Outcome::Value(Value::from(Handle::new(future))))
}

/// Copies of arguments, as one message, so that what they share they share in the new process too.
pub(crate) fn pack_all(arguments: &[Value]) -> Result<Message, Error> {
    Message::copy_of(&Value::array(arguments.to_vec())).map_err(|refused| {
        Error::new(kinds::INVALID_ARGUMENT, format!("{} belongs to its process and cannot be passed to another", refused.what))
    })
}
