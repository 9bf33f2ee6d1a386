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

/// A stack, innermost first; of a long one the middle is left out.
pub(crate) fn stack_trace(places: &[Place], module: &Module, lines_max: usize) -> Vec<TraceLine> {
    if places.len() <= lines_max {
        return places.iter().map(|place| trace_line(*place, module)).collect();
    }
    let half = lines_max / 2;
    let (inner, rest) = places.split_at(half);
    let (left_out, outer) = rest.split_at(rest.len() - half);
    // A place without a function stands for as many as its instruction's number says.
    let hidden: usize = left_out.iter().map(|place| if is_gap(place, module) { place.pc as usize } else { 1 }).sum();
    let mut lines: Vec<TraceLine> = inner.iter().map(|place| trace_line(*place, module)).collect();
    lines.push(gap(hidden));
    lines.extend(outer.iter().map(|place| trace_line(*place, module)));
    lines
}

fn trace_line(place: Place, module: &Module) -> TraceLine {
    if is_gap(&place, module) {
        return gap(place.pc as usize);
    }
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

fn gap(frames: usize) -> TraceLine {
    TraceLine { function: format!("… {frames} more"), position: None }
}
