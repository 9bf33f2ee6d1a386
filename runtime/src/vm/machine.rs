//! One process's registers, frames and position.
//!
//! # Frames
//!
//! The header of a frame is the slot below its registers: the number of its function, and the address at which its caller goes on.
//! The caller's registers begin as far below as the caller's instruction says whose window was called. Two addresses mean something
//! else: [`BOTTOM`], under the first frame, and [`FROM_NATIVE`], under a frame that a native frame called.
//!
//! A native frame is a state of Rust in [`Machine::natives`]; it remembers where the code that called it goes on.
//!
//! Invariant: while a machine does not run, `ip` and `base` are those of its topmost Vega frame, and `at` says what comes next.

use std::mem::MaybeUninit;
use std::ptr;

use vega_bytecode::FunctionId;
use vega_scheduler::Instant;

use super::leaving::Leaving;
use super::loaded::Loaded;
use super::program::{LoadedFunction, LoadedProgram};
use super::stack::Stack;
use crate::error::Error;
use crate::native::{Callee, PortId, Resumable};
use crate::value::{Frame, Value, View};

/// Returning to this address ends the machine.
pub(crate) const BOTTOM: *const Loaded = ptr::null();
/// Returning to this address gives the result to the topmost native frame.
pub(crate) const FROM_NATIVE: *const Loaded = ptr::without_provenance(8);

/// Why a machine stopped running.
#[derive(Debug)]
pub enum Exit {
    /// Its reductions are spent, or a native asked for a pause. It wants to run again.
    Preempted,
    /// It waits for what the host was told. It is run again when that is there.
    Waiting,
    /// Its first function returned.
    Done(Value),
    /// An error that nothing caught.
    Failed(Error),
    /// It ended itself, with this reason.
    Ended(Value),
    /// It holds more memory than it may. Nothing can catch this.
    Limit(Error),
}

/// What a machine does when it is run.
pub(crate) enum At {
    /// Goes on with its instructions.
    Code,
    /// Steps its topmost native frame for the first time.
    Start,
    /// Steps its topmost native frame after a pause.
    Resumed,
    /// Asks what arrived for its topmost native frame, which says where and until when.
    Receive,
    /// It has ended.
    Over,
}

/// The state of a native that works in steps, and where the code goes on that called it.
pub(crate) struct NativeFrame {
    /// Where its result goes: a slot's number, or [`NO_RESULT`].
    pub(crate) result: u32,
    /// First register of the caller's frame, as a slot's number.
    pub(crate) base: u32,
    /// Where the caller goes on; [`BOTTOM`] where there is none.
    pub(crate) ip: *const Loaded,
    /// Calls below the caller's frame.
    pub(crate) depth: u32,
    /// Where it awaits messages, and until when.
    pub(crate) awaited: (PortId, Option<Instant>),
    /// Whether a Vega frame that it called is above it.
    pub(crate) calling: bool,
    /// The state. Absent while it is being stepped.
    pub(crate) state: Option<Box<dyn Resumable>>,
}

#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<Machine>() <= 88, "there is a machine in every process");

/// The result of the native is not wanted.
pub(crate) const NO_RESULT: u32 = u32::MAX;

/// One process's registers, frames and position.
pub struct Machine {
    pub(crate) stack: Stack,
    /// The next instruction.
    pub(crate) ip: *const Loaded,
    /// First register of the topmost Vega frame, as a slot's number.
    pub(crate) base: u32,
    /// Vega calls under one another.
    pub(crate) depth: u32,
    /// Most calls under one another: the program's limit.
    pub(crate) depth_max: u32,
    /// Reductions left in this turn.
    pub(crate) left: u32,
    pub(crate) natives: Vec<NativeFrame>,
    /// The cleanups that an exit or an error runs on its way out, while it does.
    pub(crate) leaving: Option<Box<Leaving>>,
    pub(crate) at: At,
}

impl Machine {
    /// A machine that calls `function` with `arguments`, of which there must be as many as it takes, captures included.
    pub fn new(program: &LoadedProgram, function: FunctionId, arguments: impl ExactSizeIterator<Item = Value>) -> Self {
        let mut machine = MaybeUninit::uninit();
        // SAFETY: the place is this function's own, and filled by the call.
        unsafe {
            Self::make_at(machine.as_mut_ptr(), program, function, arguments);
            machine.assume_init()
        }
    }

    /// The same, made where it is to be.
    ///
    /// # Safety
    /// `place` may be written, and holds nothing that would have to be dropped.
    #[inline(always)]
    pub(crate) unsafe fn make_at(
        place: *mut Self,
        program: &LoadedProgram,
        function: FunctionId,
        arguments: impl ExactSizeIterator<Item = Value>,
    ) {
        let target = program.function(function.0);
        assert_eq!(target.arguments as usize, arguments.len(), "the caller passes what the function takes");
        let stack = Stack::new(target.registers + 1);
        // SAFETY: the stack is new and has room for a header and all registers.
        unsafe { begin_frame(stack.first().add(1), function.0, target, BOTTOM, arguments) };
        let machine = Self {
            stack,
            ip: target.code(),
            base: 1,
            depth: 1,
            depth_max: 0,
            left: 0,
            natives: Vec::new(),
            leaving: None,
            at: At::Code,
        };
        // SAFETY: by the caller's promise.
        unsafe { place.write(machine) };
    }

