//! `list`: arrays.

use std::cmp::Ordering;

use vega_bytecode::{Module, Type};
use vega_runtime::error::Error;
use vega_runtime::native::NativeTable;
use vega_runtime::value::{Array, Map, Str, Value, equal, print};

use crate::arguments::{Computed, any, array, array_mut, computed, cost, count, int, invalid, outside, overflow, take};

computed! {
    "list::len" / 1 => |a, _| Ok(Value::int(array(a, 0)?.len() as i64));
    "list::is_empty" / 1 => |a, _| Ok(Value::bool(array(a, 0)?.is_empty()));
    "list::first" / 1 => |a, _| Ok(array(a, 0)?.as_slice().first().cloned().unwrap_or_default());
    "list::last" / 1 => |a, _| Ok(array(a, 0)?.as_slice().last().cloned().unwrap_or_default());
    "list::get" / 2 => |a, _| Ok(array(a, 0)?.get(int(a, 1)?).cloned().unwrap_or_default());
    "list::has" / 2 => |a, _| Ok(Value::bool(position(a)?.is_some()));
    "list::index_of" / 2 => |a, _| Ok(position(a)?.map_or(Value::NULL, |index| Value::int(index as i64)));
    "list::push" / 2 => |a, _| push(a);
    "list::pop" / 1 => |a, _| Ok(array_mut(a, 0)?.change(Vec::pop).unwrap_or_default());
    "list::insert" / 3 => |a, _| insert(a);
    "list::remove" / 2 => |a, _| remove(a);
    "list::clear" / 1 => |a, _| { *array_mut(a, 0)? = Array::from(Vec::new()); Ok(Value::NULL) };
    "list::swap" / 3 => |a, _| swap(a);
    "list::reverse" / 1 => |a, _| { array_mut(a, 0)?.as_mut_slice().reverse(); Ok(Value::NULL) };
    "list::reversed" / 1 => |a, _| Ok(array(a, 0)?.as_slice().iter().rev().cloned().collect::<Array>().into());
    "list::sort" / 1 => |a, _| { array_mut(a, 0)?.as_mut_slice().sort_by(equal::total_order); Ok(Value::NULL) };
    "list::sorted" / 1 => |a, _| sorted(a);
    "list::min" / 1 => |a, _| extreme(a, Ordering::Less);
    "list::max" / 1 => |a, _| extreme(a, Ordering::Greater);
    "list::zip" / 2 => |a, _| zip(a);
    "list::enumerate" / 1 => |a, _| enumerate(a);
    "list::chunks" / 2 => |a, _| chunks(a);
    "list::unique" / 1 => |a, _| unique(a);
    "list::join" / 2 => join;
    "list::by_keys" / 2 => |a, _| by_keys(a);
}

/// Natives that need more than their arguments.
pub(crate) fn register(table: &mut NativeTable) {
    table.add("list::sum", 1, |context, arguments| {
        context.charge(cost(arguments));
        // What no elements come to only the wanted type can tell.
        let zero = match context.result_type().map(|ty| &context.module().types[ty]) {
            Some(Type::Float) => Value::float(0.0),
            Some(Type::Duration) => Value::duration(0),
            Some(Type::Money) => Value::money(0),
            _ => Value::int(0),
        };
        Ok(sum(array(arguments, 0)?.as_slice(), zero)?.into())
    });
}

fn position(arguments: &[Value]) -> Result<Option<usize>, Error> {
    let value = any(arguments, 1)?;
    Ok(array(arguments, 0)?.as_slice().iter().position(|element| equal::equal(element, value)))
}

fn push(arguments: &mut [Value]) -> Computed {
    let value = take(arguments, 1)?;
    array_mut(arguments, 0)?.push(value);
    Ok(Value::NULL)
}

/// An index at which there is an element.
fn index_of_element(arguments: &[Value], place: usize) -> Result<usize, Error> {
    let (len, index) = (array(arguments, 0)?.len(), int(arguments, place)?);
    usize::try_from(index).ok().filter(|&index| index < len).ok_or_else(|| outside(index, len))
}

