//! Budgets under load: who waits, who is refused, and that every amount adds up.

use std::time::Duration;

use proptest::prelude::*;
use vega_bytecode::Type;
use vega_bytecode::module::Capability;
use vega_runtime::native::SupervisionValues;
use vega_trace::{Kind, Record};

use crate::support::{AgentSpec, Clause, Do, Ran, Scenario, ToolSpec, agent, ask, ask_within_tool};

/// 10^-12 dollars in a tenth of a cent.
const MILL: i64 = 1_000_000_000;

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn coder() -> AgentSpec {
    agent("Coder", vec![("model", "claude-sonnet-5-5".into())])
}

/// Calls side by side, then the time at which all are over.
fn at_once(calls: usize) -> Vec<Do> {
    let mut steps = vec![Do::Spawn(0)];
    steps.extend((0..calls).map(|number| Do::Beside(vec![ask(0, &format!("call {number}.")).step()])));
    steps.extend([Do::Wait, Do::Clock]);
    steps
}

fn model_calls(ran: &Ran) -> impl Iterator<Item = &Record> {
    ran.records.iter().filter(|record| record.kind == Kind::ModelCall)
}

#[test]
fn what_others_have_reserved_is_waited_for_and_no_answer_is_shortened() {
    // A call reserves 8,192 tokens of answer, a little over 8 cents: three fit at a time, though all five cost a cent together.
    let replies = "[[reply]]\ntext = \"ok\"\nlatency = \"10ms\"\ninput_tokens = 100\noutput_tokens = 200\n";
    let ran = Scenario::new(vec![coder()], at_once(5)).replies(replies).budget(300 * MILL).run();
    assert_eq!(ran.notes, ["ok", "ok", "ok", "ok", "ok", "20 ms"]);
    assert_eq!(ran.report.spent, 5 * (100 * 2_000_000 + 200 * 10_000_000));
    let mut queued: Vec<Duration> =
        ran.records.iter().filter(|record| record.kind == Kind::Invocation).map(|record| record.queued).collect();
    queued.sort_unstable();
    assert_eq!(queued, [ms(0), ms(0), ms(0), ms(10), ms(10)], "waiting for room shows as time in a queue");
}

#[test]
fn waiting_for_room_does_not_use_up_the_time_of_a_call() {
    let replies = "[[reply]]\ntext = \"ok\"\nlatency = \"900ms\"\ninput_tokens = 100\noutput_tokens = 200\n";
    let mut agent = coder();
    agent.clauses.push(("timeout", ms(1_000).into()));
    let ran = Scenario::new(vec![agent], at_once(4)).replies(replies).budget(100 * MILL).run();
    assert_eq!(ran.notes, ["ok", "ok", "ok", "ok", "3600 ms"], "one at a time, each within its second");
}

#[test]
fn who_waits_for_room_and_is_ended_gives_its_place_to_the_next() {
    let replies = "[[reply]]\ntext = \"ok\"\nlatency = \"1s\"\ninput_tokens = 100\noutput_tokens = 200\n";
    let call = |number: u32| Do::Beside(vec![ask(0, &format!("call {number}.")).step()]);
    let steps = vec![
        Do::Spawn(0),
        call(0),
        Do::Sleep(ms(10)),
        call(1),
        call(2),
        Do::Sleep(ms(10)),
        Do::KillBeside(1),
        Do::Wait,
        Do::Clock,
        ask(0, "the last one").step(),
    ];
    let ran = Scenario::new(vec![coder()], steps).replies(replies).budget(100 * MILL).run();
    assert_eq!(ran.notes, ["ok", "ok", "2000 ms", "ok"]);
}

#[test]
fn a_budget_that_runs_dry_lowers_the_last_answer_and_refuses_the_rest() {
    let replies = "[[reply]]\ntext = \"ok\"\nlatency = \"10ms\"\ninput_tokens = 100\noutput_tokens = 200\n";
    let ran = Scenario::new(vec![coder()], at_once(20)).replies(replies).budget(20 * MILL).run();
    let answered = ran.notes.iter().filter(|note| *note == "ok").count();
    let refused = ran.notes.iter().filter(|note| note.starts_with("BudgetExceeded: ")).count();
    // Each costs 2.2 mills; the last one may begin while 256 tokens, 2.56 mills, and its own message are left.
    assert_eq!((answered, refused), (8, 12), "{:?}", ran.notes);
    assert_eq!(ran.report.spent, 8 * 2_200_000_000);
}

