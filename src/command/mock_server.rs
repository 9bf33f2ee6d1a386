//! `vega mock-server`: the scripted model over HTTP, until it is interrupted.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;

use signal_hook::consts::SIGINT;
use vega_agent::mock_server;
use vega_agent::script::Script;
use vega_net::authority;
use vega_net::server::{Server, ServerSettings};

use super::refuse;
use crate::agents;
use crate::arguments::MockServerArguments;
use crate::console;
use crate::interrupt;

pub(super) fn run(arguments: &MockServerArguments) -> ExitCode {
    vega_scheduler::io::raise_descriptor_limit();
    // Before the server says where it listens, so that whoever reads that may also end it.
    let mut signals = match interrupt::signals() {
        Ok(signals) => signals,
        Err(error) => return refuse(&format!("signals cannot be handled: {error}")),
    };
    let server = match start(arguments) {
        Ok(server) => server,
        Err(problem) => return refuse(&problem),
    };
    let scheme = if arguments.tls { "https" } else { "http" };
    console::print(&format!("listening on {scheme}://{}\n", server.address()));
    let signal = signals.forever().next();
    ExitCode::from(interrupt::status(signal.unwrap_or(SIGINT)))
}

fn start(arguments: &MockServerArguments) -> Result<Server, String> {
    let script = match &arguments.replies {
        Some(path) => agents::replies(path)?,
        None => Script::default(),
    };
    let tls = match arguments.tls {
        false => None,
        true => {
            let made = authority::make(&["localhost", "127.0.0.1"])?;
            if let Some(path) = &arguments.ca_out {
                std::fs::write(path, &made.certificate_pem)
                    .map_err(|error| format!("cannot write `{}`: {error}", path.display()))?;
            }
            Some(made.server)
        }
    };
    let settings = ServerSettings {
        address: SocketAddr::from((Ipv4Addr::LOCALHOST, arguments.port)),
        tls,
        workers: arguments.workers.map_or_else(|| std::thread::available_parallelism().map_or(1, usize::from), usize::from),
    };
    mock_server::start(script, settings).map_err(|error| match error.kind() {
        std::io::ErrorKind::AddrInUse => format!("port {} is taken; choose another with --port", arguments.port),
        _ => error.to_string(),
    })
}
