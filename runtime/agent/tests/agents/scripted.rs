//! The scripted model under virtual time: everything above the provider is the production path.

use std::time::Duration;

use vega_bytecode::Type;
use vega_bytecode::module::Capability;
use vega_runtime::capability::Grants;
use vega_runtime::native::SupervisionValues;
use vega_trace::{Kind, Status};

use crate::support::{AgentSpec, Clause, Do, Scenario, agent, ask, stop};

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn coder() -> Vec<AgentSpec> {
    vec![agent("Coder", vec![("model", "claude-sonnet-5-5".into()), ("system", "You write code.".into())])]
}

#[test]
fn a_call_gives_the_scripted_reply_and_is_counted() {
    let ran = Scenario::new(coder(), vec![Do::Spawn(0), ask(0, "hi").step()])
        .replies("[[reply]]\nagent = \"Coder\"\ncontains = \"hi\"\ntext = \"Hello.\"\ninput_tokens = 100\noutput_tokens = 10\n")
        .run();
    assert_eq!(ran.notes, ["Hello."]);
    assert_eq!((ran.totals.calls, ran.totals.input_tokens, ran.totals.output_tokens), (1, 100, 10));
    assert!(ran.totals.cost_pico > 0);
    assert_eq!(ran.report.spent, ran.totals.cost_pico);
    let kinds: Vec<Kind> = ran.records.iter().map(|record| record.kind).collect();
    assert_eq!(kinds, [Kind::ModelCall, Kind::Invocation]);
    assert_eq!(ran.records[0].parent_span, Some(ran.records[1].span_id));
    assert_eq!(ran.records[1].cost_pico, Some(ran.totals.cost_pico));
    assert!(ran.records[1].coordinate.starts_with("main:"), "{}", ran.records[1].coordinate);
    assert_eq!(ran.records[0].coordinate, format!("{}/step:1", ran.records[1].coordinate));
}

#[test]
fn a_conversation_goes_on_and_an_agent_without_history_begins_anew() {
    let replies = "[[reply]]\ncontains = \"second\"\ntext = \"2\"\n[[reply]]\ntext = \"1\"\n";
    let steps = vec![Do::Spawn(0), ask(0, "first").step(), ask(0, "second").step()];
    let talking = Scenario::new(coder(), steps.clone()).replies(replies).run();
    assert_eq!(talking.notes, ["1", "2"]);
    let input = |ran: &crate::support::Ran| -> Vec<u64> {
        ran.records.iter().filter(|record| record.kind == Kind::ModelCall).map(|record| record.input_tokens).collect()
    };
    let [first, second] = input(&talking)[..] else { panic!("two calls") };
    let mut forgetful = coder();
    forgetful[0].clauses.push(("history", Clause::List(vec!["none".into()])));
    let [alone, again] = input(&Scenario::new(forgetful, steps).replies(replies).run())[..] else { panic!("two calls") };
    assert_eq!(first, alone);
    assert!(second > again, "the second request carries the first round: {second} {again}");
}

#[test]
fn a_round_joins_where_the_program_says_so() {
    // The first reply joins only after the second call.
    let steps = vec![
        Do::Spawn(0),
        ask(0, "one").later(1).step(),
        ask(0, "two").later(2).step(),
        Do::Join(1),
        Do::Join(2),
        ask(0, "three").step(),
    ];
    let ran = Scenario::new(coder(), steps).replies("[[reply]]\ntext = \"ok\"\n").run();
    let input: Vec<u64> =
        ran.records.iter().filter(|record| record.kind == Kind::ModelCall).map(|record| record.input_tokens).collect();
    let [one, two, three] = input[..] else { panic!("three calls: {input:?}") };
    assert_eq!(one, two);
    assert!(three > two + 10, "{input:?}");
}

