//! Values as programs notice them: copies, sharing, storage that is given back.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;
use crate::process::ExitReason;

#[test]
fn a_value_is_sixteen_bytes_and_any_payload_reads_as_a_number() {
    assert_eq!(size_of::<Value>(), 16);
    assert_eq!(Value::NULL.int_bits(), 0);
    assert!(Value::bool(true).bool_bits());
    assert!(Value::str("x").float_bits().to_bits() != 0);
    let frame = Frame { function: 7, pc: 0xffff_ffff, base: 12 };
    assert_eq!(Value::frame(frame).frame_bits(), frame);
    assert!(!Value::frame(frame).is_heap());
}

#[test]
fn changing_a_copy_leaves_the_original() {
    let mut one = Value::array(vec![Value::int(1), Value::int(2)]);
    let two = one.clone();
    one.as_array_mut().unwrap().push(Value::int(3));
    *one.as_array_mut().unwrap().get_mut(0).unwrap() = Value::int(9);
    assert_eq!(format!("{one:?} {two:?}"), "[9, 2, 3] [1, 2]");

    let mut text = Value::str("ab");
    let copy = text.clone();
    text.as_str_mut().unwrap().push_str("c");
    assert_eq!((text.as_text(), copy.as_text()), (Some("abc"), Some("ab")));

    let mut point = Value::structure(StructId(0), vec![Value::int(1), Value::str("x")]);
    let copy = point.clone();
    point.as_record_mut().unwrap().values_mut()[0] = Value::int(5);
    assert!(equal::equal(&copy.as_record().unwrap().values()[0], &Value::int(1)));
    assert!(equal::equal(&point.as_record().unwrap().values()[0], &Value::int(5)));
}

#[test]
fn appending_to_unshared_storage_happens_in_place() {
    let mut array = Value::array(vec![]);
    for number in 0..100_000 {
        array.as_array_mut().unwrap().push(Value::int(number));
    }
    let address = array.as_array().unwrap().as_slice().as_ptr();
    *array.as_array_mut().unwrap().get_mut(5).unwrap() = Value::NULL;
    assert_eq!(array.as_array().unwrap().as_slice().as_ptr(), address);
    let mut text = Str::from("");
    for _ in 0..100_000 {
        text.push_str("ä");
    }
    assert_eq!((text.len(), text.as_str().len()), (100_000, 200_000));
}

#[test]
fn storage_is_credited_when_the_last_copy_goes() {
    let before = heap::used();
    {
        let text = Value::str("x".repeat(1000));
        assert!(heap::used() >= before + 1000);
        let mut map = Map::new();
        for number in 0..100 {
            map.insert(Value::int(number), text.clone());
        }
        for number in 0..90 {
            map.remove(&Value::int(number));
        }
        let all = Value::tuple(vec![map.into(), text, Value::array(vec![Value::str("a"), Value::ok(Value::str("b"))])]);
        let mut copy = all.clone();
        copy.as_record_mut().unwrap().values_mut()[0] = Value::from(Range::new(0, 3, false));
        assert!(heap::used() > before);
    }
    assert_eq!(heap::used(), before);
}

#[test]
fn a_deep_structure_is_dropped_on_a_small_stack() {
    let thread = std::thread::Builder::new().stack_size(128 * 1024);
    let work = || {
        let before = heap::used();
        let mut list = Value::NULL;
        for number in 0..1_000_000 {
            list = Value::variant(EnumId(1), 0, vec![Value::int(number), list]);
        }
        let mut nested = Value::NULL;
        for _ in 0..300_000 {
            nested = Value::array(vec![nested]);
            let mut map = Map::new();
            map.insert(Value::str("inner"), nested);
            nested = map.into();
        }
        let copy = nested.clone();
        assert!(equal::equal(&copy, &nested));
        assert!(format!("{nested:?}").len() > 300_000);
        drop((list, nested, copy));
        assert_eq!(heap::used(), before);
    };
    thread.spawn(work).unwrap().join().unwrap();
}

/// A value of a few objects that stands for 2^60 elements.
fn shared_without_end() -> Value {
    (0..60).fold(Value::array(vec![]), |value, _| Value::array(vec![value.clone(), value]))
}

#[test]
fn values_that_share_their_parts_are_compared_tested_sent_and_printed_in_bounded_time() {
    let mut module = vega_bytecode::Module::default();
    let any = module.types.intern(vega_bytecode::Type::Any);
    let anys = module.types.intern(vega_bytecode::Type::Array(any));
    let nested = (0..60).fold(anys, |ty, _| module.types.intern(vega_bytecode::Type::Array(ty)));
    let (one, two) = (shared_without_end(), shared_without_end());
    assert!(equal::equal(&one, &two));
    assert!(is_type::is_type(&one, nested, &module));
    let copy = copy::Message::copy_of(&one).unwrap();
    assert!(copy.size_bytes() < 10_000);
    let before = heap::enter(heap::Account::with_limit(heap::used() as usize + 1_000_000));
    let shown = print::text(&one, &module);
    assert_eq!(shown.unwrap_err().message().as_str(), "string");
    assert!(print::to_text(&one, &module).ends_with('…'));
    assert!(json::encode(&one, &module).is_err());
    heap::enter(before);
}

