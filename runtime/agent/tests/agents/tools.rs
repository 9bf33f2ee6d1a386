//! Tools: processes of their own, with what they declare and no more.

use std::time::Duration;

use vega_bytecode::Type;
use vega_bytecode::module::Capability;
use vega_runtime::capability::Grants;
use vega_runtime::native::Outcome;
use vega_runtime::value::Value;
use vega_trace::{Kind, Status};

use crate::support::{AgentSpec, Body, Clause, Do, Scenario, ToolSpec, agent, ask, ask_within_tool};

fn tool(name: &'static str, body: Body) -> ToolSpec {
    ToolSpec { name, parameters: vec![("x", Type::Str)], capabilities: vec![], paths: None, body }
}

fn worker(tools: Vec<ToolSpec>) -> AgentSpec {
    AgentSpec { tools, ..agent("Worker", vec![("model", "claude-haiku-5-5".into())]) }
}

/// The model calls tools in its first turn, and ends in its second.
fn calling(calls: &str) -> String {
    format!(
        "[[reply]]\nagent = \"Worker\"\nturn = 1\ntool_calls = [{calls}]\n[[reply]]\nagent = \"Worker\"\nturn = 2\ntext = \"done\"\n"
    )
}

fn one_call() -> Vec<Do> {
    vec![Do::Spawn(0), ask(0, "go").step()]
}

fn echo(_: &mut vega_runtime::native::NativeContext<'_>, arguments: &mut [Value]) -> vega_runtime::native::NativeResult {
    Ok(Outcome::Value(arguments[0].clone()))
}

#[test]
fn a_tool_touches_what_it_declares_within_what_the_program_has() {
    let folder = std::env::temp_dir().join(format!("vega-agents-{}", std::process::id()));
    std::fs::create_dir_all(folder.join("open")).unwrap();
    std::fs::write(folder.join("open/a.txt"), "the content").unwrap();
    std::fs::write(folder.join("b.txt"), "hidden").unwrap();
    let read: Body = |context, arguments| {
        let content = context.read_file(arguments[0].as_text().unwrap())?;
        Ok(Outcome::Value(String::from_utf8_lossy(&content).into_owned().into()))
    };
    let declared =
        ToolSpec { capabilities: vec![Capability::FileRead], paths: Some(vec!["open/**".into()]), ..tool("read", read) };
    let agents = vec![worker(vec![declared, tool("sneak", read)])];
    let calls = "{ name = \"read\", args = { x = \"open/a.txt\" } }, { name = \"read\", args = { x = \"b.txt\" } }, { name = \"sneak\", args = { x = \"open/a.txt\" } }";
    // The script only answers the second turn where all three results are as they should be.
    let replies = format!(
        "[[reply]]\nturn = 1\ntool_calls = [{calls}]\n[[reply]]\nturn = 2\ncontains = \"the content\"\ntext = \"read\"\n"
    );
    let ran = Scenario::new(agents, one_call()).replies(&replies).grants(Grants::standard(&folder)).run();
    std::fs::remove_dir_all(&folder).unwrap();
    assert_eq!(ran.notes, ["read"]);
    let mut tools: Vec<(&str, Status, Option<&str>)> = ran
        .records
        .iter()
        .filter(|record| record.kind == Kind::ToolCall)
        .map(|record| (record.name.as_str(), record.status, record.error_kind.as_deref()))
        .collect();
    tools.sort_unstable_by_key(|(name, _, kind)| (*name, *kind));
    assert_eq!(
        tools,
        [
            ("read", Status::Ok, None),
            ("read", Status::Error, Some("CapabilityDenied")),
            ("sneak", Status::Error, Some("CapabilityDenied"))
        ]
    );
    let denied = ran.records.iter().find(|record| record.name == "sneak").unwrap();
    assert!(
        denied.error_message.as_deref().is_some_and(|text| text.contains("the tool does not declare `fs::read`")),
        "{denied:?}"
    );
}

