//! The typed tree to bytecode.
//!
//! Each function is emitted on its own: registers as a stack, values computed straight to where they are wanted, then a look over
//! the code that turns last copies into moves and straightens jumps. Invariant: a program that the checker accepted gives code that
//! the loader's verification accepts; what remains to be reported here are limits of the format.

mod arm; // `match`, and the arms of `receive`
mod assembler; // code whose jumps still name labels
mod call; // calls, and values made of many registers
mod constants; // the pool of literal values
mod expression; // every expression into the register where it is wanted
mod function; // registers, scopes and windows of one function
mod guard; // what happens when control leaves a block
mod loops; // all loops
mod operator; // operators, and conditions that jump
mod pattern; // tests and bindings of patterns, `match`
mod peephole; // moves for last copies, straight jumps
mod place; // variables and places inside of them
mod position; // lines and columns of spans
mod receive; // messages
mod statement; // statements, blocks, `try`
pub(crate) mod walk; // questions about the typed tree

#[cfg(test)]
mod tests;

use rustc_hash::FxHashMap;
use vega_bytecode::module::{self, AskDescription, Constant, LineEntry, Module, SourceFile, SpawnDescription};
use vega_bytecode::{FunctionId, Type, TypeId};

use crate::diagnostic::{Diagnostic, codes};
use crate::ir::Program;
use crate::source::{Sources, Span};
use constants::ConstantPool;
use position::Positions;

/// Makes the module of a checked program. Fails only where the program exceeds the format.
pub fn emit(program: &Program, sources: &Sources) -> Result<Module, Vec<Diagnostic>> {
    let mut tables = Tables::new(program, sources);
    let functions = program.functions.iter().map(|function| function::emit(&mut tables, function)).collect();
    let agents = program.agents.iter().map(agent).collect();
    if !tables.limits.is_empty() {
        return Err(tables.limits);
    }
    Ok(Module {
        files: sources.iter().map(|(_, file)| SourceFile { path: file.path().to_string() }).collect(),
        constants: tables.constants.into_constants(),
        types: program.types.clone(),
        structs: program.structs.clone(),
        enums: program.enums.clone(),
        kinds: program.kinds.clone(),
        natives: program.natives.clone(),
        functions,
        agents,
        spawns: tables.spawns,
        asks: tables.asks,
        paths: tables.paths,
        entry: program.entry,
    })
}

fn agent(agent: &crate::ir::Agent) -> module::Agent {
    module::Agent {
        name: agent.name.clone(),
        parameters: agent.parameters.clone(),
        clauses: agent.clauses,
        output: agent.output,
        state: agent.state.clone(),
        tools: agent
            .tools
            .iter()
            .map(|tool| module::Tool {
                name: tool.name.clone(),
                description: tool.description.clone(),
                parameters: tool.parameters.clone(),
                result: tool.result,
                function: tool.function,
                uses_state: tool.uses_state,
                capabilities: tool.capabilities.clone(),
                allowed_paths: tool.allowed_paths.clone(),
                allowed_commands: tool.allowed_commands.clone(),
                allowed_hosts: tool.allowed_hosts.clone(),
            })
            .collect(),
    }
}

/// What all functions of the module share.
struct Tables<'p> {
    program: &'p Program,
    sources: &'p Sources,
    constants: ConstantPool,
    spawns: Vec<SpawnDescription>,
    asks: Vec<AskDescription>,
    paths: Vec<module::Path>,
    positions: Positions,
    path_indexes: FxHashMap<(u16, Vec<(bool, u16)>), u32>,
    limits: Vec<Diagnostic>,
    /// Whether one of the limits is the function's under way: what else is wrong with it may only follow from that.
    is_reported: bool,
}

