//! `==`, `<` and `in`. Comparison goes as deep as the values do, without recursion, and looks at two shared objects together once:
//! values that share storage within themselves would otherwise take exponential time.

use std::cmp::Ordering;

use hashbrown::HashSet;

use super::map::Map;
use super::{Value, View};

/// Two runs of values that must be pairwise equal.
enum Pairs<'a> {
    Values(std::iter::Zip<std::slice::Iter<'a, Value>, std::slice::Iter<'a, Value>>),
    Maps { one: &'a Map, cursor: usize, two: &'a Map },
}

impl<'a> Pairs<'a> {
    fn of(one: &'a [Value], two: &'a [Value]) -> Self {
        Pairs::Values(one.iter().zip(two))
    }

    /// The next pair; `Some(None)` where the second side has no such key.
    fn next(&mut self) -> Option<Option<(&'a Value, &'a Value)>> {
        match self {
            Pairs::Values(values) => values.next().map(Some),
            Pairs::Maps { one, cursor, two } => {
                let (next, key, value) = one.entry_from(*cursor)?;
                *cursor = next;
                Some(two.get(key).map(|other| (value, other)))
            }
        }
    }
}

/// Whether two values are equal: by number for int and float, by content for everything that has content, by identity for handles.
/// Functions are equal to nothing.
pub fn equal(one: &Value, two: &Value) -> bool {
    match compare(one, two) {
        Step::Differ => false,
        Step::Same => true,
        begun @ Step::Compare(_) => equal_parts(one, two, begun),
    }
}

/// The same for two containers whose comparison has begun.
fn equal_parts<'a>(one: &'a Value, two: &'a Value, begun: Step<'a>) -> bool {
    let mut open: Vec<Pairs<'_>> = Vec::new();
    let mut seen: HashSet<(usize, usize)> = HashSet::new();
    let mut containers = 0_usize;
    let mut pair = (one, two);
    let mut step = begun;
    loop {
        match step {
            Step::Differ => return false,
            Step::Same => {}
            Step::Compare(pairs) => {
                containers += 1;
                // Once a difference is found the answer is no, so a pair that was begun needs no second look.
                let begun = containers > REMEMBERED_FROM && shared_pair(pair).is_some_and(|addresses| !seen.insert(addresses));
                if !begun {
                    open.push(pairs);
                }
            }
        }
        pair = loop {
            let Some(top) = open.last_mut() else { return true };
            match top.next() {
                None => drop(open.pop()),
                Some(None) => return false,
                Some(Some(pair)) => break pair,
            }
        };
        step = compare(pair.0, pair.1);
    }
}

/// Small comparisons are faster without remembering what was compared.
const REMEMBERED_FROM: usize = 256;

/// The addresses of two objects that are both shared.
fn shared_pair((one, two): (&Value, &Value)) -> Option<(usize, usize)> {
    Some((one.shared_address()?, two.shared_address()?))
}

enum Step<'a> {
    Same,
    Differ,
    Compare(Pairs<'a>),
}

