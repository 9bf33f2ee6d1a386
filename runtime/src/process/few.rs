//! A map that is nearly always small: links, monitors, watchers of one process.
//!
//! Invariant: a process with one link pays for one, and one with a hundred thousand finds each of them as soon as any other. What is
//! in it is visited in an order that depends on nothing but what was put in and taken out.

use std::hash::Hash;

use indexmap::IndexMap;
use rustc_hash::FxBuildHasher;

/// Entries that are looked for one after the other. More of them are hashed.
const FEW: usize = 16;

/// See the module's text.
#[derive(Default, Debug)]
pub(crate) enum Few<K, V> {
    /// No entry.
    #[default]
    None,
    /// One, without storage of its own.
    One(K, V),
    /// Some, in order.
    Some(Vec<(K, V)>),
    /// More than a few.
    Many(Box<IndexMap<K, V, FxBuildHasher>>),
}

impl<K: Eq + Hash, V> Few<K, V> {
    /// Puts an entry in; one with the same key is replaced.
    pub(crate) fn insert(&mut self, key: K, value: V) {
        match self {
            Self::None => *self = Self::One(key, value),
            Self::One(other, old) if *other == key => *old = value,
            Self::One(..) => {
                let Self::One(first, old) = std::mem::take(self) else { unreachable!("matched above") };
                *self = Self::Some(vec![(first, old), (key, value)]);
            }
            Self::Some(entries) => match entries.iter().position(|(other, _)| *other == key) {
                Some(index) => entries[index].1 = value,
                None if entries.len() < FEW => entries.push((key, value)),
                None => {
                    let mut many: IndexMap<K, V, FxBuildHasher> = std::mem::take(entries).into_iter().collect();
                    many.insert(key, value);
                    *self = Self::Many(Box::new(many));
                }
            },
            Self::Many(many) => drop(many.insert(key, value)),
        }
    }

    /// Takes an entry out.
    pub(crate) fn remove(&mut self, key: &K) -> Option<V> {
        match self {
            Self::None => None,
            Self::One(other, _) if *other != *key => None,
            Self::One(..) => match std::mem::take(self) {
                Self::One(_, value) => Some(value),
                Self::None | Self::Some(_) | Self::Many(_) => unreachable!("matched above"),
            },
            Self::Some(entries) => {
                let index = entries.iter().position(|(other, _)| other == key)?;
                Some(entries.remove(index).1)
            }
            // The last entry takes the place of the one that goes.
            Self::Many(many) => many.swap_remove(key),
        }
    }

    /// Whether it holds nothing for sure; one that held more than one may hold nothing without saying so.
    #[inline]
    pub(crate) fn is_none(&self) -> bool {
        matches!(self, Self::None)
    }

    /// The keys.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &K> {
        let (one, some, many) = match self {
            Self::None => (None, None, None),
            Self::One(key, _) => (Some(key), None, None),
            Self::Some(entries) => (None, Some(entries), None),
            Self::Many(many) => (None, None, Some(many)),
        };
        let some = some.into_iter().flatten().map(|(key, _)| key);
        one.into_iter().chain(some).chain(many.into_iter().flat_map(|many| many.keys()))
    }

    /// All entries.
    pub(crate) fn into_entries(self) -> impl Iterator<Item = (K, V)> {
        let (one, some, many) = match self {
            Self::None => (None, None, None),
            Self::One(key, value) => (Some((key, value)), None, None),
            Self::Some(entries) => (None, Some(entries), None),
            Self::Many(many) => (None, None, Some(many)),
        };
        one.into_iter().chain(some.into_iter().flatten()).chain(many.into_iter().flat_map(|many| *many))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_in_is_found_however_much_there_is() {
        for count in [0, 1, 2, FEW, FEW + 1, 10 * FEW] {
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
            assert_eq!(map.keys().count(), count / 2);
            let mut left: Vec<_> = map.into_entries().collect();
            left.sort_unstable();
            assert_eq!(left, (0..count).filter(|key| key % 2 == 1).map(|key| (key, key + 2)).collect::<Vec<_>>());
        }
    }
}
