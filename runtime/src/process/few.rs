//! A map that is nearly always small: links, monitors, watchers of one process.
//!
//! Invariant: a process with one link pays for one, and one with a hundred thousand finds each of them as soon as any other. What is
//! in it is visited in an order that depends on nothing but what was put in and taken out.

use std::collections::BTreeMap;

/// Entries that are looked for one after the other. More of them are kept in order.
const FEW: usize = 32;

/// See the module's text.
#[derive(Debug)]
pub(crate) struct Few<K, V> {
    few: Vec<(K, V)>,
    /// All entries, once there were more than a few.
    #[expect(clippy::box_collection, reason = "one word where there are few, which is nearly always")]
    many: Option<Box<BTreeMap<K, V>>>,
}

impl<K, V> Default for Few<K, V> {
    fn default() -> Self {
        Self { few: Vec::new(), many: None }
    }
}

impl<K: Ord, V> Few<K, V> {
    /// One entry, in storage for one.
    pub(crate) fn one(key: K, value: V) -> Self {
        Self { few: vec![(key, value)], many: None }
    }

    /// Puts an entry in; one with the same key is replaced.
    pub(crate) fn insert(&mut self, key: K, value: V) {
        if let Some(many) = &mut self.many {
            many.insert(key, value);
            return;
        }
        if let Some(entry) = self.few.iter_mut().find(|(other, _)| *other == key) {
            entry.1 = value;
            return;
        }
        self.few.push((key, value));
        if self.few.len() > FEW {
            self.many = Some(Box::new(std::mem::take(&mut self.few).into_iter().collect()));
        }
    }

    /// Takes an entry out.
    pub(crate) fn remove(&mut self, key: &K) -> Option<V> {
        if let Some(many) = &mut self.many {
            return many.remove(key);
        }
        let index = self.few.iter().position(|(other, _)| other == key)?;
        Some(self.few.remove(index).1)
    }

    /// The keys.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &K> {
        self.few.iter().map(|(key, _)| key).chain(self.many.iter().flat_map(|many| many.keys()))
    }

    /// All entries.
    pub(crate) fn into_entries(self) -> impl Iterator<Item = (K, V)> {
        self.few.into_iter().chain(self.many.into_iter().flat_map(|many| *many))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_in_is_found_however_much_there_is() {
        for count in [0, 1, FEW, FEW + 1, 10 * FEW] {
            let mut map = Few::default();
            for key in 0..count {
                map.insert(key, key + 1);
                map.insert(key, key + 2);
            }
            assert_eq!(map.keys().count(), count);
            for key in (0..count).step_by(2) {
                assert_eq!(map.remove(&key), Some(key + 2));
                assert_eq!(map.remove(&key), None);
            }
            let left: Vec<_> = map.into_entries().collect();
            assert_eq!(left, (0..count).filter(|key| key % 2 == 1).map(|key| (key, key + 2)).collect::<Vec<_>>());
        }
    }
}
