//! The `.vgb` file: a module as bytes, versioned and checked.
//!
//! ```text
//! 4 bytes   1b 56 47 42 (escape, "VGB")
//! 2 bytes   major version: must match
//! 2 bytes   minor version: a reader takes its own and older ones
//! 4 bytes   edition of the language
//! 8 bytes   FNV-1a (64 bits) of all that follows
//! sections  number, flags (bit 0: a reader that does not know it may skip it), length, contents
//! ```
//! All integers of the header are little-endian; lengths and all integers inside of sections are LEB128.
//!
//! Invariant: `decode(encode(m)) == m`, and `decode` neither panics nor allocates much, whatever the bytes. What it returns is
//! well-formed, not trustworthy: that is for [`crate::verify()`].

use std::fmt;

use crate::instruction::Instruction;
use crate::module::*;
use crate::types::*;
use crate::wire::{Damage, Reader, Wire, put_unsigned};

/// First bytes of every file. The escape keeps it from being taken for text.
pub const MAGIC: [u8; 4] = *b"\x1bVGB";
/// Changes when older readers cannot read what is written.
pub const VERSION_MAJOR: u16 = 1;
/// Changes when newer readers know more.
pub const VERSION_MINOR: u16 = 0;
/// The edition of the language that is compiled.
pub const EDITION: u32 = 2026;

/// Bytes before the first section.
const HEADER_BYTES: usize = 20;
/// Flag of a section that may be skipped by readers that do not know it.
const OPTIONAL: u8 = 1;

/// Why bytes are not a module.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum DecodeError {
    /// They do not begin as a `.vgb` file does.
    NotBytecode,
    /// Made by a compiler with another, incompatible format.
    Version {
        /// Major version of the file.
        major: u16,
        /// Minor version of the file.
        minor: u16,
    },
    /// Made for an edition of the language that this reader does not know.
    Edition(u32),
    /// The bytes have changed since they were written.
    Checksum,
    /// A section that this reader does not know and must not skip.
    UnknownSection(u8),
    /// A section occurs twice.
    DuplicateSection(u8),
    /// The contents of a section are no such contents.
    Damaged(Damage),
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotBytecode => write!(f, "this is not a Vega bytecode file"),
            Self::Version { major, minor } => write!(
                f,
                "the bytecode has format {major}.{minor}, this `vega` reads {VERSION_MAJOR}.0 to {VERSION_MAJOR}.{VERSION_MINOR}: compile it again"
            ),
            Self::Edition(edition) => write!(f, "the bytecode is of edition {edition}, this `vega` knows {EDITION}"),
            Self::Checksum => write!(f, "the bytecode is damaged: its checksum does not match"),
            Self::UnknownSection(number) => write!(f, "the bytecode has a section {number} that this `vega` does not know"),
            Self::DuplicateSection(number) => write!(f, "the bytecode has section {number} twice"),
            Self::Damaged(damage) => write!(f, "the bytecode is damaged: {damage}"),
        }
    }
}

impl std::error::Error for DecodeError {}

impl From<Damage> for DecodeError {
    fn from(damage: Damage) -> Self {
        Self::Damaged(damage)
    }
}