#[test]
fn an_overload_is_retried_with_backoff_and_recorded() {
    let ran = Scenario::new(coder(), vec![Do::Spawn(0), ask(0, "hi").step()])
        .replies("[[reply]]\nerror = \"overloaded\"\ntimes = 2\n[[reply]]\ntext = \"at last\"\n")
        .run();
    assert_eq!(ran.notes, ["at last"]);
    assert_eq!((ran.totals.calls, ran.totals.retries), (3, 2));
    let retries: Vec<_> = ran.records.iter().filter(|record| record.kind == Kind::Retry).collect();
    assert_eq!(retries.len(), 2);
    assert_eq!(retries[0].error_kind.as_deref(), Some("Overloaded"));
    let invocation = ran.records.iter().find(|record| record.kind == Kind::Invocation).unwrap();
    assert_eq!((invocation.retries, invocation.status), (2, Status::Ok));
}

#[test]
fn after_the_last_attempt_the_error_of_its_kind_is_raised() {
    let raised = |fault: &str| {
        let replies = format!("[[reply]]\nerror = \"{fault}\"\n");
        let ran = Scenario::new(coder(), vec![Do::Spawn(0), ask(0, "hi").step(), ask(0, "again").step()]).replies(&replies).run();
        assert_eq!(ran.notes.len(), 2, "the agent lives on");
        ran.notes[0].clone()
    };
    assert!(raised("overloaded").starts_with("Overloaded: "));
    assert!(raised("rate_limit").starts_with("RateLimited: "));
    assert!(raised("invalid_request").starts_with("ProviderError: "));
    assert!(raised("timeout").starts_with("Timeout: "));
    assert!(raised("disconnect").starts_with("ProviderError: "));
}

#[test]
fn a_retry_after_is_waited_for_and_one_beyond_the_time_limit_raises_at_once() {
    let replies = "[[reply]]\nerror = \"rate_limit\"\nretry_after = \"20s\"\ntimes = 1\n[[reply]]\ntext = \"ok\"\n";
    let steps = |call| vec![Do::Spawn(0), Do::Ask(call), Do::Clock];
    let ran = Scenario::new(coder(), steps(ask(0, "hi"))).replies(replies).run();
    assert_eq!(ran.notes[0], "ok");
    let waited: u64 = ran.notes[1].trim_end_matches(" ms").parse().unwrap();
    assert!((20_000..=25_000).contains(&waited), "{waited}");
    let ran = Scenario::new(coder(), steps(ask(0, "hi").timeout(ms(5_000)))).replies(replies).run();
    assert!(ran.notes[0].starts_with("RateLimited: "), "{}", ran.notes[0]);
    assert_eq!(ran.notes[1], "0 ms");
}

#[test]
fn the_time_limit_of_a_call_takes_the_place_of_the_agent_s() {
    let replies = "[[reply]]\ntext = \"late\"\nlatency = \"3s\"\n";
    let steps =
        vec![Do::Spawn(0), ask(0, "hi").timeout(ms(1_000)).step(), Do::Clock, ask(0, "hi").timeout(ms(4_000)).step(), Do::Clock];
    let ran = Scenario::new(coder(), steps).replies(replies).run();
    assert!(ran.notes[0].starts_with("Timeout: `Coder` had no reply within 1s"), "{}", ran.notes[0]);
    assert_eq!(ran.notes[1..], ["1000 ms", "late", "4000 ms"]);
    let call = &ran.records[0];
    assert_eq!((call.error_kind.as_deref(), call.estimated), (Some("Timeout"), true));
}

#[test]
fn calls_of_several_processes_overlap_unless_the_agent_limits_them() {
    let replies = "[[reply]]\ntext = \"ok\"\nlatency = \"100ms\"\n";
    let steps = || {
        let mut steps = vec![Do::Spawn(0)];
        steps.extend((0..8).map(|_| Do::Beside(vec![ask(0, "hi").quiet().step()])));
        steps.extend([Do::Wait, Do::Clock]);
        steps
    };
    assert_eq!(Scenario::new(coder(), steps()).replies(replies).run().notes, ["100 ms"]);
    let mut limited = coder();
    limited[0].clauses.push(("rate_limit.concurrent", 2.into()));
    let ran = Scenario::new(limited, steps()).replies(replies).run();
    assert_eq!(ran.notes, ["400 ms"]);
    let mut queued: Vec<u128> =
        ran.records.iter().filter(|record| record.kind == Kind::Invocation).map(|record| record.queued.as_millis()).collect();
    queued.sort_unstable();
    assert_eq!(queued, [0, 0, 100, 100, 200, 200, 300, 300]);
    let mut ordered = coder();
    ordered[0].clauses.push(("history", Clause::List(vec!["ordered".into()])));
    assert_eq!(Scenario::new(ordered, steps()).replies(replies).run().notes, ["800 ms"]);
}

