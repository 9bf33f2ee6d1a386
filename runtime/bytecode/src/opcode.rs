//! The one table of instructions: numbers, names, operands. Enum, verifier, disassembler and documentation follow from it.
//!
//! # Registers and windows
//!
//! A function has `registers` slots, `r0…`; parameters come first, then captures, then locals and temporaries. A slot always holds
//! one valid value: a scalar, or a heap value that the slot owns. Registers are used like a stack: those above the ones in use, and
//! slots above the running frame, hold no heap value. The registers that are ever a variable that may own storage are listed in
//! [`crate::module::Function::value_registers`] and released when the function returns; an error releases all registers of a frame.
//! Where the result of an instruction is also an operand, it is computed first, then the old content is released.
//!
//! Operands in the table say what an instruction does to a slot:
//! `ScalarOut` writes a scalar, `ValueOut` any value, and both release the old content; `In` reads and leaves (copying a heap value
//! counts it); `Take` moves out and leaves null; `Change` works on the slot's value in place, copying shared storage first.
//!
//! A call's **window** starts at register `a` and lies above all live registers: `a` itself is for the frame header and receives
//! the result, `a+1…` are the arguments, which the callee owns. `a+1` is the callee's `r0`. A callee with
//! [`crate::module::Function::returns_self`] leaves its `r0` (the changed `self`) in `a+1`, after an error too.

/// What one operand field means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Operand {
    /// Register that receives a scalar; old content is released.
    ScalarOut,
    /// Register that receives any value; old content is released.
    ValueOut,
    /// Register that is read.
    In,
    /// Register whose value is moved out, leaving null.
    Take,
    /// Register whose value is changed in place.
    Change,
    /// First register of a call window (see the module's text).
    Window,
    /// First of the consecutive registers that are moved out; their number is the operand `Count`.
    TakeRun,
    /// How many registers the run has.
    Count,
    /// Unsigned immediate; the instruction's text says of what.
    Immediate,
    /// Signed immediate.
    Signed,
    /// Index into the constants.
    Constant,
    /// Index into the functions.
    Function,
    /// Index into the imported natives.
    Native,
    /// Index into the types.
    Type,
    /// Index into the error kinds.
    Kind,
    /// Index into the spawn descriptions.
    Spawn,
    /// Index into the ask descriptions.
    Ask,
    /// Index into the place paths.
    Path,
    /// Jump target, relative, in `x:c`.
    Jump,
}

/// Which fields hold which operands. An empty slice means that the field must be zero.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    /// Meaning of `x`.
    pub x: Option<Operand>,
    /// Meaning of `a`.
    pub a: Option<Operand>,
    /// Meaning of `b`, or of `b:c` together where `wide`.
    pub b: Option<Operand>,
    /// Meaning of `c`.
    pub c: Option<Operand>,
    /// Whether `b:c` is one 32-bit operand, described by `b`.
    pub wide: bool,
}

macro_rules! layout {
    (@o _) => { None };
    (@o $o:ident) => { Some(Operand::$o) };
    ($x:tt $a:tt wide $b:tt) => { Layout { x: layout!(@o $x), a: layout!(@o $a), b: layout!(@o $b), c: None, wide: true } };
    ($x:tt $a:tt $b:tt $c:tt) => { Layout { x: layout!(@o $x), a: layout!(@o $a), b: layout!(@o $b), c: layout!(@o $c), wide: false } };
}

