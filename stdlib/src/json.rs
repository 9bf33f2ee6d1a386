//! `json`: text, values, and the accessors that work on JSON text directly.

use vega_bytecode::{Module, kinds};
use vega_runtime::error::Error;
use vega_runtime::native::{NativeContext, NativeTable, Outcome};
use vega_runtime::value::{Array, Value, View, is_type, json};

use crate::arguments::{Computed, any, computed, error, int, invalid, outside, string, text};

computed! {
    "json::parse" / 1 => |a, _| parse(text(a, 0)?);
    "json::stringify" / 1 => |a, module| json::encode(any(a, 0)?, module).map(Value::str);
    "json::pretty" / 1 => |a, module| json::encode_pretty(any(a, 0)?, module).map(Value::str);
    "json::encode" / 1 => |a, module| json::to_json(any(a, 0)?, module);
    "json::get" / 2 => |a, _| get(a);
    "json::len" / 1 => |a, _| len(any(a, 0)?);
    "json::keys" / 1 => |a, _| keys(any(a, 0)?);
    "json::kind" / 1 => |a, _| Ok(Value::str(json::kind(any(a, 0)?)));
    "json::get_string" / 2 => |a, _| member(a).map(|raw| Value::str(raw.text()));
    "json::get_int" / 2 => |a, _| number(a, "int");
    "json::get_float" / 2 => |a, _| number(a, "float");
    "json::get_bool" / 2 => |a, _| truth(a);
    "json::get_array" / 2 => |a, _| raw_array(a);
    "json::array_len" / 1 => |a, _| elements(text(a, 0)?).map(|elements| Value::int(elements.len() as i64));
    "json::array_get" / 2 => |a, _| element(a);
}

/// Natives that need more than their arguments.
pub(crate) fn register(table: &mut NativeTable) {
    table.add("json::decode", 1, |context, arguments| {
        context.charge(crate::arguments::cost(arguments));
        let ty = context.result_type().ok_or_else(|| error(kinds::JSON_ERROR, "the wanted type is not known"))?;
        decode(any(arguments, 0)?, ty, context.module()).map(Outcome::Value)
    });
}

fn parse(text: &str) -> Computed {
    json::parse(text).map_err(|problem| error(kinds::JSON_ERROR, problem.to_string()))
}

/// Text is read first, unless it is text that is already `json`.
fn decode(value: &Value, ty: vega_bytecode::TypeId, module: &Module) -> Computed {
    let parsed = match value.as_text() {
        Some(text) if !value.is_json() => parse(text)?,
        _ if value.is_json() => value.clone(),
        _ => json::to_json(value, module)?,
    };
    json::decode(&parsed, ty, module).map_err(|problems| {
        let message = format!("no {}: {}", is_type::type_name(ty, module), json::problems_text(&problems));
        error(kinds::JSON_ERROR, message)
    })
}

/// Data as a value of the type that the program wants as the result.
pub(crate) fn decoded(context: &NativeContext<'_>, data: &serde_json::Value) -> Computed {
    let ty = context.result_type().ok_or_else(|| invalid("the wanted type is not known"))?;
    let parsed = json::parse(&data.to_string()).map_err(problem)?;
    json::decode(&parsed, ty, context.module()).map_err(|problems| error(kinds::JSON_ERROR, json::problems_text(&problems)))
}

fn get(arguments: &mut [Value]) -> Computed {
    let member = any(arguments, 0)?.as_map().and_then(|map| map.get_text(arguments.get(1)?.as_text()?));
    Ok(member.cloned().unwrap_or_default())
}

fn len(value: &Value) -> Computed {
    match value.view() {
        View::Str(text) => Ok(Value::int(text.len() as i64)),
        View::Array(array) => Ok(Value::int(array.len() as i64)),
        View::Map(map) => Ok(Value::int(map.len() as i64)),
        _ => Err(error(kinds::JSON_ERROR, format!("a {} has no length", json::kind(value)))),
    }
}

fn keys(value: &Value) -> Computed {
    match value.as_map() {
        Some(map) => Ok(map.iter().map(|(key, _)| key.clone()).collect::<Array>().into()),
        None => Err(error(kinds::JSON_ERROR, format!("a {} has no keys", json::kind(value)))),
    }
}

