//! Instructions that compute values from values: texts, containers, comparison, types, errors.

use std::cmp::Ordering;

use vega_bytecode::opcode::NO_FIELD;
use vega_bytecode::{FunctionId, KindId, Opcode, Type, TypeId, kinds};

pub(crate) use super::arithmetic::{arith, divide, float_to_int, overflow};
use super::format;
use super::loaded::{Loaded, Register};
use super::program::{LoadedFunction, LoadedProgram};
use crate::error::Error;
use crate::value::record::take_from_slots;
use crate::value::{RESULT, RecordKind, Str, Tag, Value, View, equal, heap, is_type, print};

/// The error of a value that is not what the instruction works on. Compiled programs meet it only where `any` or `json` is involved.
#[cold]
#[inline(never)]
pub(crate) fn mismatch(expected: &str, found: &Value, program: &LoadedProgram) -> Error {
    let found = is_type::value_type_name(found, program.module());
    let message = format!("expected {expected}, found {found}");
    Error::with_payload(kinds::TYPE_MISMATCH, message, vec![expected.into(), found.into()])
}

/// The error of an index outside.
#[cold]
#[inline(never)]
pub(crate) fn out_of_bounds(index: i64, length: usize) -> Error {
    Error::new(kinds::INDEX_OUT_OF_BOUNDS, format!("index {index}, length {length}"))
}

#[cold]
#[inline(never)]
pub(crate) fn no_key(key: &Value, program: &LoadedProgram) -> Error {
    Error::new(kinds::KEY_NOT_FOUND, format!("no key {}", print::to_nested_text(key, program.module())))
}

/// Fails where so many bytes more are over the process's limit: before they are allocated, since that could be the whole memory.
fn room(bytes: usize) -> Result<(), Error> {
    if heap::has_room(bytes) { Ok(()) } else { Err(Error::new(kinds::LIMIT_REACHED, "heap")) }
}

/// The element of an array at an int, if it has one there.
#[inline]
pub(crate) fn element<'v>(container: &'v Value, index: &Value) -> Option<&'v Value> {
    container.as_array()?.get(index.as_int()?)
}

/// Part `number` of a struct, tuple or variant.
#[inline]
pub(crate) fn part(value: &Value, number: u16) -> Option<&Value> {
    value.as_record()?.values().get(number as usize)
}

/// The element of an array that nobody shares, for changing it in place.
#[inline]
pub(crate) fn own_element(container: &mut Value, index: i64) -> Option<&mut Value> {
    let array = container.as_array_mut()?;
    if array.is_unique() { array.get_mut(index) } else { None }
}

/// Part `number` of a struct, tuple or variant that nobody shares, for changing it in place.
#[inline]
pub(crate) fn own_part(value: &mut Value, number: u16) -> Option<&mut Value> {
    let record = value.as_record_mut()?;
    if record.is_unique() { record.values_mut().get_mut(number as usize) } else { None }
}

/// The two fields of an instruction on a nested part, the first before the index and the second after it.
#[inline]
fn fields(x: u8) -> (Option<u16>, Option<u16>) {
    let field = |half: u8| (half != NO_FIELD).then_some(u16::from(half));
    (field(x >> 4), field(x & 0xf))
}

/// `root.p[index].q` where the index is an int and the container an array; `x` names the fields.
#[inline]
pub(crate) fn nested<'v>(root: &'v Value, index: &Value, x: u8) -> Option<&'v Value> {
    let (before, after) = fields(x);
    let container = match before {
        Some(field) => part(root, field)?,
        None => root,
    };
    let element = element(container, index)?;
    match after {
        Some(field) => part(element, field),
        None => Some(element),
    }
}

/// The same where `x` names both fields.
#[inline]
pub(crate) fn nested_both<'v>(root: &'v Value, index: &Value, x: u8) -> Option<&'v Value> {
    part(element(part(root, u16::from(x >> 4))?, index)?, u16::from(x & 0xf))
}

/// The same where nobody shares any of the storage on the way, for changing it in place.
#[inline]
pub(crate) fn own_nested(root: &mut Value, index: i64, x: u8) -> Option<&mut Value> {
    let (before, after) = fields(x);
    let container = match before {
        Some(field) => own_part(root, field)?,
        None => root,
    };
    let element = own_element(container, index)?;
    match after {
        Some(field) => own_part(element, field),
        None => Some(element),
    }
}

