//! The one test binary: what a user or reader of the project would notice, across crates.

mod support; // running the command as a user would
mod language; // golden programs, one fact each
mod reference; // the language reference and the guides, program by program
mod statistics; // `vega run --stats`
mod natives; // signals to processes that are blocked in a native
mod lanes; // work that blocks, each kind by itself
mod library; // the examples in the standard library's documentation
mod seed; // the programs that the language was first described with
mod examples; // what a newcomer runs first
mod ends; // how programs end: by themselves and by signals
mod cleanups; // what a process does at its end, on the clock of the system
mod crowds; // beside a crowd of processes that make more of them
mod oracle; // what processes do, beside those of Erlang
mod scenarios; // links, monitors and supervision, in many orders
mod measure; // `vega bench`
mod command; // what a user sees when the command cannot do what it is asked
mod providers; // providers of vega.toml over HTTP, and what clients get wrong
mod pressure; // outages: servers that die and providers that are down
mod terminal; // tools that wait for the approval of a person
mod proxies; // proxies and authorities of certificates
mod outages; // what servers and the way to them do wrong
mod faults; // what a user sees when a call goes wrong
mod spans; // what programs add to the trace
mod web; // requests of programs to servers
mod streams; // answers that arrive in pieces
mod mutations; // damaged sources and bytecode
mod copies; // what copies a value, and what does not
mod leaks; // what a program held is given back
mod tidy; // the shape of the source tree: who may depend on whom, documents that name existing paths
