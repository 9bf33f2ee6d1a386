//! The protocols of real providers: requests to bytes, and answers to values or errors.
//!
//! Nothing here opens a connection. Keys appear in one header of the encoded request and nowhere else.
pub mod anthropic; // Messages
pub mod openai; // chat completions, and servers that imitate them
pub mod stream; // answers that arrive in pieces
pub mod structured; // how a model is made to answer in a form

mod cache; // which parts of a prompt a provider is asked to cache
mod media; // which pictures and documents a protocol takes
mod settings; // providers as the project's configuration names them

pub(crate) use cache::CacheMarks;
pub use settings::{ProviderKind, ProviderSettings};

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::SystemTime;

use serde_json::{Map, Value};
use vega_net::address::without_credentials;

use crate::error::{CallError, Origin, from_event, from_response, undecodable};
use crate::http::{Headers, HttpRequest, HttpResponse, Secret};
use crate::message::{Request, Response};

/// The form of requests and answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// Anthropic's Messages.
    Anthropic,
    /// OpenAI's chat completions.
    OpenAi,
}

/// How a request says who pays for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credential {
    /// It does not: the variable was not set.
    Missing,
    /// It need not: nobody asks for a key there.
    NotNeeded,
    /// With a key, in the header that the protocol has for it.
    Key(Secret),
    /// With a bearer token.
    Bearer(Secret),
}

/// The name of the field that bounds an answer, on which compatible servers disagree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MaxTokensField {
    /// `max_completion_tokens`, the present one.
    #[default]
    MaxCompletionTokens,
    /// `max_tokens`, which many servers only know.
    MaxTokens,
}

/// Where requests go, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The provider's name for messages and limits.
    pub name: String,
    /// The form of its requests.
    pub protocol: Protocol,
    /// The address that the protocol's path is appended to, without a slash at its end.
    pub base_url: String,
    /// The variable that the base comes from, for messages.
    pub base_url_variable: String,
    /// Who pays.
    pub credential: Credential,
    /// The variable that the key comes from, for messages.
    pub key_variable: String,
    /// Header lines beside the protocol's own.
    pub headers: Headers,
    /// How the bound of an answer is called.
    pub max_tokens_field: MaxTokensField,
    /// Whether it can hold a model to a schema.
    pub structured_output: bool,
    /// Whether prompts are marked for its cache.
    pub caches_prompts: bool,
}

/// Who serves a model, by its name alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route<'a> {
    /// Anthropic.
    Anthropic,
    /// OpenAI.
    OpenAi,
    /// The scripted model, which needs no network.
    Scripted,
    /// A provider that the project's configuration names.
    Named(&'a str),
    /// Nobody that is known.
    Unknown,
}

/// The route of a model's name, and the name without the provider's prefix.
pub fn route(model: &str) -> (Route<'_>, &str) {
    if let Some((provider, name)) = model.split_once('/') {
        let route = match provider {
            "mock" => Route::Scripted,
            "anthropic" => Route::Anthropic,
            "openai" => Route::OpenAi,
            other => Route::Named(other),
        };
        return (route, name);
    }
    let is_o_series = model.strip_prefix('o').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    let route = if model.starts_with("claude-") {
        Route::Anthropic
    } else if model.starts_with("gpt-") || is_o_series {
        Route::OpenAi
    } else {
        Route::Unknown
    };
    (route, model)
}