#[test]
fn text_is_indexed_by_characters() {
    let text = Str::from("aäb😀");
    assert_eq!(text.len(), 4);
    assert_eq!(text.character(3), Some('😀'));
    assert_eq!(text.character(4), None);
    assert_eq!(text.character(-1), None);
    assert_eq!(text.slice(1..3).unwrap().as_str(), "äb");
    assert_eq!(text.slice(4..4).unwrap().as_str(), "");
    assert!(text.slice(2..5).is_none() && text.slice(std::ops::Range { start: 3, end: 2 }).is_none());
    let plain = Str::from("abc");
    assert_eq!((plain.character(1), plain.slice(1..3).unwrap().as_str()), (Some('b'), "bc"));
}

#[test]
fn long_text_changes_apart_from_what_shares_it() {
    let mut text = Str::from("x".repeat(1000));
    let borrowed = text.as_str().as_ptr();
    let shared = text.to_shared();
    assert_eq!(text.as_str().as_ptr(), borrowed, "sharing does not copy");
    text.push_str("y");
    assert_eq!((shared.len(), text.len()), (1000, 1001));
    let before = heap::used();
    drop(text);
    assert!(heap::used() <= before - 1001);
}

#[test]
fn constants_are_read_by_several_threads_without_counting() {
    let pool = constant::ConstantPool::new(&[
        vega_bytecode::module::Constant::Str("hello".to_string()),
        vega_bytecode::module::Constant::Str("long ".repeat(100)),
        vega_bytecode::module::Constant::Int(5),
    ]);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..1000 {
                    // SAFETY: the pool lives until the scope has ended.
                    let mut value = unsafe { pool.get(0) }.unwrap();
                    value.as_str_mut().unwrap().push_str("!");
                    assert_eq!(value.as_text(), Some("hello!"));
                    // SAFETY: as above.
                    assert_eq!(unsafe { pool.get(1) }.unwrap().as_str().unwrap().to_shared().len(), 500);
                }
            });
        }
    });
    for (reason, text) in [(ExitReason::Killed, "killed"), (ExitReason::Crash("Fault: why".into()), "Fault: why")] {
        // SAFETY: the value goes before the pool.
        assert_eq!(unsafe { pool.reason(&reason) }.as_text(), Some(text));
    }
    // SAFETY: the value goes before the pool.
    assert_eq!(unsafe { pool.get(0) }.unwrap().as_text(), Some("hello"));
}

#[test]
fn a_map_keeps_insertion_order() {
    let mut map = Map::new();
    for number in 0..20 {
        map.insert(Value::int(number), Value::int(number * number));
    }
    map.insert(Value::int(3), Value::str("again"));
    map.remove(&Value::int(0));
    map.insert(Value::int(0), Value::str("last"));
    let keys: Vec<i64> = map.iter().map(|(key, _)| key.as_int().unwrap()).collect();
    assert_eq!(keys, (1..20).chain([0]).collect::<Vec<_>>());
    assert_eq!(map.get(&Value::int(3)).unwrap().as_text(), Some("again"));
    map.insert(Value::bool(true), Value::int(1));
    assert!(map.has(&Value::bool(true)) && !map.has(&Value::str("true")));
    assert_eq!(map.get(&Value::int(1)).unwrap().as_int(), Some(1));
    *map.get_mut(&Value::int(19)).unwrap() = Value::NULL;
    assert!(map.get(&Value::int(19)).unwrap().is_null());
}

#[test]
fn numbers_compare_by_value_and_handles_by_identity() {
    assert!(equal::equal(&Value::int(3), &Value::float(3.0)));
    assert!(!equal::equal(&Value::int(i64::MAX), &Value::float(i64::MAX as f64)));
    assert!(!equal::equal(&Value::float(f64::NAN), &Value::float(f64::NAN)));
    assert_eq!(equal::order(&Value::int(2), &Value::float(2.5)), Some(std::cmp::Ordering::Less));
    assert_eq!(equal::order(&Value::float(-2.5), &Value::int(-2)), Some(std::cmp::Ordering::Less));
    assert!(!equal::equal(&Value::function(FunctionId(1)), &Value::function(FunctionId(1))));
    let one: Map = [(Value::str("a"), Value::int(1)), (Value::str("b"), Value::int(2))].into_iter().collect();
    let two: Map = [(Value::str("b"), Value::int(2)), (Value::str("a"), Value::int(1))].into_iter().collect();
    assert!(equal::equal(&one.into(), &two.into()));
}

