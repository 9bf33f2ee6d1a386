//! The instruction set and program format that compiler and runtime share.
