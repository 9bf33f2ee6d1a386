//! What an agent is: its clauses, read once when it is spawned.
//!
//! A clause that is not known here, or whose value makes no sense, is an error at the spawn and never ignored.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Map;
use vega_bytecode::module::{Agent, Module};
use vega_runtime::value::{Value, View, json, schema};

use crate::breaker::BreakerPolicy;
use crate::error::RetryClass;
use crate::history::{HistoryPolicy, Mode};
use crate::limits::{Priority, Rates};
use crate::message::ToolSpec;
use crate::price::Model;
use crate::provider::{Endpoint, PROMPT_CACHING, Protocol};
use crate::retry::{Backoff, RetryPolicy};
use crate::toolset::Toolset;
use crate::turn::TurnLimits;

/// The model of an agent that names none.
pub const MODEL_DEFAULT: &str = "claude-sonnet-5-5";
/// The bound of an answer, in tokens, unless the agent or the model says otherwise.
pub(crate) const MAX_TOKENS_DEFAULT: u32 = 8_192;
/// The time of one invocation unless the agent or the call says otherwise.
pub(crate) const TIMEOUT_DEFAULT: Duration = Duration::from_secs(600);
/// The time in queues unless the agent says otherwise.
pub(crate) const QUEUE_TIMEOUT_DEFAULT: Duration = Duration::from_secs(600);
/// The time for making a connection.
pub(crate) const CONNECT_TIMEOUT_DEFAULT: Duration = Duration::from_secs(10);
/// The longest silence within an answer.
pub(crate) const IDLE_TIMEOUT_DEFAULT: Duration = Duration::from_secs(60);

/// The context of a model of which nothing is known, in tokens, where a conversation has to be bounded by it.
const CONTEXT_TOKENS_DEFAULT: u64 = 128_000;

/// Who answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Backend {
    /// The scripted model, which speaks of itself as a provider of this protocol.
    Script(Protocol),
    /// A provider over HTTP.
    Http(Protocol),
}

/// Limits of the phases of one exchange.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct PhaseTimeouts {
    /// For making the connection.
    pub(crate) connect: Duration,
    /// From the end of the request to the beginning of the answer.
    pub(crate) first_token: Option<Duration>,
    /// Silence within the answer.
    pub(crate) idle: Duration,
}

/// Everything that the clauses of one agent say.
#[derive(Clone, Debug)]
pub(crate) struct AgentConfig {
    /// The agent's name.
    pub(crate) name: Arc<str>,
    /// The model as the program writes it.
    pub(crate) model: Arc<str>,
    /// The model as its provider knows it.
    pub(crate) provider_model: Arc<str>,
    /// Who answers.
    pub(crate) backend: Backend,
    /// Where its requests go.
    pub(crate) endpoint: Arc<Endpoint>,
    /// Whether its prompts are marked for the provider's cache.
    pub(crate) caches_prompts: bool,
    /// What is known of the model; none where it is in no table.
    pub(crate) known: Option<Arc<Model>>,
    /// The instructions.
    pub(crate) system: Option<Arc<str>>,
    /// Sent only where the program says it.
    pub(crate) temperature: Option<f64>,
    /// The bound of an answer.
    pub(crate) max_tokens: u32,
    /// Bounds of the turn loop.
    pub(crate) limits: TurnLimits,
    /// One invocation.
    pub(crate) timeout: Duration,
    /// In queues, over one invocation.
    pub(crate) queue_timeout: Duration,
    /// One exchange.
    pub(crate) timeouts: PhaseTimeouts,
    /// One invocation, in 10^-12 dollars.
    pub(crate) budget: Option<i64>,
    /// How calls see each other.
    pub(crate) history: HistoryPolicy,
    /// Whether a restart forgets the conversation.
    pub(crate) reset_on_restart: bool,
    /// When a failed exchange is repeated.
    pub(crate) retry: RetryPolicy,
    /// Exchanges at once, and in a time.
    pub(crate) rates: Rates,
    /// How soon its calls go where they have to wait.
    pub(crate) priority: Priority,
    /// When its calls fail at once.
    pub(crate) breaker: BreakerPolicy,
    /// Passed through.
    pub(crate) provider_options: Arc<Map<String, serde_json::Value>>,
    /// What the model may call.
    pub(crate) tools: Toolset,
    /// Which of them run only when somebody says so.
    pub(crate) approval: Vec<String>,
    /// Bytes that every request has: instructions and tools.
    pub(crate) fixed_bytes: usize,
}

impl AgentConfig {
    /// Notes who serves the model.
    pub(crate) fn serve(&mut self, backend: Backend, endpoint: Arc<Endpoint>, provider_model: &str) {
        self.backend = backend;
        let wanted = self.provider_options.get(PROMPT_CACHING).and_then(serde_json::Value::as_bool);
        self.caches_prompts = matches!(backend, Backend::Http(Protocol::Anthropic)) && wanted.unwrap_or(endpoint.caches_prompts);
        self.endpoint = endpoint;
        self.provider_model = provider_model.into();
    }

