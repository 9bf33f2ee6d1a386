//! What is said about programs with mistakes: for each code at least one program, about which nothing else is said.

use insta::assert_snapshot;

use super::outcome;
use crate::diagnostic::codes;

/// A code, and a program about which only that is said.
type Case = (&'static str, &'static str);

/// Each program with what is said about it. That nothing else is said is asserted here.
fn drawn(cases: &[Case]) -> String {
    let (mut text, mut wrong) = (String::new(), String::new());
    for (code, program) in cases {
        let outcome = outcome(&[("test.vega", program), ("other.vega", OTHER), ("third.vega", THIRD), ("ring.vega", RING)]);
        let drawn = outcome.drawn();
        let codes: Vec<&str> = outcome.diagnostics.iter().map(|diagnostic| diagnostic.code.as_str()).collect();
        if codes != [*code] {
            wrong += &format!("{code} alone was to be said of\n{program}\n{drawn}\n");
        }
        text += &format!("{program}\n{}\n{drawn}\n", "-".repeat(20));
    }
    assert!(wrong.is_empty(), "{wrong}");
    text
}

const OTHER: &str = "pub fn helper() -> int { return 1; }\nfn secret() {}\npub struct Point { x: int }\n";
const THIRD: &str = "pub fn helper() -> int { return 2; }\n";
const RING: &str = "import \"./test\";\n";

const NAMES: &[Case] = &[
    ("V0201", "fn f() {}\nfn f() {}\nfn main() {}"),
    ("V0201", "struct P { x: int, x: int }\nfn main() {}"),
    ("V0201", "error Timeout(after: int);\nfn main() {}"),
    ("V0202", "let reviewer = 1;\nprint(reveiwer);"),
    ("V0202", "fn count_words() {}\nfn main() { cout_words(); }"),
    ("V0202", "total = 1;"),
    ("V0202", "import { helpr } from \"./other\";\nfn main() {}"),
    ("V0202", "enum E { Gone(int) }\nfn main() { let r = [1].first().ok_or(Gonee(1)); print(r); }"),
    ("V0203", "fn main() { let x: string = \"a\"; }"),
    ("V0203", "struct Review { n: int }\nfn f(r: Reviw) {}\nfn main() {}"),
    ("V0204", "fn main() { print(jsn::parse(\"1\")); }"),
    ("V0205", "import \"./missing\";\nfn main() {}"),
    ("V0205", "import \"other\";\nfn main() {}"),
    ("V0206", "import \"./ring\";\nfn main() {}"),
    ("V0207", "import \"./other\";\nimport \"./third\";\nfn main() { print(helper()); }"),
    ("V0208", "import \"./other\" as o;\nfn main() { o::secret(); }"),
    ("V0209", "struct P { score: int }\nfn main() { let p = P { score: 1 }; print(p.scor); }"),
    ("V0210", "fn main() { print(\"a\".uper()); }"),
    ("V0210", "fn main() { let xs = [1]; xs.append(2); }"),
    ("V0211", "enum V { Approve, Reject }\nfn main() { print(V::Aprove); }"),
    ("V0212", "fn main() { try { print(1); } catch TimeOut { print(2); } }"),
    ("V0213", "fn main() { outer: loop { break oter; } }"),
    ("V0215", "fn main(n: int) {}"),
    ("V0216", "print(1);\nfn main() {}"),
    ("V0218", "impl int { fn double(self) -> int { self * 2 } }\nfn main() {}"),
    ("V0219", "fn f<T: Sortable>(x: T) {}\nfn main() {}"),
];