#[test]
fn time_in_the_queue_is_not_the_invocation_s_time() {
    let mut agents = coder();
    agents[0].clauses.push(("rate_limit.concurrent", 1.into()));
    let mut steps = vec![Do::Spawn(0)];
    steps.extend((0..5).map(|_| Do::Beside(vec![ask(0, "hi").timeout(ms(150)).step()])));
    steps.extend([Do::Wait, Do::Clock]);
    let ran = Scenario::new(agents, steps).replies("[[reply]]\ntext = \"ok\"\nlatency = \"100ms\"\n").run();
    assert_eq!(ran.notes, ["ok", "ok", "ok", "ok", "ok", "500 ms"]);
}

#[test]
fn a_budget_lowers_the_answer_and_then_refuses() {
    // The first answer may cost at most what is left for some 1,000 tokens; nothing is left for the second.
    let mut agents = coder();
    agents[0].clauses.push(("budget", Clause::Money(20_000_000_000)));
    let replies = "[[reply]]\ntext = \"ok\"\ninput_tokens = 10\noutput_tokens = 900\n";
    let ran =
        Scenario::new(agents, vec![Do::Spawn(0), ask(0, "hi").step(), ask(0, "hi").budget(1_000).step()]).replies(replies).run();
    assert_eq!(ran.notes[0], "ok");
    assert!(ran.notes[1].starts_with("BudgetExceeded: the call needs up to $0."), "{}", ran.notes[1]);
    assert!(ran.report.spent <= 20_000_000_000);
    assert_eq!(ran.totals.calls, 1);
}

#[test]
fn a_model_without_a_price_is_refused_within_a_budget_and_runs_without_one() {
    let agents = || vec![agent("New", vec![("model", "claude-unheard-of".into())])];
    let steps = |call| vec![Do::Spawn(0), Do::Ask(call)];
    let refused = Scenario::new(agents(), steps(ask(0, "hi").budget(1_000_000_000_000))).run();
    assert!(refused.notes[0].starts_with("AgentFailed: the price of `claude-unheard-of` is not known"), "{}", refused.notes[0]);
    assert_eq!(refused.totals.calls, 0);
    let free = Scenario::new(agents(), steps(ask(0, "hi"))).run();
    assert_eq!((free.totals.calls, free.totals.unpriced_calls), (1, 1));
}

#[test]
fn a_typed_reply_is_decoded_and_repaired_once() {
    let replies = "[[reply]]\ncontains = \"does not fit\"\njson = { value = 7 }\n[[reply]]\ncontains = \"stubborn\"\ntext = \"no\"\ntimes = 1\n[[reply]]\ncontains = \"plain\"\njson = { value = 5 }\n";
    let number = |message: &str| ask(0, message).output(Type::Int).step();
    let ran = Scenario::new(coder(), vec![Do::Spawn(0), number("plain"), number("stubborn")]).replies(replies).run();
    assert_eq!(ran.notes, ["5", "7"]);
    assert_eq!(ran.totals.calls, 3);
    let never = "[[reply]]\ntext = \"never\"\n";
    let ran = Scenario::new(coder(), vec![Do::Spawn(0), number("x")]).replies(never).run();
    assert!(ran.notes[0].starts_with("OutputInvalid: "), "{}", ran.notes[0]);
    assert_eq!(ran.totals.calls, 2);
}

#[test]
fn a_killed_agent_is_restarted_and_its_call_repeated_with_the_conversation() {
    let replies = "[[reply]]\ncontains = \"one\"\ntext = \"first\"\n[[reply]]\ntext = \"slow\"\nlatency = \"1s\"\n";
    let steps = vec![
        Do::Spawn(0),
        ask(0, "one").step(),
        Do::Beside(vec![ask(0, "two").step()]),
        Do::Sleep(ms(500)),
        Do::Kill(0),
        Do::Wait,
        Do::Clock,
    ];
    let ran = Scenario::new(coder(), steps).replies(replies).run();
    assert_eq!(ran.notes, ["first", "slow", "1500 ms"]);
    let calls: Vec<_> = ran.records.iter().filter(|record| record.kind == Kind::ModelCall).collect();
    assert_eq!(calls.len(), 3);
    assert_eq!(calls[1].status, Status::Cancelled);
    assert_eq!(calls[1].input_tokens > 0, calls[1].estimated);
    assert!(calls[2].input_tokens > calls[0].input_tokens, "the repeated request carries the first round");
}

