//! Maps in insertion order. Keys are `str`, `int`, `bool` and variants without payload.
//!
//! Invariant: `entries` are in insertion order; a removed one stays as a gap with a null key until there are more gaps than entries.
//! Beyond [`SCAN_MAX`] entries `table` holds the index of every entry that is no gap, by the hash that the entry remembers.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

use super::object::{Body, handle};
use super::{Value, View, equal, heap};

/// Up to so many entries are searched one after the other, without a table.
const SCAN_MAX: usize = 8;

#[derive(Clone)]
struct Entry {
    hash: u64,
    /// Null marks a gap.
    key: Value,
    value: Value,
}

#[derive(Clone, Default)]
pub(crate) struct MapBody {
    entries: Vec<Entry>,
    gaps: usize,
    table: HashTable<u32>,
    /// Keys may come from strangers, so every map has its own seed.
    hasher: DefaultHashBuilder,
}

/// One slot of the table, with its control byte.
const TABLE_SLOT_BYTES: usize = size_of::<u32>() + 1;

impl Body for MapBody {
    fn storage_bytes(&self) -> usize {
        self.entries.capacity() * size_of::<Entry>() + self.table.capacity() * TABLE_SLOT_BYTES
    }

    fn take_child(&mut self, cursor: &mut usize) -> Option<Value> {
        loop {
            let entry = self.entries.get_mut(*cursor / 2)?;
            let value = if cursor.is_multiple_of(2) { &mut entry.key } else { &mut entry.value };
            *cursor += 1;
            if value.is_heap() {
                return Some(value.take());
            }
        }
    }
}

handle! {
    /// A map. Cloning shares it; the methods that change it copy shared storage first.
    Map, Map, MapBody
}

impl MapBody {
    fn hash(&self, key: &Value) -> u64 {
        match key.view() {
            View::Str(text) => self.hash_text(text.as_str()),
            View::UnitVariant(definition, variant) => self.hasher.hash_one((definition.0, variant)),
            _ => self.hasher.hash_one(key.int_bits()),
        }
    }

    fn hash_text(&self, text: &str) -> u64 {
        self.hasher.hash_one(text)
    }

    fn find(&self, hash: u64, same: impl Fn(&Value) -> bool) -> Option<usize> {
        if self.table.is_empty() {
            return self.entries.iter().position(|entry| entry.hash == hash && same(&entry.key));
        }
        let found = self.table.find(hash, |&index| {
            let entry = &self.entries[index as usize];
            entry.hash == hash && same(&entry.key)
        });
        found.map(|&index| index as usize)
    }

    fn insert(&mut self, hash: u64, key: Value, value: Value) -> Option<Value> {
        if let Some(index) = self.find(hash, |other| same_key(other, &key)) {
            return Some(std::mem::replace(&mut self.entries[index].value, value));
        }
        let index = self.entries.len();
        self.entries.push(Entry { hash, key, value });
        if !self.table.is_empty() {
            let entries = &self.entries;
            self.table.insert_unique(hash, index as u32, |&index| entries[index as usize].hash);
        } else if index >= SCAN_MAX {
            self.rebuild();
        }
        None
    }

    fn remove(&mut self, index: usize) -> Value {
        let hash = self.entries[index].hash;
        if let Ok(found) = self.table.find_entry(hash, |&other| other as usize == index) {
            found.remove();
        }
        let entry = &mut self.entries[index];
        // A key's own storage goes now; the gap's null is no key, so nothing finds it.
        entry.key.take();
        let value = entry.value.take();
        self.gaps += 1;
        if self.gaps * 2 > self.entries.len() {
            self.entries.retain(|entry| !entry.key.is_null());
            self.gaps = 0;
            self.rebuild();
        }
        value
    }

    fn rebuild(&mut self) {
        self.table.clear();
        if self.entries.len() > SCAN_MAX {
            let entries = &self.entries;
            for (index, entry) in entries.iter().enumerate().filter(|(_, entry)| !entry.key.is_null()) {
                self.table.insert_unique(entry.hash, index as u32, |&index| entries[index as usize].hash);
            }
        }
    }
}

/// Whether two keys are the same. A JSON object's keys are plain values, so flags do not matter here.
fn same_key(one: &Value, two: &Value) -> bool {
    equal::equal(one, two) && one.tag() == two.tag()
}

impl Map {
    /// An empty map.
    pub fn new() -> Map {
        Map::from_body(MapBody::default())
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        let body = self.body();
        body.entries.len() - body.gaps
    }

    /// Whether there are no entries.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether a value may be a key.
    pub fn is_key(value: &Value) -> bool {
        matches!(value.view(), View::Str(_) | View::Int(_) | View::Bool(_) | View::UnitVariant(..))
    }

    /// The value of a key.
    pub fn get(&self, key: &Value) -> Option<&Value> {
        let body = self.body();
        body.find(body.hash(key), |other| same_key(other, key)).map(|index| &body.entries[index].value)
    }

    /// The value of a text key.
    pub fn get_text(&self, key: &str) -> Option<&Value> {
        let body = self.body();
        body.find(body.hash_text(key), |other| other.as_text() == Some(key)).map(|index| &body.entries[index].value)
    }

    /// Whether there is an entry of that key.
    pub fn has(&self, key: &Value) -> bool {
        self.get(key).is_some()
    }

    /// The value of a key, for changing it in place.
    pub fn get_mut(&mut self, key: &Value) -> Option<&mut Value> {
        let index = {
            let body = self.body();
            body.find(body.hash(key), |other| same_key(other, key))?
        };
        // A copy of shared storage keeps the places of its entries.
        Some(&mut self.unique_body_mut().entries[index].value)
    }

    /// Puts an entry at the end, or replaces the value of the entry that has the key, in its place. Returns what was replaced.
    pub fn insert(&mut self, key: Value, value: Value) -> Option<Value> {
        let key = key.seen_plainly();
        let body = self.unique_body_mut();
        let before = body.storage_bytes();
        let replaced = body.insert(body.hash(&key), key, value);
        let after = body.storage_bytes();
        heap::charge(after);
        heap::credit(before);
        replaced
    }

    /// Takes an entry out.
    pub fn remove(&mut self, key: &Value) -> Option<Value> {
        let index = {
            let body = self.body();
            body.find(body.hash(key), |other| same_key(other, key))?
        };
        let body = self.unique_body_mut();
        let before = body.storage_bytes();
        let value = body.remove(index);
        let after = body.storage_bytes();
        heap::charge(after);
        heap::credit(before);
        Some(value)
    }

    /// The entries, in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&Value, &Value)> {
        self.body().entries.iter().filter(|entry| !entry.key.is_null()).map(|entry| (&entry.key, &entry.value))
    }

    /// The first entry at or after a cursor, with the cursor for the next one. Begin with 0.
    pub fn entry_from(&self, cursor: usize) -> Option<(usize, &Value, &Value)> {
        let entries = self.body().entries.get(cursor..)?;
        let gap = entries.iter().position(|entry| !entry.key.is_null())?;
        Some((cursor + gap + 1, &entries[gap].key, &entries[gap].value))
    }
}

impl Default for Map {
    fn default() -> Map {
        Map::new()
    }
}

impl FromIterator<(Value, Value)> for Map {
    fn from_iter<I: IntoIterator<Item = (Value, Value)>>(entries: I) -> Map {
        let mut map = Map::new();
        for (key, value) in entries {
            map.insert(key, value);
        }
        map
    }
}
