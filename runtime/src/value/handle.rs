//! Handles: values that refer to something which the runtime owns. And secrets.

use std::any::Any;
use std::sync::Arc;

use vega_bytecode::AgentId;

use super::Value;
use super::object::{Body, handle};
use super::text::Str;

/// What kind of thing a handle refers to: the type test of `any` sees it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HandleKind {
    /// An agent of the program.
    Agent(AgentId),
    /// A child that is no agent: a supervised function or a supervisor.
    Process,
    /// A value that will be there later.
    Future,
    /// An answer that arrives in parts.
    Stream,
    /// A span of the trace.
    Span,
}

impl HandleKind {
    /// How messages to the user call it.
    pub fn noun(self) -> &'static str {
        match self {
            HandleKind::Agent(_) => "an agent",
            HandleKind::Process => "a process",
            HandleKind::Future => "a future",
            HandleKind::Stream => "a stream",
            HandleKind::Span => "a span",
        }
    }
}

/// Something that the runtime owns and a value refers to. It is dropped with the last value that refers to it.
pub trait HandleObject: Any + Send + Sync {
    /// What it is.
    fn kind(&self) -> HandleKind;

    /// How it prints: `<Coder 7>`.
    fn text(&self) -> String;

    /// A number that equal handles of one kind share: handles compare by it.
    fn identity(&self) -> u64;

    /// The process behind it at this moment, if it is one: such handles are equal to that process's id.
    fn process_word(&self) -> Option<u64> {
        None
    }

    /// Whether it may travel to another process.
    fn may_travel(&self) -> bool {
        !matches!(self.kind(), HandleKind::Future | HandleKind::Stream | HandleKind::Span)
    }
}

#[derive(Clone)]
pub(crate) struct HandleBody {
    target: Arc<dyn HandleObject>,
}

impl Body for HandleBody {
    fn storage_bytes(&self) -> usize {
        0
    }

    fn take_child(&mut self, _cursor: &mut usize) -> Option<Value> {
        None
    }
}

handle! {
    /// A reference to something that the runtime owns.
    Handle, Handle, HandleBody
}

impl Handle {
    /// A handle of `target`.
    pub fn new(target: Arc<dyn HandleObject>) -> Handle {
        Handle::from_body(HandleBody { target })
    }

    /// What the handle refers to.
    pub fn target(&self) -> &Arc<dyn HandleObject> {
        &self.body().target
    }

    /// What the handle refers to, if it is of this Rust type.
    pub fn downcast<T: HandleObject>(&self) -> Option<Arc<T>> {
        let target: Arc<dyn Any + Send + Sync> = self.body().target.clone();
        target.downcast().ok()
    }

    /// Whether both refer to the same thing.
    pub fn same(&self, other: &Handle) -> bool {
        let (one, two) = (self.target(), other.target());
        one.kind() == two.kind() && one.identity() == two.identity()
    }
}

#[derive(Clone)]
pub(crate) struct SecretBody {
    text: Str,
}

impl Body for SecretBody {
    fn storage_bytes(&self) -> usize {
        0
    }

    fn take_child(&mut self, _cursor: &mut usize) -> Option<Value> {
        None
    }
}

handle! {
    /// Text that prints as `***` and is never recorded.
    Secret, Secret, SecretBody
}

impl Secret {
    /// Makes text a secret.
    pub fn new(text: Str) -> Secret {
        Secret::from_body(SecretBody { text })
    }

    /// The text itself, for the one place that needs it.
    pub fn reveal(&self) -> &Str {
        &self.body().text
    }
}
