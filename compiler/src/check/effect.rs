//! What functions touch in the world, directly and through what they call: found per body, then spread over the call graph.

use vega_bytecode::FunctionId;
use vega_bytecode::module::Capability;

use super::Checker;

/// Every capability, in the order of their numbers.
const CAPABILITIES: [Capability; 6] =
    [Capability::FileRead, Capability::FileWrite, Capability::Net, Capability::Exec, Capability::Env, Capability::Agent];

/// Modules of the standard library whose natives only compute.
const PURE_MODULES: &[&str] = &[
    "str", "list", "map", "int", "float", "bool", "duration", "money", "bytes", "json", "option", "result", "range", "math",
    "text", "hash", "base64", "regex", "path", "error", "stream",
];

/// Natives without a module that only compute.
const PURE_NATIVES: &[&str] = &["parse_int", "parse_float", "assert", "assert_eq", "assert_ne", "int", "float"];

/// Natives of other modules that only compute.
const PURE_AMONG_OTHERS: &[&str] = &[
    "time::nanoseconds",
    "time::format_rfc3339",
    "time::parse_rfc3339",
    "time::format",
    "time::parse_as",
    "time::split",
    "time::join",
    "time::shift",
    "time::is_zone",
    "config::get",
    "config::has",
    "env::arguments",
];

/// What a function touches.
#[derive(Clone, Default, Debug)]
pub(crate) struct Effects {
    /// Whether it may touch the world, the clock, chance or another process.
    pub(crate) may_effect: bool,
    /// Capabilities, one bit each.
    capabilities: u8,
    /// Functions that it calls or takes as values.
    pub(crate) calls: Vec<FunctionId>,
}

impl Effects {
    /// Notes a capability.
    pub(crate) fn add(&mut self, capability: Capability) {
        self.capabilities |= 1 << capability as u8;
    }

    /// All capabilities, in the order of their numbers.
    pub(crate) fn capabilities(&self) -> Vec<Capability> {
        CAPABILITIES.into_iter().filter(|capability| self.capabilities & (1 << *capability as u8) != 0).collect()
    }

    /// Adds what another body touches.
    pub(crate) fn absorb(&mut self, other: Effects) {
        self.may_effect |= other.may_effect;
        self.capabilities |= other.capabilities;
        self.calls.extend(other.calls);
    }

    fn bits(&self) -> u16 {
        u16::from(self.capabilities) | u16::from(self.may_effect) << 8
    }
}

/// What a native touches.
pub(crate) struct NativeEffect {
    /// Whether anything outside of the process, or the clock or chance.
    pub(crate) touches_world: bool,
    /// The capability that it needs.
    pub(crate) capability: Option<Capability>,
}

/// What the native of a name touches. One that is not known to be pure touches the world.
pub(crate) fn native_effect(name: &str) -> NativeEffect {
    let (module, word) = name.split_once("::").unwrap_or(("", name));
    let capability = match (module, word) {
        ("file", "read" | "read_bytes" | "exists" | "list" | "size" | "is_dir" | "is_file" | "lines" | "glob" | "stat") => {
            Some(Capability::FileRead)
        }
        ("file", _) => Some(Capability::FileWrite),
        ("http", _) => Some(Capability::Net),
        ("exec", _) | ("", "exec") => Some(Capability::Exec),
        // The program's own arguments are nobody's secret.
        ("env", "arguments") => None,
        ("env", _) => Some(Capability::Env),
        _ => None,
    };
    let is_pure = if module.is_empty() {
        PURE_NATIVES.contains(&word)
    } else {
        PURE_MODULES.contains(&module) || PURE_AMONG_OTHERS.contains(&name)
    };
    NativeEffect { touches_world: capability.is_some() || !is_pure, capability }
}

impl Checker<'_> {
    /// Spreads effects from callees to callers until nothing changes, and writes them where they belong.
    pub(super) fn spread_effects(&mut self) {
        let count = self.effects.len();
        let mut callers: Vec<Vec<u32>> = vec![Vec::new(); count];
        let mut bits: Vec<u16> = self.effects.iter().map(Effects::bits).collect();
        for (caller, effects) in self.effects.iter().enumerate() {
            for callee in &effects.calls {
                callers[callee.0 as usize].push(caller as u32);
            }
        }
        let mut queue: Vec<u32> = (0..count as u32).filter(|index| bits[*index as usize] != 0).collect();
        while let Some(callee) = queue.pop() {
            for &caller in &callers[callee as usize] {
                let joined = bits[caller as usize] | bits[callee as usize];
                if joined != bits[caller as usize] {
                    bits[caller as usize] = joined;
                    queue.push(caller);
                }
            }
        }
        for (index, bits) in bits.iter().enumerate() {
            let effects = &mut self.effects[index];
            effects.capabilities = (bits & 0xff) as u8;
            effects.may_effect = bits & 0x100 != 0;
            if let Some(function) = &mut self.bodies[index] {
                function.may_effect = effects.may_effect;
            }
        }
        self.settle_tools();
    }
}
