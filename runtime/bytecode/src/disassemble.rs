//! A module as readable text: definitions, then each function with its source lines, constants and names in place.
//!
//! Nothing here trusts the module: an index that names nothing is shown as such, so that a file refused by `verify` can be looked at.

use std::cell::Cell;
use std::fmt::Write;

use crate::instruction::Instruction;
use crate::module::*;
use crate::opcode::{Arith, NO_FIELD, Opcode, Operand};
use crate::types::{Type, TypeId};

/// Longest constant text that is shown in place.
const TEXT_SHOWN_MAX: usize = 60;
/// Most parts of one type that are shown.
const TYPE_PARTS_SHOWN_MAX: u16 = 100;

/// The whole module.
pub fn module(module: &Module) -> String {
    let mut out = String::new();
    let entry = module.entry.map_or("none".to_owned(), |id| function_name(module, id.0));
    let _ = writeln!(out, "; entry {entry}, {} functions, {} constants", module.functions.len(), module.constants.len());
    for definition in &module.structs {
        let _ = writeln!(out, "struct {} {{ {} }}", definition.name, fields(module, &definition.fields));
    }
    for definition in &module.enums {
        let variants: Vec<_> = definition
            .variants
            .iter()
            .map(|variant| match variant.payload.is_empty() {
                true => variant.name.clone(),
                false => format!("{}({})", variant.name, fields(module, &variant.payload)),
            })
            .collect();
        let _ = writeln!(out, "enum {} {{ {} }}", definition.name, variants.join(", "));
    }
    for kind in module.kinds.iter().skip(crate::kinds::BUILT_IN.len()) {
        let parent = kind.parent.map(|parent| format!(": {}", kind_name(module, parent.0))).unwrap_or_default();
        let _ = writeln!(out, "error {}({}){parent}", kind.name, fields(module, &kind.payload));
    }
    for agent in &module.agents {
        let _ =
            writeln!(out, "agent {}({}) -> {}", agent.name, fields(module, &agent.parameters), type_name(module, agent.output));
        let _ = writeln!(out, "  clauses {}", function_name(module, agent.clauses.0));
        if !agent.state.is_empty() {
            let _ = writeln!(out, "  state {}", fields(module, &agent.state));
        }
        for tool in &agent.tools {
            let _ = writeln!(out, "  tool {} = {} {:?}", tool.name, function_name(module, tool.function.0), tool.capabilities);
        }
    }
    for index in 0..module.functions.len() {
        out.push('\n');
        function_into(module, index, &mut out);
    }
    out
}

/// One function.
pub fn function(module: &Module, id: FunctionId) -> String {
    let mut out = String::new();
    function_into(module, id.0 as usize, &mut out);
    out
}

/// One instruction of a function: mnemonic, operands, and in a comment what its indexes name.
pub fn instruction(module: &Module, function: &Function, pc: usize) -> String {
    let Some(&word) = function.code.get(pc) else { return "(outside of the code)".to_owned() };
    let Some(op) = word.opcode() else { return format!(".word {:#018x}", word.0) };
    let layout = op.layout();
    let mut text = format!("{:<11}", op.mnemonic());
    let mut notes = Vec::new();
    if op.has_jump() {
        operand(module, word, layout.a, word.a().into(), pc, &mut text, &mut notes);
        operand(module, word, layout.b, word.b().into(), pc, &mut text, &mut notes);
        let _ = write!(text, " @{}", pc as i64 + 1 + i64::from(word.offset()));
    } else {
        let (b, c) = if layout.wide { (word.bc(), 0) } else { (word.b().into(), word.c().into()) };
        operand(module, word, layout.a, word.a().into(), pc, &mut text, &mut notes);
        operand(module, word, layout.b, b, pc, &mut text, &mut notes);
        operand(module, word, layout.c, c, pc, &mut text, &mut notes);
        operand(module, word, layout.x, word.x().into(), pc, &mut text, &mut notes);
    }
    match op {
        Opcode::Arith => notes.push(Arith::from_byte(word.x()).map_or("?".to_owned(), |arith| format!("{arith:?}"))),
        Opcode::PartGet => notes.push(nested(word.b(), word.c(), word.x())),
        Opcode::PartSet => notes.push(nested(word.a(), word.b(), word.x())),
        _ => {}
    }
    let mut line = text.trim_end().to_owned();
    if !notes.is_empty() {
        let _ = write!(line, "  ; {}", notes.join(", "));
    }
    line
}

