//! The one door to the world. Everything that a program does beyond computing passes it in two phases: `begin` before, `end` after.
//!
//! Invariants: the capability gate stands here, in [`Seam::begin`], and nowhere else; no implementation of [`Effects`] sees a request
//! that the process may not make. Recording, replay, scripted models and journals are implementations of one trait.

use std::fmt;
use std::sync::Arc;

use vega_bytecode::KindId;

use crate::capability::{CapabilitySet, Denied, FileAccess, HostAccess};
use crate::process::Coordinate;

/// What is about to happen.
#[derive(Clone, Debug)]
pub enum Request<'a> {
    /// One exchange with a model.
    ModelCall {
        /// The agent's name.
        agent: &'a str,
        /// The provider.
        provider: &'a str,
        /// The model.
        model: &'a str,
        /// The request's body, without keys.
        body: &'a str,
    },
    /// A tool, around everything that it does.
    Tool {
        /// Its name.
        name: &'a str,
        /// Its arguments as JSON.
        arguments: &'a str,
    },
    /// Reading a file.
    FileRead {
        /// As the program gave it.
        path: &'a str,
    },
    /// Replacing a file.
    FileWrite {
        /// As the program gave it.
        path: &'a str,
        /// The new content.
        content: &'a [u8],
    },
    /// Asking whether a file is there.
    FileExists {
        /// As the program gave it.
        path: &'a str,
    },
    /// Asking what is in a directory.
    FileList {
        /// As the program gave it.
        path: &'a str,
    },
    /// An HTTP exchange that is no model call.
    Net {
        /// The method.
        method: &'a str,
        /// The host that is connected to.
        host: &'a str,
        /// The whole address.
        url: &'a str,
        /// The body, where there is one.
        body: &'a [u8],
    },
    /// A command.
    Exec {
        /// Its words.
        words: &'a [&'a str],
    },
    /// An environment variable.
    Variable {
        /// Its name.
        name: &'a str,
    },
    /// The time of day.
    Clock,
    /// Random bits.
    Random,
}

/// What repeating an effect would mean.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Class {
    /// Only looks: may be repeated.
    Read,
    /// Changes something, and repeating it changes nothing more.
    Idempotent,
    /// Cannot be taken back or repeated.
    Irrevocable,
}

/// What an effect came to, as data that can be kept.
#[derive(Clone, PartialEq, Debug)]
pub enum Payload {
    /// Nothing but success.
    Nothing,
    /// A truth value.
    Flag(bool),
    /// A number.
    Int(i64),
    /// Text: a model's answer, a variable.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
    /// Several texts: names of files.
    Texts(Vec<String>),
}

/// How an effect failed, as data that can be kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure {
    /// The kind of the error that the program sees.
    pub kind: KindId,
    /// Its message.
    pub message: String,
}

/// What an effect came to.
pub type EffectResult = Result<Payload, Failure>;

/// What `begin` decided.
#[derive(Debug)]
pub enum Begun {
    /// The effect is to happen now; the ticket goes to `end`.
    Run(Ticket),
    /// It happened before, with this result; it must not happen again.
    Replayed(EffectResult),
}

/// Ties an `end` to its `begin`. The number means something to the implementation that gave it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Ticket(pub u64);

/// Where an effect happens; asked only when an implementation wants to know.
pub trait Locate {
    /// The operation's name, independent of timing.
    fn coordinate(&self) -> Coordinate;
}

/// What stands behind the door.
pub trait Effects: Send + Sync + 'static {
    /// Decides whether an effect happens. May block.
    fn begin(&self, place: &dyn Locate, request: &Request<'_>, class: Class) -> Result<Begun, Failure>;

    /// Takes note of what it came to.
    fn end(&self, ticket: Ticket, result: &EffectResult);

    /// Whether it wants the results of what really happens: where not, long ones need not be kept until the end.
    fn keeps_results(&self) -> bool {
        true
    }
}

/// Everything really happens, and nothing is kept.
#[derive(Clone, Copy, Debug, Default)]
pub struct Live;

impl Effects for Live {
    fn begin(&self, _: &dyn Locate, _: &Request<'_>, _: Class) -> Result<Begun, Failure> {
        Ok(Begun::Run(Ticket(0)))
    }

    fn end(&self, _: Ticket, _: &EffectResult) {}

    fn keeps_results(&self) -> bool {
        false
    }
}

/// The door itself: the gate, then what stands behind.
#[derive(Clone)]
pub struct Seam {
    behind: Arc<dyn Effects>,
}

/// What the gate gives for an allowed request.
pub enum Permit {
    /// The file, reached through its grant's directory handle.
    File(FileAccess),
    /// How the host may be reached.
    Host(HostAccess),
    /// Nothing more is needed.
    Plain,
}

