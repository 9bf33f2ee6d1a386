//! Checks everything around the code: types, definitions, constants, agents, descriptions.

use super::{PATH_STEPS_MAX, TYPE_DEPTH_MAX, TYPE_PARTS_MAX, VerifyError, ensure};
use crate::kinds;
use crate::module::*;
use crate::prelude;
use crate::types::{AgentId, EnumId, StructId, Type, TypeId};

type Checked = Result<(), VerifyError>;

pub(super) fn check(module: &Module) -> Checked {
    ensure!(module.files.len() <= usize::from(u16::MAX) + 1, "more source files than debug lines can name");
    check_types(module)?;
    check_definitions(module)?;
    check_kinds(module)?;
    for (number, constant) in module.constants.iter().enumerate() {
        check_constant(module, constant).map_err(|error| within(error, "constant", number))?;
    }
    for (number, native) in module.natives.iter().enumerate() {
        type_id(module, native.result).map_err(|error| within(error, "native", number))?;
        ensure!(!native.changes_self || native.arity > 0, "native `{}` changes an argument that it does not take", native.name);
    }
    for (number, agent) in module.agents.iter().enumerate() {
        check_agent(module, agent).map_err(|error| within(error, "agent", number))?;
    }
    for (number, spawn) in module.spawns.iter().enumerate() {
        check_spawn(module, spawn).map_err(|error| within(error, "spawn description", number))?;
    }
    for (number, ask) in module.asks.iter().enumerate() {
        type_id(module, ask.output).map_err(|error| within(error, "ask description", number))?;
    }
    for (number, path) in module.paths.iter().enumerate() {
        let steps = path.steps.len();
        ensure!((1..=PATH_STEPS_MAX).contains(&steps), "path {number} has {steps} steps, 1 to {PATH_STEPS_MAX} are allowed");
    }
    if let Some(entry) = module.entry {
        let function = function(module, entry)?;
        ensure!(function.parameters <= 1, "the entry takes {} parameters, it may take one", function.parameters);
        ensure!(function.captures == 0, "the entry has captures");
    }
    Ok(())
}

fn within(mut error: VerifyError, what: &str, number: usize) -> VerifyError {
    error.problem = format!("{what} {number}: {}", error.problem);
    error
}

/// Components of a type stand before it, so that types are finite; and not too deep.
fn check_types(module: &Module) -> Checked {
    // Of each type, how deep it is and of how many parts when written out.
    let mut measures: Vec<(u16, u32)> = Vec::with_capacity(module.types.all().len());
    for (number, ty) in module.types.all().iter().enumerate() {
        let (mut depth, mut parts) = (0, 1u32);
        let mut component = |id: TypeId| -> Checked {
            match measures.get(id.0 as usize) {
                Some((depth_below, parts_below)) => {
                    depth = depth.max(depth_below + 1);
                    parts = parts.saturating_add(*parts_below);
                }
                None => return Err(VerifyError::new(format!("type {number} contains type {}, which is not before it", id.0))),
            }
            Ok(())
        };
        match ty {
            Type::Array(inner) | Type::Optional(inner) | Type::Future(inner) | Type::Stream(inner) => component(*inner)?,
            Type::Map(left, right) | Type::Result(left, right) => {
                component(*left)?;
                component(*right)?;
            }
            Type::Tuple(parts) => parts.iter().try_for_each(|part| component(*part))?,
            Type::Function(parameters, result) => {
                parameters.iter().try_for_each(|parameter| component(*parameter))?;
                component(*result)?;
            }
            Type::Struct(id, arguments) => {
                ensure!(struct_definition(module, *id).is_some(), "type {number} names struct {}, which does not exist", id.0);
                arguments.iter().try_for_each(|argument| component(*argument))?;
            }
            Type::Enum(id, arguments) => {
                ensure!(enum_definition(module, *id).is_some(), "type {number} names enum {}, which does not exist", id.0);
                arguments.iter().try_for_each(|argument| component(*argument))?;
            }
            Type::Agent(id) => ensure!(agent(module, *id).is_some(), "type {number} names agent {}, which does not exist", id.0),
            Type::Null
            | Type::Void
            | Type::Never
            | Type::Bool
            | Type::Int
            | Type::Float
            | Type::Str
            | Type::Bytes
            | Type::Duration
            | Type::Money
            | Type::Any
            | Type::Json
            | Type::Error
            | Type::Secret
            | Type::Range
            | Type::Parameter(_)
            | Type::AnyAgent
            | Type::Process
            | Type::Monitor
            | Type::Span => {}
        }
        ensure!(depth <= TYPE_DEPTH_MAX, "type {number} is nested deeper than {TYPE_DEPTH_MAX}");
        ensure!(parts <= TYPE_PARTS_MAX, "type {number} has more than {TYPE_PARTS_MAX} parts");
        measures.push((depth, parts));
    }
    Ok(())
}