fn operand(
    module: &Module,
    word: Instruction,
    operand: Option<Operand>,
    field: u32,
    pc: usize,
    text: &mut String,
    notes: &mut Vec<String>,
) {
    let Some(operand) = operand else { return };
    let shown = match operand {
        Operand::ScalarOut | Operand::ValueOut | Operand::In | Operand::Take | Operand::Change => format!("r{field}"),
        Operand::Window => format!("[r{field}..]"),
        Operand::TakeRun => format!("r{field}.."),
        Operand::Count => format!("x{field}"),
        Operand::Immediate => format!("{field}"),
        Operand::Signed if word.opcode().is_some_and(|op| op.layout().wide) => format!("{}", field as i32),
        Operand::Signed => format!("{}", field as u16 as i16),
        Operand::Jump => format!("@{}", pc as i64 + 1 + i64::from(word.offset())),
        Operand::Constant => {
            notes.push(constant(module, field));
            format!("k{field}")
        }
        Operand::Function => {
            notes.push(function_name(module, field));
            format!("f{field}")
        }
        Operand::Native => {
            notes.push(module.natives.get(field as usize).map_or("?".to_owned(), |native| native.name.clone()));
            format!("n{field}")
        }
        Operand::Type => {
            notes.push(type_name(module, TypeId(field)));
            format!("t{field}")
        }
        Operand::Kind => {
            notes.push(kind_name(module, field));
            format!("e{field}")
        }
        Operand::Spawn => {
            notes.push(module.spawns.get(field as usize).map_or("?".to_owned(), |spawn| spawned(module, spawn)));
            format!("s{field}")
        }
        Operand::Ask => {
            let output = |ask: &AskDescription| format!("for {}", type_name(module, ask.output));
            notes.push(module.asks.get(field as usize).map_or("?".to_owned(), output));
            format!("q{field}")
        }
        Operand::Path => {
            notes.push(module.paths.get(field as usize).map_or("?".to_owned(), path));
            format!("p{field}")
        }
    };
    let _ = write!(text, " {shown}");
}

fn function_into(module: &Module, index: usize, out: &mut String) {
    let Some(function) = module.functions.get(index) else {
        let _ = writeln!(out, "; no function {index}");
        return;
    };
    let _ = write!(out, "fn {index} {} (parameters {}", function.name, function.parameters);
    if function.captures > 0 {
        let _ = write!(out, ", captures {}", function.captures);
    }
    let _ = write!(out, ", registers {}", function.registers);
    if !function.value_registers.is_empty() {
        let _ = write!(out, ", values {:?}", function.value_registers);
    }
    let _ = writeln!(out, "{})", if function.returns_self { ", returns self" } else { "" });
    let mut lines = function.lines.iter().peekable();
    for (pc, word) in function.code.iter().enumerate() {
        while let Some(line) = lines.next_if(|line| line.pc as usize <= pc) {
            let file = module.files.get(usize::from(line.file)).map_or("?", |file| file.path.as_str());
            let _ = writeln!(out, "  ; {file}:{}:{}", line.line, line.column);
        }
        let _ = writeln!(out, "  {pc:>5}  {:02x}  {}", word.byte(), instruction(module, function, pc));
    }
    for handler in &function.handlers {
        let _ = writeln!(
            out,
            "  {} {}..{} -> @{} in r{}, keeping r0..r{}",
            if handler.cleanup { "cleanup" } else { "catch" },
            handler.start,
            handler.end,
            handler.target,
            handler.register,
            handler.keep
        );
    }
    for site in &function.sites {
        let loops: Vec<_> = site.loops.iter().map(|register| format!("r{register}")).collect();
        let _ = writeln!(out, "  site {} at {} [{}]", site.number, site.pc, loops.join(", "));
    }
}