/// The same where `x` names both fields.
#[inline]
pub(crate) fn own_nested_both(root: &mut Value, index: i64, x: u8) -> Option<&mut Value> {
    own_part(own_element(own_part(root, u16::from(x >> 4))?, index)?, u16::from(x & 0xf))
}

/// The same of anything that has parts, by copy.
fn nested_copy(root: &Value, key: &Value, x: u8, program: &LoadedProgram) -> Result<Value, Error> {
    let (before, after) = fields(x);
    let element = match before {
        Some(number) => index(&field(root, number, program)?, key, program)?,
        None => index(root, key, program)?,
    };
    match after {
        Some(number) => field(&element, number, program),
        None => Ok(element),
    }
}

/// The same for writing; storage on the way that is shared is copied.
fn set_nested(root: &mut Value, key: &Value, x: u8, value: Value, program: &LoadedProgram) -> Result<(), Error> {
    let (before, after) = fields(x);
    let container = match before {
        Some(number) => field_mut(root, number, program)?,
        None => root,
    };
    match after {
        Some(number) => *field_mut(element_mut(container, key, program)?, number, program)? = value,
        None => set_index(container, key, value, program)?,
    }
    Ok(())
}

/// Moves a value to the end of an array that nobody shares and that has room; false where there is no such array.
#[inline]
pub(crate) fn push_in_place(array: &mut Value, value: &mut Value) -> bool {
    array.as_array_mut().is_some_and(|array| array.push_within_capacity(value))
}

/// What starting a process costs beyond an ordinary instruction: it takes as long as so many rounds of a short loop, and several times as
/// long where the memory of the process is new. Without this, the slice of who starts processes in a loop would last for milliseconds.
pub(crate) const SPAWN_REDUCTIONS: u32 = 16;
/// Elements or bytes that are worked through for one reduction.
const WORK_PER_REDUCTION: usize = 256;
/// Most causes of one error: more are not attached.
const CAUSES_MAX: usize = 32;

/// What an instruction on values costs beyond the ordinary: what it copies or looks through, at the outermost level.
///
/// # Safety
/// As for [`execute`].
pub(crate) unsafe fn cost(op: Opcode, at: &Loaded, base: *mut Value) -> u32 {
    // SAFETY: the operands read below are registers in the layout of their instructions, which verify has checked.
    let extent = |register: Register| match unsafe { &*register.of(base) }.view() {
        View::Array(array) => array.len(),
        View::Str(text) => text.as_str().len(),
        View::Bytes(bytes) => bytes.len(),
        View::Map(map) => map.len(),
        _ => 0,
    };
    // SAFETY: as above.
    let copied = |register: Register| match unsafe { &*register.of(base) }.view() {
        View::Array(array) if !array.is_unique() => array.len(),
        View::Str(text) if !text.is_unique() => text.as_str().len(),
        View::Map(map) if !map.is_unique() => map.len(),
        _ => 0,
    };
    let work = match op {
        Opcode::Eq | Opcode::Concat => extent(at.b()).saturating_add(extent(at.c())),
        Opcode::Contains => extent(at.c()),
        Opcode::Slice | Opcode::ToText | Opcode::Format => extent(at.b()),
        Opcode::Append => extent(at.b()).saturating_add(copied(at.a())),
        Opcode::SetIndex | Opcode::Push => copied(at.a()),
        _ => 0,
    };
    u32::try_from(work / WORK_PER_REDUCTION).unwrap_or(u32::MAX)
}

/// Makes a struct of the values from `fields` on, which are moved out; `ty` is its type.
///
/// # Safety
/// The type is a struct, and `fields` points to as many values as it has fields, to which nothing else refers.
#[inline]
pub(crate) unsafe fn make_struct(fields: *mut Value, ty: u32, program: &LoadedProgram) -> Value {
    let module = program.module();
    let Type::Struct(id, _) = &module.types[TypeId(ty)] else { unreachable!("verify has checked that the type is a struct") };
    let count = module.structs[id.0 as usize].fields.len() as u16;
    // SAFETY: as the caller promises.
    unsafe { take_from_slots(RecordKind::Struct(*id), fields, count) }
}

