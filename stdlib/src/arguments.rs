//! Reading the arguments of natives.
//!
//! The compiler has checked their types; what still does not fit comes from a damaged or hostile program and is an error like any
//! other, never a fault.

use vega_bytecode::{KindId, Module, kinds};
use vega_runtime::error::Error;
use vega_runtime::native::NativeFunction;
use vega_runtime::value::{Array, Bytes, Map, Range, Str, Value, View, heap};

/// What a native computes.
pub(crate) type Computed = Result<Value, Error>;

/// A native that computes from its arguments and the program's definitions alone: it touches nothing else and never blocks.
pub(crate) type Compute = fn(&mut [Value], &Module) -> Computed;

/// One such native.
pub(crate) struct Native {
    pub(crate) name: &'static str,
    pub(crate) arity: u8,
    pub(crate) call: NativeFunction,
    /// The same without what surrounds a running process.
    #[cfg(test)]
    pub(crate) compute: Compute,
}

/// Makes the list of a module's computing natives: `"module::name" / number of arguments => function;`
macro_rules! computed {
    ($($name:literal / $arity:literal => $function:expr;)+) => {
        pub(crate) const COMPUTED: &[$crate::arguments::Native] = &[$({
            const COMPUTE: $crate::arguments::Compute = $function;
            $crate::arguments::Native {
                name: $name,
                arity: $arity,
                call: |context, arguments| {
                    context.charge($crate::arguments::cost(arguments));
                    COMPUTE(arguments, context.module()).map(vega_runtime::native::Outcome::Value)
                },
                #[cfg(test)]
                compute: COMPUTE,
            }
        }),+];
    };
}
pub(crate) use computed;

/// How many reductions a call with these arguments costs, besides the one of every call: one for every so much data.
pub(crate) fn cost(arguments: &[Value]) -> u32 {
    let units = arguments.iter().map(|value| match value.view() {
        View::Str(text) => text.as_str().len() / TEXT_BYTES_PER_REDUCTION,
        View::Bytes(bytes) => bytes.len() / TEXT_BYTES_PER_REDUCTION,
        View::Array(array) => array.len() / ELEMENTS_PER_REDUCTION,
        View::Map(map) => map.len() / ELEMENTS_PER_REDUCTION,
        _ => 0,
    });
    u32::try_from(units.sum::<usize>()).unwrap_or(u32::MAX)
}

/// Text that is looked through in about the time of one reduction.
const TEXT_BYTES_PER_REDUCTION: usize = 256;
/// Elements that are looked through in about the time of one reduction.
const ELEMENTS_PER_REDUCTION: usize = 8;

fn wrong(index: usize, expected: &str) -> Error {
    Error::with_payload(
        kinds::TYPE_MISMATCH,
        format!("argument {} is no {expected}", index + 1),
        vec![expected.into(), Value::NULL],
    )
}

macro_rules! readers {
    ($($(#[doc = $doc:literal])+ $name:ident -> $ty:ty, $method:ident, $expected:literal;)+) => {
        $($(#[doc = $doc])+
        pub(crate) fn $name(arguments: &[Value], index: usize) -> Result<$ty, Error> {
            arguments.get(index).and_then(Value::$method).ok_or_else(|| wrong(index, $expected))
        })+
    };
}

readers! {
    /// An int.
    int -> i64, as_int, "int";
    /// Nanoseconds of a duration.
    duration -> i64, as_duration, "duration";
    /// Pico-dollars of an amount.
    money -> i64, as_money, "money";
    /// A truth value.
    boolean -> bool, as_bool, "bool";
    /// Text, as a handle.
    string -> &Str, as_str, "str";
    /// Text.
    text -> &str, as_text, "str";
    /// Bytes.
    bytes -> &Bytes, as_bytes, "bytes";
    /// An array.
    array -> &Array, as_array, "array";
    /// A map.
    map -> &Map, as_map, "map";
    /// A range.
    range -> &Range, as_range, "range";
    /// A caught error.
    caught -> &Error, as_error, "Error";
}

/// A float, or an int as one.
pub(crate) fn float(arguments: &[Value], index: usize) -> Result<f64, Error> {
    let value = arguments.get(index);
    value.and_then(|value| value.as_float().or_else(|| value.as_int().map(|int| int as f64))).ok_or_else(|| wrong(index, "float"))
}

/// An array to change in place.
pub(crate) fn array_mut(arguments: &mut [Value], index: usize) -> Result<&mut Array, Error> {
    arguments.get_mut(index).and_then(Value::as_array_mut).ok_or_else(|| wrong(index, "array"))
}

/// A map to change in place.
pub(crate) fn map_mut(arguments: &mut [Value], index: usize) -> Result<&mut Map, Error> {
    arguments.get_mut(index).and_then(Value::as_map_mut).ok_or_else(|| wrong(index, "map"))
}

/// Bytes to change in place.
pub(crate) fn bytes_mut(arguments: &mut [Value], index: usize) -> Result<&mut Bytes, Error> {
    arguments.get_mut(index).and_then(Value::as_bytes_mut).ok_or_else(|| wrong(index, "bytes"))
}

/// Any value.
pub(crate) fn any(arguments: &[Value], index: usize) -> Result<&Value, Error> {
    arguments.get(index).ok_or_else(|| wrong(index, "value"))
}

/// Any value, moved out.
pub(crate) fn take(arguments: &mut [Value], index: usize) -> Result<Value, Error> {
    arguments.get_mut(index).map(Value::take).ok_or_else(|| wrong(index, "value"))
}

/// A number that counts something.
pub(crate) fn count(arguments: &[Value], index: usize) -> Result<usize, Error> {
    let number = int(arguments, index)?;
    usize::try_from(number).map_err(|_| invalid(format!("{number} is negative")))
}

/// An error of a kind.
pub(crate) fn error(kind: KindId, message: impl Into<Str>) -> Error {
    Error::new(kind, message)
}

/// The argument cannot be worked with.
pub(crate) fn invalid(message: impl Into<Str>) -> Error {
    Error::new(kinds::INVALID_ARGUMENT, message)
}

/// The index lies outside.
pub(crate) fn outside(index: i64, len: usize) -> Error {
    Error::new(kinds::INDEX_OUT_OF_BOUNDS, format!("index {index}, length {len}"))
}

/// The number does not fit.
pub(crate) fn overflow(what: &str) -> Error {
    Error::new(kinds::OVERFLOW, format!("{what} does not fit an int"))
}

/// Checks before something large is made that the process may hold it.
pub(crate) fn room(bytes: Option<usize>) -> Result<(), Error> {
    match bytes {
        Some(bytes) if heap::has_room(bytes) && bytes <= isize::MAX as usize => Ok(()),
        _ => Err(Error::new(kinds::LIMIT_REACHED, "heap")),
    }
}