fn constant(module: &Module, index: u32) -> String {
    match module.constants.get(index as usize) {
        None => "?".to_owned(),
        Some(Constant::Null) => "null".to_owned(),
        Some(Constant::Bool(value)) => value.to_string(),
        Some(Constant::Int(value)) => value.to_string(),
        Some(Constant::Float(value)) => format!("{value:?}"),
        Some(Constant::Str(text)) if text.chars().count() > TEXT_SHOWN_MAX => {
            format!("{:?}…", text.chars().take(TEXT_SHOWN_MAX).collect::<String>())
        }
        Some(Constant::Str(text)) => format!("{text:?}"),
        Some(Constant::Bytes(bytes)) => format!("{} bytes", bytes.len()),
        Some(Constant::Duration(nanoseconds)) => format!("{nanoseconds} ns"),
        Some(Constant::Money(pico_dollars)) => format!("{pico_dollars} pico-dollars"),
        Some(Constant::Function(id)) => function_name(module, id.0),
        Some(Constant::UnitVariant(id, number)) => {
            let definition = module.enums.get(id.0 as usize);
            let variant = definition.and_then(|definition| definition.variants.get(*number as usize));
            match (definition, variant) {
                (Some(definition), Some(variant)) => format!("{}::{}", definition.name, variant.name),
                _ => "?".to_owned(),
            }
        }
    }
}

fn function_name(module: &Module, index: u32) -> String {
    module.functions.get(index as usize).map_or("?".to_owned(), |function| function.name.clone())
}

fn kind_name(module: &Module, index: u32) -> String {
    module.kinds.get(index as usize).map_or("?".to_owned(), |kind| kind.name.clone())
}

fn spawned(module: &Module, spawn: &SpawnDescription) -> String {
    let name = match spawn.target {
        SpawnTarget::Function(id) => function_name(module, id.0),
        SpawnTarget::Task(id) => format!("task {}", function_name(module, id.0)),
        SpawnTarget::Agent(id) => {
            format!("agent {}", module.agents.get(id.0 as usize).map_or("?", |agent| agent.name.as_str()))
        }
    };
    let supervision = spawn.supervision.map(|supervision| format!(" {:?}", supervision.strategy)).unwrap_or_default();
    let form = if spawn.asynchronous { " async" } else { "" };
    let member = if spawn.member { " member" } else { "" };
    format!("{name}({}){supervision}{form}{member}", spawn.arguments)
}

fn path(path: &Path) -> String {
    let mut register = path.registers;
    let mut text = String::new();
    for step in &path.steps {
        match step {
            PathStep::Field(number) => {
                let _ = write!(text, ".{number}");
            }
            PathStep::Index => {
                let _ = write!(text, "[r{register}]");
                register = register.saturating_add(1);
            }
        }
    }
    let _ = write!(text, " with r{register}");
    text
}

/// A part as the instructions on nested parts name it.
fn nested(root: u16, index: u16, x: u8) -> String {
    let field = |half: u8| if half == NO_FIELD { String::new() } else { format!(".{half}") };
    format!("r{root}{}[r{index}]{}", field(x >> 4), field(x & 0xf))
}

fn fields(module: &Module, fields: &[FieldDefinition]) -> String {
    let shown: Vec<_> = fields
        .iter()
        .map(|field| match field.name.is_empty() {
            true => type_name(module, field.ty),
            false => format!("{}: {}", field.name, type_name(module, field.ty)),
        })
        .collect();
    shown.join(", ")
}

/// A type as it is written in a program, cut where it is very long.
pub fn type_name(module: &Module, id: TypeId) -> String {
    type_name_within(module, id, &Cell::new(TYPE_PARTS_SHOWN_MAX))
}

