//! The literals of a program, and the reasons that most processes end with, as values that are made once and read by all processes.
//!
//! Invariant: the objects of constants are immortal: their counts are never written, nothing in them is ever written, and only the
//! pool frees them. So any number of threads may read them.

use std::mem::ManuallyDrop;

use vega_bytecode::module::Constant;

use super::object::{self, IMMORTAL};
use super::{Bytes, Str, Value, heap};
use crate::process::ExitReason;

/// The constants of one loaded program.
pub struct ConstantPool {
    values: Vec<ManuallyDrop<Value>>,
    /// The texts of [`ExitReason::FIXED`], by number.
    reasons: Vec<ManuallyDrop<Value>>,
}

// SAFETY: the values are scalars, texts and bytes. Their objects are immortal and settled, hence only read; `get` copies a value
// without writing to the object; the pool is dropped by one thread, with nobody left who reads (see `get`).
unsafe impl Send for ConstantPool {}
// SAFETY: see above.
unsafe impl Sync for ConstantPool {}

impl ConstantPool {
    /// Makes the values of a program's constants.
    pub fn new(constants: &[Constant]) -> ConstantPool {
        let ((values, reasons), _) = heap::detached(|| {
            let reasons = ExitReason::FIXED.map(|text| ManuallyDrop::new(immortal(&Constant::Str(text.into()))));
            (constants.iter().map(|constant| ManuallyDrop::new(immortal(constant))).collect(), reasons.into())
        });
        ConstantPool { values, reasons }
    }

    /// A constant. Copies sixteen bytes and counts nothing.
    ///
    /// # Safety
    /// The pool outlives the value and every copy of it: a process keeps its program until all of its values are gone.
    #[inline]
    pub unsafe fn get(&self, index: usize) -> Option<Value> {
        // Cloning reads the immortal count and leaves it alone.
        self.values.get(index).map(|value| Value::clone(value))
    }

    /// The text of a reason: one that is made for this if it is none of the usual.
    ///
    /// # Safety
    /// As for [`ConstantPool::get`].
    #[inline]
    pub unsafe fn reason(&self, reason: &ExitReason) -> Value {
        match reason.fixed().and_then(|number| self.reasons.get(number)) {
            // As above.
            Some(text) => Value::clone(text),
            None => Value::str(reason.as_str()),
        }
    }
}

fn immortal(constant: &Constant) -> Value {
    let value = match constant {
        Constant::Null => Value::NULL,
        Constant::Bool(value) => Value::bool(*value),
        Constant::Int(value) => Value::int(*value),
        Constant::Float(value) => Value::float(*value),
        Constant::Duration(nanoseconds) => Value::duration(*nanoseconds),
        Constant::Money(pico_dollars) => Value::money(*pico_dollars),
        Constant::Function(id) => Value::function(*id),
        Constant::UnitVariant(id, variant) => Value::unit_variant(*id, *variant as u16),
        Constant::Bytes(bytes) => Bytes::from(bytes.as_slice()).into(),
        Constant::Str(text) => {
            let text = Str::from(text.as_str());
            text.settle();
            text.into()
        }
    };
    value.set_count(IMMORTAL);
    value
}

impl Drop for ConstantPool {
    fn drop(&mut self) {
        heap::detached(|| {
            for value in self.values.drain(..).chain(self.reasons.drain(..)) {
                value.set_count(1);
                drop(ManuallyDrop::into_inner(value));
            }
        });
    }
}

impl Value {
    fn set_count(&self, count: usize) {
        if let Some(header) = self.object() {
            // SAFETY: the pool alone holds the value when it calls this: before any other thread can see it, and after the last.
            unsafe { object::set_count(header, count) };
        }
    }
}
