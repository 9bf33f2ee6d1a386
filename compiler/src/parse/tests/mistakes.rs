//! What is said about texts with mistakes, and that no mistake hides or invents another.

use super::{mistakes, outcome};
use insta::assert_snapshot;

/// Each text with what is said about it.
fn all(texts: &[&str]) -> String {
    let block = |text: &&str| format!("{text}\n{}\n{}\n", "-".repeat(20), mistakes(text));
    texts.iter().map(block).collect()
}

/// The same inside a function.
fn all_in_function(texts: &[&str]) -> String {
    let block = |text: &&str| {
        let drawn = mistakes(&format!("fn main() {{\n    {text}\n    after();\n}}\n"));
        format!("{text}\n{}\n{drawn}\n", "-".repeat(20))
    };
    texts.iter().map(block).collect()
}

#[test]
fn characters_and_comments() {
    assert_snapshot!(all(&[
        "let x = 1 ¤ 2;",
        "let x = “text”;",
        "let x = 'text';",
        "let x = 5 – 3;",
        "# a comment\nlet x = 1;",
        "/* open\nlet x = 1;",
        "/* all of src/** */\nlet x = 1;",
        "let x = \u{1};",
    ]));
}

#[test]
fn texts() {
    assert_snapshot!(all(&[
        "let x = \"open;\nlet y = 1;",
        "let x = \"\"\"open;\nlet y = 1;",
        "f(\"open);\nlet y = 1;",
        r#"let x = "\q \' \x41 \u{D800} \u12";"#,
        r#"let x = f"a } b";"#,
        r#"let x = f"a {name";"#,
        "let x = f\"a {name\nlet y = 2;",
        r#"let x = f"a {} b {1 +} c {x:q}";"#,
        r#"let x = f"{a b}" + ;"#,
    ]));
}

#[test]
fn numbers() {
    assert_snapshot!(all(&[
        "let x = 5min + 10sec;",
        "let x = 3apples;",
        "let x = 0b12;",
        "let x = 0x;",
        "let x = 99999999999999999999;",
        "let x = 9223372036854775808;",
        "let x = 1e999;",
        "let x = 30m1h;",
        "let x = 1h30;",
        "let x = $.50 + $x + $1.0000000000001 + $99999999;",
    ]));
}

#[test]
fn ends_of_statements() {
    assert_snapshot!(all_in_function(&[
        "let x = 1\n    let y = 2;",
        "f()\n    g();",
        "f() g();",
        "let x = ;",
        "let x 5;",
        "let x;",
        "return 1 2;",
        "x++;",
        "a === b;",
        "let a = b = c;",
        ") f();",
        "f(a));",
    ]));
}

#[test]
fn brackets() {
    assert_snapshot!(all(&[
        "fn f() {\n    g(a, b;\n    h();\n}\n",
        "fn f() {\n    if a {\n        g();\n}\n\nfn h() { }\n",
        "fn f() {\n    g();\n}\n}\nfn h() { }\n",
        "fn f() {\n    let xs = [1, 2;\n    let ys = (1 2);\n}\n",
        "fn f() {\n    let p = Point { x: 1;\n    let q = 2;\n}\nfn g() { }\n",
        "fn f() {\n    g(",
        "fn f() {",
        "fn f() {\n    xs[1;\n}\n",
        "agent A {\n    model \"m\"\n\nfn f() { }\n",
    ]));
}

#[test]
fn several_mistakes_are_all_found_once() {
    assert_snapshot!(all(&[
        "fn f( {\n    let x = ;\n}\n\nfn g() {\n    let = 1;\n    f(a b);\n    if { }\n    match x { 1 -> 2, => 3 }\n    good();\n}\n\nstruct S { a: int b: str, c }\n\nfn h() { return ]; }\n",
        "let x = xs.map(|x| {\n    let y = ;\n    y\n});\nlet z = ;\n",
    ]));
}

#[test]
fn sends() {
    assert_snapshot!(all_in_function(&[
        "let b = h <- a == c;",
        "print(\"x\" + coder <- m);",
        "let x = !h <- m;",
        "f(x) timeout 5s;",
        "h <- m timeout 5s timeout 6s;",
        "send(p, v timeout 5s);",
    ]));
}

#[test]
fn heads() {
    assert_snapshot!(all_in_function(&[
        "if x = 1 { }",
        "if p == Point { x: 1 } { }",
        "for (k, v) in { \"a\": 1 } { }",
        "while { }",
        "for x of xs { }",
        "for (let i = 0; i < 3; i++) { }",
        "if a < b < c { }",
        "session $5 { }",
        "session { }",
        "let r = 1..;",
        "for i in 0.. { }",
    ]));
}

#[test]
fn names_and_foreign_forms() {
    assert_snapshot!(all_in_function(&[
        "let match = 1;",
        "var x = 1;",
        "let mut x = 1;",
        "if a and b { }",
        "if not a { }",
        "let f = fn(x) { x };",
        "f(style = \"x\");",
        "Point { x = 1 };",
        "{ \"a\": 1 }",
        "fn inner() { }",
        "agent Inner { }",
        "elif a { }",
    ]));
}

#[test]
fn matches() {
    assert_snapshot!(all_in_function(&[
        "match x { 1 -> a, 2: b, 3 => c; 4 => d }",
        "match x {\n        1 => a\n        2 => b\n    }",
        "match x { [a, .., b, ..] => 1, A { .., b } => 2, (a, ..b) => 3 }",
        "match x { f\"a\" => 1, if => 2, .. => 3 }",
        "receive { after 1s => a, after 2s => b }",
        "try { } catch (e) { }",
        "try { } f();",
        "try { } catch AgentFailed { reason } { }",
    ]));
}

#[test]
fn declarations() {
    assert_snapshot!(all(&[
        "fn f(a, b: int): int { }",
        "function f() { }",
        "def f():\n    x\n",
        "struct S {\n    pub a: int\n    b: str\n}",
        "fn match() { }",
        "import math;",
        "import { a } \"m\";",
        "pub test \"x\" { }",
        "fn f(self, a: []int) { }",
        "impl S { fn f(a: int, self) { } let x = 1; fn g(self) { } }",
        "enum E { A(int, B }",
        "error E(a: int) : ;",
        "type A int;",
        "const X: int;",
    ]));
}

#[test]
fn clauses() {
    assert_snapshot!(all(&[
        "agent A {\n    modle \"m\"\n    temprature 0.3\n    color red\n    budget $1\n}",
        "agent A {\n    model: \"m\",\n    system = \"s\";\n    model \"n\"\n}",
        "agent A {\n    model\n    system \"s\"\n}",
        "agent A {\n    retry { max_atempts 3 on rate_limit }\n    priority urgent\n    history\n    rate_limit { requests 5 concurrent 3 }\n    tool f() -> str capability [x] { }\n    tool g(a: int) { let x = ; }\n}",
        "let a = spawn A supervised by { strategy restrat max_restarts };",
        "let a = spawn A supervised { };",
        "supervisor T {\n    child a A\n    child b = B(1)\n    strategy stop\n    strategy stop\n}",
    ]));
}

#[test]
fn positions_are_inside_the_text() {
    let outcome = outcome("let x = \"ä\" 1;");
    let span = outcome.parsed.diagnostics[0].span();
    assert_eq!(outcome.sources.text_of(span), "1");
}
