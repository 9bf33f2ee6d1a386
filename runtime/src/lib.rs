//! Runs bytecode as isolated processes on a few threads.
