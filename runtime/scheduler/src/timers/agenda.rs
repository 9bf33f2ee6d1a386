//! Timers in the exact order of deadline, then of the order their owner gave, then of being added.
//!
//! Invariant: `ordered` and `places` hold the same timers.

use std::collections::BTreeMap;

use super::TimerKey;
use crate::time::Instant;

/// What orders timers: deadline, the owner's order, and a number that makes it unique.
type Order = (Instant, (u64, u64), u32);

pub(crate) struct Agenda<T> {
    ordered: BTreeMap<Order, T>,
    places: Vec<Place>,
    free: Vec<u32>,
}

struct Place {
    generation: u32,
    order: Option<Order>,
}

impl<T> Agenda<T> {
    pub(crate) fn new() -> Agenda<T> {
        Agenda { ordered: BTreeMap::new(), places: Vec::new(), free: Vec::new() }
    }

    pub(crate) fn add(&mut self, deadline: Instant, order: (u64, u64), payload: T) -> TimerKey {
        let place = self.free.pop().unwrap_or_else(|| {
            self.places.push(Place { generation: 0, order: None });
            u32::try_from(self.places.len() - 1).expect("memory ends before four billion timers")
        });
        let order = (deadline, order, place);
        self.places[place as usize].order = Some(order);
        self.ordered.insert(order, payload);
        TimerKey { place, generation: self.places[place as usize].generation }
    }

    pub(crate) fn cancel(&mut self, key: TimerKey) -> Option<T> {
        let place = self.places.get(key.place as usize).filter(|place| place.generation == key.generation)?;
        let order = place.order?;
        self.free_place(key.place);
        self.ordered.remove(&order)
    }

    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<T> {
        let entry = self.ordered.first_entry().filter(|entry| entry.key().0 <= now)?;
        let ((_, _, place), payload) = entry.remove_entry();
        self.free_place(place);
        Some(payload)
    }

    /// Takes all of them out.
    pub(crate) fn take_all(&mut self) -> Vec<(TimerKey, T)> {
        let ordered = std::mem::take(&mut self.ordered).into_iter();
        ordered
            .map(|((_, _, place), payload)| {
                let generation = self.places[place as usize].generation;
                self.free_place(place);
                (TimerKey { place, generation }, payload)
            })
            .collect()
    }

    pub(crate) fn first(&self) -> Option<(Instant, (u64, u64))> {
        self.ordered.first_key_value().map(|(&(deadline, order, _), _)| (deadline, order))
    }

    fn free_place(&mut self, place: u32) {
        let entry = &mut self.places[place as usize];
        entry.generation = entry.generation.wrapping_add(1);
        entry.order = None;
        self.free.push(place);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_deadlines_fire_in_the_given_order() {
        let mut agenda = Agenda::new();
        let moment = Instant::from_nanos(5);
        agenda.add(moment, (2, 0), "second");
        agenda.add(moment, (1, 0), "first");
        agenda.add(Instant::from_nanos(4), (9, 0), "earlier");
        let fired: Vec<_> = std::iter::from_fn(|| agenda.pop_due(moment)).collect();
        assert_eq!(fired, ["earlier", "first", "second"]);
    }

    #[test]
    fn a_cancelled_timer_does_not_fire_and_its_handle_is_void() {
        let mut agenda = Agenda::new();
        let key = agenda.add(Instant::from_nanos(1), (0, 0), "gone");
        assert_eq!(agenda.cancel(key), Some("gone"));
        let later = agenda.add(Instant::from_nanos(1), (0, 0), "stays");
        assert_ne!(key, later);
        assert_eq!(agenda.cancel(key), None);
        assert_eq!(agenda.pop_due(Instant::from_nanos(1)), Some("stays"));
    }
}
