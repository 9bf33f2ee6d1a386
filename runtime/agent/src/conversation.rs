//! `conversation::…`: what agents remember, as natives.

use std::sync::Arc;

use serde_json::json;
use vega_bytecode::kinds;
use vega_runtime::error::Error;
use vega_runtime::native::{NativeContext, NativeResult, NativeTable, SpawnOptions, SupervisionValues};
use vega_runtime::supervisor::{Child, ChildOwner, Factory};
use vega_runtime::value::{HandleKind, Value, json};

use crate::host::slot_of;
use crate::message::{Block, Media, Round, joined_text};
use crate::process::AgentProcess;
use crate::saved;

/// Adds the natives of the module.
pub(crate) fn register(table: &mut NativeTable) {
    table.add("conversation::history", 1, history);
    table.add("conversation::reset", 1, |_, arguments| {
        slot_of(&arguments[0])?.reset();
        Ok(Value::NULL.into())
    });
    table.add("conversation::save", 1, save);
    table.add("conversation::restore", 2, restore);
    table.add("conversation::fork", 1, fork);
}

fn history(context: &mut NativeContext<'_>, arguments: &mut [Value]) -> NativeResult {
    let slot = slot_of(&arguments[0])?;
    let rounds: Vec<serde_json::Value> = slot.rounds().iter().map(|round| shown(round)).collect();
    let parsed = parsed(&serde_json::Value::from(rounds))?;
    let Some(wanted) = context.result_type() else { return Ok(parsed.into()) };
    let value = json::decode(&parsed, wanted, context.module())
        .map_err(|problems| Error::new(kinds::JSON_ERROR, json::problems_text(&problems)))?;
    Ok(value.into())
}

/// A round in the JSON form of `conversation::Round`.
fn shown(round: &Round) -> serde_json::Value {
    let data =
        |kind: &str, bytes: &[u8], media_type: &str| json!({kind: [vega_runtime::value::bytes::to_base64(bytes), media_type]});
    let message = round.message.iter().filter_map(|block| match block {
        Block::Text(text) => Some(json!({"Text": &**text})),
        Block::Media(Media::Image { bytes, media_type }) => Some(data("Image", bytes, media_type)),
        Block::Media(Media::Document { bytes, media_type }) => Some(data("Document", bytes, media_type)),
        Block::Media(Media::Url(url)) => Some(json!({"Url": &**url})),
        Block::ToolUse(_) | Block::ToolResult(_) | Block::Raw(_) => None,
    });
    let tools = round.turns.iter().flat_map(|turn| {
        let calls = turn.blocks.iter().filter_map(Block::as_tool_use);
        let results =
            turn.results.iter().filter_map(|block| if let Block::ToolResult(result) = block { Some(result) } else { None });
        calls.zip(results).map(|(call, result)| {
            json!({"name": &*call.name, "arguments": call.input, "result": &*result.content, "failed": result.is_error})
        })
    });
    let reply = round.turns.last().map(|turn| joined_text(&turn.blocks)).unwrap_or_default();
    json!({"message": message.collect::<Vec<_>>(), "tools": tools.collect::<Vec<_>>(), "reply": reply})
}

fn save(context: &mut NativeContext<'_>, arguments: &mut [Value]) -> NativeResult {
    let slot = slot_of(&arguments[0])?;
    let mut saved = saved::save(&slot.config.name, &slot.rounds());
    if let Some(store) = &slot.store {
        saved["state"] = store.save(slot.agent, context.module())?;
    }
    Ok(parsed(&saved)?.into())
}

fn restore(context: &mut NativeContext<'_>, arguments: &mut [Value]) -> NativeResult {
    let slot = slot_of(&arguments[0])?;
    let wrong = |problem: String| Error::new(kinds::JSON_ERROR, format!("the conversation cannot be restored: {problem}"));
    let text = json::encode(&arguments[1], context.module())?;
    let value = serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
    let rounds = saved::load(&value).map_err(wrong)?;
    // A conversation of an agent that had no state yet leaves it as it begins.
    if let Some(store) = &slot.store
        && let Some(saved) = json::parse(&text).ok().as_ref().and_then(|saved| saved.as_map()?.get_text("state"))
    {
        store.restore(saved, slot.agent, context.module()).map_err(wrong)?;
    }
    slot.restore(rounds);
    Ok(arguments[0].take().into())
}

/// Another agent with the same parameters and the same past.
fn fork(context: &mut NativeContext<'_>, arguments: &mut [Value]) -> NativeResult {
    let slot = slot_of(&arguments[0])?.fork();
    let owner: Arc<dyn ChildOwner> = slot.clone();
    let (name, agent) = (slot.config.name.to_string(), slot.agent);
    let child = Child::spawn(
        context,
        name,
        Factory::native(move |_| Box::new(AgentProcess::new(Arc::clone(&slot)))),
        SupervisionValues::default(),
        Some((HandleKind::Agent(agent), owner)),
        SpawnOptions::default(),
    )?;
    Ok(child.to_value().into())
}

/// JSON as a value of the language.
fn parsed(value: &serde_json::Value) -> Result<Value, Error> {
    json::parse(&value.to_string()).map_err(|problem| Error::new(kinds::JSON_ERROR, problem.to_string()))
}
