//! What is known of each declaration once its signature is resolved.
//!
//! Infos are shared by count and never changed after they are complete, so a body can be checked while one is held.

use std::rc::Rc;

use vega_bytecode::module::{EnumDefinition, FieldDefinition, StructDefinition, VariantDefinition};
use vega_bytecode::types::{AgentId, EnumId, StructId};
use vega_bytecode::{FunctionId, Type, TypeId};

use crate::ast;
use crate::interner::{Interner, Symbol};
use crate::ir::Expr;
use crate::resolve::module::ModuleId;
use crate::source::Span;

/// A type parameter with what may be done to its values.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Generic {
    /// Its name.
    pub(crate) name: Symbol,
    /// `Ord`: its values can be ordered.
    pub(crate) is_ordered: bool,
    /// `Key`: its values can be keys of a map.
    pub(crate) is_key: bool,
    /// `Num`: its values are numbers.
    pub(crate) is_number: bool,
}

/// A function, method or native.
#[derive(Debug)]
pub(crate) struct FunctionInfo<'a> {
    /// For traces and messages: `review`, `Review.add`.
    pub(crate) name: String,
    /// Where it is declared.
    pub(crate) module: ModuleId,
    /// Its tree.
    pub(crate) declaration: &'a ast::FunctionDecl,
    /// Whether other modules see it.
    pub(crate) is_public: bool,
    /// Type parameters, those of its `impl` first.
    pub(crate) generics: Rc<[Generic]>,
    /// Type of `self`, and whether it is `mut self`.
    pub(crate) receiver: Option<(TypeId, bool)>,
    /// The others.
    pub(crate) parameters: Vec<ParameterInfo<'a>>,
    /// Result; `void` where none is written.
    pub(crate) result: TypeId,
    /// Name of the native, where it is one.
    pub(crate) native: Option<Rc<str>>,
    /// Another function of the name with another number of parameters.
    pub(crate) next_overload: Option<u32>,
}

impl FunctionInfo<'_> {
    /// How many arguments must and may be given.
    pub(crate) fn arity(&self) -> (usize, usize) {
        let required = self.parameters.iter().filter(|parameter| parameter.default.is_none()).count();
        (required, self.parameters.len())
    }
}

/// One parameter.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ParameterInfo<'a> {
    /// Its name.
    pub(crate) name: ast::Ident,
    /// Its type.
    pub(crate) ty: TypeId,
    /// The value where the caller gives none.
    pub(crate) default: Option<&'a ast::Expr>,
}

/// A struct.
#[derive(Debug)]
pub(crate) struct StructInfo<'a> {
    /// Its name.
    pub(crate) name: Symbol,
    /// Where it is declared.
    pub(crate) module: ModuleId,
    /// Its tree; the language's own structs have none.
    pub(crate) declaration: Option<&'a ast::StructDecl>,
    /// Whether other modules see it.
    pub(crate) is_public: bool,
    /// Type parameters.
    pub(crate) generics: Rc<[Generic]>,
    /// Fields in declared order.
    pub(crate) fields: Vec<FieldInfo>,
}

/// One field.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FieldInfo {
    /// Its name.
    pub(crate) name: Symbol,
    /// Its type, over the definition's type parameters.
    pub(crate) ty: TypeId,
    /// Where it is declared.
    pub(crate) span: Option<Span>,
}

impl FieldInfo {
    fn to_definition(self, interner: &Interner) -> FieldDefinition {
        FieldDefinition { name: interner.text(self.name).to_string(), ty: self.ty }
    }
}

impl StructInfo<'_> {
    /// The number and type of a field.
    pub(crate) fn field(&self, name: Symbol) -> Option<(u16, FieldInfo)> {
        let index = self.fields.iter().position(|field| field.name == name)?;
        Some((index as u16, self.fields[index]))
    }

    /// As the program format has it.
    pub(crate) fn to_definition(&self, interner: &Interner) -> StructDefinition {
        StructDefinition {
            name: interner.text(self.name).to_string(),
            fields: self.fields.iter().map(|field| field.to_definition(interner)).collect(),
        }
    }
}

