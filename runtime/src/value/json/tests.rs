//! JSON forms of values: written, read, and decoded by type.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use proptest::prelude::*;
use vega_bytecode::module::{EnumDefinition, FieldDefinition, StructDefinition, ToolParameter, VariantDefinition};
use vega_bytecode::{EnumId, Module, StructId, Type, TypeId};

use super::*;
use crate::value::{Bytes, equal, map::Map, print, schema};

struct Program {
    module: Module,
    item: TypeId,
    verdict: TypeId,
    tree: TypeId,
}

fn program() -> Program {
    let mut module = Module::default();
    let types = &mut module.types;
    let int = types.intern(Type::Int);
    let text = types.intern(Type::Str);
    let money = types.intern(Type::Money);
    let duration = types.intern(Type::Duration);
    let note = types.intern(Type::Optional(text));
    let tags = types.intern(Type::Array(text));
    let counts = types.intern(Type::Map(text, int));
    let pair = types.intern(Type::Tuple(vec![int, text]));
    let item = types.intern(Type::Struct(StructId(0), vec![]));
    let verdict = types.intern(Type::Enum(EnumId(0), vec![]));
    let tree = types.intern(Type::Struct(StructId(1), vec![]));
    let trees = types.intern(Type::Array(tree));
    let field = |name: &str, ty| FieldDefinition { name: name.to_string(), ty };
    module.structs.push(StructDefinition {
        name: "Item".to_string(),
        fields: vec![
            field("name", text),
            field("price", money),
            field("wait", duration),
            field("note", note),
            field("tags", tags),
            field("counts", counts),
            field("pair", pair),
            field("verdict", verdict),
        ],
    });
    module.structs.push(StructDefinition { name: "Tree".to_string(), fields: vec![field("children", trees)] });
    let variant = |name: &str, payload| VariantDefinition { name: name.to_string(), payload };
    module.enums.push(EnumDefinition {
        name: "Verdict".to_string(),
        variants: vec![
            variant("Approve", vec![]),
            variant("Reject", vec![field("", text)]),
            variant("Escalate", vec![field("to", text), field("level", int)]),
            variant("Range", vec![field("", int), field("", int)]),
        ],
    });
    Program { module, item, verdict, tree }
}

fn item() -> Value {
    let counts: Map = [(Value::str("a"), Value::int(1))].into_iter().collect();
    Value::structure(
        StructId(0),
        vec![
            Value::str("tea \"x\"\n"),
            Value::money(4_300_000_000),
            Value::duration(90_000_000_000),
            Value::NULL,
            Value::array(vec![Value::str("ä")]),
            counts.into(),
            Value::tuple(vec![Value::int(1), Value::str("b")]),
            Value::variant(EnumId(0), 2, vec![Value::str("boss"), Value::int(3)]),
        ],
    )
}

const ITEM_JSON: &str = r#"{"name":"tea \"x\"\n","price":"$0.0043","wait":"1m30s","note":null,"tags":["ä"],"counts":{"a":1},"pair":[1,"b"],"verdict":{"Escalate":{"to":"boss","level":3}}}"#;

#[test]
fn a_struct_is_written_in_declared_order_and_reads_back() {
    let program = program();
    assert_eq!(encode(&item(), &program.module).unwrap(), ITEM_JSON);
    let json = parse(ITEM_JSON).unwrap();
    let back = decode(&json, program.item, &program.module).unwrap();
    assert!(equal::equal(&back, &item()));
    assert_eq!(print::to_text(&json, &program.module), ITEM_JSON, "json prints compactly");
}