#[test]
fn an_overrun_is_booked_and_reported_and_nothing_more_is_admitted() {
    // The provider bills three times what it was asked for at most.
    let replies = "[[reply]]\ntext = \"ok\"\ninput_tokens = 100\noutput_tokens = 24576\n";
    let steps = vec![Do::Spawn(0), ask(0, "one").step(), ask(0, "two").step()];
    let ran = Scenario::new(vec![coder()], steps).replies(replies).budget(100 * MILL).run();
    assert_eq!(ran.notes[0], "ok");
    assert!(ran.notes[1].starts_with("BudgetExceeded: "), "{}", ran.notes[1]);
    let billed = 100 * 2_000_000 + 24_576 * 10_000_000;
    assert_eq!((ran.report.spent, ran.totals.cost_pico, ran.totals.calls), (billed, billed, 1));
    assert!(ran.warnings.iter().any(|warning| warning.contains("the budget is overrun")), "{:?}", ran.warnings);
    let record = model_calls(&ran).next().unwrap();
    assert!(record.attributes.iter().any(|(name, _)| name == "budget_overrun"), "{record:?}");
}

/// What one caller does, and what its call meets.
#[derive(Clone, Debug)]
struct Caller {
    /// Which agent it asks: without tools, or with one that asks another agent.
    asks_tool_user: bool,
    /// The budget of the call, in mills.
    budget: Option<i64>,
    begins_ms: u64,
    latency_ms: u64,
    output_tokens: u64,
    fault: Option<&'static str>,
    typed: bool,
    killed: bool,
}

fn caller() -> impl Strategy<Value = Caller> {
    let fault =
        proptest::option::weighted(0.3, proptest::sample::select(vec!["overloaded", "disconnect", "rate_limit", "timeout"]));
    let budget = proptest::option::of(0_i64..200);
    (any::<bool>(), budget, 0_u64..500, 0_u64..400, 0_u64..250, fault, any::<bool>(), proptest::bool::weighted(0.2)).prop_map(
        |(asks_tool_user, budget, begins_ms, latency_ms, output_tokens, fault, typed, killed)| Caller {
            asks_tool_user,
            budget,
            begins_ms,
            latency_ms,
            output_tokens,
            fault,
            typed,
            killed,
        },
    )
}

/// Two agents without tools, and one whose tool asks the second.
fn agents(concurrent: Option<i64>) -> Vec<AgentSpec> {
    let mut first = coder();
    first.clauses.extend(concurrent.map(|limit| ("rate_limit.concurrent", limit.into())));
    let consult = ToolSpec {
        name: "consult",
        parameters: vec![("x", Type::Str)],
        capabilities: vec![Capability::Agent],
        paths: None,
        body: |context, _| ask_within_tool(context, 1, "inner"),
    };
    let inner = vec![("model", "claude-haiku-5-5".into()), ("budget", Clause::Money(5 * MILL)), ("max_tokens", 1_000.into())];
    vec![first, agent("Inner", inner), AgentSpec { tools: vec![consult], ..agent("Outer", vec![("model", "gpt-5.4".into())]) }]
}

fn replies(callers: &[Caller]) -> String {
    let mut text = String::new();
    for (number, caller) in callers.iter().enumerate() {
        let Caller { latency_ms, output_tokens, .. } = caller;
        let place = format!("contains = \"call {number}.\"\nlatency = \"{latency_ms}ms\"\n");
        if let Some(fault) = caller.fault {
            text += &format!("[[reply]]\n{place}error = \"{fault}\"\ntimes = 2\n");
        }
        let answer = if caller.typed { "42" } else { "ok" };
        if caller.asks_tool_user {
            text += &format!("[[reply]]\nturn = 1\n{place}tool_calls = [{{ name = \"consult\", args = {{ x = \"a\" }} }}]\n");
        }
        text += &format!("[[reply]]\n{place}text = \"{answer}\"\ninput_tokens = 50\noutput_tokens = {output_tokens}\n");
    }
    text + "[[reply]]\ncontains = \"inner\"\ntext = \"inner\"\nlatency = \"30ms\"\ninput_tokens = 20\noutput_tokens = 30\n"
}

