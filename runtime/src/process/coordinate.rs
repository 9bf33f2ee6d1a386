//! Coordinates: names of operations that do not depend on timing.
//!
//! A coordinate is the path of the process (at each step the coordinate of the spawn, and which incarnation) and within it the path
//! of activations: function, effect site, iterations of the loops around it. It is built only where an effect or a spawn happens.
//!
//! Invariant: a path has at most [`STEPS_MAX`] steps, however many generations of processes there were. Of longer ones the oldest steps
//! are folded into one that has their digest, at a depth that depends on the program alone.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use vega_bytecode::{FunctionId, Module};

use crate::vm::NearView;

/// One activation on the way from a process's first function to an operation.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Activation {
    /// The function.
    pub function: FunctionId,
    /// Number of the effect site in it.
    pub site: u32,
    /// Iteration numbers of the loops around the site, outermost first.
    pub loops: Vec<i64>,
}

/// The function of activations that are steps of a state machine: their site is the step's number.
const STATE_MACHINE: FunctionId = FunctionId(u32::MAX);

/// The function of the activation that stands for spawns which were folded: the numbers of its loops are their digest.
const FOLDED: FunctionId = FunctionId(u32::MAX - 1);

impl Activation {
    /// A step of a state machine, which numbers its steps itself.
    pub fn step(number: u32) -> Self {
        Self { function: STATE_MACHINE, site: number, loops: Vec::new() }
    }
}

/// Names a process independently of timing.
#[derive(Clone, Default)]
pub struct ProcessPath(Last);

/// The last step of a path.
///
/// Most processes start no others, so a young one has its step in place, without storage of its own; it is moved to shared storage when
/// the path is first handed on.
#[derive(Clone, Default)]
enum Last {
    /// The program's first process was not spawned.
    #[default]
    Root,
    InPlace(Step),
    Shared(Arc<Step>),
}

/// Steps of the longest path. At this length the oldest are folded, and [`STEPS_KEPT`] stay.
const STEPS_MAX: u32 = 2_048;
const STEPS_KEPT: usize = 1_024;

/// One spawn.
#[derive(Clone)]
struct Step {
    /// The path of the spawner; none for the program's first process.
    parent: Parent,
    spawn: Spawn,
    /// Which life of a supervised child, from 1.
    incarnation: u32,
    /// Steps before this one.
    depth: u32,
}

/// The step before. As many may follow each other as [`STEPS_MAX`], so they are dropped and compared one by one, without a native frame
/// for each.
#[derive(Clone, Default)]
struct Parent(Option<Arc<Step>>);

impl Drop for Parent {
    #[inline]
    fn drop(&mut self) {
        let mut last = self.0.take();
        while let Some(step) = last {
            last = Arc::into_inner(step).and_then(|mut step| step.parent.0.take());
        }
    }
}

impl PartialEq for Step {
    fn eq(&self, other: &Self) -> bool {
        let (mut one, mut two) = (self, other);
        loop {
            if std::ptr::eq(one, two) {
                return true;
            }
            if (one.incarnation, one.depth) != (two.incarnation, two.depth) || one.spawn != two.spawn {
                return false;
            }
            match (&one.parent.0, &two.parent.0) {
                (Some(before_one), Some(before_two)) => (one, two) = (before_one, before_two),
                (None, None) => return true,
                _ => return false,
            }
        }
    }
}

impl Step {
    /// This step and those before it, last first.
    fn back(&self) -> impl Iterator<Item = &Step> {
        std::iter::successors(Some(self), |step| step.parent.0.as_deref())
    }

    /// The same path with its oldest steps folded into one.
    #[cold]
    fn folded(&self) -> Arc<Step> {
        let mut kept: Vec<&Step> = self.back().take(STEPS_KEPT).collect();
        let older: Vec<&Step> = self.back().skip(STEPS_KEPT).collect();
        let mut digest = Digest::default();
        for step in older.into_iter().rev() {
            digest.add(u64::from(step.incarnation));
            for activation in step.spawn.activations() {
                digest.add(u64::from(activation.function.0) << 32 | u64::from(activation.site));
                digest.add(activation.loops.len() as u64);
                activation.loops.iter().for_each(|iteration| digest.add(iteration.cast_unsigned()));
            }
        }
        let oldest = Step { parent: Parent(None), spawn: Spawn::Folded(digest.halves()), incarnation: 1, depth: 0 };
        kept.reverse();
        kept.into_iter().fold(Arc::new(oldest), |parent, step| {
            let depth = parent.depth + 1;
            Arc::new(Step { parent: Parent(Some(parent)), spawn: step.spawn.clone(), incarnation: step.incarnation, depth })
        })
    }
}