#[test]
fn a_request_that_ends_its_agent_twice_fails_as_poison() {
    let steps = vec![
        Do::Spawn(0),
        Do::Beside(vec![ask(0, "two").step()]),
        Do::Sleep(ms(100)),
        Do::Kill(0),
        Do::Sleep(ms(100)),
        Do::Kill(0),
        Do::Wait,
        ask(0, "three").step(),
    ];
    let replies = "[[reply]]\ncontains = \"two\"\ntext = \"never\"\nlatency = \"1s\"\n[[reply]]\ntext = \"fine\"\n";
    let ran = Scenario::new(coder(), steps).replies(replies).run();
    assert!(ran.notes[0].starts_with("AgentFailed: poison: "), "{}", ran.notes[0]);
    assert_eq!(ran.notes[1], "fine");
}

#[test]
fn a_stopped_agent_fails_its_calls() {
    let steps = vec![
        Do::SpawnWith(0, stop()),
        Do::Beside(vec![ask(0, "two").step()]),
        Do::Sleep(ms(100)),
        Do::Kill(0),
        Do::Wait,
        ask(0, "three").step(),
    ];
    let ran = Scenario::new(coder(), steps).replies("[[reply]]\ntext = \"never\"\nlatency = \"1s\"\n").run();
    assert_eq!(ran.notes, ["ProcessDown: killed", "ProcessDown: killed"]);
}

#[test]
fn beyond_its_restarts_an_agent_stays_down_with_the_reason() {
    let mut steps = vec![Do::Spawn(0)];
    for _ in 0..4 {
        steps.extend([Do::Sleep(ms(10)), Do::Kill(0)]);
    }
    steps.extend([Do::Sleep(ms(10)), ask(0, "hi").step()]);
    let ran = Scenario::new(coder(), steps).run();
    assert!(ran.notes[0].starts_with("AgentFailed: restart_intensity: "), "{}", ran.notes[0]);
}

#[test]
fn the_end_of_the_caller_cancels_its_call() {
    let steps = vec![
        Do::Spawn(0),
        Do::Beside(vec![ask(0, "slow").step()]),
        Do::Sleep(ms(100)),
        Do::KillBeside(0),
        Do::Sleep(ms(100)),
        ask(0, "fast").step(),
    ];
    let replies = "[[reply]]\ncontains = \"slow\"\ntext = \"never\"\nlatency = \"1h\"\n[[reply]]\ntext = \"ok\"\n";
    let ran = Scenario::new(coder(), steps).replies(replies).run();
    assert_eq!(ran.notes, ["ok"]);
    let cancelled = ran.records.iter().filter(|record| record.status == Status::Cancelled);
    assert_eq!(cancelled.map(|record| record.kind).collect::<Vec<_>>(), [Kind::ModelCall, Kind::Invocation]);
}

#[test]
fn clauses_that_make_no_sense_are_errors_at_the_spawn() {
    let problem = |key: &'static str, clause: Clause| {
        let ran = Scenario::new(vec![agent("Odd", vec![(key, clause)])], vec![Do::Spawn(0)]).run();
        ran.notes[0].clone()
    };
    assert_eq!(
        problem("max_tokens", 0.into()),
        "InvalidArgument: agent `Odd`: `max_tokens` must be a whole number from 1 on, not 0"
    );
    assert!(
        problem("retry.on", Clause::List(vec!["bad_luck".into()])).contains("does not know `bad_luck`; there are rate_limit")
    );
    assert!(problem("colour", "red".into()).contains("`colour` is no clause"));
    assert!(problem("history", Clause::List(vec!["gossip".into()])).contains("`gossip`"));
}

