//! The loop over instructions.
//!
//! Position, registers and reductions are local variables here; they are written back before anything that may look at the machine.
//! Scalars are computed in place, everything that follows a pointer is done by `operate` and `place`, everything that touches the
//! world by the host.
//!
//! Why the raw pointers are sound: `vega_bytecode::verify` has proven that every register operand is below its function's number of
//! registers, that windows lie within the frame, that jumps land in the code and that the code does not run off its end; calls make
//! sure that the stack has room for the frame they begin. So `ip` points at an instruction of the running function and every register
//! that an instruction names is a slot of the stack, which always holds a value.

use std::mem::MaybeUninit;

use vega_bytecode::{Opcode, TypeId, kinds};

use super::host::{Host, Sent, Wake};
use super::loaded::{Loaded, Register};
use super::machine::{At, BOTTOM, Exit, FROM_NATIVE, Machine, NO_RESULT, callable, header, return_address};
use super::operate;
use super::place;
use super::program::{LoadedFunction, LoadedProgram};
use super::unwind::Flow;
use crate::error::Error;
use crate::native::{Input, NativeResult, Outcome};
use crate::value::{Tag, Value, heap, is_type};

/// The machine's base while its position is in the loop's own variables. What is written back elsewhere would be out of date by then,
/// and a panic out of an instruction must not leave frames that are none: so it leaves none at all.
const ASTRAY: u32 = 0;

/// Arguments of a host call that fit the native stack without an allocation.
const ARGUMENTS_INLINE: usize = 6;

/// Why the loop over instructions was left.
enum Stop {
    /// Something that [`Machine::settle`] goes on with; the position is written back.
    Flow(Flow),
    /// An error of the instruction under way.
    Raise(Error),
    /// The reductions are spent.
    Preempt,
    /// It waits for what the host was told. By far the most frequent reason, so it is one of its own, which nobody copies.
    Wait,
    /// A function returned to an address that is no code.
    Returned(*const Loaded, Value),
}

impl Machine {
    /// Runs until the machine stops, for at most so many reductions. What is left of them is written back.
    pub fn run<H: Host>(&mut self, program: &LoadedProgram, host: &mut H, reductions: &mut u32) -> Exit {
        self.left = *reductions;
        self.depth_max = program.limits().call_depth;
        // One variable that is returned, so that it is made where the caller wants it.
        let exit = if let At::Code = self.at { self.interpret(program, host) } else { self.run_native(program, host) };
        *reductions = self.left;
        if let Exit::Waiting = exit {
            self.trim(program);
        }
        exit
    }

    /// Runs a machine whose topmost frame is a native one.
    fn run_native<H: Host>(&mut self, program: &LoadedProgram, host: &mut H) -> Exit {
        let flow = match std::mem::replace(&mut self.at, At::Code) {
            At::Code => Flow::Continue,
            At::Start => Flow::Step(Input::Start),
            At::Resumed => Flow::Step(Input::Resumed),
            At::Receive => self.receive(host),
            At::Over => {
                self.at = At::Over;
                Flow::Stop(Exit::Done(Value::NULL))
            }
        };
        match self.settle(program, host, flow) {
            Some(exit) => exit,
            None => self.interpret(program, host),
        }
    }

    /// Runs instructions from the machine's position on.
    fn interpret<H: Host>(&mut self, program: &LoadedProgram, host: &mut H) -> Exit {
        loop {
            let flow = match self.instructions(program, host) {
                Stop::Flow(flow) => flow,
                Stop::Raise(error) => Flow::Raise(error),
                Stop::Preempt => return Exit::Preempted,
                Stop::Wait => return Exit::Waiting,
                Stop::Returned(back, value) => match self.returned(back, value) {
                    Ok(flow) => flow,
                    // Made anew, since to read the old one as a whole right after its tag was written stalls the processor.
                    Err(result) if result.is_null() => return Exit::Done(Value::NULL),
                    Err(result) => return Exit::Done(result),
                },
            };
            if let Flow::Stop(exit) = flow {
                return exit;
            }
            if let Some(exit) = self.settle(program, host, flow) {
                return exit;
            }
            if heap::over_limit() {
                return Exit::Limit(self.heap_limit(program));
            }
        }
    }

    fn heap_limit(&mut self, program: &LoadedProgram) -> Error {
        let mut error = Error::new(kinds::LIMIT_REACHED, "heap");
        error.record_trace(|| self.trace(program));
        self.at = At::Over;
        error
    }

