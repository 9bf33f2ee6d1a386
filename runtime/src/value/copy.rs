//! Values that travel between processes.
//!
//! A [`Message`] is a copy of a value that nothing outside of it refers to. It moves to the receiver's thread as a whole, and the
//! receiver takes its objects over as they are, without a second copy. Sharing inside of the value stays sharing inside of the copy.
//!
//! Invariant: every object below a message's value is referred to only from inside of the message. Shared text, bytes and handles
//! are reached through atomically counted storage.

use hashbrown::HashMap;

use super::map::Map;
use super::record::{self, RecordKind};
use super::{Array, Record, Secret, Value, View, heap};
use crate::error::Error;

/// A value on its way from one process to another.
pub struct Message {
    value: Value,
    bytes: usize,
}

// SAFETY: nothing outside of the message refers to an object below its value, so the thread that holds the message is the only one
// that touches their counts. What is shared with other threads is inside `Arc`s of `Send + Sync` content.
unsafe impl Send for Message {}

/// Why a value cannot travel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CannotTravel {
    /// What it holds: `a future`.
    pub what: &'static str,
}

impl Message {
    /// Copies a value. Fails where it holds a handle that belongs to its process.
    #[inline]
    pub fn copy_of(value: &Value) -> Result<Message, CannotTravel> {
        // Most messages are one number or one word.
        if value.is_free() {
            return Ok(Message { value: value.clone(), bytes: 0 });
        }
        Self::copy_object(value)
    }

    fn copy_object(value: &Value) -> Result<Message, CannotTravel> {
        match value.view() {
            View::Str(text) => {
                let (copy, bytes) = heap::detached(|| mark(text.travelling().into(), value.is_json()));
                return Ok(Message { value: copy, bytes: usize::try_from(bytes).unwrap_or(0) });
            }
            View::Frame(_) => return Ok(Message { value: Value::NULL, bytes: 0 }),
            _ => {}
        }
        let (copied, bytes) = heap::detached(|| Copier { shared: HashMap::new() }.copy(value));
        copied.map(|value| Message { value, bytes: usize::try_from(bytes).unwrap_or(0) })
    }

    /// A message of a value that owns nothing.
    #[inline]
    pub(crate) fn of_free(value: Value) -> Message {
        debug_assert!(value.is_free());
        Message { value, bytes: 0 }
    }

    /// A message of a value that is made for it. What cannot travel becomes null as a whole.
    pub fn build(build: impl FnOnce() -> Value) -> Message {
        // The copy guarantees that the message shares nothing with what `build` refers to.
        let (message, _) = heap::detached(|| Message::copy_of(&build()));
        message.unwrap_or(Message { value: Value::NULL, bytes: 0 })
    }

    /// Bytes of storage that the receiver will be charged. Text that is shared counts in full.
    #[inline]
    pub fn size_bytes(&self) -> usize {
        self.bytes + size_of::<Value>()
    }

    /// Hands the value over to the process that runs on this thread and charges it.
    #[inline]
    pub fn adopt(mut self) -> Value {
        heap::charge(self.bytes);
        self.value.take()
    }

    /// The value, for looking at it on the thread that holds the message.
    #[inline]
    pub fn value(&self) -> &Value {
        &self.value
    }
}

impl Drop for Message {
    #[inline]
    fn drop(&mut self) {
        if !self.value.is_heap() {
            return;
        }
        // Nobody was charged for it. After `adopt` the value is null.
        heap::detached(|| drop(self.value.take()));
    }
}

impl std::fmt::Debug for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Message({:?})", self.value)
    }
}

struct Copier {
    /// Copies of objects that more than one value refers to, by address.
    shared: HashMap<usize, Value>,
}

/// A container whose parts are being copied.
struct Open<'a> {
    source: Source<'a>,
    is_json: bool,
    cursor: usize,
    done: Vec<Value>,
}