/// Makes the variant that the instruction `at` says of the values from `payload` on, which are moved out.
///
/// # Safety
/// `payload` points to as many values as the instruction says, to which nothing else refers.
#[inline]
pub(crate) unsafe fn make_enum(payload: *mut Value, at: &Loaded, program: &LoadedProgram) -> Value {
    let id = match &program.module().types[TypeId(at.number_b().into())] {
        Type::Enum(id, _) => *id,
        _ => RESULT,
    };
    match at.number_c() {
        0 => Value::unit_variant(id, at.x().into()),
        // SAFETY: as the caller promises.
        count => unsafe { take_from_slots(RecordKind::Variant(id, at.x().into()), payload, count) },
    }
}

/// The number, the function and the captures of a function value that takes so many arguments, if `room` bytes suffice for its frame.
#[inline]
pub(crate) fn callable_in<'v>(
    program: &'v LoadedProgram,
    value: &'v Value,
    arguments: usize,
    room: usize,
) -> Option<(u32, &'v LoadedFunction, &'v [Value])> {
    let (number, captures): (u32, &[Value]) = match value.tag() {
        Tag::Function => (value.int_bits() as u32, &[]),
        Tag::Closure => {
            let record = value.as_record()?;
            (record.definition(), record.values())
        }
        _ => return None,
    };
    let target = program.functions().get(number as usize)?;
    let fits = target.arguments as usize == arguments + captures.len() && room >= target.frame_bytes;
    fits.then_some((number, target, captures))
}

/// Executes one instruction that works on values alone.
///
/// # Safety
/// `base` is the first register of a frame of the running function, whose instructions are verified.
pub(crate) unsafe fn execute(op: Opcode, at: &Loaded, base: *mut Value, program: &LoadedProgram) -> Result<(), Error> {
    let module = program.module();
    let register = |register: Register| register.of(base);
    // SAFETY: verified operands are slots of the stack, which hold values. No two references below are to one slot at a time where
    // one of them may change it: such operands are moved or copied out first.
    let read = |operand: Register| unsafe { &*register(operand) };
    // SAFETY: as above.
    let take = |operand: Register| unsafe { (*register(operand)).take() };
    // Moves a register of a run out.
    // SAFETY: as above, for every register of a run and of a window.
    let take_at = |first: *mut Value, index: u16| unsafe { (*first.add(index as usize)).take() };
    // Moves a run of registers out.
    let take_run = |first: *mut Value, count: u16| (0..count).map(|index| take_at(first, index)).collect::<Vec<Value>>();
    // The values of a window.
    let window = register(at.a()).wrapping_add(1);
    // Moves the values of a window into a record.
    let take_window = |kind: RecordKind, count: u16| {
        // SAFETY: verify has checked that the window with `count` values lies in the frame.
        unsafe { take_from_slots(kind, window, count) }
    };
    let result = match op {
        Opcode::Eq => Value::bool(equal::equal(read(at.b()), read(at.c()))),
        Opcode::Lt => Value::bool(order(read(at.b()), read(at.c()), program)? == Some(Ordering::Less)),
        Opcode::Le => Value::bool(matches!(order(read(at.b()), read(at.c()), program)?, Some(Ordering::Less | Ordering::Equal))),
        Opcode::Contains => match equal::contains(read(at.c()), read(at.b())) {
            Some(found) => Value::bool(found),
            None => return Err(mismatch("a container", read(at.c()), program)),
        },
        Opcode::Concat => concat(read(at.b()), read(at.c()), program)?,
        Opcode::Append => {
            let more = read(at.b()).clone();
            // SAFETY: as above; `more` is a copy.
            return append(unsafe { &mut *register(at.a()) }, more, program);
        }
        Opcode::ToText => text(read(at.b()), program)?.into(),
        Opcode::Format => {
            let constant = program.constant(at.number_c().into());
            let spec = constant.as_text().expect("verify has checked that the format is text");
            Value::from(format::format(read(at.b()), spec, module)?)
        }
        Opcode::JoinText => {
            let mut joined = String::new();
            for index in 0..at.number_c() {
                print::append_text(&take_at(register(at.b()), index), module, &mut joined)?;
            }
            Value::from(joined)
        }
        Opcode::MakeArray => Value::array(take_run(register(at.b()), at.number_c())),
        Opcode::MakeMap => {
            let mut map = crate::value::Map::new();
            let first = register(at.b());
            for index in (0..at.number_c()).step_by(2) {
                let (key, value) = (take_at(first, index), take_at(first, index + 1));
                if !crate::value::Map::is_key(&key) {
                    return Err(mismatch("a key", &key, program));
                }
                map.insert(key, value);
            }
            map.into()
        }
        // SAFETY: verify has checked that the run lies in the frame.
        Opcode::MakeTuple => unsafe { take_from_slots(RecordKind::Tuple, register(at.b()), at.number_c()) },
        Opcode::MakeRange => crate::value::Range::new(read(at.b()).int_bits(), read(at.c()).int_bits(), at.x() == 1).into(),
        Opcode::MakeClosure => match at.number_c() {
            0 => Value::function(FunctionId(at.number_b().into())),
            count => take_window(RecordKind::Closure(FunctionId(at.number_b().into())), count),
        },
        Opcode::Push => {
            let value = take(at.b());
            // SAFETY: as above; `value` was moved out.
            let array = unsafe { &mut *register(at.a()) };
            return push(array, value, program);
        }
        Opcode::Index => index(read(at.b()), read(at.c()), program)?,
        Opcode::SetIndex => {
            let (key, value) = (read(at.b()).clone(), take(at.c()));
            // SAFETY: as above; key and value are copies of their own.
            return set_index(unsafe { &mut *register(at.a()) }, &key, value, program);
        }
        Opcode::Field => field(read(at.b()), at.number_c(), program)?,
        Opcode::SetField => {
            let value = take(at.c());
            // SAFETY: as above; `value` was moved out.
            *field_mut(unsafe { &mut *register(at.a()) }, at.number_b(), program)? = value;
            return Ok(());
        }
        Opcode::PartGet => nested_copy(read(at.b()), read(at.c()), at.x(), program)?,
        Opcode::PartSet => {
            let (key, value) = (read(at.b()).clone(), take(at.c()));
            // SAFETY: as above; key and value are copies of their own.
            return set_nested(unsafe { &mut *register(at.a()) }, &key, at.x(), value, program);
        }
        Opcode::Slice => slice(read(at.b()), read(at.c()), program)?,
        Opcode::Len => Value::int(length(read(at.b()), program)?),
        Opcode::IsType => Value::bool(is_type::is_type(read(at.b()), TypeId(at.number_c().into()), module)),
        Opcode::Narrow => is_type::narrow(read(at.b()).clone(), TypeId(at.number_c().into()), module)?,
        Opcode::MakeError => Error::thrown(KindId(at.number_b().into()), take_run(window, at.number_c()), module).into(),
        Opcode::ErrorIs => {
            Value::bool(read(at.b()).as_error().is_some_and(|error| error.is(KindId(at.number_c().into()), module)))
        }
        Opcode::ErrorPayload => match read(at.b()).as_error() {
            Some(error) => error.payload_as(KindId(at.number_c().into()), at.x().into()),
            None => Value::NULL,
        },
        Opcode::ErrorAttach => {
            let (error, attached) = (take(at.a()), take(at.b()));
            match (error.as_error(), attached.as_error()) {
                (Some(error), Some(attached)) if causes(error) < CAUSES_MAX => error.clone().with_cause(attached.clone()).into(),
                _ => error,
            }
        }
        _ => unreachable!("`{}` is executed elsewhere", op.mnemonic()),
    };
    // SAFETY: as above; no reference to the slot is left.
    unsafe { *register(at.a()) = result };
    Ok(())
}