/// The same with so many parts left to show: in a module that is not verified a type may even contain itself.
fn type_name_within(module: &Module, id: TypeId, parts_left: &Cell<u16>) -> String {
    let Some(left) = parts_left.get().checked_sub(1) else { return "…".to_owned() };
    parts_left.set(left);
    let Some(ty) = module.types.get(id) else { return "?".to_owned() };
    let name = |id: TypeId| type_name_within(module, id, parts_left);
    let names = |ids: &[TypeId]| ids.iter().map(|id| name(*id)).collect::<Vec<_>>().join(", ");
    let with_arguments = |definition: Option<&String>, arguments: &[TypeId]| match (definition, arguments) {
        (None, _) => "?".to_owned(),
        (Some(definition), []) => definition.clone(),
        (Some(definition), arguments) => format!("{definition}<{}>", names(arguments)),
    };
    match ty {
        Type::Null => "null".to_owned(),
        Type::Void => "void".to_owned(),
        Type::Never => "never".to_owned(),
        Type::Bool => "bool".to_owned(),
        Type::Int => "int".to_owned(),
        Type::Float => "float".to_owned(),
        Type::Str => "str".to_owned(),
        Type::Bytes => "bytes".to_owned(),
        Type::Duration => "duration".to_owned(),
        Type::Money => "money".to_owned(),
        Type::Any => "any".to_owned(),
        Type::Json => "json".to_owned(),
        Type::Error => "Error".to_owned(),
        Type::Secret => "Secret".to_owned(),
        Type::Array(element) => match module.types.get(*element) {
            Some(Type::Function(_, _)) => format!("({})[]", name(*element)),
            _ => format!("{}[]", name(*element)),
        },
        Type::Map(key, value) => format!("map<{}, {}>", name(*key), name(*value)),
        Type::Tuple(parts) => format!("({})", names(parts)),
        Type::Optional(inner) => match module.types.get(*inner) {
            Some(Type::Function(_, _)) => format!("({})?", name(*inner)),
            _ => format!("{}?", name(*inner)),
        },
        Type::Result(value, error) => format!("Result<{}, {}>", name(*value), name(*error)),
        Type::Range => "range".to_owned(),
        Type::Struct(id, arguments) => with_arguments(module.structs.get(id.0 as usize).map(|it| &it.name), arguments),
        Type::Enum(id, arguments) => with_arguments(module.enums.get(id.0 as usize).map(|it| &it.name), arguments),
        Type::Parameter(position) => match position {
            0..=25 => char::from(b'A' + ((19 + position) % 26) as u8).to_string(),
            _ => format!("T{position}"),
        },
        Type::Function(parameters, result) => format!("fn({}) -> {}", names(parameters), name(*result)),
        Type::Agent(id) => module.agents.get(id.0 as usize).map_or("?".to_owned(), |agent| agent.name.clone()),
        Type::AnyAgent => "agent".to_owned(),
        Type::Process => "process".to_owned(),
        Type::Future(value) => format!("Future<{}>", name(*value)),
        Type::Stream(chunk) => format!("Stream<{}>", name(*chunk)),
        Type::Monitor => "Monitor".to_owned(),
        Type::Span => "Span".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_is_shown_with_its_lines_names_and_constants() {
        let mut module = Module::new();
        module.files.push(SourceFile { path: "a.vega".into() });
        module.constants.push(Constant::Str("say \"hi\"".into()));
        let result = module.types.intern(Type::Void);
        module.natives.push(NativeImport { name: "print".into(), arity: 1, result, changes_self: false });
        module.functions.push(Function {
            name: "main".into(),
            registers: 3,
            value_registers: vec![2],
            code: vec![
                Instruction::wide(Opcode::LoadConstant, 0, 1, 0),
                Instruction::abc(Opcode::CallNative, 0, 0, 1),
                Instruction::jump(Opcode::JumpIfLtImmediate, 2, -5i16 as u16, -3),
                Instruction::abc(Opcode::ErrorIs, 0, 2, crate::kinds::TIMEOUT.0 as u16),
                Instruction::abc(Opcode::ReturnNull, 0, 0, 0),
                Instruction(0xee),
            ],
            handlers: vec![Handler { start: 1, end: 2, target: 3, register: 2, keep: 0, cleanup: false }],
            lines: vec![LineEntry { pc: 0, file: 0, line: 1, column: 13 }, LineEntry { pc: 2, file: 0, line: 2, column: 5 }],
            sites: vec![Site { pc: 1, number: 0, loops: vec![1] }],
            ..Function::default()
        });
        let expected = "\
fn 0 main (parameters 0, registers 3, values [2])
  ; a.vega:1:13
      0  05  const       r1 k0  ; \"say \\\"hi\\\"\"
      1  82  call.n      [r0..] n0 x1  ; print
  ; a.vega:2:5
      2  4b  jlti.i      r2 -5 @0
      3  88  is.err      r0 r2 e3  ; Timeout
      4  85  ret.0
      5  ee  .word 0x00000000000000ee
  catch 1..2 -> @3 in r2, keeping r0..r0
  site 0 at 1 [r1]
";

        assert_eq!(function(&module, FunctionId(0)), expected);
    }
}