    fn instructions<H: Host>(&mut self, program: &LoadedProgram, host: &mut H) -> Stop {
        let functions: *const LoadedFunction = program.functions().as_ptr();
        let mut ip = self.ip;
        let mut base = self.slot(self.base);
        let mut left = self.left;
        self.base = ASTRAY;

        /// The address of a register.
        macro_rules! register {
            ($register:expr) => {
                $register.of(base)
            };
        }
        /// The value of a register.
        macro_rules! read {
            ($number:expr) => {
                // SAFETY: see the module's text: the slot holds a value; the reference ends with the expression.
                unsafe { &*register!($number) }
            };
        }
        macro_rules! int {
            ($number:expr) => {
                read!($number).int_bits()
            };
        }
        macro_rules! float {
            ($number:expr) => {
                read!($number).float_bits()
            };
        }
        /// Writes a register and releases its old content, for results that are scalars: the release is one comparison that never holds
        /// in a compiled program, and so no program can lose memory.
        macro_rules! assign_scalar {
            ($number:expr, $value:expr) => {{
                let value: Value = $value;
                // SAFETY: see the module's text: the slot holds a value; the reference ends with the call.
                unsafe { (*register!($number)).replace_scalar(value) }
            }};
        }
        /// The same with an int, in a register that mostly holds one already.
        macro_rules! assign_int {
            ($number:expr, $value:expr) => {{
                let value: i64 = $value;
                // SAFETY: as above.
                unsafe { (*register!($number)).replace_int(value) }
            }};
        }
        macro_rules! assign_float {
            ($number:expr, $value:expr) => {{
                let value: f64 = $value;
                // SAFETY: as above.
                unsafe { (*register!($number)).replace_float(value) }
            }};
        }
        /// Writes a register and releases its old content.
        macro_rules! assign {
            ($number:expr, $value:expr) => {{
                let value: Value = $value;
                // SAFETY: see the module's text: the slot holds a value, which this drops.
                unsafe { *register!($number) = value }
            }};
        }
        macro_rules! write_back {
            () => {{
                self.ip = ip;
                self.base = self.number(base);
                self.left = left;
            }};
        }
        /// Takes the position over again after [`write_back`].
        macro_rules! take_back {
            () => {{
                ip = self.ip;
                base = self.slot(self.base);
                left = self.left;
                self.base = ASTRAY;
            }};
        }
        macro_rules! stop {
            ($stop:expr) => {{
                let stop = $stop;
                write_back!();
                return stop;
            }};
        }
        macro_rules! raise {
            ($error:expr) => {
                stop!(Stop::Raise($error))
            };
        }
        /// Goes where the instruction says. A backward jump costs a reduction.
        macro_rules! jump {
            ($at:expr) => {{
                let offset = $at.offset();
                // SAFETY: the target lies in the code.
                ip = unsafe { ip.offset(offset) };
                if offset < 0 {
                    charge!();
                }
            }};
        }
        /// Takes one reduction, or stops at the instruction that `ip` points at.
        macro_rules! charge {
            () => {
                match left.checked_sub(1) {
                    Some(rest) => left = rest,
                    None => stop!(Stop::Preempt),
                }
            };
        }
        /// Goes where the end of a loop says, which costs a reduction.
        macro_rules! jump_back {
            ($at:expr) => {{
                // SAFETY: the target lies in the code.
                ip = unsafe { ip.offset($at.offset()) };
                charge!();
            }};
        }
        macro_rules! jump_if {
            ($at:expr, $condition:expr) => {
                if $condition {
                    jump!($at);
                }
            };
        }
        macro_rules! checked {
            ($at:expr, $method:ident, $what:literal) => {{
                let (result, overflowed) = int!($at.b()).$method(int!($at.c()));
                if overflowed {
                    raise!(operate::overflow(concat!("int ", $what)));
                }
                assign_int!($at.a(), result);
            }};
        }
        /// Goes on after a step that may have moved the stack or changed the position.
        macro_rules! go_on {
            ($flow:expr) => {
                match $flow {
                    Flow::Continue if !heap::over_limit() => take_back!(),
                    flow => return Stop::Flow(flow),
                }
            };
        }
        /// Executes an instruction on values by its general form, where it costs no more than the ordinary.
        macro_rules! simple {
            ($op:expr, $at:expr) => {{
                // SAFETY: verify has checked the registers, runs and windows of the instruction.
                if let Err(error) = unsafe { operate::execute($op, $at, base, program) } {
                    raise!(error);
                }
                if heap::over_limit() {
                    stop!(Stop::Flow(Flow::Continue));
                }
            }};
        }
        /// Executes an instruction on values by its general form, and charges what it copies or looks through.
        macro_rules! general {
            ($op:expr, $at:expr) => {{
                // SAFETY: verify has checked the registers, runs and windows of the instruction.
                let (cost, done) = unsafe { (operate::cost($op, $at, base), operate::execute($op, $at, base, program)) };
                left = left.saturating_sub(cost);
                if let Err(error) = done {
                    raise!(error);
                }
                if heap::over_limit() {
                    stop!(Stop::Flow(Flow::Continue));
                }
            }};
        }
        /// The next instruction, as the second half of one that does the work of two.
        macro_rules! second {
            () => {{
                // SAFETY: such instructions are made only of two that follow each other.
                unsafe {
                    let second = &*ip;
                    ip = ip.add(1);
                    second
                }
            }};
        }
        macro_rules! add_immediate {
            ($at:expr) => {{
                let (result, overflowed) = int!($at.b()).overflowing_add(i64::from($at.number_c() as i16));
                if overflowed {
                    raise!(operate::overflow("int addition"));
                }
                assign_int!($at.a(), result);
            }};
        }
        macro_rules! for_int {
            ($at:expr) => {{
                // Below an int, so it cannot overflow in a compiled program; in any other it wraps.
                let next = int!($at.jump_a()).wrapping_add(1);
                assign_int!($at.jump_a(), next);
                if next < int!($at.jump_b()) {
                    jump_back!($at);
                }
            }};
        }
        macro_rules! call {
            ($at:expr) => {{
                // SAFETY: verify has checked the function's number; the window lies in the frame.
                let (target, window) = unsafe { (&*functions.add($at.bc() as usize), register!($at.a())) };
                if left == 0 {
                    // SAFETY: back to this very instruction.
                    ip = unsafe { ip.sub(1) };
                    stop!(Stop::Preempt);
                }
                left -= 1;
                let room = self.stack.end() as usize - window as usize;
                if room < target.frame_bytes || self.depth >= self.depth_max {
                    write_back!();
                    let number = self.number(window);
                    if let Err(error) = self.make_room(program, number + 1, target.registers) {
                        return Stop::Raise(error);
                    }
                    take_back!();
                }
                let window = register!($at.a());
                // SAFETY: the window lies in the frame; the slot holds a value, which this drops.
                unsafe { *window = header($at.bc(), ip) };
                // SAFETY: the stack has room for the frame, which begins after the header.
                base = unsafe { window.add(1) };
                ip = target.code();
                self.depth += 1;
            }};
        }
        macro_rules! set_index {
            ($op:expr, $at:expr) => {{
                let index = read!($at.b()).as_int();
                match index {
                    Some(index) if $at.c() != $at.a() => {
                        // SAFETY: see the module's text; container and value are two different slots.
                        let (container, value) = unsafe { (&mut *register!($at.a()), &mut *register!($at.c())) };
                        match operate::own_element(container, index) {
                            Some(element) => *element = value.take(),
                            None => general!($op, $at),
                        }
                    }
                    _ => general!($op, $at),
                }
            }};
        }
        macro_rules! index {
            ($at:expr) => {
                match operate::element(read!($at.b()), read!($at.c())) {
                    Some(element) => assign!($at.a(), element.clone()),
                    None => general!(Opcode::Index, $at),
                }
            };
        }
        macro_rules! push {
            ($op:expr, $at:expr) => {{
                if $at.a() == $at.b() {
                    general!($op, $at)
                } else {
                    // SAFETY: see the module's text; array and value are two different slots.
                    let (array, value) = unsafe { (&mut *register!($at.a()), &mut *register!($at.b())) };
                    if !operate::push_in_place(array, value) {
                        general!($op, $at)
                    }
                }
            }};
        }
        macro_rules! part_get {
            ($at:expr) => {
                match operate::nested_both(read!($at.b()), read!($at.c()), $at.x()) {
                    Some(part) => assign!($at.a(), part.clone()),
                    None => general!(Opcode::PartGet, $at),
                }
            };
        }
        macro_rules! part_set {
            ($place:path, $at:expr) => {{
                let index = read!($at.b()).as_int();
                match index {
                    Some(index) if $at.c() != $at.a() => {
                        // SAFETY: see the module's text; root and value are two different slots.
                        let (root, value) = unsafe { (&mut *register!($at.a()), &mut *register!($at.c())) };
                        match $place(root, index, $at.x()) {
                            Some(part) => *part = value.take(),
                            None => general!(Opcode::PartSet, $at),
                        }
                    }
                    _ => general!(Opcode::PartSet, $at),
                }
            }};
        }
        /// A product, whose register the next instruction reads in its field `c` only.
        macro_rules! product {
            ($at:expr) => {{
                let product = float!($at.b()) * float!($at.c());
                assign_float!($at.a(), product);
                product
            }};
        }
        macro_rules! returns {
            ($at:expr, $result:expr) => {{
                let result: Value = $result;
                // SAFETY: the header of a frame lies below its registers.
                let slot = unsafe { base.sub(1) };
                if $at.x() != 0 {
                    // SAFETY: as above; value registers were verified to lie in the frame.
                    unsafe { release_values(program, (*slot).frame_bits().function, base) };
                }
                // SAFETY: as above.
                let back = return_address(unsafe { &*slot });
                // SAFETY: as above. The header owns nothing, so it is overwritten unseen.
                unsafe { slot.write(Value::NULL) };
                if back == BOTTOM || back == FROM_NATIVE {
                    stop!(Stop::Returned(back, result));
                }
                // SAFETY: as above.
                unsafe { slot.write(result) };
                ip = back;
                // SAFETY: other addresses in headers are those after a call instruction, whose window was this slot.
                base = unsafe { (*ip.sub(1)).a().frame_of(slot) };
                self.depth -= 1;
            }};
        }

        loop {
            // SAFETY: see the module's text: `ip` points at an instruction, and its number is one of the table's.
            let (at, op) = unsafe {
                let at = &*ip;
                ip = ip.add(1);
                (at, std::mem::transmute::<u8, Opcode>(at.byte()))
            };
            match op {
                Opcode::LoadNull => assign!(at.a(), Value::NULL),
                Opcode::LoadBool => assign_scalar!(at.a(), Value::bool(at.number_b() != 0)),
                Opcode::LoadInt => assign_scalar!(at.a(), Value::int(i64::from(at.bc() as i32))),
                Opcode::LoadScalar => assign!(at.a(), program.constant(at.bc())),
                Opcode::LoadConstant => assign!(at.a(), program.constant(at.bc())),
                // A heap value cannot be copied as bits: where a hostile program asks for it, it is counted.
                Opcode::MoveScalar => assign_scalar!(at.a(), read!(at.b()).clone()),
                Opcode::Copy => assign!(at.a(), read!(at.b()).clone()),
                Opcode::Move => {
                    // SAFETY: see the module's text.
                    let value = unsafe { (*register!(at.b())).take() };
                    assign!(at.a(), value);
                }
                Opcode::Drop => assign!(at.a(), Value::NULL),

                Opcode::AddInt => checked!(at, overflowing_add, "addition"),
                Opcode::SubInt => checked!(at, overflowing_sub, "subtraction"),
                Opcode::MulInt => checked!(at, overflowing_mul, "multiplication"),
                Opcode::DivInt | Opcode::RemInt => match operate::divide(op, int!(at.b()), int!(at.c())) {
                    Ok(result) => assign_scalar!(at.a(), Value::int(result)),
                    Err(error) => raise!(error),
                },
                Opcode::AddIntImmediate => add_immediate!(at),
                Opcode::NegInt => {
                    let (result, overflowed) = int!(at.b()).overflowing_neg();
                    if overflowed {
                        raise!(operate::overflow("int negation"));
                    }
                    assign_scalar!(at.a(), Value::int(result));
                }
                Opcode::AndInt => assign_scalar!(at.a(), Value::int(int!(at.b()) & int!(at.c()))),
                Opcode::OrInt => assign_scalar!(at.a(), Value::int(int!(at.b()) | int!(at.c()))),
                Opcode::XorInt => assign_scalar!(at.a(), Value::int(int!(at.b()) ^ int!(at.c()))),
                Opcode::ShlInt | Opcode::ShrInt => {
                    let places = int!(at.c());
                    if !(0..64).contains(&places) {
                        raise!(operate::overflow("shift"));
                    }
                    let number = int!(at.b());
                    assign_scalar!(at.a(), Value::int(if op == Opcode::ShlInt { number << places } else { number >> places }));
                }

                Opcode::AddFloat => assign_float!(at.a(), float!(at.b()) + float!(at.c())),
                Opcode::SubFloat => assign_float!(at.a(), float!(at.b()) - float!(at.c())),
                Opcode::MulFloat => assign_float!(at.a(), float!(at.b()) * float!(at.c())),
                Opcode::DivFloat => assign_float!(at.a(), float!(at.b()) / float!(at.c())),
                Opcode::RemFloat => assign_float!(at.a(), float!(at.b()) % float!(at.c())),
                Opcode::NegFloat => assign_float!(at.a(), -float!(at.b())),
                Opcode::IntToFloat => assign_float!(at.a(), int!(at.b()) as f64),
                Opcode::FloatToInt => match operate::float_to_int(float!(at.b())) {
                    Ok(result) => assign_scalar!(at.a(), Value::int(result)),
                    Err(error) => raise!(error),
                },
                Opcode::SqrtFloat => assign_float!(at.a(), float!(at.b()).sqrt()),
                Opcode::Not => assign_scalar!(at.a(), Value::bool(!read!(at.b()).bool_bits())),
                Opcode::Arith => match operate::arith(at.x(), read!(at.b()), read!(at.c())) {
                    Ok(result) => assign!(at.a(), result),
                    Err(error) => raise!(error),
                },

                Opcode::EqInt => assign_scalar!(at.a(), Value::bool(int!(at.b()) == int!(at.c()))),
                Opcode::LtInt => assign_scalar!(at.a(), Value::bool(int!(at.b()) < int!(at.c()))),
                Opcode::LeInt => assign_scalar!(at.a(), Value::bool(int!(at.b()) <= int!(at.c()))),
                Opcode::EqFloat => assign_scalar!(at.a(), Value::bool(float!(at.b()) == float!(at.c()))),
                Opcode::LtFloat => assign_scalar!(at.a(), Value::bool(float!(at.b()) < float!(at.c()))),
                Opcode::LeFloat => assign_scalar!(at.a(), Value::bool(float!(at.b()) <= float!(at.c()))),

                Opcode::Jump => jump!(at),
                Opcode::JumpIf => jump_if!(at, read!(at.jump_a()).bool_bits()),
                Opcode::JumpIfNot => jump_if!(at, !read!(at.jump_a()).bool_bits()),
                Opcode::JumpIfNull => jump_if!(at, read!(at.jump_a()).is_null()),
                Opcode::JumpIfNotNull => jump_if!(at, !read!(at.jump_a()).is_null()),
                Opcode::JumpIfLtInt => jump_if!(at, int!(at.jump_a()) < int!(at.jump_b())),
                Opcode::JumpIfLeInt => jump_if!(at, int!(at.jump_a()) <= int!(at.jump_b())),
                Opcode::JumpIfEqInt => jump_if!(at, int!(at.jump_a()) == int!(at.jump_b())),
                Opcode::JumpIfNeInt => jump_if!(at, int!(at.jump_a()) != int!(at.jump_b())),
                Opcode::JumpIfLtImmediate => jump_if!(at, int!(at.jump_a()) < at.jump_number()),
                Opcode::JumpIfGeImmediate => jump_if!(at, int!(at.jump_a()) >= at.jump_number()),
                Opcode::JumpIfEqImmediate => jump_if!(at, int!(at.jump_a()) == at.jump_number()),
                Opcode::JumpIfNeImmediate => jump_if!(at, int!(at.jump_a()) != at.jump_number()),
                Opcode::ForInt => for_int!(at),
                Opcode::IterNext => {
                    let (element, container) = (register!(at.jump_a()), register!(at.jump_b()));
                    // SAFETY: verify has checked the registers, `b + 1` included, and that none is the element's.
                    match unsafe { operate::next_element(element, container, program) } {
                        Ok(true) => {}
                        Ok(false) => jump!(at),
                        Err(error) => raise!(error),
                    }
                }

                // Elements and fields are read and written so often that the common cases are done here. What these do not cover,
                // errors included, is done by the instructions' general form.
                Opcode::Index => index!(at),
                Opcode::Field => match operate::part(read!(at.b()), at.number_c()) {
                    Some(part) => assign!(at.a(), part.clone()),
                    None => general!(op, at),
                },
                Opcode::PartGet => match operate::nested(read!(at.b()), read!(at.c()), at.x()) {
                    Some(part) => assign!(at.a(), part.clone()),
                    None => general!(op, at),
                },
                Opcode::PartSet => part_set!(operate::own_nested, at),
                Opcode::PartGetBoth => {
                    part_get!(at);
                }
                Opcode::PartSetBoth => part_set!(operate::own_nested_both, at),
                Opcode::SetField => {
                    if at.c() == at.a() {
                        general!(op, at)
                    } else {
                        // SAFETY: see the module's text; record and value are two different slots.
                        let (record, value) = unsafe { (&mut *register!(at.a()), &mut *register!(at.c())) };
                        match operate::own_part(record, at.number_b()) {
                            Some(part) => *part = value.take(),
                            None => general!(op, at),
                        }
                    }
                }
                Opcode::SetIndex => set_index!(op, at),
                Opcode::Push => push!(op, at),

                Opcode::MakeStruct => {
                    // SAFETY: verify has checked that the type is a struct and that the window with its fields lies in the frame.
                    let made = unsafe { operate::make_struct(register!(at.a()).wrapping_add(1), at.bc(), program) };
                    assign!(at.a(), made);
                    if heap::over_limit() {
                        stop!(Stop::Flow(Flow::Continue));
                    }
                }
                Opcode::MakeEnum => {
                    // SAFETY: verify has checked that the type is an enum and that the window with the payload lies in the frame.
                    let made = unsafe { operate::make_enum(register!(at.a()).wrapping_add(1), at, program) };
                    assign!(at.a(), made);
                    if heap::over_limit() {
                        stop!(Stop::Flow(Flow::Continue));
                    }
                }
                Opcode::Variant => {
                    let number = read!(at.b()).variant_number();
                    assign_scalar!(at.a(), Value::int(number));
                }
                Opcode::Eq if read!(at.b()).tag() == Tag::Int && read!(at.c()).tag() == Tag::Int => {
                    assign_scalar!(at.a(), Value::bool(int!(at.b()) == int!(at.c())));
                }
                Opcode::IsType => match is_type::at_a_glance(read!(at.b()), TypeId(at.number_c().into()), program.module()) {
                    Some(answer) => assign_scalar!(at.a(), Value::bool(answer)),
                    None => simple!(op, at),
                },
                Opcode::Narrow => match is_type::at_a_glance(read!(at.b()), TypeId(at.number_c().into()), program.module()) {
                    Some(true) => assign!(at.a(), read!(at.b()).clone()),
                    _ => simple!(op, at),
                },
                Opcode::Eq
                | Opcode::Contains
                | Opcode::Concat
                | Opcode::Append
                | Opcode::ToText
                | Opcode::Format
                | Opcode::Slice => general!(op, at),
                Opcode::Lt
                | Opcode::Le
                | Opcode::JoinText
                | Opcode::MakeArray
                | Opcode::MakeMap
                | Opcode::MakeTuple
                | Opcode::MakeRange
                | Opcode::MakeClosure
                | Opcode::Len
                | Opcode::MakeError
                | Opcode::ErrorIs
                | Opcode::ErrorPayload
                | Opcode::ErrorAttach => simple!(op, at),
                Opcode::PathGet | Opcode::PathSet | Opcode::PathTake | Opcode::PathPush => {
                    // SAFETY: verify has checked the path's registers, and that the place's root is none of them.
                    if let Err(error) = unsafe { place::execute(op, at, base, program) } {
                        raise!(error);
                    }
                    if heap::over_limit() {
                        stop!(Stop::Flow(Flow::Continue));
                    }
                }

                Opcode::Call => call!(at),
                Opcode::CallClosure => {
                    if left == 0 {
                        // SAFETY: back to this very instruction.
                        ip = unsafe { ip.sub(1) };
                        stop!(Stop::Preempt);
                    }
                    left -= 1;
                    let window = register!(at.a());
                    let room = self.stack.end() as usize - window as usize;
                    let closure = read!(at.b());
                    // Below the window nothing that happens here touches the closure.
                    let fits = at.b() < at.a() && self.depth < self.depth_max;
                    match operate::callable_in(program, closure, at.number_c().into(), room).filter(|_| fits) {
                        Some((number, target, captures)) => {
                            // SAFETY: the stack has room for the target's registers, which hold the arguments already and take the
                            // captures after them; all slots hold values, and none of them is the closure's.
                            unsafe {
                                let mut place = window.add(1 + at.number_c() as usize);
                                for capture in captures {
                                    *place = capture.clone();
                                    place = place.add(1);
                                }
                                *window = header(number, ip);
                                base = window.add(1);
                            }
                            ip = target.code();
                            self.depth += 1;
                        }
                        None => {
                            write_back!();
                            if let Err(error) = self.call_closure(program, at) {
                                return Stop::Raise(error);
                            }
                            take_back!();
                        }
                    }
                }
                Opcode::CallNative => {
                    left = left.saturating_sub(1);
                    write_back!();
                    go_on!(self.call_native(program, host, at));
                }
                Opcode::Return => {
                    // SAFETY: see the module's text.
                    returns!(at, unsafe { (*register!(at.a())).take() })
                }
                // A heap value cannot be returned as bits: where a hostile program asks for it, it is counted.
                Opcode::ReturnScalar => returns!(at, read!(at.a()).clone()),
                Opcode::ReturnNull => returns!(at, Value::NULL),
                Opcode::Throw => {
                    // SAFETY: see the module's text.
                    let thrown = unsafe { (*register!(at.a())).take() };
                    match thrown.as_error() {
                        Some(error) => raise!(error.clone()),
                        // What a cleanup catches of an exit is null; throwing it on goes on with the exit.
                        None if thrown.is_null() && self.is_exiting() => stop!(Stop::Flow(Flow::Leave)),
                        None => raise!(operate::mismatch("an error", &thrown, program)),
                    }
                }

                Opcode::SpawnSupervised | Opcode::Spawn => {
                    left = left.saturating_sub(operate::SPAWN_REDUCTIONS);
                    write_back!();
                    let count = program.module().spawns[at.number_b() as usize].window_values();
                    let answer =
                        self.with_window(at.a(), count, |machine, values| host.spawn(machine, at.number_b().into(), values));
                    match answer {
                        Ok(Outcome::Value(value)) if !value.is_heap() => {
                            self.base = ASTRAY;
                            assign_scalar!(at.a(), value);
                        }
                        answer => go_on!(self.answered(answer, self.base + at.a().number())),
                    }
                }
                Opcode::Ask | Opcode::SendStream => {
                    write_back!();
                    let count = program.module().asks[at.number_b() as usize].window_values();
                    let streaming = op == Opcode::SendStream;
                    let ask = u32::from(at.number_b());
                    go_on!(self.ask_host(at.a(), count, |machine, values| host.ask(machine, ask, values, streaming)));
                }
                Opcode::StreamNext => {
                    write_back!();
                    let stream = read!(at.b()).clone();
                    let answer = host.stream_next(self, &stream);
                    let result = self.base + at.a().number();
                    go_on!(self.answered(answer, result));
                }
                Opcode::StreamDone => match host.stream_done(read!(at.b())) {
                    Ok(done) => assign_scalar!(at.a(), Value::bool(done)),
                    Err(error) => raise!(error),
                },
                Opcode::StreamClose => {
                    if let Err(error) = host.stream_close(read!(at.a())) {
                        raise!(error);
                    }
                }
                Opcode::Await => {
                    write_back!();
                    let value = read!(at.b()).clone();
                    let answer = host.await_value(self, &value, at.number_c() == 1);
                    let result = self.base + at.a().number();
                    go_on!(self.answered(answer, result));
                }
                Opcode::JoinRound => {
                    write_back!();
                    if let Err(error) = host.join_round(self, at.bc()) {
                        return Stop::Raise(error);
                    }
                    take_back!();
                }
                Opcode::Send => {
                    let wait = (at.x() != 0).then(|| int!(at.c()));
                    // The host has no way to the registers, so they stay as they are while it reads them.
                    match host.send(read!(at.a()), read!(at.b()), wait) {
                        Ok(Sent::Done) => {}
                        Ok(Sent::Crowded) => stop!(Stop::Preempt),
                        Ok(Sent::Later(state)) => {
                            write_back!();
                            self.push_native(NO_RESULT, state);
                            return Stop::Flow(Flow::Step(Input::Start));
                        }
                        Err(error) => raise!(error),
                    }
                }
                Opcode::Link => {
                    let target = read!(at.a()).clone();
                    if let Err(error) = host.link(&target) {
                        raise!(error);
                    }
                }
                Opcode::Monitor => {
                    let target = read!(at.b()).clone();
                    match host.monitor(&target) {
                        Ok(monitor) => assign!(at.a(), monitor),
                        Err(error) => raise!(error),
                    }
                }
                Opcode::Exit => {
                    let reason = read!(at.a()).clone();
                    self.begin_exit(reason);
                    stop!(Stop::Flow(Flow::Leave));
                }
                Opcode::SelfProcess => assign!(at.a(), host.self_process()),
                Opcode::ReceivePeek => match host.receive_peek() {
                    Some(message) => {
                        assign!(at.jump_a(), message);
                        if heap::over_limit() {
                            stop!(Stop::Flow(Flow::Continue));
                        }
                    }
                    None => jump!(at),
                },
                Opcode::ReceiveAccept => host.receive_accept(),
                Opcode::ReceiveSkip => {
                    host.receive_skip();
                    jump!(at);
                }
                Opcode::ReceiveWait => {
                    let timeout = (at.jump_number() != 0).then(|| int!(at.jump_a()));
                    match host.receive_wait(timeout) {
                        Wake::Mail => jump!(at),
                        Wake::TimedOut => {}
                        Wake::Wait => {
                            // Asks again when there is mail, or the time is over.
                            // SAFETY: back to this very instruction.
                            ip = unsafe { ip.sub(1) };
                            stop!(Stop::Wait);
                        }
                    }
                }

                Opcode::BudgetEnter => {
                    let limit = read!(at.a());
                    let Some(limit) = limit.as_money() else { raise!(operate::mismatch("money", limit, program)) };
                    if let Err(error) = host.budget_enter(self.depth, limit) {
                        raise!(error);
                    }
                }
                Opcode::BudgetExit => host.budget_exit(self.depth),
                Opcode::BudgetCheck => {
                    const PICO: f64 = 1e12;
                    let left = host.budget_remaining().map_or(f64::INFINITY, |pico| pico as f64 / PICO);
                    assign!(at.a(), Value::float(left));
                }
                Opcode::BudgetReserve => {
                    let amount = read!(at.a());
                    let Some(amount) = amount.as_money() else { raise!(operate::mismatch("money", amount, program)) };
                    if let Err(error) = host.budget_check(amount) {
                        raise!(error);
                    }
                }

                // Two instructions in one.
                Opcode::PartGetSubFloat => {
                    part_get!(at);
                    let at = second!();
                    assign_float!(at.a(), float!(at.b()) - float!(at.c()));
                }
                Opcode::PartGetMulFloat => {
                    part_get!(at);
                    let at = second!();
                    assign_float!(at.a(), float!(at.b()) * float!(at.c()));
                }
                Opcode::MulAddFloat => {
                    let product = product!(at);
                    let at = second!();
                    assign_float!(at.a(), float!(at.b()) + product);
                }
                Opcode::MulSubFloat => {
                    let product = product!(at);
                    let at = second!();
                    assign_float!(at.a(), float!(at.b()) - product);
                }
                Opcode::AddFloatPartSet => {
                    assign_float!(at.a(), float!(at.b()) + float!(at.c()));
                    let at = second!();
                    part_set!(operate::own_nested_both, at);
                }
                Opcode::AddIntFor => {
                    checked!(at, overflowing_add, "addition");
                    let at = second!();
                    for_int!(at);
                }
                Opcode::AddIntJumpIfLe => {
                    checked!(at, overflowing_add, "addition");
                    let at = second!();
                    jump_if!(at, int!(at.jump_a()) <= int!(at.jump_b()));
                }
                Opcode::AddImmediateJumpIfLt => {
                    add_immediate!(at);
                    let at = second!();
                    jump_if!(at, int!(at.jump_a()) < int!(at.jump_b()));
                }
                Opcode::AddImmediateCall => {
                    add_immediate!(at);
                    let at = second!();
                    call!(at);
                }
                Opcode::LoadBoolSetIndex => {
                    assign_scalar!(at.a(), Value::bool(at.number_b() != 0));
                    let at = second!();
                    set_index!(Opcode::SetIndex, at);
                }
                Opcode::IndexJumpIf => {
                    index!(at);
                    let at = second!();
                    jump_if!(at, read!(at.jump_a()).bool_bits());
                }
                Opcode::IndexJumpIfNot => {
                    index!(at);
                    let at = second!();
                    jump_if!(at, !read!(at.jump_a()).bool_bits());
                }
                Opcode::PushFor => {
                    push!(Opcode::Push, at);
                    let at = second!();
                    for_int!(at);
                }

                Opcode::ParBegin | Opcode::ParSpawn | Opcode::ParJoin => unreachable!("verify refuses `{}`", op.mnemonic()),
            }
        }
    }

