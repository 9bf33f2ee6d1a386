//! The error kinds of the language: their numbers, names, parents and payloads.
//!
//! Invariant: [`crate::Module::kinds`] begins with exactly this table, in this order, so that the runtime can raise a kind by its
//! number without looking into the program. New kinds are added at the end.

use crate::module::{FieldDefinition, KindDefinition, KindId};
use crate::types::{Type, TypeTable};

/// Type of one payload value of a built-in kind.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PayloadType {
    /// `int`
    Int,
    /// `str`
    Str,
    /// `duration`
    Duration,
    /// `money`
    Money,
}

impl PayloadType {
    /// The type in the program's table.
    pub fn to_type(self) -> Type {
        match self {
            PayloadType::Int => Type::Int,
            PayloadType::Str => Type::Str,
            PayloadType::Duration => Type::Duration,
            PayloadType::Money => Type::Money,
        }
    }
}

/// One built-in kind.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BuiltInKind {
    /// Its name.
    pub name: &'static str,
    /// The kind above it: catching that one catches this one.
    pub parent: Option<KindId>,
    /// Names and types of the payload, in order.
    pub payload: &'static [(&'static str, PayloadType)],
}

macro_rules! kinds {
    (@parent) => { None };
    (@parent $parent:ident) => { Some($parent) };
    ($($(#[doc = $doc:literal])+ $constant:ident = $number:literal, $name:literal $(: $parent:ident)?, [$($field:literal $ty:ident),*];)+) => {
        $($(#[doc = $doc])+ pub const $constant: KindId = KindId($number);)+

        /// Every built-in kind; the place in this table is the kind's number.
        pub const BUILT_IN: &[BuiltInKind] = &[
            $(BuiltInKind {
                name: $name,
                parent: kinds!(@parent $($parent)?),
                payload: &[$(($field, PayloadType::$ty)),*],
            },)+
        ];

        #[cfg(test)]
        const NUMBERS: &[u32] = &[$($number),+];
    };
}

kinds! {
    /// A call to an agent failed: the parent of everything that can go wrong with a model.
    AGENT_FAILED = 0, "AgentFailed", ["reason" Str];
    /// The provider asks to slow down.
    RATE_LIMITED = 1, "RateLimited": AGENT_FAILED, ["retry_after" Duration];
    /// The provider has no room.
    OVERLOADED = 2, "Overloaded": AGENT_FAILED, [];
    /// Time ran out: a call's or an attempt's.
    TIMEOUT = 3, "Timeout": AGENT_FAILED, ["after" Duration];
    /// The circuit breaker is open; nothing was sent.
    CIRCUIT_OPEN = 4, "CircuitOpen": AGENT_FAILED, ["retry_after" Duration];
    /// The answer does not have the form that was asked for.
    OUTPUT_INVALID = 5, "OutputInvalid": AGENT_FAILED, ["text" Str, "problem" Str];
    /// The provider answered with an error, or could not be reached (status 0).
    PROVIDER_ERROR = 6, "ProviderError": AGENT_FAILED, ["status" Int, "message" Str];
    /// The answer was cut because the runtime had lowered its length.
    TRUNCATED = 7, "Truncated": AGENT_FAILED, ["text" Str];
    /// The model went on calling tools after its last turn.
    TURN_LIMIT = 8, "TurnLimit": AGENT_FAILED, ["limit" Int, "partial" Str];
    /// The model declined to answer.
    REFUSED = 9, "Refused": AGENT_FAILED, [];
    /// A call would wait for itself.
    CALL_CYCLE = 10, "CallCycle": AGENT_FAILED, [];
    /// The call does not fit a budget around it.
    BUDGET_EXCEEDED = 11, "BudgetExceeded", ["limit" Money, "used" Money, "needed" Money];
    /// Something was touched that no grant allows.
    CAPABILITY_DENIED = 12, "CapabilityDenied", ["what" Str];
    /// The work was cancelled.
    CANCELLED = 13, "Cancelled", [];
    /// An HTTP exchange answered with an error.
    HTTP_ERROR = 14, "HttpError", ["status" Int, "body" Str];
    /// A file or stream operation failed.
    IO_ERROR = 15, "IoError", ["message" Str];
    /// Text is no JSON, or not JSON of the wanted type.
    JSON_ERROR = 16, "JsonError", ["message" Str];
    /// The process that should answer has ended.
    PROCESS_DOWN = 17, "ProcessDown", ["reason" Str];
    /// The receiver's mailbox has no room.
    MAILBOX_FULL = 18, "MailboxFull", [];
    /// A limit of the runtime was reached.
    LIMIT_REACHED = 19, "LimitReached", ["which" Str];
    /// An int was divided by zero.
    DIVIDE_BY_ZERO = 20, "DivideByZero", [];
    /// An index or a slice lies outside.
    INDEX_OUT_OF_BOUNDS = 21, "IndexOutOfBounds", [];
    /// A map has no such key.
    KEY_NOT_FOUND = 22, "KeyNotFound", [];
    /// A number does not fit its type.
    OVERFLOW = 23, "Overflow", [];
    /// An assertion did not hold.
    ASSERT_FAILED = 24, "AssertFailed", ["message" Str];
    /// `unwrap` met nothing or an error.
    UNWRAP_FAILED = 25, "UnwrapFailed", ["text" Str];
    /// A value of type `any` was narrowed to a type that it does not have.
    TYPE_MISMATCH = 26, "TypeMismatch", ["expected" Str, "found" Str];
    /// A native was given an argument that it cannot work with.
    INVALID_ARGUMENT = 27, "InvalidArgument", ["message" Str];
}

/// The definitions that a program's kinds begin with; payload types are added to `types`.
pub fn built_in_definitions(types: &mut TypeTable) -> Vec<KindDefinition> {
    BUILT_IN
        .iter()
        .map(|kind| KindDefinition {
            name: kind.name.to_string(),
            parent: kind.parent,
            payload: kind
                .payload
                .iter()
                .map(|(name, ty)| FieldDefinition { name: (*name).to_string(), ty: types.intern(ty.to_type()) })
                .collect(),
        })
        .collect()
}

/// The built-in kind of a name.
pub fn find(name: &str) -> Option<KindId> {
    BUILT_IN.iter().position(|kind| kind.name == name).map(|index| KindId(index as u32))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_found_at_the_place_of_its_number() {
        for (index, number) in NUMBERS.iter().enumerate() {
            assert_eq!(index as u32, *number);
        }
        assert_eq!(find("Overflow"), Some(OVERFLOW));
        assert_eq!(find("TypeMismatch"), Some(TYPE_MISMATCH));
        assert_eq!(find("Nothing"), None);
    }

    #[test]
    fn parents_stand_before_their_children() {
        for (index, kind) in BUILT_IN.iter().enumerate() {
            assert!(kind.parent.is_none_or(|parent| (parent.0 as usize) < index), "{}", kind.name);
        }
    }

    #[test]
    fn definitions_carry_names_parents_and_payload_types() {
        let mut types = TypeTable::new();
        let kinds = built_in_definitions(&mut types);
        let limited = &kinds[RATE_LIMITED.0 as usize];
        assert_eq!(limited.parent, Some(AGENT_FAILED));
        assert_eq!(limited.payload[0].name, "retry_after");
        assert_eq!(types[limited.payload[0].ty], Type::Duration);
    }
}