impl Endpoint {
    /// The endpoint of a protocol as the environment describes it; `variable` looks one up.
    pub fn from_environment(protocol: Protocol, variable: impl Fn(&str) -> Option<String>) -> Endpoint {
        // An empty variable is one that is not set.
        let set = |name: &str| variable(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
        let (name, key_variable, base_url_variable) = match protocol {
            Protocol::Anthropic => ("Anthropic", "ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL"),
            Protocol::OpenAi => ("OpenAI", "OPENAI_API_KEY", "OPENAI_BASE_URL"),
        };
        // Both at once would be refused, so the key wins.
        let credential = match (set(key_variable), protocol) {
            (Some(key), _) => Credential::Key(Secret::new(key)),
            (None, Protocol::Anthropic) => {
                let token = set("ANTHROPIC_AUTH_TOKEN").map(|token| Credential::Bearer(Secret::new(token)));
                token.unwrap_or(Credential::Missing)
            }
            (None, Protocol::OpenAi) => Credential::Missing,
        };
        let base_url = set(base_url_variable).unwrap_or_else(|| protocol.host().to_owned());
        Endpoint {
            name: name.to_owned(),
            protocol,
            base_url: protocol.trimmed(&base_url),
            base_url_variable: base_url_variable.to_owned(),
            credential,
            key_variable: key_variable.to_owned(),
            headers: Headers::new(),
            max_tokens_field: MaxTokensField::default(),
            structured_output: true,
            caches_prompts: protocol == Protocol::Anthropic,
        }
    }

    /// The request as it goes over the wire. Fails before any connection where the key is missing or
    /// the base is no address.
    pub fn encode(&self, request: &Request) -> Result<HttpRequest, Box<CallError>> {
        if !(self.base_url.starts_with("http://") || self.base_url.starts_with("https://")) {
            let text = format!(
                "{} is `{}`, which is not an http or https address",
                self.base_url_variable,
                without_credentials(&self.base_url)
            );
            return Err(Box::new(CallError::provider(0, text)));
        }
        media::check(request, self.protocol).map_err(|problem| Box::new(CallError::provider(0, problem)))?;
        let mut headers = Headers::new();
        headers.push("content-type", "application/json");
        headers.push("accept", if request.stream { "text/event-stream" } else { "application/json" });
        match (&self.credential, self.protocol) {
            (Credential::NotNeeded, _) => {}
            (Credential::Missing, _) => return Err(Box::new(self.missing_key(&request.model))),
            (Credential::Key(key), Protocol::Anthropic) => headers.push("x-api-key", key.expose()),
            (Credential::Key(secret) | Credential::Bearer(secret), _) => {
                headers.push("authorization", format!("Bearer {}", secret.expose()));
            }
        }
        let body = match self.protocol {
            Protocol::Anthropic => {
                headers.push("anthropic-version", anthropic::VERSION);
                anthropic::encode(request)
            }
            Protocol::OpenAi => openai::encode(request, self.max_tokens_field),
        };
        self.headers.iter().for_each(|(name, value)| headers.push(name, value));
        let url = format!("{}{}", self.base_url, self.protocol.path());
        Ok(HttpRequest { url, headers, body })
    }

    /// The answer to a request that was not streamed.
    pub fn decode(&self, response: &HttpResponse, model: &str, now: SystemTime) -> Result<Response, Box<CallError>> {
        let origin = self.origin(model);
        if response.status != 200 {
            return Err(Box::new(from_response(response, origin, now)));
        }
        let body: Value =
            serde_json::from_slice(&response.body).map_err(|error| Box::new(undecodable(response, error.is_eof(), origin)))?;
        let decoded = match self.protocol {
            Protocol::Anthropic => anthropic::decode(body, &response.headers),
            Protocol::OpenAi => openai::decode(body, &response.headers),
        };
        decoded.map_err(|problem| {
            Box::new(match problem {
                Undecoded::Error(body) => from_event(&body, origin),
                Undecoded::Unexpected => undecodable(response, false, origin),
            })
        })
    }

    /// Whether it is the provider's own service, which tells its rate limits with every answer.
    pub fn is_official(&self) -> bool {
        self.base_url == self.protocol.trimmed(self.protocol.host())
    }

    /// A number that tells accounts apart: limits belong to one.
    pub fn account(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        match &self.credential {
            Credential::Missing | Credential::NotNeeded => {}
            Credential::Key(secret) | Credential::Bearer(secret) => secret.expose().hash(&mut hasher),
        }
        hasher.finish()
    }

    /// Where an error of this endpoint comes from.
    pub fn origin<'a>(&'a self, model: &'a str) -> Origin<'a> {
        let key = match &self.credential {
            Credential::Missing | Credential::NotNeeded => None,
            Credential::Key(secret) | Credential::Bearer(secret) => Some(secret),
        };
        let Endpoint { name, base_url, key_variable, headers, .. } = self;
        Origin { provider: name, base_url, key_variable, key, headers: Some(headers), model }
    }

    fn missing_key(&self, model: &str) -> CallError {
        let text = format!(
            "the model `{model}` needs a key of {}: set {} (or run with `--offline` to use the scripted model)",
            self.name, self.key_variable
        );
        CallError::provider(0, text)
    }
}

impl Protocol {
    /// The models that a provider counts together with this one: a family with its first number at Anthropic, and one model without the
    /// date of its version elsewhere.
    pub fn model_class(self, model: &str) -> String {
        let is_number = |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        match (self, model.strip_prefix("claude-")) {
            (Protocol::Anthropic, Some(rest)) => {
                let family = rest.split('-').find(|part| !is_number(part) && *part != "latest").unwrap_or_default();
                let version = rest.split('-').find(|part| is_number(part) && part.len() < 4).unwrap_or_default();
                format!("claude-{family}-{version}")
            }
            _ => {
                let mut parts: Vec<&str> = model.split('-').collect();
                // `-2024-08-06`, `-0613` and `-latest` name a version of the same model.
                while parts.len() > 1
                    && parts
                        .last()
                        .is_some_and(|part| *part == "latest" || (is_number(part) && part.len() >= 2 && part.len() != 3))
                {
                    parts.pop();
                }
                parts.join("-")
            }
        }
    }

