//! Turns a memory fault on a runner's stack into the end of that runner.
//!
//! The handler is installed once for the process and passes every other fault on to the handler that was there before. It is
//! the crate's only mutable static. It is a net for diagnosis: what the faulting frames owned is leaked, and a lock they held
//! stays locked.
//!
//! Invariant: between `watch` and the next `watch` on one thread, the watched coroutine is alive.

use std::cell::Cell;
use std::mem::MaybeUninit;
use std::sync::OnceLock;

use corosensei::trap::{CoroutineTrapHandler, TrapHandlerRegs};

use crate::os::memory::{GuardKind, Region, page_bytes};
use crate::runner::Exit;

/// Room for the handler, which runs apart from the stack that overflowed.
const ALTERNATE_STACK_BYTES: usize = 64 * 1024;

thread_local! {
    /// The coroutine that this thread is running, if any.
    static WATCHED: Cell<Option<CoroutineTrapHandler<Exit>>> = const { Cell::new(None) };
}

/// What handled the two signals before us.
static PREVIOUS: OnceLock<[Previous; 2]> = OnceLock::new();

struct Previous {
    signal: libc::c_int,
    action: libc::sigaction,
}

/// Says which coroutine this thread resumes next; `None` when it is back.
#[inline]
pub(crate) fn watch(coroutine: Option<CoroutineTrapHandler<Exit>>) {
    WATCHED.set(coroutine);
}

/// Installs the handler, the first time it is called in this process.
pub(crate) fn install() {
    PREVIOUS.get_or_init(|| [replace(libc::SIGSEGV), replace(libc::SIGBUS)]);
}

fn replace(signal: libc::c_int) -> Previous {
    let mut previous = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: both structures are valid for the call, all-zero bytes are a valid `sigaction`, and `handle` follows the form
    // that SA_SIGINFO asks for. The previous action is read only after the call has filled it.
    unsafe {
        let mut action: libc::sigaction = MaybeUninit::zeroed().assume_init();
        action.sa_sigaction = handle as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        libc::sigemptyset(&mut action.sa_mask);
        libc::sigaction(signal, &action, previous.as_mut_ptr());
        Previous { signal, action: previous.assume_init() }
    }
}

unsafe extern "C" fn handle(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: the system passes valid structures to a handler with SA_SIGINFO.
    let handled = unsafe { end_watched(&*info, &mut *context.cast()) };
    if !handled {
        // SAFETY: as above.
        unsafe { pass_on(signal, info, context) };
    }
}

/// Redirects the interrupted thread to the end of its coroutine if the fault is an overflow of that coroutine's stack.
unsafe fn end_watched(info: &libc::siginfo_t, context: &mut libc::ucontext_t) -> bool {
    let Some(coroutine) = WATCHED.get() else {
        return false;
    };
    // SAFETY: both signals carry a fault address.
    let address = unsafe { info.si_addr() } as usize;
    // An overflow faults within the coroutine's own range, of which only the guard can fault.
    if !coroutine.stack_ptr_in_bounds(registers::stack_pointer(context)) || !coroutine.stack_ptr_in_bounds(address) {
        return false;
    }
    WATCHED.set(None);
    // SAFETY: the stack pointer is within the coroutine, which is alive since it is being run, and the registers are written
    // to the interrupted context next.
    let values = unsafe { coroutine.setup_trap_handler(|| Exit::Overflowed) };
    registers::write(context, values);
    true
}

/// Does what would have been done without us.
unsafe fn pass_on(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    let previous = PREVIOUS.get().and_then(|all| all.iter().find(|previous| previous.signal == signal));
    let Some(previous) = previous else {
        return restore_default(signal);
    };
    match previous.action.sa_sigaction {
        libc::SIG_DFL | libc::SIG_IGN => restore_default(signal),
        handler if previous.action.sa_flags & libc::SA_SIGINFO != 0 => {
            // SAFETY: the flag says that the handler has this form.
            let handler: extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void) =
                unsafe { std::mem::transmute(handler) };
            handler(signal, info, context);
        }
        handler => {
            // SAFETY: without the flag a handler has this form.
            let handler: extern "C" fn(libc::c_int) = unsafe { std::mem::transmute(handler) };
            handler(signal);
        }
    }
}