    /// A machine that calls the function value `closure` with `arguments`; the error where that is no function or takes others.
    pub fn closure(program: &LoadedProgram, closure: &Value, mut arguments: Vec<Value>) -> Result<Self, Error> {
        let (function, captures) = callable(program, closure, arguments.len())?;
        arguments.extend_from_slice(captures);
        Ok(Self::new(program, FunctionId(function), arguments.into_iter()))
    }

    /// A machine whose first frame is a native one.
    pub fn native(state: Box<dyn Resumable>) -> Self {
        let mut machine = Self {
            stack: Stack::new(0),
            ip: BOTTOM,
            base: 0,
            depth: 0,
            depth_max: 0,
            left: 0,
            natives: Vec::new(),
            leaving: None,
            at: At::Start,
        };
        machine.push_native(NO_RESULT, state);
        machine
    }

    /// Begins a native frame above the topmost Vega frame.
    pub(crate) fn push_native(&mut self, result: u32, state: Box<dyn Resumable>) {
        let (base, ip, depth) = (self.base, self.ip, self.depth);
        let awaited = (PortId::ROOT, None);
        self.natives.push(NativeFrame { result, base, ip, depth, awaited, calling: false, state: Some(state) });
    }

    /// Gives back what the stack holds far beyond the topmost frame. For a machine that is going to wait.
    #[inline]
    pub(crate) fn trim(&mut self, program: &LoadedProgram) {
        if !self.stack.is_worth_trimming() {
            return;
        }
        let used = match self.base {
            0 => 0,
            base => base + program.function(self.function_at(base)).registers,
        };
        self.stack.trim(used);
    }

    /// Bytes that the machine holds besides the values on the heap.
    pub fn bytes(&self) -> usize {
        self.stack.capacity() as usize * size_of::<Value>() + self.natives.capacity() * size_of::<NativeFrame>()
    }

    /// Begins a frame whose registers start at slot `base`; the stack has room for it.
    pub(crate) fn enter(
        &mut self,
        function: u32,
        target: &LoadedFunction,
        base: u32,
        return_to: *const Loaded,
        arguments: impl Iterator<Item = Value>,
    ) {
        debug_assert!(base + target.registers <= self.stack.capacity());
        // SAFETY: the slots from the header to the last register lie within the stack, as the caller promises.
        unsafe { begin_frame(self.slot(base), function, target, return_to, arguments) };
        self.base = base;
        self.ip = target.code();
        self.depth += 1;
    }

    /// The address of a slot.
    #[inline]
    pub(crate) fn slot(&self, number: u32) -> *mut Value {
        debug_assert!(number <= self.stack.capacity());
        // SAFETY: numbers of slots are made from addresses in the stack, or checked against its capacity.
        unsafe { self.stack.first().add(number as usize) }
    }

    /// The number of a slot.
    #[inline]
    pub(crate) fn number(&self, slot: *const Value) -> u32 {
        ((slot as usize - self.stack.first() as usize) / size_of::<Value>()) as u32
    }

    /// The number of the function whose registers begin at slot `base`.
    #[inline]
    pub(crate) fn function_at(&self, base: u32) -> u32 {
        self.stack.as_slice()[base as usize - 1].frame_bits().function
    }
}

// SAFETY: the values of a machine belong to one process; whoever moves the machine moves all of them together, and the addresses in
// it point into the program, which the process holds and nobody changes, or are compared only.
unsafe impl Send for Machine {}

/// Writes the header and the arguments of a frame whose first register is `first`.
///
/// # Safety
/// The slot before it and those of all registers of `target` are within one stack, and hold values.
#[inline]
unsafe fn begin_frame(
    first: *mut Value,
    function: u32,
    target: &LoadedFunction,
    return_to: *const Loaded,
    arguments: impl Iterator<Item = Value>,
) {
    // SAFETY: by the caller's promise.
    unsafe {
        *first.sub(1) = header(function, return_to);
        for (index, argument) in arguments.take(target.registers as usize).enumerate() {
            *first.add(index) = argument;
        }
    }
}

/// The header of a frame.
#[inline]
pub(crate) fn header(function: u32, return_to: *const Loaded) -> Value {
    let address = return_to as u64;
    Value::frame(Frame { function, pc: address as u32, base: (address >> 32) as u32 })
}

/// Where the caller of a frame goes on.
#[inline]
pub(crate) fn return_address(header: &Value) -> *const Loaded {
    ptr::with_exposed_provenance(header.int_bits() as usize)
}

/// The function of a function value and what it captured, if it can be called with so many arguments.
pub(crate) fn callable<'v>(program: &LoadedProgram, value: &'v Value, arguments: usize) -> Result<(u32, &'v [Value]), Error> {
    let (function, captures): (u32, &[Value]) = match value.view() {
        View::Function(id) => (id.0, &[]),
        View::Closure(id, record) => (id.0, record.values()),
        _ => return Err(super::operate::mismatch("a function", value, program)),
    };
    let target = program.functions().get(function as usize);
    match target {
        Some(target) if target.arguments as usize == arguments + captures.len() => Ok((function, captures)),
        _ => Err(super::operate::mismatch(&format!("a function of {arguments} arguments"), value, program)),
    }
}

/// The same for what a native frame calls.
pub(crate) fn callee<'c>(program: &LoadedProgram, callee: &'c Callee, arguments: usize) -> Result<(u32, &'c [Value]), Error> {
    match callee {
        Callee::Closure(value) => callable(program, value, arguments),
        Callee::Function(id) => {
            let fits = program.functions().get(id.0 as usize).is_some_and(|target| target.arguments as usize == arguments);
            if fits { Ok((id.0, &[])) } else { Err(super::operate::mismatch("a function", &Value::function(*id), program)) }
        }
    }
}