/// FNV-1a of 128 bits (RFC 9923): the same on every machine and in every version.
struct Digest(u128);

impl Default for Digest {
    fn default() -> Self {
        Digest(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d)
    }
}

impl Digest {
    fn add(&mut self, word: u64) {
        for byte in word.to_le_bytes() {
            self.0 = (self.0 ^ u128::from(byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b);
        }
    }

    fn halves(&self) -> [i64; 2] {
        [(self.0 >> 64) as u64, self.0 as u64].map(u64::cast_signed)
    }
}

/// A place in a process's first function with at most two loops around it: what an [`Activation`] says, without storage of its own.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct NearSite {
    pub(crate) function: FunctionId,
    pub(crate) site: u32,
    /// How many loops there are.
    pub(crate) loops: u32,
    /// Their iterations, outermost first; zero where there is no loop.
    pub(crate) iterations: [i64; 2],
}

/// Where a spawn happened. The usual ones, in the process's first function and at most two loops, take no storage of their own: there
/// may be a million of them.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Spawn {
    Near(NearSite),
    Deep(Box<[Activation]>),
    /// All spawns before, by their digest.
    Folded([i64; 2]),
}

impl Spawn {
    fn new(activations: Vec<Activation>) -> Self {
        if let [Activation { function, site, loops }] = &activations[..]
            && loops.len() <= 2
        {
            let iteration = |at: usize| loops.get(at).copied().unwrap_or(0);
            let iterations = [iteration(0), iteration(1)];
            return Spawn::Near(NearSite { function: *function, site: *site, loops: loops.len() as u32, iterations });
        }
        Spawn::Deep(activations.into())
    }

    fn activations(&self) -> Vec<Activation> {
        match self {
            Spawn::Near(NearSite { function, site, loops, iterations }) => {
                let loops = iterations[..*loops as usize].to_vec();
                vec![Activation { function: *function, site: *site, loops }]
            }
            Spawn::Deep(activations) => activations.to_vec(),
            Spawn::Folded(digest) => vec![Activation { function: FOLDED, site: 0, loops: digest.to_vec() }],
        }
    }
}

/// Names one operation independently of timing.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Coordinate {
    /// The process that does it.
    pub process: ProcessPath,
    /// Where in it, outermost first.
    pub activations: Vec<Activation>,
}

impl ProcessPath {
    /// The program's first process.
    pub fn root() -> Self {
        Self(Last::Root)
    }

    /// The process spawned at a coordinate, in its first life.
    pub fn spawned_at(coordinate: Coordinate) -> Self {
        Self::in_place(coordinate.process.into_shared(), Spawn::new(coordinate.activations))
    }

    /// The same for a spawn at a place with few loops around it, in a process's first function.
    #[inline(always)]
    pub(crate) fn spawned_near(&mut self, site: NearSite) -> Self {
        Self::in_place(self.shared(), Spawn::Near(site))
    }

    /// The same, made where it is to be.
    ///
    /// # Safety
    /// `place` may be written, and holds nothing that would have to be dropped.
    #[inline(always)]
    pub(crate) unsafe fn spawn_near_at(&mut self, place: *mut Self, near: NearView<'_>) {
        // First, so that the rest goes from registers to its place.
        let parent = self.shared();
        // SAFETY: by the caller's promise.
        unsafe { place.write(Self::in_place(parent, Spawn::Near(near.site()))) };
    }

    #[inline(always)]
    fn in_place(mut parent: Option<Arc<Step>>, spawn: Spawn) -> Self {
        let mut depth = parent.as_ref().map_or(0, |parent| parent.depth + 1);
        if depth >= STEPS_MAX {
            parent = parent.map(|parent| parent.folded());
            depth = parent.as_ref().map_or(0, |parent| parent.depth + 1);
        }
        Self(Last::InPlace(Step { parent: Parent(parent), spawn, incarnation: 1, depth }))
    }

