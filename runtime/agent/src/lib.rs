//! Agents: invocations, the turn loop, history, providers, prices, retries, limits and the scripted model.
//!
//! The modules listed first are pure: they turn values into values, and whoever drives them does the
//! waiting, the sending and the counting. So each of them is tested without a network or a clock.
pub mod bound; // an upper bound of what a request can cost
pub mod error; // how a call fails, and whether another attempt can help
pub mod http; // requests and answers as plain values, whoever carries them
pub mod message; // what is said to a model and what it answers
pub mod toolset; // the tools that it is offered
pub mod price; // what tokens cost, in integers
pub mod retry; // when to try again
pub mod history; // the rounds that a conversation is made of
pub mod turn; // the loop of model calls and tool runs within one invocation
pub mod provider; // the protocols of real providers
pub mod script; // the scripted model, which needs no network
pub mod mock_server; // the scripted model over HTTP

mod approval; // who decides about tools that need it
mod config; // an agent's clauses
mod exchange; // one exchange with a model
mod flow; // how far a stream's reader may be ahead
mod asking; // a caller that waits for its reply
mod conversation; // what agents remember, as natives
mod deadline; // blocks that have to end in time
mod parts; // messages and replies of several parts
mod saved; // conversations as JSON
mod store; // the state of an agent
mod builder; // what agents are made with
mod host; // agents as programs see them
mod invocation; // the process that answers one request
mod limits; // who may call a model when
mod breaker; // circuit breakers
mod process; // the process of one incarnation
mod progress; // what an observer is told
mod raise; // failures as errors of the language
mod request; // one call, from `<-` to the reply
mod service; // what all agents of a runtime share
mod slot; // what stays of an agent over its incarnations
mod stream; // a streamed answer as its caller holds it
mod tool; // the process of one tool run
mod totals; // what was done and spent

pub use approval::{Approvals, Wish};
pub use builder::AgentsBuilder;
pub use config::MODEL_DEFAULT;
pub use host::Agents;
pub use progress::{Activity, Progress};
pub use service::{Environment, Warnings};
pub use totals::Totals;

/// The natives that speak of agents: conversations, deadlines, approvals.
pub fn natives() -> vega_runtime::native::NativeTable {
    let mut table = vega_runtime::native::NativeTable::new();
    conversation::register(&mut table);
    deadline::register(&mut table);
    approval::register(&mut table);
    store::register(&mut table);
    table
}