/// An enum.
#[derive(Debug)]
pub(crate) struct EnumInfo<'a> {
    /// Its name.
    pub(crate) name: Symbol,
    /// Where it is declared.
    pub(crate) module: ModuleId,
    /// Its tree.
    pub(crate) declaration: &'a ast::EnumDecl,
    /// Whether other modules see it.
    pub(crate) is_public: bool,
    /// Type parameters.
    pub(crate) generics: Rc<[Generic]>,
    /// Variants in declared order.
    pub(crate) variants: Vec<VariantInfo>,
}

/// One variant.
#[derive(Clone, Debug)]
pub(crate) struct VariantInfo {
    /// Its name.
    pub(crate) name: Symbol,
    /// What it carries.
    pub(crate) payload: Vec<FieldInfo>,
    /// Whether the payload is written with names in braces.
    pub(crate) has_names: bool,
}

impl EnumInfo<'_> {
    /// The number of a variant.
    pub(crate) fn variant(&self, name: Symbol) -> Option<u32> {
        self.variants.iter().position(|variant| variant.name == name).map(|index| index as u32)
    }

    /// As the program format has it.
    pub(crate) fn to_definition(&self, interner: &Interner) -> EnumDefinition {
        EnumDefinition {
            name: interner.text(self.name).to_string(),
            variants: self
                .variants
                .iter()
                .map(|variant| VariantDefinition {
                    name: interner.text(variant.name).to_string(),
                    payload: variant
                        .payload
                        .iter()
                        .map(|field| FieldDefinition {
                            name: if variant.has_names { interner.text(field.name).to_string() } else { String::new() },
                            ty: field.ty,
                        })
                        .collect(),
                })
                .collect(),
        }
    }
}

/// `type A = B;`
#[derive(Debug)]
pub(crate) struct AliasInfo<'a> {
    /// Where it is declared.
    pub(crate) module: ModuleId,
    /// Its tree.
    pub(crate) declaration: &'a ast::TypeAliasDecl,
    /// Whether other modules see it.
    pub(crate) is_public: bool,
    /// How far it is resolved.
    pub(crate) state: AliasState,
}

/// How far an alias is resolved.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum AliasState {
    /// Nobody asked yet.
    Open,
    /// It is being resolved: meeting it again is a cycle.
    Busy,
    /// It stands for this.
    Done(TypeId),
}

/// A constant.
#[derive(Debug)]
pub(crate) struct ConstInfo<'a> {
    /// Where it is declared.
    pub(crate) module: ModuleId,
    /// Its tree.
    pub(crate) declaration: &'a ast::ConstDecl,
    /// Whether other modules see it.
    pub(crate) is_public: bool,
    /// Whether its value is being checked: meeting it again is a cycle.
    pub(crate) is_busy: bool,
    /// Its value, once somebody asked.
    pub(crate) value: Option<Expr>,
    /// Nodes of its value.
    pub(crate) size: u32,
    /// How many constants, each holding the next, its value is made of.
    pub(crate) height: u32,
}

/// An agent.
#[derive(Debug)]
pub(crate) struct AgentInfo<'a> {
    /// Where it is declared.
    pub(crate) module: ModuleId,
    /// Its tree.
    pub(crate) declaration: &'a ast::AgentDecl,
    /// Whether other modules see it.
    pub(crate) is_public: bool,
    /// Its parameters.
    pub(crate) parameters: Vec<ParameterInfo<'a>>,
    /// Type of a reply.
    pub(crate) output: TypeId,
    /// The variables of its state, with their first values.
    pub(crate) state: Vec<StateInfo<'a>>,
}

/// A variable of an agent's state.
#[derive(Debug)]
pub(crate) struct StateInfo<'a> {
    /// Its tree.
    pub(crate) field: &'a ast::StateField,
    /// Its type.
    pub(crate) ty: TypeId,
}

