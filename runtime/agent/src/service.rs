//! What all agents of one runtime share: the script, the way to the providers, prices, totals.
//!
//! Invariant: nothing here is global. Two runtimes have two services, with environments, scripts and totals of their own.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use vega_bytecode::AgentId;
use vega_net::client::{Client, ClientConfig, Lookup};
use vega_net::proxy::Proxy;
use vega_runtime::RuntimeHandle;
use vega_runtime::process::Pid;
use vega_trace::{Sink, SpanId, TraceId};

use crate::approval::{Approvals, Approvers};
use crate::breaker::Breaker;
use crate::config::{AgentConfig, Backend, MODEL_DEFAULT};
use crate::deadline::Deadlines;
use crate::history::CallNumber;
use crate::limits::{Limits, Member, PoolKey, Rates};
use crate::price::PriceTable;
use crate::progress::{Activity, Progress};
use crate::provider::{Endpoint, Protocol, ProviderKind, ProviderSettings, Route, route};
use crate::request::Chain;
use crate::script::Script;
use crate::slot::AgentSlot;
use crate::store::Store;
use crate::totals::Counters;

/// Looks up an environment variable.
pub type Environment = Box<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// Takes a warning for the user, without a newline.
pub type Warnings = Arc<dyn Fn(&str) + Send + Sync>;

/// See the module's text.
pub(crate) struct Service {
    pub(crate) script: Script,
    offline: bool,
    environment: Environment,
    ca_pem: Option<Vec<u8>>,
    /// Who finds the addresses of providers.
    lookup: Arc<dyn Lookup>,
    proxy: Option<Proxy>,
    client: OnceLock<Result<Client, String>>,
    limits: Arc<Limits>,
    /// Circuit breakers, by the agent's type and the provider.
    breakers: Mutex<HashMap<(AgentId, String), Arc<Breaker>>>,
    /// Where the requests of each provider go, by its name, made when it is first needed.
    endpoints: Mutex<HashMap<String, Arc<Endpoint>>>,
    providers: Vec<ProviderSettings>,
    /// Models that stand for others, by the names that programs write.
    aliases: HashMap<String, String>,
    /// The model of agents that name none.
    pub(crate) default_model: Arc<str>,
    caches_prompts: bool,
    /// Read when the first agent is spawned: a program without agents pays nothing for it.
    prices: OnceLock<PriceTable>,
    own_prices: Option<PriceTable>,
    pub(crate) sink: Sink,
    warnings: Warnings,
    progress: Option<Arc<dyn Progress>>,
    pub(crate) trace: TraceId,
    span_seed: u64,
    spans: AtomicU64,
    pub(crate) counters: Counters,
    /// Who decides about tools that need an approval.
    pub(crate) approvers: Approvers,
    /// Until when processes have time, by blocks that say so.
    pub(crate) deadlines: Deadlines,
    /// The calls that tools run in, by the tools' processes.
    chains: Mutex<HashMap<Pid, Arc<Chain>>>,
    /// The states that running tools have.
    stores: Mutex<HashMap<Pid, Arc<Store>>>,
    pending: Mutex<Pending>,
}

/// Calls whose rounds join later than their replies come, by the calling processes.
#[derive(Default)]
struct Pending {
    calls: HashMap<Pid, Vec<PendingRound>>,
    /// Processes at which those that ended are looked for next.
    sweep_at: usize,
}

/// One of them.
pub(crate) struct PendingRound {
    pub(crate) number: u32,
    /// Frames below the calling one: a recursive function has the same number at several depths.
    pub(crate) depth: usize,
    pub(crate) slot: Arc<AgentSlot>,
    pub(crate) call: CallNumber,
}

/// Descriptors that calls to models leave to everything else: files, polls, connections that are kept open without a call.
const DESCRIPTORS_KEPT: u64 = 256;
/// How often an alias may name another.
const ALIASES_MAX: usize = 8;
/// Processes with pending rounds before the ended ones among them are looked for.
const SWEEP_PROCESSES_MIN: usize = 1024;