fn insert(arguments: &mut [Value]) -> Computed {
    let (len, wanted) = (array(arguments, 0)?.len(), int(arguments, 1)?);
    let index = usize::try_from(wanted).ok().filter(|&index| index <= len).ok_or_else(|| outside(wanted, len))?;
    let value = take(arguments, 2)?;
    array_mut(arguments, 0)?.change(|values| values.insert(index, value));
    Ok(Value::NULL)
}

fn remove(arguments: &mut [Value]) -> Computed {
    let index = index_of_element(arguments, 1)?;
    Ok(array_mut(arguments, 0)?.change(|values| values.remove(index)))
}

fn swap(arguments: &mut [Value]) -> Computed {
    let (one, other) = (index_of_element(arguments, 1)?, index_of_element(arguments, 2)?);
    array_mut(arguments, 0)?.as_mut_slice().swap(one, other);
    Ok(Value::NULL)
}

fn sorted(arguments: &mut [Value]) -> Computed {
    // The argument is this native's own, so an array that nobody else holds is sorted in place.
    array_mut(arguments, 0)?.as_mut_slice().sort_by(equal::total_order);
    take(arguments, 0)
}

fn by_keys(arguments: &mut [Value]) -> Computed {
    let (values, keys) = (array(arguments, 0)?.as_slice(), array(arguments, 1)?.as_slice());
    if values.len() != keys.len() {
        return Err(invalid(format!("{} keys for {} elements", keys.len(), values.len())));
    }
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|one, other| equal::total_order(&keys[*one], &keys[*other]));
    Ok(order.into_iter().map(|index| values[index].clone()).collect::<Array>().into())
}

fn extreme(arguments: &mut [Value], wanted: Ordering) -> Computed {
    let mut values = array(arguments, 0)?.as_slice().iter();
    let Some(first) = values.next() else { return Ok(Value::NULL) };
    // Of equal elements the first one counts.
    let best = values.fold(first, |best, value| if equal::total_order(value, best) == wanted { value } else { best });
    Ok(best.clone())
}

fn sum(values: &[Value], zero: Value) -> Computed {
    let Some(first) = values.first() else { return Ok(zero) };
    if first.as_float().is_some() {
        return Ok(Value::float(values.iter().map(Value::float_bits).sum()));
    }
    let total =
        values.iter().try_fold(0_i64, |sum, value| sum.checked_add(value.int_bits())).ok_or_else(|| overflow("the sum"))?;
    match (first.as_int(), first.as_duration(), first.as_money()) {
        (Some(_), _, _) => Ok(Value::int(total)),
        (_, Some(_), _) => Ok(Value::duration(total)),
        (_, _, Some(_)) => Ok(Value::money(total)),
        _ => Err(invalid("the elements are no numbers")),
    }
}

fn zip(arguments: &mut [Value]) -> Computed {
    let (one, other) = (array(arguments, 0)?.as_slice(), array(arguments, 1)?.as_slice());
    let pairs = one.iter().zip(other).map(|(one, other)| Value::tuple(vec![one.clone(), other.clone()]));
    Ok(pairs.collect::<Array>().into())
}

fn enumerate(arguments: &mut [Value]) -> Computed {
    let values = array(arguments, 0)?.as_slice().iter().enumerate();
    Ok(values.map(|(index, value)| Value::tuple(vec![Value::int(index as i64), value.clone()])).collect::<Array>().into())
}

fn chunks(arguments: &mut [Value]) -> Computed {
    let size = count(arguments, 1)?;
    if size == 0 {
        return Err(invalid("a chunk has at least one element"));
    }
    Ok(array(arguments, 0)?.as_slice().chunks(size).map(|values| Value::array(values.to_vec())).collect::<Array>().into())
}

fn unique(arguments: &mut [Value]) -> Computed {
    let values = array(arguments, 0)?.as_slice();
    if values.iter().all(Map::is_key) {
        let seen: Map = values.iter().map(|value| (value.clone(), Value::NULL)).collect();
        return Ok(seen.iter().map(|(value, _)| value.clone()).collect::<Array>().into());
    }
    let mut kept: Vec<Value> = Vec::new();
    for value in values {
        if !kept.iter().any(|other| equal::equal(other, value)) {
            kept.push(value.clone());
        }
    }
    Ok(Value::array(kept))
}

