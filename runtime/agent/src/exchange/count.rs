//! Asking a provider how long a prompt is, where the bound that needs no question is too dear.
//!
//! Counting costs nothing, but it is an exchange with the world: it passes the door with a coordinate of its own.

use vega_runtime::effects::{Class, EffectResult, Passed, Payload, Request as Asked};
use vega_runtime::native::NativeContext;

use super::Exchange;
use crate::config::Backend;
use crate::message::Request;
use crate::provider::{Endpoint, Protocol, anthropic};

/// Steps that count stand apart from those that call, so that both have coordinates.
const COUNTING_STEPS: u32 = 1 << 31;
/// Longest answer, in bytes.
const ANSWER_BYTES_MAX: usize = 64 << 10;
/// A provider's count is an estimate: so much of it is added, as a divisor.
const MARGIN_DIVISOR: u64 = 20;

impl Exchange<'_> {
    /// A bound of the prompt's tokens from the provider's own count. None where it does not count, or does not answer.
    pub(super) fn counted_bound(&self, context: &NativeContext<'_>, request: &Request) -> Option<u64> {
        let Backend::Http(Protocol::Anthropic) = self.config.backend else { return None };
        let endpoint = &*self.config.endpoint;
        let sending = endpoint.encode(request).ok()?;
        let body = anthropic::counting(&sending.body)?;
        let text = std::str::from_utf8(&body).unwrap_or_default();
        let asked = Asked::ModelCall { agent: &self.config.name, provider: &endpoint.name, model: &request.model, body: text };
        let tokens = match context.begin_effect_of_step(COUNTING_STEPS | self.step, &asked, Class::Read).ok()? {
            Passed::Replayed(result) => tokens_in(&result),
            Passed::Run(_, ticket) => {
                let answer = self.count(endpoint, sending.headers.iter(), body);
                let result = Ok(answer.map_or(Payload::Nothing, Payload::Bytes));
                let tokens = tokens_in(&result);
                context.end_effect(ticket, &result);
                tokens
            }
        }?;
        Some(tokens.saturating_add(tokens.div_ceil(MARGIN_DIVISOR)))
    }

    /// The body of the answer, if one came.
    fn count<'h>(
        &self,
        endpoint: &Endpoint,
        headers: impl Iterator<Item = (&'h str, &'h str)>,
        body: Vec<u8>,
    ) -> Option<Vec<u8>> {
        let url = format!("{}{}/count_tokens", endpoint.base_url, Protocol::Anthropic.path());
        let request = self.post(url, headers, body);
        let mut answer = self.service.client().ok()?.send(request).ok()?;
        let body = answer.read_to_end(ANSWER_BYTES_MAX).ok()?;
        (answer.status == 200).then_some(body)
    }
}

/// The count in an answer.
fn tokens_in(result: &EffectResult) -> Option<u64> {
    let Ok(Payload::Bytes(body)) = result else { return None };
    let body: serde_json::Value = serde_json::from_slice(body).ok()?;
    body.get("input_tokens")?.as_u64()
}
