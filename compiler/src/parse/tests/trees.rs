//! What each construct becomes.

use super::{body, tree};
use insta::assert_snapshot;

/// Each text with its tree. Each is parsed for itself, so that one cannot hide another.
fn bodies(texts: &[&str]) -> String {
    texts.iter().map(|text| format!("{text}\n    {}\n", body(text).trim_end().replace('\n', "\n    "))).collect()
}

#[test]
fn operators_group_by_precedence() {
    assert_snapshot!(bodies(&[
        "a + b * c - d;",
        "a ?? b || c && d == e;",
        "a | b ^ c & d << e + f;",
        "-a.b()? * !c;",
        "x in xs && y;",
        "1 + 2..n - 1;",
        "0..=n;",
        "a >> b >= c;",
        "x = y += z >>= 1;",
        "a - b - c;",
        "-9223372036854775808;",
        "!a == b;",
    ]));
}

#[test]
fn sends_are_loose_and_bind_to_the_right() {
    assert_snapshot!(bodies(&[
        "let s = summarizer <- r1 + r2 + r3;",
        "a <- b <- c;",
        "a <- b timeout 30s;",
        "a <- b budget $1.00 timeout 2 * t;",
        "a <- b <- c timeout 5s;",
        "a <- (b <- c timeout 5s) timeout 9s;",
        "x <-1;",
        "await w <~ m;",
        "await f + 1;",
        "async a <- m;",
        "team.coder <- x ?? y;",
        "xs[0] <- m;",
        "r = a <- m;",
        "team ?? other <- m;",
        "spawn Coder <- m;",
    ]));
}

#[test]
fn spawn_takes_its_parts_in_any_order() {
    assert_snapshot!(bodies(&[
        "spawn Coder;",
        "spawn async Coder;",
        "spawn W async;",
        "spawn Coder(style: \"terse\", 3) supervised by { strategy restart max_restarts 3 window 60s };",
        "spawn workers::Resizer supervised by { strategy restart_all window 60000 backoff exponential(100ms, 2.0, 5s) };",
        "spawn Coder from saved;",
        "spawn_link worker(1);",
        "let f = spawn async Coder supervised by { strategy stop };",
    ]));
}

#[test]
fn names_with_a_meaning_elsewhere_are_variables() {
    assert_snapshot!(bodies(&[
        "let agent = 1; agent + 1;",
        "let parallel = [1]; for x in parallel { }",
        "session.budget;",
        "deadline(x);",
        "h <- deadline timeout 3s;",
        "async[0] - async;",
        "receive(x);",
        "if sequential { 1 } else { 2 }",
        "x.match.in(for: 1);",
        "fs::import::let;",
        "timeout = budget + 1;",
    ]));
}

#[test]
fn control_flow() {
    assert_snapshot!(bodies(&[
        "if a { b } else if c { d } else { e }",
        "while x < 3 { x += 1; }",
        "outer: for (k, v) in m { break outer; continue outer; }",
        "let v = loop { break f(1); };",
        "loop { break; }",
        "for let i = 0; i < n; i = i + 1 { print(i); }",
        "for let j = 0; j < 5; j { j = j + 1; }",
        "for chunk in coder <~ \"story\" { print(chunk); }",
        "return;",
        "return a <- m;",
        "x ?? return 1;",
        "throw NotFound(\"x\");",
        "try { a } catch Timeout(d) { b } catch BudgetExceeded { } catch e { c } finally { d; }",
        "defer { close(); } defer f();",
        "let x = if a { 1 } else { 2 };",
        "if a { 1 } else { 2 } - 3",
    ]));
}

#[test]
fn a_statement_that_ends_with_its_block_needs_no_semicolon() {
    assert_snapshot!(bodies(&[
        "if a { b } (c)",
        "match x { _ => 1 }.abs();",
        "{ a } { b; }",
        "for x in xs { }",
        "session budget $1 { a <- m }",
        "async { a }\nb;",
    ]));
}

#[test]
fn constructs_of_agents() {
    assert_snapshot!(bodies(&[
        "parallel { let a = x <- m; let b = y <- m; }",
        "let x = parallel race { a <- m; b <- m; };",
        "parallel collect { let a = slow <- m timeout 50ms; }",
        "sequential { a <- m; }",
        "session budget limit * 2 { a <- m; }",
        "deadline 2m { a <- m; }",
        "deadline t { a <- m; }",
        "receive { n: int => n, Call { from, value } => { reply(from, value); } Down { reason: r, .. } => r, after 5s => null }",
        "receive { after => after, \"x\" => 1 }",
        "process::call(p, v, timeout 5s);",
    ]));
}

#[test]
fn matches_and_patterns() {
    assert_snapshot!(bodies(&[
        "match r { Ok(v) => print(v), Err(m) => print(m) }",
        "match n { 0 | 1 => a, 2..10 => b, -5..=-1 => c, 100.. => d, x if x > 3 => { e } _ => f }",
        "match v { Verdict::Approve => 1, Reject(why) => 2, Escalate { to, reason: r, .. } => 3 }",
        "match p { (0, _) => 1, (a, (b, c)) => 2, all @ (_, 3) => 3 }",
        "match xs { [] => 0, [first, .., last] => 1, [a, ..rest] => 2 }",
        "match j { { \"id\": id: int, .. } => id, n: int => n, _: str => 0 }",
        "match e { Err(Timeout(d)) => d, LIMIT => 1, null => 2, \"s\" => 3, 30s => 4, $0.50 => 5, true => 6 }",
        "let (a, b) = pair;",
        "let Review { score, who: w, .. } = r;",
        "match x { A => y = 1, B => return 2, C => {} }",
    ]));
}

