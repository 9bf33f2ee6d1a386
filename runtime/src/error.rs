//! Errors as programs see them: a kind, a message, what belongs to it, and where it happened.
//!
//! Natives and instructions raise an [`Error`]; the interpreter adds the stack at the moment of raising, handlers receive it as a
//! value, and an uncaught one ends its process with `Kind: message` as the reason.
//!
//! Invariant: the trace is recorded once, where the error was first raised; raising a caught error again keeps it.

use vega_bytecode::kinds::{self, PayloadType};
use vega_bytecode::{FunctionId, KindId, Module};

use crate::value::object::{Body, handle};
use crate::value::{Str, Value, heap, print};

/// An error's content.
#[derive(Clone)]
pub struct ErrorValue {
    kind: KindId,
    message: Str,
    payload: Vec<Value>,
    partial: Option<Str>,
    trace_id: Option<Str>,
    cause: Option<Error>,
    trace: Vec<Place>,
}

/// How many errors may be chained by their causes.
pub const CAUSES_MAX: usize = 32;

/// A place in the program: an instruction of a function.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place {
    /// The function.
    pub function: FunctionId,
    /// The instruction.
    pub pc: u32,
}

/// A place as people read it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SourcePlace<'m> {
    /// Name of the function.
    pub function: &'m str,
    /// Path of the file, as it was given.
    pub file: &'m str,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}

impl Place {
    /// The source position of the place, if the program has debug lines for it.
    pub fn resolve(self, module: &Module) -> Option<SourcePlace<'_>> {
        let function = module.functions.get(self.function.0 as usize)?;
        let after = function.lines.partition_point(|line| line.pc <= self.pc);
        let line = function.lines.get(after.checked_sub(1)?)?;
        let file = module.files.get(line.file as usize)?;
        Some(SourcePlace { function: &function.name, file: &file.path, line: line.line, column: line.column })
    }
}

impl std::fmt::Display for SourcePlace<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

impl Body for ErrorValue {
    fn storage_bytes(&self) -> usize {
        self.payload.capacity() * size_of::<Value>() + self.trace.capacity() * size_of::<Place>()
    }

    fn take_child(&mut self, cursor: &mut usize) -> Option<Value> {
        if let Some(value) = self.payload.get_mut(*cursor) {
            *cursor += 1;
            return Some(value.take());
        }
        self.cause.take().map(Value::from)
    }
}

handle! {
    /// An error. Cloning shares it.
    Error, Error, ErrorValue
}

impl Error {
    /// An error of a built-in kind. Where the kind's payload is one text, that is the message.
    pub fn new(kind: KindId, message: impl Into<Str>) -> Error {
        let message = message.into();
        let payload = match kinds::BUILT_IN.get(kind.0 as usize).map(|kind| kind.payload) {
            Some([(_, PayloadType::Str)]) => vec![message.clone().into()],
            _ => Vec::new(),
        };
        Error::with_payload(kind, message, payload)
    }

    /// An error with its payload, in the order of its kind.
    pub fn with_payload(kind: KindId, message: impl Into<Str>, payload: Vec<Value>) -> Error {
        Error::from_body(ErrorValue {
            kind,
            message: message.into(),
            payload,
            partial: None,
            trace_id: None,
            cause: None,
            trace: Vec::new(),
        })
    }

    /// The error of `throw Kind(payload…)`: its message is the first text of the payload, else the printed payload.
    pub fn thrown(kind: KindId, payload: Vec<Value>, module: &Module) -> Error {
        let message = match payload.iter().find_map(Value::as_str) {
            Some(text) => text.clone(),
            None => {
                let texts: Vec<String> = payload.iter().map(|value| print::to_text(value, module)).collect();
                Str::from(texts.join(", "))
            }
        };
        Error::with_payload(kind, message, payload)
    }

    /// Its kind.
    pub fn kind(&self) -> KindId {
        self.body().kind
    }

