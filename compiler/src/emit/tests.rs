//! Hand-made trees in, listings out; every module also passes the loader's verification.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod calls; // windows, moves at last use, places
mod control; // conditions, loops, guards
mod tree; // a short way to write typed trees

use tree::*;
use vega_bytecode::{disassemble, verify};

/// The listing of a function without its head and source lines, after verification of the whole module.
fn listing(fixture: &Fixture, function: u32) -> String {
    let module = super::emit(&fixture.program, &fixture.sources).unwrap();
    let module = match verify::verify(module.clone()) {
        Ok(verified) => verified.into_module(),
        Err(error) => panic!("{error}\n{}", disassemble::module(&module)),
    };
    let function = &module.functions[function as usize];
    let mut out = String::new();
    for pc in 0..function.code.len() {
        out.push_str(&format!("{pc:2} {}\n", disassemble::instruction(&module, function, pc)));
    }
    for handler in &function.handlers {
        out.push_str(&format!(
            "   {}..{} -> {} keep r{}{}\n",
            handler.start,
            handler.end,
            handler.target,
            handler.keep,
            if handler.cleanup { " cleanup" } else { "" }
        ));
    }
    for site in &function.sites {
        out.push_str(&format!("   site {} at {} loops {:?}\n", site.number, site.pc, site.loops));
    }
    out
}