#[test]
fn values() {
    assert_snapshot!(bodies(&[
        "[1, 2.5, \"a\\n\", r\"\\d\", true, null, 1h30m, $0.50, 0xff, 1_000,];",
        "(1, 2); (1,); (1);",
        "let m = { \"a\": 1, b: 2, Color::Red: 3 };",
        "let m = {};",
        "let b = { f(); 1 };",
        "let b = { x };",
        "let b = { x = 1; };",
        "Point { x: 1, y, ..base };",
        "Verdict::Escalate { to: \"a\" };",
        "point { x: 1 };",
        "[reviewer <- c for c in codes if c != \"\"];",
        "[x * y for x in xs for y in ys];",
        "xs[1..3]; xs[1..]; xs[..2]; xs[..=2]; xs[..]; xs[i][j];",
        "p.0.1; p.0.name; t?.0;",
        "first::<int>(xs); json::decode::<map<str, int[]>>(s); x.get::<T>(1);",
        "x?.f?.g(1)?;",
        "(b.on)(\"x\"); b.on(\"x\");",
    ]));
}

#[test]
fn closures() {
    assert_snapshot!(bodies(&[
        "|x| x + 1;",
        "|a: int, b| a | b;",
        "|| 1;",
        "xs.map(|(k, v)| { k });",
        "xs.fold(0, |a, b| a + b);",
        "|_| reviewer <- c;",
        "if xs.any(|x| x > 1) { 1 }",
        "let f: fn(int) -> int = |x| |y| x + y;",
    ]));
}

#[test]
fn texts_with_holes() {
    assert_snapshot!(bodies(&[
        "f\"Review {code} by {name}\";",
        "f\"{x:>8} {x:.2} {x:08} {x:x} {x:*^10}\";",
        "f\"{{}} {a + \"}\" + f\"{b}\"}\";",
        "f\"{m[\"k\"]} {f(|x| { x })} {Color::Red} {(if a { 1 } else { 2 })}\";",
        "f\"\";",
        "f\"\"\"\n    Dear {name},\n      bye\n    \"\"\";",
        "r\"\"\"a\\n\"b\"\"\"\"; r\"\\d\";",
    ]));
}

#[test]
fn functions_and_types() {
    assert_snapshot!(tree(
        r#"
        fn main(args: str[]) -> int { 0 }
        pub fn first<T>(xs: T[]) -> T? { xs[0] }
        fn best<K: Key + Ord, V>(m: map<K, map<str, V>>) -> (K, V)? { null }
        fn apply(f: fn(int, str) -> bool, gs: (fn() -> int)[], p: process, match: null) -> void { }
        fn pad(w: int, p: str = " ") -> str;
        type Scores = map<str, Result<int[]?, Error>>;
        const LIMIT: int = 10;
        const NAME = "x";
    "#
    ));
}

#[test]
fn types_of_users() {
    assert_snapshot!(tree(
        r#"
        /// A review.
        /// Of code.
        pub struct Review {
            /// From 0 to 10.
            score: int,
            type: str,
        }
        struct Heap<T> { items: T[] }
        enum Verdict { Approve, Reject(str, int), Escalate { to: str, reason: str } }
        impl Review {
            pub fn summary(self) -> str { "" }
            /// Adds.
            fn add(mut self, c: str) { self.comments.push(c); }
            fn make() -> Review { Review { score: 1 } }
        }
        impl<T> T[] { fn len(self) -> int; }
        error NotFound(name: str);
        error Stale(str): NotFound;
        error Gone;
    "#
    ));
}

#[test]
fn imports() {
    assert_snapshot!(tree(
        r#"
        import "./helpers";
        import "./helpers" as h;
        import { max, min as least } from "math";
    "#
    ));
}

#[test]
fn agents_with_all_clauses() {
    assert_snapshot!(tree(
        r#"
        agent Coder(style: str, level: int = 3) {
            model "claude-sonnet-4-20250514"
            system f"You write {style} code."
            temperature 0.3
            max_tokens 4096
            max_turns 20 max_tool_calls 100
            parallel_tools 8
            timeout 2m
            timeouts { connect 10s  first_token 2m  idle 60s }
            budget $0.50
            history conversation last 20 tokens 4000 compact reset_on_restart
            output Review
            priority high
            rate_limit { requests 50 per 1m  tokens 40_000 per 1m  concurrent 4 }
            retry { max_attempts 3  backoff exponential(100ms, 2.0, 5s)  on [rate_limit, overloaded, timeout] }
            circuit_breaker { threshold 5  reset_after 30s }
            provider_options { "effort": "high" }
            state { cart: Item[] = []  count: int = 0 }
            tools [search, mcp("stdio", "npx -y some-mcp-server")]
            /// Reads a file.
            /// path: file to read
            tool read_file(path: str) -> str capabilities [fs::read] allowed_paths ["/project/**"] { return file::read(path); }
            tool deploy() approval required { }
        }
        agent Empty { }
    "#
    ));
}

#[test]
fn supervisors_and_tests() {
    assert_snapshot!(tree(
        r#"
        supervisor Team(n: int) {
            strategy restart_all
            max_restarts 5
            window 1m
            child coder = Coder
            child sub = Workers(n, kind: "x")
        }
        test "replies" {
            mock Coder { "sort*" => "ok", _ => { "no" } }
            assert_eq(1, 1);
        }
        mock Reviewer { "x" => Review { score: 1 } }
    "#
    ));
}

#[test]
fn statements_at_top_level() {
    assert_snapshot!(tree(
        r#"
        let coder = spawn Coder;
        const N = 2;
        fn f() { }
        print(coder <- "hi");
        if N > 1 { f(); }
    "#
    ));
}