enum Source<'a> {
    Array(&'a Array),
    Record(RecordKind, &'a Record),
    Map(&'a Map),
    Error(&'a Error),
}

enum Begun<'a> {
    Ready(Value),
    Open(Open<'a>),
}

impl Copier {
    fn copy(&mut self, root: &Value) -> Result<Value, CannotTravel> {
        let mut open: Vec<Open<'_>> = Vec::new();
        let mut begun = self.begin(root)?;
        loop {
            let mut ready = match begun {
                Begun::Ready(value) => value,
                Begun::Open(container) => {
                    open.push(container);
                    begun = match open.last_mut().and_then(Open::next) {
                        Some(Part::Value(value)) => self.begin(value)?,
                        Some(Part::Cause(error)) => self.begin_error(error),
                        None => Begun::Ready(self.finish(&mut open)),
                    };
                    continue;
                }
            };
            begun = loop {
                let Some(container) = open.last_mut() else { return Ok(ready) };
                container.done.push(ready);
                match container.next() {
                    Some(Part::Value(value)) => break self.begin(value)?,
                    Some(Part::Cause(error)) => break self.begin_error(error),
                    None => ready = self.finish(&mut open),
                }
            };
        }
    }

    fn begin<'a>(&mut self, value: &'a Value) -> Result<Begun<'a>, CannotTravel> {
        let container = |source: Source<'a>| {
            let parts = match &source {
                Source::Array(array) => array.len(),
                Source::Record(_, record) => record.values().len(),
                Source::Map(map) => map.len(),
                Source::Error(error) => error.payload().len() + 1,
            };
            Open { source, is_json: value.is_json(), cursor: 0, done: Vec::with_capacity(parts) }
        };
        let (address, unique, source) = match value.view() {
            View::Null
            | View::Bool(_)
            | View::Int(_)
            | View::Float(_)
            | View::Duration(_)
            | View::Money(_)
            | View::UnitVariant(..)
            | View::Function(_)
            | View::Process(_) => return Ok(Begun::Ready(value.clone())),
            View::Frame(_) => return Ok(Begun::Ready(Value::NULL)),
            View::Monitor(_) => return Err(CannotTravel { what: "a monitor" }),
            View::Range(range) => {
                return Ok(Begun::Ready(super::Range::new(range.start(), range.end(), range.is_inclusive()).into()));
            }
            View::Bytes(bytes) => return Ok(Begun::Ready(mark(bytes.travelling().into(), value.is_json()))),
            View::Secret(secret) => return Ok(Begun::Ready(Secret::new(secret.reveal().travelling()).into())),
            View::Handle(handle) => {
                let target = handle.target();
                if !target.may_travel() {
                    return Err(CannotTravel { what: target.kind().noun() });
                }
                return Ok(Begun::Ready(super::Handle::new(target.clone()).into()));
            }
            View::Str(text) => {
                if let Some(copy) = self.known(text.address(), text.is_unique(), value.is_json()) {
                    return Ok(Begun::Ready(copy));
                }
                let copy = Value::from(text.travelling());
                self.remember(text.address(), text.is_unique(), &copy);
                return Ok(Begun::Ready(mark(copy, value.is_json())));
            }
            View::Array(array) => (array.address(), array.is_unique(), Source::Array(array)),
            View::Map(map) => (map.address(), map.is_unique(), Source::Map(map)),
            View::Error(error) => (error.address(), error.is_unique(), Source::Error(error)),
            View::Struct(id, record) => (record.address(), record.is_unique(), Source::Record(RecordKind::Struct(id), record)),
            View::Enum(id, variant, record) => {
                (record.address(), record.is_unique(), Source::Record(RecordKind::Variant(id, variant), record))
            }
            View::Tuple(record) => (record.address(), record.is_unique(), Source::Record(RecordKind::Tuple, record)),
            View::Closure(id, record) => (record.address(), record.is_unique(), Source::Record(RecordKind::Closure(id), record)),
        };
        match self.known(address, unique, value.is_json()) {
            Some(copy) => Ok(Begun::Ready(copy)),
            None => Ok(Begun::Open(container(source))),
        }
    }

    fn begin_error<'a>(&mut self, error: &'a Error) -> Begun<'a> {
        match self.known(error.address(), error.is_unique(), false) {
            Some(copy) => Begun::Ready(copy),
            None => Begun::Open(Open { source: Source::Error(error), is_json: false, cursor: 0, done: Vec::new() }),
        }
    }

    fn known(&self, address: usize, unique: bool, is_json: bool) -> Option<Value> {
        if unique {
            return None;
        }
        self.shared.get(&address).map(|copy| mark(copy.clone(), is_json))
    }

    fn remember(&mut self, address: usize, unique: bool, copy: &Value) {
        if !unique {
            self.shared.insert(address, copy.clone());
        }
    }

    /// Makes the innermost open container of its copied parts.
    fn finish(&mut self, open: &mut Vec<Open<'_>>) -> Value {
        let Some(Open { source, is_json, mut done, .. }) = open.pop() else { return Value::NULL };
        let (address, unique, copy) = match source {
            Source::Array(array) => (array.address(), array.is_unique(), Value::array(done)),
            Source::Record(kind, record) => (record.address(), record.is_unique(), record::make(kind, done)),
            Source::Map(map) => {
                let keys = map.iter().map(|(key, _)| match key.as_str() {
                    Some(text) => text.travelling().into(),
                    None => key.clone(),
                });
                (map.address(), map.is_unique(), keys.zip(done).collect::<Map>().into())
            }
            Source::Error(error) => {
                let cause = match error.cause() {
                    Some(_) => done.pop().and_then(|cause| cause.as_error().cloned()),
                    None => None,
                };
                (error.address(), error.is_unique(), error.rebuilt(error.message().travelling(), done, cause).into())
            }
        };
        self.remember(address, unique, &copy);
        mark(copy, is_json)
    }
}

fn mark(value: Value, is_json: bool) -> Value {
    if is_json { value.seen_as_json() } else { value }
}