/// How long the chain of an error's causes is.
fn causes(error: &Error) -> usize {
    std::iter::successors(error.cause(), |cause| cause.cause()).take(CAUSES_MAX).count()
}

/// How two values compare; `None` where one is NaN.
fn order(one: &Value, two: &Value, program: &LoadedProgram) -> Result<Option<Ordering>, Error> {
    match equal::order(one, two) {
        Some(ordering) => Ok(Some(ordering)),
        None => match (one.view(), two.view()) {
            (View::Float(_), View::Float(_) | View::Int(_)) | (View::Int(_), View::Float(_)) => Ok(None),
            _ => Err(mismatch("two values of one ordered type", one, program)),
        },
    }
}

/// The text of a value; that of a `str` without copying it.
fn text(value: &Value, program: &LoadedProgram) -> Result<Str, Error> {
    match value.as_str() {
        Some(text) if !value.is_json() => Ok(text.clone()),
        _ => Ok(Str::from(print::text(value, program.module())?)),
    }
}

/// Fails where a text of so many bytes, of which `more` are new, would be too long.
fn text_room(bytes: usize, more: usize) -> Result<(), Error> {
    if bytes > print::TEXT_BYTES_MAX { Err(Error::new(kinds::LIMIT_REACHED, "string")) } else { room(more) }
}

