//! Every bound of the runtime: its name, its default, and what happens at it.
//!
//! Invariant: nothing in the runtime grows with what a program does unless a number here bounds it.

/// Bytes of one text. Making a longer one raises `LimitReached("string")`. Arrays, maps and bytes have no length of their own that
/// bounds them: they count as memory of their process.
pub use crate::value::print::TEXT_BYTES_MAX as STRING_BYTES_MAX;

/// The bounds of one runtime. All have defaults; a builder may change any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Processes alive at once. A spawn beyond it raises `LimitReached("processes")`.
    pub processes: u32,
    /// Bytes of values that one process may hold. Beyond it the process ends with `LimitReached("heap")`.
    pub heap_bytes: usize,
    /// Vega calls under one another in one process. A call beyond it raises `LimitReached("call_depth")`.
    pub call_depth: u32,
    /// Messages waiting in one mailbox, or in a slot while nobody lives there. A send beyond it raises `MailboxFull`.
    pub mailbox_messages: u32,
    /// Bytes of messages waiting in one mailbox or slot. A send beyond it raises `MailboxFull`.
    pub mailbox_bytes: u64,
    /// Registers of all calls of one process together, sixteen bytes each. A call beyond it raises `LimitReached("registers")`.
    pub registers: u32,
    /// Stacks for natives that block at the same time. Further ones wait for a free stack.
    pub stacks: usize,
    /// Bytes of address space for one such stack; only what is touched costs memory.
    pub stack_bytes: usize,
    /// Reductions that a process runs before the next one of its worker has its turn.
    pub slice_reductions: u32,
    /// Reductions of a whole run, over all processes; none for no bound. Beyond it the run ends with `LimitReached("reductions")`.
    pub run_reductions: Option<u64>,
    /// Bytes that `file::read` reads at once. A larger file raises `LimitReached("file")`.
    pub file_bytes: u64,
    /// Bytes that a command may write to its output, and as many to its error output. Beyond it `exec` raises `LimitReached("exec")`.
    pub exec_bytes: usize,
    /// Time that a command may take, in milliseconds. Beyond it the command is killed and `exec` raises `Timeout`.
    pub exec_ms: u64,
    /// Bytes of a streamed answer that were read and wait for the process that reads the stream. At the bound its connection is not
    /// read until half of them are taken; the provider waits meanwhile.
    pub stream_bytes: usize,
    /// Time in which children may end by themselves before they are killed, in milliseconds.
    pub shutdown_ms: u64,
    /// Reductions that the `defer` and `finally` blocks of a process may spend in all once it is at its end, by an exit or by an error that
    /// nothing catches. They have `shutdown_ms` for it. Beyond either the process is killed.
    pub cleanup_reductions: u64,
    /// Lines of a stack trace that are printed; of longer ones the middle is left out.
    pub trace_lines: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            processes: 4_000_000,
            heap_bytes: 1 << 30,
            call_depth: 10_000,
            mailbox_messages: 100_000,
            mailbox_bytes: 64 << 20,
            registers: 1 << 20,
            stacks: 100_000,
            stack_bytes: 256 << 10,
            slice_reductions: 4_000,
            run_reductions: None,
            file_bytes: 256 << 20,
            exec_bytes: 4 << 20,
            exec_ms: 600_000,
            stream_bytes: 32 << 10,
            shutdown_ms: 5_000,
            cleanup_reductions: 10_000_000,
            trace_lines: 40,
        }
    }
}
