//! The state word of a process: who owns its fields, and what came for it meanwhile. One atomic word, so that a wake-up is never lost.
//!
//! Invariant: exactly one party owns the process's fields. *Idle*: nobody, until somebody wins the step to *Runnable*. *Runnable*: the
//! run queue that holds it, or the worker that took it out and interprets it. *InNative*: the worker in whose native it waits. *Exiting*
//! and *Dead*: whoever ended it.

use crate::sync::{AtomicU32, Ordering};

/// The bits that hold the phase.
const PHASE: u32 = 0b111;
/// The slot holds no process.
const DEAD: u32 = 0;
/// Waits for mail, a signal or a timer; in no queue.
const IDLE: u32 = 1;
/// In a run queue, on the way into one in the hands of whoever made it runnable, or interpreted by the worker that took it out.
const RUNNABLE: u32 = 2;
/// A native of it waits on the worker in the upper half of the word.
const IN_NATIVE: u32 = 4;
/// Its end is being told to others.
const EXITING: u32 = 5;

/// A message arrived since the owner last looked.
pub(crate) const MAIL: u32 = 1 << 3;
/// A signal arrived that the owner must handle at its next safe point.
pub(crate) const SIGNAL: u32 = 1 << 4;
/// The process must end at its next safe point, whatever else it has to do.
pub(crate) const KILL: u32 = 1 << 5;
/// A timer of it fired.
pub(crate) const TIMER: u32 = 1 << 6;
/// All that can have come for a process.
const EVENTS: u32 = MAIL | SIGNAL | KILL | TIMER;

/// Where the home worker's number stands in the phase *InNative*.
const WORKER_SHIFT: u32 = 16;

/// See the module's text.
pub(crate) struct StateWord(AtomicU32);

/// What whoever set an event must do now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Wake {
    /// Nothing: the owner will see it by itself, or there is no owner any more.
    Nothing,
    /// Put the process into a run queue: it is the caller's until then.
    Push,
    /// Tell this worker, in whose native the process waits.
    Tell(usize),
}

/// What a process that goes to sleep listens to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Listen {
    /// Everything.
    ToAll,
    /// Not to mail: it is asleep for a time, or stays in one place of a `receive` that mail does not help.
    NotToMail,
}

/// Coarse view of a state, for `process::info`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Phase {
    Dead,
    Idle,
    Runnable,
    /// Runnable, and a worker interprets it: the word does not say so, but the process does.
    Running,
    InNative,
    Exiting,
}

impl StateWord {
    /// Of an empty slot.
    #[cfg(any(test, loom))]
    pub(crate) fn dead() -> Self {
        Self(AtomicU32::new(DEAD))
    }

    /// A new process begins in the hands of its spawner, which pushes it. The caller owns the slot.
    #[inline]
    pub(crate) fn born_runnable(&self) {
        self.0.store(RUNNABLE, Ordering::Release);
    }

    /// Tells the owner that something came. What came must have been published before.
    #[inline]
    pub(crate) fn notify(&self, event: u32) -> Wake {
        debug_assert!(event & !EVENTS == 0);
        // In one total order with the push to the mailbox before it, and with the two steps of `park`.
        let mut old = self.0.load(Ordering::SeqCst);
        // Where an owner has been told of mail already, it looks at the mailbox again after its step to idle. Either this load comes
        // before that step, and so does the push, which the look then sees; or it comes after, and finds the process idle.
        if event == MAIL && old & MAIL != 0 && matches!(old & PHASE, RUNNABLE | IN_NATIVE) {
            return Wake::Nothing;
        }
        loop {
            let (new, wake) = match old & PHASE {
                // Somebody else's mail may have been ignored already (`Listen::NotToMail`): the flag is set then, and mail wakes nobody.
                IDLE if event & !old == 0 => (old, Wake::Nothing),
                IDLE => ((old | event) & !PHASE | RUNNABLE, Wake::Push),
                IN_NATIVE if event & (SIGNAL | KILL) & !old != 0 => (old | event, Wake::Tell((old >> WORKER_SHIFT) as usize)),
                RUNNABLE | IN_NATIVE => (old | event, Wake::Nothing),
                _ => return Wake::Nothing,
            };
            // Release publishes what came (the mailbox orders itself, a killer's reason does not); Acquire, because the winner of
            // the step from idle owns the fields that the last owner wrote before `park`.
            match self.0.compare_exchange_weak(old, new, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => return wake,
                Err(now) => old = now,
            }
        }
    }

