//! A streamed answer as its caller holds it: chunks as they come, then the reply.
//!
//! Invariants: only the process that made a stream reads it. The call is under way until its end was received; where the stream is
//! dropped or its loop is left before, the call is cancelled, and its connection closed. What ended a stream is said again to everybody
//! who asks later.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use vega_bytecode::{kinds, prelude};
use vega_runtime::RuntimeHandle;
use vega_runtime::error::Error;
use vega_runtime::native::{Input, NativeContext, NativeResult, Outcome, Port, Resumable, Step};
use vega_runtime::process::Pid;
use vega_runtime::value::copy::Message;
use vega_runtime::value::{Handle, HandleKind, HandleObject, Value};

use crate::flow::{Flow, Piece};
use crate::raise::Failed;
use crate::request::{Content, Draft, Reply, Request};
use crate::slot::AgentSlot;

/// What `agent <~ message` gives.
pub(crate) struct StreamHandle {
    slot: Arc<AgentSlot>,
    request: Arc<Request>,
    flow: Arc<Flow>,
    port: Port,
    /// The process that reads it.
    owner: Pid,
    runtime: RuntimeHandle,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The text of all chunks taken so far.
    text: String,
    end: Option<End>,
}

enum End {
    /// The reply's text, and its value where one of another type was wanted.
    Reply(String, Option<Message>),
    Failed(Failed),
}

/// What came next.
enum Next {
    Chunk(Value),
    End,
}

impl StreamHandle {
    /// Begins a call.
    pub(crate) fn begin(slot: Arc<AgentSlot>, draft: Draft, context: &NativeContext<'_>) -> Result<Value, Error> {
        let port = context.open_port();
        let flow = Arc::new(Flow::new(context.limits().stream_bytes));
        let request = Arc::new(
            Request::new(draft, slot.next_call(), port.address(), context.now(), slot.arrival()).streaming(Arc::clone(&flow)),
        );
        slot.enqueue(Arc::clone(&request), context).map_err(|failed| failed.to_error(&slot.service.trace.to_string()))?;
        let (owner, runtime) = (context.self_pid(), context.runtime());
        let stream = StreamHandle { slot, request, flow, port, owner, runtime, state: Mutex::default() };
        Ok(Value::from(Handle::new(Arc::new(stream))))
    }

    /// The stream that a handle refers to.
    pub(crate) fn of(handle: &Handle) -> Result<Arc<StreamHandle>, Error> {
        handle.downcast().ok_or_else(|| Error::new(kinds::INVALID_ARGUMENT, "this is no stream of an agent"))
    }

    /// Whether nothing more comes.
    pub(crate) fn is_done(&self) -> bool {
        self.lock().end.is_some()
    }

    /// Ends the call where it has not ended.
    pub(crate) fn close(&self) {
        let is_open = {
            let mut state = self.lock();
            let is_open = state.end.is_none();
            if is_open {
                state.end = Some(End::Failed(Failed::plain(kinds::CANCELLED, "the stream's loop was left before its end")));
            }
            is_open
        };
        if is_open {
            self.cancel();
        }
    }

    fn cancel(&self) {
        self.runtime.end_line(self.owner);
        if let Some(invocation) = self.request.cancel() {
            self.runtime.kill(invocation);
        }
    }

    /// Takes a message that came to the port.
    fn take(&self, message: Box<dyn std::any::Any + Send>) -> Option<Next> {
        let message = match message.downcast::<Piece>() {
            Ok(piece) => {
                self.flow.taken(&piece);
                let mut state = self.lock();
                if state.end.is_some() {
                    return None;
                }
                state.text.push_str(&piece.text);
                let values = vec![Value::from(&*piece.text), i64::from(piece.turn).into()];
                return Some(Next::Chunk(Value::structure(prelude::CHUNK, values)));
            }
            Err(message) => message,
        };
        let reply = message.downcast::<Reply>().ok()?;
        let end = match reply.result {
            Ok(answer) => {
                self.request.accepted();
                if let Some(round) = answer.round {
                    self.slot.hold(self.request.call, round);
                    self.slot.join(self.request.call);
                }
                match answer.content {
                    Content::Text(text) => End::Reply(text, None),
                    Content::Value(value, text) => End::Reply(text, Some(value)),
                }
            }
            Err(failed) => End::Failed(failed),
        };
        self.lock().end.get_or_insert(end);
        self.runtime.end_line(self.owner);
        Some(Next::End)
    }

