//! Any bytes as a text: the parser does not panic, and all that it says is about a stretch of that text.

#![no_main]

use libfuzzer_sys::fuzz_target;
use vega_compiler::ast::dump::dump;
use vega_compiler::interner::Interner;
use vega_compiler::parse::parse;
use vega_compiler::source::Sources;

fuzz_target!(
    init: vega_fuzz::seeds::write_texts("parse"),
    |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes);
        let mut sources = Sources::new();
        let file = sources.add("fuzz.vega", &*text);
        let mut interner = Interner::new();
        let parsed = parse(file, &text, &mut interner);
        vega_fuzz::examine(&parsed.diagnostics, &sources);
        for comment in &parsed.comments {
            vega_fuzz::examine_span(comment.span, &sources);
        }
        // Later stages go through the whole tree, as deep as it is.
        let _shown = dump(&parsed.file, &interner);
    }
);
