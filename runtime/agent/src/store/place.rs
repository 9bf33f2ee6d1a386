//! A tool's place in the line for the state of its agent.
//!
//! Invariants: places are taken in the order in which the tools were called. A place that is dropped leaves the line, or gives the state to
//! the next.

use std::sync::Arc;

use vega_bytecode::{AgentId, Module};
use vega_runtime::RuntimeHandle;
use vega_runtime::native::Address;
use vega_runtime::value::{Value, json};

use super::{Changes, Content, Holder, Store, Waiting, again, copy};
use crate::request::Chain;

/// A place in the line.
pub(crate) struct Place {
    store: Arc<Store>,
    call: u64,
    number: u64,
    chain: Arc<Chain>,
    runtime: RuntimeHandle,
}

/// What a tool is sent that waits for the state.
pub(crate) struct StateIsFree;

/// What a tool does that wants the state.
pub(crate) enum Turn {
    /// It has the state, with these values.
    Has(Vec<Value>),
    /// It waits until it is sent [`StateIsFree`].
    Waits,
    /// It would wait for the tool that it is called by.
    Nested,
}

impl Changes {
    /// A place at the end of the line, for a tool of this call that runs in `chain`.
    pub(crate) fn line_up(&self, chain: Arc<Chain>, runtime: RuntimeHandle) -> Place {
        let mut content = self.store.lock();
        let number = content.number();
        content.line.push_back(Waiting { place: number, chain: Arc::clone(&chain), address: None });
        drop(content);
        Place { store: Arc::clone(&self.store), call: self.call, number, chain, runtime }
    }
}

impl Place {
    /// The state that it is a place for.
    pub(crate) fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// Takes the state, for a process at this address.
    pub(crate) fn take(&self, address: Address) -> Turn {
        let mut content = self.store.lock();
        if content.holder.is_none() && content.line.front().is_some_and(|first| first.place == self.number) {
            content.give_to_first();
        }
        match &content.holder {
            Some(holder) if holder.place == self.number => {}
            Some(holder) if self.chain.is_within(&holder.chain) => return Turn::Nested,
            _ => {
                if let Some(waiting) = content.line.iter_mut().find(|waiting| waiting.place == self.number) {
                    waiting.address = Some(address);
                }
                return Turn::Waits;
            }
        }
        // The values belong to the process from here on.
        let values: Vec<_> = content.variables.iter().map(|variable| again(variable.value())).collect();
        drop(content);
        Turn::Has(values.into_iter().map(|value| value.adopt()).collect())
    }

    /// What the tool has changed, as an object of JSON, for whoever keeps what tools came to. None where it changed nothing.
    pub(crate) fn changed(&self, agent: AgentId, module: &Module) -> Option<String> {
        let content = self.store.lock();
        let holder = content.holder.as_ref().filter(|holder| holder.place == self.number && !holder.changed.is_empty())?;
        let fields = &module.agents[agent.0 as usize].state;
        let entries = holder.changed.iter().filter_map(|(number, value)| {
            let name = serde_json::Value::from(fields.get(*number)?.name.as_str());
            Some(format!("{name}:{}", json::encode(value.value(), module).ok()?))
        });
        Some(format!("{{{}}}", entries.collect::<Vec<_>>().join(",")))
    }

    /// The tool ran in another run, and had changed this.
    pub(crate) fn repeat(&self, changed: &str, agent: AgentId, module: &Module) {
        let Ok(changed) = json::parse(changed) else { return };
        let Some(changed) = changed.as_map() else { return };
        let fields = module.agents[agent.0 as usize].state.iter().enumerate();
        let values = fields.filter_map(|(number, field)| {
            let value = json::decode(changed.get_text(&field.name)?, field.ty, module).ok()?;
            Some((number, copy(&value)))
        });
        let values = values.collect();
        if let Some(holder) = &mut self.store.lock().holder {
            holder.changed = values;
        }
    }

    /// The tool has succeeded: what it changed counts, as long as its call does.
    pub(crate) fn succeeded(&self) {
        let mut content = self.store.lock();
        let Content { variables, holder, open, .. } = &mut *content;
        let Some(holder) = holder.as_mut().filter(|holder| holder.place == self.number) else { return };
        let changed = std::mem::take(&mut holder.changed);
        if holder.is_stale || !open.contains(&self.call) {
            return;
        }
        for (number, value) in changed {
            if let Some(variable) = variables.get_mut(number) {
                variable.change(self.call, value);
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let next = {
            let mut content = self.store.lock();
            if content.holder.as_ref().is_some_and(|holder| holder.place == self.number) {
                content.holder = None;
            } else {
                content.line.retain(|waiting| waiting.place != self.number);
            }
            // Who has not begun yet comes by itself.
            let waits = content.line.front().is_some_and(|first| first.address.is_some());
            if content.holder.is_none() && waits { content.give_to_first() } else { None }
        };
        if let Some(address) = next {
            self.runtime.send_to(&address, Box::new(StateIsFree));
        }
    }
}

impl Content {
    /// Gives the state to the first of the line. Its address, where it waits.
    fn give_to_first(&mut self) -> Option<Address> {
        let Waiting { place, chain, address } = self.line.pop_front()?;
        self.holder = Some(Holder { place, chain, changed: Vec::new(), is_stale: false });
        address
    }
}
