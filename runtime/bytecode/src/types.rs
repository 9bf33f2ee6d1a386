//! What a value may be: the types of a program, interned, so that equal types have equal ids.
//!
//! The compiler checks with these; the runtime needs them where a value meets the world: type patterns on `any`, JSON schemas of
//! tools and replies, decoding, printing of struct and enum names.

use rustc_hash::FxHashMap;

/// Index of a type in its program's [`TypeTable`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct TypeId(pub u32);

/// Index of a struct definition in [`crate::Module::structs`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct StructId(pub u32);

/// Index of an enum definition in [`crate::Module::enums`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct EnumId(pub u32);

/// Index of an agent declaration in [`crate::Module::agents`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct AgentId(pub u32);

/// One type. Components are ids into the same table.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Type {
    /// The value `null` alone.
    Null,
    /// No value: the result of a function that returns nothing.
    Void,
    /// Fits everything and has no value: the type of `return`, `throw`, `break`.
    Never,
    /// `true` or `false`.
    Bool,
    /// 64-bit signed integer.
    Int,
    /// IEEE 754 double.
    Float,
    /// Immutable Unicode text.
    Str,
    /// A run of bytes.
    Bytes,
    /// Signed nanoseconds in 64 bits.
    Duration,
    /// Signed pico-dollars (10^-12 $) in 64 bits.
    Money,
    /// Any value, narrowed by a check at run time.
    Any,
    /// A JSON value.
    Json,
    /// A caught error.
    Error,
    /// Text that prints as `***`.
    Secret,
    /// `T[]`.
    Array(TypeId),
    /// `map<K, V>` in insertion order.
    Map(TypeId, TypeId),
    /// `(A, B, …)`, two or more.
    Tuple(Vec<TypeId>),
    /// `T?`: the type or null. Never nested.
    Optional(TypeId),
    /// `Result<T, E>`.
    Result(TypeId, TypeId),
    /// `a..b` of integers.
    Range,
    /// A struct with its type arguments (empty where it takes none).
    Struct(StructId, Vec<TypeId>),
    /// An enum with its type arguments.
    Enum(EnumId, Vec<TypeId>),
    /// A generic function's or type's own parameter, by position.
    Parameter(u32),
    /// `fn(A, B) -> R`.
    Function(Vec<TypeId>, TypeId),
    /// Handle of one agent type.
    Agent(AgentId),
    /// `agent`: any agent that answers `str`.
    AnyAgent,
    /// `process`, also written `ProcessId`.
    Process,
    /// `Future<T>`.
    Future(TypeId),
    /// `Stream<T>`.
    Stream(TypeId),
    /// A monitor's handle.
    Monitor,
    /// A user trace span's handle.
    Span,
}

impl Type {
    /// Whether every value of this type fits a register without owning storage. `T?` follows `T`; the table resolves it.
    pub fn is_plain_scalar(&self) -> bool {
        matches!(
            self,
            Type::Null | Type::Void | Type::Never | Type::Bool | Type::Int | Type::Float | Type::Duration | Type::Money
        )
    }
}

/// The interned types of one program.
#[derive(Clone, Debug, Default)]
pub struct TypeTable {
    types: Vec<Type>,
    ids: FxHashMap<Type, TypeId>,
}

impl PartialEq for TypeTable {
    fn eq(&self, other: &Self) -> bool {
        self.types == other.types
    }
}

impl TypeTable {
    /// An empty table.
    pub fn new() -> Self {
        Self::default()
    }

    /// The id of `ty`, adding it where it is new. Components must already be in the table.
    pub fn intern(&mut self, ty: Type) -> TypeId {
        if let Some(&id) = self.ids.get(&ty) {
            return id;
        }
        let id = TypeId(u32::try_from(self.types.len()).expect("fewer than 2^32 types: source size is bounded"));
        self.types.push(ty.clone());
        self.ids.insert(ty, id);
        id
    }

    /// The type of an id, or `None` where the id is not of this table.
    #[inline]
    pub fn get(&self, id: TypeId) -> Option<&Type> {
        self.types.get(id.0 as usize)
    }

    /// All types, in order of their ids.
    pub fn all(&self) -> &[Type] {
        &self.types
    }

    /// Whether registers of this type never own storage: plain scalars and optionals of them.
    pub fn is_scalar(&self, id: TypeId) -> bool {
        match self.get(id) {
            Some(Type::Optional(inner)) => self.get(*inner).is_some_and(Type::is_plain_scalar),
            Some(ty) => ty.is_plain_scalar(),
            None => false,
        }
    }
}

impl std::ops::Index<TypeId> for TypeTable {
    type Output = Type;

    fn index(&self, id: TypeId) -> &Type {
        &self.types[id.0 as usize]
    }
}