    /// The same child in another life.
    pub fn incarnation(&self, number: u32) -> Self {
        match self.last() {
            Some(step) => Self(Last::InPlace(Step { incarnation: number, ..step.clone() })),
            None => Self::root(),
        }
    }

    /// The path, to be handed on: in shared storage from now on.
    pub(crate) fn share(&mut self) -> Self {
        Self(self.shared().map_or(Last::Root, Last::Shared))
    }

    /// The last step, in shared storage from now on.
    #[inline]
    fn shared(&mut self) -> Option<Arc<Step>> {
        match &self.0 {
            Last::Root => None,
            Last::Shared(step) => Some(Arc::clone(step)),
            Last::InPlace(_) => {
                let step = std::mem::take(self).into_shared()?;
                self.0 = Last::Shared(Arc::clone(&step));
                Some(step)
            }
        }
    }

    fn into_shared(self) -> Option<Arc<Step>> {
        match self.0 {
            Last::Root => None,
            Last::InPlace(step) => Some(Arc::new(step)),
            Last::Shared(step) => Some(step),
        }
    }

    fn last(&self) -> Option<&Step> {
        match &self.0 {
            Last::Root => None,
            Last::InPlace(step) => Some(step),
            Last::Shared(step) => Some(step),
        }
    }

    /// The path as text, with the names of functions.
    pub fn text(&self, module: &Module) -> String {
        let coordinate = Coordinate { process: self.clone(), activations: Vec::new() };
        coordinate.text(module).trim_end_matches('/').to_string()
    }

    fn steps(&self) -> Vec<&Step> {
        let mut steps: Vec<&Step> = self.last().into_iter().flat_map(Step::back).collect();
        steps.reverse();
        steps
    }
}

impl PartialEq for ProcessPath {
    fn eq(&self, other: &Self) -> bool {
        self.last() == other.last()
    }
}

impl Eq for ProcessPath {}

impl Hash for ProcessPath {
    fn hash<H: Hasher>(&self, state: &mut H) {
        for step in self.last().into_iter().flat_map(Step::back) {
            step.spawn.hash(state);
            step.incarnation.hash(state);
        }
    }
}

/// Program order: an operation of an earlier spawn, or earlier in the same process, comes first.
impl Ord for Coordinate {
    fn cmp(&self, other: &Self) -> Ordering {
        let order = |path: &ProcessPath| -> Vec<(Vec<Activation>, u32)> {
            path.steps().into_iter().map(|step| (step.spawn.activations(), step.incarnation)).collect()
        };
        order(&self.process).cmp(&order(&other.process)).then_with(|| self.activations.cmp(&other.activations))
    }
}

impl PartialOrd for Coordinate {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Coordinate {
    /// The coordinate as text, with the names of functions: `main:2[0]/worker:0!2/step:1`.
    pub fn text(&self, module: &Module) -> String {
        let mut text = String::new();
        for step in self.process.steps() {
            push_activations(&mut text, &step.spawn.activations(), module);
            if step.incarnation != 1 {
                text.push_str(&format!("!{}", step.incarnation));
            }
            text.push('/');
        }
        push_activations(&mut text, &self.activations, module);
        text
    }
}

fn push_activations(text: &mut String, activations: &[Activation], module: &Module) {
    for (index, activation) in activations.iter().enumerate() {
        if index > 0 {
            text.push('>');
        }
        match module.functions.get(activation.function.0 as usize) {
            Some(function) => text.push_str(&function.name),
            None if activation.function == STATE_MACHINE => text.push_str("step"),
            None if activation.function == FOLDED => {
                let digest: String = activation.loops.iter().map(|half| format!("{half:016x}")).collect();
                text.push_str(&format!("generations#{digest}"));
                continue;
            }
            None => text.push_str(&activation.function.0.to_string()),
        }
        text.push_str(&format!(":{}", activation.site));
        if !activation.loops.is_empty() {
            let loops: Vec<String> = activation.loops.iter().map(i64::to_string).collect();
            text.push_str(&format!("[{}]", loops.join(",")));
        }
    }
}

impl fmt::Debug for Coordinate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text(&Module::default()))
    }
}

