//! A process's turn on a worker: what its instructions ask of the world.
//!
//! Invariant: a turn lives within one slice, on one worker. It borrows the process's fields only for as long as one of its methods
//! needs them, and never the machine; so while a native waits, nothing of the process is borrowed.

use std::time::Duration;

use vega_bytecode::{FunctionId, kinds};
use vega_scheduler::{Instant, Priority, Worker};

use super::Pid;
use super::block::{Endowment, Life, Monitoring, Process, Watched};
use super::few::Few;
use super::mail::Mail;
use super::mailbox::Most;
use super::room::too_large;
use super::session;
use super::signal::Signal;
use super::state::KILL;
use super::waiting::SendWhenRoom;
use crate::error::Error;
use crate::ledger::Scope;
use crate::native::{Input, NativeContext, NativeResult, Notice, Outcome, PortId, Resumable, Step};
use crate::supervisor::{self, ChildHandle, FutureHandle};
use crate::value::copy::Message;
use crate::value::heap::Account;
use crate::value::{Handle, HandleKind, Value, View};
use crate::vm::{After, Host, LoadedProgram, Machine, Sent, Wake};
use crate::world::World;

/// See the module's text.
#[derive(Clone, Copy)]
pub(crate) struct Turn<'a> {
    pub(crate) world: &'a World,
    pub(crate) worker: &'a Worker<World>,
    pub(crate) process: &'a Process,
}

impl<'a> Turn<'a> {
    /// The owner's fields. Each caller lets go of them before it calls anything that might ask for them again.
    #[expect(clippy::mut_from_ref, reason = "a turn is the right to the process's fields")]
    #[inline]
    pub(crate) fn life(&self) -> &mut Life {
        // SAFETY: this worker owns the process while the turn lives (state word: running, in a native of this worker, or exiting), and
        // methods of the turn do not overlap their borrows.
        unsafe { self.process.life() }
    }

    #[inline]
    pub(crate) fn pid(&self) -> Pid {
        self.process.pid()
    }

    /// What the process's spending is charged to.
    pub(crate) fn scope(&self) -> &Scope {
        self.life().scope.as_ref().unwrap_or(&self.world.scope)
    }

    /// Runs something that may suspend the native it belongs to. Fails where the process is to die first.
    pub(crate) fn while_blocking<T>(&self, machine: &Machine, work: impl FnOnce() -> T) -> Result<T, Dying> {
        loop {
            self.give_room();
            if self.process.state.enter_native(self.worker.index()).is_ok() {
                break;
            }
            let events = self.process.state.take_events();
            if self.take_events(events) {
                return Err(Dying);
            }
        }
        let guard = self.worker.enter_native();
        self.life().extend().native = Some(guard.token());
        let until = if machine.is_cleaning() { self.cleanups_end(machine) } else { None };
        let timer = until.map(|until| self.worker.add_timer(until, self.pid()));
        if until.is_some() {
            self.life().extend().native_until = until;
        }
        let result = work();
        let extension = self.life().extend();
        (extension.native, extension.native_until) = (None, None);
        if let Some(timer) = timer {
            self.worker.cancel_timer(timer);
        }
        drop(guard);
        self.process.state.leave_native();
        Ok(result)
    }

    /// What a handle or id refers to.
    #[inline]
    pub(crate) fn target(&self, value: &Value) -> Result<Target, Error> {
        match value.view() {
            View::Process(word) => Ok(Target::Process(Pid::from_bits(word))),
            View::Handle(handle) => match handle.downcast::<ChildHandle>() {
                Some(child) => Ok(Target::Child(child)),
                None => match handle.target().process_word() {
                    Some(word) => Ok(Target::Process(Pid::from_bits(word))),
                    None => Err(not_a_process(value)),
                },
            },
            _ => Err(not_a_process(value)),
        }
    }

    /// Begins a link with a process: it is told, and this process remembers.
    pub(crate) fn link_with(&self, other: Pid) {
        if other == self.pid() {
            return;
        }
        let extension = self.life().extend();
        extension.links.insert(other, ());
        self.world.signal(other, Signal::Link { from: self.pid() }, self.worker);
    }

