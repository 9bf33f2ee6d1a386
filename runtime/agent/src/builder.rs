//! What the agents of one runtime are made with.

use std::collections::HashMap;
use std::sync::Arc;

use vega_net::client::{Lookup, SystemLookup};
use vega_net::proxy::Proxy;
use vega_trace::Sink;

use crate::approval::Approvals;
use crate::host::Agents;
use crate::price::PriceTable;
use crate::progress::Progress;
use crate::provider::ProviderSettings;
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
                prices: None,
                sink: Sink::disabled(),
                warnings: Arc::new(|_| {}),
                progress: None,
                connections: None,
                lookup: Arc::new(SystemLookup),
                seed: fastrand::u64(..),
                providers: Vec::new(),
                aliases: HashMap::new(),
                default_model: None,
                caches_prompts: true,
                proxy: None,
                approvals: None,
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

    /// Providers beside the built-in ones, or in their place.
    pub fn providers(mut self, providers: Vec<ProviderSettings>) -> Self {
        self.parts.providers = providers;
        self
    }

    /// Models to use in the place of others, by the names that programs write.
    pub fn aliases(mut self, aliases: HashMap<String, String>) -> Self {
        self.parts.aliases = aliases;
        self
    }

    /// The model of agents that name none.
    pub fn default_model(mut self, model: impl Into<String>) -> Self {
        self.parts.default_model = Some(model.into());
        self
    }

    /// Whether prompts are marked for the providers' caches, where nothing nearer says so; they are unless this says no.
    pub fn caches_prompts(mut self, caches: bool) -> Self {
        self.parts.caches_prompts = caches;
        self
    }

    /// Who decides about tools with `approval required` where no function of the program does.
    pub fn approvals(mut self, approvals: Arc<dyn Approvals>) -> Self {
        self.parts.approvals = Some(approvals);
        self
    }

    /// The proxy on the way to providers.
    pub fn proxy(mut self, proxy: Option<Proxy>) -> Self {
        self.parts.proxy = proxy;
        self
    }

    /// The agents. Fails where the certificates cannot be used.
    pub fn build(self) -> Result<Arc<Agents>, String> {
        Ok(Arc::new(Agents::new(Service::new(self.parts)?)))
    }
}
