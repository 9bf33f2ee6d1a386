//! The tools of an invocation: each a process of its own, watched until its result is there.

use std::sync::Arc;
use std::time::SystemTime;

use vega_bytecode::module::Capability;
use vega_runtime::capability::Declared;
use vega_runtime::native::{NativeContext, SpawnOptions, Task};
use vega_runtime::process::{ExitReason, Pid};
use vega_scheduler::Instant;
use vega_trace::SpanId;

use super::Invocation;
use crate::progress::Activity;
use crate::request::Chain;
use crate::tool::{Call, ToolDone, ToolProcess};
use crate::turn::{Event, ToolRun};

/// A tool on its way.
pub(super) struct RunningTool {
    pub(super) index: usize,
    pub(super) process: Pid,
    pub(super) monitor: Option<u64>,
    pub(super) name: Arc<str>,
    pub(super) span: SpanId,
    pub(super) began: Instant,
    pub(super) began_at: SystemTime,
}

impl Invocation {
    /// A tool gave its result.
    pub(super) fn tool_done(&mut self, done: ToolDone, context: &NativeContext<'_>) {
        let ToolDone { index, content, is_error, parts, error_kind } = done;
        let Some(place) = self.tools.iter().position(|tool| tool.index == index) else { return };
        let tool = self.tools.swap_remove(place);
        if let Some(monitor) = tool.monitor {
            context.demonitor(monitor);
        }
        self.record_tool(&tool, is_error, error_kind, &content, context);
        self.on(Event::ToolDone { index, content: content.into(), is_error, parts: parts.into() }, context);
    }

    /// The process of a tool ended. Where its result came before, there is nothing left to do.
    pub(super) fn tool_ended(&mut self, monitor: u64, reason: &ExitReason, context: &NativeContext<'_>) {
        let Some(tool) = self.tools.iter().find(|tool| tool.monitor == Some(monitor)) else { return };
        let content = format!("The tool ended without a result: {reason}");
        self.tool_done(ToolDone { index: tool.index, content, is_error: true, parts: Vec::new(), error_kind: None }, context);
    }

    /// Starts a tool, or says to the model why it cannot run.
    pub(super) fn start_tool(&mut self, run: ToolRun, context: &NativeContext<'_>) -> Result<(), String> {
        let ToolRun { index, call } = run;
        let tools = &context.module().agents[self.slot.agent.0 as usize].tools;
        let Some(number) = tools.iter().position(|tool| tool.name == *call.name) else {
            return Err(format!("There is no tool `{}`.", call.name));
        };
        let tool = &tools[number];
        let declared = Declared {
            kinds: &tool.capabilities,
            paths: tool.allowed_paths.as_deref(),
            commands: tool.allowed_commands.as_deref(),
            hosts: tool.allowed_hosts.as_deref(),
        };
        let capabilities =
            context.capabilities().narrow(declared).map_err(|bad| format!("The tool `{}` cannot run: {bad}", tool.name))?;
        let reads_only = tool.capabilities.iter().all(|kind| *kind == Capability::FileRead);
        if !reads_only {
            self.request.note_effect();
        }
        let span = self.slot.service.new_span();
        let outer = self.request.chain.clone();
        let depth = outer.as_ref().map_or(0, |chain| chain.depth) + 1;
        let chain = Arc::new(Chain { outer, agent: self.slot.identity(), depth });
        // The state is used in the order of the calls. A tool that waits for an approval must not hold others up.
        let is_at_once = !self.slot.config.approval.contains(&tool.name);
        let place = if tool.uses_state && is_at_once { self.request.line_up(&chain, self.slot.runtime()) } else { None };
        let state = ToolProcess::new(
            Arc::clone(&self.slot),
            Arc::clone(&self.request),
            Call { tool: number, index, input: call.input },
            context.address(),
            chain,
            span,
            place,
        );
        let turns = self.turn.as_ref().map_or(0, |turn| turn.turns());
        let options = SpawnOptions {
            capabilities: Some(capabilities),
            step: turns.saturating_mul(1_000).saturating_add(u32::try_from(index).unwrap_or(u32::MAX)),
            monitored: true,
            priority: self.slot.config.priority.of_processes(),
            label: Some(format!("{}.{}", self.slot.config.name, tool.name)),
            ..SpawnOptions::default()
        };
        let spawned = context
            .spawn(Task::Native(Box::new(state)), options)
            .map_err(|error| format!("The tool `{}` cannot run: {}", tool.name, error.message().as_str()))?;
        self.report(Activity::Tool { name: &tool.name });
        self.tools.push(RunningTool {
            index,
            process: spawned.process,
            monitor: spawned.monitor,
            name: call.name,
            span,
            began: context.now(),
            began_at: SystemTime::now(),
        });
        Ok(())
    }
}