    /// A worker took the process out of its queue. Gives what came, and forgets it; mail alone is not forgotten, so that the most
    /// frequent reason to run costs no read-modify-write here: see [`StateWord::park`].
    #[inline]
    pub(crate) fn begin(&self) -> u32 {
        // Acquire sees what whoever told of it had published, as the step from idle did.
        let old = self.0.load(Ordering::Acquire);
        debug_assert_eq!(old & PHASE, RUNNABLE);
        if old & EVENTS & !MAIL == 0 { old & EVENTS } else { self.take_events() }
    }

    /// Gives what came while running and forgets it.
    #[inline]
    pub(crate) fn take_events(&self) -> u32 {
        if self.0.load(Ordering::Relaxed) & EVENTS == 0 {
            return 0;
        }
        // Pairs with the Release in `notify`: what was told of is visible now.
        self.0.fetch_and(!EVENTS, Ordering::Acquire) & EVENTS
    }

    /// Whether something of this kind waits to be handled.
    #[inline]
    pub(crate) fn has_event(&self, event: u32) -> bool {
        self.0.load(Ordering::Relaxed) & event != 0
    }

    /// *Runnable* to *Idle*, unless something came since the owner last looked: then it stays the caller's, who gets the events.
    /// `has_mail` says whether something lies in the mailbox.
    ///
    /// After `Ok` the process is no longer the caller's: another worker may run it at once.
    #[inline]
    pub(crate) fn park(&self, listen: Listen, has_mail: impl FnOnce() -> bool) -> Result<(), u32> {
        let mut old = self.0.load(Ordering::Relaxed);
        loop {
            debug_assert_eq!(old & PHASE, RUNNABLE);
            if old & EVENTS & !MAIL != 0 {
                return Err(self.take_events());
            }
            // A sleeper that does not listen to mail keeps the flag set, so that mail neither wakes it nor is forgotten: `begin` sees it.
            let asleep = match listen {
                Listen::ToAll => IDLE,
                Listen::NotToMail => IDLE | MAIL,
            };
            // Release hands all fields to whoever wakes the process. Pairs with the Acquire in `notify`. In one total order with the look
            // below: see `notify`.
            match self.0.compare_exchange_weak(old, asleep, Ordering::SeqCst, Ordering::Relaxed) {
                Ok(_) => break,
                Err(now) => old = now,
            }
        }
        // The model checker knows of a total order of fences alone.
        #[cfg(loom)]
        loom::sync::atomic::fence(Ordering::SeqCst);
        // The flag that told of mail may be an old one, so it says nothing about mail that came since. But whoever told of such mail looked
        // at the word before this step, since otherwise it would have woken the process; so the mail is visible now.
        if listen == Listen::ToAll && has_mail() {
            // Whoever wins this step owns the process.
            let awake = self.0.compare_exchange(IDLE, RUNNABLE, Ordering::AcqRel, Ordering::Relaxed);
            if awake.is_ok() {
                return Err(MAIL);
            }
        }
        Ok(())
    }

    /// *Runnable* to *InNative* on `worker`, unless a signal waits.
    pub(crate) fn enter_native(&self, worker: usize) -> Result<(), SignalWaits> {
        let mut old = self.0.load(Ordering::Relaxed);
        loop {
            debug_assert_eq!(old & PHASE, RUNNABLE);
            if old & (SIGNAL | KILL) != 0 {
                return Err(SignalWaits);
            }
            let new = (old & EVENTS) | IN_NATIVE | (worker as u32) << WORKER_SHIFT;
            match self.0.compare_exchange_weak(old, new, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => return Ok(()),
                Err(now) => old = now,
            }
        }
    }

