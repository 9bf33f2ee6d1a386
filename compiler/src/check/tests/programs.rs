//! Programs that must pass without a word.

use super::passes;

/// All of the larger programs.
pub(super) const ALL: &[&str] = &[
    LOOPS,
    AN_AGENT_WITH_RETRY_AND_A_TOOL,
    PROCESSES_AND_MESSAGES,
    STRUCTS_AND_PLACES,
    OPTIONALS_ARE_NARROWED,
    ENUMS_AND_MATCHES,
    CLOSURES_GENERICS_AND_RESULTS,
    CONSTANTS_KINDS_AND_ALIASES,
];

#[test]
fn functions_and_ints() {
    passes("fn fib(n: int) -> int { if n < 2 { return n; } return fib(n - 1) + fib(n - 2); }\nfn main() { print(fib(32)); }");
}

#[test]
fn the_examples() {
    for name in ["hello", "tools", "code_review"] {
        let path = format!("{}/../examples/{name}.vega", env!("CARGO_MANIFEST_DIR"));
        passes(&std::fs::read_to_string(path).unwrap());
    }
}

pub(super) const LOOPS: &str = r#"fn main() {
            let total = 0;
            for i in 0..10 { total += i; }
            for let j = 0; j < 5; j = j + 1 { total = total + j; }
            while total > 100 { total -= 1; if total == 50 { break; } else { continue; } }
            outer: loop { loop { break outer; } }
            for c in "text" { print(c); }
            for (i, x) in ["a", "b"].enumerate() { print(i, x); }
            let m = { "a": 1 };
            for (k, v) in m { print(k + v); }
            let n = loop { total += 1; if total > 3 { break total; } };
            print(n);
        }"#;

#[test]
fn loops() {
    passes(LOOPS);
}

/// An agent with the clauses that programs mostly have, and the ways to call it.
pub(super) const AN_AGENT_WITH_RETRY_AND_A_TOOL: &str = r#"agent Coder {
            model "claude-sonnet-4-20250514"
            system "You write clean, efficient code."
            temperature 0.3
            // Budget per invocation (optional)
            budget $0.50
            retry {
                max_attempts 3
                backoff exponential(100ms, 2.0, 5s)
                on [rate_limit, overloaded, timeout]
            }
            tool read_file(path: str) -> str {
                return file::read(path);
            }
        }
        let coder = spawn Coder;
        let coder = spawn Coder supervised by {
            strategy restart
            max_restarts 3
            window 60s
        };
        let future = spawn async Coder;
        let result = await future;
        let code = coder <- "Write a sorting function";
        let code = coder <- "Write code" timeout 30s;
        let code = coder <- "Write code" budget $1.00;
        let review1 = result <- code;
        let review2 = result <- code;
        let summary = coder <- review1 + review2;
        try {
            let result = coder <- summary;
            print(result);
        } catch BudgetExceeded {
            print("Out of budget");
        } catch AgentFailed(reason) {
            print("Agent failed after retries: " + reason);
        }"#;

#[test]
fn an_agent_with_retry_and_a_tool() {
    passes(AN_AGENT_WITH_RETRY_AND_A_TOOL);
}

pub(super) const PROCESSES_AND_MESSAGES: &str = r#"struct Job { id: int, text: str }
        fn worker(parent: process) {
            loop {
                receive {
                    "stop" => break,
                    Job { id, text } => send(parent, f"{id}: {text}"),
                    n: int => send(parent, n * 2),
                    { "k": v: str, .. } => send(parent, v),
                    other => print(other),
                    after 5s => { print("idle"); return; }
                }
            }
        }
        fn main() {
            let p = spawn worker(process::self());
            let m = process::monitor(p);
            send(p, Job { id: 1, text: "a" });
            send(p, 4, timeout 1s);
            let answer = receive { s: str => s, after 1s => "none" };
            print(answer);
            let q = spawn worker(p) supervised by { strategy stop max_restarts 2 window 1m };
            receive { Down { process, reason, .. } => print(process == q, reason) }
            process::kill(q);
            process::sleep(10ms);
            process::sleep(10);
            let f = async worker(p);
            await f;
            let g = async 1 + 2;
            print(await g + 1);
            process::demonitor(m);
            if process::alive(p) { process::exit("done"); }
        }"#;

#[test]
fn processes_and_messages() {
    passes(PROCESSES_AND_MESSAGES);
}

