//! Walking the frames of a machine, from the innermost outwards: stack traces, and coordinates of effects.

use vega_bytecode::FunctionId;

use super::loaded::Loaded;
use super::machine::{BOTTOM, FROM_NATIVE, Machine, return_address};
use super::program::LoadedProgram;
use crate::error::Place;
use crate::process::{Activation, NearSite};

use crate::value::Value;

/// Innermost places of a longer trace that are kept.
const TRACE_INNER_MAX: usize = 64;
/// Outermost places of a longer trace that are kept.
const TRACE_OUTER_MAX: usize = 16;

/// Set in the site number of a place that is not marked as a site; the rest is the number of its instruction.
const UNMARKED: u32 = 1 << 31;

/// One Vega frame, as seen from outside.
pub struct FrameView<'m> {
    /// Its function.
    pub function: FunctionId,
    /// The instruction that it is at.
    pub pc: u32,
    /// Its registers.
    pub registers: &'m [Value],
}

impl Machine {
    /// The Vega frames, innermost first.
    pub fn frames<'m>(&'m self, program: &'m LoadedProgram) -> impl Iterator<Item = FrameView<'m>> {
        Walk { machine: self, program, base: self.base, ip: self.ip, natives: self.natives.len() }
    }

    /// The places of all frames, innermost first; of very many, those in the middle are left out. A place without a function stands
    /// for them.
    pub fn trace(&self, program: &LoadedProgram) -> Vec<Place> {
        let mut places: Vec<Place> = self.frames(program).map(|frame| Place { function: frame.function, pc: frame.pc }).collect();
        let left_out = places.len().saturating_sub(TRACE_INNER_MAX + TRACE_OUTER_MAX);
        if left_out > 0 {
            let gap = Place { function: FunctionId(u32::MAX), pc: left_out as u32 };
            places.splice(TRACE_INNER_MAX..TRACE_INNER_MAX + left_out, [gap]);
        }
        places.shrink_to_fit();
        places
    }

    /// Where the machine is, independent of timing: for each frame, outermost first, its function, the number of the effect site in it,
    /// and the iterations of the loops around the site. A place that is not marked as a site is named by its instruction.
    pub fn coordinate(&self, program: &LoadedProgram) -> Vec<Activation> {
        let mut activations: Vec<Activation> = self
            .frames(program)
            .map(|frame| {
                let (site, loops) = frame.site(program);
                Activation { function: frame.function, site, loops: loops.collect() }
            })
            .collect();
        activations.reverse();
        activations
    }

    /// The same where there is one frame alone and at most two loops around the place, which is usual for a process that starts others.
    #[inline(always)]
    pub(crate) fn near_site<'m>(&'m self, program: &'m LoadedProgram) -> Option<NearView<'m>> {
        if self.depth != 1 || !self.natives.is_empty() || self.base == 0 {
            return None;
        }
        let number = self.function_at(self.base);
        let function = program.function(number);
        let first = self.base as usize;
        let registers = &self.stack.as_slice()[first..first + function.registers as usize];
        let frame = FrameView { function: FunctionId(number), pc: function.pc_before(self.ip), registers };
        let (site, loops) = frame.site_registers(program);
        (loops.len() <= 2).then_some(NearView { function: frame.function, site, loops, registers })
    }
}

/// Where a process is that has one frame and at most two loops around its place.
#[derive(Clone, Copy)]
pub(crate) struct NearView<'m> {
    function: FunctionId,
    site: u32,
    /// The registers that count the loops.
    loops: &'m [u16],
    registers: &'m [Value],
}

impl NearView<'_> {
    /// The place as it is now.
    #[inline(always)]
    pub(crate) fn site(&self) -> NearSite {
        // Without a panic in between, so that nothing needs a place of its own on the way. The verifier knows the registers.
        let register = |at: usize| self.loops.get(at).and_then(|&register| self.registers.get(register as usize));
        let iteration = |at: usize| register(at).map_or(0, Value::int_bits);
        NearSite {
            function: self.function,
            site: self.site,
            loops: self.loops.len() as u32,
            iterations: [iteration(0), iteration(1)],
        }
    }
}

impl<'m> FrameView<'m> {
    /// The number of the effect site that the frame is at, and the iterations of the loops around it.
    fn site(&self, program: &'m LoadedProgram) -> (u32, impl Iterator<Item = i64> + use<'m>) {
        let (site, loops) = self.site_registers(program);
        let registers = self.registers;
        (site, loops.iter().map(move |&register| registers[register as usize].int_bits()))
    }

    /// The same with the registers that count the loops.
    #[inline]
    fn site_registers(&self, program: &'m LoadedProgram) -> (u32, &'m [u16]) {
        let sites = &program.module().functions[self.function.0 as usize].sites;
        match sites.binary_search_by_key(&self.pc, |site| site.pc) {
            Err(_) => (UNMARKED | self.pc, &[]),
            Ok(index) => (sites[index].number, &sites[index].loops),
        }
    }
}

/// Where a walk is.
struct Walk<'m> {
    machine: &'m Machine,
    program: &'m LoadedProgram,
    /// First register of the next frame, as a slot's number; 0 at the end.
    base: u32,
    ip: *const Loaded,
    /// Native frames that the walk has not passed yet.
    natives: usize,
}

impl<'m> Iterator for Walk<'m> {
    type Item = FrameView<'m>;

    fn next(&mut self) -> Option<FrameView<'m>> {
        if self.base == 0 {
            return None;
        }
        let number = self.machine.function_at(self.base);
        let function = self.program.function(number);
        let slots = self.machine.stack.as_slice();
        let first = self.base as usize;
        let registers = &slots[first..first + function.registers as usize];
        let frame = FrameView { function: FunctionId(number), pc: function.pc_before(self.ip), registers };
        self.step_out(return_address(&slots[first - 1]));
        Some(frame)
    }
}

impl Walk<'_> {
    fn step_out(&mut self, back: *const Loaded) {
        if back == BOTTOM {
            self.base = 0;
        } else if back == FROM_NATIVE {
            // The topmost native frame may be one that has called nothing: it is being stepped for the innermost frame.
            let below = self.machine.natives[..self.natives].iter().rposition(|native| native.calling);
            let Some(index) = below else {
                self.base = 0;
                return;
            };
            self.natives = index;
            self.base = self.machine.natives[index].base;
            self.ip = self.machine.natives[index].ip;
        } else {
            // SAFETY: other addresses in headers are those after a call instruction of the program's code.
            let call = unsafe { *back.sub(1) };
            self.base = self.base - 1 - call.a().number();
            self.ip = back;
        }
    }
}