mod properties {
    use proptest::prelude::*;

    use super::*;

    /// What is done to a map or an array. Values are not sent between threads, so the steps are plain data.
    #[derive(Clone, Debug)]
    enum Change {
        Insert(Key, i64),
        Remove(Key),
        Copy,
        Restore,
    }

    #[derive(Clone, Debug, PartialEq)]
    enum Key {
        Int(i64),
        Text(String),
        Bool(bool),
        Variant(u16),
    }

    impl Key {
        fn value(&self) -> Value {
            match self {
                Key::Int(int) => Value::int(*int),
                Key::Text(text) => Value::str(text.as_str()),
                Key::Bool(bool) => Value::bool(*bool),
                Key::Variant(variant) => Value::unit_variant(EnumId(0), *variant),
            }
        }
    }

    fn key() -> impl Strategy<Value = Key> {
        prop_oneof![
            (0..12_i64).prop_map(Key::Int),
            "[a-d]{0,2}".prop_map(Key::Text),
            any::<bool>().prop_map(Key::Bool),
            (0..3_u16).prop_map(Key::Variant)
        ]
    }

    fn change() -> impl Strategy<Value = Change> {
        prop_oneof![
            6 => (key(), any::<i64>()).prop_map(|(key, value)| Change::Insert(key, value)),
            4 => key().prop_map(Change::Remove),
            1 => Just(Change::Copy),
            1 => Just(Change::Restore),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_map_is_a_list_of_entries_that_is_searched_fast(changes in proptest::collection::vec(change(), 0..200)) {
            let before = heap::used();
            let (mut map, mut model): (Map, Vec<(Key, i64)>) = (Map::new(), Vec::new());
            let mut saved = (map.clone(), model.clone());
            for change in changes {
                match change {
                    Change::Insert(key, value) => {
                        map.insert(key.value(), Value::int(value));
                        match model.iter_mut().find(|(other, _)| *other == key) {
                            Some(entry) => entry.1 = value,
                            None => model.push((key, value)),
                        }
                    }
                    Change::Remove(key) => {
                        let place = model.iter().position(|(other, _)| *other == key);
                        let removed = place.map(|place| model.remove(place).1);
                        prop_assert_eq!(map.remove(&key.value()).and_then(|value| value.as_int()), removed);
                    }
                    Change::Copy => saved = (map.clone(), model.clone()),
                    Change::Restore => (map, model) = saved.clone(),
                }
                prop_assert_eq!(map.len(), model.len());
            }
            for (key, value) in &model {
                prop_assert_eq!(map.get(&key.value()).and_then(Value::as_int), Some(*value));
            }
            let shown = |map: &Map| format!("{:?}", Value::from(map.clone()));
            let expected: Map = model.iter().map(|(key, value)| (key.value(), Value::int(*value))).collect();
            prop_assert_eq!(shown(&map), shown(&expected));
            drop((map, saved, expected));
            prop_assert_eq!(heap::used(), before);
        }

        #[test]
        fn text_is_the_same_as_a_list_of_characters(text in any::<String>(), more in any::<String>(), start in 0..12_usize, len in 0..12_usize) {
            let mut value = Str::from(text.as_str());
            let copy = value.clone();
            value.push_str(&more);
            let whole: Vec<char> = text.chars().chain(more.chars()).collect();
            prop_assert_eq!(value.len(), whole.len());
            prop_assert_eq!(copy.as_str(), &text);
            prop_assert_eq!(value.character(start as i64), whole.get(start).copied());
            let wanted = whole.get(start..start + len).map(|part| part.iter().collect::<String>());
            let found = value.slice(start as i64..(start + len) as i64).map(|part| part.as_str().to_string());
            prop_assert_eq!(found, wanted);
        }

        #[test]
        fn ints_and_doubles_compare_as_numbers(int in any::<i64>(), float in any::<f64>()) {
            let near = int as f64;
            for float in [float, near, near.next_up(), near.next_down()] {
                // 128-bit integers hold every int and every whole double of this size exactly.
                let expected = if float.is_nan() {
                    None
                } else if float.abs() > 1e30 {
                    0.0_f64.partial_cmp(&float)
                } else {
                    Some(i128::from(int).cmp(&(float.floor() as i128)).then(if float.floor() == float { std::cmp::Ordering::Equal } else { std::cmp::Ordering::Less }))
                };
                prop_assert_eq!(equal::compare_int_float(int, float), expected, "{} {}", int, float);
            }
        }
    }
}