pub(super) const STRUCTS_AND_PLACES: &str = r#"struct Point { x: int, y: int }
        struct Line { from: Point, to: Point, tags: str[] }
        impl Point {
            fn origin() -> Point { Point { x: 0, y: 0 } }
            fn sum(self) -> int { self.x + self.y }
            fn shift(mut self, by: int = 1) { self.x += by; self.y += by; }
        }
        fn main() {
            let p = Point { y: 2, x: 1 };
            p.x = 5;
            p.shift();
            p.shift(by: 3);
            let line = Line { from: p, to: Point::origin(), tags: [] };
            line.tags.push("a");
            line.to.shift(2);
            line.from.x += line.to.sum();
            let lines = [line];
            lines[0].to.x = 3;
            lines[0].tags[0] = "b";
            lines[0].to.shift();
            let Point { x, .. } = lines[0].from;
            let moved = Point { x: x, ..p };
            print(moved, p == moved, lines.len());
            let grid: int[][] = [];
            grid.push([]);
            grid[0].push(1);
            let counts: map<str, int> = {};
            counts["a"] = (counts.get("a") ?? 0) + 1;
            counts["a"] += 1;
            print(counts, "a" in counts, grid[0..1]);
        }"#;

#[test]
fn structs_and_places() {
    passes(STRUCTS_AND_PLACES);
}

pub(super) const OPTIONALS_ARE_NARROWED: &str = r#"struct Node { value: int, next: Node? }
        fn length(text: str?) -> int {
            if text == null { return 0; }
            return text.len();
        }
        fn main() {
            let a: str? = null;
            a = "x";
            print(a.len());
            let b: str? = if a.len() > 1 { null } else { a };
            if b != null && b.len() > 0 { print(b.upper()); }
            if b == null || b.len() == 0 { print("none"); } else { print(b.lower()); }
            print(b ?? "default", b?.len() ?? 0, length(b));
            let list = Node { value: 1, next: Node { value: 2, next: null } };
            if list.next != null { print(list.next.value); list.next.value = 3; }
            let xs: int[]? = [3, 4];
            while xs.len() > 0 { xs.pop(); xs.push(1); xs[0] = 2; xs.clear(); }
            let n = parse_int("4");
            while n != null { n = if n > 0 { n - 1 } else { null }; }
            match parse_int("5") { null => print("no"), n => print(n + 1) }
            for word in ["a"] {
                let found = [1, 2].first();
                if found == null { continue; }
                found += 1;
                print(found + 1, word);
            }
        }"#;

#[test]
fn optionals_are_narrowed() {
    passes(OPTIONALS_ARE_NARROWED);
}

pub(super) const ENUMS_AND_MATCHES: &str = r#"enum Verdict { Approve, Reject(str), Escalate { to: str, reason: str } }
        enum Tree { Leaf, Node(Tree, int, Tree) }
        fn show(v: Verdict) -> str {
            match v {
                Approve => "yes",
                Reject(why) if why == "" => "no",
                Verdict::Reject(why) => "no: " + why,
                Escalate { to, .. } => { let t = to; t }
            }
        }
        fn sum(t: Tree) -> int {
            return match t { Leaf => 0, Node(l, v, r) => sum(l) + v + sum(r) };
        }
        fn classify(n: int) -> str {
            match n { 0 => "zero", 1..=9 | -5 => "small", n if n < 0 => "negative", _ => "large" }
        }
        fn main() {
            print(show(Reject("x")), show(Verdict::Approve), show(Escalate { to: "a", reason: "b" }));
            let v: Verdict = Approve;
            if v == Approve { print(classify(3)); }
            print(sum(Node(Leaf, 1, Tree::Leaf)));
            match (1, true) { (0, _) => print(0), (_, true) => print(1), (_, false) => print(2) }
            match [1, 2] { [] => print("e"), [x] => print(x), [a, .., b] => print(a + b) }
            let r: Result<int, str> = Ok(1);
            match r { Ok(v) => print(v), Err(m) => print(m) }
            let kind: any = 5;
            match kind { n: int => print(n + 1), "x" => print("x"), v: Verdict => print(show(v)), _ => {} }
        }"#;

#[test]
fn enums_and_matches() {
    passes(ENUMS_AND_MATCHES);
}

