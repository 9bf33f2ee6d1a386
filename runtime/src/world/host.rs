//! What the scheduler asks of the runtime: running a job is running a process for its turn.

use vega_scheduler::Worker;

use super::{AccountSwitch, Local, Post, World};
use crate::process::Pid;
use crate::process::block::Job;

impl vega_scheduler::Host for World {
    type Job = Job;
    type Timer = Pid;
    type Post = Post;
    type Local = Local;

    fn local(&self, worker: usize) -> Local {
        self.new_local(worker)
    }

    fn token(&self, job: &Job) -> u64 {
        job.pid().to_bits()
    }

    fn run(&self, job: Job, worker: &Worker<World>) -> u32 {
        self.run_slice(job, worker)
    }

    fn suspending(&self, token: u64, worker: &Worker<World>) {
        self.switch_account(Pid::from_bits(token), worker, AccountSwitch::Leave);
    }

    fn resumed(&self, token: u64, worker: &Worker<World>) {
        self.switch_account(Pid::from_bits(token), worker, AccountSwitch::Enter);
    }

    fn timer_fired(&self, pid: Pid, worker: &Worker<World>) {
        self.fire_timer(pid, worker);
    }

    fn posted(&self, post: Post, worker: &Worker<World>) {
        self.take_post(post, worker);
    }

    fn stalled(&self, _: &Worker<World>) {
        self.all_wait();
    }

    fn panicked(&self, token: Option<u64>, payload: Box<dyn std::any::Any + Send>, worker: &Worker<World>) {
        let text = World::panic_text(&*payload);
        match token {
            Some(token) => self.fault(Pid::from_bits(token), &text, worker),
            None => tracing::error!(%text, "a callback of the runtime panicked"),
        }
    }

    fn overflowed(&self, token: u64, worker: &Worker<World>) {
        self.fault(Pid::from_bits(token), "native stack overflow", worker);
    }
}