/// What passed the gate.
pub enum Passed {
    /// To be done, with this permit, and ended with this ticket.
    Run(Permit, Ticket),
    /// Done before.
    Replayed(EffectResult),
}

/// Why an effect does not happen.
#[derive(Debug)]
pub enum Refusal {
    /// No grant allows it.
    Denied(Denied),
    /// The implementation refused: a replay without a match, a journal that cannot be written.
    Failed(Failure),
}

impl Seam {
    /// A door with `effects` behind it.
    pub fn new(effects: Arc<dyn Effects>) -> Self {
        Self { behind: effects }
    }

    /// Asks whether something may and should happen.
    pub fn begin(&self, place: &dyn Locate, set: &CapabilitySet, request: &Request<'_>, class: Class) -> Result<Passed, Refusal> {
        let permit = permit(set, request).map_err(Refusal::Denied)?;
        match self.behind.begin(place, request, class).map_err(Refusal::Failed)? {
            Begun::Run(ticket) => Ok(Passed::Run(permit, ticket)),
            Begun::Replayed(result) => Ok(Passed::Replayed(result)),
        }
    }

    /// Whether somebody wants the results.
    pub fn keeps_results(&self) -> bool {
        self.behind.keeps_results()
    }

    /// Tells what it came to.
    pub fn end(&self, ticket: Ticket, result: &EffectResult) {
        self.behind.end(ticket, result);
    }
}

impl fmt::Debug for Seam {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seam")
    }
}

/// The gate: which grant a request needs.
fn permit(set: &CapabilitySet, request: &Request<'_>) -> Result<Permit, Denied> {
    match request {
        // A model's endpoint is configuration, not the program's choice: calling it takes the right to call agents.
        Request::ModelCall { .. } => set.agent().map(|()| Permit::Plain),
        // What a tool does is asked for by itself, effect by effect.
        Request::Tool { .. } | Request::Clock | Request::Random => Ok(Permit::Plain),
        Request::FileRead { path } | Request::FileExists { path } | Request::FileList { path } => {
            set.file_to_read(path).map(Permit::File)
        }
        Request::FileWrite { path, .. } => set.file_to_write(path).map(Permit::File),
        Request::Net { host, .. } => set.host(host).map(Permit::Host),
        Request::Exec { words } => set.command(words).map(|()| Permit::Plain),
        Request::Variable { name } => set.variable(name).map(|()| Permit::Plain),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::sync::Mutex;

    use super::*;
    use crate::capability::Grants;
    use crate::process::ProcessPath;

    /// Notes what it is asked, and replays whatever asks for the clock.
    #[derive(Default)]
    struct Noted(Mutex<Vec<String>>);

    impl Effects for Noted {
        fn begin(&self, place: &dyn Locate, request: &Request<'_>, class: Class) -> Result<Begun, Failure> {
            self.0.lock().unwrap().push(format!("{request:?} {class:?} {:?}", place.coordinate()));
            match request {
                Request::Clock => Ok(Begun::Replayed(Ok(Payload::Int(7)))),
                _ => Ok(Begun::Run(Ticket(1))),
            }
        }

        fn end(&self, ticket: Ticket, result: &EffectResult) {
            self.0.lock().unwrap().push(format!("{ticket:?} {result:?}"));
        }
    }

    struct Nowhere;

    impl Locate for Nowhere {
        fn coordinate(&self) -> Coordinate {
            Coordinate { process: ProcessPath::root(), activations: Vec::new() }
        }
    }

    #[test]
    fn what_is_denied_never_reaches_what_stands_behind_the_door() {
        let noted = Arc::new(Noted::default());
        let seam = Seam::new(noted.clone());
        let set = Grants::standard("/tmp").build().unwrap();
        let refused = seam.begin(&Nowhere, &set, &Request::FileRead { path: "/etc/passwd" }, Class::Read);
        assert!(matches!(refused, Err(Refusal::Denied(denied)) if denied.what == "fs::read of /etc/passwd"));
        assert!(noted.0.lock().unwrap().is_empty());
        let passed = seam.begin(&Nowhere, &set, &Request::FileRead { path: "x" }, Class::Read);
        assert!(matches!(passed, Ok(Passed::Run(Permit::File(_), Ticket(1)))));
        assert_eq!(noted.0.lock().unwrap().len(), 1);
    }

    #[test]
    fn what_is_replayed_is_not_to_be_done() {
        let seam = Seam::new(Arc::new(Noted::default()));
        let passed = seam.begin(&Nowhere, &CapabilitySet::nothing(), &Request::Clock, Class::Read);
        assert!(matches!(passed, Ok(Passed::Replayed(Ok(Payload::Int(7))))));
    }
}