/// A declared supervisor.
#[derive(Debug)]
pub(crate) struct SupervisorInfo<'a> {
    /// Where it is declared.
    pub(crate) module: ModuleId,
    /// Its tree.
    pub(crate) declaration: &'a ast::SupervisorDecl,
    /// Whether other modules see it.
    pub(crate) is_public: bool,
    /// Its parameters.
    pub(crate) parameters: Vec<ParameterInfo<'a>>,
    /// What `spawn` gives: a field for each child.
    pub(crate) structure: StructId,
    /// What puts it together.
    pub(crate) function: FunctionId,
}

/// Where an error kind comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KindInfo {
    /// Whether other modules see it.
    pub(crate) is_public: bool,
}

/// What a type's methods hang on: the type without its arguments.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[allow(missing_docs, reason = "each variant is the type of its name")]
pub(crate) enum Head {
    Struct(StructId),
    Enum(EnumId),
    Agent(AgentId),
    Bool,
    Int,
    Float,
    Str,
    Bytes,
    Duration,
    Money,
    Json,
    Error,
    Array,
    Map,
    Optional,
    Result,
    Range,
    Process,
    Function,
    Stream,
    Future,
}

impl Head {
    /// The head of a type, if it can have methods.
    pub(crate) fn of(ty: &Type) -> Option<Head> {
        Some(match ty {
            Type::Struct(id, _) => Head::Struct(*id),
            Type::Enum(id, _) => Head::Enum(*id),
            Type::Agent(id) => Head::Agent(*id),
            Type::Bool => Head::Bool,
            Type::Int => Head::Int,
            Type::Float => Head::Float,
            Type::Str => Head::Str,
            Type::Bytes => Head::Bytes,
            Type::Duration => Head::Duration,
            Type::Money => Head::Money,
            Type::Json => Head::Json,
            Type::Error => Head::Error,
            Type::Array(_) => Head::Array,
            Type::Map(..) => Head::Map,
            Type::Optional(_) => Head::Optional,
            Type::Result(..) => Head::Result,
            Type::Range => Head::Range,
            Type::Process => Head::Process,
            Type::Function(..) => Head::Function,
            Type::Stream(_) => Head::Stream,
            Type::Future(_) => Head::Future,
            Type::Null
            | Type::Void
            | Type::Never
            | Type::Any
            | Type::Secret
            | Type::Tuple(_)
            | Type::Parameter(_)
            | Type::AnyAgent
            | Type::Monitor
            | Type::Span => return None,
        })
    }

    /// The module of the standard library that has the methods.
    pub(crate) fn standard_module(self) -> Option<&'static str> {
        Some(match self {
            Head::Bool => "bool",
            Head::Int => "int",
            Head::Float => "float",
            Head::Str => "str",
            Head::Bytes => "bytes",
            Head::Duration => "duration",
            Head::Money => "money",
            Head::Json => "json",
            Head::Array => "list",
            Head::Map => "map",
            Head::Optional => "option",
            Head::Result => "result",
            Head::Range => "range",
            Head::Stream => "stream",
            Head::Struct(_) | Head::Enum(_) | Head::Agent(_) | Head::Error | Head::Process | Head::Function | Head::Future => {
                return None;
            }
        })
    }

    /// The head that a module of the standard library is about.
    pub(crate) fn of_standard_module(word: &str) -> Option<Head> {
        Some(match word {
            "int" => Head::Int,
            "float" => Head::Float,
            "str" => Head::Str,
            "bytes" => Head::Bytes,
            "duration" => Head::Duration,
            "money" => Head::Money,
            "json" => Head::Json,
            "list" => Head::Array,
            "map" => Head::Map,
            "option" => Head::Optional,
            "result" => Head::Result,
            "range" => Head::Range,
            _ => return None,
        })
    }
}