#[test]
fn variants_are_names_or_objects() {
    let Program { module, verdict, .. } = program();
    for (text, value) in [
        ("\"Approve\"", Value::unit_variant(EnumId(0), 0)),
        ("{\"Reject\":\"no\"}", Value::variant(EnumId(0), 1, vec![Value::str("no")])),
        ("{\"Range\":[1,2]}", Value::variant(EnumId(0), 3, vec![Value::int(1), Value::int(2)])),
    ] {
        assert_eq!(encode(&value, &module).unwrap(), text);
        assert!(equal::equal(&decode(&parse(text).unwrap(), verdict, &module).unwrap(), &value));
    }
    let problems = decode(&parse("\"Maybe\"").unwrap(), verdict, &module).unwrap_err();
    assert_eq!(problems_text(&problems), "expected one of Approve, Reject, Escalate, Range, found \"Maybe\"");
}

#[test]
fn every_place_that_does_not_fit_is_named() {
    let Program { module, item, .. } = program();
    let text = r#"{"name": 5, "wait": "soon", "tags": ["a", 1, {}], "counts": [{"key": "a", "value": 2}], "pair": [1], "verdict": {"Escalate": {"to": "x"}}, "more": 1}"#;
    let problems = decode(&parse(text).unwrap(), item, &module).unwrap_err();
    let texts: Vec<String> = problems.iter().map(Problem::to_string).collect();
    assert_eq!(
        texts,
        [
            "name: expected str, found 5",
            "price: is missing",
            "wait: expected a duration such as \"1m30s\", found \"soon\"",
            "tags[1]: expected str, found 1",
            "tags[2]: expected str, found an object",
            "pair: expected 2 elements, found 1",
            "verdict.Escalate.level: is missing",
        ]
    );
}

#[test]
fn a_value_without_object_is_wrapped_and_both_forms_are_accepted() {
    let Program { mut module, .. } = program();
    let int = module.types.intern(Type::Int);
    let ints = module.types.intern(Type::Array(int));
    for text in ["[1,2]", r#"{"value":[1,2]}"#] {
        let value = decode_wrapped(&parse(text).unwrap(), ints, &module).unwrap();
        assert_eq!(format!("{value:?}"), "[1, 2]");
    }
    assert_eq!(
        schema::reply_schema(ints, &module),
        r#"{"type":"object","properties":{"value":{"type":"array","items":{"type":"integer"}}},"required":["value"],"additionalProperties":false}"#
    );
}

#[test]
fn schemas_require_every_member_and_name_recursive_types() {
    let Program { mut module, verdict, tree, .. } = program();
    assert_eq!(
        schema::type_schema(verdict, &module),
        concat!(
            r#"{"anyOf":[{"type":"string","enum":["Approve"]},"#,
            r#"{"type":"object","properties":{"Reject":{"type":"string"}},"required":["Reject"],"additionalProperties":false},"#,
            r#"{"type":"object","properties":{"Escalate":{"type":"object","properties":{"to":{"type":"string"},"level":{"type":"integer"}},"#,
            r#""required":["to","level"],"additionalProperties":false}},"required":["Escalate"],"additionalProperties":false},"#,
            r#"{"type":"object","properties":{"Range":{"type":"array","items":{"anyOf":[{"type":"integer"},{"type":"integer"}]}}},"#,
            r#""required":["Range"],"additionalProperties":false}]}"#
        )
    );
    assert_eq!(
        schema::reply_schema(tree, &module),
        concat!(
            r##"{"type":"object","properties":{"children":{"type":"array","items":{"$ref":"#/$defs/Tree"}}},"required":["children"],"##,
            r##""additionalProperties":false,"$defs":{"Tree":{"type":"object","properties":{"children":{"type":"array","items":"##,
            r##"{"$ref":"#/$defs/Tree"}}},"required":["children"],"additionalProperties":false}}}"##
        )
    );
    let text = module.types.intern(Type::Str);
    let duration = module.types.intern(Type::Duration);
    let maybe = module.types.intern(Type::Optional(text));
    let parameter =
        |name: &str, description: &str, ty| ToolParameter { name: name.to_string(), description: description.to_string(), ty };
    let parameters =
        [parameter("path", "file to read", text), parameter("after", "how long", duration), parameter("note", "", maybe)];
    assert_eq!(
        schema::parameters_schema(&parameters, &module),
        concat!(
            r#"{"type":"object","properties":{"path":{"type":"string","description":"file to read"},"#,
            r#""after":{"type":"string","description":"how long (a duration such as 1m30s or 250ms)"},"#,
            r#""note":{"anyOf":[{"type":"string"},{"type":"null"}]}},"required":["path","after","note"],"additionalProperties":false}"#
        )
    );
}