fn problem(problem: json::SyntaxProblem) -> Error {
    error(kinds::JSON_ERROR, problem.to_string())
}

/// The member of a JSON text that the second argument names.
fn member(arguments: &[Value]) -> Result<json::Raw, Error> {
    let (whole, key) = (text(arguments, 0)?, text(arguments, 1)?);
    let members = json::raw_members(whole).map_err(problem)?;
    // Of members with one name the last counts.
    let found = members.into_iter().rev().find(|(name, _)| name == key);
    found.map(|(_, raw)| raw).ok_or_else(|| error(kinds::KEY_NOT_FOUND, format!("{key:?}")))
}

fn number(arguments: &[Value], wanted: &str) -> Computed {
    let raw = member(arguments)?;
    let value = match (raw.value.view(), wanted) {
        (View::Int(number), "int") => Some(Value::int(number)),
        (View::Int(number), _) => Some(Value::float(number as f64)),
        (View::Float(number), "float") => Some(Value::float(number)),
        (View::Bytes(_), "int") => {
            return Err(error(kinds::JSON_ERROR, format!("{} does not fit an int", raw.written)));
        }
        (View::Bytes(_), _) => Some(raw.value.seen_plainly()),
        _ => None,
    };
    value.ok_or_else(|| error(kinds::JSON_ERROR, format!("expected {wanted}, found {}", raw.written)))
}

fn truth(arguments: &[Value]) -> Computed {
    let raw = member(arguments)?;
    let value = raw.value.as_bool().map(Value::bool);
    value.ok_or_else(|| error(kinds::JSON_ERROR, format!("expected bool, found {}", raw.written)))
}

fn raw_array(arguments: &[Value]) -> Computed {
    let raw = member(arguments)?;
    if raw.value.as_array().is_none() {
        return Err(error(kinds::JSON_ERROR, format!("expected an array, found {}", raw.written)));
    }
    Ok(Value::str(raw.written))
}

fn elements(text: &str) -> Result<Vec<json::Raw>, Error> {
    json::raw_elements(text).map_err(problem)
}

fn element(arguments: &[Value]) -> Computed {
    let (whole, index) = (string(arguments, 0)?, int(arguments, 1)?);
    let mut elements = elements(whole.as_str())?;
    match usize::try_from(index).ok().filter(|&index| index < elements.len()) {
        Some(index) => Ok(Value::str(elements.swap_remove(index).text())),
        None => Err(outside(index, elements.len())),
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{fails, shows};

    const TEXT: &str = r#"{"name": "tea", "price": 1.50, "count": 3, "hot": true, "tags": ["a", 2.0, {"x": 1}]}"#;

    #[test]
    fn members_of_json_text_are_given_as_they_are_written() {
        shows("json::get_string", (TEXT, "name"), "\"tea\"");
        shows("json::get_string", (TEXT, "price"), "\"1.50\"");
        shows("json::get_int", (TEXT, "count"), "3");
        shows("json::get_float", (TEXT, "count"), "3.0");
        shows("json::get_bool", (TEXT, "hot"), "true");
        shows("json::get_array", (TEXT, "tags"), r#""[\"a\", 2.0, {\"x\": 1}]""#);
        fails("json::get_int", (TEXT, "name"), "JsonError: expected int, found \"tea\"");
        fails("json::get_int", (TEXT, "size"), "KeyNotFound: \"size\"");
        fails("json::get_int", ("[", "size"), "JsonError: expected an object at line 1, column 1");
        shows("json::array_len", ("[1, [2, 3]]",), "2");
        shows("json::array_get", ("[\"a\", 2.0, {\"x\": 1}]", 1), "\"2.0\"");
        shows("json::array_get", ("[\"a\", 2.0]", 0), "\"a\"");
        fails("json::array_get", ("[]", 0), "IndexOutOfBounds: index 0, length 0");
    }

    #[test]
    fn json_is_read_and_written() {
        shows("json::parse", ("[1, {\"a\": null}]",), "[1,{\"a\":null}]");
        fails("json::parse", ("[1",), "JsonError: expected `,` or `]` at line 1, column 3");
        shows("json::stringify", ("a\"b",), r#""\"a\\\"b\"""#);
        shows("json::encode", ("a",), "\"a\"");
    }
}