fn check_definitions(module: &Module) -> Checked {
    let mut types = module.types.clone();
    let built_in = prelude::structs(&mut types);
    ensure!(module.structs.starts_with(&built_in), "the structs of the language are missing");
    for (number, definition) in module.structs.iter().enumerate() {
        check_fields(module, &definition.fields).map_err(|error| within(error, "struct", number))?;
    }
    for (number, definition) in module.enums.iter().enumerate() {
        for variant in &definition.variants {
            check_fields(module, &variant.payload).map_err(|error| within(error, "enum", number))?;
        }
    }
    Ok(())
}

fn check_fields(module: &Module, fields: &[FieldDefinition]) -> Checked {
    ensure!(fields.len() <= usize::from(u16::MAX), "it has {} fields", fields.len());
    fields.iter().try_for_each(|field| type_id(module, field.ty))
}

fn check_kinds(module: &Module) -> Checked {
    ensure!(module.kinds.len() >= kinds::BUILT_IN.len(), "the built-in error kinds are missing");
    for (number, kind) in module.kinds.iter().enumerate() {
        if let Some(built_in) = kinds::BUILT_IN.get(number) {
            let payload = kind.payload.iter().map(|field| module.types.get(field.ty));
            let fits = kind.name == built_in.name
                && kind.parent == built_in.parent
                && payload.eq(built_in.payload.iter().map(|(_, ty)| ty.to_type()).collect::<Vec<_>>().iter().map(Some));
            ensure!(fits, "error kind {number} is not the built-in kind `{}`", built_in.name);
        }
        if let Some(parent) = kind.parent {
            ensure!((parent.0 as usize) < number, "error kind {number} stands before its parent");
        }
        check_fields(module, &kind.payload).map_err(|error| within(error, "error kind", number))?;
    }
    Ok(())
}

fn check_constant(module: &Module, constant: &Constant) -> Checked {
    match constant {
        Constant::Function(id) => {
            ensure!(function(module, *id)?.captures == 0, "function {} has captures, so it is no constant", id.0);
        }
        Constant::UnitVariant(id, number) => {
            let variant = enum_definition(module, *id).and_then(|definition| definition.variants.get(*number as usize));
            let Some(variant) = variant else { return Err(VerifyError::new(format!("no variant {number} of enum {}", id.0))) };
            ensure!(variant.payload.is_empty(), "variant `{}` has a payload, so it is no constant", variant.name);
        }
        Constant::Null
        | Constant::Bool(_)
        | Constant::Int(_)
        | Constant::Float(_)
        | Constant::Str(_)
        | Constant::Bytes(_)
        | Constant::Duration(_)
        | Constant::Money(_) => {}
    }
    Ok(())
}

fn check_agent(module: &Module, agent: &Agent) -> Checked {
    check_fields(module, &agent.parameters)?;
    check_fields(module, &agent.state)?;
    type_id(module, agent.output)?;
    takes(module, agent.clauses, agent.parameters.len())?;
    for tool in &agent.tools {
        tool.parameters.iter().try_for_each(|parameter| type_id(module, parameter.ty))?;
        type_id(module, tool.result)?;
        let state = if tool.uses_state { agent.state.len() } else { 0 };
        takes(module, tool.function, tool.parameters.len() + agent.parameters.len() + state)?;
    }
    Ok(())
}

fn check_spawn(module: &Module, spawn: &SpawnDescription) -> Checked {
    let arguments = usize::from(spawn.arguments);
    match spawn.target {
        SpawnTarget::Function(id) | SpawnTarget::Task(id) => takes(module, id, arguments),
        SpawnTarget::Agent(id) => {
            let Some(agent) = agent(module, id) else { return Err(VerifyError::new(format!("no agent {}", id.0))) };
            ensure!(
                agent.parameters.len() == arguments,
                "agent `{}` takes {} arguments, not {arguments}",
                agent.name,
                agent.parameters.len()
            );
            Ok(())
        }
    }
}

/// Whether the function takes so many arguments, captures included: those of a task are passed as its arguments.
fn takes(module: &Module, id: FunctionId, arguments: usize) -> Checked {
    let function = function(module, id)?;
    let wanted = usize::from(function.parameters) + usize::from(function.captures);
    ensure!(wanted == arguments, "function {} (`{}`) takes {wanted} arguments, not {arguments}", id.0, function.name);
    Ok(())
}

fn type_id(module: &Module, id: TypeId) -> Checked {
    ensure!(module.types.get(id).is_some(), "no type {}", id.0);
    Ok(())
}

fn function(module: &Module, id: FunctionId) -> Result<&Function, VerifyError> {
    module.functions.get(id.0 as usize).ok_or_else(|| VerifyError::new(format!("no function {}", id.0)))
}

fn struct_definition(module: &Module, id: StructId) -> Option<&StructDefinition> {
    module.structs.get(id.0 as usize)
}

fn enum_definition(module: &Module, id: EnumId) -> Option<&EnumDefinition> {
    module.enums.get(id.0 as usize)
}

fn agent(module: &Module, id: AgentId) -> Option<&Agent> {
    module.agents.get(id.0 as usize)
}
