//! The `vega` command.

fn main() {}