/// Parts of a service, before it is built.
pub(crate) struct Parts {
    pub(crate) script: Script,
    pub(crate) offline: bool,
    pub(crate) environment: Environment,
    pub(crate) ca_pem: Option<Vec<u8>>,
    pub(crate) lookup: Arc<dyn Lookup>,
    pub(crate) prices: Option<PriceTable>,
    pub(crate) sink: Sink,
    pub(crate) warnings: Warnings,
    pub(crate) progress: Option<Arc<dyn Progress>>,
    pub(crate) connections: Option<u32>,
    pub(crate) seed: u64,
    pub(crate) providers: Vec<ProviderSettings>,
    pub(crate) aliases: HashMap<String, String>,
    pub(crate) default_model: Option<String>,
    pub(crate) caches_prompts: bool,
    pub(crate) proxy: Option<Proxy>,
    pub(crate) approvals: Option<Arc<dyn Approvals>>,
}

impl Service {
    pub(crate) fn new(parts: Parts) -> Result<Service, String> {
        let Parts {
            script,
            offline,
            environment,
            ca_pem,
            lookup,
            prices,
            sink,
            warnings,
            progress,
            connections,
            seed,
            providers,
            aliases,
            default_model,
            caches_prompts,
            proxy,
            approvals,
        } = parts;
        let mut random = fastrand::Rng::with_seed(seed);
        let service = Service {
            script,
            offline,
            environment,
            ca_pem,
            lookup,
            proxy,
            client: OnceLock::new(),
            limits: Limits::new(connections.unwrap_or_else(connections_max)),
            breakers: Mutex::default(),
            endpoints: Mutex::default(),
            providers,
            aliases,
            default_model: default_model.as_deref().unwrap_or(MODEL_DEFAULT).into(),
            caches_prompts,
            prices: OnceLock::new(),
            own_prices: prices,
            sink,
            warnings,
            progress,
            trace: TraceId::from_random(random.u128(..)),
            span_seed: random.u64(..),
            spans: AtomicU64::new(0),
            counters: Counters::default(),
            approvers: Approvers::new(approvals),
            deadlines: Deadlines::default(),
            chains: Mutex::default(),
            stores: Mutex::default(),
            pending: Mutex::default(),
        };
        // A file of certificates that cannot be used is an error at once, not at the first call.
        if service.ca_pem.is_some() {
            service.client()?;
        }
        Ok(service)
    }

    /// The model that a name stands for: itself, unless the configuration says otherwise.
    pub(crate) fn model_of<'m>(&'m self, name: &'m str) -> &'m str {
        // An alias of an alias is followed, but not in circles.
        let follow = |name: &&'m str| self.aliases.get(*name).map(String::as_str);
        std::iter::successors(Some(name), follow).take(ALIASES_MAX).last().unwrap_or(name)
    }

