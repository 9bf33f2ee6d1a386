//! The scripted model over HTTP: what `vega mock-server` serves.
//!
//! It speaks Anthropic Messages at `/v1/messages`, counts their tokens at `/v1/messages/count_tokens`, and OpenAI chat completions at `/v1/chat/completions`, streams included, refuses what
//! the real services refuse, and does to the connection what the script says: late answers, slow pieces, cuts, closed connections. What
//! it received can be read back from `/__requests`, newest last, so that a test can look at the requests of any client;
//! `/__requests?at_least=N` answers only once so many have come.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use vega_net::server::{Handler, Incoming, Pause, Reply, Server, ServerSettings};
use vega_scheduler::{Completer, completion};

use crate::http::{Headers, HttpResponse};
use crate::provider::Protocol;
use crate::script::wire::{self, Ending, Plan, PlannedAnswer};
use crate::script::{self, Query, Script, incoming};

/// Requests that `/__requests` remembers.
const REQUESTS_KEPT_MAX: usize = 1000;
/// How long `/__requests?at_least=N` waits.
const REQUESTS_PATIENCE: Duration = Duration::from_secs(300);
/// Longest body that `/__requests` remembers, in bytes.
const BODY_KEPT_BYTES_MAX: usize = 256 << 10;

/// Serves a script until the server is dropped. Fails where the script names agents whose instructions it does not give (over HTTP
/// nothing else tells who calls), or where the address is taken.
pub fn start(script: Script, settings: ServerSettings) -> io::Result<Server> {
    let missing = script.agents_without_instructions();
    if !missing.is_empty() {
        let message = format!(
            "the replies speak of {} but no system text says who that is: over HTTP an agent is known by its instructions; add `[agents]` with a line `{} = \"part of its system text\"`",
            missing.join(", "),
            missing[0],
        );
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    }
    Server::start(settings, Arc::new(ScriptedServer { script, received: Mutex::default() }))
}

struct ScriptedServer {
    script: Script,
    received: Mutex<Received>,
}

#[derive(Default)]
struct Received {
    newest: VecDeque<Value>,
    /// All that ever came, those that are forgotten too.
    count: u64,
    /// Those who wait until so many have come.
    waiting: Vec<(u64, Completer<()>)>,
}

impl Handler for ScriptedServer {
    fn handle(&self, request: Incoming, reply: &mut Reply<'_>) -> io::Result<()> {
        let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
        let protocol = match path {
            "/v1/messages" => Protocol::Anthropic,
            "/v1/messages/count_tokens" if request.method == "POST" => return self.send_count(&request, reply),
            "/v1/chat/completions" | "/chat/completions" => Protocol::OpenAi,
            "/__requests" if request.method == "GET" => {
                let at_least = query.split('&').find_map(|part| part.strip_prefix("at_least=")?.parse().ok());
                return self.send_received(at_least.unwrap_or(0), reply);
            }
            _ => {
                let message = format!(
                    "Not found: {} {path}. This server answers POST /v1/messages and POST /v1/chat/completions.",
                    request.method
                );
                return send(reply, &wire::refusal(404, "not_found_error", &message, Protocol::Anthropic));
            }
        };
        if request.method != "POST" {
            return send(reply, &wire::refusal(405, "invalid_request_error", "Only POST is answered here.", protocol));
        }
        self.remember(&request);
        let headers: Headers = request.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let asked = match incoming::read(protocol, &headers, &request.body) {
            Ok(asked) => asked,
            Err(refusal) => return send(reply, &refusal),
        };
        // Ten thousand requests may wait for their latency to pass: what they said is not needed any more.
        drop((request, headers));
        let outcome = self.script.outcome(Query { agent: None, model: &asked.model, turn: None, request: &asked });
        let plan = wire::plan(&outcome, protocol, asked.stream);
        drop((outcome, asked));
        match plan {
            Plan::Disconnect { after } => {
                reply.pause(after)?;
                reply.close_after();
                Ok(())
            }
            Plan::Answer(answer) => send_planned(reply, answer),
        }
    }
}