    /// The name of its kind.
    pub fn kind_name<'m>(&self, module: &'m Module) -> &'m str {
        match module.kinds.get(self.kind().0 as usize) {
            Some(kind) => &kind.name,
            None => kinds::BUILT_IN.get(self.kind().0 as usize).map_or("Error", |kind| kind.name),
        }
    }

    /// Whether it is of a kind or of one below it.
    pub fn is(&self, wanted: KindId, module: &Module) -> bool {
        let mut kind = self.kind();
        // Parents stand before their children in a verified program; the bound holds for any table.
        for _ in 0..=module.kinds.len().max(kinds::BUILT_IN.len()) {
            if kind == wanted {
                return true;
            }
            let parent = match module.kinds.get(kind.0 as usize) {
                Some(definition) => definition.parent,
                None => kinds::BUILT_IN.get(kind.0 as usize).and_then(|kind| kind.parent),
            };
            match parent {
                Some(parent) => kind = parent,
                None => return false,
            }
        }
        false
    }

    /// What happened, in words.
    pub fn message(&self) -> &Str {
        &self.body().message
    }

    /// What belongs to the kind. `AgentFailed` caught as a parent has one value, the reason: the message of the error below it.
    pub fn payload(&self) -> &[Value] {
        &self.body().payload
    }

    /// Payload value `index` as seen by a handler of kind `wanted`: its own where the kinds agree, the message where `AgentFailed`
    /// caught a kind below it.
    pub fn payload_as(&self, wanted: KindId, index: usize) -> Value {
        if wanted == kinds::AGENT_FAILED && self.kind() != wanted {
            return if index == 0 { self.message().clone().into() } else { Value::NULL };
        }
        self.payload().get(index).cloned().unwrap_or(Value::NULL)
    }

    /// Text that had arrived before the error.
    pub fn partial(&self) -> Option<&Str> {
        self.body().partial.as_ref()
    }

    /// The trace that it belongs to.
    pub fn trace_id(&self) -> Option<&Str> {
        self.body().trace_id.as_ref()
    }

    /// The error under way when this one was raised, or that led to it.
    pub fn cause(&self) -> Option<&Error> {
        self.body().cause.as_ref()
    }

    /// The stack at the moment of raising, innermost first.
    pub fn trace(&self) -> &[Place] {
        &self.body().trace
    }

    /// Where it was raised: `file:line:column`, or nothing where that is not known.
    pub fn position(&self, module: &Module) -> String {
        self.trace().iter().find_map(|place| place.resolve(module)).map(|place| place.to_string()).unwrap_or_default()
    }

    /// `Kind: message`, or the kind alone without a message.
    pub fn summary(&self, module: &Module) -> String {
        let (name, message) = (self.kind_name(module), self.message().as_str());
        if message.is_empty() { name.to_string() } else { format!("{name}: {message}") }
    }

    /// Adds text that had arrived before the error.
    pub fn with_partial(mut self, partial: impl Into<Str>) -> Error {
        self.unique_body_mut().partial = Some(partial.into());
        self
    }

    /// Adds the trace that it belongs to.
    pub fn with_trace_id(mut self, trace_id: impl Into<Str>) -> Error {
        self.unique_body_mut().trace_id = Some(trace_id.into());
        self
    }

    /// Adds what led to it, at the end of its chain of causes. A chain that is as long as may be stays as it is.
    pub fn with_cause(self, cause: Error) -> Error {
        let length = std::iter::successors(Some(&self), |error| error.cause()).count();
        if length >= CAUSES_MAX { self } else { self.with_last_cause(cause) }
    }

    fn with_last_cause(mut self, cause: Error) -> Error {
        let body = self.unique_body_mut();
        body.cause = Some(match body.cause.take() {
            Some(nearer) => nearer.with_last_cause(cause),
            None => cause,
        });
        self
    }

    /// Records the stack, innermost first, unless that was done where it was first raised.
    pub fn record_trace(&mut self, trace: impl FnOnce() -> Vec<Place>) {
        if !self.trace().is_empty() {
            return;
        }
        let body = self.unique_body_mut();
        let before = body.trace.capacity();
        body.trace = trace();
        heap::charge(body.trace.capacity() * size_of::<Place>());
        heap::credit(before * size_of::<Place>());
    }

    /// A copy of the error with its values replaced: for carrying it to another process.
    pub(crate) fn rebuilt(&self, message: Str, payload: Vec<Value>, cause: Option<Error>) -> Error {
        let body = self.body();
        Error::from_body(ErrorValue {
            kind: body.kind,
            message,
            payload,
            partial: body.partial.as_ref().map(Str::travelling),
            trace_id: body.trace_id.as_ref().map(Str::travelling),
            cause,
            trace: body.trace.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::heap;

    fn module() -> Module {
        let mut module = Module::default();
        module.kinds = kinds::built_in_definitions(&mut module.types);
        module
    }

    #[test]
    fn a_kind_is_caught_by_itself_and_by_those_above_it() {
        let module = module();
        let error = Error::with_payload(kinds::TIMEOUT, "after 5s", vec![Value::duration(5_000_000_000)]);
        assert!(error.is(kinds::TIMEOUT, &module));
        assert!(error.is(kinds::AGENT_FAILED, &module));
        assert!(!error.is(kinds::OVERLOADED, &module));
        assert_eq!(error.payload_as(kinds::AGENT_FAILED, 0).as_text(), Some("after 5s"));
        assert_eq!(error.payload_as(kinds::TIMEOUT, 0).as_duration(), Some(5_000_000_000));
    }

    #[test]
    fn the_message_is_the_first_text_of_the_payload_else_all_of_it() {
        let module = module();
        assert_eq!(Error::thrown(KindId(5), vec![Value::int(1), "why".into()], &module).message().as_str(), "why");
        assert_eq!(Error::thrown(KindId(1), vec![Value::int(1), Value::bool(true)], &module).message().as_str(), "1, true");
        assert_eq!(Error::new(kinds::IO_ERROR, "no such file").summary(&module), "IoError: no such file");
        assert_eq!(Error::new(kinds::IO_ERROR, "no such file").payload()[0].as_text(), Some("no such file"));
    }

    #[test]
    fn the_first_trace_stays_and_everything_is_credited_when_it_goes() {
        let before = heap::used();
        {
            let mut error = Error::new(kinds::OVERFLOW, "too large").with_cause(Error::new(kinds::IO_ERROR, "first"));
            error.record_trace(|| vec![Place { function: FunctionId(1), pc: 7 }]);
            error.record_trace(|| vec![Place { function: FunctionId(2), pc: 9 }]);
            assert_eq!(error.trace(), [Place { function: FunctionId(1), pc: 7 }]);
            assert!(heap::used() > before);
        }
        assert_eq!(heap::used(), before);
    }
}
