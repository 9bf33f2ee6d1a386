//! Native modules of the standard library, one file a room; embeds the modules that are written in Vega.
//!
//! Every native is declared, with its types and documentation, in `vega-std/` as a function without a body; a test keeps both lists
//! equal. Natives that only compute are plain functions of their arguments; all others go through the native context.

mod arguments; // reading arguments, and the errors of natives
mod prelude; // print, eprint, write, assert
mod text; // str
mod list; // arrays
mod map; // maps
mod number; // int, float, math
mod money; // duration, money
mod container; // option, result, range, bytes
mod json; // JSON text and values
mod file; // files and paths
mod exec; // commands
mod http; // requests to servers
mod trace; // spans and events of the program
mod time; // clocks, moments, zones
mod random; // chance
mod world; // environment, standard input
mod regex; // patterns in text
mod hash; // digests
mod log; // messages to whoever watches
mod config; // settings of the project
mod failure; // caught errors
mod budget; // budget scopes
mod library; // the modules written in Vega
#[cfg(test)]
mod testing; // calling natives in tests

pub use config::ConfigTable;
pub use http::Web;
pub use library::{module_names, module_source};
pub use log::{LogFormat, LogLevel, LogSettings};

use vega_runtime::native::NativeTable;

/// The natives of the standard library.
pub fn natives() -> NativeTable {
    let mut table = NativeTable::new();
    for native in computed() {
        table.add(native.name, native.arity, native.call);
    }
    prelude::register(&mut table);
    json::register(&mut table);
    file::register(&mut table);
    exec::register(&mut table);
    http::register(&mut table);
    trace::register(&mut table);
    list::register(&mut table);
    time::register(&mut table);
    random::register(&mut table);
    world::register(&mut table);
    regex::register(&mut table);
    log::register(&mut table);
    config::register(&mut table);
    budget::register(&mut table);
    table.extend(vega_agent::natives());
    table
}

/// The natives that compute from their arguments alone.
fn computed() -> impl Iterator<Item = &'static arguments::Native> {
    let lists: [&'static [arguments::Native]; 13] = [
        prelude::COMPUTED,
        text::COMPUTED,
        list::COMPUTED,
        map::COMPUTED,
        number::COMPUTED,
        money::COMPUTED,
        container::COMPUTED,
        json::COMPUTED,
        file::COMPUTED,
        time::COMPUTED,
        regex::COMPUTED,
        hash::COMPUTED,
        failure::COMPUTED,
    ];
    lists.into_iter().flatten()
}