proptest! {
    // Each case is a run of its own.
    #![proptest_config(ProptestConfig { max_shrink_iters: 200, ..ProptestConfig::default() })]

    /// The ledger itself checks at every admission that nothing exceeds a limit; here everything that it booked is added up.
    #[test]
    fn every_amount_adds_up_whatever_happens(
        callers in proptest::collection::vec(caller(), 1..8),
        limit in proptest::option::of(0_i64..600),
        concurrent in proptest::option::of(1_i64..3),
        agent_dies_ms in proptest::option::weighted(0.2, 1_u64..600),
        seed: u64,
    ) {
        let supervision = || SupervisionValues { max_restarts: 100, ..SupervisionValues::default() };
        let mut steps: Vec<Do> = (0..3).map(|agent| Do::SpawnWith(agent, supervision())).collect();
        for (number, caller) in callers.iter().enumerate() {
            let mut call = ask(if caller.asks_tool_user { 2 } else { 0 }, &format!("call {number}."));
            if let Some(mills) = caller.budget {
                call = call.budget(mills * MILL);
            }
            if caller.typed {
                call = call.output(Type::Int);
            }
            steps.push(Do::Beside(vec![Do::Sleep(ms(caller.begins_ms)), call.step()]));
        }
        if let Some(millis) = agent_dies_ms {
            steps.extend([Do::Sleep(ms(millis)), Do::Kill(0)]);
        }
        for (number, _) in callers.iter().enumerate().filter(|(_, caller)| caller.killed) {
            steps.extend([Do::Sleep(ms(50)), Do::KillBeside(number)]);
        }
        steps.extend([Do::Sleep(Duration::from_secs(7_200)), Do::Wait]);
        let mut scenario = Scenario::new(agents(concurrent), steps).replies(&replies(&callers)).seed(seed);
        if let Some(mills) = limit {
            scenario = scenario.budget(mills * MILL);
        }
        let ran = scenario.run();
        let killed = callers.iter().filter(|caller| caller.killed).count();
        prop_assert!((callers.len() - killed..=callers.len()).contains(&ran.notes.len()), "every call is answered once: {:?}", ran.notes);
        prop_assert_eq!(ran.report.reserved, 0);
        let recorded: i64 = model_calls(&ran).map(|record| record.cost_pico.unwrap()).sum();
        prop_assert_eq!((ran.report.spent, ran.totals.cost_pico), (recorded, recorded));
        let by_invocation: i64 =
            ran.records.iter().filter(|record| record.kind == Kind::Invocation).map(|record| record.cost_pico.unwrap()).sum();
        prop_assert_eq!(by_invocation, recorded, "the calls within tools are invocations of their own");
        prop_assert!(limit.is_none_or(|mills| ran.report.spent <= mills * MILL), "{} of {:?} mills", ran.report.spent, limit);
        for record in model_calls(&ran) {
            prop_assert!(record.attributes.iter().all(|(name, _)| name != "budget_overrun"), "{:?}", record);
            let tokens = (record.input_tokens, record.output_tokens);
            let is_exact = tokens == (20, 30) || callers.iter().any(|caller| tokens == (50, caller.output_tokens));
            let is_tool_turn = record.agent.as_deref() == Some("Outer");
            let cost = record.cost_pico.unwrap();
            if record.estimated {
                prop_assert!(cost > 0 && record.output_tokens == 0, "what was sent and not answered: {:?}", record);
            } else {
                prop_assert!(cost == 0 || is_exact || is_tool_turn, "{:?}", record);
            }
        }
    }
}