/// The fault repeats as soon as the handler returns, and then ends the process as it would have without us.
fn restore_default(signal: libc::c_int) {
    // SAFETY: a zeroed action with the default disposition is valid.
    unsafe {
        let mut action: libc::sigaction = MaybeUninit::zeroed().assume_init();
        action.sa_sigaction = libc::SIG_DFL;
        libc::sigaction(signal, &action, std::ptr::null_mut());
    }
}

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod registers {
    use super::TrapHandlerRegs;

    pub(super) fn stack_pointer(context: &libc::ucontext_t) -> usize {
        context.uc_mcontext.gregs[libc::REG_RSP as usize] as usize
    }

    pub(super) fn write(context: &mut libc::ucontext_t, values: TrapHandlerRegs) {
        let TrapHandlerRegs { rip, rsp, rbp, rdi, rsi } = values;
        let registers = &mut context.uc_mcontext.gregs;
        registers[libc::REG_RIP as usize] = rip as i64;
        registers[libc::REG_RSP as usize] = rsp as i64;
        registers[libc::REG_RBP as usize] = rbp as i64;
        registers[libc::REG_RDI as usize] = rdi as i64;
        registers[libc::REG_RSI as usize] = rsi as i64;
    }
}

#[cfg(all(target_os = "linux", target_arch = "aarch64"))]
mod registers {
    use super::TrapHandlerRegs;

    pub(super) fn stack_pointer(context: &libc::ucontext_t) -> usize {
        context.uc_mcontext.sp as usize
    }

    pub(super) fn write(context: &mut libc::ucontext_t, values: TrapHandlerRegs) {
        let TrapHandlerRegs { pc, sp, x0, x1, x29, lr } = values;
        let registers = &mut context.uc_mcontext;
        registers.pc = pc;
        registers.sp = sp;
        registers.regs[0] = x0;
        registers.regs[1] = x1;
        registers.regs[29] = x29;
        registers.regs[30] = lr;
    }
}

#[cfg(all(target_os = "macos", target_arch = "aarch64"))]
mod registers {
    use super::TrapHandlerRegs;

    pub(super) fn stack_pointer(context: &libc::ucontext_t) -> usize {
        // SAFETY: the system passes a valid machine context.
        unsafe { (*context.uc_mcontext).__ss.__sp as usize }
    }

    pub(super) fn write(context: &mut libc::ucontext_t, values: TrapHandlerRegs) {
        let TrapHandlerRegs { pc, sp, x0, x1, x29, lr } = values;
        // SAFETY: as above.
        let registers = unsafe { &mut (*context.uc_mcontext).__ss };
        registers.__pc = pc;
        registers.__sp = sp;
        registers.__x[0] = x0;
        registers.__x[1] = x1;
        registers.__fp = x29;
        registers.__lr = lr;
    }
}

/// The calling thread's stack for signal handlers, until it is dropped on the same thread.
pub(crate) struct AlternateStack {
    previous: libc::stack_t,
    /// Unmapped after `drop` has put the previous stack back.
    _region: Region,
}

impl AlternateStack {
    pub(crate) fn install() -> std::io::Result<AlternateStack> {
        let guard_bytes = page_bytes();
        let region = Region::map(guard_bytes + ALTERNATE_STACK_BYTES)?;
        region.guard(0, guard_bytes, GuardKind::Advice)?;
        let mut previous = MaybeUninit::<libc::stack_t>::zeroed();
        // SAFETY: all-zero bytes are a valid `stack_t`; the new one names memory that lives until `drop` has replaced it.
        let previous = unsafe {
            let mut stack: libc::stack_t = MaybeUninit::zeroed().assume_init();
            stack.ss_sp = (region.start() + guard_bytes) as *mut libc::c_void;
            stack.ss_size = ALTERNATE_STACK_BYTES;
            if libc::sigaltstack(&stack, previous.as_mut_ptr()) != 0 {
                return Err(std::io::Error::last_os_error());
            }
            previous.assume_init()
        };
        Ok(AlternateStack { previous, _region: region })
    }
}

impl Drop for AlternateStack {
    fn drop(&mut self) {
        // SAFETY: puts back what `install` found on this thread; the standard library frees it when the thread ends.
        unsafe { libc::sigaltstack(&self.previous, std::ptr::null_mut()) };
    }
}
