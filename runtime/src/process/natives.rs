//! What programs call about processes: the natives of module `process`.

use std::time::Duration;

use vega_bytecode::kinds;

use super::names::Refused;
use super::turn::Target;
use super::{ExitReason, Pid};
use crate::error::Error;
use crate::native::{NativeContext, NativeResult, NativeTable, Outcome};
use crate::value::{Value, View};

/// The natives of module `process`.
pub fn natives() -> NativeTable {
    let mut table = NativeTable::new();
    table
        .add("process::self", 0, |context, _| Ok(Outcome::Value(process(context.self_pid()))))
        .add("process::sleep", 1, sleep)
        .add("process::yield", 0, |context, _| Ok(context.pause()))
        .add("process::kill", 1, |context, arguments| on_present(context, arguments, |context, pid| context.kill(pid)))
        .add("process::exit", 2, exit)
        .add("process::stop", 1, stop)
        .add("process::link", 1, |context, arguments| context.turn().link_value(&arguments[0]).and_then(|()| nothing()))
        .add("process::unlink", 1, |context, arguments| context.turn().unlink_value(&arguments[0]).and_then(|()| nothing()))
        .add("process::monitor", 1, |context, arguments| context.monitor_value(&arguments[0]).map(Outcome::Value))
        .add("process::demonitor", 1, demonitor)
        .add("process::trap_exit", 1, trap_exit)
        .add("process::alive", 1, super::info::alive)
        .add("process::list", 0, list)
        .add("process::of", 1, of)
        .add("process::register", 1, |context, arguments| register(context, &arguments[0], context.self_pid()))
        .add("process::register", 2, register_other)
        .add("process::unregister", 1, unregister)
        .add("process::whereis", 1, whereis)
        .add("process::info", 1, super::info::info)
        .add("process::priority", 1, super::info::priority)
        .add("process::priority", 2, super::info::set_priority)
        .add("process::call", 3, super::call::call)
        .add("process::tree", 0, |context, _| Ok(Outcome::Value(Value::str(crate::supervisor::draw(&context.turn())))))
        .add("reply", 2, super::call::reply);
    crate::supervisor::natives(&mut table);
    table
}

pub(super) fn process(pid: Pid) -> Value {
    Value::process(pid.to_bits())
}

pub(super) fn nothing() -> NativeResult {
    Ok(Outcome::Value(Value::NULL))
}

fn sleep(context: &mut NativeContext<'_>, arguments: &mut [Value]) -> NativeResult {
    Ok(context.sleep(time(&arguments[0])?))
}

/// A duration; a plain number is milliseconds.
pub(super) fn time(value: &Value) -> Result<Duration, Error> {
    let nanoseconds = value.as_duration().or_else(|| value.as_int().map(|ms| ms.saturating_mul(1_000_000)));
    let nanoseconds = nanoseconds.ok_or_else(|| Error::new(kinds::INVALID_ARGUMENT, "this takes a duration"))?;
    Ok(Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(0)))
}

/// Does something to the process that a value refers to; nothing where none lives there.
fn on_present(context: &mut NativeContext<'_>, arguments: &[Value], act: fn(&NativeContext<'_>, Pid)) -> NativeResult {
    if let Some(pid) = context.process_of(&arguments[0])? {
        act(context, pid);
    }
    nothing()
}

fn exit(context: &mut NativeContext<'_>, arguments: &mut [Value]) -> NativeResult {
    let reason = ExitReason::from_text(text(&arguments[1])?);
    if let Some(pid) = context.process_of(&arguments[0])? {
        context.exit_process(pid, reason);
    }
    nothing()
}

fn stop(context: &mut NativeContext<'_>, arguments: &mut [Value]) -> NativeResult {
    match context.target_of(&arguments[0])? {
        Target::Child(child) => child.child().stop(context),
        Target::Process(pid) => context.exit_process(pid, ExitReason::Shutdown),
    }
    nothing()
}

fn demonitor(context: &mut NativeContext<'_>, arguments: &mut [Value]) -> NativeResult {
    let number = arguments[0].as_monitor().ok_or_else(|| Error::new(kinds::INVALID_ARGUMENT, "demonitor takes a monitor"))?;
    context.demonitor(number);
    nothing()
}

fn trap_exit(context: &mut NativeContext<'_>, arguments: &mut [Value]) -> NativeResult {
    context.trap_exits(arguments[0].as_bool().unwrap_or(true));
    nothing()
}

fn list(context: &mut NativeContext<'_>, _: &mut [Value]) -> NativeResult {
    let alive = context.turn().world.table.living().map(process).collect();
    Ok(Outcome::Value(Value::array(alive)))
}

fn of(context: &mut NativeContext<'_>, arguments: &mut [Value]) -> NativeResult {
    match context.process_of(&arguments[0])? {
        Some(pid) => Ok(Outcome::Value(process(pid))),
        None => Err(noproc()),
    }
}

/// Nobody lives where somebody has to.
pub(super) fn noproc() -> Error {
    Error::new(kinds::PROCESS_DOWN, "noproc")
}

fn register(context: &NativeContext<'_>, name: &Value, pid: Pid) -> NativeResult {
    let name = text(name)?;
    let world = context.turn().world;
    if !world.is_alive(pid) {
        return Err(noproc());
    }
    if let Err(refused) = world.names.register(name, pid, |other| world.is_alive(other)) {
        let problem = match refused {
            Refused::Taken => format!("the name `{name}` is taken"),
            Refused::Named(present) => format!("the process has the name `{present}` already"),
        };
        return Err(Error::new(kinds::INVALID_ARGUMENT, problem));
    }
    if let Some(process) = world.table.slot_of(pid) {
        process.set_named();
    }
    if !world.is_alive(pid) {
        // It ended meanwhile, and may not have seen that it has a name.
        world.names.forget(pid);
        return Err(noproc());
    }
    nothing()
}

fn register_other(context: &mut NativeContext<'_>, arguments: &mut [Value]) -> NativeResult {
    match context.process_of(&arguments[1])? {
        Some(pid) => register(context, &arguments[0], pid),
        None => Err(noproc()),
    }
}

fn unregister(context: &mut NativeContext<'_>, arguments: &mut [Value]) -> NativeResult {
    let name = text(&arguments[0])?;
    context.turn().world.names.unregister(name);
    nothing()
}

fn whereis(context: &mut NativeContext<'_>, arguments: &mut [Value]) -> NativeResult {
    let name = text(&arguments[0])?;
    let world = context.turn().world;
    Ok(Outcome::Value(world.names.find(name).filter(|&pid| world.is_alive(pid)).map_or(Value::NULL, process)))
}

pub(super) fn text(value: &Value) -> Result<&str, Error> {
    match value.view() {
        View::Str(text) => Ok(text.as_str()),
        _ => Err(Error::new(kinds::INVALID_ARGUMENT, format!("a value of tag {:?} is no text", value.tag()))),
    }
}
