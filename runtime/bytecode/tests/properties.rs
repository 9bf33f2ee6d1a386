//! Properties of the file format: what goes in comes out, and nothing that goes in does harm.

mod generate;

use fastrand::Rng;
use vega_bytecode::format::seal;
use vega_bytecode::{DecodeError, Module, decode, disassemble, encode, verify};

/// Bytes before the first section.
const HEADER_BYTES: usize = 20;

#[test]
fn every_module_comes_back_as_it_was() {
    for seed in 0..generate::cases(300) {
        let module = generate::any_module(&mut Rng::with_seed(seed));
        let file = encode(&module);
        assert_eq!(decode(&file).as_ref(), Ok(&module), "seed {seed}");
    }
}

#[test]
fn a_changed_byte_is_noticed() {
    let file = encode(&generate::any_module(&mut Rng::with_seed(1)));
    for place in 0..file.len() {
        let mut changed = file.clone();
        changed[place] ^= 0x40;
        assert!(decode(&changed).is_err(), "byte {place}");
    }
    assert_eq!(decode(&[]), Err(DecodeError::NotBytecode));
    assert_eq!(decode(b"fn main() { print(1); }   "), Err(DecodeError::NotBytecode));
}

#[test]
fn damaged_files_with_a_good_checksum_are_refused_or_harmless() {
    for seed in 0..generate::cases(3_000) {
        let mut random = Rng::with_seed(seed);
        let module =
            if random.bool() { generate::any_module(&mut random) } else { generate::runnable_module(&mut random).into_module() };
        let mut file = encode(&module);
        for _ in 0..random.usize(1..6) {
            damage(&mut random, &mut file);
        }
        seal(&mut file);
        // Whatever comes of it, it comes without a panic.
        if let Ok(module) = decode(&file) {
            drop(disassemble::module(&module));
            if let Err(error) = verify(module) {
                assert!(!error.to_string().is_empty());
            }
        }
    }
}

fn damage(random: &mut Rng, file: &mut Vec<u8>) {
    if file.len() <= HEADER_BYTES {
        return;
    }
    let place = random.usize(HEADER_BYTES..file.len());
    match random.u8(..6) {
        0 => file[place] = random.u8(..),
        1 => file[place] ^= 1 << random.u8(..8),
        2 => drop(file.remove(place)),
        3 => file.insert(place, random.u8(..)),
        4 => file.truncate(place),
        _ => {
            let other = random.usize(HEADER_BYTES..file.len());
            file.swap(place, other);
        }
    }
}

#[test]
fn newer_older_and_foreign_versions_say_so() {
    let file = encode(&Module::new());
    let with = |place: usize, byte: u8| {
        let mut file = file.clone();
        file[place] = byte;
        decode(&file).expect_err("the header is wrong").to_string()
    };
    assert!(with(0, b'#').contains("not a Vega bytecode file"));
    assert!(with(4, 9).contains("format 9.0"));
    assert!(with(6, 200).contains("format 1.200"));
    assert!(with(8, 1).contains("edition"));
    assert!(with(12, file[12] ^ 1).contains("checksum"));
}

#[test]
fn unknown_sections_are_skipped_only_if_optional() {
    let with_section = |flags: u8| {
        let mut file = encode(&Module::new());
        file.extend([99, flags, 3, 1, 2, 3]);
        seal(&mut file);
        decode(&file)
    };
    assert_eq!(with_section(1), Ok(Module::new()));
    assert_eq!(with_section(0), Err(DecodeError::UnknownSection(99)));
}
