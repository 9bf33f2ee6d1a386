//! `map`: maps in insertion order.

use vega_runtime::value::{Array, Map, Value};

use crate::arguments::{Computed, any, array, computed, invalid, map, map_mut};

computed! {
    "map::len" / 1 => |a, _| Ok(Value::int(map(a, 0)?.len() as i64));
    "map::is_empty" / 1 => |a, _| Ok(Value::bool(map(a, 0)?.is_empty()));
    "map::has" / 2 => |a, _| Ok(Value::bool(map(a, 0)?.has(any(a, 1)?)));
    "map::get" / 2 => |a, _| Ok(map(a, 0)?.get(any(a, 1)?).cloned().unwrap_or_default());
    "map::keys" / 1 => |a, _| Ok(map(a, 0)?.iter().map(|(key, _)| key.clone()).collect::<Array>().into());
    "map::values" / 1 => |a, _| Ok(map(a, 0)?.iter().map(|(_, value)| value.clone()).collect::<Array>().into());
    "map::entries" / 1 => |a, _| entries(a);
    "map::remove" / 2 => |a, _| remove(a);
    "map::clear" / 1 => |a, _| { *map_mut(a, 0)? = Map::new(); Ok(Value::NULL) };
    "map::merge" / 2 => |a, _| merge(a);
    "map::from" / 1 => |a, _| from_entries(a);
}

fn entries(arguments: &mut [Value]) -> Computed {
    let entries = map(arguments, 0)?.iter().map(|(key, value)| Value::tuple(vec![key.clone(), value.clone()]));
    Ok(entries.collect::<Array>().into())
}

fn remove(arguments: &mut [Value]) -> Computed {
    let key = any(arguments, 1)?.clone();
    Ok(map_mut(arguments, 0)?.remove(&key).unwrap_or_default())
}

fn merge(arguments: &mut [Value]) -> Computed {
    let other = map(arguments, 1)?.clone();
    let own = map_mut(arguments, 0)?;
    for (key, value) in other.iter() {
        own.insert(key.clone(), value.clone());
    }
    Ok(Value::NULL)
}

fn from_entries(arguments: &mut [Value]) -> Computed {
    let mut result = Map::new();
    for entry in array(arguments, 0)?.as_slice() {
        match entry.as_record().map(|record| record.values()) {
            Some([key, value]) if Map::is_key(key) => drop(result.insert(key.clone(), value.clone())),
            _ => return Err(invalid("an entry is a key and a value")),
        }
    }
    Ok(result.into())
}

#[cfg(test)]
mod tests {
    use vega_runtime::value::{Map, Value};

    use crate::testing::{changes, shows};

    fn sample() -> Value {
        [(Value::str("a"), Value::int(1)), (Value::str("b"), Value::int(2))].into_iter().collect::<Map>().into()
    }

    #[test]
    fn maps_keep_their_order() {
        shows("map::keys", (sample(),), "[\"a\", \"b\"]");
        shows("map::values", (sample(),), "[1, 2]");
        shows("map::entries", (sample(),), "[(\"a\", 1), (\"b\", 2)]");
        shows("map::get", (sample(), "b"), "2");
        shows("map::get", (sample(), "c"), "null");
        changes("map::remove", (sample(), "a"), "{\"b\": 2}", "1");
        let other: Map = [(Value::str("c"), Value::int(3)), (Value::str("a"), Value::int(9))].into_iter().collect();
        changes("map::merge", (sample(), Value::from(other)), "{\"a\": 9, \"b\": 2, \"c\": 3}", "null");
        let pair = |key: &str, value| Value::tuple(vec![Value::str(key), Value::int(value)]);
        shows("map::from", (Value::array(vec![pair("x", 1), pair("x", 2)]),), "{\"x\": 2}");
    }
}
