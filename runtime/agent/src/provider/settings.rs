//! Providers as the project's configuration names them.

use super::{Credential, Endpoint, MaxTokensField, Protocol};
use crate::http::{Headers, Secret};

/// Who answers for a provider's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProviderKind {
    /// A server that speaks this protocol.
    Http(Protocol),
    /// The scripted model.
    Scripted,
}

/// One provider of the configuration. `anthropic` and `openai` may be among them, to change what they are otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderSettings {
    /// What stands before the `/` of a model's name.
    pub name: String,
    /// Who answers.
    pub kind: ProviderKind,
    /// Where requests go; the protocol's own host unless given.
    pub base_url: Option<String>,
    /// The environment variable with the key. Without one no key is sent, except by `anthropic` and `openai`.
    pub api_key_env: Option<String>,
    /// Header lines for every request.
    pub headers: Vec<(String, String)>,
    /// How the bound of an answer is called; `max_tokens` unless given, which most servers know.
    pub max_tokens_field: Option<MaxTokensField>,
    /// Whether it can hold a model to a schema; it is expected to unless given.
    pub structured_output: Option<bool>,
    /// Whether prompts are marked for its cache; they are, by Anthropic's protocol, unless given.
    pub prompt_caching: Option<bool>,
}

impl ProviderSettings {
    /// A provider of which nothing else is said.
    pub fn new(name: impl Into<String>, kind: ProviderKind) -> ProviderSettings {
        ProviderSettings {
            name: name.into(),
            kind,
            base_url: None,
            api_key_env: None,
            headers: Vec::new(),
            max_tokens_field: None,
            structured_output: None,
            prompt_caching: None,
        }
    }

    /// Where its requests go; `variable` looks up the environment.
    pub(crate) fn endpoint(&self, protocol: Protocol, variable: impl Fn(&str) -> Option<String>) -> Endpoint {
        let is_own = matches!((self.name.as_str(), protocol), ("anthropic", Protocol::Anthropic) | ("openai", Protocol::OpenAi));
        let mut endpoint = Endpoint::from_environment(protocol, &variable);
        let place = format!("`base_url` of [providers.{}] in vega.toml", self.name);
        if !is_own {
            endpoint.name.clone_from(&self.name);
            endpoint.credential = Credential::NotNeeded;
            endpoint.max_tokens_field = MaxTokensField::MaxTokens;
            if self.base_url.is_none() {
                endpoint.base_url = protocol.host().to_owned();
            }
            endpoint.base_url_variable.clone_from(&place);
        }
        // The environment is nearer to the run than the file is.
        let is_set = is_own && variable(endpoint.base_url_variable.as_str()).is_some_and(|url| !url.trim().is_empty());
        if let Some(base_url) = self.base_url.as_deref().filter(|_| !is_set) {
            endpoint.base_url = protocol.trimmed(base_url);
            endpoint.base_url_variable = place;
        }
        if let Some(name) = &self.api_key_env {
            let key = variable(name).map(|key| key.trim().to_owned()).filter(|key| !key.is_empty());
            endpoint.credential = key.map_or(Credential::Missing, |key| Credential::Key(Secret::new(key)));
            endpoint.key_variable.clone_from(name);
        }
        endpoint.headers = self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect::<Headers>();
        if let Some(field) = self.max_tokens_field {
            endpoint.max_tokens_field = field;
        }
        endpoint.structured_output = self.structured_output.unwrap_or(true);
        endpoint.caches_prompts = self.prompt_caching.unwrap_or(endpoint.caches_prompts);
        endpoint
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::message::Request;

    fn url(settings: &ProviderSettings, protocol: Protocol, variables: &[(&str, &str)]) -> String {
        let endpoint = settings
            .endpoint(protocol, |name| variables.iter().find(|(own, _)| *own == name).map(|(_, value)| (*value).to_owned()));
        endpoint.encode(&Request::new("m", 1)).unwrap().url
    }

    #[test]
    fn a_named_provider_has_its_own_address_headers_and_key() {
        let mut settings = ProviderSettings::new("local", ProviderKind::Http(Protocol::OpenAi));
        settings.headers = vec![("x-team".into(), "red".into())];
        for base in
            ["http://h:11434", "http://h:11434/", "http://h:11434/v1", "http://h:11434/v1/", "http://h:11434/v1/chat/completions"]
        {
            settings.base_url = Some(base.into());
            assert_eq!(url(&settings, Protocol::OpenAi, &[]), "http://h:11434/v1/chat/completions", "{base}");
        }
        settings.base_url = Some("http://h/api/openai/".into());
        assert_eq!(url(&settings, Protocol::OpenAi, &[]), "http://h/api/openai/chat/completions");
        let sent = settings.endpoint(Protocol::OpenAi, |_| None).encode(&Request::new("m", 1)).unwrap();
        assert_eq!((sent.headers.get("authorization"), sent.headers.get("x-team")), (None, Some("red")));
        assert!(String::from_utf8(sent.body).unwrap().contains("\"max_tokens\":1"));
        settings.api_key_env = Some("LOCAL_KEY".into());
        let missing = settings.endpoint(Protocol::OpenAi, |_| None).encode(&Request::new("m", 1)).unwrap_err();
        assert!(missing.message.contains("LOCAL_KEY"), "{}", missing.message);
        let keyed = settings.endpoint(Protocol::OpenAi, |name| (name == "LOCAL_KEY").then(|| "k-1234".into()));
        let sent = keyed.encode(&Request::new("m", 1)).unwrap();
        assert_eq!(sent.headers.get("authorization"), Some("Bearer k-1234"));
    }

    #[test]
    fn the_environment_wins_over_the_file_for_the_providers_that_are_built_in() {
        let mut settings = ProviderSettings::new("anthropic", ProviderKind::Http(Protocol::Anthropic));
        settings.base_url = Some("http://file/v1".into());
        let key = ("ANTHROPIC_API_KEY", "k");
        assert_eq!(url(&settings, Protocol::Anthropic, &[key]), "http://file/v1/messages");
        let variables = [key, ("ANTHROPIC_BASE_URL", "http://environment")];
        assert_eq!(url(&settings, Protocol::Anthropic, &variables), "http://environment/v1/messages");
    }

    #[test]
    fn an_address_that_is_none_names_the_place_where_it_is_written() {
        let mut settings = ProviderSettings::new("local", ProviderKind::Http(Protocol::Anthropic));
        settings.base_url = Some("h:1".into());
        let error = settings.endpoint(Protocol::Anthropic, |_| None).encode(&Request::new("m", 1)).unwrap_err();
        assert!(error.message.contains("[providers.local]"), "{}", error.message);
    }
}