    /// Begins the frame of a closure whose window is at `a`, with `c` arguments.
    fn call_closure(&mut self, program: &LoadedProgram, at: &Loaded) -> Result<(), Error> {
        // A copy, since making room may move the register that holds it; it is counted, not copied.
        // SAFETY: verify has checked the register.
        let closure = unsafe { (*self.slot(self.base + at.b().number())).clone() };
        let arguments = u32::from(at.number_c());
        let (function, captures) = callable(program, &closure, arguments as usize)?;
        let target = program.function(function);
        let first = self.base + at.a().number() + 1;
        self.make_room(program, first, target.registers)?;
        // SAFETY: the window lies in the frame, and the stack has room for the target's registers, which hold the arguments already
        // and take the captures after them.
        unsafe {
            *self.slot(first - 1) = header(function, self.ip);
            for (index, capture) in captures.iter().enumerate() {
                *self.slot(first + arguments + index as u32) = capture.clone();
            }
        }
        self.base = first;
        self.ip = target.code();
        self.depth += 1;
        Ok(())
    }

    /// Calls a native with the window at `a` and `c` arguments.
    fn call_native<H: Host>(&mut self, program: &LoadedProgram, host: &mut H, at: &Loaded) -> Flow {
        let changes_self = program.module().natives[at.number_b() as usize].changes_self;
        let window = self.base + at.a().number();
        let mut changed = Value::NULL;
        let answer = self.with_window(at.a(), at.number_c().into(), |machine, arguments| {
            let answer = host.native(machine, at.number_b().into(), arguments);
            if changes_self {
                changed = arguments[0].take();
            }
            answer
        });
        if changes_self {
            // SAFETY: verify has checked that the native takes an argument and that the window lies in the frame.
            unsafe { *self.slot(window + 1) = changed };
        }
        match self.account(host) {
            Some(exit) => Flow::Stop(exit),
            None => self.answered(answer, window),
        }
    }

