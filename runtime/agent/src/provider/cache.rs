//! Which parts of a prompt a provider is asked to cache: the tools, the instructions, and the conversation up to its last stable block.
//!
//! A prefix that is too short to be cached anywhere is not marked, so that a small request stays as plain as it was written. Anthropic
//! takes at most four marks; these are three.

use serde_json::{Value, json};

use crate::message::{Block, Request};

/// The shortest prefix that is marked, in bytes: at four bytes to a token below what any provider caches.
const PREFIX_BYTES_MIN: usize = 2_048;

/// Where a request is marked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct CacheMarks {
    /// The last tool.
    pub(crate) tools: bool,
    /// The instructions.
    pub(crate) system: bool,
    /// The last block of this message.
    pub(crate) message: Option<usize>,
}

impl CacheMarks {
    /// The marks of a request; none where it does not want any or marks itself.
    pub(crate) fn of(request: &Request) -> CacheMarks {
        if !request.caches_prompt || request.provider_options.contains_key("cache_control") {
            return CacheMarks::default();
        }
        let tools = request.tools.bytes();
        let fixed = tools + request.system.as_deref().map_or(0, str::len);
        CacheMarks {
            tools: tools >= PREFIX_BYTES_MIN,
            system: request.system.is_some() && fixed >= PREFIX_BYTES_MIN,
            message: stable_message(request).filter(|index| {
                let messages = request.messages[..=*index].iter().flat_map(|message| message.blocks.iter());
                fixed + messages.map(block_bytes).sum::<usize>() >= PREFIX_BYTES_MIN
            }),
        }
    }

    /// Whether anything is marked.
    pub(crate) fn any(self) -> bool {
        self.tools || self.system || self.message.is_some()
    }
}

/// What a mark is.
pub(crate) fn mark() -> Value {
    json!({"type": "ephemeral"})
}

/// The last message that the next request is going to begin with as well: in a tool loop all of them, else those before the program's
/// message, which a call that starts from the same conversation would not share.
fn stable_message(request: &Request) -> Option<usize> {
    let last = request.messages.len().checked_sub(1)?;
    let is_result = |block: &Block| matches!(block, Block::ToolResult(_));
    if request.messages[last].blocks.iter().any(is_result) { Some(last) } else { last.checked_sub(1) }
}

fn block_bytes(block: &Block) -> usize {
    match block {
        Block::Text(text) => text.len(),
        Block::ToolUse(call) => call.name.len() + call.input.to_string().len(),
        Block::ToolResult(result) => result.content.len(),
        Block::Raw(_) | Block::Media(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::message::{Message, ToolResult, ToolSpec};
    use crate::provider::anthropic;

    fn request(system: usize, messages: Vec<Message>) -> Request {
        let tool = ToolSpec { name: "t".into(), description: "d".repeat(3_000), schema: json!({"type": "object"}) };
        Request {
            system: Some("s".repeat(system).into()),
            tools: [tool].into(),
            messages,
            caches_prompt: true,
            ..Request::new("claude-haiku-5-5", 100)
        }
    }

    fn sent(request: &Request) -> Value {
        serde_json::from_slice(&anthropic::encode(request)).unwrap_or_default()
    }

    #[test]
    fn tools_instructions_and_the_conversation_before_the_message_are_marked() {
        let messages = vec![
            Message::user([Block::text("one")]),
            Message::assistant([Block::text("two")]),
            Message::user([Block::text("three")]),
        ];
        let body = sent(&request(10, messages));
        assert_eq!(body["tools"][0]["cache_control"], mark());
        assert_eq!(body["system"][0]["cache_control"], mark());
        assert_eq!(body["messages"][1]["content"][0]["cache_control"], mark());
        assert_eq!(body["messages"][2]["content"], "three");
        assert_eq!(body.to_string().matches("cache_control").count(), 3);
    }

    #[test]
    fn in_a_tool_loop_everything_so_far_is_stable() {
        let result = |id: &str| Block::ToolResult(ToolResult { id: id.into(), ..ToolResult::default() });
        let messages = vec![Message::user([Block::text("go")]), Message::user([result("a"), result("b")])];
        let body = sent(&request(10, messages));
        assert_eq!(body["messages"][1]["content"][0].get("cache_control"), None);
        assert_eq!(body["messages"][1]["content"][1]["cache_control"], mark());
    }

    #[test]
    fn nothing_is_marked_where_it_is_switched_off_or_too_short_or_the_program_marks_itself() {
        let off = Request { caches_prompt: false, ..request(5_000, vec![]) };
        assert_eq!(CacheMarks::of(&off), CacheMarks::default());
        let short = Request { tools: [].into(), ..request(100, vec![Message::user([Block::text("one")])]) };
        assert!(!CacheMarks::of(&short).any());
        let own = json!({"cache_control": {"type": "ephemeral", "ttl": "1h"}});
        let options = own.as_object().cloned().unwrap_or_default();
        let own = Request { provider_options: Arc::new(options), ..request(5_000, vec![]) };
        assert!(!CacheMarks::of(&own).any());
    }

    /// The blocks up to the last mark, without the marks, in the order in which the provider reads them.
    fn marked_prefix(body: &Value) -> Vec<Value> {
        let list = |value: &Value| value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]);
        let messages = list(&body["messages"]).into_iter().flat_map(|message| list(&message["content"]));
        let mut blocks: Vec<Value> = list(&body["tools"]).into_iter().chain(list(&body["system"])).chain(messages).collect();
        let marked = blocks.iter().rposition(|block| block.get("cache_control").is_some()).map_or(0, |last| last + 1);
        blocks.truncate(marked);
        for block in &mut blocks {
            if let Some(block) = block.as_object_mut() {
                block.remove("cache_control");
            }
        }
        blocks
    }

    #[test]
    fn what_is_marked_stays_as_it_is_in_the_requests_that_follow() {
        let result = |id: &str| Block::ToolResult(ToolResult { id: id.into(), content: "seen".into(), ..ToolResult::default() });
        let rounds = [
            Message::user([Block::text("one")]),
            Message::assistant([Block::text("looking")]),
            Message::user([result("a"), result("b")]),
            Message::assistant([Block::text("looking again")]),
            Message::user([result("c")]),
            Message::assistant([Block::text("done")]),
            Message::user([Block::text("two")]),
        ];
        // Each request of the conversation has what the one before it had marked, byte by byte.
        let requests: Vec<Request> = (0..rounds.len()).step_by(2).map(|last| request(10, rounds[..=last].to_vec())).collect();
        for pair in requests.windows(2) {
            let (before, after) = (sent(&pair[0]), sent(&pair[1]));
            let (kept, whole) = (marked_prefix(&before), marked_prefix(&after));
            assert!(!kept.is_empty() && whole.starts_with(&kept), "{kept:?}\n{whole:?}");
            assert!(before.to_string().matches("cache_control").count() <= 4);
        }
        // What another call from the same conversation would not have is not marked.
        let other = request(10, [&rounds[..6], &[Message::user([Block::text("three")])]].concat());
        assert_eq!(marked_prefix(&sent(&other)), marked_prefix(&sent(&requests[3])));
    }
}