    /// *InNative* back to *Runnable*, keeping what came.
    pub(crate) fn leave_native(&self) {
        let mut old = self.0.load(Ordering::Relaxed);
        loop {
            debug_assert_eq!(old & PHASE, IN_NATIVE);
            match self.0.compare_exchange_weak(old, (old & EVENTS) | RUNNABLE, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => return,
                Err(now) => old = now,
            }
        }
    }

    /// Whether the process waits in a native of this worker.
    pub(crate) fn is_in_native_of(&self, worker: usize) -> bool {
        let word = self.0.load(Ordering::Acquire);
        word & PHASE == IN_NATIVE && (word >> WORKER_SHIFT) as usize == worker
    }

    /// The process ends: nobody else will own its fields. Called by the owner.
    #[inline]
    pub(crate) fn begin_exit(&self) {
        self.0.store(EXITING, Ordering::Release);
    }

    /// The slot is empty.
    #[inline]
    pub(crate) fn end_exit(&self) {
        self.0.store(DEAD, Ordering::Release);
    }

    pub(crate) fn phase(&self) -> Phase {
        match self.0.load(Ordering::Acquire) & PHASE {
            IDLE => Phase::Idle,
            RUNNABLE => Phase::Runnable,
            IN_NATIVE => Phase::InNative,
            EXITING => Phase::Exiting,
            _ => Phase::Dead,
        }
    }
}