enum Part<'a> {
    Value(&'a Value),
    Cause(&'a Error),
}

impl<'a> Open<'a> {
    fn next(&mut self) -> Option<Part<'a>> {
        let place = self.cursor;
        let slice = match &self.source {
            Source::Array(array) => array.as_slice(),
            Source::Record(_, record) => record.values(),
            Source::Map(map) => {
                let (next, _, value) = map.entry_from(place)?;
                self.cursor = next;
                return Some(Part::Value(value));
            }
            Source::Error(error) => {
                self.cursor += 1;
                return match error.payload().get(place) {
                    Some(value) => Some(Part::Value(value)),
                    None if place == error.payload().len() => error.cause().map(Part::Cause),
                    None => None,
                };
            }
        };
        self.cursor += 1;
        slice.get(place).map(Part::Value)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::sync::Arc;

    use vega_bytecode::{EnumId, FunctionId, StructId, kinds};

    use super::*;
    use crate::value::{Handle, HandleKind, HandleObject, Str, equal};

    struct Thing(HandleKind);

    impl HandleObject for Thing {
        fn kind(&self) -> HandleKind {
            self.0
        }
        fn text(&self) -> String {
            "<thing>".to_string()
        }
        fn identity(&self) -> u64 {
            1
        }
    }

    fn sample() -> Value {
        let text = Value::str("shared");
        let long = Value::str("long ".repeat(200));
        let map: Map = [(Value::str("k"), text.clone()), (Value::int(4), Value::NULL)].into_iter().collect();
        let inner = Value::array(vec![text.clone(), Value::float(1.5)]);
        Value::tuple(vec![
            inner.clone(),
            inner,
            map.into(),
            long.clone(),
            long,
            Value::structure(StructId(3), vec![Value::int(1), text]),
            Value::variant(EnumId(2), 1, vec![Value::duration(5)]),
            super::super::Range::new(1, 4, true).into(),
            super::super::Bytes::from(vec![1; 300]).into(),
            Error::new(kinds::IO_ERROR, "gone").with_cause(Error::new(kinds::OVERFLOW, "deep")).into(),
            Value::process(77),
        ])
    }

    #[test]
    fn a_copy_equals_its_original_keeps_sharing_and_is_charged_to_the_receiver_alone() {
        let start = heap::used();
        let original = sample();
        let held = heap::used();
        let message = Message::copy_of(&original).unwrap();
        assert_eq!(heap::used(), held, "the sender is not charged for the message");
        let bytes = message.size_bytes();
        let text = format!("{original:?}");
        drop(original);
        assert_eq!(heap::used(), start);

        std::thread::spawn(move || {
            let value = message.adopt();
            assert_eq!(heap::used() as usize + size_of::<Value>(), bytes);
            assert_eq!(format!("{value:?}"), text);
            let parts = value.as_record().unwrap().values();
            assert!(parts[0].as_array().unwrap().same_storage(parts[1].as_array().unwrap()));
            assert_eq!(parts[9].as_error().unwrap().cause().unwrap().message().as_str(), "deep");
            drop(value);
            assert_eq!(heap::used(), 0, "everything is credited");
        })
        .join()
        .unwrap();
    }

    #[test]
    fn a_message_that_is_never_read_costs_nobody() {
        let before = heap::used();
        drop(Message::copy_of(&sample()).unwrap());
        assert_eq!(heap::used(), before);
    }

    #[test]
    fn long_text_is_shared_and_short_text_is_copied() {
        let long = Value::str("x".repeat(super::super::text::SHARED_BYTES_MIN));
        let short = Value::str("x".repeat(super::super::text::SHARED_BYTES_MIN - 1));
        let copy = |value: &Value| Message::copy_of(value).unwrap().adopt();
        assert_eq!(copy(&long).as_text().unwrap().as_ptr(), long.as_text().unwrap().as_ptr());
        assert_ne!(copy(&short).as_text().unwrap().as_ptr(), short.as_text().unwrap().as_ptr());
    }

    #[test]
    fn deep_values_travel_and_futures_do_not() {
        let mut nested = Value::str("end");
        for _ in 0..100_000 {
            nested = Value::array(vec![nested]);
        }
        let copy = Message::copy_of(&nested).unwrap().adopt();
        assert!(equal::equal(&copy, &nested));
        let future: Value = Handle::new(Arc::new(Thing(HandleKind::Future))).into();
        let closure = Value::closure(FunctionId(1), vec![Value::int(1), future]);
        assert_eq!(Message::copy_of(&closure).unwrap_err().what, "a future");
        let child: Value = Handle::new(Arc::new(Thing(HandleKind::Process))).into();
        assert!(equal::equal(&Message::copy_of(&child).unwrap().adopt(), &child));
    }

    #[test]
    fn a_built_message_is_self_contained() {
        let text = Str::from("kept");
        let message = Message::build(|| Value::tuple(vec![text.clone().into(), Value::int(1)]));
        assert!(text.is_unique());
        assert_eq!(format!("{:?}", message.adopt()), "(\"kept\", 1)");
    }
}