/// The checksum of the header, FNV-1a with 64 bits.
pub fn checksum(body: &[u8]) -> u64 {
    body.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

macro_rules! sections {
    ($($number:literal $field:ident;)+) => {
        fn put_sections(module: &Module, out: &mut Vec<u8>) {
            let mut contents = Vec::new();
            $(
                contents.clear();
                module.$field.put(&mut contents);
                out.extend([$number, 0]);
                put_unsigned(contents.len() as u64, out);
                out.extend(&contents);
            )+
        }

        /// Reads a section into its place, or says that no section has this number.
        fn take_section(number: u8, module: &mut Module, reader: &mut Reader<'_>) -> Result<bool, Damage> {
            match number {
                $($number => module.$field = Wire::take(reader)?,)+
                _ => return Ok(false),
            }
            Ok(true)
        }
    };
}

// The numbers are part of the file format.
sections! {
    1 files;
    2 constants;
    3 types;
    4 structs;
    5 enums;
    6 kinds;
    7 natives;
    8 functions;
    9 agents;
    10 spawns;
    11 asks;
    12 paths;
    13 entry;
}

/// The module as a `.vgb` file.
pub fn encode(module: &Module) -> Vec<u8> {
    let mut out = vec![0; HEADER_BYTES];
    put_sections(module, &mut out);
    seal(&mut out);
    out
}

/// Writes the header over the first bytes of a file whose sections are complete.
pub fn seal(file: &mut [u8]) {
    let Some((header, body)) = file.split_at_mut_checked(HEADER_BYTES) else { return };
    header[0..4].copy_from_slice(&MAGIC);
    header[4..6].copy_from_slice(&VERSION_MAJOR.to_le_bytes());
    header[6..8].copy_from_slice(&VERSION_MINOR.to_le_bytes());
    header[8..12].copy_from_slice(&EDITION.to_le_bytes());
    header[12..20].copy_from_slice(&checksum(body).to_le_bytes());
}

/// The module that a `.vgb` file holds.
pub fn decode(file: &[u8]) -> Result<Module, DecodeError> {
    let mut reader = Reader::new(file, 0);
    if file.len() < HEADER_BYTES || reader.array()? != MAGIC {
        return Err(DecodeError::NotBytecode);
    }
    let major = u16::from_le_bytes(reader.array()?);
    let minor = u16::from_le_bytes(reader.array()?);
    if major != VERSION_MAJOR || minor > VERSION_MINOR {
        return Err(DecodeError::Version { major, minor });
    }
    let edition = u32::from_le_bytes(reader.array()?);
    if edition != EDITION {
        return Err(DecodeError::Edition(edition));
    }
    let expected = u64::from_le_bytes(reader.array()?);
    if checksum(&file[HEADER_BYTES..]) != expected {
        return Err(DecodeError::Checksum);
    }
    take_sections(&mut reader)
}

fn take_sections(reader: &mut Reader<'_>) -> Result<Module, DecodeError> {
    let mut module = Module::default();
    let mut seen = [false; 256];
    while reader.remaining() > 0 {
        let number = reader.byte()?;
        let flags = reader.byte()?;
        let length = reader.count(1)?;
        let start = reader.offset();
        let mut section = Reader::new(reader.bytes(length)?, start);
        if std::mem::replace(&mut seen[usize::from(number)], true) {
            return Err(DecodeError::DuplicateSection(number));
        }
        if !take_section(number, &mut module, &mut section)? {
            if flags & OPTIONAL == 0 {
                return Err(DecodeError::UnknownSection(number));
            }
        } else if section.remaining() > 0 {
            return Err(section.damage("a section goes on after its end").into());
        }
    }
    Ok(module)
}

/// A struct as its fields one after the other, each of its own type.
macro_rules! record {
    ($name:ident { $($field:ident),+ }) => {
        impl Wire for $name {
            const BYTES_MIN: usize = [$(stringify!($field)),+].len();

            fn put(&self, out: &mut Vec<u8>) {
                $(self.$field.put(out);)+
            }

            fn take(reader: &mut Reader<'_>) -> Result<Self, Damage> {
                Ok(Self { $($field: Wire::take(reader)?),+ })
            }
        }
    };
}

/// An enum as a number and its payload.
macro_rules! tagged {
    ($name:ident { $($number:literal $variant:ident $(($($part:ident),+))?;)+ }) => {
        impl Wire for $name {
            fn put(&self, out: &mut Vec<u8>) {
                match self {
                    $(Self::$variant $(($($part),+))? => {
                        out.push($number);
                        $($($part.put(out);)+)?
                    })+
                }
            }

            fn take(reader: &mut Reader<'_>) -> Result<Self, Damage> {
                match reader.byte()? {
                    $($number => {
                        $($(let $part = Wire::take(reader)?;)+)?
                        Ok(Self::$variant $(($($part),+))?)
                    })+
                    _ => Err(reader.damage(concat!("no ", stringify!($name), " has this number"))),
                }
            }
        }
    };
}

/// An index as the integer that it is.
macro_rules! index {
    ($($name:ident),+) => { $(
        impl Wire for $name {
            fn put(&self, out: &mut Vec<u8>) {
                self.0.put(out);
            }

            fn take(reader: &mut Reader<'_>) -> Result<Self, Damage> {
                Ok(Self(Wire::take(reader)?))
            }
        }
    )+ };
}

index!(FunctionId, KindId, TypeId, StructId, EnumId, AgentId);

record!(SourceFile { path });
record!(StructDefinition { name, fields });
record!(FieldDefinition { name, ty });
record!(EnumDefinition { name, variants });
record!(VariantDefinition { name, payload });
record!(KindDefinition { name, parent, payload });
record!(NativeImport { name, arity, result, changes_self });
record!(Function { name, parameters, captures, registers, value_registers, returns_self, code, handlers, lines, sites });
record!(Handler { start, end, target, register, keep, cleanup });
record!(LineEntry { pc, file, line, column });
record!(Site { pc, number, loops });
record!(Agent { name, parameters, clauses, output, state, tools });
record!(Tool {
    name,
    description,
    parameters,
    result,
    function,
    uses_state,
    capabilities,
    allowed_paths,
    allowed_commands,
    allowed_hosts
});
record!(ToolParameter { name, description, ty });
record!(SpawnDescription { target, arguments, supervision, asynchronous, linked, member });
record!(Supervision { strategy, has_max_restarts, has_window, has_backoff });
record!(AskDescription { output, has_timeout, has_budget, join });
record!(Path { registers, steps });

tagged!(Constant {
    0 Null;
    1 Bool(value);
    2 Int(value);
    3 Float(value);
    4 Str(value);
    5 Bytes(value);
    6 Duration(value);
    7 Money(value);
    8 Function(value);
    9 UnitVariant(definition, variant);
});
tagged!(Capability {
    0 FileRead;
    1 FileWrite;
    2 Net;
    3 Exec;
    4 Env;
    5 Agent;
});
tagged!(SpawnTarget {
    0 Function(function);
    1 Agent(agent);
    2 Task(function);
});
tagged!(Strategy {
    0 Restart;
    1 Stop;
    2 Escalate;
    3 RestartAll;
    4 RestartRest;
});
tagged!(Join {
    0 AtOnce;
    1 Later(site);
});
tagged!(PathStep {
    0 Field(number);
    1 Index;
});
tagged!(Type {
    0 Null;
    1 Void;
    2 Never;
    3 Bool;
    4 Int;
    5 Float;
    6 Str;
    7 Bytes;
    8 Duration;
    9 Money;
    10 Any;
    11 Json;
    12 Error;
    13 Secret;
    14 Array(element);
    15 Map(key, value);
    16 Tuple(parts);
    17 Optional(inner);
    18 Result(value, error);
    19 Range;
    20 Struct(definition, arguments);
    21 Enum(definition, arguments);
    22 Parameter(position);
    23 Function(parameters, result);
    24 Agent(agent);
    25 AnyAgent;
    26 Process;
    27 Future(value);
    28 Stream(chunk);
    29 Monitor;
    30 Span;
});

impl Wire for Instruction {
    const BYTES_MIN: usize = 8;

    fn put(&self, out: &mut Vec<u8>) {
        out.extend(self.0.to_le_bytes());
    }

    fn take(reader: &mut Reader<'_>) -> Result<Self, Damage> {
        Ok(Self(u64::from_le_bytes(reader.array()?)))
    }
}

impl Wire for TypeTable {
    fn put(&self, out: &mut Vec<u8>) {
        put_unsigned(self.all().len() as u64, out);
        for ty in self.all() {
            ty.put(out);
        }
    }

    fn take(reader: &mut Reader<'_>) -> Result<Self, Damage> {
        let mut table = TypeTable::new();
        for index in 0..reader.count(Type::BYTES_MIN)? {
            let ty = Type::take(reader)?;
            // Equal types have equal ids: a type that is already there would leave its own id without a type.
            if table.intern(ty).0 as usize != index {
                return Err(reader.damage("a type occurs twice"));
            }
        }
        Ok(table)
    }
}
