//! Instructions on places inside of values, as `a.b[i].c`: read, write, take out, append, each in the storage of the variable.

use vega_bytecode::Opcode;
use vega_bytecode::module::PathStep;

use super::loaded::Loaded;
use super::operate;
use super::program::LoadedProgram;
use crate::error::Error;
use crate::value::Value;

/// Executes one instruction on a place. The register after those of the path's dynamic steps carries the value.
///
/// # Safety
/// `base` is the first register of a frame of the running function, whose instructions are verified; the root in `a` is none of the
/// path's registers.
pub(super) unsafe fn execute(op: Opcode, at: &Loaded, base: *mut Value, program: &LoadedProgram) -> Result<(), Error> {
    let path = &program.module().paths[at.bc() as usize];
    let mut steps = Steps { base, register: path.registers, steps: &path.steps };
    // SAFETY: verify has checked the root's register; it is none of the path's, so nothing below refers to it a second time.
    let root = unsafe { &mut *at.a().of(base) };
    if op == Opcode::PathGet {
        let found = steps.read(root, program)?;
        steps.put(found);
        return Ok(());
    }
    let (last, before) = path.steps.split_last().expect("verify has checked that a path has steps");
    steps.steps = before;
    let parent = steps.descend(root, program)?;
    match (op, last) {
        (Opcode::PathSet, PathStep::Index) => {
            let key = steps.key();
            let value = steps.take();
            operate::set_index(parent, &key, value, program)
        }
        _ => {
            let place = steps.step(last, parent, program)?;
            match op {
                Opcode::PathSet => {
                    *place = steps.take();
                    Ok(())
                }
                Opcode::PathTake => {
                    let taken = place.take();
                    steps.put(taken);
                    Ok(())
                }
                Opcode::PathPush => {
                    let value = steps.take();
                    if place.as_array().is_some() {
                        operate::push(place, value, program)
                    } else {
                        operate::append(place, value, program)
                    }
                }
                _ => unreachable!("`{}` is executed elsewhere", op.mnemonic()),
            }
        }
    }
}

/// What is left of a path.
struct Steps<'p> {
    base: *mut Value,
    /// Register of the next dynamic step; after the last of them, that of the value.
    register: u16,
    steps: &'p [PathStep],
}

impl Steps<'_> {
    /// The next key.
    fn key(&mut self) -> Value {
        // SAFETY: verify has checked that the path's registers lie in the frame.
        let key = unsafe { (*self.base.add(self.register as usize)).clone() };
        self.register += 1;
        key
    }

    /// Moves the value's register out.
    fn take(&mut self) -> Value {
        // SAFETY: as above.
        unsafe { (*self.base.add(self.register as usize)).take() }
    }

    /// Writes the value's register.
    fn put(&mut self, value: Value) {
        // SAFETY: as above.
        unsafe { *self.base.add(self.register as usize) = value };
    }

    /// A copy of the value at the end of the path.
    fn read(&mut self, root: &Value, program: &LoadedProgram) -> Result<Value, Error> {
        let mut value = root.clone();
        for step in self.steps {
            value = match step {
                PathStep::Field(number) => operate::field(&value, *number, program)?,
                PathStep::Index => operate::index(&value, &self.key(), program)?,
            };
        }
        Ok(value)
    }

    /// The place at the end of the path; storage on the way that is shared is copied.
    fn descend<'v>(&mut self, root: &'v mut Value, program: &LoadedProgram) -> Result<&'v mut Value, Error> {
        let mut place = root;
        for step in self.steps {
            place = self.step(step, place, program)?;
        }
        Ok(place)
    }

    fn step<'v>(&mut self, step: &PathStep, place: &'v mut Value, program: &LoadedProgram) -> Result<&'v mut Value, Error> {
        match step {
            PathStep::Field(number) => operate::field_mut(place, *number, program),
            PathStep::Index => operate::element_mut(place, &self.key(), program),
        }
    }
}