fn concat(one: &Value, two: &Value, program: &LoadedProgram) -> Result<Value, Error> {
    match (one.view(), two.view()) {
        (View::Array(one), View::Array(two)) => {
            room((one.len() + two.len()) * size_of::<Value>())?;
            Ok(one.concat(two).into())
        }
        (View::Bytes(one), View::Bytes(two)) => {
            room(one.len() + two.len())?;
            Ok(one.concat(two).into())
        }
        (View::Str(_), _) | (_, View::Str(_)) => {
            let (one, two) = (text(one, program)?, text(two, program)?);
            let bytes = one.as_str().len() + two.as_str().len();
            text_room(bytes, bytes)?;
            Ok(one.concat(&two).into())
        }
        _ => Err(mismatch("text, an array or bytes", one, program)),
    }
}

/// `place += more`, in the place's own storage where nobody shares it.
pub(super) fn append(place: &mut Value, more: Value, program: &LoadedProgram) -> Result<(), Error> {
    if place.is_json() {
        *place = concat(place, &more, program)?;
    } else if let Some(target) = place.as_str_mut() {
        let more = text(&more, program)?;
        text_room(target.as_str().len() + more.as_str().len(), more.as_str().len())?;
        target.push_str(more.as_str());
    } else if let (Some(target), Some(more)) = (place.as_array_mut(), more.as_array()) {
        room(more.len() * size_of::<Value>())?;
        target.extend(more);
    } else if let (Some(target), Some(more)) = (place.as_bytes_mut(), more.as_bytes()) {
        room(more.len())?;
        target.extend(more.as_slice());
    } else {
        *place = concat(place, &more, program)?;
    }
    Ok(())
}

/// Appends one element to the array in a place.
pub(super) fn push(place: &mut Value, value: Value, program: &LoadedProgram) -> Result<(), Error> {
    match place.as_array_mut() {
        Some(array) => {
            array.push(value);
            Ok(())
        }
        None => Err(mismatch("an array", place, program)),
    }
}

/// `container[key]`
pub(super) fn index(container: &Value, key: &Value, program: &LoadedProgram) -> Result<Value, Error> {
    let found = match (container.view(), key.view()) {
        (View::Array(array), View::Int(index)) => array.get(index).cloned(),
        (View::Str(text), View::Int(index)) => {
            text.character(index).map(|character| Value::str(character.encode_utf8(&mut [0; 4]) as &str))
        }
        (View::Bytes(bytes), View::Int(index)) => {
            usize::try_from(index).ok().and_then(|index| bytes.as_slice().get(index)).map(|&byte| Value::int(byte.into()))
        }
        (View::Map(map), _) => return map.get(key).cloned().ok_or_else(|| no_key(key, program)),
        (View::Array(_) | View::Str(_) | View::Bytes(_), _) => return Err(mismatch("an int", key, program)),
        _ => return Err(mismatch("an array, text, bytes or a map", container, program)),
    };
    found.ok_or_else(|| out_of_bounds(key.int_bits(), length(container, program).unwrap_or(0) as usize))
}

/// `container[key] = value`
pub(super) fn set_index(container: &mut Value, key: &Value, value: Value, program: &LoadedProgram) -> Result<(), Error> {
    if container.as_array().is_some() {
        *element_mut(container, key, program)? = value;
        return Ok(());
    }
    if let Some(map) = container.as_map_mut() {
        if !crate::value::Map::is_key(key) {
            return Err(mismatch("a key", key, program));
        }
        // An entry that has the key already keeps its place.
        map.insert(key.clone(), value);
        return Ok(());
    }
    let Some(bytes) = container.as_bytes_mut() else { return Err(mismatch("an array, bytes or a map", container, program)) };
    let (Some(index), Some(byte)) = (key.as_int(), value.as_int().and_then(|byte| u8::try_from(byte).ok())) else {
        return Err(Error::new(kinds::INVALID_ARGUMENT, "a byte is an int from 0 to 255"));
    };
    if bytes.set(index, byte) { Ok(()) } else { Err(out_of_bounds(index, bytes.len())) }
}

