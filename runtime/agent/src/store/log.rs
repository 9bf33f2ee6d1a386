//! One variable of a state, and what is needed to take changes back.
//!
//! Invariant: the log has an entry for every run of changes by one call that may still be taken back, oldest first, with the value before
//! it. A change that stands makes everything before it final.

/// A variable.
#[derive(Debug)]
pub(super) struct Variable<V> {
    value: V,
    log: Vec<Entry<V>>,
}

#[derive(Debug)]
struct Entry<V> {
    call: u64,
    before: V,
}

impl<V> Variable<V> {
    pub(super) fn new(value: V) -> Variable<V> {
        Variable { value, log: Vec::new() }
    }

    /// What the next tool sees.
    pub(super) fn value(&self) -> &V {
        &self.value
    }

    /// What is there without the calls under way.
    pub(super) fn standing(&self) -> &V {
        self.log.first().map_or(&self.value, |entry| &entry.before)
    }

    /// A call changed it.
    pub(super) fn change(&mut self, call: u64, value: V) {
        let before = std::mem::replace(&mut self.value, value);
        if self.log.last().is_none_or(|last| last.call != call) {
            self.log.push(Entry { call, before });
        }
    }

    /// What a call changed stays.
    pub(super) fn stand(&mut self, call: u64) {
        if let Some(last) = self.log.iter().rposition(|entry| entry.call == call) {
            self.log.drain(..=last);
        }
    }

    /// What a call changed is as it was before it, except where others have changed it since.
    pub(super) fn take_back(&mut self, call: u64) {
        for index in (0..self.log.len()).rev() {
            if self.log[index].call != call {
                continue;
            }
            let entry = self.log.remove(index);
            match self.log.get_mut(index) {
                Some(later) => later.before = entry.before,
                None => self.value = entry.before,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same by its meaning: all changes in their order, and which calls came to what.
    #[derive(Default)]
    struct Model {
        changes: Vec<(u64, u32)>,
        stand: Vec<u64>,
        taken_back: Vec<u64>,
    }

    impl Model {
        fn last(&self, counts: impl Fn(u64) -> bool) -> u32 {
            self.changes.iter().rev().find(|(call, _)| counts(*call)).map_or(0, |(_, value)| *value)
        }
    }

    #[test]
    fn what_is_seen_is_the_last_change_that_was_not_taken_back() {
        let mut random = fastrand::Rng::with_seed(7);
        for _ in 0..2_000 {
            let (mut variable, mut model) = (Variable::new(0), Model::default());
            for value in 1..=random.u32(1..40) {
                let call = random.u64(0..6);
                if model.stand.contains(&call) || model.taken_back.contains(&call) {
                    continue;
                }
                match random.u32(..6) {
                    0 => {
                        variable.stand(call);
                        model.stand.push(call);
                    }
                    1 => {
                        variable.take_back(call);
                        model.taken_back.push(call);
                    }
                    _ => {
                        variable.change(call, value);
                        model.changes.push((call, value));
                    }
                }
                assert_eq!(*variable.value(), model.last(|call| !model.taken_back.contains(&call)));
                assert_eq!(*variable.standing(), model.last(|call| model.stand.contains(&call)));
            }
        }
    }

    #[test]
    fn nothing_is_kept_of_calls_that_are_over() {
        let mut variable = Variable::new("");
        variable.change(1, "a");
        variable.change(2, "b");
        variable.change(1, "c");
        variable.take_back(2);
        variable.stand(1);
        assert_eq!((variable.value(), variable.log.len()), (&"c", 0));
    }
}