    /// The error that ended it, with the text received by then.
    fn failure(&self, failed: &Failed, text: &str) -> Error {
        let error = failed.to_error(&self.slot.service.trace.to_string());
        if text.is_empty() { error } else { error.with_partial(text) }
    }

    /// The error that ended it, if one did.
    fn error(&self) -> Option<Error> {
        let state = self.lock();
        match &state.end {
            Some(End::Failed(failed)) => Some(self.failure(failed, &state.text)),
            Some(End::Reply(..)) | None => None,
        }
    }

    /// The reply, once there is one.
    fn reply(&self, as_text: bool) -> Option<Result<Value, Error>> {
        let state = self.lock();
        Some(match state.end.as_ref()? {
            End::Reply(_, Some(value)) if !as_text => {
                // It stays for whoever asks next.
                let copy = Message::copy_of(value.value());
                copy.map(Message::adopt).map_err(|refused| Error::new(kinds::INVALID_ARGUMENT, refused.what))
            }
            End::Reply(text, _) => Ok(text.as_str().into()),
            End::Failed(failed) => Err(self.failure(failed, &state.text)),
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl HandleObject for StreamHandle {
    fn kind(&self) -> HandleKind {
        HandleKind::Stream
    }

    fn text(&self) -> String {
        format!("<stream of {}>", self.slot.config.name)
    }

    fn identity(&self) -> u64 {
        std::ptr::from_ref(self).addr() as u64
    }
}

impl Drop for StreamHandle {
    fn drop(&mut self) {
        if self.state.get_mut().unwrap_or_else(PoisonError::into_inner).end.is_none() {
            self.cancel();
        }
    }
}

/// The next chunk, or null at the end.
pub(crate) fn next(stream: &Arc<StreamHandle>) -> NativeResult {
    if let Some(error) = stream.error() {
        return Err(error);
    }
    if stream.is_done() {
        return Ok(Outcome::Value(Value::NULL));
    }
    Ok(Outcome::Resume(Box::new(Reading { stream: Arc::clone(stream), wanted: Wanted::Chunk })))
}

/// The reply, when the stream has ended.
pub(crate) fn wait(stream: &Arc<StreamHandle>, as_text: bool) -> NativeResult {
    match stream.reply(as_text) {
        Some(reply) => reply.map(Outcome::Value),
        None => Ok(Outcome::Resume(Box::new(Reading { stream: Arc::clone(stream), wanted: Wanted::Reply { as_text } }))),
    }
}

/// A process that waits for more of a stream, without a stack.
struct Reading {
    stream: Arc<StreamHandle>,
    wanted: Wanted,
}

enum Wanted {
    Chunk,
    Reply { as_text: bool },
}

impl Resumable for Reading {
    fn step(&mut self, _: &mut NativeContext<'_>, input: Input) -> Step {
        let next = match input {
            Input::Message(message) => self.stream.take(message),
            _ => None,
        };
        match (&self.wanted, next) {
            (Wanted::Chunk, Some(Next::Chunk(chunk))) => return Step::Return(chunk),
            (Wanted::Chunk, Some(Next::End)) => {
                return match self.stream.error() {
                    Some(error) => Step::Fail(error),
                    None => Step::Return(Value::NULL),
                };
            }
            (Wanted::Reply { as_text }, Some(Next::End)) => match self.stream.reply(*as_text) {
                Some(Ok(reply)) => return Step::Return(reply),
                Some(Err(error)) => return Step::Fail(error),
                None => {}
            },
            (Wanted::Reply { .. }, Some(Next::Chunk(_))) | (_, None) => {}
        }
        Step::Receive { port: self.stream.port.id(), deadline: None }
    }

    fn name(&self) -> &str {
        "<~"
    }
}
