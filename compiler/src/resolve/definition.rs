//! What a name may stand for.

use crate::resolve::module::ModuleId;

/// What a type name stands for. The numbers are indexes into the checker's tables.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum TypeDefinition {
    /// A struct.
    Struct(u32),
    /// An enum.
    Enum(u32),
    /// `type A = B;`
    Alias(u32),
    /// An agent: the type of its handles.
    Agent(u32),
    /// A declared supervisor.
    Supervisor(u32),
}

/// What a value name stands for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum ValueDefinition {
    /// A function; further ones of the name with other numbers of parameters hang on it.
    Function(u32),
    /// A constant.
    Const(u32),
}

/// The outcome of looking for a name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Found<T> {
    /// It stands for this.
    One(T),
    /// Two modules whose names are seen without their module's define it differently.
    Ambiguous(ModuleId, ModuleId),
    /// No such name.
    Nothing,
}