#[test]
fn what_has_no_json_form_is_an_error() {
    let Program { module, .. } = program();
    let error = encode(&Value::array(vec![Value::process(4)]), &module).unwrap_err();
    assert_eq!(error.summary(&module), "JsonError: a process has no JSON form");
    assert!(encode(&Value::float(f64::INFINITY), &module).is_err());
    assert_eq!(encode(&Bytes::from(vec![0, 255]).into(), &module).unwrap(), "\"AP8=\"");
}

#[test]
fn bad_text_is_refused_with_its_position() {
    for (text, problem) in [
        ("", "the text ends where a value is expected at line 1, column 1"),
        ("[1,\n 2", "expected `,` or `]` at line 2, column 3"),
        ("{\"a\" 1}", "expected `:` at line 1, column 6"),
        ("01", "a number does not begin with 0 at line 1, column 3"),
        ("1.", "expected a digit at line 1, column 3"),
        ("1e999", "the number is out of range at line 1, column 6"),
        ("\"ä\u{1}\"", "a control character in a string must be escaped at line 1, column 3"),
        ("\"\\ud800\"", "half of a surrogate pair at line 1, column 8"),
        ("truth", "expected a value at line 1, column 1"),
        ("1 2", "expected the end of the text at line 1, column 3"),
    ] {
        assert_eq!(parse(text).unwrap_err().to_string(), problem, "{text:?}");
    }
    assert!(parse(&"[".repeat(DEPTH_MAX + 1)).unwrap_err().message.contains("nested"));
    assert!(parse(&format!("{}{}", "[".repeat(DEPTH_MAX), "]".repeat(DEPTH_MAX))).is_ok());
    assert_eq!(parse("\"\\ud83d\\ude00\\u00e4\"").unwrap().as_text(), Some("😀ä"));
    // Beyond 64 bits the digits are kept; a number is made of them only where one is wanted.
    let large = parse("12345678901234567890").unwrap();
    assert_eq!((kind(&large), format!("{large:?}")), ("number", "12345678901234567890".to_string()));
    assert_eq!(large.seen_plainly().as_float(), Some(1.2345678901234567e19));
}

/// Natives run on stacks of 256 KiB, of which a reader may take a part.
const STACK_BYTES: usize = 192 * 1024;

#[test]
fn the_deepest_json_is_read_decoded_and_written_on_a_small_stack() {
    let work = || {
        let Program { mut module, tree, .. } = program();
        let any = module.types.intern(Type::Any);
        let text = format!("{}{}", "[".repeat(DEPTH_MAX), "]".repeat(DEPTH_MAX));
        let json = parse(&text).unwrap();
        assert_eq!(encode(&decode(&json, any, &module).unwrap(), &module).unwrap(), text);
        let half = DEPTH_MAX / 2;
        let text = format!("{}{{\"children\":[]}}{}", "{\"children\":[".repeat(half - 1), "]}".repeat(half - 1));
        let value = decode(&parse(&text).unwrap(), tree, &module).unwrap();
        assert_eq!(encode(&value, &module).unwrap(), text);
        let objects = format!("{}1{}", "{\"a\":".repeat(DEPTH_MAX), "}".repeat(DEPTH_MAX));
        assert!(parse(&objects).is_ok());
    };
    std::thread::Builder::new().stack_size(STACK_BYTES).spawn(work).unwrap().join().unwrap();
}

