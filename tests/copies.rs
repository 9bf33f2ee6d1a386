//! Values are copied when somebody changes a shared one, and not before.
//!
//! What shows it is what a program can observe: under a heap that holds a large value once, one copy of it ends the process; under
//! reductions that suffice for the work itself, a copy at each step does. Each way to use a value without copying it stands beside one
//! that copies, so that the bounds are known to notice.

use std::sync::Arc;
use std::time::Duration;

use vega_compiler::source::{LoadError, Loader};
use vega_runtime::capability::Grants;
use vega_runtime::limits::Limits;
use vega_runtime::{Outcome, Runtime};
use vega_scheduler::Clock;

use crate::support::Folder;

/// What every program begins with. The array holds 131,072 values of 16 bytes after it has grown, the text a million bytes.
const PRELUDE: &str = r#"
struct Inner { values: int[] }
struct Outer { inner: Inner, name: str }
struct Note { text: str }
impl Inner {
    fn set(mut self, index: int, value: int) { self.values[index] = value; }
    fn add(mut self, value: int) { self.values.push(value); }
    fn first(self) -> int { return self.values[0]; }
}
impl Outer {
    fn set(mut self, index: int, value: int) { self.inner.set(index, value); }
}
fn large() -> int[] {
    let values: int[] = [];
    for i in 0..131_000 { values.push(i); }
    return values;
}
fn long() -> str {
    let text = "";
    for _ in 0..100_000 { text += "0123456789"; }
    return text;
}
fn read(values: int[]) -> int { return values[7] + values.len(); }
fn more(values: int[]) -> int[] {
    values.push(1);
    return values;
}
"#;

/// Bytes of heap: the array or the text once, and not quite twice.
const HEAP_ARRAY: usize = 3 << 20;
const HEAP_TEXT: usize = 1_900_000;
/// Reductions: each program goes through few hundred thousand loops and calls.
const REDUCTIONS: u64 = 1_000_000;

struct Texts(Arc<str>);

impl Loader for Texts {
    fn load(&self, _path: &str) -> Result<Arc<str>, LoadError> {
        Ok(self.0.clone())
    }

    fn standard(&self, module: &str) -> Option<Arc<str>> {
        vega_stdlib::module_source(module).map(Arc::from)
    }
}

/// How a program ends that begins with the prelude.
fn run(body: &str, heap_bytes: usize) -> Outcome {
    let text = format!("{PRELUDE}\nfn main() {{\n{body}\n}}\n");
    let compiled = vega_compiler::compile(&Texts(text.as_str().into()), "main.vega").expect("the text was given");
    let module = compiled.module.unwrap_or_else(|| panic!("{:?} in\n{text}", compiled.diagnostics));
    let folder = Folder::new("copies");
    let limits = Limits { run_reductions: Some(REDUCTIONS), heap_bytes, ..Limits::default() };
    let runtime = Runtime::builder()
        .workers(1)
        .clock(Clock::Virtual { seed: 0 })
        .limits(limits)
        .grants(Grants::nothing(folder.path()).build().expect("nothing is a grant"))
        .natives(vega_stdlib::natives())
        .drain(Duration::ZERO)
        .build()
        .expect("the runtime starts");
    let module = vega_bytecode::verify(module).expect("compiled programs are right");
    runtime.load(module).expect("the natives are there");
    runtime.run().outcome
}

fn copies_nothing(bodies: &[&str], heap_bytes: usize) {
    for body in bodies {
        assert_eq!(run(body, heap_bytes), Outcome::Finished(0), "{body}");
    }
}

fn is_too_much(bodies: &[&str], heap_bytes: usize, limit: &str) {
    for body in bodies {
        match run(body, heap_bytes) {
            Outcome::Failed { error, .. } if error.contains(limit) => {}
            other => panic!("{other:?}: {body}"),
        }
    }
}

#[test]
fn reading_and_passing_a_large_array_copies_nothing() {
    let bodies = [
        "let a = large(); let sum = 0; for _ in 0..10 { sum += read(a); } assert(sum > 0);",
        "let a = large(); let b = a; let c = [b, b, b]; assert(read(a) + read(b) + read(c[2]) > 0);",
        "let a = large(); let sum = 0; for x in a { sum += x; } assert(sum > 0);",
        "let o = Outer { inner: Inner { values: large() }, name: \"n\" }; let sum = 0; for x in o.inner.values { sum += x; }
         assert(sum + o.inner.first() > 0);",
        "let a = large(); let f = |i: int| a[i]; assert(f(3) + a[3] == 6);",
        "let m = {\"k\": large()}; let n = m; assert(read(m[\"k\"]) == read(n[\"k\"]));",
        "let a: int[]? = large(); if a != null { assert(read(a) > 0); }",
        "let (a, n) = (large(), 1); let b = a; assert(a == b && n == 1);",
    ];
    copies_nothing(&bodies, HEAP_ARRAY);
}