    /// Ends a link.
    pub(crate) fn unlink_from(&self, other: Pid) {
        self.life().extend().links.remove(&other);
        self.world.signal(other, Signal::Unlink { from: self.pid() }, self.worker);
    }

    /// Begins to watch a process; its end comes as news with this number.
    pub(crate) fn watch(&self, other: Pid) -> u64 {
        self.watch_at(other, None)
    }

    /// The same, where the news may go to a port instead.
    pub(crate) fn watch_at(&self, other: Pid, port: Option<PortId>) -> u64 {
        let monitor = self.world.new_monitor(self.worker);
        self.life().extend().monitors.insert(monitor, Monitoring { watched: Watched::Process(other), port });
        self.world.signal(other, Signal::Monitor { from: self.pid(), monitor }, self.worker);
        monitor
    }

    /// Watches no more, and forgets news that already came.
    pub(crate) fn unwatch(&self, monitor: u64) {
        let extension = self.life().extend();
        if let Some(monitoring) = extension.monitors.remove(&monitor) {
            match monitoring.watched {
                Watched::Process(process) => self.world.signal(process, Signal::Demonitor { monitor }, self.worker),
                Watched::Child(child) => child.forget_watcher(monitor),
            }
        }
        self.take_mail();
        let is_news = |mail: &Mail| match mail {
            Mail::Notice(Notice::Down { monitor: number, .. }) => *number == monitor,
            Mail::Opened(value) => down_monitor(value) == Some(monitor),
            Mail::Notice(Notice::Exit { .. } | Notice::ChildDown { .. })
            | Mail::User(_)
            | Mail::Several(_)
            | Mail::Port(..)
            | Mail::Signal(_) => false,
        };
        let (inbox, _) = self.life().inbox_and_extension();
        while inbox.take_first(&self.process.mailbox, is_news).is_some() {}
    }

    /// Watches whatever a value refers to.
    pub(crate) fn monitor_value(&self, target: &Value) -> Result<Value, Error> {
        let monitor = match self.target(target)? {
            Target::Process(pid) => self.watch(pid),
            Target::Child(child) => child.watch(self, None),
        };
        Ok(Value::monitor(monitor))
    }

    /// Begins a link with whatever a value refers to: a process, or a slot.
    pub(crate) fn link_value(&self, target: &Value) -> Result<(), Error> {
        match self.target(target)? {
            Target::Process(pid) => self.link_with(pid),
            Target::Child(child) => child.child().link(self),
        }
        Ok(())
    }

    /// Ends such a link.
    pub(crate) fn unlink_value(&self, target: &Value) -> Result<(), Error> {
        match self.target(target)? {
            Target::Process(pid) => self.unlink_from(pid),
            Target::Child(child) => child.child().unlink(self),
        }
        Ok(())
    }

    /// Starts a process that has nothing of its parent's and takes no values that must be copied: by far the most do. None where it is
    /// any other.
    #[inline]
    fn spawn_plain(&self, machine: &Machine, function: FunctionId, arguments: &[Value]) -> Option<Result<Pid, Error>> {
        let life = self.life();
        let spanned = life.extension().is_some_and(|extension| extension.span().is_some());
        if spanned || life.capabilities.is_some() || life.scope.is_some() || !arguments.iter().all(Value::is_free) {
            return None;
        }
        let program = &self.world.program().loaded;
        let near = machine.near_site(program)?;
        let rest = Endowment {
            account: Account::with_limit(self.world.limits.heap_bytes),
            capabilities: None,
            scope: None,
            parent: self.pid(),
            priority: Priority::default(),
            watchers: Few::None,
            extension: None,
        };
        Some(self.world.begin_plain(rest, self.worker, program, function, arguments, &mut life.path, near))
    }

    /// Sends a message to a process or to whoever lives in a slot. `Ok(true)` where the mailbox is crowded; the message comes back where there
    /// is no room.
    #[inline]
    pub(crate) fn offer(&self, target: &Target, message: Message) -> Result<bool, Message> {
        match target {
            Target::Process(pid) => self.world.send(*pid, message, self.worker),
            Target::Child(child) => child.send(message, self),
        }
    }

