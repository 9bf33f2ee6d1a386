//! Model calls and tools pass the one door to the world: what it keeps of one run is enough for another.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use vega_bytecode::Type;
use vega_runtime::effects::{Begun, Class, EffectResult, Effects, Failure, Locate, Request, Ticket};
use vega_runtime::native::Outcome;
use vega_runtime::process::Coordinate;

use crate::support::{AgentSpec, Do, Scenario, ToolSpec, agent, ask};

/// Keeps what every effect came to, by its coordinate; or gives it back.
#[derive(Default)]
struct Tape {
    kept: Mutex<HashMap<Coordinate, EffectResult>>,
    under_way: Mutex<HashMap<u64, Coordinate>>,
    next: AtomicU64,
    replays: bool,
}

impl Effects for Tape {
    fn begin(&self, place: &dyn Locate, request: &Request<'_>, _: Class) -> Result<Begun, Failure> {
        if let Request::ModelCall { body, .. } = request {
            assert!(body.contains("\"messages\"") && !body.contains("sk-test"), "{body}");
        }
        let place = place.coordinate();
        if self.replays {
            let kept = self.kept.lock().unwrap().get(&place).cloned();
            return Ok(Begun::Replayed(kept.unwrap_or_else(|| panic!("nothing is kept for {place:?}"))));
        }
        let ticket = self.next.fetch_add(1, Ordering::Relaxed);
        assert!(!self.kept.lock().unwrap().contains_key(&place), "{place:?} names two effects");
        self.under_way.lock().unwrap().insert(ticket, place);
        Ok(Begun::Run(Ticket(ticket)))
    }

    fn end(&self, ticket: Ticket, result: &EffectResult) {
        let place = self.under_way.lock().unwrap().remove(&ticket.0).expect("it began");
        self.kept.lock().unwrap().insert(place, result.clone());
    }
}

#[test]
fn a_kept_run_is_repeated_without_a_model_and_without_its_tools() {
    let tool = |body| ToolSpec { name: "look", parameters: vec![("x", Type::Str)], capabilities: vec![], paths: None, body };
    let agents = |tool| vec![AgentSpec { tools: vec![tool], ..agent("Worker", vec![("model", "claude-haiku-5-5".into())]) }];
    let steps = vec![Do::Spawn(0), ask(0, "go").step()];
    let replies = "[[reply]]\ncontains = \"go\"\nturn = 1\ntool_calls = [{ name = \"look\", args = { x = \"1\" } }, { name = \"look\", args = { x = \"2\" } }]\n[[reply]]\nerror = \"overloaded\"\ntimes = 1\n[[reply]]\ncontains = \"seen\"\ntext = \"first\"\n";
    let tape = Arc::new(Tape::default());
    let kept = Scenario::new(agents(tool(|_, _| Ok(Outcome::Value("seen".into())))), steps.clone())
        .replies(replies)
        .effects(tape.clone())
        .run();
    assert_eq!(kept.notes, ["first"]);
    let results = tape.kept.lock().unwrap().clone();
    // Three exchanges, the second of them an overload, and two tools.
    assert_eq!(results.len(), 5);
    let again = Arc::new(Tape { kept: Mutex::new(results), replays: true, ..Tape::default() });
    let repeated = Scenario::new(agents(tool(|_, _| panic!("it does not run"))), steps)
        .replies("[[reply]]\ntext = \"another script\"\n")
        .effects(again)
        .run();
    assert_eq!(repeated.notes, kept.notes);
    assert_eq!(repeated.report.spent, kept.report.spent);
}
