//! Coordinates: names of operations that do not depend on timing.
//!
//! A coordinate is the path of the process (at each step the coordinate of the spawn, and which incarnation) and within it the path
//! of activations: function, effect site, iterations of the loops around it. It is built only where an effect or a spawn happens.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use vega_bytecode::{FunctionId, Module};

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

impl Activation {
    /// A step of a state machine, which numbers its steps itself.
    pub fn step(number: u32) -> Self {
        Self { function: STATE_MACHINE, site: number, loops: Vec::new() }
    }
}

/// Names a process independently of timing. Cloning shares it.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct ProcessPath(Option<Arc<Step>>);

/// One spawn.
#[derive(PartialEq, Eq, Hash)]
struct Step {
    parent: ProcessPath,
    spawn: Spawn,
    /// Which life of a supervised child, from 1.
    incarnation: u32,
}

/// Where a spawn happened. The usual ones, in the process's first function and at most one loop, take no storage of their own: there
/// may be a million of them.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Spawn {
    Straight { function: FunctionId, site: u32 },
    InLoop { function: FunctionId, site: u32, iteration: i64 },
    Deep(Box<[Activation]>),
}

impl Spawn {
    fn new(activations: Vec<Activation>) -> Self {
        if let [activation] = &activations[..] {
            let (function, site) = (activation.function, activation.site);
            match activation.loops[..] {
                [] => return Spawn::Straight { function, site },
                [iteration] => return Spawn::InLoop { function, site, iteration },
                _ => {}
            }
        }
        Spawn::Deep(activations.into())
    }

    fn activations(&self) -> Vec<Activation> {
        match self {
            Spawn::Straight { function, site } => vec![Activation { function: *function, site: *site, loops: Vec::new() }],
            Spawn::InLoop { function, site, iteration } => {
                vec![Activation { function: *function, site: *site, loops: vec![*iteration] }]
            }
            Spawn::Deep(activations) => activations.to_vec(),
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
        Self(None)
    }

    /// The process spawned at a coordinate, in its first life.
    pub fn spawned_at(coordinate: Coordinate) -> Self {
        let step = Step { parent: coordinate.process, spawn: Spawn::new(coordinate.activations), incarnation: 1 };
        Self(Some(Arc::new(step)))
    }

    /// The same child in another life.
    pub fn incarnation(&self, number: u32) -> Self {
        match &self.0 {
            Some(step) => {
                Self(Some(Arc::new(Step { parent: step.parent.clone(), spawn: step.spawn.clone(), incarnation: number })))
            }
            None => self.clone(),
        }
    }

    /// The path as text, with the names of functions.
    pub fn text(&self, module: &Module) -> String {
        let coordinate = Coordinate { process: self.clone(), activations: Vec::new() };
        coordinate.text(module).trim_end_matches('/').to_string()
    }

    fn steps(&self) -> Vec<&Step> {
        let mut steps: Vec<&Step> = std::iter::successors(self.0.as_deref(), |step| step.parent.0.as_deref()).collect();
        steps.reverse();
        steps
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
