//! Values as JSON text and back.
//!
//! A value of type `json` is made of ordinary values (null, bool, int, float, `str`, array, map) whose cells are marked; everything
//! inside is marked too, so taking a part out costs nothing. An integer beyond 64 bits is kept as it is written: its digits are
//! bytes that are marked, which nothing else in JSON is.
//!
//! Invariant: JSON that is read or converted nests at most [`DEPTH_MAX`] deep.

use vega_bytecode::{Module, kinds};

use super::{Value, View, print};
use crate::error::Error;

mod decode; // JSON to values of a wanted type
mod parse; // JSON text to `json`

pub use super::amount::{parse_duration, parse_money};
pub use decode::{Problem, decode, decode_wrapped, problems_text};
pub use parse::{Raw, SyntaxProblem, parse, raw_elements, raw_members};

/// How deep arrays and objects may nest.
pub const DEPTH_MAX: usize = 128;

/// The JSON text of a value: struct fields in declared order, variants as their name or `{"Name": payload}`, money and durations as
/// their literal in a string. Fails on functions, handles, secrets and floats without a number.
pub fn encode(value: &Value, module: &Module) -> Result<String, Error> {
    print::json_text(value, module, false)
}

/// The same with a line for each member, indented by two blanks.
pub fn encode_pretty(value: &Value, module: &Module) -> Result<String, Error> {
    print::json_text(value, module, true)
}

/// The value as `json`.
pub fn to_json(value: &Value, module: &Module) -> Result<Value, Error> {
    if value.is_json() || matches!(value.view(), View::Null | View::Bool(_) | View::Int(_) | View::Str(_)) {
        return Ok(value.clone().seen_as_json());
    }
    // The text is the definition of a value's JSON form; reading it again keeps this in one place.
    parse(&encode(value, module)?).map_err(|problem| Error::new(kinds::JSON_ERROR, problem.to_string()))
}

/// The name of a JSON value's kind: `object`, `array`, `string`, `number`, `bool`, `null`.
pub fn kind(value: &Value) -> &'static str {
    match value.view() {
        View::Null => "null",
        View::Bool(_) => "bool",
        View::Int(_) | View::Float(_) | View::Bytes(_) => "number",
        View::Str(_) => "string",
        View::Array(_) => "array",
        _ => "object",
    }
}

#[cfg(test)]
mod tests;
