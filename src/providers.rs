//! What `vega.toml` says about models and those who serve them: `[defaults]`, `[models]`, `[providers.NAME]`, `[network]`.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use serde::Deserialize;
use vega_agent::price::{PriceTable, today};
use vega_agent::provider::{MaxTokensField, Protocol, ProviderKind, ProviderSettings, route};
use vega_net::proxy::Proxy;

use crate::config::Config;

/// `[defaults]`
#[derive(Deserialize, Debug, Default)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct DefaultsTable {
    model: Option<String>,
    prompt_caching: Option<bool>,
}

/// `[models]`
#[derive(Deserialize, Debug, Default)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ModelsTable {
    alias: BTreeMap<String, String>,
}

/// `[providers.NAME]`
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProviderTable {
    kind: Kind,
    base_url: Option<String>,
    api_key_env: Option<String>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    max_tokens_field: Option<Field>,
    structured_output: Option<bool>,
    prompt_caching: Option<bool>,
}

#[derive(Deserialize, Debug, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Anthropic,
    OpenAi,
    Mock,
}

#[derive(Deserialize, Debug, Clone, Copy)]
#[serde(rename_all = "snake_case")]
enum Field {
    MaxTokens,
    MaxCompletionTokens,
}

/// `[network]`
#[derive(Deserialize, Debug, Default)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct NetworkTable {
    proxy: Option<String>,
    no_proxy: Vec<String>,
    /// A file in PEM form, relative to the configuration.
    pub(crate) ca_file: Option<PathBuf>,
}

impl Config {
    /// The model of agents that name none.
    pub(crate) fn default_model(&self) -> Option<&str> {
        self.defaults.model.as_deref()
    }

    /// Whether prompts are marked for caches unless an agent or a provider says otherwise.
    pub(crate) fn caches_prompts(&self) -> bool {
        self.defaults.prompt_caching.unwrap_or(true)
    }

    /// Which model is used in the place of which.
    pub(crate) fn aliases(&self) -> HashMap<String, String> {
        self.models.alias.clone().into_iter().collect()
    }

    /// The providers.
    pub(crate) fn provider_settings(&self) -> Result<Vec<ProviderSettings>, String> {
        let settings = self.providers.iter().map(|(name, table)| {
            let kind = match table.kind {
                Kind::Anthropic => ProviderKind::Http(Protocol::Anthropic),
                Kind::OpenAi => ProviderKind::Http(Protocol::OpenAi),
                Kind::Mock => ProviderKind::Scripted,
            };
            let own = match name.as_str() {
                "anthropic" => Some(ProviderKind::Http(Protocol::Anthropic)),
                "openai" => Some(ProviderKind::Http(Protocol::OpenAi)),
                "mock" => Some(ProviderKind::Scripted),
                _ => None,
            };
            if own.is_some_and(|own| own != kind) {
                return Err(format!(
                    "[providers.{name}]: `{name}` is built in, and not of this `kind`; give the provider another name"
                ));
            }
            if name.contains('/') || name.is_empty() {
                return Err(format!("[providers.{name:?}]: a provider's name has at least one character and no `/`"));
            }
            if kind == ProviderKind::Http(Protocol::OpenAi) && own.is_none() && table.base_url.is_none() {
                return Err(format!("[providers.{name}] lacks `base_url`: where its requests go"));
            }
            let mut settings = ProviderSettings::new(name.as_str(), kind);
            settings.base_url.clone_from(&table.base_url);
            settings.api_key_env.clone_from(&table.api_key_env);
            settings.headers = table.headers.clone().into_iter().collect();
            settings.max_tokens_field = table.max_tokens_field.map(|field| match field {
                Field::MaxTokens => MaxTokensField::MaxTokens,
                Field::MaxCompletionTokens => MaxTokensField::MaxCompletionTokens,
            });
            settings.structured_output = table.structured_output;
            settings.prompt_caching = table.prompt_caching;
            Ok(settings)
        });
        settings.collect()
    }

    /// The proxy on the way to providers: the file's, else the environment's.
    pub(crate) fn proxy(&self) -> Result<Option<Proxy>, String> {
        match &self.network.proxy {
            Some(address) => Proxy::new(address, &self.network.no_proxy.join(","))
                .map(Some)
                .map_err(|problem| format!("`proxy` in [network] of vega.toml: {problem}")),
            None => Proxy::from_environment(|name| std::env::var(name).ok()),
        }
    }
}

/// Whether a model refuses a temperature, by the name that a program gives it; of the default model where it gives none.
pub(crate) fn refuses_temperature(config: &Config, model: Option<&str>) -> bool {
    let name = model.or(config.default_model()).unwrap_or(vega_agent::MODEL_DEFAULT);
    let aliases = config.aliases();
    let name = aliases.get(name).map_or(name, String::as_str);
    let mut table = PriceTable::built_in();
    if let Ok(own) = config.prices() {
        table.override_with(own);
    }
    let day = today();
    table.find(name, &day).or_else(|| table.find(route(name).1, &day)).is_some_and(|known| !known.takes_temperature)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn config(text: &str) -> Config {
        Config::parse(text).unwrap()
    }

    #[test]
    fn a_provider_is_read_with_what_it_needs() {
        let config = config(
            "[defaults]\nmodel = 'local/llama3'\nprompt_caching = false\n[models]\nalias = { 'old' = 'new' }\n\
             [providers.local]\nkind = 'openai'\nbase_url = 'http://h:11434'\nheaders = { 'x-a' = 'b' }\n\
             max_tokens_field = 'max_completion_tokens'",
        );
        let settings = config.provider_settings().unwrap();
        assert_eq!((settings[0].name.as_str(), settings[0].kind), ("local", ProviderKind::Http(Protocol::OpenAi)));
        assert_eq!(settings[0].max_tokens_field, Some(MaxTokensField::MaxCompletionTokens));
        assert_eq!((config.default_model(), config.caches_prompts()), (Some("local/llama3"), false));
        assert_eq!(config.aliases()["old"], "new");
    }

    #[test]
    fn what_makes_no_sense_is_an_error_that_names_the_place() {
        let problem = |text: &str| match Config::parse(text) {
            Ok(config) => config.provider_settings().map(drop).and_then(|()| config.proxy().map(drop)).unwrap_err(),
            Err(problem) => problem,
        };
        assert!(problem("[providers.x]\nkind = 'openai'").contains("base_url"));
        assert!(problem("[providers.anthropic]\nkind = 'openai'\nbase_url = 'http://h'").contains("built in"));
        assert!(problem("[providers.x]\nkind = 'ftp'").contains("ftp"));
        assert!(problem("[providers.x]\nkind = 'mock'\ncolour = 1").contains("colour"));
        assert!(problem("[network]\nproxy = 'socks5://p'").contains("[network]"));
    }
}
