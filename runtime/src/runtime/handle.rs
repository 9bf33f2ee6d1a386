//! The runtime as other threads and destructors see it.

use std::fmt;
use std::sync::Weak;

use vega_scheduler::Worker;

use crate::native::Address;
use crate::process::Pid;
use crate::process::mail::Mail;
use crate::process::state::MAIL;
use crate::world::{Post, World};

/// Reaches a runtime from any thread. Holding one keeps nothing alive: after the runtime is gone, nothing happens.
#[derive(Clone)]
pub struct RuntimeHandle(pub(crate) Weak<World>);

impl RuntimeHandle {
    /// Asks the run to end: calls to models may finish first, for as long as the builder's drain says. Asked again, nothing may.
    pub fn interrupt(&self) {
        if let Some(world) = self.0.upgrade() {
            world.interrupt();
        }
    }

    /// Sends something to a port.
    pub fn send_to(&self, address: &Address, payload: Box<dyn std::any::Any + Send>) {
        let mail = Mail::Port(address.port, address.alive.clone(), payload);
        self.post(Post::Deliver(address.process, mail, MAIL));
    }

    /// Ends a process; it cannot refuse.
    pub fn kill(&self, process: Pid) {
        self.post(Post::Kill(process));
    }

    /// Ends the line of the program's output that the process left unfinished, if that is still the last one.
    pub fn end_line(&self, process: Pid) {
        if let Some(world) = self.0.upgrade() {
            world.stdout.end_line(process);
        }
    }

    /// Writes to the error output, from a worker.
    pub(crate) fn report(&self, text: String) {
        self.post(Post::Report(text));
    }

    pub(crate) fn end_call(&self) {
        if let Some(world) = self.0.upgrade() {
            world.end_call();
        }
    }

    fn post(&self, post: Post) {
        let Some(world) = self.0.upgrade() else { return };
        let left = Worker::<World>::with_current(|worker| match worker {
            // On a worker of this runtime there is no detour, and the order with what the worker sends otherwise is kept.
            Some(worker) if std::ptr::eq(worker.host(), &*world) => {
                world.take_post(post, worker);
                None
            }
            _ => Some(post),
        });
        if let Some(post) = left
            && let Some(remote) = world.remote()
        {
            remote.post(0, post);
        }
    }
}

impl fmt::Debug for RuntimeHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RuntimeHandle")
    }
}
