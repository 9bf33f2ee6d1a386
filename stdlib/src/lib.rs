//! Native modules of the standard library, one file a module; embeds the modules that are written in Vega.

mod library; // the modules written in Vega

pub use library::{module_names, module_source};