/// The element or entry of a key, for changing it.
pub(super) fn element_mut<'v>(container: &'v mut Value, key: &Value, program: &LoadedProgram) -> Result<&'v mut Value, Error> {
    // The checks come first: a reference that is returned cannot be given up again on another path.
    if let Some(array) = container.as_array() {
        let (Some(index), length) = (key.as_int(), array.len()) else { return Err(mismatch("an int", key, program)) };
        let array = container.as_array_mut().expect("it was an array just now");
        return array.get_mut(index).ok_or_else(|| out_of_bounds(index, length));
    }
    if container.as_map().is_none() {
        return Err(mismatch("an array or a map", container, program));
    }
    let map = container.as_map_mut().expect("it was a map just now");
    map.get_mut(key).ok_or_else(|| no_key(key, program))
}

/// Field number `number` of a struct or tuple, or payload of a variant.
pub(super) fn field(value: &Value, number: u16, program: &LoadedProgram) -> Result<Value, Error> {
    let found = value.as_record().and_then(|record| record.values().get(number as usize));
    found.cloned().ok_or_else(|| mismatch("a value with fields", value, program))
}

/// The same, for changing it.
pub(super) fn field_mut<'v>(value: &'v mut Value, number: u16, program: &LoadedProgram) -> Result<&'v mut Value, Error> {
    let length = value.as_record().map_or(0, |record| record.values().len());
    if usize::from(number) >= length {
        return Err(mismatch("a value with fields", value, program));
    }
    let record = value.as_record_mut().expect("it has fields");
    Ok(&mut record.values_mut()[number as usize])
}

fn slice(value: &Value, range: &Value, program: &LoadedProgram) -> Result<Value, Error> {
    let Some(range) = range.as_range() else { return Err(mismatch("a range", range, program)) };
    let outside = || {
        let length = length(value, program).unwrap_or(0);
        let dots = if range.is_inclusive() { "..=" } else { ".." };
        Error::new(kinds::INDEX_OUT_OF_BOUNDS, format!("slice {}{dots}{}, length {length}", range.start(), range.end()))
    };
    let Some(bounds) = range.bounds() else { return Err(outside()) };
    let part = match value.view() {
        View::Array(array) => array.slice(bounds).map(Value::from),
        View::Str(text) => text.slice(bounds).map(Value::from),
        View::Bytes(bytes) => bytes.slice(bounds).map(Value::from),
        _ => return Err(mismatch("an array, text or bytes", value, program)),
    };
    part.ok_or_else(outside)
}

fn length(value: &Value, program: &LoadedProgram) -> Result<i64, Error> {
    let length = match value.view() {
        View::Array(array) => array.len(),
        View::Str(text) => text.len(),
        View::Bytes(bytes) => bytes.len(),
        View::Map(map) => map.len(),
        View::Range(range) => return Ok(i64::try_from(range.len()).unwrap_or(i64::MAX)),
        _ => return Err(mismatch("a container", value, program)),
    };
    Ok(length as i64)
}

/// Puts the next element of the container in `b` into `a` and advances the position in the slot after `b`; false when there is none.
///
/// # Safety
/// The three are different slots, which hold values.
pub(crate) unsafe fn next_element(a: *mut Value, b: *mut Value, program: &LoadedProgram) -> Result<bool, Error> {
    // SAFETY: as the caller promises.
    let (container, position) = unsafe { (&*b, (*b.add(1)).int_bits()) };
    let next = match container.view() {
        View::Array(array) => array.get(position).map(|element| (element.clone(), position + 1)),
        View::Range(range) => {
            let number = range.start().checked_add(position).filter(|&number| position >= 0 && range.contains(number));
            number.map(|number| (Value::int(number), position.wrapping_add(1)))
        }
        View::Map(map) => usize::try_from(position)
            .ok()
            .and_then(|cursor| map.entry_from(cursor))
            .map(|(cursor, key, value)| (Value::tuple(vec![key.clone(), value.clone()]), cursor as i64)),
        // The position in a text counts bytes.
        View::Str(text) => {
            let rest = usize::try_from(position).ok().and_then(|start| text.as_str().get(start..));
            rest.and_then(|rest| rest.chars().next())
                .map(|character| (Value::str(character.encode_utf8(&mut [0; 4]) as &str), position + character.len_utf8() as i64))
        }
        View::Bytes(bytes) => {
            let byte = usize::try_from(position).ok().and_then(|index| bytes.as_slice().get(index));
            byte.map(|&byte| (Value::int(byte.into()), position + 1))
        }
        _ => return Err(mismatch("something to iterate over", container, program)),
    };
    let Some((element, position)) = next else { return Ok(false) };
    // SAFETY: as above; the references to both slots have ended.
    unsafe {
        *b.add(1) = Value::int(position);
        *a = element;
    }
    Ok(true)
}