#[test]
fn tools_run_beside_each_other_up_to_their_bound() {
    let slow: Body = |context, _| Ok(context.sleep(Duration::from_millis(100)));
    let run = |parallel: i64| {
        let mut agents = vec![worker(vec![tool("slow", slow)])];
        agents[0].clauses.push(("parallel_tools", parallel.into()));
        let calls = ["{ name = \"slow\", args = { x = \"1\" } }"; 6].join(", ");
        let steps = vec![Do::Spawn(0), ask(0, "go").quiet().step(), Do::Clock];
        Scenario::new(agents, steps).replies(&calling(&calls)).run().notes
    };
    assert_eq!(run(6), ["100 ms"]);
    assert_eq!(run(2), ["300 ms"]);
}

#[test]
fn a_tool_that_panics_or_runs_out_of_time_harms_nobody_else() {
    let agents = || {
        let panicking = tool("panics", |_, _| panic!("this tool panics"));
        let sleeping = tool("sleeps", |context, _| Ok(context.sleep(Duration::from_secs(3600))));
        vec![worker(vec![panicking, sleeping, tool("echo", echo)])]
    };
    let calls = "{ name = \"panics\", args = { x = \"1\" } }, { name = \"echo\", args = { x = \"2\" } }";
    let replies = format!(
        "[[reply]]\nturn = 1\ntool_calls = [{calls}]\n[[reply]]\nturn = 2\ncontains = \"The tool ended without a result: native panic: this tool panics\"\ntext = \"told\"\n"
    );
    assert_eq!(Scenario::new(agents(), one_call()).replies(&replies).run().notes, ["told"]);
    let steps = vec![Do::Spawn(0), ask(0, "go").timeout(Duration::from_secs(5)).step(), Do::Clock, ask(0, "again").step()];
    let replies = "[[reply]]\ncontains = \"go\"\nturn = 1\ntool_calls = [{ name = \"sleeps\", args = { x = \"1\" } }]\n[[reply]]\ntext = \"alive\"\n";
    let ran = Scenario::new(agents(), steps).replies(replies).run();
    assert!(ran.notes[0].starts_with("Timeout: "), "{}", ran.notes[0]);
    assert_eq!(ran.notes[1..], ["5000 ms", "alive"]);
}

#[test]
fn a_model_that_never_stops_calling_tools_meets_the_turn_limit() {
    let mut agents = vec![worker(vec![tool("echo", echo)])];
    agents[0].clauses.push(("max_turns", 3.into()));
    let replies = "[[reply]]\ntext = \"thinking\"\ntool_calls = [{ name = \"echo\", args = { x = \"1\" } }]\n";
    let ran = Scenario::new(agents, one_call()).replies(replies).run();
    assert_eq!(ran.notes, ["TurnLimit: the model kept calling tools beyond `max_turns 3`"]);
    assert_eq!(ran.totals.calls, 4);
}

#[test]
fn a_tool_may_call_an_agent_whose_cost_is_that_of_the_call_around_it() {
    let asking = ToolSpec {
        capabilities: vec![Capability::Agent],
        ..tool("consult", |context, _| ask_within_tool(context, 1, "what now?"))
    };
    let helper = agent("Helper", vec![("model", "claude-haiku-5-5".into())]);
    let agents = || vec![worker(vec![asking_copy(&asking)]), helper_copy(&helper)];
    let replies = format!(
        "{}[[reply]]\nagent = \"Helper\"\ntext = \"go on\"\ninput_tokens = 1000\noutput_tokens = 10\n",
        calling("{ name = \"consult\", args = { x = \"1\" } }")
    );
    let steps = |call| vec![Do::Spawn(0), Do::Spawn(1), Do::Ask(call)];
    let ran = Scenario::new(agents(), steps(ask(0, "go"))).replies(&replies).run();
    assert_eq!(ran.notes, ["done"]);
    let of = |kind: Kind, agent: &str| {
        ran.records.iter().find(|record| record.kind == kind && record.agent.as_deref() == Some(agent)).unwrap()
    };
    let (outer, tool, inner) = (of(Kind::Invocation, "Worker"), of(Kind::ToolCall, "Worker"), of(Kind::Invocation, "Helper"));
    assert_eq!((tool.parent_span, inner.parent_span), (Some(outer.span_id), Some(tool.span_id)));
    // A budget that holds for one call at a time does not hold for the call and the one within it.
    let narrow = Scenario::new(agents(), steps(ask(0, "go").budget(3_000_000_000))).replies(&replies).run();
    assert_eq!(narrow.notes.len(), 1);
    assert!(narrow.report.spent <= 3_000_000_000, "{}", narrow.report.spent);
}