impl ScriptedServer {
    fn remember(&self, request: &Incoming) {
        let body = match serde_json::from_slice::<Value>(&request.body) {
            Ok(body) if request.body.len() <= BODY_KEPT_BYTES_MAX => body,
            _ => json!({ "bytes": request.body.len() }),
        };
        let headers: serde_json::Map<String, Value> = request
            .headers
            .iter()
            .map(|(name, value)| {
                let hidden = matches!(name.as_str(), "x-api-key" | "authorization");
                (name.clone(), Value::from(if hidden { "***" } else { value.as_str() }))
            })
            .collect();
        let seen = json!({
            "method": request.method, "path": request.path, "headers": headers, "body": body,
            "connection": request.connection, "number": request.number,
        });
        let woken: Vec<_> = {
            let mut received = self.received();
            if received.newest.len() == REQUESTS_KEPT_MAX {
                received.newest.pop_front();
            }
            received.newest.push_back(seen);
            received.count += 1;
            let count = received.count;
            received.waiting.extract_if(.., |(at_least, _)| *at_least <= count).collect()
        };
        woken.into_iter().for_each(|(_, completer)| completer.complete(()));
    }

    fn received(&self) -> MutexGuard<'_, Received> {
        self.received.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long a prompt is, as the script counts.
    fn send_count(&self, request: &Incoming, reply: &mut Reply<'_>) -> io::Result<()> {
        self.remember(request);
        let headers: Headers = request.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        match incoming::read_counting(&headers, &request.body) {
            Ok(asked) => {
                let body = json!({ "input_tokens": script::prompt_tokens(&asked) }).to_string();
                reply.send(200, &[("content-type", "application/json")], body.as_bytes())
            }
            Err(refusal) => send(reply, &refusal),
        }
    }

    /// What was received, once at least so many requests have come.
    fn send_received(&self, at_least: u64, reply: &mut Reply<'_>) -> io::Result<()> {
        let missing = {
            let mut received = self.received();
            (received.count < at_least).then(|| {
                let (completer, completion) = completion();
                received.waiting.push((at_least, completer));
                completion
            })
        };
        if let Some(missing) = missing {
            match missing.wait(Some(vega_scheduler::now() + REQUESTS_PATIENCE)) {
                Err(error) if error.kind() != io::ErrorKind::TimedOut => return Err(error),
                // Whoever asked sees that they are fewer.
                Ok(()) | Err(_) => {}
            }
        }
        let body = serde_json::to_vec(&self.received().newest).map_err(io::Error::other)?;
        reply.send(200, &[("content-type", "application/json")], &body)
    }
}

fn send(reply: &mut Reply<'_>, response: &HttpResponse) -> io::Result<()> {
    let headers: Vec<(&str, &str)> = response.headers.iter().collect();
    reply.send(response.status, &headers, &response.body)
}