    /// A conversation that is to be compacted without saying when has half of its model's context.
    pub(crate) fn bound_compaction(&mut self) {
        let history = &mut self.history;
        if history.compact && history.last.is_none() && history.tokens.is_none() {
            let window = self.known.as_ref().and_then(|model| model.context_window);
            history.tokens = Some(window.unwrap_or(CONTEXT_TOKENS_DEFAULT) / 2);
        }
    }
}

/// Reads the clauses of an agent: a map from their names to their values.
///
/// Who serves the model is found out afterwards, by [`AgentConfig::serve`].
pub(crate) fn read(
    declaration: &Agent,
    clauses: &Value,
    module: &Module,
    default_model: &Arc<str>,
) -> Result<AgentConfig, String> {
    let mut config = AgentConfig {
        name: declaration.name.as_str().into(),
        model: Arc::clone(default_model),
        provider_model: Arc::clone(default_model),
        backend: Backend::Http(Protocol::Anthropic),
        endpoint: Arc::new(Endpoint::from_environment(Protocol::Anthropic, |_| None)),
        caches_prompts: false,
        known: None,
        system: None,
        temperature: None,
        max_tokens: MAX_TOKENS_DEFAULT,
        limits: TurnLimits::default(),
        timeout: TIMEOUT_DEFAULT,
        queue_timeout: QUEUE_TIMEOUT_DEFAULT,
        timeouts: PhaseTimeouts { connect: CONNECT_TIMEOUT_DEFAULT, first_token: None, idle: IDLE_TIMEOUT_DEFAULT },
        budget: None,
        history: HistoryPolicy::default(),
        reset_on_restart: false,
        retry: RetryPolicy::default(),
        rates: Rates::default(),
        priority: Priority::default(),
        breaker: BreakerPolicy::default(),
        provider_options: Arc::default(),
        tools: tools(declaration, module)?,
        approval: Vec::new(),
        fixed_bytes: 0,
    };
    let map = clauses.as_map().ok_or_else(|| format!("the clauses of `{}` are no map", declaration.name))?;
    for (key, value) in map.iter() {
        let key = key.as_text().unwrap_or_default();
        read_clause(&mut config, key, value, module)
            .map_err(|problem| format!("agent `{}`: `{}` {problem}", declaration.name, key.replace('.', " ")))?;
    }
    config.fixed_bytes = config.tools.bytes() + config.system.as_deref().map_or(0, str::len);
    Ok(config)
}

fn read_clause(config: &mut AgentConfig, key: &str, value: &Value, module: &Module) -> Result<(), String> {
    match key {
        "model" => config.model = non_empty(value)?.into(),
        "system" => config.system = Some(text(value)?.into()).filter(|text: &Arc<str>| !text.is_empty()),
        "temperature" => config.temperature = Some(temperature(value)?),
        "max_tokens" => config.max_tokens = count(value)?,
        "max_turns" => config.limits.max_turns = count(value)?,
        "max_tool_calls" => config.limits.max_tool_calls = count(value)?,
        "parallel_tools" => config.limits.parallel_tools = count(value)? as usize,
        "timeout" => config.timeout = duration(value)?,
        "queue_timeout" => config.queue_timeout = duration(value)?,
        "timeouts.connect" => config.timeouts.connect = duration(value)?,
        "timeouts.first_token" => config.timeouts.first_token = Some(duration(value)?),
        "timeouts.idle" => config.timeouts.idle = duration(value)?,
        "budget" => config.budget = Some(budget(value)?),
        "history" => read_history(config, value)?,
        "retry.max_attempts" => config.retry.max_attempts = count(value)?,
        "retry.backoff" => config.retry.backoff = backoff(value)?,
        "retry.on" => config.retry.on = classes(value)?,
        "approval" => {
            let names = value.as_array().ok_or("must be a list of tools")?.as_slice();
            config.approval = names.iter().map(|name| text(name).map(str::to_owned)).collect::<Result<_, _>>()?;
        }
        "rate_limit.concurrent" => config.rates.concurrent = Some(count(value)?),
        "rate_limit.requests" => config.rates.requests = Some(rate(value)?),
        "rate_limit.tokens" => config.rates.tokens = Some(rate(value)?),
        "circuit_breaker.threshold" => config.breaker.threshold = count(value)?,
        "circuit_breaker.reset_after" => config.breaker.reset_after = duration(value)?,
        "priority" => config.priority = priority(value)?,
        "provider_options" => config.provider_options = Arc::new(options(value, module)?),
        // The reply's type is part of the declaration.
        "output" => {}
        // It belongs to the agent, not to its configuration.
        "state" => {}
        _ => return Err("is no clause that this version knows".into()),
    }
    Ok(())
}