const TYPES: &[Case] = &[
    ("V0301", "fn main() { let x: int = \"a\"; }"),
    ("V0301", "fn f(count: int) {}\nfn main() { f(\"3\"); }"),
    ("V0301", "fn f() -> str { return 1; }\nfn main() {}"),
    ("V0301", "fn main() { let n = 3; if n { print(n); } }"),
    ("V0301", "fn main() { let n = 3; let x: float = n; }"),
    ("V0301", "fn main() { let x = if true { 1 } else { \"a\" }; print(x); }"),
    ("V0301", "fn main() { let xs = [1, \"a\"]; }"),
    ("V0302", "fn f(a: int, b: int) {}\nfn main() { f(1); }"),
    ("V0302", "fn main() { throw BudgetExceeded(\"x\"); }"),
    ("V0303", "fn f(path: str) {}\nfn main() { f(pth: \"a\"); }"),
    ("V0304", "fn main() { print(1 - \"a\"); }"),
    ("V0304", "fn main() { let xs = [1]; print(xs + 1); }"),
    ("V0304", "fn main() { print(true & false); }"),
    ("V0305", "fn main() { let n = 1; n(2); }"),
    ("V0305", "agent A { model \"m\" }\nfn main() { A(1); }"),
    ("V0306", "fn main() { for i in 10 { print(i); } }"),
    ("V0307", "fn main() { let n = 5; print(n[0]); }"),
    ("V0308", "const N = 1;\nfn main() { N = 2; }"),
    ("V0308", "fn main() { let s = \"abc\"; s[0] = \"x\"; }"),
    (
        "V0308",
        "struct P { x: int }\nimpl P { fn up(mut self) { self.x += 1; } }\nfn make() -> P { P { x: 1 } }\nfn main() { make().up(); }",
    ),
    ("V0308", "fn f(xs: int[]?) { xs?.push(1); }\nfn main() {}"),
    ("V0309", "fn main() { let n = 0; let f = || { n = n + 1; }; f(); }"),
    ("V0309", "fn main() { let xs = [1]; let f = |x: int| xs.push(x); f(1); }"),
    ("V0310", "fn f(n: int) -> int { if n > 0 { return 1; } }\nfn main() {}"),
    ("V0311", "fn main() { return; print(1); }"),
    ("V0312", "fn main() { let xs = []; }"),
    ("V0312", "fn main() { let x = null; }"),
    ("V0312", "fn main() { let f = |x| x; }"),
    ("V0304", "fn main() { let n = parse_int(\"1\"); print(n + 0 > 1, \"x\"); }"),
    ("V0313", "fn main() { let s: str? = [\"a\"].first(); print(s.len()); }"),
    ("V0313", "fn f(y: str?) { let x = y; if x != null { defer print(x.len()); x = null; } }\nfn main() {}"),
    ("V0313", "fn f(s: str?, b: bool) { let x: str? = \"a\"; let c = b && { x = s; true }; print(c, x.len()); }\nfn main() {}"),
    (
        "V0313",
        "fn f(s: str?) { let x: str? = \"a\"; try { x = s; print(1); x = \"b\"; } finally { print(x.len()); } }\nfn main() {}",
    ),
    ("V0313", "fn f(s: str?) { let x: str? = \"a\"; for i in 0..3 { print(x.len()); x = s; } }\nfn main() {}"),
    ("V0314", "struct P { x: int, y: int, z: int }\nfn main() { print(P { x: 1 }); }"),
    ("V0315", "enum V { Approve, Reject(str) }\nfn main() { let v = V::Approve; match v { Approve => print(1) } }"),
    ("V0315", "fn main() { match 3 { 1 => print(1), 2 => print(2) } }"),
    ("V0315", "fn main() { match (true, false) { (true, _) => print(1), (_, true) => print(2) } }"),
    ("V0315", "fn main() { match [1] { [] => print(1), [x, y, ..] => print(x + y) } }"),
    ("V0316", "fn main() { match 3 { n => print(n), 2 => print(2) } }"),
    ("V0317", "fn main() { break; }"),
    ("V0318", "fn main() { throw \"failed\"; }"),
    ("V0319", "fn main() { print(1 == \"1\"); }"),
    ("V0320", "fn least<T: Ord>(a: T, b: T) -> T { if a < b { a } else { b } }\nfn main() { print(least([1], [2])); }"),
    ("V0321", "struct A { b: B }\nstruct B { n: int, a: A[], c: C }\nstruct C { c: C }\nfn main() {}"),
    ("V0322", "type A = B[];\ntype B = A;\nfn main() {}"),
    ("V0323", "fn main() { match 3 { \"a\" => print(1), _ => print(2) } }"),
    ("V0323", "struct P { x: int, y: int }\nfn main() { let P { x } = P { x: 1, y: 2 }; print(x); }"),
    ("V0324", "fn main() { let [a, b] = [1, 2]; print(a, b); }"),
    ("V0325", "fn main() { let m: map<float, int> = {}; }"),
    ("V0326", "fn main() { let m: map<str> = {}; }"),
    ("V0327", "fn now() -> int { 1 }\nconst N = now();\nfn main() { print(N); }"),
    ("V0328", "const A: int = B + 1;\nconst B: int = A;\nfn main() { print(A); }"),
    ("V0329", "fn f() {}\nfn main() { let x = f(); print(x); }"),
    ("V0330", "fn f(n: int) { n = 1; print(n); }\nfn main() { f(1); }"),
    ("V0331", "fn main() { let n = 1; n == 2; }"),
    ("V0332", "fn main() { let n = 1; if n == null { print(n); } }"),
    ("V0333", "fn f() -> int { let x = parse_int(\"1\")?; return x; }\nfn main() {}"),
    ("V0334", "fn main() { print(f\"{\"a\":x}\"); }"),
    ("V0335", "fn main() { let f = print; }"),
    ("V0335", "agent A { model \"m\" }\nfn main() { let a = A; }"),
    ("V0336", "fn f(n: int) -> int;\nfn main() {}"),
    ("V0337", "fn f(a: int = 1, b: int) {}\nfn main() {}"),
    ("V0339", "error Broken(code: int);\nerror Worse(why: str): Broken;\nfn main() {}"),
    ("V0340", "struct P { x: int }\nfn main() { let ps = [P { x: 1 }]; for p in ps { p.x = 2; } print(ps); }"),
    ("V0338", "fn main() { let x = if true { 1 }; }"),
    (
        "V0341",
        "const A: any[] = [1];\n\
         const B: any[] = [A];\n\
         const C: any[] = [B];\n\
         const D: any[] = [C];\n\
         const E: any[] = [D];\n\
         const F: any[] = [E];\n\
         const G: any[] = [F];\n\
         const H: any[] = [G];\n\
         const I: any[] = [H];\n\
         const J: any[] = [I];\n\
         const K: any[] = [J];\n\
         const L: any[] = [K];\n\
         const M: any[] = [L];\n\
         const N: any[] = [M];\n\
         const O: any[] = [N];\n\
         const P: any[] = [O];\n\
         const Q: any[] = [P];\n\
         fn main() {}",
    ),
];

