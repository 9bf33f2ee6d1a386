//! The state of an agent: what its tools read and write, one at a time, and what is kept with the conversation.
//!
//! Invariants: at most one tool has it, and whoever has it gives it back when its process ends, however that is. What the tools of a call
//! have changed stands as soon as the caller has the reply; where the call ends otherwise, it is taken back, except where a call that
//! stands has written over it.

mod log; // one variable, and who has changed it
mod place; // a tool's place in the line for the state

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use vega_bytecode::{AgentId, Module, kinds};
use vega_runtime::error::Error;
use vega_runtime::native::{Address, NativeContext, NativeResult, NativeTable};
use vega_runtime::value::copy::Message;
use vega_runtime::value::{Value, json};

use crate::host::Agents;
use crate::request::Chain;
use log::Variable;
pub(crate) use place::{Place, StateIsFree, Turn};

/// The variables of one agent.
pub(crate) struct Store(Mutex<Content>);

struct Content {
    /// The values that they begin with.
    initial: Vec<Message>,
    variables: Vec<Variable<Message>>,
    /// The tool that has them.
    holder: Option<Holder>,
    /// Tools that want them, in the order in which the models called them.
    line: VecDeque<Waiting>,
    /// Calls that are under way.
    open: HashSet<u64>,
    /// Names calls and places.
    next: u64,
}

struct Holder {
    place: u64,
    chain: Arc<Chain>,
    /// What it has made of variables, by their numbers; it counts once the tool has succeeded.
    changed: Vec<(usize, Message)>,
    /// The state began anew meanwhile.
    is_stale: bool,
}

struct Waiting {
    place: u64,
    chain: Arc<Chain>,
    /// Where it waits, once it does.
    address: Option<Address>,
}

/// What the tools of one call have changed, until it is known whether it stands. Dropped before that, it is taken back.
pub(crate) struct Changes {
    store: Arc<Store>,
    call: u64,
}

impl Store {
    /// A state that begins with these values, an array of them. None where there are none.
    pub(crate) fn new(initial: &Value) -> Option<Arc<Store>> {
        let values: Vec<Message> = initial.as_array()?.as_slice().iter().map(copy).collect();
        (!values.is_empty()).then(|| Store::of(values, Vec::new()))
    }

    /// A state that begins with the first values, and holds the second ones where there are some.
    fn of(initial: Vec<Message>, present: Vec<Message>) -> Arc<Store> {
        let present = if present.is_empty() { initial.iter().map(again).collect() } else { present };
        Arc::new(Store(Mutex::new(Content {
            variables: present.into_iter().map(Variable::new).collect(),
            initial,
            holder: None,
            line: VecDeque::new(),
            open: HashSet::new(),
            next: 0,
        })))
    }

    /// A call begins.
    pub(crate) fn open(self: &Arc<Self>) -> Changes {
        let mut content = self.lock();
        let call = content.number();
        content.open.insert(call);
        Changes { store: Arc::clone(self), call }
    }

    /// Begins anew. A tool that has the state now changes nothing any more.
    pub(crate) fn reset(&self) {
        let mut content = self.lock();
        let initial: Vec<Message> = content.initial.iter().map(again).collect();
        content.begin_with(initial);
    }

    /// Another state that goes on from what stands.
    pub(crate) fn fork(&self) -> Arc<Store> {
        let content = self.lock();
        let standing = content.variables.iter().map(|variable| again(variable.standing())).collect();
        Store::of(content.initial.iter().map(again).collect(), standing)
    }

    /// What stands, as an object of JSON.
    pub(crate) fn save(&self, agent: AgentId, module: &Module) -> Result<serde_json::Value, Error> {
        let content = self.lock();
        let fields = &module.agents[agent.0 as usize].state;
        let values = fields.iter().zip(&content.variables).map(|(field, variable)| {
            let text = json::encode(variable.standing().value(), module)?;
            // What the runtime writes is JSON.
            Ok((field.name.clone(), serde_json::from_str(&text).unwrap_or_default()))
        });
        values.collect::<Result<serde_json::Map<_, _>, Error>>().map(serde_json::Value::Object)
    }

    /// Goes on from a saved state, a map of the language. What it does not name begins anew; the problem where something does not fit.
    pub(crate) fn restore(&self, saved: &Value, agent: AgentId, module: &Module) -> Result<(), String> {
        let saved = saved.as_map().ok_or("its `state` is no object")?;
        let mut content = self.lock();
        let fields = &module.agents[agent.0 as usize].state;
        let values = fields.iter().zip(&content.initial).map(|(field, initial)| {
            let Some(value) = saved.get_text(&field.name) else { return Ok(again(initial)) };
            let value = json::decode(value, field.ty, module);
            value
                .map(|value| copy(&value))
                .map_err(|problems| format!("state `{}`: {}", field.name, json::problems_text(&problems)))
        });
        let values = values.collect::<Result<Vec<_>, String>>()?;
        content.begin_with(values);
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Content> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Content {
    fn begin_with(&mut self, values: Vec<Message>) {
        self.variables = values.into_iter().map(Variable::new).collect();
        if let Some(holder) = &mut self.holder {
            holder.is_stale = true;
        }
    }

    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }
}

impl Changes {
    /// The caller has the reply: what was changed stays.
    pub(crate) fn stand(self) {
        let mut content = self.store.lock();
        if content.open.remove(&self.call) {
            content.variables.iter_mut().for_each(|variable| variable.stand(self.call));
        }
    }
}

impl Drop for Changes {
    fn drop(&mut self) {
        let mut content = self.store.lock();
        if content.open.remove(&self.call) {
            content.variables.iter_mut().for_each(|variable| variable.take_back(self.call));
        }
    }
}

/// A copy that belongs to nobody. The compiler only lets in what travels.
fn copy(value: &Value) -> Message {
    Message::copy_of(value).unwrap_or_else(|_| Message::build(|| Value::NULL))
}

/// What travelled once travels again.
fn again(message: &Message) -> Message {
    copy(message.value())
}

/// Adds the native that the compiler calls at the end of a tool.
pub(crate) fn register(table: &mut NativeTable) {
    table.add("state::put", 1, put);
}

/// `state::put([0, value, …])`: the numbers of variables, each with what the running tool has made of it.
fn put(context: &mut NativeContext<'_>, arguments: &mut [Value]) -> NativeResult {
    let agents: Option<Arc<Agents>> = context.extension::<Agents>();
    let agents = agents.ok_or_else(|| Error::new(kinds::AGENT_FAILED, "this runtime has no agents"))?;
    if let Some(store) = agents.service().store_of_tool(context.self_pid())
        && let Some(changed) = arguments[0].as_array()
    {
        let pairs = changed.as_slice().chunks_exact(2);
        let changed = pairs.filter_map(|pair| Some((usize::try_from(pair[0].as_int()?).ok()?, copy(&pair[1])))).collect();
        if let Some(holder) = &mut store.lock().holder {
            holder.changed = changed;
        }
    }
    Ok(Value::NULL.into())
}