impl fmt::Debug for ProcessPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Coordinate { process: self.clone(), activations: Vec::new() }.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(site: u32, loops: &[i64]) -> Activation {
        Activation { function: FunctionId(0), site, loops: loops.to_vec() }
    }

    #[test]
    fn a_coordinate_names_spawns_incarnations_and_iterations() {
        let spawn = Coordinate { process: ProcessPath::root(), activations: vec![at(2, &[0, 7])] };
        let child = ProcessPath::spawned_at(spawn).incarnation(2);
        let coordinate = Coordinate { process: child, activations: vec![at(1, &[]), at(0, &[])] };
        assert_eq!(format!("{coordinate:?}"), "0:2[0,7]!2/0:1>0:0");
    }

    #[test]
    fn a_path_is_the_same_however_it_is_stored_and_however_deep_its_loops_are() {
        for loops in [&[][..], &[3], &[3, 4], &[3, 4, 5]] {
            let spawned =
                || ProcessPath::spawned_at(Coordinate { process: ProcessPath::root(), activations: vec![at(2, loops)] });
            let mut first = spawned();
            let shared = first.share();
            assert!(shared == spawned() && first == shared && first != ProcessPath::root());
            if let [] | [_] | [_, _] = loops {
                let iterations = [loops.first().copied().unwrap_or(0), loops.get(1).copied().unwrap_or(0)];
                let site = NearSite { function: FunctionId(0), site: 2, loops: loops.len() as u32, iterations };
                let short = ProcessPath::root().spawned_near(site);
                assert!(short == shared && format!("{short:?}") == format!("{shared:?}"));
            }
            assert_eq!(format!("{:?}", first.incarnation(2)), format!("{}!2/", format!("{first:?}").trim_end_matches('/')));
        }
    }

    /// The path of a process after so many generations that each spawn the next.
    fn generation(number: i64) -> ProcessPath {
        let mut path = ProcessPath::root();
        for generation in 0..number {
            path = ProcessPath::spawned_at(Coordinate { process: path, activations: vec![at(1, &[generation])] });
        }
        path
    }

    #[test]
    fn a_path_stays_short_however_many_generations_there_were() {
        let (one, two) = (generation(300_000), generation(300_000));
        assert!(one == two && one.steps().len() <= STEPS_MAX as usize);
        assert_ne!(generation(299_999), one);
        let hashed = |path: &ProcessPath| {
            let mut hasher = rustc_hash::FxHasher::default();
            path.hash(&mut hasher);
            hasher.finish()
        };
        assert_eq!(hashed(&one), hashed(&two));
        let text = format!("{one:?}");
        assert!(text.starts_with("generations#") && text.ends_with("/0:1[299998]/0:1[299999]/"), "{}", &text[..60]);
        // The oldest step holds what differs between two histories.
        let mut other = ProcessPath::spawned_at(Coordinate { process: ProcessPath::root(), activations: vec![at(2, &[0])] });
        let mut same = ProcessPath::spawned_at(Coordinate { process: ProcessPath::root(), activations: vec![at(1, &[0])] });
        for generation in 1..i64::from(STEPS_MAX) + 10 {
            for path in [&mut other, &mut same] {
                *path = ProcessPath::spawned_at(Coordinate { process: path.clone(), activations: vec![at(1, &[generation])] });
            }
        }
        assert!(other != same && same == generation(i64::from(STEPS_MAX) + 10));
    }

    #[test]
    fn the_longest_path_is_given_back_without_a_native_frame_for_each_step() {
        let made = std::thread::Builder::new().stack_size(64 << 10).spawn(|| drop(generation(i64::from(STEPS_MAX) - 1)));
        made.expect("a thread starts").join().expect("it ends");
    }

    #[test]
    fn a_step_of_a_state_machine_has_its_number() {
        let coordinate = Coordinate { process: ProcessPath::root(), activations: vec![Activation::step(3)] };
        assert_eq!(format!("{coordinate:?}"), "step:3");
    }

    #[test]
    fn earlier_in_the_program_is_less() {
        let place = |site, loops: &[i64]| Coordinate { process: ProcessPath::root(), activations: vec![at(site, loops)] };
        assert!(place(1, &[2]) < place(1, &[10]) && place(1, &[10]) < place(2, &[]));
        let child = |site| Coordinate { process: ProcessPath::spawned_at(place(site, &[])), activations: vec![at(0, &[])] };
        assert!(child(1) < child(2) && child(1) == child(1));
    }
}
