//! What an observer is told while invocations run: enough for a line per running agent.

/// Is told what invocations do. Called on workers: must be quick and must not block.
pub trait Progress: Send + Sync {
    /// Something happened in an invocation; `id` tells the invocations of one runtime apart.
    fn activity(&self, id: u64, agent: &str, activity: Activity<'_>);
}

/// What an invocation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activity<'a> {
    /// It was dispatched.
    Began,
    /// It calls its model, for the so-manieth time.
    Model {
        /// From 1.
        turn: u32,
    },
    /// A part of a streamed answer was read, and goes to whoever reads the stream.
    Chunk,
    /// A tool of it began.
    Tool {
        /// The tool's name.
        name: &'a str,
    },
    /// It waits before it calls its model again.
    Retry {
        /// The kind of the failure.
        kind: &'a str,
    },
    /// It ended.
    Ended {
        /// With a reply, or without one.
        ok: bool,
        /// What it cost, in 10^-12 dollars, as far as prices are known.
        cost_pico: i64,
    },
}