#[test]
fn what_nobody_else_holds_is_changed_in_place() {
    let bodies = [
        "let a = large(); a[5] = 1; a.push(2); assert(a[5] == 1);",
        "let a = large(); assert(read(a) > 0); a[5] = 1; a[6] += 2; assert(a[6] == 8);",
        "let a = large(); a = more(a); a = more(a); assert(a.len() == 131_002);",
        "let a = large(); for x in a { if x == 3 { break; } } a[0] = 1; assert(a[0] == 1);",
        "let i = Inner { values: large() }; i.set(0, 9); i.add(1); assert(i.first() == 9);",
        "let o = Outer { inner: Inner { values: large() }, name: \"n\" }; o.set(0, 9); o.inner.values[1] = 7; o.inner.values.push(1);
         o.inner.add(2); assert(o.inner.first() == 9);",
        "let grid = [[1], large()]; grid[1][5] = 3; grid[1].push(1); grid[1][6] += 1; assert(grid[1][5] == 3);",
        "let m = {\"k\": large()}; m[\"k\"][3] = 1; m[\"k\"].push(2); assert(m[\"k\"][3] == 1);",
        "let m = {\"k\": Inner { values: large() }}; m[\"k\"].values[3] = 1; m[\"k\"].set(4, 1); assert(m[\"k\"].first() == 0);",
        "let a = large(); assert(a.pop() == 130_999); a.swap(0, 1); a.reverse(); a.remove(3); a.insert(3, 1); assert(a[3] == 1);",
        "let b = [0]; { let a = large(); b = a; } b[0] = 5; assert(b[0] == 5);",
    ];
    copies_nothing(&bodies, HEAP_ARRAY);
}

#[test]
fn changing_what_somebody_else_holds_copies_it() {
    let bodies = [
        "let a = large(); let b = a; b[0] = 1; assert(a[0] == 0);",
        "let a = large(); let b = more(a); assert(a.len() < b.len());",
        "let a = large(); for x in a { a[0] = x; } assert(a[0] > 0);",
        "let i = Inner { values: large() }; let kept = i; i.set(0, 9); assert(kept.first() == 0);",
        "let o = Outer { inner: Inner { values: large() }, name: \"n\" }; let kept = o; o.inner.values[1] = 7;
         assert(kept.inner.first() == 0);",
        "let m = {\"k\": large()}; let kept = m[\"k\"]; m[\"k\"].push(2); assert(kept[0] == 0);",
    ];
    is_too_much(&bodies, HEAP_ARRAY, "LimitReached: heap");
}

#[test]
fn texts_are_shared_and_grow_in_place() {
    let bodies = [
        "let t = long(); let u = t; let n = Note { text: u }; assert(n.text == t && t.len() == 1_000_000);",
        "let t = long(); for _ in 0..10 { t += \"x\"; } assert(t.len() == 1_000_010);",
        "let n = Note { text: long() }; for _ in 0..10 { n.text += \"x\"; } assert(n.text.len() == 1_000_010);",
        "let m = {\"k\": long()}; for _ in 0..10 { m[\"k\"] += \"x\"; } assert(m[\"k\"].len() == 1_000_010);",
    ];
    copies_nothing(&bodies, HEAP_TEXT);
    let bodies = ["let t = long(); let u = t; u += \"x\"; assert(t.len() < u.len());"];
    is_too_much(&bodies, HEAP_TEXT, "LimitReached: heap");
}

#[test]
fn building_up_is_not_quadratic() {
    const HEAP: usize = 64 << 20;
    let bodies = [
        "let a: int[] = []; for i in 0..100_000 { a.push(i); }",
        "let a: int[] = []; for i in 0..100_000 { a += [i]; }",
        "let t = \"\"; for _ in 0..100_000 { t += \"ab\"; }",
        "let t = \"\"; for _ in 0..100_000 { t = t + \"ab\"; }",
        "let m: map<int, int> = {}; for i in 0..50_000 { m[i] = i; }",
        "let i = Inner { values: [] }; for k in 0..50_000 { i.add(k); }",
        "let o = Outer { inner: Inner { values: [] }, name: \"\" }; for k in 0..50_000 { o.inner.values.push(k); o.name += \"ab\"; }",
        "let g: int[][] = [[], []]; for k in 0..50_000 { g[k % 2].push(k); }",
        "let m: map<str, int[]> = {\"k\": []}; for k in 0..50_000 { m[\"k\"].push(k); }",
        "let a: int[] = []; for i in 0..50_000 { a = more(a); }",
    ];
    copies_nothing(&bodies, HEAP);
    let bodies = [
        "let a: int[] = []; for i in 0..100_000 { let kept = a; a.push(i); assert(kept.len() == i); }",
        "let t = \"\"; for _ in 0..100_000 { let kept = t; t += \"ab\"; assert(kept.len() < t.len()); }",
    ];
    is_too_much(&bodies, HEAP, "LimitReached: reductions");
}