    /// Sends a further message to the process that the slice sent its last one to, with nothing in between that others see. It may travel
    /// together with those that follow. None where it is to be sent like any other.
    #[inline(never)]
    fn send_along(&self, to: Pid, message: &Value, most: Most) -> Option<Sent> {
        let outbox = &self.worker.local().outbox;
        if !message.is_free() || !outbox.has_parcel() && !self.begin_parcel(to, most) {
            return None;
        }
        Some(if outbox.put(message) || !self.world.push_parcel(self.worker) { Sent::Done } else { Sent::Crowded })
    }

    /// Sends to whoever lives in a slot.
    fn send_to_handle(&self, target: &Value, message: &Value, wait: Option<i64>) -> Result<Sent, Error> {
        let message = pack(message)?;
        let receiver = self.target(target)?;
        if let Some(receiver) = receiver.present() {
            self.hand_on(receiver);
        }
        match self.offer(&receiver, message) {
            Ok(false) => Ok(Sent::Done),
            Ok(true) => Ok(Sent::Crowded),
            Err(message) => self.send_later(target, message, wait),
        }
    }

    fn begin_parcel(&self, to: Pid, most: Most) -> bool {
        // Who sends to itself may look for the message at once, and a call in hand goes before each message.
        let waits = to == self.pid() || self.life().extension().is_some_and(|extension| extension.in_hand.is_some());
        let Some(receiver) = self.world.table.slot_of(to).filter(|_| !waits) else { return false };
        let begun = self.worker.local().outbox.begin(receiver, self.world.bounds(), most);
        if !begun {
            // Room may have been taken for a moment.
            self.world.gave_back(receiver, self.worker);
        }
        begun
    }

    /// While a run ends, whoever is sent something that follows from a reply has the call in hand too, until it waits.
    pub(crate) fn hand_on(&self, receiver: Pid) {
        if let Some(call) = self.life().extension().and_then(|extension| extension.in_hand.as_ref())
            && self.world.is_draining()
        {
            self.world.signal(receiver, Signal::Hand(call.clone()), self.worker);
        }
    }

    /// Whether there is a message for the program that was not refused.
    #[inline]
    fn has_message(&self) -> bool {
        if self.life().inbox.is_at_end() {
            self.take_mail();
        }
        let inbox = &mut self.life().inbox;
        loop {
            match inbox.peek() {
                None => return false,
                Some(Mail::User(_) | Mail::Several(_) | Mail::Opened(_) | Mail::Notice(_)) => return true,
                Some(Mail::Port(..) | Mail::Signal(_)) => inbox.pass(),
            }
        }
    }

    /// Waits for room for a message that did not fit, if its sender is ready to.
    #[cold]
    fn send_later(&self, target: &Value, message: Message, wait: Option<i64>) -> Result<Sent, Error> {
        let bound = self.world.bounds().bytes;
        if message.size_bytes() as u64 > bound {
            return Err(too_large(message.size_bytes(), bound));
        }
        let Some(wait) = wait else { return Err(Error::new(kinds::MAILBOX_FULL, "the receiver's mailbox is full")) };
        let target = self.target(target)?;
        let until = self.worker.now() + Duration::from_nanos(u64::try_from(wait).unwrap_or(0));
        Ok(Sent::Later(Box::new(SendWhenRoom { target, message: Some(message), until })))
    }

    /// The wait under way is over.
    #[inline]
    fn end_wait(&self) {
        let life = self.life();
        life.deadline = Instant::NEVER;
        life.deaf = false;
        if life.extension().is_some_and(|extension| extension.timer.is_some()) {
            self.disarm_timer();
        }
    }

    /// The clock, read no more often than it must be.
    #[inline]
    pub(crate) fn is_past(&self, deadline: Instant) -> bool {
        deadline != Instant::NEVER && (deadline <= self.worker.now() || deadline <= vega_scheduler::now())
    }
}

/// The process is to end at once.
#[derive(Debug)]
pub(crate) struct Dying;

