//! The pool of literal values: each once, found again by its content.

use rustc_hash::FxHashMap;
use vega_bytecode::module::Constant;

/// What makes two constants the same. Floats are the same if their bits are: `0.0` and `-0.0` are two constants.
#[derive(PartialEq, Eq, Hash)]
enum Key {
    Null,
    Bool(bool),
    Int(i64),
    Float(u64),
    Str(String),
    Bytes(Vec<u8>),
    Duration(i64),
    Money(i64),
    Function(u32),
    UnitVariant(u32, u32),
}

impl Key {
    fn of(constant: &Constant) -> Key {
        match constant {
            Constant::Null => Key::Null,
            Constant::Bool(value) => Key::Bool(*value),
            Constant::Int(value) => Key::Int(*value),
            Constant::Float(value) => Key::Float(value.to_bits()),
            Constant::Str(value) => Key::Str(value.clone()),
            Constant::Bytes(value) => Key::Bytes(value.clone()),
            Constant::Duration(value) => Key::Duration(*value),
            Constant::Money(value) => Key::Money(*value),
            Constant::Function(function) => Key::Function(function.0),
            Constant::UnitVariant(definition, variant) => Key::UnitVariant(definition.0, *variant),
        }
    }
}

/// Literal values in the order in which they were first met.
#[derive(Default)]
pub(super) struct ConstantPool {
    constants: Vec<Constant>,
    indexes: FxHashMap<Key, u32>,
}

impl ConstantPool {
    /// The index of a constant, adding it where it is new.
    pub(super) fn index_of(&mut self, constant: &Constant) -> u32 {
        *self.indexes.entry(Key::of(constant)).or_insert_with(|| {
            self.constants.push(constant.clone());
            self.constants.len() as u32 - 1
        })
    }

    /// All constants, by index.
    pub(super) fn into_constants(self) -> Vec<Constant> {
        self.constants
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_constants_share_an_index_and_zeros_of_two_signs_do_not() {
        let mut pool = ConstantPool::default();
        let first = pool.index_of(&Constant::Str("a".into()));
        assert_eq!(pool.index_of(&Constant::Str("a".into())), first);
        assert_ne!(pool.index_of(&Constant::Float(0.0)), pool.index_of(&Constant::Float(-0.0)));
        assert_ne!(pool.index_of(&Constant::Int(1)), pool.index_of(&Constant::Duration(1)));
        assert_eq!(pool.into_constants().len(), 5);
    }
}
