//! A hierarchical timing wheel: six levels of 256 slots, the lowest one tick of 128 µs wide.
//!
//! A timer lies at the lowest level at which its tick differs from the present one, in the slot of its tick's digit there. When
//! the present reaches a slot of a higher level, its timers move down; at the lowest level they become due. Adding and
//! cancelling touch one list.
//!
//! Invariant: every linked timer is in the list that its `list` names; a timer at a lower level fires before every timer at a
//! higher one; `occupied` has a bit exactly for each non-empty slot.

use super::TimerKey;
use crate::time::Instant;

/// The width of the lowest level's slots.
pub(crate) const TICK_NANOS: u64 = 1 << TICK_SHIFT;
/// 2^17 ns are 131 µs.
const TICK_SHIFT: u32 = 17;
const SLOT_BITS: u32 = 8;
const SLOTS: usize = 1 << SLOT_BITS;
/// 2^47 µs: every moment of a 64-bit nanosecond clock has its slot.
const LEVELS: usize = 6;
const WORDS: usize = SLOTS / 64;
/// The list of the timers that are due, after those of the slots.
const DUE: u32 = (LEVELS * SLOTS) as u32;
/// No entry, or no list.
const NONE: u32 = u32::MAX;

pub(crate) struct Wheel<T> {
    /// The tick up to which slots were emptied.
    present: u64,
    /// First and last entry of each slot, and of the due ones.
    lists: Box<[List]>,
    occupied: [[u64; WORDS]; LEVELS],
    entries: Vec<Entry<T>>,
    free: u32,
}

#[derive(Clone, Copy)]
struct List {
    first: u32,
    last: u32,
}

struct Entry<T> {
    tick: u64,
    generation: u32,
    list: u32,
    previous: u32,
    next: u32,
    payload: Option<T>,
}

impl<T> Wheel<T> {
    pub(crate) fn new(now: Instant) -> Wheel<T> {
        Wheel {
            present: now.as_nanos() >> TICK_SHIFT,
            lists: vec![List { first: NONE, last: NONE }; DUE as usize + 1].into_boxed_slice(),
            occupied: [[0; WORDS]; LEVELS],
            entries: Vec::new(),
            free: NONE,
        }
    }

    pub(crate) fn add(&mut self, deadline: Instant, payload: T) -> TimerKey {
        // Rounded up, so that it never fires early.
        let tick = deadline.as_nanos().div_ceil(TICK_NANOS);
        let place = self.take_entry();
        let entry = &mut self.entries[place as usize];
        entry.tick = tick;
        entry.payload = Some(payload);
        let generation = entry.generation;
        self.link(place);
        TimerKey { place, generation }
    }

    pub(crate) fn cancel(&mut self, key: TimerKey) -> Option<T> {
        let entry = self.entries.get(key.place as usize)?;
        if entry.generation != key.generation || entry.list == NONE {
            return None;
        }
        self.unlink(key.place);
        self.free_entry(key.place)
    }

    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<T> {
        self.advance(now.as_nanos() >> TICK_SHIFT);
        let place = self.lists[DUE as usize].first;
        if place == NONE {
            return None;
        }
        self.unlink(place);
        self.free_entry(place)
    }

    /// Takes all of them out.
    pub(crate) fn take_all(&mut self) -> Vec<(TimerKey, T)> {
        let mut all = Vec::new();
        for place in 0..self.entries.len() as u32 {
            let entry = &self.entries[place as usize];
            if entry.list != NONE {
                let key = TimerKey { place, generation: entry.generation };
                self.unlink(place);
                all.extend(self.free_entry(place).map(|payload| (key, payload)));
            }
        }
        all
    }

    pub(crate) fn next_look(&self) -> Option<Instant> {
        if self.lists[DUE as usize].first != NONE {
            return Some(Instant::from_nanos(self.present << TICK_SHIFT));
        }
        self.next_slot().map(|(_, _, tick)| Instant::from_nanos(tick << TICK_SHIFT))
    }

    fn advance(&mut self, tick: u64) {
        if tick <= self.present {
            return;
        }
        while let Some((level, slot, starts)) = self.next_slot() {
            if starts > tick {
                break;
            }
            self.present = starts;
            self.move_down(level, slot);
        }
        self.present = tick;
    }

    /// The earliest occupied slot: level, number and first tick.
    fn next_slot(&self) -> Option<(usize, usize, u64)> {
        (0..LEVELS).find_map(|level| {
            let shift = SLOT_BITS * level as u32;
            let here = (self.present >> shift) as usize % SLOTS;
            let slot = next_bit(&self.occupied[level], here)?;
            let round = self.present >> (shift + SLOT_BITS) << (shift + SLOT_BITS);
            Some((level, slot, round + ((slot as u64) << shift)))
        })
    }

    /// Moves every timer of a slot that the present has reached to where it belongs now.
    fn move_down(&mut self, level: usize, slot: usize) {
        let list = level * SLOTS + slot;
        let mut place = std::mem::replace(&mut self.lists[list], List { first: NONE, last: NONE }).first;
        self.occupied[level][slot / 64] &= !(1 << (slot % 64));
        while place != NONE {
            let next = self.entries[place as usize].next;
            self.link(place);
            place = next;
        }
    }

    fn list_of(&self, tick: u64) -> u32 {
        if tick <= self.present {
            return DUE;
        }
        let level = (63 - (tick ^ self.present).leading_zeros()) / SLOT_BITS;
        let slot = (tick >> (SLOT_BITS * level)) as u32 % SLOTS as u32;
        level * SLOTS as u32 + slot
    }