#[test]
fn pretty_text_has_a_line_for_each_member() {
    let Program { module, .. } = program();
    let json = parse(r#"{"a":[1,{}],"b":[]}"#).unwrap();
    assert_eq!(encode_pretty(&json, &module).unwrap(), "{\n  \"a\": [\n    1,\n    {}\n  ],\n  \"b\": []\n}");
}

#[test]
fn durations_and_amounts_read_their_own_text() {
    assert_eq!(parse_duration("1h30m"), Some(5_400_000_000_000));
    assert_eq!(parse_duration("1.5s"), Some(1_500_000_000));
    assert_eq!(parse_duration("250ms"), Some(250_000_000));
    assert_eq!((parse_duration(""), parse_duration("5"), parse_duration("1x"), parse_duration(".s")), (None, None, None, None));
    assert_eq!(parse_money("$0.0043"), Some(4_300_000_000));
    assert_eq!((parse_money("-$1.00"), parse_money("$-1")), (Some(-1_000_000_000_000), Some(-1_000_000_000_000)));
    assert_eq!((parse_money("$"), parse_money("1.0000000000001"), parse_money("--1")), (None, None, None));
}

/// JSON values with what is special about text and numbers.
fn any_json() -> impl Strategy<Value = serde_like::Json> {
    serde_like::json()
}

/// A model of JSON that may cross threads, which values may not.
mod serde_like {
    use super::*;

    #[derive(Clone, Debug)]
    pub(super) enum Json {
        Null,
        Bool(bool),
        Int(i64),
        Float(f64),
        Text(String),
        Array(Vec<Json>),
        Object(Vec<(String, Json)>),
    }

    pub(super) fn json() -> impl Strategy<Value = Json> {
        let leaf = prop_oneof![
            Just(Json::Null),
            any::<bool>().prop_map(Json::Bool),
            any::<i64>().prop_map(Json::Int),
            proptest::num::f64::NORMAL.prop_map(Json::Float),
            any::<String>().prop_map(Json::Text),
        ];
        leaf.prop_recursive(6, 64, 8, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..8).prop_map(Json::Array),
                proptest::collection::vec((any::<String>(), inner), 0..8).prop_map(Json::Object),
            ]
        })
    }

    impl Json {
        pub(super) fn value(&self) -> Value {
            match self {
                Json::Null => Value::NULL,
                Json::Bool(value) => Value::bool(*value),
                Json::Int(value) => Value::int(*value),
                Json::Float(value) => Value::float(*value),
                Json::Text(text) => Value::str(text.as_str()),
                Json::Array(values) => Value::array(values.iter().map(Json::value).collect()),
                Json::Object(members) => {
                    members.iter().map(|(name, member)| (Value::str(name.as_str()), member.value())).collect::<Map>().into()
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn json_reads_back_what_was_written(model in any_json()) {
        let module = Module::default();
        let value = model.value();
        for text in [encode(&value, &module).unwrap(), encode_pretty(&value, &module).unwrap()] {
            let back = parse(&text).unwrap();
            prop_assert!(equal::equal(&back, &value), "{}", text);
            prop_assert_eq!(encode(&back, &module).unwrap(), encode(&value, &module).unwrap());
        }
    }

    #[test]
    fn no_text_makes_the_reader_fail_otherwise_than_by_a_problem(text in any::<String>(), json in any_json(), cut in any::<prop::sample::Index>()) {
        let _ = parse(&text);
        let whole = encode(&json.value(), &Module::default()).unwrap();
        let cut = whole.floor_char_boundary(cut.index(whole.len() + 1));
        let _ = parse(&whole[..cut]);
    }

    #[test]
    fn durations_and_amounts_read_back(number in any::<i64>()) {
        let mut text = String::new();
        print::write_duration(number, &mut text);
        prop_assert_eq!(parse_duration(&text), Some(number));
        text.clear();
        print::write_money(number, &mut text);
        prop_assert_eq!(parse_money(&text), Some(number));
    }

    #[test]
    fn floats_print_so_that_they_read_back(number in any::<f64>()) {
        let mut text = String::new();
        print::write_float(number, &mut text);
        prop_assert!(number.is_nan() || text.parse::<f64>().unwrap() == number);
        prop_assert!(!number.is_finite() || text.contains(['.', 'e']));
    }
}
