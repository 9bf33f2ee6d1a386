//! The tool uses of one turn on their way to results.
//!
//! Invariant: each use ends with exactly one result, also those that are never run: unknown names,
//! malformed arguments and calls beyond the limit are answered with what the model did wrong.

use std::sync::Arc;

use super::ToolRun;
use crate::message::{Block, ToolResult, ToolSpec, ToolUse};

#[derive(Debug)]
pub(super) struct ToolRuns {
    uses: Vec<Use>,
    running: usize,
}

#[derive(Debug)]
struct Use {
    call: ToolUse,
    progress: Progress,
}

#[derive(Debug)]
enum Progress {
    Waiting,
    Running,
    Done(ToolResult),
}

impl ToolRuns {
    /// The tool uses among the blocks; at most `remaining` of them may run.
    pub(super) fn new(blocks: &[Block], tools: &[ToolSpec], remaining: u32, limit: u32) -> ToolRuns {
        let mut allowance = remaining;
        let uses = blocks.iter().filter_map(Block::as_tool_use).map(|call| {
            let mistake = if allowance == 0 {
                Some(format!("Not run: no more than {limit} tool calls are allowed here."))
            } else {
                allowance -= 1;
                mistake(call, tools)
            };
            let progress = match mistake {
                Some(text) => Progress::Done(result(call, text.into(), true)),
                None => Progress::Waiting,
            };
            Use { call: call.clone(), progress }
        });
        ToolRuns { uses: uses.collect(), running: 0 }
    }

    /// How many the model asked for.
    pub(super) fn count(&self) -> u32 {
        u32::try_from(self.uses.len()).unwrap_or(u32::MAX)
    }

    /// Marks as many as may run at once, and returns them.
    pub(super) fn start(&mut self, parallel: usize) -> Vec<ToolRun> {
        let mut starting = Vec::new();
        for (index, one) in self.uses.iter_mut().enumerate() {
            if self.running >= parallel {
                break;
            }
            if matches!(one.progress, Progress::Waiting) {
                one.progress = Progress::Running;
                self.running += 1;
                starting.push(ToolRun { index, call: one.call.clone() });
            }
        }
        starting
    }

    /// Notes a result. Only the first one of a running tool counts.
    pub(super) fn done(&mut self, index: usize, content: Arc<str>, is_error: bool, parts: Arc<[Block]>) {
        if let Some(one) = self.uses.get_mut(index)
            && matches!(one.progress, Progress::Running)
        {
            one.progress = Progress::Done(ToolResult { parts, ..result(&one.call, content, is_error) });
            self.running -= 1;
        }
    }

    /// The results in the order of the uses, once all are there.
    pub(super) fn take_results(&mut self) -> Option<Vec<ToolResult>> {
        let results = self.uses.iter().map(|one| match &one.progress {
            Progress::Waiting | Progress::Running => None,
            Progress::Done(result) => Some(result.clone()),
        });
        results.collect()
    }
}

/// What is wrong with a call before any tool has seen it.
fn mistake(call: &ToolUse, tools: &[ToolSpec]) -> Option<String> {
    if !tools.iter().any(|tool| tool.name == *call.name) {
        let known: Vec<&str> = tools.iter().map(|tool| tool.name.as_str()).collect();
        return Some(match known.as_slice() {
            [] => format!("There is no tool `{}`; no tools are available.", call.name),
            _ => format!("There is no tool `{}`. Available: {}.", call.name, known.join(", ")),
        });
    }
    if !call.input.is_object() {
        let text = call.input.as_str().map_or_else(|| call.input.to_string(), str::to_owned);
        return Some(format!("The arguments of `{}` are not a JSON object: {text}", call.name));
    }
    None
}

fn result(call: &ToolUse, content: Arc<str>, is_error: bool) -> ToolResult {
    ToolResult { id: Arc::clone(&call.id), content, is_error, parts: Arc::default() }
}
