//! The structs of the language: those that the runtime itself makes, as messages about other processes.
//!
//! Invariant: [`crate::Module::structs`] begins with exactly this table, in this order, so that the runtime can make one by its number
//! without looking into the program. New structs are added at the end.

use crate::module::{FieldDefinition, StructDefinition};
use crate::types::{StructId, Type, TypeTable};

/// `Down { monitor, process, reason }`: a monitored process ended.
pub const DOWN: StructId = StructId(0);
/// `Exit { process, reason }`: a linked process ended, and this one traps exits.
pub const EXIT: StructId = StructId(1);
/// `ChildDown { child, name, reason }`: a supervised child stays down.
pub const CHILD_DOWN: StructId = StructId(2);
/// `Call { from, value }`: somebody waits for an answer.
pub const CALL: StructId = StructId(3);

/// `ProcessInfo { name, status, priority, messages, links, trap_exit, heap, reductions }`: how a process stands.
pub const PROCESS_INFO: StructId = StructId(4);

/// `Chunk { text, turn }`: a part of a streamed answer.
pub const CHUNK: StructId = StructId(5);

/// Names of the structs, by number.
pub const NAMES: [&str; 6] = ["Down", "Exit", "ChildDown", "Call", "ProcessInfo", "Chunk"];

/// The definitions that a program's structs begin with; field types are added to `types`.
pub fn structs(types: &mut TypeTable) -> Vec<StructDefinition> {
    let monitor = types.intern(Type::Monitor);
    let process = types.intern(Type::Process);
    let text = types.intern(Type::Str);
    let optional_text = types.intern(Type::Optional(text));
    let any = types.intern(Type::Any);
    let (int, truth) = (types.intern(Type::Int), types.intern(Type::Bool));
    let processes = types.intern(Type::Array(process));
    let fields = [
        vec![("monitor", monitor), ("process", process), ("reason", text)],
        vec![("process", process), ("reason", text)],
        vec![("child", process), ("name", optional_text), ("reason", text)],
        vec![("from", process), ("value", any)],
        vec![
            ("name", optional_text),
            ("status", text),
            ("priority", text),
            ("messages", int),
            ("links", processes),
            ("trap_exit", truth),
            ("heap", int),
            ("reductions", int),
        ],
        vec![("text", text), ("turn", int)],
    ];
    NAMES
        .iter()
        .zip(fields)
        .map(|(name, fields)| StructDefinition {
            name: (*name).to_string(),
            fields: fields.into_iter().map(|(name, ty)| FieldDefinition { name: name.to_string(), ty }).collect(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_struct_is_found_at_the_place_of_its_number() {
        let mut types = TypeTable::new();
        let structs = structs(&mut types);
        assert_eq!(structs.len(), NAMES.len());
        for (id, name, fields) in [
            (DOWN, "Down", 3),
            (EXIT, "Exit", 2),
            (CHILD_DOWN, "ChildDown", 3),
            (CALL, "Call", 2),
            (PROCESS_INFO, "ProcessInfo", 8),
            (CHUNK, "Chunk", 2),
        ] {
            assert_eq!((structs[id.0 as usize].name.as_str(), structs[id.0 as usize].fields.len()), (name, fields));
        }
    }
}