    /// The path of its only request, below the base.
    pub fn path(self) -> &'static str {
        match self {
            Protocol::Anthropic => "/v1/messages",
            Protocol::OpenAi => "/chat/completions",
        }
    }

    /// The base of its inventor's own servers.
    pub fn host(self) -> &'static str {
        match self {
            Protocol::Anthropic => "https://api.anthropic.com",
            Protocol::OpenAi => "https://api.openai.com/v1",
        }
    }

    /// A base without what [`Protocol::path`] brings along, in whichever form people write it: with and without the path itself, a
    /// slash at its end, or `/v1`, which belongs to the base of OpenAI's protocol and not to that of Anthropic's.
    pub fn trimmed(self, base_url: &str) -> String {
        let mut base_url = base_url.trim_end_matches('/');
        base_url = base_url.strip_suffix(self.path()).unwrap_or(base_url).trim_end_matches('/');
        match self {
            Protocol::Anthropic => base_url.strip_suffix("/v1").unwrap_or(base_url).trim_end_matches('/').to_owned(),
            Protocol::OpenAi => {
                let host = base_url.split_once("://").map_or(base_url, |(_, rest)| rest);
                if host.contains('/') || !base_url.contains("://") { base_url.to_owned() } else { format!("{base_url}/v1") }
            }
        }
    }
}

/// Why a body under status 200 is no answer.
#[derive(Debug, PartialEq)]
pub enum Undecoded {
    /// It is the provider's error object.
    Error(Value),
    /// It is JSON of some other form.
    Unexpected,
}

/// The option that is not the provider's: whether prompts are marked for its cache.
pub(crate) const PROMPT_CACHING: &str = "prompt_caching";

/// The options that a program may pass through: everything but what the request itself decides.
fn passed_through(options: &Map<String, Value>) -> impl Iterator<Item = (&String, &Value)> {
    const OWN: [&str; 11] = [
        "model",
        "messages",
        "system",
        "max_tokens",
        "max_completion_tokens",
        "temperature",
        "tools",
        "tool_choice",
        "stream",
        "stream_options",
        PROMPT_CACHING,
    ];
    options.iter().filter(|(name, _)| !OWN.contains(&name.as_str()))
}

/// A string field of a JSON object.
fn string_field(object: &Map<String, Value>, name: &str) -> Option<String> {
    object.get(name).and_then(Value::as_str).map(str::to_owned)
}

/// A shared string field of a JSON object.
fn text_field(object: &Map<String, Value>, name: &str) -> Option<Arc<str>> {
    object.get(name).and_then(Value::as_str).map(Arc::from)
}

/// A count in a JSON object; absent, null and nonsense are zero.
fn count_field(object: Option<&Value>, name: &str) -> u64 {
    let value = object.and_then(|object| object.get(name));
    // Some servers write counts as floats.
    value.and_then(|value| value.as_u64().or_else(|| value.as_f64().map(|number| number.max(0.0) as u64))).unwrap_or(0)
}

#[cfg(test)]
mod tests;