impl<'p> Tables<'p> {
    fn new(program: &'p Program, sources: &'p Sources) -> Tables<'p> {
        Tables {
            program,
            sources,
            constants: ConstantPool::default(),
            spawns: Vec::new(),
            asks: Vec::new(),
            paths: Vec::new(),
            positions: Positions::default(),
            path_indexes: FxHashMap::default(),
            limits: Vec::new(),
            is_reported: false,
        }
    }

    /// Reports that the program exceeds the format, once for each function.
    fn limit(&mut self, span: Span, title: impl Into<String>) {
        if std::mem::replace(&mut self.is_reported, true) {
            return;
        }
        self.limits.push(Diagnostic::error(codes::FORMAT_LIMIT, span, title).with_help("split it into smaller parts"));
    }

    /// An index as an operand of 16 bits.
    fn narrow(&mut self, index: u32, span: Span, of_what: &str) -> u16 {
        u16::try_from(index).unwrap_or_else(|_| {
            self.limit(span, format!("the program has more than 65,536 {of_what}"));
            0
        })
    }

    /// A number as a signed operand of 16 bits.
    fn narrow_signed(&mut self, number: i64, span: Span, of_what: &str) -> u16 {
        expression::immediate(number).unwrap_or_else(|| {
            self.limit(span, format!("there are more than 32,767 {of_what}"));
            0
        })
    }

    /// A type as an operand of 16 bits.
    fn narrow_type(&mut self, ty: TypeId, span: Span) -> u16 {
        self.narrow(ty.0, span, "types")
    }

    fn constant(&mut self, constant: &Constant) -> u32 {
        self.constants.index_of(constant)
    }

    fn spawn(&mut self, description: SpawnDescription, span: Span) -> u16 {
        let index = self.spawns.iter().position(|known| *known == description).unwrap_or_else(|| {
            self.spawns.push(description);
            self.spawns.len() - 1
        });
        self.narrow(index as u32, span, "kinds of spawns")
    }

    fn ask(&mut self, description: AskDescription, span: Span) -> u16 {
        let index = self.asks.iter().position(|known| *known == description).unwrap_or_else(|| {
            self.asks.push(description);
            self.asks.len() - 1
        });
        self.narrow(index as u32, span, "kinds of agent calls")
    }

    fn path(&mut self, path: module::Path) -> u32 {
        let key = path
            .steps
            .iter()
            .map(|step| match step {
                module::PathStep::Field(field) => (true, *field),
                module::PathStep::Index => (false, 0),
            })
            .collect();
        *self.path_indexes.entry((path.registers, key)).or_insert_with(|| {
            self.paths.push(path);
            self.paths.len() as u32 - 1
        })
    }

    /// Whether an effect may happen in the function or below it.
    fn may_effect(&self, function: FunctionId) -> bool {
        self.program.functions[function.0 as usize].may_effect
    }

    /// Whether the native may touch anything outside of its arguments.
    fn native_has_effect(&self, native: u32) -> bool {
        self.program.native_effects.get(native as usize).copied().unwrap_or(true)
    }

    /// The id of a type, if the program names it.
    fn type_id(&self, ty: &Type) -> Option<TypeId> {
        self.program.types.all().iter().position(|known| known == ty).map(|at| TypeId(at as u32))
    }

    /// The type of maps from text to values of a type, if the program names it.
    fn object_of(&self, value: TypeId) -> Option<TypeId> {
        let text = self.type_id(&Type::Str)?;
        self.type_id(&Type::Map(text, value))
    }

    /// Source positions of a function's instructions, one entry for each run of the same position.
    fn lines(&mut self, spans: &[Span]) -> Vec<LineEntry> {
        let mut lines: Vec<LineEntry> = Vec::new();
        let mut last: Option<Span> = None;
        for (pc, &span) in spans.iter().enumerate() {
            if last.is_some_and(|last| (last.file, last.start) == (span.file, span.start)) {
                continue;
            }
            last = Some(span);
            let position = self.positions.of(span, self.sources);
            lines.push(LineEntry { pc: pc as u32, file: span.file.0 as u16, line: position.line, column: position.column });
        }
        lines
    }
}
