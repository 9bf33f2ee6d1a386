//! Agents: invocations, the turn loop, history, providers, prices, retries and the scripted model.
//!
//! The modules listed first are pure: they turn values into values, and whoever drives them does the
//! waiting, the sending and the counting. So each of them is tested without a network or a clock.
pub mod bound;
pub mod error; // how a call fails, and whether another attempt can help
pub mod http; // requests and answers as plain values, whoever carries them
pub mod message; // what is said to a model and what it answers
pub mod price; // what tokens cost, in integers
pub mod retry; // when to try again // an upper bound of what a request can cost
pub mod history; // the rounds that a conversation is made of
pub mod turn; // the loop of model calls and tool runs within one invocation
pub mod provider; // the protocols of real providers
pub mod script; // the scripted model, which needs no network
pub mod mock_server; // the scripted model over HTTP