    /// Who serves a model, where its requests go, and the name that it is known by there.
    pub(crate) fn backend<'m>(&self, model: &'m str) -> Result<(Backend, Arc<Endpoint>, &'m str), String> {
        let (route, name) = route(model);
        let (provider, kind) = match route {
            Route::Scripted => ("anthropic", ProviderKind::Scripted),
            Route::Anthropic => ("anthropic", ProviderKind::Http(Protocol::Anthropic)),
            Route::OpenAi => ("openai", ProviderKind::Http(Protocol::OpenAi)),
            Route::Named(provider) => match self.settings(provider) {
                Some(settings) => (provider, settings.kind),
                // The scripted model answers for anybody.
                None if self.offline => ("anthropic", ProviderKind::Scripted),
                None => return Err(self.unknown_provider(provider)),
            },
            Route::Unknown if self.offline => ("anthropic", ProviderKind::Scripted),
            Route::Unknown => {
                return Err(format!(
                    "is `{model}`, and no provider is known for it; names begin with `claude-` or `gpt-`, or say `anthropic/…`, `openai/…`, `mock/…` or the name of a provider of vega.toml"
                ));
            }
        };
        let protocol = match kind {
            ProviderKind::Http(protocol) => protocol,
            ProviderKind::Scripted => Protocol::Anthropic,
        };
        let is_scripted = self.offline || kind == ProviderKind::Scripted;
        let backend = if is_scripted { Backend::Script(protocol) } else { Backend::Http(protocol) };
        Ok((backend, self.endpoint(provider, protocol), name))
    }

    fn settings(&self, provider: &str) -> Option<&ProviderSettings> {
        self.providers.iter().find(|settings| settings.name == provider)
    }

    fn unknown_provider(&self, provider: &str) -> String {
        let named = self.providers.iter().map(|settings| format!("`{}/…`", settings.name));
        let known: Vec<String> =
            ["`anthropic/…`", "`openai/…`", "`mock/…`"].into_iter().map(str::to_owned).chain(named).collect();
        format!(
            "names the provider `{provider}`, which is not known; there are {}. [providers.{provider}] in vega.toml makes another",
            known.join(", ")
        )
    }

    /// Whether a model is the scripted one by its own name, which costs nothing.
    pub(crate) fn is_free(&self, model: &str) -> bool {
        match route(model).0 {
            Route::Scripted => true,
            Route::Named(provider) => self.settings(provider).is_some_and(|settings| settings.kind == ProviderKind::Scripted),
            Route::Anthropic | Route::OpenAi | Route::Unknown => false,
        }
    }

    /// Where a provider's requests go.
    fn endpoint(&self, provider: &str, protocol: Protocol) -> Arc<Endpoint> {
        let mut endpoints = lock(&self.endpoints);
        if let Some(endpoint) = endpoints.get(provider) {
            return Arc::clone(endpoint);
        }
        let mut endpoint = match self.settings(provider) {
            Some(settings) => settings.endpoint(protocol, &self.environment),
            None => Endpoint::from_environment(protocol, &self.environment),
        };
        endpoint.caches_prompts &= self.caches_prompts && protocol == Protocol::Anthropic;
        let endpoint = Arc::new(endpoint);
        endpoints.insert(provider.to_owned(), Arc::clone(&endpoint));
        endpoint
    }

    /// The HTTP client, made when it is first needed.
    pub(crate) fn client(&self) -> Result<&Client, String> {
        let client = self.client.get_or_init(|| {
            let (extra_roots_pem, lookup, proxy) = (self.ca_pem.clone(), Arc::clone(&self.lookup), self.proxy.clone());
            Client::new(ClientConfig { extra_roots_pem, lookup, proxy, ..ClientConfig::default() })
        });
        client.as_ref().map_err(Clone::clone)
    }

    /// Takes an agent in among those that call its provider; none where nothing can make it wait.
    pub(crate) fn join(&self, config: &AgentConfig, slot: Weak<AgentSlot>, runtime: &RuntimeHandle) -> Option<Member> {
        let (protocol, is_remote) = match config.backend {
            Backend::Script(protocol) => (protocol, false),
            Backend::Http(protocol) => (protocol, true),
        };
        let endpoint = &config.endpoint;
        let announces = if is_remote { endpoint.is_official() } else { self.script.has_quota() };
        if !is_remote && !announces && config.rates == Rates::default() {
            return None;
        }
        let key = PoolKey {
            provider: format!("{} {}", endpoint.name, endpoint.base_url),
            account: endpoint.account(),
            class: protocol.model_class(&config.provider_model),
            is_remote,
            announces,
        };
        Some(self.limits.join(key, config.rates, config.priority, slot, runtime))
    }

    /// The circuit breaker between a type of agent and its provider.
    pub(crate) fn breaker(&self, agent: AgentId, config: &AgentConfig) -> Arc<Breaker> {
        let provider = self.provider_name(config);
        Arc::clone(lock(&self.breakers).entry((agent, provider)).or_insert_with(Breaker::new))
    }

    /// What messages call the provider of an agent.
    pub(crate) fn provider_name(&self, config: &AgentConfig) -> String {
        match config.backend {
            Backend::Script(_) if !self.offline => "the scripted model".to_owned(),
            Backend::Script(_) | Backend::Http(_) => config.endpoint.name.clone(),
        }
    }

    /// What models cost and can do.
    pub(crate) fn prices(&self) -> &PriceTable {
        self.prices.get_or_init(|| {
            let mut prices = PriceTable::built_in();
            if let Some(own) = &self.own_prices {
                prices.override_with(own.clone());
            }
            prices
        })
    }

    /// Tells the user something.
    pub(crate) fn warn(&self, text: &str) {
        (self.warnings)(text);
    }

    /// Tells whoever watches what an invocation does.
    pub(crate) fn report(&self, id: u64, agent: &str, activity: Activity<'_>) {
        if let Some(progress) = &self.progress {
            progress.activity(id, agent, activity);
        }
    }

    /// An id for a record. The same seed gives the same ids in the same order.
    pub(crate) fn new_span(&self) -> SpanId {
        let number = self.spans.fetch_add(1, Ordering::Relaxed);
        SpanId::from_random(fastrand::Rng::with_seed(self.span_seed.wrapping_add(number)).u64(..))
    }

    // ---- chains ----

    /// The calls that a process runs in, if it is a tool's.
    pub(crate) fn chain_of(&self, process: Pid) -> Option<Arc<Chain>> {
        lock(&self.chains).get(&process).cloned()
    }

    pub(crate) fn enter_chain(&self, process: Pid, chain: Arc<Chain>) {
        lock(&self.chains).insert(process, chain);
    }

    pub(crate) fn leave_chain(&self, process: Pid) {
        lock(&self.chains).remove(&process);
    }

    // ---- state ----

    /// The state that a running tool has.
    pub(crate) fn store_of_tool(&self, process: Pid) -> Option<Arc<Store>> {
        lock(&self.stores).get(&process).cloned()
    }

    /// A tool has a state.
    pub(crate) fn enter_store(&self, process: Pid, store: Arc<Store>) {
        lock(&self.stores).insert(process, store);
    }

    /// It has it no longer.
    pub(crate) fn leave_store(&self, process: Pid) {
        lock(&self.stores).remove(&process);
    }

    // ---- rounds that join later ----

    /// Notes a round that joins when its process says so. `is_alive` tells which processes still can.
    pub(crate) fn add_pending(&self, process: Pid, round: PendingRound, is_alive: impl Fn(Pid) -> bool) {
        let mut pending = lock(&self.pending);
        pending.calls.entry(process).or_default().push(round);
        if pending.calls.len() >= pending.sweep_at.max(SWEEP_PROCESSES_MIN) {
            pending.calls.retain(|process, _| is_alive(*process));
            pending.sweep_at = pending.calls.len() * 2;
        }
    }

    /// Whether a process has rounds that are to join.
    pub(crate) fn has_pending(&self, process: Pid) -> bool {
        lock(&self.pending).calls.contains_key(&process)
    }

    /// The rounds of a process that join at a point, in the order of their calls.
    pub(crate) fn take_pending(&self, process: Pid, number: u32, depth: usize) -> Vec<PendingRound> {
        let mut pending = lock(&self.pending);
        let Some(calls) = pending.calls.get_mut(&process) else { return Vec::new() };
        let mut joining = Vec::new();
        let mut rest = Vec::new();
        for round in std::mem::take(calls) {
            if round.number == number && round.depth == depth { joining.push(round) } else { rest.push(round) }
        }
        if rest.is_empty() {
            pending.calls.remove(&process);
        } else {
            *calls = rest;
        }
        joining
    }
}

/// As many connections as the system lets this process have: so that where descriptors run out, calls wait in a queue and do not fail.
fn connections_max() -> u32 {
    let descriptors = vega_scheduler::io::descriptor_limit();
    u32::try_from(descriptors.saturating_sub(DESCRIPTORS_KEPT).max(descriptors / 2).max(1)).unwrap_or(u32::MAX)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