/// A signal must be handled before a native may block.
#[derive(Debug)]
pub(crate) struct SignalWaits;

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn running() -> StateWord {
        let state = StateWord::dead();
        state.born_runnable();
        state.begin();
        state
    }

    #[test]
    fn mail_while_running_keeps_the_owner_from_parking() {
        let state = running();
        assert_eq!(state.notify(MAIL), Wake::Nothing);
        assert_eq!(state.park(Listen::ToAll, || true), Err(MAIL));
        assert_eq!(state.park(Listen::ToAll, || false), Ok(()), "the owner has taken it");
        assert_eq!(state.notify(MAIL), Wake::Push);
        assert_eq!(state.notify(SIGNAL), Wake::Nothing);
        assert_eq!(state.begin(), MAIL | SIGNAL);
        assert_eq!(state.park(Listen::ToAll, || false), Ok(()));
    }

    #[test]
    fn other_events_than_mail_are_forgotten_when_they_are_taken() {
        let state = running();
        for event in [SIGNAL, TIMER, KILL] {
            assert_eq!(state.notify(event), Wake::Nothing);
            assert_eq!(state.park(Listen::ToAll, || false), Err(event));
            assert_eq!(state.park(Listen::ToAll, || false), Ok(()));
            assert_eq!(state.notify(event), Wake::Push);
            assert_eq!(state.begin(), event);
            assert_eq!(state.begin(), 0);
        }
    }

    #[test]
    fn a_sleeper_hears_signals_and_timers_but_no_mail() {
        let state = running();
        assert_eq!(state.park(Listen::NotToMail, || true), Ok(()));
        assert_eq!(state.notify(MAIL), Wake::Nothing);
        assert_eq!(state.notify(TIMER), Wake::Push);
        assert_eq!(state.begin(), MAIL | TIMER);
    }

    #[test]
    fn a_signal_to_a_process_in_a_native_is_told_to_its_worker_once() {
        let state = running();
        state.enter_native(7).expect("no signal waits");
        assert!(state.is_in_native_of(7) && !state.is_in_native_of(6));
        assert_eq!(state.notify(MAIL), Wake::Nothing);
        assert_eq!(state.notify(SIGNAL), Wake::Tell(7));
        assert_eq!(state.notify(SIGNAL), Wake::Nothing);
        state.leave_native();
        assert_eq!(state.take_events(), MAIL | SIGNAL);
    }

    #[test]
    fn a_dead_slot_hears_nothing() {
        let state = running();
        state.begin_exit();
        assert_eq!(state.notify(KILL), Wake::Nothing);
        state.end_exit();
        assert_eq!(state.notify(SIGNAL), Wake::Nothing);
        assert_eq!(state.phase(), Phase::Dead);
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use loom::sync::Arc;
    use loom::thread;

    use super::*;
    use crate::process::mailbox::{Bounds, Inbox, Mailbox};

    /// One process: its word and its mailbox.
    struct Shared {
        state: StateWord,
        mailbox: Mailbox<u32>,
    }

    /// The owner looks for a message, parks if there is none, and is run again by whoever it was that woke it. `park` is the step
    /// under test: it says whether the process went to sleep.
    fn a_message_sent_while_the_owner_parks_wakes_it(park: fn(&Shared) -> bool) {
        loom::model(move || {
            let shared = Arc::new(Shared { state: StateWord::dead(), mailbox: Mailbox::new() });
            shared.state.born_runnable();
            shared.state.begin();
            let sender = {
                let shared = Arc::clone(&shared);
                thread::spawn(move || {
                    shared.mailbox.push(1).expect("the mailbox is open");
                    shared.state.notify(MAIL)
                })
            };
            let mut inbox = Inbox::new(Bounds { messages: 8, bytes: 100 });
            shared.mailbox.drain_into(&mut inbox);
            let mut parked = false;
            while inbox.peek().is_none() {
                parked = park(&shared);
                if parked {
                    break;
                }
                shared.mailbox.drain_into(&mut inbox);
            }
            let wake = sender.join().expect("the sender does not panic");
            assert_eq!(parked, wake == Wake::Push, "asleep with mail, or in two queues");
            if parked {
                shared.state.begin();
                shared.mailbox.drain_into(&mut inbox);
            }
            assert_eq!(inbox.pop(&shared.mailbox), Some(1));
        });
    }

    #[test]
    fn loom_a_message_sent_while_the_owner_parks_always_wakes_it() {
        a_message_sent_while_the_owner_parks_wakes_it(|shared| {
            shared.state.park(Listen::ToAll, || shared.mailbox.has_arrived()).is_ok()
        });
    }

    /// The same with a `park` that looks and steps in two operations. The model must notice, or it models nothing.
    #[test]
    #[should_panic(expected = "asleep with mail")]
    fn loom_the_model_catches_a_park_in_two_steps() {
        a_message_sent_while_the_owner_parks_wakes_it(|shared| {
            if shared.state.take_events() != 0 {
                return false;
            }
            shared.state.0.store(IDLE, Ordering::Release);
            true
        });
    }

    /// A message was told of before the owner began, and another one comes while it parks: the flag is set already, so only the look
    /// at the mailbox after the step finds it. `send` and `look` are the steps under test.
    fn a_second_message_is_found_behind_an_old_flag(send: fn(&Shared) -> Wake, look: fn(&Mailbox<u32>) -> bool) {
        loom::model(move || {
            let shared = Arc::new(Shared { state: StateWord::dead(), mailbox: Mailbox::new() });
            shared.state.born_runnable();
            shared.mailbox.push(1).expect("the mailbox is open");
            shared.state.notify(MAIL);
            assert_eq!(shared.state.begin(), MAIL);
            let sender = {
                let shared = Arc::clone(&shared);
                thread::spawn(move || send(&shared))
            };
            let mut inbox = Inbox::new(Bounds { messages: 8, bytes: 100 });
            shared.mailbox.drain_into(&mut inbox);
            assert_eq!(inbox.pop(&shared.mailbox), Some(1));
            let parked = inbox.peek().is_none() && shared.state.park(Listen::ToAll, || look(&shared.mailbox)).is_ok();
            let wake = sender.join().expect("the sender does not panic");
            assert_eq!(parked, wake == Wake::Push, "asleep with mail, or in two queues");
        });
    }

    #[test]
    fn loom_a_second_message_is_found_behind_an_old_flag() {
        a_second_message_is_found_behind_an_old_flag(send, |mailbox| mailbox.has_arrived());
    }

    fn send(shared: &Shared) -> Wake {
        shared.mailbox.push(2).expect("the mailbox is open");
        shared.state.notify(MAIL)
    }

    /// The same with a sender that looks at the word before its message is there.
    #[test]
    #[should_panic(expected = "asleep with mail")]
    fn loom_the_model_catches_a_sender_that_tells_too_early() {
        let early = |shared: &Shared| {
            let wake = shared.state.notify(MAIL);
            shared.mailbox.push(2).expect("the mailbox is open");
            wake
        };
        a_second_message_is_found_behind_an_old_flag(early, |mailbox| mailbox.has_arrived());
    }

    #[test]
    #[should_panic(expected = "asleep with mail")]
    fn loom_the_model_catches_a_park_that_does_not_look_again() {
        a_second_message_is_found_behind_an_old_flag(send, |_| false);
    }

    /// Somebody kills a process that enters a native and leaves it. `enter` is the step under test.
    fn a_kill_while_a_native_begins_or_ends(enter: fn(&StateWord, usize) -> bool) {
        loom::model(move || {
            let state = Arc::new(StateWord::dead());
            state.born_runnable();
            state.begin();
            let killer = {
                let state = Arc::clone(&state);
                thread::spawn(move || state.notify(KILL))
            };
            let entered = enter(&state, 3);
            if entered {
                state.leave_native();
            }
            let wake = killer.join().expect("the killer does not panic");
            assert!(entered || wake == Wake::Nothing);
            assert_eq!(state.take_events(), KILL, "whether told or not, the owner sees it when the native is over");
        });
    }

    #[test]
    fn loom_a_kill_while_a_native_begins_or_ends_is_told_or_seen() {
        a_kill_while_a_native_begins_or_ends(|state, worker| state.enter_native(worker).is_ok());
    }

    /// The same with a native that is entered without regard to what came. The model must notice, or it models nothing.
    #[test]
    #[should_panic(expected = "the owner sees it")]
    fn loom_the_model_catches_an_entry_that_overwrites_what_came() {
        a_kill_while_a_native_begins_or_ends(|state, worker| {
            state.0.swap(IN_NATIVE | (worker as u32) << WORKER_SHIFT, Ordering::AcqRel);
            true
        });
    }

    /// A message and a timer find the process asleep. `notify` is the step under test.
    fn two_wakers(notify: fn(&StateWord, u32) -> Wake) {
        loom::model(move || {
            let state = Arc::new(StateWord::dead());
            state.born_runnable();
            state.begin();
            state.park(Listen::ToAll, || false).expect("nothing came");
            let other = {
                let state = Arc::clone(&state);
                thread::spawn(move || notify(&state, MAIL))
            };
            let mine = notify(&state, TIMER);
            let other = other.join().expect("a waker does not panic");
            let pushes = [mine, other].iter().filter(|&&wake| wake == Wake::Push).count();
            assert_eq!(pushes, 1, "a process is in as many queues as it was pushed");
            assert_eq!(state.begin(), MAIL | TIMER);
        });
    }

    #[test]
    fn loom_two_wakers_push_a_process_once() {
        two_wakers(StateWord::notify);
    }

    #[test]
    #[should_panic(expected = "in as many queues")]
    fn loom_the_model_catches_a_waker_that_looks_and_steps_apart() {
        two_wakers(|state, event| {
            let asleep = state.phase() == Phase::Idle;
            state.0.fetch_or(event, Ordering::AcqRel);
            if !asleep {
                return Wake::Nothing;
            }
            state.0.store(RUNNABLE | MAIL | TIMER, Ordering::Release);
            Wake::Push
        });
    }
}