const AGENTS: &[Case] = &[
    ("V0401", "fn main() { let x = 3; while x <-1 { print(x); } }"),
    ("V0401", "fn f() {}\nfn main() { let p = spawn f; p <- \"x\"; }"),
    ("V0403", "agent A { model \"m\" }\nfn main() { let a = spawn A; a <- |x: int| x; }"),
    ("V0403", "struct P { f: fn(int) -> int, next: P? }\nagent A { model \"m\" }\nfn ask(a: A, p: P) { a <- p; }\nfn main() {}"),
    ("V0404", "agent A { model \"m\" }\nfn main() { let a = spawn A; send(a, \"x\"); }"),
    ("V0405", "fn f(p: process) { let m = process::monitor(p); send(p, m); }\nfn main() {}"),
    ("V0406", "agent Coder { model \"m\" }\nfn main() { let c = spawn Codr; }"),
    ("V0407", "agent A { model \"m\" temperature 3.5 }\nfn main() {}"),
    ("V0407", "agent A { model \"m\" retry { backoff 5s } }\nfn main() {}"),
    ("V0408", "agent A { model \"m\" retry { on [ratelimit] } }\nfn main() {}"),
    ("V0409", "agent A { model \"m\" tool t() capabilities [fs::reed] { print(1); } }\nfn main() {}"),
    ("V0410", "agent A { model \"m\" tool t(p: str) -> str capabilities [fs::write] { return file::read(p); } }\nfn main() {}"),
    ("V0415", "agent A { model \"m\" }\nfn main() { let a = spawn A; a <~ \"x\"; }"),
    ("V0413", "fn f() {}\nfn main() { for i in 0..3 { let p = spawn f(); } }"),
    (
        "V0412",
        "agent A { model \"m\" }\nfn main() { let a = spawn A; let x = a <- \"1\"; let y = a <- \"2\"; print(x + y); let z = a <- \"3\"; print(z); }",
    ),
    ("V0411", "agent A { model \"m\" tool t(f: fn(int) -> int) { print(1); } }\nfn main() {}"),
];

