//! The line beside a queue against one queue.

use std::collections::VecDeque;

use proptest::prelude::*;

use super::*;

/// A queue with so many jobs, numbered from zero.
fn queue_of(jobs: u32) -> Queue<u32> {
    let queue = Queue::new_fifo();
    (0..jobs).for_each(|job| queue.push(job));
    queue
}

/// Takes everything.
fn drain(overtakers: &Overtakers<u32>, queue: &Queue<u32>) -> Vec<u32> {
    std::iter::from_fn(|| overtakers.take(queue)).collect()
}

#[test]
fn who_has_waited_runs_after_64_others_at_most() {
    let (overtakers, queue) = (Overtakers::new(), queue_of(100_000));
    for round in 0..100 {
        overtakers.push(u32::MAX, &queue);
        let others = std::iter::from_fn(|| overtakers.take(&queue)).position(|job| job == u32::MAX).expect("nothing is lost");
        assert!(others < 64, "after {others} others in round {round}");
        // At any distance from the last one that overtook.
        for _ in 0..round {
            overtakers.take(&queue);
        }
    }
}

#[test]
fn the_turn_of_who_has_waited_comes_no_later_than_in_one_queue() {
    let (overtakers, queue) = (Overtakers::new(), queue_of(10));
    (10..14).for_each(|job| overtakers.push(job, &queue));
    (14..20).for_each(|job| queue.push(job));
    assert_eq!(drain(&overtakers, &queue), (0..20).collect::<Vec<_>>());
}

#[test]
fn a_line_that_others_took_the_queue_from_is_shared_with_them() {
    let (overtakers, queue) = (Overtakers::new(), queue_of(2_000));
    (2_000..3_000).for_each(|job| overtakers.push(job, &queue));
    assert!(!overtakers.share(&queue), "there is enough to steal");
    while queue.pop().is_some() {}
    assert!(overtakers.share(&queue));
    assert_eq!((queue.len(), overtakers.len()), (SHARED_MAX, 1_000 - SHARED_MAX));
    assert_eq!(queue.stealer().steal().success(), Some(2_000));
    let rest = drain(&overtakers, &queue);
    let shared: Vec<_> = rest.iter().filter(|job| **job < 2_256).copied().collect();
    let others: Vec<_> = rest.iter().filter(|job| **job >= 2_256).copied().collect();
    assert_eq!(shared, (2_001..2_256).collect::<Vec<_>>());
    assert_eq!(others, (2_256..3_000).collect::<Vec<_>>());
}

#[test]
fn a_line_that_was_long_gives_its_memory_back() {
    let (overtakers, queue) = (Overtakers::new(), queue_of(0));
    (0..100_000).for_each(|job| overtakers.push(job, &queue));
    drain(&overtakers, &queue);
    assert_eq!(overtakers.line.borrow().capacity(), 0);
}

#[derive(Clone, Debug)]
enum Step {
    Push(u32),
    Wake(u32),
    Take(u32),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step =
        prop_oneof![(0..200_u32).prop_map(Step::Push), (0..20_u32).prop_map(Step::Wake), (0..300_u32).prop_map(Step::Take),];
    prop::collection::vec(step, 0..60)
}

proptest! {
    /// Against one queue, first-in first-out, in which every job is.
    #[test]
    fn nobody_waits_longer_than_in_one_queue_but_for_one_in_64(steps in steps()) {
        let (overtakers, queue) = (Overtakers::new(), Queue::new_fifo());
        let (mut model, mut woken, mut order) = (VecDeque::new(), Vec::new(), Vec::new());
        let push = |model: &mut VecDeque<usize>, woken: &mut Vec<bool>, is_woken: bool| {
            let job = woken.len();
            model.push_back(job);
            woken.push(is_woken);
            if is_woken { overtakers.push(job, &queue) } else { queue.push(job) }
        };
        let take = |model: &mut VecDeque<usize>, order: &mut Vec<(usize, usize)>| {
            let (job, expected) = (overtakers.take(&queue), model.pop_front());
            assert_eq!(job.is_some(), expected.is_some(), "one of them has a job that the other has not");
            order.extend(job.zip(expected));
            job.is_some()
        };
        for step in steps {
            match step {
                Step::Push(jobs) => (0..jobs).for_each(|_| push(&mut model, &mut woken, false)),
                Step::Wake(jobs) => (0..jobs).for_each(|_| push(&mut model, &mut woken, true)),
                Step::Take(jobs) => (0..jobs).for_each(|_| { take(&mut model, &mut order); }),
            }
        }
        while take(&mut model, &mut order) {}
        prop_assert_eq!(order.len(), woken.len(), "each runs once");
        // When each ran, and when it would have.
        let (mut ran, mut due) = (vec![0; order.len()], vec![0; order.len()]);
        for (number, (job, expected)) in order.into_iter().enumerate() {
            ran[job] = number;
            due[expected] = number;
        }
        for kind in [false, true] {
            let of_kind: Vec<usize> = woken.iter().zip(&ran).filter(|(is_woken, _)| **is_woken == kind).map(|(_, ran)| *ran).collect();
            prop_assert!(of_kind.is_sorted(), "one overtook another of its own kind");
        }
        for (job, is_woken) in woken.iter().enumerate() {
            let delay = if *is_woken { 0 } else { (ran[job] + 1).div_ceil(OVERTAKING_INTERVAL as usize) };
            prop_assert!(ran[job] <= due[job] + delay, "job {job} was due at {} and ran at {}", due[job], ran[job]);
        }
    }
}