    fn link(&mut self, place: u32) {
        let list = self.list_of(self.entries[place as usize].tick);
        let last = std::mem::replace(&mut self.lists[list as usize].last, place);
        let entry = &mut self.entries[place as usize];
        (entry.list, entry.previous, entry.next) = (list, last, NONE);
        if last == NONE {
            self.lists[list as usize].first = place;
        } else {
            self.entries[last as usize].next = place;
        }
        if list != DUE {
            let (level, slot) = (list as usize / SLOTS, list as usize % SLOTS);
            self.occupied[level][slot / 64] |= 1 << (slot % 64);
        }
    }

    fn unlink(&mut self, place: u32) {
        let Entry { list, previous, next, .. } = self.entries[place as usize];
        match previous {
            NONE => self.lists[list as usize].first = next,
            previous => self.entries[previous as usize].next = next,
        }
        match next {
            NONE => self.lists[list as usize].last = previous,
            next => self.entries[next as usize].previous = previous,
        }
        if list != DUE && self.lists[list as usize].first == NONE {
            let (level, slot) = (list as usize / SLOTS, list as usize % SLOTS);
            self.occupied[level][slot / 64] &= !(1 << (slot % 64));
        }
    }

    fn take_entry(&mut self) -> u32 {
        if self.free == NONE {
            self.entries.push(Entry { tick: 0, generation: 0, list: NONE, previous: NONE, next: NONE, payload: None });
            return u32::try_from(self.entries.len() - 1).expect("memory ends before four billion timers");
        }
        let place = self.free;
        self.free = self.entries[place as usize].next;
        place
    }

    fn free_entry(&mut self, place: u32) -> Option<T> {
        let free = std::mem::replace(&mut self.free, place);
        let entry = &mut self.entries[place as usize];
        entry.generation = entry.generation.wrapping_add(1);
        (entry.list, entry.next) = (NONE, free);
        entry.payload.take()
    }
}

/// The lowest set bit that is not below `from`.
fn next_bit(words: &[u64; WORDS], from: usize) -> Option<usize> {
    let first = words[from / 64] & (u64::MAX << (from % 64));
    if first != 0 {
        return Some(from / 64 * 64 + first.trailing_zeros() as usize);
    }
    (from / 64 + 1..WORDS).find(|&word| words[word] != 0).map(|word| word * 64 + words[word].trailing_zeros() as usize)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(tick: u64) -> Instant {
        Instant::from_nanos(tick * TICK_NANOS)
    }

    fn fired(wheel: &mut Wheel<u64>, now: u64) -> Vec<u64> {
        std::iter::from_fn(|| wheel.pop_due(at(now))).collect()
    }

    #[test]
    fn a_timer_fires_at_its_tick_and_not_before() {
        for distance in [1, 255, 256, 257, 65_535, 65_536, 70_000, 1 << 24, 1 << 33] {
            let mut wheel = Wheel::new(at(77));
            wheel.add(at(77 + distance), distance);
            assert_eq!(fired(&mut wheel, 77 + distance - 1), [], "{distance} ticks away");
            assert_eq!(fired(&mut wheel, 77 + distance), [distance]);
        }
    }

    #[test]
    fn a_timer_that_never_fires_has_a_slot() {
        let mut wheel = Wheel::new(at(0));
        wheel.add(Instant::NEVER, 1);
        assert_eq!(fired(&mut wheel, 1 << 40), []);
    }

    #[test]
    fn a_timer_that_is_due_can_still_be_cancelled() {
        let mut wheel = Wheel::new(at(0));
        wheel.add(at(1), 1);
        let second = wheel.add(at(1), 2);
        assert_eq!(wheel.pop_due(at(9)), Some(1));
        assert_eq!(wheel.cancel(second), Some(2));
        assert_eq!(wheel.pop_due(at(9)), None);
        assert_eq!(wheel.cancel(second), None);
    }

    proptest! {
        #[test]
        fn it_fires_what_a_sorted_list_would(
            start in 0_u64..1_000_000,
            timers in prop::collection::vec((0_u64..200_000, any::<bool>()), 1..60),
            steps in prop::collection::vec(0_u64..9_000, 1..60),
        ) {
            let mut wheel = Wheel::new(at(start));
            let mut expected = Vec::new();
            for (number, (distance, cancelled)) in timers.into_iter().enumerate() {
                let key = wheel.add(at(start + distance), number as u64);
                if cancelled {
                    prop_assert_eq!(wheel.cancel(key), Some(number as u64));
                } else {
                    expected.push((start + distance, number as u64));
                }
            }
            let mut now = start;
            for step in steps {
                now += step;
                let mut due = fired(&mut wheel, now);
                due.sort_unstable();
                let mut wanted: Vec<u64> = expected.extract_if(.., |timer| timer.0 <= now).map(|timer| timer.1).collect();
                wanted.sort_unstable();
                prop_assert_eq!(due, wanted);
                let next = expected.iter().map(|timer| timer.0).min();
                let look = wheel.next_look();
                prop_assert_eq!(look.is_some(), next.is_some());
                if let (Some(look), Some(next)) = (look, next) {
                    prop_assert!(look <= at(next), "it would oversleep");
                    prop_assert!(look > at(now), "it would spin");
                }
            }
        }
    }
}