fn tools(declaration: &Agent, module: &Module) -> Result<Toolset, String> {
    let specs = declaration.tools.iter().map(|tool| {
        let schema = serde_json::from_str(&schema::parameters_schema(&tool.parameters, module))
            .map_err(|error| format!("the schema of the tool `{}` is not JSON: {error}", tool.name))?;
        Ok(ToolSpec { name: tool.name.clone(), description: tool.description.clone(), schema })
    });
    specs.collect::<Result<Vec<_>, String>>().map(Toolset::from)
}

fn text(value: &Value) -> Result<&str, String> {
    value.as_text().ok_or_else(|| format!("must be text, not {value:?}"))
}

fn non_empty(value: &Value) -> Result<&str, String> {
    text(value)?.split_whitespace().next().ok_or_else(|| "is empty".to_owned())
}

fn temperature(value: &Value) -> Result<f64, String> {
    let number = value.as_float().or_else(|| value.as_int().map(|number| number as f64));
    number.filter(|number| (0.0..=2.0).contains(number)).ok_or_else(|| format!("must be a number from 0 to 2, not {value:?}"))
}

fn count(value: &Value) -> Result<u32, String> {
    let number = value.as_int().and_then(|number| u32::try_from(number).ok());
    number.filter(|number| *number > 0).ok_or_else(|| format!("must be a whole number from 1 on, not {value:?}"))
}

fn duration(value: &Value) -> Result<Duration, String> {
    // A bare number is milliseconds, as everywhere in the language.
    let nanos = value.as_duration().or_else(|| value.as_int().and_then(|millis| millis.checked_mul(1_000_000)));
    let nanos = nanos.and_then(|nanos| u64::try_from(nanos).ok()).filter(|nanos| *nanos > 0);
    nanos.map(Duration::from_nanos).ok_or_else(|| format!("must be a time longer than nothing, not {value:?}"))
}

fn budget(value: &Value) -> Result<i64, String> {
    value.as_money().filter(|pico| *pico >= 0).ok_or_else(|| format!("must be an amount of money, not {value:?}"))
}

fn read_history(config: &mut AgentConfig, value: &Value) -> Result<(), String> {
    let words = value.as_array().ok_or("must be words")?.as_slice();
    let mut rest = words.iter();
    while let Some(word) = rest.next() {
        match text(word)? {
            "conversation" => config.history.mode = Mode::Conversation,
            "ordered" => config.history.mode = Mode::Ordered,
            "none" => config.history.mode = Mode::None,
            "reset_on_restart" => config.reset_on_restart = true,
            "last" => config.history.last = Some(count(rest.next().ok_or("wants a number after `last`")?)? as usize),
            "tokens" => config.history.tokens = Some(u64::from(count(rest.next().ok_or("wants a number after `tokens`")?)?)),
            "compact" => config.history.compact = true,
            other => return Err(format!("does not know `{other}` in this version")),
        }
    }
    Ok(())
}

/// How many in which time.
fn rate(value: &Value) -> Result<(u64, Duration), String> {
    const WANTED: &str = "must be a number and a time, as in `50 per 1m`";
    let [units, period] = value.as_array().ok_or(WANTED)?.as_slice() else { return Err(WANTED.into()) };
    Ok((u64::from(count(units)?), duration(period)?))
}

fn priority(value: &Value) -> Result<Priority, String> {
    let word = text(value)?;
    Priority::from_word(word).ok_or_else(|| format!("does not know `{word}`; there are high, normal and low"))
}

fn backoff(value: &Value) -> Result<Backoff, String> {
    const WANTED: &str = "must be `exponential(first, factor, longest)`";
    let [base, multiplier, max] = value.as_array().ok_or(WANTED)?.as_slice() else { return Err(WANTED.into()) };
    let multiplier = multiplier.as_float().or_else(|| multiplier.as_int().map(|number| number as f64));
    let multiplier = multiplier.filter(|factor| *factor >= 1.0 && factor.is_finite()).ok_or("wants a factor of at least 1")?;
    Ok(Backoff { base: duration(base)?, multiplier, max: duration(max)? })
}

fn classes(value: &Value) -> Result<Vec<RetryClass>, String> {
    let words = value.as_array().ok_or("must be a list of words")?.as_slice();
    let class = |word: &Value| {
        let word = text(word)?;
        RetryClass::from_word(word).ok_or_else(|| {
            let known = RetryClass::ALL.map(RetryClass::as_str).join(", ");
            format!("does not know `{word}`; there are {known}")
        })
    };
    words.iter().map(class).collect()
}

fn options(value: &Value, module: &Module) -> Result<Map<String, serde_json::Value>, String> {
    let View::Map(_) = value.view() else { return Err("must be a map".into()) };
    let text = json::encode(value, module).map_err(|error| error.message().as_str().to_owned())?;
    serde_json::from_str(&text).map_err(|error| error.to_string())
}