fn asking_copy(spec: &ToolSpec) -> ToolSpec {
    ToolSpec {
        name: spec.name,
        parameters: spec.parameters.clone(),
        capabilities: spec.capabilities.clone(),
        paths: spec.paths.clone(),
        body: spec.body,
    }
}

fn helper_copy(spec: &AgentSpec) -> AgentSpec {
    agent(spec.name, spec.clauses.clone())
}

#[test]
fn a_call_that_leads_back_to_itself_ends_at_the_depth_limit() {
    let again = || ToolSpec {
        capabilities: vec![Capability::Agent],
        ..tool("again", |context, _| ask_within_tool(context, 0, "deeper"))
    };
    let replies = "[[reply]]\nturn = 1\ntool_calls = [{ name = \"again\", args = { x = \"1\" } }]\n[[reply]]\ncontains = \"CallCycle\"\ntext = \"the bottom\"\n[[reply]]\ntext = \"up\"\n";
    let ran = Scenario::new(vec![worker(vec![again()])], one_call()).replies(replies).run();
    assert_eq!(ran.notes, ["up"]);
    assert_eq!(ran.records.iter().filter(|record| record.kind == Kind::Invocation).count(), 16);
    let cycles = ran.records.iter().filter(|record| record.error_kind.as_deref() == Some("CallCycle"));
    assert_eq!(cycles.count(), 1);
    let mut ordered = worker(vec![again()]);
    ordered.clauses.push(("history", Clause::List(vec!["ordered".into()])));
    let ran = Scenario::new(vec![ordered], one_call()).replies(replies).run();
    assert_eq!(ran.notes, ["the bottom"]);
}

#[test]
fn a_crash_after_a_tool_changed_something_does_not_repeat_the_call() {
    let write = || ToolSpec { capabilities: vec![Capability::FileWrite], ..tool("write", echo) };
    let steps =
        vec![Do::Spawn(0), Do::Beside(vec![ask(0, "go").step()]), Do::Sleep(Duration::from_millis(500)), Do::Kill(0), Do::Wait];
    let replies = "[[reply]]\nturn = 1\ntool_calls = [{ name = \"write\", args = { x = \"1\" } }]\n[[reply]]\nturn = 2\ntext = \"late\"\nlatency = \"1s\"\n";
    let ran = Scenario::new(vec![worker(vec![write()])], steps).replies(replies).run();
    assert!(
        ran.notes[0].starts_with("AgentFailed: the agent ended within the call (killed), after a tool had changed"),
        "{}",
        ran.notes[0]
    );
}

#[test]
fn a_reply_cut_at_its_declared_length_is_given_with_a_warning() {
    let mut agents = vec![worker(vec![])];
    agents[0].clauses.push(("max_tokens", 10.into()));
    let replies = "[[reply]]\ntext = \"half a sen\"\nstop_reason = \"max_tokens\"\n";
    let ran = Scenario::new(agents, one_call()).replies(replies).run();
    assert_eq!(ran.notes, ["half a sen"]);
    assert_eq!(ran.warnings, ["Worker: the reply was cut at `max_tokens 10`; a larger value lets it finish"]);
}

#[test]
fn a_tool_that_does_not_declare_it_may_not_call_agents() {
    let plain = tool("consult", |context, _| ask_within_tool(context, 1, "what now?"));
    let agents = vec![worker(vec![plain]), agent("Helper", vec![("model", "claude-haiku-5-5".into())])];
    let replies = "[[reply]]\nturn = 1\ntool_calls = [{ name = \"consult\", args = { x = \"1\" } }]\n[[reply]]\nturn = 2\ncontains = \"CapabilityDenied\"\ntext = \"told\"\n";
    let ran = Scenario::new(agents, vec![Do::Spawn(0), Do::Spawn(1), ask(0, "go").step()]).replies(replies).run();
    assert_eq!(ran.notes, ["told"]);
    assert_eq!(ran.totals.calls, 2);
}
