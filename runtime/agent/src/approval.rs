//! Who decides whether a tool with `approval required` may run: a function of the program, else whoever sits before it, else nobody.

use std::sync::{Arc, Mutex, PoisonError};

use vega_bytecode::kinds;
use vega_runtime::error::Error;
use vega_runtime::native::{Callee, NativeContext, NativeResult, NativeTable, Step};
use vega_runtime::value::copy::Message;
use vega_runtime::value::{Value, json};
use vega_scheduler::Lane;

use crate::host::Agents;

/// What a tool is about to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    /// The agent whose model wants it.
    pub agent: String,
    /// The tool.
    pub tool: String,
    /// Its arguments as JSON.
    pub arguments: String,
}

/// Somebody who can be asked outside of the program.
pub trait Approvals: Send + Sync {
    /// Whether the wish may come true; none where nobody can be asked. May block: it runs on a lane of its own, one wish at a time.
    fn decide(&self, wish: &Wish) -> Option<bool>;
}

/// See the module's text.
#[derive(Default)]
pub(crate) struct Approvers {
    outside: Option<Arc<dyn Approvals>>,
    /// A function of the program, as it travels between processes.
    handler: Mutex<Option<Message>>,
}

/// What comes of a wish.
pub(crate) enum Answer {
    /// A function of the program decides: it is called next, and returns a truth value.
    Call(Step),
    /// It may.
    Yes,
    /// It may not.
    No,
    /// There is nobody to ask.
    Nobody,
}

impl Approvers {
    pub(crate) fn new(outside: Option<Arc<dyn Approvals>>) -> Approvers {
        Approvers { outside, handler: Mutex::default() }
    }

    /// Asks. Blocks where a person is asked.
    pub(crate) fn ask(&self, context: &NativeContext<'_>, agent: &str, tool: &str, input: &serde_json::Value) -> Answer {
        let arguments = input.to_string();
        let handler = {
            let handler = self.handler.lock().unwrap_or_else(PoisonError::into_inner);
            handler.as_ref().and_then(|handler| Message::copy_of(handler.value()).ok())
        };
        if let Some(handler) = handler {
            let parsed = json::parse(&arguments).unwrap_or(Value::NULL);
            let values = vec![Value::str(agent), Value::str(tool), parsed];
            return Answer::Call(Step::Call { callee: Callee::Closure(handler.adopt()), arguments: values });
        }
        let Some(outside) = &self.outside else { return Answer::Nobody };
        let (outside, wish) = (Arc::clone(outside), Wish { agent: agent.into(), tool: tool.into(), arguments });
        match context.offload(Lane::Files, move || outside.decide(&wish)) {
            Ok(Some(true)) => Answer::Yes,
            Ok(Some(false)) | Err(_) => Answer::No,
            Ok(None) => Answer::Nobody,
        }
    }
}

/// Adds the natives of the module `approval`.
pub(crate) fn register(table: &mut NativeTable) {
    table.add("approval::handler", 1, handler);
}

fn handler(context: &mut NativeContext<'_>, arguments: &mut [Value]) -> NativeResult {
    let message = Message::copy_of(&arguments[0])
        .map_err(|refused| Error::new(kinds::INVALID_ARGUMENT, format!("the handler holds {}", refused.what)))?;
    let agents = context.extension::<Agents>().ok_or_else(|| Error::new(kinds::AGENT_FAILED, "this runtime has no agents"))?;
    *agents.service().approvers.handler.lock().unwrap_or_else(PoisonError::into_inner) = Some(message);
    Ok(Value::NULL.into())
}