fn send_planned(reply: &mut Reply<'_>, answer: PlannedAnswer) -> io::Result<()> {
    let headers: Vec<(&str, &str)> = answer.headers.iter().collect();
    let mut elapsed = Duration::ZERO;
    let mut begun = false;
    for part in &answer.parts {
        if part.after > elapsed {
            if reply.pause(part.after - elapsed)? == Pause::Closed {
                reply.close_after();
                return Ok(());
            }
            elapsed = part.after;
        }
        if !begun {
            begun = true;
            match answer.content_length {
                Some(length) => reply.begin_with_length(answer.status, &headers, length)?,
                None => reply.begin_chunked(answer.status, &headers)?,
            }
        }
        match answer.content_length {
            Some(_) => reply.raw(&part.bytes)?,
            None => reply.chunk(&part.bytes)?,
        }
    }
    if !begun {
        match answer.content_length {
            Some(length) => reply.begin_with_length(answer.status, &headers, length)?,
            None => reply.begin_chunked(answer.status, &headers)?,
        }
    }
    match answer.ending {
        Ending::Whole if answer.content_length.is_none() => reply.end_chunks()?,
        Ending::Whole => {}
        Ending::Cut => reply.close_after(),
        Ending::Reset => reply.reset()?,
        Ending::Stalled => {
            reply.pause_until_closed()?;
            reply.close_after();
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use std::io::{Read, Write};

    fn ask(server: &Server, path: &str, headers: &str, body: &str) -> String {
        let mut socket = std::net::TcpStream::connect(server.address()).unwrap();
        write!(
            socket,
            "POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\n{headers}content-length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let mut answer = String::new();
        // A connection that is cut ends in an error or in silence; what came before it is what counts.
        let _cut = socket.read_to_string(&mut answer);
        answer
    }

    const HEADERS: &str = "x-api-key: k\r\nanthropic-version: 2023-06-01\r\n";

    fn body(text: &str, stream: bool) -> String {
        json!({ "model": "claude-haiku-5-5", "max_tokens": 100, "stream": stream, "messages": [{ "role": "user", "content": text }] }).to_string()
    }

    fn serve(replies: &str) -> Server {
        let settings = ServerSettings { address: "127.0.0.1:0".parse().unwrap(), tls: None, workers: 1 };
        start(Script::parse(replies).unwrap(), settings).unwrap()
    }

    #[test]
    fn both_protocols_answer_from_one_script() {
        let server = serve("[[reply]]\ncontains = \"hi\"\ntext = \"Hello there.\"\n");
        let messages = ask(&server, "/v1/messages", HEADERS, &body("hi", false));
        assert!(messages.starts_with("HTTP/1.1 200 OK\r\n"), "{messages}");
        assert!(messages.contains(r#""text":"Hello there.""#), "{messages}");
        let chat = ask(&server, "/v1/chat/completions", "authorization: Bearer k\r\n", &body("hi", false));
        assert!(chat.contains(r#""content":"Hello there.""#), "{chat}");
    }

    #[test]
    fn a_stream_ends_with_message_stop_and_a_cut_one_does_not() {
        let server = serve(
            "[[reply]]\ncontains = \"whole\"\ntext = \"a b c d\"\nchunks = 3\n[[reply]]\ncontains = \"cut\"\ntext = \"a b c d\"\nchunks = 4\ncut_after_chunks = 2\n",
        );
        let whole = ask(&server, "/v1/messages", HEADERS, &body("whole", true));
        assert!(whole.contains("text/event-stream") && whole.contains("event: message_stop"), "{whole}");
        let cut = ask(&server, "/v1/messages", HEADERS, &body("cut", true));
        assert!(cut.contains("text_delta") && !cut.contains("message_stop"), "{cut}");
    }

    #[test]
    fn faults_have_the_status_and_headers_of_the_service() {
        let server = serve(
            "[[reply]]\ncontains = \"limit\"\nerror = \"rate_limit\"\nretry_after = \"7s\"\n[[reply]]\ncontains = \"busy\"\nerror = \"overloaded\"\n[[reply]]\ncontains = \"gone\"\nerror = \"disconnect\"\n[[reply]]\ncontains = \"html\"\nhttp = { status = 502, headers = { content-type = \"text/html\" }, body = \"<h1>Bad gateway</h1>\" }\n",
        );
        let limit = ask(&server, "/v1/messages", HEADERS, &body("limit", false));
        assert!(limit.starts_with("HTTP/1.1 429 ") && limit.contains("retry-after: 7\r\n"), "{limit}");
        assert!(ask(&server, "/v1/messages", HEADERS, &body("busy", false)).starts_with("HTTP/1.1 529 "));
        assert_eq!(ask(&server, "/v1/messages", HEADERS, &body("gone", false)), "");
        let html = ask(&server, "/v1/messages", HEADERS, &body("html", false));
        assert!(html.starts_with("HTTP/1.1 502 ") && html.ends_with("<h1>Bad gateway</h1>"), "{html}");
    }

    #[test]
    fn a_request_without_key_or_version_is_refused_and_every_request_can_be_read_back_without_its_key() {
        let server = serve("");
        let keyless = ask(&server, "/v1/messages", "anthropic-version: 2023-06-01\r\n", &body("hi", false));
        assert!(keyless.starts_with("HTTP/1.1 401 "), "{keyless}");
        let mut socket = std::net::TcpStream::connect(server.address()).unwrap();
        socket.write_all(b"GET /__requests HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
        let mut seen = String::new();
        socket.read_to_string(&mut seen).unwrap();
        let mut waiting = std::net::TcpStream::connect(server.address()).unwrap();
        waiting.write_all(b"GET /__requests?at_least=2 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
        ask(&server, "/v1/messages", HEADERS, &body("second", false));
        let mut both = String::new();
        waiting.read_to_string(&mut both).unwrap();
        assert!(both.contains(r#""content":"second""#), "it was answered only once there were two: {both}");
        assert!(seen.contains(r#""content":"hi""#) && !seen.contains(r#""x-api-key":"k""#), "{seen}");
    }

    #[test]
    fn a_script_that_names_unknown_agents_is_refused_with_the_remedy() {
        let settings = ServerSettings { address: "127.0.0.1:0".parse().unwrap(), tls: None, workers: 1 };
        let script = Script::parse("[[reply]]\nagent = \"Coder\"\ntext = \"x\"\n").unwrap();
        let error = start(script, settings).err().expect("refused");
        assert!(error.to_string().contains("[agents]") && error.to_string().contains("Coder"), "{error}");
    }
}