impl From<Dying> for Error {
    fn from(_: Dying) -> Self {
        Error::new(kinds::CANCELLED, "the process is ending")
    }
}

/// Whom a message or a signal goes to.
#[derive(Clone)]
pub(crate) enum Target {
    /// One process.
    Process(Pid),
    /// The slot of a supervised child.
    Child(std::sync::Arc<ChildHandle>),
}

impl Target {
    /// The process that it is now, if one lives.
    pub(crate) fn present(&self) -> Option<Pid> {
        match self {
            Target::Process(pid) => Some(*pid),
            Target::Child(child) => child.incarnation(),
        }
    }
}

fn not_a_process(value: &Value) -> Error {
    Error::new(kinds::INVALID_ARGUMENT, format!("a value of tag {:?} is no process", value.tag()))
}

impl Host for Turn<'_> {
    fn after(&mut self) -> After {
        if self.life().doom().is_some() || self.process.state.has_event(KILL) {
            return After::Stop;
        }
        After::Cost(std::mem::take(&mut self.life().debt))
    }

    fn native(&mut self, machine: &Machine, native: u32, arguments: &mut [Value]) -> NativeResult {
        self.world.push_sent(self.worker);
        let entry = self.world.program().natives[native as usize];
        let mut context = NativeContext::new(*self, machine, Some(native));
        if entry.blocking {
            return self.while_blocking(machine, || (entry.function)(&mut context, arguments))?;
        }
        (entry.function)(&mut context, arguments)
    }

    fn step(&mut self, machine: &Machine, resumable: &mut dyn Resumable, input: Input) -> Step {
        self.world.push_sent(self.worker);
        let mut context = NativeContext::new(*self, machine, None);
        self.while_blocking(machine, || resumable.step(&mut context, input)).unwrap_or_else(|dying| Step::Fail(dying.into()))
    }

    fn next_input(&mut self, port: PortId, deadline: Option<Instant>) -> Option<Input> {
        self.world.push_sent(self.worker);
        if self.is_answered(port) {
            self.end_wait();
            return Some(Input::Resumed);
        }
        if port != PortId::NONE && port != PortId::ROOM {
            self.take_mail();
            let wanted = |mail: &Mail| match mail {
                Mail::Port(to, ..) => *to == port,
                Mail::Notice(_) => port == PortId::ROOT,
                Mail::User(_) | Mail::Several(_) | Mail::Opened(_) | Mail::Signal(_) => false,
            };
            let (inbox, _) = self.life().inbox_and_extension();
            match inbox.take_first(&self.process.mailbox, wanted) {
                Some(Mail::Port(_, _, payload)) => {
                    self.end_wait();
                    return Some(Input::Message(payload));
                }
                Some(Mail::Notice(notice)) => {
                    self.end_wait();
                    return Some(Input::Notice(notice));
                }
                Some(Mail::User(_) | Mail::Several(_) | Mail::Opened(_) | Mail::Signal(_)) => unreachable!("not wanted"),
                None => {}
            }
        }
        let deadline = deadline.unwrap_or(Instant::NEVER);
        if self.is_past(deadline) {
            self.end_wait();
            return Some(Input::Timeout);
        }
        let life = self.life();
        life.deadline = deadline;
        life.deaf = port == PortId::NONE || port == PortId::ROOM;
        None
    }

    fn spawn(&mut self, machine: &Machine, spawn: u32, values: &mut [Value]) -> NativeResult {
        let description = &self.world.program().loaded.module().spawns[spawn as usize];
        if let Some(function) = description.plain_function()
            && let Some(begun) = self.spawn_plain(machine, function, values)
        {
            return begun.map(|process| Outcome::Value(Value::process(process.to_bits())));
        }
        let mut context = NativeContext::new(*self, machine, None);
        supervisor::spawn(&mut context, spawn, values)
    }

    fn ask(&mut self, machine: &Machine, ask: u32, values: &mut [Value], streaming: bool) -> NativeResult {
        self.world.push_sent(self.worker);
        // At once, and not after a wait: what a program does about it comes before its end, in every run.
        if self.world.is_draining() {
            return Err(Error::new(kinds::CANCELLED, "the program is ending, and no new call begins"));
        }
        let program = self.world.program();
        let description = &program.loaded.module().asks[ask as usize];
        let agents = self.world.agents.as_ref().ok_or_else(no_agents)?;
        agents.ask(&mut NativeContext::new(*self, machine, None), description, values, streaming)
    }

    fn stream_next(&mut self, machine: &Machine, stream: &Value) -> NativeResult {
        self.world.push_sent(self.worker);
        let agents = self.world.agents.as_ref().ok_or_else(no_agents)?;
        agents.stream_next(&mut NativeContext::new(*self, machine, None), stream_of(stream)?)
    }

    fn stream_done(&mut self, stream: &Value) -> Result<bool, Error> {
        self.world.push_sent(self.worker);
        self.world.agents.as_ref().ok_or_else(no_agents)?.stream_done(stream_of(stream)?)
    }

    fn stream_close(&mut self, stream: &Value) -> Result<(), Error> {
        self.world.push_sent(self.worker);
        self.world.agents.as_ref().ok_or_else(no_agents)?.stream_close(stream_of(stream)?)
    }

    fn join_round(&mut self, machine: &Machine, number: u32) -> Result<(), Error> {
        self.world.push_sent(self.worker);
        match &self.world.agents {
            Some(agents) => agents.join_round(&mut NativeContext::new(*self, machine, None), number),
            None => Ok(()),
        }
    }

    fn await_value(&mut self, machine: &Machine, value: &Value, as_text: bool) -> NativeResult {
        self.world.push_sent(self.worker);
        let View::Handle(handle) = value.view() else { return Ok(Outcome::Value(value.clone())) };
        match handle.target().kind() {
            HandleKind::Future => match handle.downcast::<FutureHandle>() {
                Some(future) => supervisor::wait_for(&future),
                None => Err(Error::new(kinds::INVALID_ARGUMENT, "this future is not one of this runtime")),
            },
            HandleKind::Stream => {
                let agents = self.world.agents.as_ref().ok_or_else(no_agents)?;
                agents.await_stream(&mut NativeContext::new(*self, machine, None), handle, as_text)
            }
            HandleKind::Agent(_) | HandleKind::Process | HandleKind::Span => Ok(Outcome::Value(value.clone())),
        }
    }

    #[inline]
    fn send(&mut self, target: &Value, message: &Value, wait: Option<i64>) -> Result<Sent, Error> {
        let Some(word) = target.as_process() else { return self.send_to_handle(target, message, wait) };
        let receiver = Pid::from_bits(word);
        let outbox = &self.worker.local().outbox;
        let again = outbox.is_last(word);
        if again && let Some(sent) = self.send_along(receiver, message, if wait.is_some() { Most::All } else { Most::Half }) {
            return Ok(sent);
        }
        if outbox.has_parcel() {
            self.world.push_parcel(self.worker);
        }
        outbox.sent(word);
        let message = pack(message)?;
        self.hand_on(receiver);
        match self.world.send_at_once(receiver, message, self.worker) {
            // Who sends but one message, and then waits or ends, need not be stopped on the way.
            Ok(crowded) => Ok(if crowded && again { Sent::Crowded } else { Sent::Done }),
            Err(message) => self.send_later(target, message, wait),
        }
    }

    fn link(&mut self, target: &Value) -> Result<(), Error> {
        self.link_value(target)
    }

    fn monitor(&mut self, target: &Value) -> Result<Value, Error> {
        self.monitor_value(target)
    }

    fn self_process(&mut self) -> Value {
        Value::process(self.pid().to_bits())
    }

    fn budget_enter(&mut self, depth: u32, limit: i64) -> Result<(), Error> {
        session::enter(self, depth, limit)
    }

    fn budget_exit(&mut self, depth: u32) {
        session::exit(self.life(), depth);
    }

    fn budget_remaining(&mut self) -> Option<i64> {
        self.scope().remaining()
    }

    fn budget_check(&mut self, amount: i64) -> Result<(), Error> {
        self.scope().check(amount).map_err(session::exceeded)
    }

    #[inline]
    fn receive_peek(&mut self) -> Option<Value> {
        // What was taken over before is looked at first: as long as there is some, the line that senders write is left alone.
        if self.life().inbox.is_at_end() {
            self.take_mail();
        }
        let (inbox, _) = self.life().inbox_and_extension();
        loop {
            let mail = inbox.peek_mut()?;
            match mail {
                Mail::Several(several) => return Some(several.first().clone()),
                Mail::Opened(value) => return Some(value.clone()),
                // What owns nothing may be looked at where it lies.
                Mail::User(message) if !message.value().is_heap() => return Some(message.value().clone()),
                Mail::User(_) | Mail::Notice(_) => {
                    // Null takes the message's place while it is made a value.
                    let value = match std::mem::replace(mail, Mail::Opened(Value::NULL)) {
                        Mail::User(message) => message.adopt(),
                        Mail::Notice(notice) => notice_value(notice, &self.world.program().loaded),
                        Mail::Several(_) | Mail::Opened(_) | Mail::Port(..) | Mail::Signal(_) => unreachable!("matched above"),
                    };
                    *mail = Mail::Opened(value);
                }
                Mail::Port(..) | Mail::Signal(_) => inbox.pass(),
            }
        }
    }

    fn receive_accept(&mut self) {
        self.life().inbox.accept(&self.process.mailbox);
        self.end_wait();
    }

    fn receive_skip(&mut self) {
        self.life().inbox.skip();
    }

    fn receive_wait(&mut self, timeout: Option<i64>) -> Wake {
        if self.has_message() {
            return Wake::Mail;
        }
        let deadline = match (self.life().deadline, timeout) {
            (Instant::NEVER, Some(timeout)) => {
                let moment = vega_scheduler::now() + Duration::from_nanos(u64::try_from(timeout).unwrap_or(0));
                self.life().deadline = moment;
                moment
            }
            (deadline, _) => deadline,
        };
        if self.is_past(deadline) {
            self.life().inbox.rewind();
            self.end_wait();
            return Wake::TimedOut;
        }
        Wake::Wait
    }
}