fn join(arguments: &mut [Value], module: &Module) -> Computed {
    let separator = crate::arguments::text(arguments, 1)?;
    let mut text = String::new();
    for (index, value) in array(arguments, 0)?.as_slice().iter().enumerate() {
        if index > 0 {
            text.push_str(separator);
        }
        print::append_text(value, module, &mut text)?;
    }
    Ok(Str::from(text).into())
}

#[cfg(test)]
mod tests {
    use vega_runtime::value::{Array, Value};

    use crate::testing::{changes, fails, shows};

    fn ints(numbers: &[i64]) -> Value {
        Value::array(numbers.iter().copied().map(Value::int).collect())
    }

    #[test]
    fn arrays_are_changed_in_place() {
        changes("list::push", (ints(&[1]), 2), "[1, 2]", "null");
        changes("list::pop", (ints(&[1, 2]),), "[1]", "2");
        changes("list::pop", (ints(&[]),), "[]", "null");
        changes("list::insert", (ints(&[1, 3]), 1, 2), "[1, 2, 3]", "null");
        changes("list::remove", (ints(&[1, 2, 3]), 0), "[2, 3]", "1");
        changes("list::swap", (ints(&[1, 2, 3]), 0, 2), "[3, 2, 1]", "null");
        changes("list::sort", (ints(&[3, 1, 2]),), "[1, 2, 3]", "null");
        changes("list::reverse", (ints(&[3, 1, 2]),), "[2, 1, 3]", "null");
        changes("list::clear", (ints(&[3, 1, 2]),), "[]", "null");
        fails("list::insert", (ints(&[]), 1, 2), "IndexOutOfBounds: index 1, length 0");
        fails("list::remove", (ints(&[1]), -1), "IndexOutOfBounds: index -1, length 1");
    }

    #[test]
    fn a_sorted_copy_leaves_what_others_hold() {
        let held = ints(&[2, 1]);
        shows("list::sorted", (held.clone(),), "[1, 2]");
        assert_eq!(format!("{held:?}"), "[2, 1]");
        let floats = Value::array(vec![Value::float(f64::NAN), Value::float(2.0), Value::float(-1.0)]);
        shows("list::sorted", (floats,), "[-1.0, 2.0, nan]");
    }

    #[test]
    fn arrays_are_taken_apart_and_put_together() {
        shows("list::zip", (ints(&[1, 2]), ints(&[3])), "[(1, 3)]");
        shows("list::enumerate", (ints(&[7]),), "[(0, 7)]");
        shows("list::chunks", (ints(&[1, 2, 3]), 2), "[[1, 2], [3]]");
        fails("list::chunks", (ints(&[1]), 0), "InvalidArgument: a chunk has at least one element");
        shows("list::unique", (ints(&[1, 2, 1]),), "[1, 2]");
        shows("list::unique", (Value::array(vec![ints(&[1]), ints(&[2]), ints(&[1])]),), "[[1], [2]]");
        shows("list::min", (ints(&[2, 1]),), "1");
        shows("list::max", (ints(&[]),), "null");
        shows("list::index_of", (ints(&[5, 6]), 6), "1");
        shows("list::get", (ints(&[5]), 1), "null");
        shows("list::by_keys", (ints(&[1, 2, 3]), ints(&[5, 4, 5])), "[2, 1, 3]");
        fails("list::by_keys", (ints(&[1]), ints(&[])), "InvalidArgument: 0 keys for 1 elements");
        shows("list::join", (Value::array(vec![Value::str("a"), Value::int(1)]), "-"), "\"a-1\"");
    }

    #[test]
    fn numbers_are_summed_up() {
        let total = |values: Value| super::sum(values.as_array().map(Array::as_slice).unwrap_or_default(), Value::float(0.0));
        let shown =
            |values| total(values).map(|value| format!("{value:?}")).map_err(|error| error.message().as_str().to_string());
        assert_eq!(shown(ints(&[1, 2, 3])), Ok("6".to_string()));
        assert_eq!(shown(ints(&[])), Ok("0.0".to_string()));
        assert_eq!(shown(ints(&[i64::MAX, 1])), Err("the sum does not fit an int".to_string()));
        assert_eq!(shown(Value::array(vec![Value::money(1), Value::money(2)])), Ok("$0.000000000003".to_string()));
    }
}
