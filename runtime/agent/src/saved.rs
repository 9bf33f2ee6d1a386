//! Conversations as JSON: what `conversation::save` gives, and `spawn … from` takes.

use std::sync::Arc;

use serde_json::{Value, json};
use vega_runtime::value::bytes::{from_base64, to_base64};

use crate::message::{Block, Media, Round, ToolResult, ToolUse, Turn};

/// The form that is written; others are refused.
const VERSION: u64 = 1;

/// All rounds of a conversation.
pub(crate) fn save(agent: &str, rounds: &[Arc<Round>]) -> Value {
    let rounds: Vec<Value> = rounds.iter().map(|round| save_round(round)).collect();
    json!({"version": VERSION, "agent": agent, "rounds": rounds})
}

/// The rounds again, or what is wrong with the text.
pub(crate) fn load(saved: &Value) -> Result<Vec<Round>, String> {
    match saved.get("version").and_then(Value::as_u64) {
        Some(VERSION) => {}
        Some(other) => return Err(format!("it has the form {other}, and this version knows form {VERSION}")),
        None => return Err("it is no saved conversation".into()),
    }
    list(saved, "rounds")?.iter().map(load_round).collect()
}

fn save_round(round: &Round) -> Value {
    let turns =
        round.turns.iter().map(|turn| json!({"blocks": save_blocks(&turn.blocks), "results": save_blocks(&turn.results)}));
    json!({"message": save_blocks(&round.message), "turns": turns.collect::<Vec<_>>()})
}

fn load_round(saved: &Value) -> Result<Round, String> {
    let mut round = Round::new(load_blocks(saved, "message")?);
    for turn in list(saved, "turns")? {
        let (blocks, results): (Arc<[Block]>, Arc<[Block]>) =
            (load_blocks(turn, "blocks")?.into(), load_blocks(turn, "results")?.into());
        // What a provider would refuse is refused here.
        let uses = blocks.iter().filter_map(Block::as_tool_use).map(|call| &call.id);
        let answered =
            results.iter().filter_map(|block| if let Block::ToolResult(result) = block { Some(&result.id) } else { None });
        if !results.is_empty() && !uses.eq(answered) {
            return Err("a call of a tool lacks its result".into());
        }
        round.turns.push(Turn { blocks, results });
    }
    Ok(round)
}

fn save_blocks(blocks: &[Block]) -> Vec<Value> {
    blocks.iter().map(save_block).collect()
}

fn save_block(block: &Block) -> Value {
    let data =
        |kind: &str, bytes: &[u8], media_type: &str| json!({"type": kind, "media_type": media_type, "data": to_base64(bytes)});
    match block {
        Block::Text(text) => json!({"type": "text", "text": &**text}),
        Block::ToolUse(call) => json!({"type": "tool_use", "id": &*call.id, "name": &*call.name, "input": call.input}),
        Block::ToolResult(result) => {
            let mut saved =
                json!({"type": "tool_result", "id": &*result.id, "content": &*result.content, "is_error": result.is_error});
            if !result.parts.is_empty() {
                saved["parts"] = save_blocks(&result.parts).into();
            }
            saved
        }
        Block::Media(Media::Image { bytes, media_type }) => data("image", bytes, media_type),
        Block::Media(Media::Document { bytes, media_type }) => data("document", bytes, media_type),
        Block::Media(Media::Url(url)) => json!({"type": "url", "url": &**url}),
        Block::Raw(value) => json!({"type": "raw", "value": value}),
    }
}

fn load_blocks(saved: &Value, name: &str) -> Result<Vec<Block>, String> {
    list(saved, name)?.iter().map(load_block).collect()
}

fn load_block(saved: &Value) -> Result<Block, String> {
    let text = |name: &str| saved.get(name).and_then(Value::as_str).ok_or_else(|| format!("a block lacks its `{name}`"));
    let bytes = || from_base64(text("data")?).map(Arc::<[u8]>::from).ok_or_else(|| "`data` is not base64".to_owned());
    Ok(match text("type")? {
        "text" => Block::text(text("text")?),
        "tool_use" => Block::ToolUse(ToolUse {
            id: text("id")?.into(),
            name: text("name")?.into(),
            input: saved.get("input").cloned().unwrap_or_default(),
        }),
        "tool_result" => Block::ToolResult(ToolResult {
            id: text("id")?.into(),
            content: text("content")?.into(),
            is_error: saved.get("is_error").and_then(Value::as_bool).unwrap_or(false),
            parts: if saved.get("parts").is_some() { load_blocks(saved, "parts")?.into() } else { Arc::default() },
        }),
        "image" => Block::Media(Media::Image { bytes: bytes()?, media_type: text("media_type")?.into() }),
        "document" => Block::Media(Media::Document { bytes: bytes()?, media_type: text("media_type")?.into() }),
        "url" => Block::Media(Media::Url(text("url")?.into())),
        "raw" => Block::Raw(saved.get("value").cloned().unwrap_or_default()),
        other => return Err(format!("there is no block of the type `{other}`")),
    })
}

fn list<'a>(saved: &'a Value, name: &str) -> Result<&'a [Value], String> {
    saved.get(name).and_then(Value::as_array).map(Vec::as_slice).ok_or_else(|| format!("it lacks the list `{name}`"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn round() -> Round {
        let image = Block::Media(Media::Image { bytes: [1, 2, 3].as_slice().into(), media_type: "image/png".into() });
        let mut round = Round::new([Block::text("look"), image.clone(), Block::Media(Media::Url("http://h/x.pdf".into()))]);
        let call = ToolUse { id: "t1".into(), name: "see".into(), input: json!({"a": 1}) };
        let thinking = Block::Raw(json!({"type": "thinking", "thinking": "hm", "signature": "s=="}));
        let result = ToolResult { id: "t1".into(), content: "seen".into(), is_error: true, parts: [image].into() };
        round.turns.push(Turn { blocks: [thinking, Block::ToolUse(call)].into(), results: [Block::ToolResult(result)].into() });
        round.turns.push(Turn { blocks: [Block::text("done")].into(), results: [].into() });
        round
    }

    #[test]
    fn a_saved_conversation_reads_back_as_it_was() {
        let rounds = [Arc::new(round()), Arc::new(Round::new([Block::text("again")]))];
        let text = save("Coder", &rounds).to_string();
        let loaded = load(&serde_json::from_str(&text).unwrap()).unwrap();
        assert_eq!(loaded, rounds.iter().map(|round| (**round).clone()).collect::<Vec<_>>());
    }

    #[test]
    fn what_is_no_conversation_is_refused_with_the_reason() {
        let problem = |saved: Value| load(&saved).unwrap_err();
        assert!(problem(json!("hello")).contains("no saved conversation"));
        assert!(problem(json!({"version": 7})).contains("form 7"));
        assert!(problem(json!({"version": 1})).contains("`rounds`"));
        let block = |block: Value| json!({"version": 1, "rounds": [{"message": [block], "turns": []}]});
        assert!(problem(block(json!({"type": "poem"}))).contains("`poem`"));
        assert!(problem(block(json!({"type": "image", "media_type": "image/png", "data": "!"}))).contains("base64"));
        let mut unanswered = save("Coder", &[Arc::new(round())]);
        unanswered["rounds"][0]["turns"][0]["results"][0]["id"] = json!("other");
        assert!(problem(unanswered).contains("lacks its result"));
    }
}