/// A copy that may leave the process.
#[inline]
pub(crate) fn pack(value: &Value) -> Result<Message, Error> {
    Message::copy_of(value).map_err(|refused| {
        Error::new(kinds::INVALID_ARGUMENT, format!("{} belongs to its process and cannot be sent", refused.what))
    })
}

pub(crate) fn no_agents() -> Error {
    Error::new(kinds::AGENT_FAILED, "this runtime has no agents")
}

/// The stream that a value is.
fn stream_of(value: &Value) -> Result<&Handle, Error> {
    match value.view() {
        View::Handle(handle) => Ok(handle),
        _ => Err(Error::new(kinds::INVALID_ARGUMENT, format!("a value of tag {:?} is no stream", value.tag()))),
    }
}

/// News as the struct that programs match.
fn notice_value(notice: Notice, program: &LoadedProgram) -> Value {
    use vega_bytecode::prelude;
    let reason = program.reason(notice.reason());
    match notice {
        Notice::Exit { process, child, .. } => {
            let ended = child.map_or_else(|| Value::process(process.to_bits()), |child| child.to_value());
            Value::small_structure(prelude::EXIT, [ended, reason])
        }
        Notice::Down { monitor, process, child, .. } => {
            let ended = child.map_or_else(|| Value::process(process.to_bits()), |child| child.to_value());
            Value::small_structure(prelude::DOWN, [Value::monitor(monitor), ended, reason])
        }
        Notice::ChildDown { child, .. } => {
            let name = child.name().map_or(Value::NULL, Value::str);
            Value::small_structure(prelude::CHILD_DOWN, [child.to_value(), name, reason])
        }
    }
}

/// The number of the monitor in a `Down`.
fn down_monitor(value: &Value) -> Option<u64> {
    match value.view() {
        View::Struct(vega_bytecode::prelude::DOWN, record) => record.values().first()?.as_monitor(),
        _ => None,
    }
}
