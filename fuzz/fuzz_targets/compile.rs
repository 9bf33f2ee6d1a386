//! Any text as a program: it gets diagnostics with positions, or bytecode that the verifier accepts and that survives its file.

#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use vega_bytecode::{decode, encode, verify};
use vega_fuzz::Text;

fuzz_target!(
    init: vega_fuzz::seeds::write_texts("compile"),
    |bytes: &[u8]| {
        let text = Text(Arc::from(String::from_utf8_lossy(bytes)));
        let compiled = vega_compiler::compile(&text, Text::PATH).expect("the text is there");
        vega_fuzz::examine(&compiled.diagnostics, &compiled.sources);
        let Some(module) = compiled.module else {
            assert!(compiled.diagnostics.iter().any(|diagnostic| diagnostic.is_error()), "refused without a reason");
            return;
        };
        assert!(!compiled.diagnostics.iter().any(|diagnostic| diagnostic.is_error()), "compiled in spite of an error");
        let file = encode(&module);
        let back = decode(&file).expect("what was written can be read");
        assert!(encode(&back) == file, "a file changes when it is read and written");
        if let Err(error) = verify(module) {
            panic!("the compiler's own bytecode is refused: {error}");
        }
    }
);
