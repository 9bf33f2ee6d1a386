//! Native modules of the standard library, one file a module; embeds vega-std.
