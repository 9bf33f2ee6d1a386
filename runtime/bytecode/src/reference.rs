//! The table of instructions as documentation: `docs/bytecode.md` holds what this makes, and a test keeps it so.

use std::fmt::Write;

use crate::opcode::{Opcode, Operand};
use crate::verify::NOT_RUN;

/// The table in Markdown, one row an instruction.
pub fn instructions() -> String {
    let mut out = String::from("| number | name | operands | what it does |\n|---|---|---|---|\n");
    for &op in Opcode::ALL {
        // Writing to a string cannot fail.
        let _ = writeln!(out, "| `{:02x}` | `{}` | {} | {} |", op as u8, op.mnemonic(), operands(op), text(op));
    }
    out
}

fn text(op: Opcode) -> String {
    let doc = op.doc().split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|");
    // Links of the Rust documentation mean nothing here.
    let doc = doc.replace(" (see [`crate::module::Path`])", "").replace(" (see [`Arith`])", "");
    if NOT_RUN.contains(&op) { format!("{doc} *Not run by this version: refused when a program is loaded.*") } else { doc }
}

fn operands(op: Opcode) -> String {
    let layout = op.layout();
    let b = if layout.wide { "b:c" } else { "b" };
    let fields = [("a", layout.a), (b, layout.b), ("c", layout.c), ("x", layout.x)];
    let named = fields.into_iter().filter_map(|(field, operand)| {
        let operand = operand?;
        match operand {
            // Jumps lie in both fields and are named once.
            Operand::Jump if field == "x" => None,
            Operand::Jump => Some(format!("x:c {}", meaning(operand))),
            _ => Some(format!("{field} {}", meaning(operand))),
        }
    });
    named.collect::<Vec<_>>().join(", ")
}

fn meaning(operand: Operand) -> &'static str {
    match operand {
        Operand::ScalarOut => "scalar out",
        Operand::ValueOut => "out",
        Operand::In => "in",
        Operand::Take => "moved out",
        Operand::Change => "changed",
        Operand::Window => "window",
        Operand::TakeRun => "run moved out",
        Operand::Count => "count",
        Operand::Immediate => "number",
        Operand::Signed => "signed number",
        Operand::Constant => "constant",
        Operand::Function => "function",
        Operand::Native => "native",
        Operand::Type => "type",
        Operand::Kind => "error kind",
        Operand::Spawn => "spawn description",
        Operand::Ask => "ask description",
        Operand::Path => "path",
        Operand::Jump => "jump",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documentation_has_this_very_table() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/bytecode.md");
        let text = std::fs::read_to_string(path).expect("the document is there");
        let (before, _) = text.split_once("| number | name |").expect("the document has the table");
        let wanted = format!("{before}{}", instructions());
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(path, &wanted).expect("the document can be written");
        }
        let now = std::fs::read_to_string(path).expect("the document is there");
        assert!(now == wanted, "docs/bytecode.md is out of date: run this test with UPDATE_DOCS=1");
    }

    #[test]
    fn numbers_and_names_are_each_used_once() {
        for (index, &op) in Opcode::ALL.iter().enumerate() {
            assert_eq!(Opcode::from_byte(op as u8), Some(op));
            let again = Opcode::ALL[..index].iter().find(|other| other.mnemonic() == op.mnemonic());
            assert_eq!(again, None, "two instructions are called `{}`", op.mnemonic());
        }
    }
}
