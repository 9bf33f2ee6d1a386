//! The one test binary: what a user or reader of the project would notice, across crates.

mod tidy; // the shape of the source tree: who may depend on whom, documents that name existing paths