pub(super) const CLOSURES_GENERICS_AND_RESULTS: &str = r#"struct Pair<A, B> { first: A, second: B }
        enum Maybe<T> { Nothing, Just(T) }
        struct Heap<T> { items: T[] }
        impl<T: Ord> Heap<T> {
            fn add(mut self, item: T) { self.items.push(item); }
            fn least(self) -> T? {
                let best = self.items.first();
                for item in self.items { if best == null || item < best { best = item; } }
                return best;
            }
        }
        fn apply<T, U>(x: T, f: fn(T) -> U) -> U { return f(x); }
        fn twice(f: fn(int) -> int, x: int) -> int { f(f(x)) }
        fn half(n: int) -> Result<int, str> { if n % 2 == 0 { Ok(n / 2) } else { Err("odd") } }
        fn quarter(n: int) -> Result<int, str> { let h = half(n)?; return Ok(half(h)?); }
        fn head(xs: str[]) -> int? { let first = xs.first()?; return first.len(); }
        fn add(a: int, b: int) -> int { a + b }
        fn mean<T: Num>(xs: T[], zero: T, count: T) -> T { let sum = zero; for x in xs { sum += x * x - -x; } return sum / count % count; }
        fn lengths<T>(rows: T[][]) -> int[] { return rows.map(|row| row.len()); }
        struct Boxed<T> { x: T }
        fn unbox<T>(a: Boxed<T>) -> T { return a.x; }
        fn pair<T>(a: T, b: T) -> T[] { let xs: T[] = []; xs.push(a); return [a, b].map(|x| x) + xs; }
        fn wrap<T>(x: T?) -> Result<T, str> { return x.ok_or("none"); }
        fn main() {
            let k = 3;
            print(twice(|x| x * k, 2), apply("a", |s| s.len() + k), apply(1, |n: int| { return n + 1; }));
            let p = Pair { first: 1, second: "x" };
            let q: Pair<float, str[]> = Pair { first: 1, second: [] };
            print(p.first + 1, q.second.len());
            let m: Maybe<int> = Nothing;
            let j = Maybe::Just(2);
            match j { Just(n) => print(n + 1), Nothing => print(m) }
            let h: Heap<int> = Heap { items: [] };
            h.add(3);
            print(h.least() ?? 0, quarter(8), head(["abc"]));
            match try_call(|| half(4)) { Ok(Ok(n)) => print(n), Ok(Err(m)) => print(m), Err(Timeout(d)) => print(d), Err(e) => print(e.kind) }
            print(try_call(|| print("x")).is_ok());
            print(mean([1.5], 0.0, 1.0), mean([1], 0, 1), lengths([[1], [2, 3]]), unbox(Boxed { x: 2 }), pair("a", "b"), wrap([1].first()));
            let f = add;
            let g: fn(int) -> int = |x| add(x, 1);
            print(f(1, 2), g(1), [f(1, 1), 2].len(), [x * 2 for x in [1, 2] if x > 1]);
        }"#;

#[test]
fn closures_generics_and_results() {
    passes(CLOSURES_GENERICS_AND_RESULTS);
}

pub(super) const CONSTANTS_KINDS_AND_ALIASES: &str = r#"const LIMIT: int = 10;
        const NAMES = ["a", "b"];
        const SLOW: duration = 500;
        type Scores = map<str, int>;
        type Handler<T> = fn(T) -> str;
        error NotFound(name: str);
        error Stale(str, int): NotFound;
        fn find(scores: Scores, name: str) -> int {
            if !(name in scores) { throw NotFound(name); }
            return scores[name];
        }
        fn show(h: Handler<int>) -> str { h(1) }
        fn main(args: str[]) -> int {
            try { print(find({ "a": 1 }, "b")); }
            catch Stale(key, version) { print(key, version + LIMIT); }
            catch NotFound(name) { print(name); throw Overloaded; }
            catch e { print(e.kind, e.message, e.position); if e.cause != null { throw e; } }
            finally { print("done"); }
            let n = try { find({}, "x") } catch { 0 };
            print(show(|n| "n" + n), NAMES.len(), SLOW * 2, n);
            let x: float = 1;
            let y = x * 2 + 3;
            let cost: money = 2;
            print(y / 2, cost * 3 + $0.50, 30s / 2, 1h30m > 10m, 2 * 5s, "a" + 1 + 2.5, f"{y:.2} {LIMIT:>5}");
            return if args.len() > 1 { 1 } else { 0 };
        }"#;

#[test]
fn constants_kinds_and_aliases() {
    passes(CONSTANTS_KINDS_AND_ALIASES);
}

/// Every function of the library, called by nobody.
#[test]
fn the_standard_library() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../vega-std");
    let mut modules: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .filter_map(|entry| Some(entry.unwrap().file_name().to_str()?.strip_suffix(".vega")?.to_string()))
        .collect();
    modules.sort();
    assert!(modules.len() > 10);
    let imports: String = modules.iter().map(|module| format!("import \"{module}\" as {module}_;\n")).collect();
    let text = format!("{imports}fn main() {{}}");
    let outcome = super::whole_library(&text);
    assert!(outcome.diagnostics.is_empty(), "{}", outcome.drawn());
}