    /// Asks the host something with the values of the window at `a`, and puts the answer there.
    fn ask_host(&mut self, a: Register, count: usize, ask: impl FnOnce(&Machine, &mut [Value]) -> NativeResult) -> Flow {
        let answer = self.with_window(a, count, ask);
        self.answered(answer, self.base + a.number())
    }

    /// Moves the values of a window out to the native stack, where they stay while the host works.
    fn with_window(&self, a: Register, count: usize, work: impl FnOnce(&Machine, &mut [Value]) -> NativeResult) -> NativeResult {
        let first = self.slot(self.base + a.number() + 1);
        // SAFETY: verify has checked that the window lies in the frame.
        let take = |index: usize| unsafe { (*first.add(index)).take() };
        if count <= ARGUMENTS_INLINE {
            let mut values = Moved { values: [const { MaybeUninit::uninit() }; ARGUMENTS_INLINE], count };
            for (index, value) in values.values[..count].iter_mut().enumerate() {
                value.write(take(index));
            }
            work(self, values.as_mut_slice())
        } else {
            let mut values: Vec<Value> = (0..count).map(take).collect();
            work(self, &mut values)
        }
    }
}

/// A few values on the native stack. Invariant: the first `count` of them are initialised.
struct Moved {
    values: [MaybeUninit<Value>; ARGUMENTS_INLINE],
    count: usize,
}

impl Moved {
    #[inline]
    fn as_mut_slice(&mut self) -> &mut [Value] {
        // SAFETY: the first `count` values are initialised.
        unsafe { std::slice::from_raw_parts_mut(self.values.as_mut_ptr().cast(), self.count) }
    }
}

impl Drop for Moved {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: the first `count` values are initialised, and are dropped once.
        unsafe { std::ptr::drop_in_place(self.as_mut_slice()) }
    }
}

/// Releases the value registers of a frame.
///
/// # Safety
/// `base` is the first register of a frame of the function.
#[inline(never)]
unsafe fn release_values(program: &LoadedProgram, function: u32, base: *mut Value) {
    for &register in &program.function(function).value_registers {
        // SAFETY: verify has checked that the register lies in the frame; every slot holds a value.
        unsafe { *base.add(register as usize) = Value::NULL };
    }
}