macro_rules! opcodes {
    (
        $($(#[doc = $doc:literal])+ $name:ident = $number:literal, $mnemonic:literal, [$($layout:tt)+];)+
        loaded { $($(#[doc = $loaded_doc:literal])+ $loaded:ident = $loaded_number:literal, $first:ident;)+ }
    ) => {
        /// An instruction's operation. The numbers are part of the file format, except those of operations that only loaded code has.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        #[repr(u8)]
        pub enum Opcode {
            $($(#[doc = $doc])+ $name = $number,)+
            $($(#[doc = $loaded_doc])+ $loaded = $loaded_number,)+
        }

        impl Opcode {
            /// Every opcode of the file format, in the order of the table.
            pub const ALL: &[Opcode] = &[$(Opcode::$name,)+];

            /// Every operation that only loaded code has.
            pub const LOADED: &[Opcode] = &[$(Opcode::$loaded,)+];

            /// The opcode of a byte in the file format, or `None` where the byte names none.
            pub fn from_byte(byte: u8) -> Option<Opcode> {
                match byte { $($number => Some(Opcode::$name),)+ _ => None }
            }

            /// The name that the disassembler prints.
            pub fn mnemonic(self) -> &'static str {
                match self { $(Opcode::$name => $mnemonic,)+ $(Opcode::$loaded => Opcode::$first.mnemonic(),)+ }
            }

            /// What the operand fields mean.
            pub fn layout(self) -> Layout {
                match self { $(Opcode::$name => layout!($($layout)+),)+ $(Opcode::$loaded => Opcode::$first.layout(),)+ }
            }

            /// One sentence on what it does.
            pub fn doc(self) -> &'static str {
                match self { $(Opcode::$name => concat!($($doc),+),)+ $(Opcode::$loaded => concat!($($loaded_doc),+),)+ }
            }
        }
    };
}

/// Half of the operand `x` of [`Opcode::PartGet`] and [`Opcode::PartSet`] that stands for no step.
pub const NO_FIELD: u8 = 15;

impl Opcode {
    /// Whether `x:c` is a jump.
    pub fn has_jump(self) -> bool {
        self.layout().c == Some(Operand::Jump)
    }
}

opcodes! {
    // Moves and constants: 0x01–0x0F. Columns: x, a, b, c.
    /// `a = null`.
    LoadNull = 0x01, "null", [_ ValueOut _ _];
    /// `a = b != 0` as a bool.
    LoadBool = 0x02, "bool", [_ ScalarOut Immediate _];
    /// `a = b:c` as an int, sign-extended.
    LoadInt = 0x03, "int", [_ ScalarOut wide Signed];
    /// `a = constant`, for a constant that is a scalar.
    LoadScalar = 0x04, "const.s", [_ ScalarOut wide Constant];
    /// `a = constant`.
    LoadConstant = 0x05, "const", [_ ValueOut wide Constant];
    /// `a = b`, both scalar.
    MoveScalar = 0x06, "mov.s", [_ ScalarOut In _];
    /// `a = b`; a heap value is now shared.
    Copy = 0x07, "copy", [_ ValueOut In _];
    /// `a = b`, and `b` becomes null.
    Move = 0x08, "move", [_ ValueOut Take _];
    /// Releases `a`, which becomes null.
    Drop = 0x09, "drop", [_ Take _ _];

    // Integers: 0x10–0x1F. Overflow raises `Overflow`, division by zero `DivideByZero`.
    /// `a = b + c`.
    AddInt = 0x10, "add.i", [_ ScalarOut In In];
    /// `a = b - c`.
    SubInt = 0x11, "sub.i", [_ ScalarOut In In];
    /// `a = b * c`.
    MulInt = 0x12, "mul.i", [_ ScalarOut In In];
    /// `a = b / c`, truncated toward zero.
    DivInt = 0x13, "div.i", [_ ScalarOut In In];
    /// `a = b % c`, with the sign of `b`.
    RemInt = 0x14, "rem.i", [_ ScalarOut In In];
    /// `a = b + c`, with `c` a signed immediate.
    AddIntImmediate = 0x15, "addi.i", [_ ScalarOut In Signed];
    /// `a = -b`.
    NegInt = 0x16, "neg.i", [_ ScalarOut In _];
    /// `a = b & c`.
    AndInt = 0x17, "and.i", [_ ScalarOut In In];
    /// `a = b | c`.
    OrInt = 0x18, "or.i", [_ ScalarOut In In];
    /// `a = b ^ c`.
    XorInt = 0x19, "xor.i", [_ ScalarOut In In];
    /// `a = b << c`; a shift below 0 or above 63 raises `Overflow`.
    ShlInt = 0x1A, "shl.i", [_ ScalarOut In In];
    /// `a = b >> c`, keeping the sign.
    ShrInt = 0x1B, "shr.i", [_ ScalarOut In In];

    // Floats and other scalars: 0x20–0x2F.
    /// `a = b + c`.
    AddFloat = 0x20, "add.f", [_ ScalarOut In In];
    /// `a = b - c`.
    SubFloat = 0x21, "sub.f", [_ ScalarOut In In];
    /// `a = b * c`.
    MulFloat = 0x22, "mul.f", [_ ScalarOut In In];
    /// `a = b / c`.
    DivFloat = 0x23, "div.f", [_ ScalarOut In In];
    /// `a = b % c`, with the sign of `b`.
    RemFloat = 0x24, "rem.f", [_ ScalarOut In In];
    /// `a = -b`.
    NegFloat = 0x25, "neg.f", [_ ScalarOut In _];
    /// `a = b` as a float.
    IntToFloat = 0x26, "i2f", [_ ScalarOut In _];
    /// `a = b` truncated to an int; NaN and out of range raise `Overflow`.
    FloatToInt = 0x27, "f2i", [_ ScalarOut In _];
    /// `a = !b`.
    Not = 0x28, "not", [_ ScalarOut In _];
    /// `a` = square root of `b`, NaN for a negative one.
    SqrtFloat = 0x2A, "sqrt.f", [_ ScalarOut In _];
    /// Arithmetic on durations and money: operation `x` (see [`Arith`]) on `b` and `c`.
    Arith = 0x29, "arith", [Immediate ScalarOut In In];

    // Comparison: 0x30–0x3F.
    /// `a = b == c`, ints.
    EqInt = 0x30, "eq.i", [_ ScalarOut In In];
    /// `a = b < c`, ints, durations or money.
    LtInt = 0x31, "lt.i", [_ ScalarOut In In];
    /// `a = b <= c`, ints, durations or money.
    LeInt = 0x32, "le.i", [_ ScalarOut In In];
    /// `a = b == c`, floats.
    EqFloat = 0x33, "eq.f", [_ ScalarOut In In];
    /// `a = b < c`, floats.
    LtFloat = 0x34, "lt.f", [_ ScalarOut In In];
    /// `a = b <= c`, floats.
    LeFloat = 0x35, "le.f", [_ ScalarOut In In];
    /// `a = b == c`, any two values, structural; an int and a float compare by number.
    Eq = 0x36, "eq", [_ ScalarOut In In];
    /// `a = b < c`, for any ordered type (`str` by code point, ints, floats, durations, money).
    Lt = 0x37, "lt", [_ ScalarOut In In];
    /// `a = b <= c`, for any ordered type.
    Le = 0x38, "le", [_ ScalarOut In In];
    /// `a = b in c`: element of an array, key of a map, part of a `str`.
    Contains = 0x39, "in", [_ ScalarOut In In];

    // Jumps: 0x40–0x4F. A backward jump costs one reduction and is a safe point.
    /// Jumps.
    Jump = 0x40, "jmp", [Jump _ _ Jump];
    /// Jumps if `a` is true.
    JumpIf = 0x41, "jt", [Jump In _ Jump];
    /// Jumps if `a` is false.
    JumpIfNot = 0x42, "jf", [Jump In _ Jump];
    /// Jumps if `a` is null.
    JumpIfNull = 0x43, "jnull", [Jump In _ Jump];
    /// Jumps if `a` is not null.
    JumpIfNotNull = 0x44, "jval", [Jump In _ Jump];
    /// Jumps if `a < b`, ints.
    JumpIfLtInt = 0x45, "jlt.i", [Jump In In Jump];
    /// Jumps if `a <= b`, ints.
    JumpIfLeInt = 0x46, "jle.i", [Jump In In Jump];
    /// Jumps if `a == b`, ints.
    JumpIfEqInt = 0x47, "jeq.i", [Jump In In Jump];
    /// Jumps if `a != b`, ints.
    JumpIfNeInt = 0x48, "jne.i", [Jump In In Jump];
    /// `a += 1`, then jumps if `a < b`: the end of a counting loop. `a` stays below `b`, so it cannot overflow.
    ForInt = 0x49, "for.i", [Jump Change In Jump];
    /// Next element of an iteration. `b` is the container (array, map, `str`, range, stream), `b+1` the position (an int, first 0),
    /// `a` receives the element; jumps when there is none. Map entries arrive as a tuple.
    IterNext = 0x4A, "iter", [Jump ValueOut In Jump];

    /// Jumps if `a < b`, ints, with `b` a signed immediate.
    JumpIfLtImmediate = 0x4B, "jlti.i", [Jump In Signed Jump];
    /// Jumps if `a >= b`, ints, with `b` a signed immediate.
    JumpIfGeImmediate = 0x4C, "jgei.i", [Jump In Signed Jump];
    /// Jumps if `a == b`, ints, with `b` a signed immediate.
    JumpIfEqImmediate = 0x4D, "jeqi.i", [Jump In Signed Jump];
    /// Jumps if `a != b`, ints, with `b` a signed immediate.
    JumpIfNeImmediate = 0x4E, "jnei.i", [Jump In Signed Jump];

    // Strings: 0x50–0x57.
    /// `a = b + c` as text: at least one is a `str`, the other any printable value; or two arrays, or two bytes.
    Concat = 0x50, "concat", [_ ValueOut In In];
    /// `a = a + b` for a `str`, array or bytes in `a`, in place where its storage is not shared.
    Append = 0x51, "append", [_ Change In _];
    /// `a` = the text of `b`, as `print` shows it.
    ToText = 0x52, "text", [_ ValueOut In _];
    /// `a` = the text of `b` in the format of constant `c`.
    Format = 0x53, "format", [_ ValueOut In Constant];
    /// `a` = the texts of the `c` registers from `b` on, joined.
    JoinText = 0x54, "join", [_ ValueOut TakeRun Count];

    // Containers: 0x58–0x7F.
    /// `a` = array of the `c` values from `b` on.
    MakeArray = 0x58, "array", [_ ValueOut TakeRun Count];
    /// `a` = map of the `c` registers from `b` on: key, value, key, value …
    MakeMap = 0x59, "map", [_ ValueOut TakeRun Count];
    /// `a` = tuple of the `c` values from `b` on.
    MakeTuple = 0x5A, "tuple", [_ ValueOut TakeRun Count];
    /// `a` = the struct whose fields, all of them in declared order, are the registers from `a+1` on; `b:c` is its type.
    MakeStruct = 0x5B, "struct", [_ Window wide Type];
    /// `a` = enum variant number `x` with `c` payload values from `a+1` on; `b` is an index into the types.
    MakeEnum = 0x5C, "enum", [Immediate Window Type Count];
    /// `a = b..c` (half open), or `b..=c` where `x` is 1.
    MakeRange = 0x5D, "range", [Immediate ValueOut In In];
    /// `a` = closure of function `b` over the `c` captured registers from `a+1` on.
    MakeClosure = 0x5E, "closure", [_ Window Function Count];
    /// Appends the value of `b` to the array in `a`.
    Push = 0x5F, "push", [_ Change Take _];
    /// `a = b[c]`: array, `str`, bytes, map or JSON.
    Index = 0x60, "index", [_ ValueOut In In];
    /// `a[b] = c` for array, bytes or map; `c` is moved in.
    SetIndex = 0x61, "setindex", [_ Change In Take];
    /// `a = b.c`: field number `c` of a struct or tuple, or payload `c` of an enum variant.
    Field = 0x62, "field", [_ ValueOut In Immediate];
    /// `a.b = c`: field number `b`; `c` is moved in.
    SetField = 0x63, "setfield", [_ Change Immediate Take];
    /// `a = b[c.0..c.1]`, `c` a range, on array, `str` or bytes.
    Slice = 0x64, "slice", [_ ValueOut In In];
    /// `a` = number of elements, characters or entries of `b`.
    Len = 0x65, "len", [_ ScalarOut In _];
    /// `a` = variant number of the enum, `Result` or optional in `b` (`Ok` 0, `Err` 1).
    Variant = 0x66, "variant", [_ ScalarOut In _];
    /// Copies the place at path `b:c` of `a` into the register after the path's own registers (see [`crate::module::Path`]).
    PathGet = 0x67, "path.get", [_ In wide Path];
    /// Moves the register after the path's registers into the place at path `b:c` of `a`, in place.
    PathSet = 0x68, "path.set", [_ Change wide Path];
    /// Moves the value of the place at path `b:c` of `a` out into the register after the path's registers; the place holds null until `PathSet`.
    PathTake = 0x69, "path.take", [_ Change wide Path];
    /// Appends the register after the path's registers to the array (or text) in the place at path `b:c` of `a`.
    PathPush = 0x6A, "path.push", [_ Change wide Path];
    /// `a` = whether the value in `b` has exactly the type `c`.
    IsType = 0x6B, "is", [_ ScalarOut In Type];
    /// `a = b`, checked to be of type `c`; else raises an error that names both types.
    Narrow = 0x6C, "narrow", [_ ValueOut In Type];
    /// `a = b.p[c].q`, where the high half of `x` is field `p` and the low half field `q`; 15 stands for no such step.
    PartGet = 0x6D, "part.get", [Immediate ValueOut In In];
    /// `a.p[b].q = c`, in place, with `p` and `q` in `x` as for `PartGet`; `c` is moved in.
    PartSet = 0x6E, "part.set", [Immediate Change In Take];

    // Calls and errors: 0x80–0x8F. A call costs one reduction and is a safe point.
    /// Calls a function with the window at `a`.
    Call = 0x80, "call", [_ Window wide Function];
    /// Calls the closure in `b` with the window at `a` and `c` arguments.
    CallClosure = 0x81, "call.c", [_ Window In Count];
    /// Calls a native with the window at `a`, `c` arguments.
    CallNative = 0x82, "call.n", [_ Window Native Count];
    /// Returns the value of `a`, moved out.
    Return = 0x83, "ret", [_ Take _ _];
    /// Returns the scalar in `a`.
    ReturnScalar = 0x84, "ret.s", [_ In _ _];
    /// Returns nothing.
    ReturnNull = 0x85, "ret.0", [_ _ _ _];
    /// Raises the error in `a`.
    Throw = 0x86, "throw", [_ Take _ _];
    /// `a` = error of kind `b` with `c` payload values from `a+1` on.
    MakeError = 0x87, "error", [_ Window Kind Count];
    /// `a` = whether the error in `b` is of kind `c` or below it.
    ErrorIs = 0x88, "is.err", [_ ScalarOut In Kind];
    /// `a` = payload value number `x` of the error in `b` as a handler of kind `c` sees it, or null.
    ErrorPayload = 0x89, "payload", [Immediate ValueOut In Kind];
    /// Attaches the error in `b` to the error in `a` as what led to it; where `a` holds none, `b` is released.
    ErrorAttach = 0x8A, "attach", [_ Change Take _];

    // Supervision and processes: 0x90–0x9F.
    /// Spawns under supervision, as spawn description `b` says, with the window at `a`; `a` becomes the handle.
    SpawnSupervised = 0x90, "spawn.sup", [_ Window Spawn _];
    /// Links the running process with the one in `a`.
    Link = 0x91, "link", [_ In _ _];
    /// `a` = monitor of the process in `b`.
    Monitor = 0x92, "monitor", [_ ValueOut In _];
    /// Ends the running process with the reason (`str`) in `a`.
    Exit = 0x93, "exit", [_ In _ _];
    /// Spawns without supervision, as spawn description `b` says, with the window at `a`; `a` becomes the handle or future.
    Spawn = 0x94, "spawn", [_ Window Spawn _];
    /// Sends the value in `b` to the process in `a`; where `x` is 1, waits at most the duration in `c` for room.
    Send = 0x95, "send", [Immediate In In In];
    /// Looks at the next message not yet refused in this `receive` and copies it to `a`; jumps when there is none yet.
    ReceivePeek = 0x96, "recv.peek", [Jump ValueOut _ Jump];
    /// Removes the message last looked at; the next `receive` starts from the oldest again.
    ReceiveAccept = 0x97, "recv.take", [_ _ _ _];
    /// Refuses the message last looked at and goes on to the next (jumps, normally back to the peek).
    ReceiveSkip = 0x98, "recv.skip", [Jump _ _ Jump];
    /// Waits for a new message and jumps back to the peek. Where `b` is 1, `a` holds the duration to wait from the first time
    /// this was reached; when that is over, falls through.
    ReceiveWait = 0x99, "recv.wait", [Jump In Immediate Jump];
    /// `a` = handle of the running process.
    SelfProcess = 0x9A, "self", [_ ValueOut _ _];

    // Agents and streaming: 0xA0–0xAF.
    /// Sends a message to an agent and makes `a` the stream of its answer; window and description as for `Ask`.
    SendStream = 0xA0, "ask.stream", [_ Window Ask _];
    /// `a` = next chunk of the stream in `b`, or null at its end; waits.
    StreamNext = 0xA1, "stream.next", [_ ValueOut In _];
    /// `a` = whether the stream in `b` has ended.
    StreamDone = 0xA2, "stream.done", [_ ScalarOut In _];
    /// Asks an agent and waits: `a+1` the handle, `a+2` the message, then timeout and budget as description `b` says; `a` becomes the reply.
    Ask = 0xA3, "ask", [_ Window Ask _];
    /// Joins the rounds of the pending call of site `b:c`, if there is one, to its agent's history.
    JoinRound = 0xA4, "join.round", [_ _ wide Immediate];
    /// `a` = the value of the future in `b` (a stream: its reply, or where `c` is 1, the reply's text; another value: itself); waits.
    Await = 0xA5, "await", [_ ValueOut In Immediate];
    /// Leaves the loop over the stream in `a`: where it has not ended, its call is cancelled.
    StreamClose = 0xA6, "stream.close", [_ In _ _];

    // Budgets: 0xB0–0xBF.
    /// Enters a budget scope limited to the money in `a`.
    BudgetEnter = 0xB0, "budget.in", [_ In _ _];
    /// Leaves the innermost budget scope of this function.
    BudgetExit = 0xB1, "budget.out", [_ _ _ _];
    /// `a` = what remains in the innermost scope, as a float of dollars (infinity outside).
    BudgetCheck = 0xB2, "budget.left", [_ ScalarOut _ _];
    /// Raises `BudgetExceeded` unless the money in `a` fits every scope around.
    BudgetReserve = 0xB3, "budget.need", [_ In _ _];

    // Parallel blocks: 0xC0–0xCF.
    /// Begins a parallel block.
    ParBegin = 0xC0, "par.begin", [_ _ _ _];
    /// Starts a task of the block, as spawn description `b` says, with the window at `a`.
    ParSpawn = 0xC1, "par.spawn", [_ Window Spawn _];
    /// Waits for all tasks of the block.
    ParJoin = 0xC2, "par.join", [_ _ _ _];

    // Made by the interpreter when it loads verified code, where two instructions that often follow each other do: the first of them
    // then does the work of both. The second stays where it is, for jumps to it. No file may hold these.
    loaded {
        /// `PartGet` with both fields.
        PartGetBoth = 0x00, PartGet;
        /// `PartSet` with both fields.
        PartSetBoth = 0xD0, PartSet;
        /// `PartGetBoth` and `SubFloat`.
        PartGetSubFloat = 0xD1, PartGet;
        /// `PartGetBoth` and `MulFloat`.
        PartGetMulFloat = 0xD2, PartGet;
        /// `MulFloat` and `AddFloat` of the product to something else.
        MulAddFloat = 0xD3, MulFloat;
        /// `MulFloat` and `SubFloat` of the product from something else.
        MulSubFloat = 0xD4, MulFloat;
        /// `AddFloat` and `PartSetBoth`.
        AddFloatPartSet = 0xD5, AddFloat;
        /// `AddInt` and `ForInt`.
        AddIntFor = 0xD6, AddInt;
        /// `AddInt` and `JumpIfLeInt`.
        AddIntJumpIfLe = 0xD7, AddInt;
        /// `AddIntImmediate` and `JumpIfLtInt`.
        AddImmediateJumpIfLt = 0xD8, AddIntImmediate;
        /// `AddIntImmediate` and `Call`.
        AddImmediateCall = 0xD9, AddIntImmediate;
        /// `LoadBool` and `SetIndex` of that value.
        LoadBoolSetIndex = 0xDA, LoadBool;
        /// `Index` and `JumpIf`.
        IndexJumpIf = 0xDB, Index;
        /// `Index` and `JumpIfNot`.
        IndexJumpIfNot = 0xDC, Index;
        /// `Push` and `ForInt`.
        PushFor = 0xDD, Push;
    }
}

/// Operations of [`Opcode::Arith`], by number. Results that do not fit raise `Overflow`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Arith {
    /// duration + duration
    AddDuration = 0,
    /// duration - duration
    SubDuration = 1,
    /// duration * int
    MulDurationInt = 2,
    /// duration * float
    MulDurationFloat = 3,
    /// duration / int
    DivDurationInt = 4,
    /// duration / float
    DivDurationFloat = 5,
    /// duration / duration, a float
    DivDuration = 6,
    /// duration % duration
    RemDuration = 7,
    /// -duration; the second operand is ignored
    NegDuration = 8,
    /// money + money
    AddMoney = 9,
    /// money - money
    SubMoney = 10,
    /// money * int
    MulMoneyInt = 11,
    /// money * float, half to even
    MulMoneyFloat = 12,
    /// money / int, half to even
    DivMoneyInt = 13,
    /// money / float, half to even
    DivMoneyFloat = 14,
    /// money / money, a float
    DivMoney = 15,
    /// -money; the second operand is ignored
    NegMoney = 16,
    /// int as duration in milliseconds; the second operand is ignored
    IntToDuration = 17,
    /// int as money in dollars; the second operand is ignored
    IntToMoney = 18,
    /// money as float of dollars; the second operand is ignored
    MoneyToFloat = 19,
}

impl Arith {
    /// Every operation, by number.
    pub const ALL: [Arith; 20] = {
        use Arith::*;
        [
            AddDuration,
            SubDuration,
            MulDurationInt,
            MulDurationFloat,
            DivDurationInt,
            DivDurationFloat,
            DivDuration,
            RemDuration,
            NegDuration,
            AddMoney,
            SubMoney,
            MulMoneyInt,
            MulMoneyFloat,
            DivMoneyInt,
            DivMoneyFloat,
            DivMoney,
            NegMoney,
            IntToDuration,
            IntToMoney,
            MoneyToFloat,
        ]
    };

    /// The operation of a number, or `None`.
    pub fn from_byte(byte: u8) -> Option<Arith> {
        Self::ALL.get(byte as usize).copied()
    }
}
