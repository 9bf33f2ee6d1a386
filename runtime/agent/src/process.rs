//! The process of one incarnation of an agent: it starts an invocation for each request whose turn has come.
//!
//! Invariant: everything that outlives the incarnation is in the slot, so that a kill loses nothing.

use std::sync::Arc;

use vega_bytecode::kinds;
use vega_runtime::native::{Input, NativeContext, Notice, PortId, Resumable, SpawnOptions, Step, Task};
use vega_runtime::process::ProcessPath;
use vega_scheduler::Instant;

use crate::invocation::{Invocation, record_unstarted};
use crate::limits::Permit;
use crate::raise::Failed;
use crate::request::{Reply, Request};
use crate::slot::{AgentSlot, Next};
use crate::store::Store;

pub(crate) struct AgentProcess {
    slot: Arc<AgentSlot>,
}

impl AgentProcess {
    pub(crate) fn new(slot: Arc<AgentSlot>) -> AgentProcess {
        AgentProcess { slot }
    }

    /// Starts an invocation for each request that may run now. The moment at which to look again.
    fn dispatch(&self, context: &NativeContext<'_>) -> Option<Instant> {
        loop {
            match self.slot.next(context) {
                Next::Start(request, permit) => self.start(request, permit, context),
                Next::Refuse(request, failed) => {
                    if request.close() {
                        record_unstarted(&self.slot, &request, &failed, context);
                        context.send_to(&request.reply_to, Box::new(Reply { result: Err(failed), under_way: None }));
                    }
                }
                Next::Wait(until) => return until,
            }
        }
    }

    fn start(&self, request: Arc<Request>, permit: Permit, context: &NativeContext<'_>) {
        let cap = request.budget.or(self.slot.config.budget);
        let scope = request.scope.child(cap);
        let options = SpawnOptions {
            capabilities: Some(request.capabilities.clone()),
            scope: Some(scope),
            // It belongs to the call, wherever the agent was spawned.
            path: Some(ProcessPath::spawned_at(request.coordinate.clone())),
            monitored: true,
            priority: self.slot.config.priority.of_processes(),
            label: Some(format!("{} invocation", self.slot.config.name)),
            ..SpawnOptions::default()
        };
        let invocation = Invocation::new(Arc::clone(&self.slot), Arc::clone(&request), permit);
        request.opens(self.slot.store.as_ref().map(Store::open));
        let started = request.begin(|| context.spawn(Task::Native(Box::new(invocation)), options).map(|spawned| spawned.process));
        match started {
            Ok(Some(process)) => self.slot.runs(process, request),
            // Its caller is gone.
            Ok(None) => {
                self.slot.compaction_over(request.call);
            }
            Err(error) => {
                self.slot.compaction_over(request.call);
                if request.close() {
                    let failed = Failed::plain(kinds::LIMIT_REACHED, error.message().as_str().to_owned());
                    context.send_to(&request.reply_to, Box::new(Reply { result: Err(failed), under_way: None }));
                }
            }
        }
    }
}

impl Resumable for AgentProcess {
    fn step(&mut self, context: &mut NativeContext<'_>, input: Input) -> Step {
        match input {
            Input::Start => self.slot.lives_in(context.self_pid()),
            Input::Notice(Notice::Down { process, reason, .. }) => {
                if let Some((request, failed)) = self.slot.ended(process, &reason) {
                    context.send_to(&request.reply_to, Box::new(Reply { result: Err(failed), under_way: None }));
                }
            }
            _ => {}
        }
        let deadline = self.dispatch(context);
        Step::Receive { port: PortId::ROOT, deadline }
    }

    fn name(&self) -> &str {
        "agent"
    }
}
