//! Declarations at the top level of a file.

use super::{AgentDecl, Binding, Block, Docs, Expr, GenericParameter, Ident, MockDecl, SupervisorDecl, TestDecl, TypeExpr};
use crate::source::Span;
use std::sync::Arc;

/// A declaration.
#[derive(Clone, PartialEq, Debug)]
pub struct Item {
    /// What it is.
    pub kind: ItemKind,
    /// The `///` lines above it.
    pub docs: Option<Box<Docs>>,
    /// The word `pub`, if it is there.
    pub public: Option<Span>,
    /// Without the documentation.
    pub span: Span,
}

/// The kinds of declarations.
#[derive(Clone, PartialEq, Debug)]
pub enum ItemKind {
    /// `import "math";`
    Import(Box<ImportDecl>),
    /// `fn f() { … }`
    Function(Box<FunctionDecl>),
    /// `const LIMIT: int = 10;`
    Const(Box<ConstDecl>),
    /// `type Scores = map<str, int>;`
    TypeAlias(Box<TypeAliasDecl>),
    /// `struct Review { score: int }`
    Struct(Box<StructDecl>),
    /// `enum Verdict { Approve, Reject(str) }`
    Enum(Box<EnumDecl>),
    /// `impl Review { fn summary(self) -> str { … } }`
    Impl(Box<ImplDecl>),
    /// `error NotFound(name: str);`
    Error(Box<ErrorDecl>),
    /// `agent Coder { … }`
    Agent(Box<AgentDecl>),
    /// `supervisor Team { … }`
    Supervisor(Box<SupervisorDecl>),
    /// `test "name" { … }`
    Test(Box<TestDecl>),
    /// `mock Coder { … }`
    Mock(Box<MockDecl>),
}

/// `import "./helpers" as h;` or `import { max, min } from "math";`
#[derive(Clone, PartialEq, Debug)]
pub struct ImportDecl {
    /// The path as written between the quotes.
    pub path: Arc<str>,
    /// The quoted path.
    pub path_span: Span,
    /// What of the module is wanted, and under which names.
    pub form: ImportForm,
}

/// The forms of an import.
#[derive(Clone, PartialEq, Debug)]
pub enum ImportForm {
    /// `import "math";`
    Plain,
    /// `import "math" as m;`
    Renamed(Ident),
    /// `import { max, min as least } from "math";`
    Selected(Vec<ImportedName>),
}

/// `max` or `max as largest`.
#[derive(Clone, PartialEq, Debug)]
pub struct ImportedName {
    /// The name in the module.
    pub name: Ident,
    /// The name here, if another.
    pub alias: Option<Ident>,
}

/// `fn name<T>(a: A, b: B = default) -> R { … }`
#[derive(Clone, PartialEq, Debug)]
pub struct FunctionDecl {
    /// The name.
    pub name: Ident,
    /// `<T: Ord>`
    pub generics: Vec<GenericParameter>,
    /// `self` or `mut self`, only in an `impl`.
    pub receiver: Option<Receiver>,
    /// The parameters after the receiver.
    pub parameters: Vec<Parameter>,
    /// What stands behind `->`.
    pub result: Option<TypeExpr>,
    /// The body; `None` is written `;` and declares a native.
    pub body: Option<Block>,
    /// From `fn` to the end of the result type: what to point at when the whole function is meant.
    pub head: Span,
}

/// `self` or `mut self`.
#[derive(Clone, PartialEq, Debug)]
pub struct Receiver {
    /// The variable.
    pub binding: Binding,
    /// Whether it changes the caller's place.
    pub is_mut: bool,
    /// All of it.
    pub span: Span,
}

/// `name: T` or `name: T = default`.
#[derive(Clone, PartialEq, Debug)]
pub struct Parameter {
    /// The variable.
    pub binding: Binding,
    /// Its type.
    pub ty: TypeExpr,
    /// The value where the caller gives none.
    pub default: Option<Expr>,
    /// All of it.
    pub span: Span,
}

/// `const NAME: T = value;`
#[derive(Clone, PartialEq, Debug)]
pub struct ConstDecl {
    /// The name. Its binding counts only inside a block.
    pub binding: Binding,
    /// The type, if written.
    pub ty: Option<TypeExpr>,
    /// The value.
    pub value: Expr,
}

/// `type Name<T> = …;`
#[derive(Clone, PartialEq, Debug)]
pub struct TypeAliasDecl {
    /// The name.
    pub name: Ident,
    /// `<T>`
    pub generics: Vec<GenericParameter>,
    /// What it stands for.
    pub ty: TypeExpr,
}

/// `struct Name<T> { field: T, … }`
#[derive(Clone, PartialEq, Debug)]
pub struct StructDecl {
    /// The name.
    pub name: Ident,
    /// `<T>`
    pub generics: Vec<GenericParameter>,
    /// The fields.
    pub fields: Vec<FieldDecl>,
}

/// `field: T`
#[derive(Clone, PartialEq, Debug)]
pub struct FieldDecl {
    /// The name.
    pub name: Ident,
    /// The type.
    pub ty: TypeExpr,
    /// The `///` lines above it.
    pub docs: Option<Box<Docs>>,
    /// Without the documentation.
    pub span: Span,
}

/// `enum Name<T> { … }`
#[derive(Clone, PartialEq, Debug)]
pub struct EnumDecl {
    /// The name.
    pub name: Ident,
    /// `<T>`
    pub generics: Vec<GenericParameter>,
    /// The variants.
    pub variants: Vec<VariantDecl>,
}

/// One variant of an enum.
#[derive(Clone, PartialEq, Debug)]
pub struct VariantDecl {
    /// The name.
    pub name: Ident,
    /// What it carries.
    pub payload: VariantPayload,
    /// The `///` lines above it.
    pub docs: Option<Box<Docs>>,
    /// Without the documentation.
    pub span: Span,
}

/// What a variant carries.
#[derive(Clone, PartialEq, Debug)]
pub enum VariantPayload {
    /// `Approve`
    Unit,
    /// `Reject(str)`
    Tuple(Vec<TypeExpr>),
    /// `Escalate { to: str }`
    Struct(Vec<FieldDecl>),
}

/// `impl<T> Heap<T> { … }`. In the standard library the target may be any type, such as `T[]`.
#[derive(Clone, PartialEq, Debug)]
pub struct ImplDecl {
    /// `<T>`
    pub generics: Vec<GenericParameter>,
    /// The type that gets the methods.
    pub target: TypeExpr,
    /// The methods.
    pub functions: Vec<ImplFunction>,
}

/// One function of an `impl`.
#[derive(Clone, PartialEq, Debug)]
pub struct ImplFunction {
    /// The function.
    pub function: FunctionDecl,
    /// The `///` lines above it.
    pub docs: Option<Box<Docs>>,
    /// The word `pub`, if it is there.
    pub public: Option<Span>,
    /// Without the documentation.
    pub span: Span,
}

/// `error Stale(key: str): NotFound;`
#[derive(Clone, PartialEq, Debug)]
pub struct ErrorDecl {
    /// The name of the kind.
    pub name: Ident,
    /// What it carries.
    pub fields: Vec<ErrorField>,
    /// The kind that catching also catches this one.
    pub parent: Option<Ident>,
}

/// `name: T` or `T`.
#[derive(Clone, PartialEq, Debug)]
pub struct ErrorField {
    /// The name, if written.
    pub name: Option<Ident>,
    /// The type.
    pub ty: TypeExpr,
}
