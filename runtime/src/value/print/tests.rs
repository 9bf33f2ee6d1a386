//! The table of how each type prints.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use vega_bytecode::module::{EnumDefinition, FieldDefinition, Function, StructDefinition, VariantDefinition};
use vega_bytecode::{FunctionId, TypeId, kinds};

use super::*;
use crate::error::Error;
use crate::value::{Bytes, Range, Secret, json};

fn module() -> Module {
    let mut module = Module::default();
    module.kinds = kinds::built_in_definitions(&mut module.types);
    let field = |name: &str| FieldDefinition { name: name.to_string(), ty: TypeId(0) };
    let variant = |name: &str, payload| VariantDefinition { name: name.to_string(), payload };
    module.structs.push(StructDefinition { name: "shapes::Point".to_string(), fields: vec![field("x"), field("y")] });
    module.structs.push(StructDefinition { name: "Empty".to_string(), fields: vec![] });
    module.enums.push(EnumDefinition {
        name: "Verdict".to_string(),
        variants: vec![variant("Approve", vec![]), variant("Reject", vec![field("")]), variant("Escalate", vec![field("to")])],
    });
    module.functions.push(Function { name: "main".to_string(), ..Function::default() });
    module
}

#[track_caller]
fn prints(value: Value, top: &str, nested: &str) {
    let module = module();
    assert_eq!(to_text(&value, &module), top);
    assert_eq!(to_text(&Value::array(vec![value]), &module), format!("[{nested}]"));
}

#[track_caller]
fn prints_alike(value: Value, text: &str) {
    prints(value, text, text);
}

#[test]
fn numbers_and_words() {
    prints_alike(Value::int(-42), "-42");
    prints_alike(Value::bool(true), "true");
    prints_alike(Value::NULL, "null");
    prints_alike(Value::float(3.0), "3.0");
    prints_alike(Value::float(0.1), "0.1");
    prints_alike(Value::float(1e21), "1e21");
    prints_alike(Value::float(-0.0), "-0.0");
    prints_alike(Value::float(f64::INFINITY), "inf");
    prints_alike(Value::float(f64::NEG_INFINITY), "-inf");
    prints_alike(Value::float(f64::NAN), "nan");
}

#[test]
fn text_is_quoted_inside_of_containers_only() {
    prints(Value::str("quoted\n\"a\"\\\t\0\u{7}ä"), "quoted\n\"a\"\\\t\0\u{7}ä", r#""quoted\n\"a\"\\\t\0\u{7}ä""#);
    prints(Value::str(""), "", "\"\"");
}

#[test]
fn containers() {
    prints_alike(Value::array(vec![Value::int(1), Value::array(vec![])]), "[1, []]");
    let map: Map = [(Value::str("a"), Value::int(1)), (Value::int(2), Value::str("x"))].into_iter().collect();
    prints_alike(map.into(), r#"{"a": 1, 2: "x"}"#);
    prints_alike(Map::new().into(), "{}");
    prints_alike(Value::tuple(vec![Value::int(1), Value::str("a")]), r#"(1, "a")"#);
    prints_alike(Value::from(Range::new(0, 3, false)), "0..3");
    prints_alike(Value::from(Range::new(0, 3, true)), "0..=3");
}

#[test]
fn structs_and_variants_have_their_names() {
    prints_alike(Value::structure(StructId(0), vec![Value::int(1), Value::str("a")]), r#"Point { x: 1, y: "a" }"#);
    prints_alike(Value::structure(StructId(1), vec![]), "Empty {}");
    prints_alike(Value::unit_variant(EnumId(0), 0), "Approve");
    prints_alike(Value::variant(EnumId(0), 1, vec![Value::str("x")]), r#"Reject("x")"#);
    prints_alike(Value::variant(EnumId(0), 2, vec![Value::str("a")]), r#"Escalate { to: "a" }"#);
    prints_alike(Value::ok(Value::int(5)), "Ok(5)");
    prints_alike(Value::err(Value::str("x")), r#"Err("x")"#);
}

#[test]
fn money_and_durations() {
    const DOLLAR: i64 = 1_000_000_000_000;
    for (amount, text) in [
        (DOLLAR / 2, "$0.50"),
        (60 * DOLLAR + 32 * DOLLAR / 100, "$60.32"),
        (43 * DOLLAR / 10_000, "$0.0043"),
        (-DOLLAR, "-$1.00"),
        (0, "$0.00"),
        (1, "$0.000000000001"),
        (i64::MIN, "-$9223372.036854775808"),
    ] {
        prints_alike(Value::money(amount), text);
    }
    for (nanoseconds, text) in [
        (5_400_000_000_000, "1h30m"),
        (90_000_000_000, "1m30s"),
        (1_500_000_000, "1.5s"),
        (250_000_000, "250ms"),
        (0, "0s"),
        (1_500_000, "1.5ms"),
        (1_500, "1.5us"),
        (1, "0.001us"),
        (-2_000_000_000, "-2s"),
        (86_400_000_000_000 + 500_000_000, "1d0.5s"),
    ] {
        prints_alike(Value::duration(nanoseconds), text);
    }
}

#[test]
fn errors_bytes_functions_and_secrets() {
    prints_alike(Error::new(kinds::IO_ERROR, "gone").into(), "IoError: gone");
    prints_alike(Error::new(kinds::OVERLOADED, "").into(), "Overloaded");
    prints_alike(Bytes::from(vec![0x68, 0x65, 0x6c]).into(), "bytes[68 65 6c]");
    let long = format!("bytes[{} … 40]", vec!["00"; 32].join(" "));
    prints_alike(Bytes::from(vec![0; 40]).into(), &long);
    prints_alike(Value::function(FunctionId(0)), "<fn main>");
    prints_alike(Value::closure(FunctionId(0), vec![Value::int(1)]), "<fn main>");
    prints_alike(Value::process(12), "<process 12>");
    prints_alike(Secret::new("key".into()).into(), "***");
}

#[test]
fn json_prints_as_json_wherever_it_stands() {
    prints_alike(json::parse(r#"{"a": [1, "x", null]}"#).unwrap(), r#"{"a":[1,"x",null]}"#);
    prints_alike(json::parse("\"x\\n\"").unwrap(), "\"x\\n\"");
}
