//! Stacks of ended processes, as people read them.

use std::fmt;

use vega_bytecode::Module;

use crate::error::Place;

/// One line of a stack.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TraceLine {
    /// Name of the function; `native` for what is not written in Vega, and how many for a gap.
    pub function: String,
    /// Where in its source, if the program says so.
    pub position: Option<SourcePosition>,
}

/// A place in a source file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SourcePosition {
    /// Path of the file, as it was given to the compiler.
    pub file: String,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}

impl fmt::Display for TraceLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.position {
            Some(SourcePosition { file, line, column }) => write!(f, "{} ({file}:{line}:{column})", self.function),
            None => f.write_str(&self.function),
        }
    }
}

/// A stack, innermost first. A recursion is one line, and of many lines the middle is left out.
pub(crate) fn stack_trace(places: &[Place], module: &Module, lines_max: usize) -> Vec<TraceLine> {
    let runs: Vec<&[Place]> = places.chunk_by(|one, other| one == other && !is_gap(one, module)).collect();
    let hidden_lines = runs.len().saturating_sub(lines_max);
    let hidden_from = (runs.len() - hidden_lines).div_ceil(2);
    let mut lines = Vec::new();
    let mut hidden = 0;
    for (index, run) in runs.iter().enumerate() {
        let (first, frames) = match is_gap(&run[0], module) {
            // Such a place stands for as many frames as its instruction's number says.
            true => (None, run[0].pc as usize),
            false => (Some(run[0]), run.len()),
        };
        let shown = !(hidden_from..hidden_from + hidden_lines).contains(&index);
        match first.filter(|_| shown) {
            Some(place) => {
                push_hidden(&mut lines, &mut hidden);
                lines.push(trace_line(place, module));
                hidden = frames - 1;
            }
            None => hidden += frames,
        }
    }
    push_hidden(&mut lines, &mut hidden);
    lines
}

/// A line for frames that are not shown, if there are any.
fn push_hidden(lines: &mut Vec<TraceLine>, frames: &mut usize) {
    match std::mem::take(frames) {
        0 => {}
        frames => lines.push(TraceLine { function: format!("… {frames} more"), position: None }),
    }
}

fn trace_line(place: Place, module: &Module) -> TraceLine {
    let function = module.functions[place.function.0 as usize].name.clone();
    let position = place.resolve(module).map(|source| SourcePosition {
        file: source.file.to_string(),
        line: source.line,
        column: source.column,
    });
    TraceLine { function, position }
}

fn is_gap(place: &Place, module: &Module) -> bool {
    place.function.0 as usize >= module.functions.len()
}

#[cfg(test)]
mod tests {
    use vega_bytecode::FunctionId;
    use vega_bytecode::module::Function;

    use super::*;

    fn shown(places: &[(u32, u32)], lines_max: usize) -> Vec<String> {
        let function = |name: &str| Function { name: name.into(), ..Function::default() };
        let module = Module { functions: vec![function("a"), function("b")], ..Module::default() };
        let places: Vec<Place> = places.iter().map(|&(function, pc)| Place { function: FunctionId(function), pc }).collect();
        stack_trace(&places, &module, lines_max).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_recursion_is_one_line() {
        assert_eq!(shown(&[(0, 5), (0, 5), (0, 5), (1, 2)], 10), ["a", "… 2 more", "b"]);
    }

    #[test]
    fn frames_that_were_not_recorded_are_counted_with_the_hidden_ones() {
        assert_eq!(
            shown(&[(0, 5), (0, 5), (u32::MAX, 100), (0, 5), (0, 5), (1, 2)], 10),
            ["a", "… 101 more", "a", "… 1 more", "b"]
        );
    }

    #[test]
    fn of_many_lines_the_middle_is_left_out() {
        let places: Vec<(u32, u32)> = (0..10).map(|number| (number % 2, number)).collect();
        assert_eq!(shown(&places, 4), ["a", "b", "… 6 more", "a", "b"]);
    }
}
