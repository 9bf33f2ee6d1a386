//! Text in; bytecode or diagnostics out; no input or output of its own.