const UNSUPPORTED: &[Case] = &[
    ("V0901", "fn main() { parallel { let a = 1; let b = 2; } }"),
    ("V0901", "fn f() -> int { 1 }\nfn main() { parallel { let a = f(); let b = f(); } print(a + b); }"),
    ("V0901", "test \"x\" { assert(true); }\nfn main() {}"),
    ("V0902", "agent A { model \"m\" tools [] }\nfn main() {}"),
];

#[test]
fn names() {
    assert_snapshot!(drawn(NAMES));
}

#[test]
fn types() {
    assert_snapshot!(drawn(TYPES));
}

#[test]
fn agents() {
    assert_snapshot!(drawn(AGENTS));
}

#[test]
fn what_this_version_does_not_run() {
    assert_snapshot!(drawn(UNSUPPORTED));
}

#[test]
fn an_imported_file_may_not_have_statements() {
    let outcome = outcome(&[("test.vega", "import \"./lib\";\nfn main() {}"), ("lib.vega", "print(1);")]);
    assert_eq!(outcome.diagnostics.len(), 1, "{}", outcome.drawn());
    assert_eq!(outcome.diagnostics[0].code, codes::STATEMENTS_IN_IMPORT);
}

#[test]
fn every_code_of_this_stage_is_raised_by_some_program() {
    let cases: Vec<&str> = [NAMES, TYPES, AGENTS, UNSUPPORTED].concat().into_iter().map(|(code, _)| code).collect();
    // Needs an unreadable file, or two of them, or somebody who knows models, or comes with another.
    let elsewhere = [codes::IMPORT_UNREADABLE, codes::STATEMENTS_IN_IMPORT, codes::MODEL_SETTING, codes::PARALLEL_ARMS];
    for info in codes::ALL.iter().filter(|info| !elsewhere.contains(&info.code)) {
        let code = info.code.as_str();
        if ["V02", "V03", "V04", "V09"].iter().any(|group| code.starts_with(group)) {
            assert!(cases.contains(&code), "no program raises {code}");
        }
    }
}

#[test]
fn one_mistake_is_reported_once() {
    let program = "fn main() {\n    let x = unknown_thing;\n    let y = x + 1;\n    let z = y.field.other(3)[0];\n    for q in z { print(q.a); }\n    match z { 1 => print(z), A(b) => print(b) }\n}";
    let outcome = outcome(&[("test.vega", program)]);
    assert_eq!(outcome.diagnostics.len(), 1, "{}", outcome.drawn());
}

#[test]
fn all_mistakes_are_reported() {
    let program =
        "fn f() -> int { return \"a\"; }\nfn g(x: strr) {}\nfn main() {\n    let a: int = true;\n    b = 1;\n    f(1);\n}";
    let outcome = outcome(&[("test.vega", program)]);
    let codes: Vec<&str> = outcome.diagnostics.iter().map(|diagnostic| diagnostic.code.as_str()).collect();
    assert_eq!(codes, ["V0301", "V0203", "V0301", "V0202", "V0302"], "{}", outcome.drawn());
}
