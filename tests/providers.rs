//! Providers as `vega.toml` names them, over HTTP: where requests go, what they carry, and that no key leaves its header. And the list
//! of what clients of model servers commonly get wrong, with the tests that keep this one from it.

use std::io::{BufReader, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::Output;

use crate::support::{Folder, MockServer, output, read_request, root, stderr, stdout, vega};

/// A key that appears nowhere else.
const KEY: &str = "sk-very-secret-4711";

/// A project with a program, a configuration, and replies for a server.
fn project(name: &str, config: impl Fn(&str) -> String, replies: &str, program: &str) -> (Folder, MockServer) {
    let folder = Folder::new(name);
    let server = MockServer::start(&folder.write("replies.toml", replies), &[]);
    folder.write("vega.toml", config(&server.url));
    folder.write("main.vega", program);
    (folder, server)
}

fn run(folder: &Path, flags: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = vega();
    command.arg("run").arg(folder.join("main.vega")).args(flags).envs(variables.iter().copied());
    output(&mut command)
}

#[test]
fn a_named_provider_serves_its_models_in_either_protocol() {
    let config = |url: &str| {
        format!(
            "[defaults]\nmodel = 'local/small'\n[models]\nalias = {{ 'big' = 'corp/claude-x' }}\n\
             [providers.local]\nkind = 'openai'\nbase_url = '{url}/v1/'\napi_key_env = 'LOCAL_KEY'\n\
             [providers.corp]\nkind = 'anthropic'\nbase_url = '{url}'\napi_key_env = 'LOCAL_KEY'\nheaders = {{ 'x-team' = 'red' }}\n\
             [prices.'local/small']\ninput = 1\noutput = 2\n"
        )
    };
    let replies = "[[reply]]\nmodel = 'small'\ntext = 'from small'\n[[reply]]\nmodel = 'claude-x'\ntext = 'from x'\n";
    let program = "agent Small { budget $1.00 }\nagent Big { model \"big\" }\n\
                   fn main() { print((spawn Small) <- \"Hi\"); print((spawn Big) <- \"Hi\"); }\n";
    let (folder, _server) = project("providers", config, replies, program);
    let result = run(folder.path(), &["--quiet"], &[("LOCAL_KEY", KEY)]);
    assert_eq!(stdout(&result), "from small\nfrom x\n", "{}", stderr(&result));
    let without = run(folder.path(), &["--quiet"], &[]);
    assert!(stderr(&without).contains("set LOCAL_KEY"), "{}", stderr(&without));
}

#[test]
fn a_provider_that_nobody_named_is_an_error_that_lists_those_that_are_known() {
    let config = |url: &str| format!("[providers.local]\nkind = 'openai'\nbase_url = '{url}'\n");
    let (folder, _server) =
        project("unknown", config, "", "agent A { model \"lokal/m\" }\nfn main() { let a = spawn A; print(1); }\n");
    let result = run(folder.path(), &["--quiet"], &[]);
    assert_eq!(result.status.code(), Some(1));
    assert!(stderr(&result).contains("`local/…`") && stderr(&result).contains("[providers.lokal]"), "{}", stderr(&result));
}

#[test]
fn no_key_leaves_its_header_whatever_goes_wrong() {
    // Servers quote what they were sent, and programs print what they catch.
    let quoting = format!("invalid x-api-key {KEY}");
    let replies = format!(
        "[[reply]]\ncontains = 'good'\ntext = 'fine'\n[[reply]]\ncontains = 'bad'\nhttp = {{ status = 401, body = {{ type = 'error', error = {{ type = 'authentication_error', message = '{quoting}' }} }} }}\n\
         [[reply]]\ncontains = 'page'\nhttp = {{ status = 500, body = '<html><title>{KEY}</title></html>' }}\n[[reply]]\nerror = 'disconnect'\n"
    );
    let program = "agent A { model \"claude-haiku-5-5\" retry { max_attempts 1 } }\n\
                   fn main() {\n    let a = spawn A;\n    for word in [\"good\", \"bad\", \"page\", \"cut\"] {\n\
                   try { print(a <- word); } catch e { print(e, e.message, e.payload); log::warn(e.message); }\n    }\n\
                   print(conversation::save(a));\n    print(a <- \"bad\");\n}\n";
    let (folder, server) = project("secrets", |_| String::new(), &replies, program);
    let trace = folder.path().join("trace.jsonl");
    let trace_flag = trace.to_string_lossy().into_owned();
    let variables = [("ANTHROPIC_API_KEY", KEY), ("ANTHROPIC_BASE_URL", server.url.as_str()), ("VEGA_LOG", "debug")];
    let result = run(folder.path(), &["--trace", &trace_flag], &variables);
    let (out, err) = (stdout(&result), stderr(&result));
    assert!(out.starts_with("fine\n") && err.contains("error: ProviderError"), "{out}{err}");
    let traced = std::fs::read_to_string(&trace).expect("the trace was written");
    assert!(traced.contains("model_call"), "{traced}");
    for (what, text) in [("standard output", out), ("standard error", err), ("the trace", traced)] {
        assert!(!text.contains(KEY), "{what} holds the key\n{text}");
    }
}

#[test]
fn a_password_in_a_base_url_opens_the_server_and_appears_nowhere() {
    const PASSWORD: &str = "staple-correct-0815";
    let replies = "[[reply]]\ncontains = 'good'\ntext = 'fine'\n[[reply]]\ncontains = 'bad'\nerror = 'invalid_request'\n\
                   [[reply]]\ncontains = 'missing'\nhttp = { status = 404 }\n[[reply]]\ncontains = 'cut'\nerror = 'disconnect'\n\
                   [[reply]]\ncontains = 'page'\nhttp = { status = 200, body = '<html></html>' }\n[[reply]]\nhttp = { status = 302 }\n";
    let program = "agent A { model \"claude-haiku-5-5\" retry { max_attempts 1 } circuit_breaker { threshold 100 } }\n\
                   fn main() {\n    let a = spawn A;\n    for word in [\"good\", \"bad\", \"missing\", \"cut\", \"page\", \"moved\"] {\n\
                   try { print(a <- word); } catch e { print(e, e.message, e.payload); log::warn(e.message); }\n\
                   try { for c in a <~ word { print(c); } } catch e { print(e, e.message, e.payload); }\n    }\n\
                   print(a <- \"bad\");\n}\n";
    let (folder, server) = project("url-password", |_| String::new(), replies, program);
    let place = server.url.trim_start_matches("http://").to_owned();
    let trace = folder.path().join("trace.jsonl");
    let trace_flag = trace.to_string_lossy().into_owned();
    let try_with = |url: &str| {
        let variables = [("ANTHROPIC_API_KEY", KEY), ("ANTHROPIC_BASE_URL", url), ("VEGA_LOG", "debug")];
        let result = run(folder.path(), &["--trace", &trace_flag], &variables);
        let traced = std::fs::read_to_string(&trace).unwrap_or_default();
        for (what, text) in [("standard output", stdout(&result)), ("standard error", stderr(&result)), ("the trace", traced)] {
            assert!(!text.contains(PASSWORD) && !text.contains(KEY), "{url}: {what} holds a secret\n{text}");
        }
        stdout(&result)
    };
    let out = try_with(&format!("http://ann:{PASSWORD}@{place}"));
    assert!(out.starts_with("fine\nfine\n") && out.matches("ProviderError").count() >= 10, "{out}");
    for url in [
        format!("http://ann:{PASSWORD}@127.0.0.1:1"),
        format!("http://ann:{PASSWORD}@nowhere.test"),
        format!("https://ann:{PASSWORD}@{place}"),
        format!("http://ann:{PASSWORD}@bad host"),
        format!("http://ann:{PASSWORD}@"),
        format!("ftp://ann:{PASSWORD}@{place}"),
        format!("ann:{PASSWORD}@{place}"),
    ] {
        let out = try_with(&url);
        assert!(out.contains("ProviderError"), "{url}: {out}");
    }
}

#[test]
fn a_typed_reply_is_asked_for_by_instructions_where_the_model_has_no_other_way() {
    let replies =
        "[[reply]]\nsystem = 'valid for this JSON Schema'\ntext = 'Here it is: {\"score\": 7} - done.'\n[[reply]]\ntext = '{}'\n";
    let program = "struct Review { score: int }\nagent A { model \"claude-sonnet-4-20250514\" }\n\
                   fn main() { let r: Review = (spawn A) <- \"Review.\"; print(r.score); }\n";
    let (folder, server) = project("instructed", |_| String::new(), replies, program);
    let variables = [("ANTHROPIC_API_KEY", KEY), ("ANTHROPIC_BASE_URL", server.url.as_str())];
    let result = run(folder.path(), &["--quiet"], &variables);
    assert_eq!(stdout(&result), "7\n", "{}", stderr(&result));
}

/// What clients commonly get wrong, with a test of it: the file, and the name of the function.
const COMMON_MISTAKES: &[(&str, &str, &str)] = &[
    (
        "cached input counted twice or not at all",
        "runtime/agent/src/provider/tests.rs",
        "an_openai_answer_is_decoded_into_the_same_form",
    ),
    (
        "cached input counted twice or not at all",
        "runtime/agent/src/provider/tests.rs",
        "an_anthropic_answer_is_decoded_with_unknown_blocks_kept",
    ),
    (
        "usage of a stream added up instead of overwritten, or taken from its beginning alone",
        "runtime/agent/src/provider/stream/tests.rs",
        "usage_overwrites_and_unknown_events_are_skipped",
    ),
    (
        "a stream that ends too early taken for an answer",
        "runtime/agent/src/provider/stream/tests.rs",
        "a_stream_that_ends_too_early_is_a_failure_with_what_arrived",
    ),
    (
        "an error within a stream overlooked",
        "tests/streams.rs",
        "a_stream_that_breaks_raises_its_kind_with_what_had_come_and_is_not_repeated",
    ),
    ("an error within a stream kept from the retries", "tests/streams.rs", "what_fails_before_the_first_chunk_is_tried_again"),
    (
        "arguments of tools read piece by piece, and characters cut between pieces",
        "runtime/agent/src/provider/stream/tests.rs",
        "a_stream_reads_as_the_whole_answer_however_it_is_cut_into_pieces",
    ),
    (
        "line ends and joined data lines of a stream",
        "runtime/net/src/sse.rs",
        "all_three_line_ends_and_joined_data_lines_are_understood",
    ),
    ("comments in a stream", "runtime/net/src/sse.rs", "comments_unknown_fields_and_a_byte_order_mark_are_skipped"),
    ("a line without end in a stream", "runtime/net/src/sse.rs", "an_endless_line_is_refused"),
    (
        "a usage chunk without choices, calls known by their id, `[DONE]` read as JSON",
        "runtime/agent/src/provider/stream/tests.rs",
        "servers_that_imitate_openai_are_understood",
    ),
    (
        "an overload counted against one's own rate limit",
        "runtime/agent/tests/agents/pressure.rs",
        "an_overload_of_the_provider_is_no_limit_of_ones_own",
    ),
    (
        "faults of the program counted as failures of the provider",
        "runtime/agent/tests/agents/pressure.rs",
        "only_failures_of_the_provider_count",
    ),
    (
        "a header that says whether to try again ignored",
        "runtime/agent/tests/agents/pressure.rs",
        "the_header_that_says_whether_to_retry_is_heeded",
    ),
    (
        "no time limit on connecting",
        "runtime/net/src/tests.rs",
        "a_connection_that_nobody_takes_is_a_timeout_in_which_nothing_was_sent",
    ),
    (
        "signs of life taken for silence, or silence never noticed",
        "tests/streams.rs",
        "a_stalled_stream_is_a_timeout_and_signs_of_life_keep_it_going",
    ),
    (
        "a stream that broke or was left not booked at all",
        "tests/streams.rs",
        "a_stream_that_is_left_closes_its_connection_and_is_booked_as_an_estimate",
    ),
    (
        "pictures and documents that a protocol does not take sent all the same",
        "runtime/agent/src/provider/media.rs",
        "what_a_protocol_does_not_take_is_refused_before_the_call",
    ),
    (
        "a schema that promises what the decoder refuses",
        "runtime/agent/tests/agents/forms.rs",
        "the_schema_of_a_type_and_the_decoder_of_its_values_agree",
    ),
    (
        "a spend limit retried like a rate limit",
        "runtime/agent/src/error/classify.rs",
        "a_rate_limit_waits_as_told_but_a_spend_limit_is_never_retried",
    ),
    (
        "`retry-after` read as whole seconds alone",
        "runtime/agent/src/error/retry_after.rs",
        "every_form_of_retry_after_is_understood",
    ),
    (
        "a pause that ends before `retry-after`",
        "runtime/agent/src/retry.rs",
        "a_retry_after_is_never_cut_short_even_above_the_bound",
    ),
    ("529, 503 and 429 taken for one another", "runtime/agent/src/error/classify.rs", "each_status_has_its_kind_and_its_class"),
    (
        "results of a turn in several messages",
        "runtime/agent/src/provider/tests.rs",
        "an_anthropic_request_has_all_results_of_a_turn_in_one_message_before_its_text",
    ),
    (
        "several results in one message of OpenAI's",
        "runtime/agent/src/provider/tests.rs",
        "an_openai_request_has_one_message_for_each_result",
    ),
    (
        "a call of a tool without a result",
        "runtime/agent/src/turn/tests.rs",
        "of_792_calls_in_one_turn_as_many_run_as_are_allowed_and_all_are_answered",
    ),
    (
        "empty arguments that are no object",
        "runtime/agent/src/provider/tests.rs",
        "an_openai_answer_is_decoded_into_the_same_form",
    ),
    (
        "a tool run whose call was cut",
        "runtime/agent/src/turn/tests.rs",
        "a_cut_answer_is_returned_with_a_warning_or_raised_where_that_would_mislead",
    ),
    (
        "calls overlooked because of the stop reason",
        "runtime/agent/src/turn/tests.rs",
        "tools_are_run_even_where_the_stop_reason_does_not_say_so",
    ),
    (
        "a temperature sent to models that refuse it",
        "runtime/agent/src/price/tests.rs",
        "current_models_take_no_temperature_and_the_specification_s_example_does",
    ),
    (
        "a temperature sent unasked",
        "runtime/agent/src/provider/tests.rs",
        "optional_fields_are_sent_only_where_the_program_asks_for_them",
    ),
    (
        "`max_tokens` under the wrong name",
        "runtime/agent/src/provider/settings.rs",
        "a_named_provider_has_its_own_address_headers_and_key",
    ),
    (
        "base URLs with and without `/v1` and slashes",
        "runtime/agent/src/provider/tests.rs",
        "the_environment_decides_where_requests_go_and_who_pays",
    ),
    ("error bodies that nobody documented", "runtime/agent/src/error/classify.rs", "bodies_that_nobody_documented_are_described"),
    (
        "an answer of another form under status 200",
        "runtime/agent/src/provider/tests.rs",
        "a_body_that_is_no_answer_is_a_clear_error",
    ),
    ("one price for every prompt", "runtime/agent/src/price/tests.rs", "the_whole_prompt_decides_the_tier_of_every_token"),
    (
        "an unknown model that costs nothing",
        "runtime/agent/src/price/tests.rs",
        "an_unknown_model_has_no_price_but_a_dated_name_finds_its_model",
    ),
    ("a price that changes on a day", "runtime/agent/src/price/tests.rs", "an_entry_holds_until_its_day"),
    (
        "a time limit for the whole answer instead of its silence",
        "runtime/net/src/tests.rs",
        "silence_before_and_in_the_middle_of_an_answer_is_a_timeout",
    ),
    (
        "repeated and failed calls booked wrongly",
        "runtime/agent/tests/agents/budgets.rs",
        "every_amount_adds_up_whatever_happens",
    ),
];

#[test]
fn each_common_mistake_has_a_test() {
    for (mistake, file, test) in COMMON_MISTAKES {
        let text = std::fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
        assert!(text.contains(&format!("fn {test}(")), "{mistake}: {file} has no test `{test}`");
    }
}

#[test]
fn the_comment_of_a_tool_is_what_the_model_reads() {
    let folder = Folder::new("tool-comment");
    let program = folder.write(
        "main.vega",
        r#"
        agent Reader {
            model "claude-haiku-5-5"
            /// Reads a file.
            /// Text files only.
            ///
            /// path: the file to read
            tool read(path: str, lines: int) -> str { return path; }
        }
        fn main() { print((spawn Reader) <- "Read."); }
        "#,
    );
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let url = format!("http://{}", listener.local_addr().expect("it is bound"));
    let asked = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("the program asks");
        let request = read_request(&mut BufReader::new(&stream)).expect("all of it comes");
        let body = r#"{"type":"message","role":"assistant","model":"claude-haiku-5-5","content":[{"type":"text","text":"read"}],"stop_reason":"end_turn","usage":{"input_tokens":5,"output_tokens":1}}"#;
        write!(stream, "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len())
            .expect("the program reads");
        request.body
    });
    let result =
        output(vega().args(["run", "--quiet"]).arg(program).env("ANTHROPIC_API_KEY", KEY).env("ANTHROPIC_BASE_URL", url));
    assert_eq!(stdout(&result), "read\n", "{}", stderr(&result));
    let body: serde_json::Value = serde_json::from_str(&asked.join().expect("it was asked")).expect("the body is JSON");
    let tool = &body["tools"][0];
    assert_eq!((tool["name"].as_str(), tool["description"].as_str()), (Some("read"), Some("Reads a file.\nText files only.")));
    let parameters = &tool["input_schema"]["properties"];
    assert_eq!(parameters["path"]["description"], "the file to read");
    assert_eq!(parameters["lines"]["type"], "integer");
    assert!(parameters["lines"]["description"].is_null(), "{parameters}");
}