fn compare<'a>(one: &'a Value, two: &'a Value) -> Step<'a> {
    let settled = |same: bool| if same { Step::Same } else { Step::Differ };
    let records = |one: &'a super::Record, two: &'a super::Record| {
        let alike =
            one.definition() == two.definition() && one.variant() == two.variant() && one.values().len() == two.values().len();
        if alike { Step::Compare(Pairs::of(one.values(), two.values())) } else { Step::Differ }
    };
    match (one.view(), two.view()) {
        (View::Null, View::Null) => Step::Same,
        (View::Bool(one), View::Bool(two)) => settled(one == two),
        (View::Int(one), View::Int(two)) => settled(one == two),
        (View::Float(one), View::Float(two)) => settled(one == two),
        (View::Int(int), View::Float(float)) | (View::Float(float), View::Int(int)) => {
            settled(compare_int_float(int, float) == Some(Ordering::Equal))
        }
        (View::Duration(one), View::Duration(two)) | (View::Money(one), View::Money(two)) => settled(one == two),
        (View::UnitVariant(one, first), View::UnitVariant(two, second)) => settled(one == two && first == second),
        (View::Process(one), View::Process(two)) | (View::Monitor(one), View::Monitor(two)) => settled(one == two),
        (View::Str(one), View::Str(two)) => settled(one.same_storage(two) || one.as_str() == two.as_str()),
        (View::Bytes(one), View::Bytes(two)) => settled(one.same_storage(two) || one.as_slice() == two.as_slice()),
        (View::Array(one), View::Array(two)) => {
            if one.len() != two.len() {
                Step::Differ
            } else {
                // Shared storage is still compared: it may hold a NaN, which differs from itself.
                Step::Compare(Pairs::of(one.as_slice(), two.as_slice()))
            }
        }
        (View::Map(one), View::Map(two)) => {
            if one.len() == two.len() {
                Step::Compare(Pairs::Maps { one, cursor: 0, two })
            } else {
                Step::Differ
            }
        }
        (View::Struct(_, one), View::Struct(_, two))
        | (View::Enum(_, _, one), View::Enum(_, _, two))
        | (View::Tuple(one), View::Tuple(two)) => records(one, two),
        (View::Range(one), View::Range(two)) => {
            settled(one.start() == two.start() && one.end() == two.end() && one.is_inclusive() == two.is_inclusive())
        }
        (View::Error(one), View::Error(two)) => {
            if one.same_storage(two) {
                Step::Same
            } else if one.kind() != two.kind()
                || one.message().as_str() != two.message().as_str()
                || one.payload().len() != two.payload().len()
            {
                Step::Differ
            } else {
                Step::Compare(Pairs::of(one.payload(), two.payload()))
            }
        }
        (View::Handle(one), View::Handle(two)) => settled(one.same(two)),
        (View::Handle(handle), View::Process(word)) | (View::Process(word), View::Handle(handle)) => {
            settled(handle.target().process_word() == Some(word))
        }
        (View::Secret(one), View::Secret(two)) => settled(one.reveal().as_str() == two.reveal().as_str()),
        // Different types, functions, frames.
        _ => Step::Differ,
    }
}

/// How an int and a double compare as numbers, exactly; `None` for NaN.
pub fn compare_int_float(int: i64, float: f64) -> Option<Ordering> {
    if float.is_nan() {
        return None;
    }
    // 2^63 is the first double above every int; below -2^63 there is none either.
    if float >= 9_223_372_036_854_775_808.0 {
        return Some(Ordering::Less);
    }
    if float < -9_223_372_036_854_775_808.0 {
        return Some(Ordering::Greater);
    }
    let whole = float.trunc();
    Some(int.cmp(&(whole as i64)).then_with(|| 0.0_f64.partial_cmp(&(float - whole)).unwrap_or(Ordering::Equal)))
}

/// How two values of one ordered type compare: numbers, durations, money, text by code point, bools, variants without payload by
/// their order. `None` for NaN and for everything else.
pub fn order(one: &Value, two: &Value) -> Option<Ordering> {
    match (one.view(), two.view()) {
        (View::Int(one), View::Int(two)) | (View::Duration(one), View::Duration(two)) | (View::Money(one), View::Money(two)) => {
            Some(one.cmp(&two))
        }
        (View::Float(one), View::Float(two)) => one.partial_cmp(&two),
        (View::Int(int), View::Float(float)) => compare_int_float(int, float),
        (View::Float(float), View::Int(int)) => compare_int_float(int, float).map(Ordering::reverse),
        // UTF-8 orders as code points do.
        (View::Str(one), View::Str(two)) => Some(one.as_str().cmp(two.as_str())),
        (View::Bool(one), View::Bool(two)) => Some(one.cmp(&two)),
        (View::UnitVariant(one, first), View::UnitVariant(two, second)) if one == two => Some(first.cmp(&second)),
        _ => None,
    }
}

/// An order of all values of one ordered type, for sorting: NaN stands last.
pub fn total_order(one: &Value, two: &Value) -> Ordering {
    order(one, two).unwrap_or_else(|| {
        let is_nan = |value: &Value| value.as_float().is_some_and(f64::is_nan);
        is_nan(one).cmp(&is_nan(two))
    })
}

/// `item in container`: element of an array, key of a map, part of a `str`, number of a range, byte of bytes.
/// `None` where the container is none of these.
pub fn contains(container: &Value, item: &Value) -> Option<bool> {
    match container.view() {
        View::Array(array) => Some(array.as_slice().iter().any(|element| equal(element, item))),
        View::Map(map) => Some(map.has(item)),
        View::Str(text) => item.as_text().map(|part| text.as_str().contains(part)),
        View::Range(range) => item.as_int().map(|number| range.contains(number)),
        View::Bytes(bytes) => item.as_int().map(|byte| u8::try_from(byte).is_ok_and(|byte| bytes.as_slice().contains(&byte))),
        _ => None,
    }
}
