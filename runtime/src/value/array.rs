//! Arrays: growable, shared until somebody changes them.

use std::ops::Range;

use super::Value;
use super::heap;
use super::object::{Body, handle};

#[derive(Clone)]
pub(crate) struct ArrayBody {
    values: Vec<Value>,
}

impl Body for ArrayBody {
    fn storage_bytes(&self) -> usize {
        self.values.capacity() * size_of::<Value>()
    }

    fn take_child(&mut self, cursor: &mut usize) -> Option<Value> {
        // Scalars own nothing: skipping them here keeps large arrays of numbers from going through the list one by one.
        let place = *cursor + self.values.get(*cursor..)?.iter().position(Value::is_heap)?;
        *cursor = place + 1;
        Some(self.values[place].take())
    }
}

handle! {
    /// An array. Cloning shares it; the methods that change it copy shared storage first.
    Array, Array, ArrayBody
}

impl Array {
    /// The elements.
    #[inline]
    pub fn as_slice(&self) -> &[Value] {
        &self.body().values
    }

    /// Number of elements.
    #[inline]
    pub fn len(&self) -> usize {
        self.as_slice().len()
    }

    /// Whether there are no elements.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.as_slice().is_empty()
    }

    /// The element at an index.
    #[inline]
    pub fn get(&self, index: i64) -> Option<&Value> {
        self.as_slice().get(usize::try_from(index).ok()?)
    }

    /// The elements between two indexes, if both lie inside and in order.
    pub fn slice(&self, range: Range<i64>) -> Option<Array> {
        let (start, end) = (usize::try_from(range.start).ok()?, usize::try_from(range.end).ok()?);
        if start == 0 && end == self.len() {
            return Some(self.clone());
        }
        self.as_slice().get(start..end).map(|values| Array::from(values.to_vec()))
    }

    /// The elements, for changing them in place.
    #[inline]
    pub fn as_mut_slice(&mut self) -> &mut [Value] {
        &mut self.unique_body_mut().values
    }

    /// The element at an index, for changing it in place.
    #[inline]
    pub fn get_mut(&mut self, index: i64) -> Option<&mut Value> {
        let index = usize::try_from(index).ok().filter(|&index| index < self.len())?;
        Some(&mut self.as_mut_slice()[index])
    }

    /// Works on the elements as a vector and charges what it grew.
    pub fn change<T>(&mut self, work: impl FnOnce(&mut Vec<Value>) -> T) -> T {
        let values = &mut self.unique_body_mut().values;
        let before = values.capacity();
        let result = work(values);
        let after = values.capacity();
        if before != after {
            heap::charge(after * size_of::<Value>());
            heap::credit(before * size_of::<Value>());
        }
        result
    }

    /// Appends one element.
    #[inline]
    pub fn push(&mut self, value: Value) {
        self.change(|values| values.push(value));
    }

    /// Moves `value` to the end where the storage has room already and nobody shares it; says whether it did.
    #[inline]
    pub(crate) fn push_within_capacity(&mut self, value: &mut Value) -> bool {
        if !self.is_unique() {
            return false;
        }
        let values = &mut self.unique_body_mut().values;
        let has_room = values.len() < values.capacity();
        if has_room {
            values.push(value.take());
        }
        has_room
    }

    /// Appends the elements of another array.
    pub fn extend(&mut self, more: &Array) {
        // Holding the other array keeps its elements in place where both are the same storage.
        let more = more.clone();
        self.change(|values| values.extend_from_slice(more.as_slice()));
    }

    /// Both joined.
    pub fn concat(&self, other: &Array) -> Array {
        let mut values = Vec::with_capacity(self.len() + other.len());
        values.extend_from_slice(self.as_slice());
        values.extend_from_slice(other.as_slice());
        Array::from(values)
    }
}

impl From<Vec<Value>> for Array {
    fn from(values: Vec<Value>) -> Array {
        Array::from_body(ArrayBody { values })
    }
}

impl FromIterator<Value> for Array {
    fn from_iter<I: IntoIterator<Item = Value>>(values: I) -> Array {
        Array::from(values.into_iter().collect::<Vec<_>>())
    }
}
