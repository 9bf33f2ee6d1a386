//! What the agents of one runtime are made with.

use std::sync::Arc;

use vega_net::client::{Lookup, SystemLookup};
use vega_trace::Sink;

use crate::host::Agents;
use crate::price::PriceTable;
use crate::progress::Progress;
use crate::script::Script;
use crate::service::{Environment, Parts, Service, Warnings};

/// What agents are made with. Everything has a default: no script, no environment, no trace, built-in prices.
pub struct AgentsBuilder {
    parts: Parts,
}

impl AgentsBuilder {
    pub(crate) fn new() -> AgentsBuilder {
        AgentsBuilder {
            parts: Parts {
                script: Script::default(),
                offline: false,
                environment: Box::new(|_| None),
                ca_pem: None,
                lookup: Arc::new(SystemLookup),
                prices: None,
                sink: Sink::disabled(),
                warnings: Arc::new(|_| {}),
                progress: None,
                connections: None,
                seed: fastrand::u64(..),
            },
        }
    }

    /// The replies of the scripted model.
    pub fn script(mut self, script: Script) -> Self {
        self.parts.script = script;
        self
    }

    /// Whether the scripted model takes the place of every other. Prices stay those of the program's models.
    pub fn offline(mut self, offline: bool) -> Self {
        self.parts.offline = offline;
        self
    }

    /// How environment variables are looked up: keys and addresses of providers.
    pub fn environment(mut self, lookup: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> Self {
        let lookup: Environment = Box::new(lookup);
        self.parts.environment = lookup;
        self
    }

    /// Certificates in PEM form that are trusted beside the public authorities'.
    pub fn ca_file(mut self, pem: Vec<u8>) -> Self {
        self.parts.ca_pem = Some(pem);
        self
    }

    /// Who finds the addresses of providers, in place of the system.
    pub fn lookup(mut self, lookup: Arc<dyn Lookup>) -> Self {
        self.parts.lookup = lookup;
        self
    }

    /// Prices that take the place of built-in ones.
    pub fn prices(mut self, prices: PriceTable) -> Self {
        self.parts.prices = Some(prices);
        self
    }

    /// Where trace records go.
    pub fn trace(mut self, sink: Sink) -> Self {
        self.parts.sink = sink;
        self
    }

    /// Who is told what the user should know.
    pub fn warnings(mut self, warnings: Warnings) -> Self {
        self.parts.warnings = warnings;
        self
    }

    /// Who is told what invocations do.
    pub fn progress(mut self, progress: Arc<dyn Progress>) -> Self {
        self.parts.progress = Some(progress);
        self
    }

    /// Connections to providers at once; further calls wait. As many as the system allows unless given.
    pub fn connections(mut self, connections: u32) -> Self {
        self.parts.connections = Some(connections.max(1));
        self
    }

    /// What ids of the trace are made from; the same seed gives the same ids.
    pub fn seed(mut self, seed: u64) -> Self {
        self.parts.seed = seed;
        self
    }

    /// The agents. Fails where the certificates cannot be used.
    pub fn build(self) -> Result<Arc<Agents>, String> {
        Ok(Arc::new(Agents::new(Service::new(self.parts)?)))
    }
}