#[test]
fn the_same_program_gives_the_same_trace() {
    let run = || {
        let mut steps = vec![Do::Spawn(0)];
        steps.extend((0..5).map(|number| Do::Beside(vec![ask(0, &format!("call {number}")).step()])));
        steps.push(Do::Wait);
        let replies = "[[reply]]\nerror = \"overloaded\"\ntimes = 3\n[[reply]]\ntext = \"ok\"\nlatency = \"50ms\"\n";
        let ran = Scenario::new(coder(), steps).replies(replies).run();
        let lines = ran.records.iter().map(|record| (record.kind, record.span_id, record.latency, record.retries));
        lines.collect::<Vec<_>>()
    };
    assert_eq!(run(), run());
}

#[test]
fn a_program_without_the_right_to_call_agents_is_refused() {
    let mut grants = Grants::standard(std::env::temp_dir());
    grants.deny(Capability::Agent);
    let ran = Scenario::new(coder(), vec![Do::Spawn(0), ask(0, "hi").step()]).grants(grants).run();
    assert!(ran.notes[0].starts_with("CapabilityDenied: "), "{}", ran.notes[0]);
    assert_eq!((ran.totals.calls, ran.report.spent), (0, 0));
}

#[test]
fn a_reply_cut_because_the_budget_lowered_it_is_truncated_and_says_to_what() {
    let mut agents = coder();
    agents[0].clauses.push(("budget", Clause::Money(20_000_000_000)));
    let replies = "[[reply]]\ntext = \"half a sen\"\nstop_reason = \"max_tokens\"\n";
    let ran = Scenario::new(agents, vec![Do::Spawn(0), ask(0, "hi").step()]).replies(replies).run();
    assert!(ran.notes[0].starts_with("Truncated: the answer was cut at ") && !ran.notes[0].contains("8192"), "{}", ran.notes[0]);
}

/// Callers, kills of callers and of the agent, faults and latencies in a random order: every call that is not cancelled is answered
/// once, no permit is lost, and no budget is exceeded.
#[test]
fn nothing_is_lost_whatever_ends_when() {
    for seed in 0..60 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut agents = coder();
        agents[0].clauses.push(("rate_limit.concurrent", random.i64(1..4).into()));
        if random.bool() {
            agents[0].clauses.push(("history", Clause::List(vec!["ordered".into()])));
        }
        let replies: String = (0..20)
            .map(|number| {
                let answer = ["text = \"ok\"", "text = \"ok\"", "error = \"overloaded\"", "error = \"disconnect\""];
                let answer = answer[random.usize(0..answer.len())];
                format!("[[reply]]\ncontains = \"call {number}.\"\n{answer}\nlatency = \"{}ms\"\n", random.u64(0..2_000))
            })
            .collect();
        let supervision = SupervisionValues { max_restarts: 100, ..SupervisionValues::default() };
        let mut steps = vec![Do::SpawnWith(0, supervision)];
        let mut begun = 0;
        let mut killed = 0;
        for _ in 0..60 {
            match random.u32(0..10) {
                0..6 if begun < 20 => {
                    steps.push(Do::Beside(vec![ask(0, &format!("call {begun}.")).step()]));
                    begun += 1;
                }
                6 => steps.extend([Do::Sleep(ms(random.u64(1..300))), Do::Kill(0)]),
                // Callers are killed in their order, so that each is killed at most once.
                7 if killed < begun => {
                    steps.push(Do::KillBeside(killed));
                    killed += 1;
                }
                _ => steps.push(Do::Sleep(ms(random.u64(1..500)))),
            }
        }
        steps.extend([Do::Sleep(Duration::from_secs(3_600)), ask(0, "the last one").step()]);
        let limit = 2_000_000_000_000;
        let ran = Scenario::new(agents, steps).replies(&replies).budget(limit).run();
        let last = ran.notes.last().unwrap();
        assert_eq!(last, "Coder (scripted) answers: the last one", "seed {seed}");
        let answered = ran.notes.len() - 1;
        assert!((begun - killed..=begun).contains(&answered), "seed {seed}: {answered} of {begun} calls, {killed} killed");
        assert!(ran.report.spent <= limit && ran.report.spent == ran.totals.cost_pico, "seed {seed}");
    }
}
