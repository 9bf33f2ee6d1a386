//! Each clause of the rule about when rounds join, on a program's text.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::join::{JoinPlan, plan};
use super::parts::{Part, each_part};
use crate::ast::{Block, Expr, ExprKind, ItemKind, Stmt, StmtKind};
use crate::interner::Interner;
use crate::parse::parse;
use crate::source::{FileId, Sources, Span};
use vega_bytecode::module::Join;

/// The plan as lines: `3 ask 0` (the send in line 3 joins later, as number 0), `3 ask now`, `5 before 0 1`, `7 end 0` (of the block
/// that closes in line 7), `file end 0`.
fn planned(text: &str) -> Vec<String> {
    let mut sources = Sources::new();
    let file = sources.add("a.vega", text);
    let mut interner = Interner::new();
    let parsed = parse(file, text, &mut interner);
    assert!(parsed.diagnostics.is_empty(), "{:?}", parsed.diagnostics);
    let plan = plan(&parsed.file, &interner);
    let mut out = Listing { sources: &sources, plan: &plan, file, lines: Vec::new() };
    for item in &parsed.file.items {
        if let ItemKind::Function(function) = &item.kind {
            out.block(function.body.as_ref().unwrap());
        }
    }
    parsed.file.statements.iter().for_each(|statement| out.statement(statement));
    out.note("file end", plan.at_file_end());
    out.lines
}

struct Listing<'a> {
    sources: &'a Sources,
    plan: &'a JoinPlan,
    file: FileId,
    lines: Vec<String>,
}

impl Listing<'_> {
    fn line(&self, offset: u32) -> u32 {
        self.sources.line_column(Span::new(self.file, offset, offset)).line
    }

    fn note(&mut self, what: &str, numbers: &[u32]) {
        if !numbers.is_empty() {
            let numbers: Vec<String> = numbers.iter().map(u32::to_string).collect();
            self.lines.push(format!("{what} {}", numbers.join(" ")));
        }
    }

    fn block(&mut self, block: &Block) {
        block.statements.iter().for_each(|statement| self.statement(statement));
        if let Some(value) = &block.value {
            let line = self.line(value.span.start);
            self.note(&format!("{line} before"), self.plan.before_value(block.id));
            self.expr(value);
        }
        let line = self.line(block.span.end);
        self.note(&format!("{line} end"), self.plan.at_end(block.id));
    }

    fn statement(&mut self, statement: &Stmt) {
        let line = self.line(statement.span.start);
        self.note(&format!("{line} before"), self.plan.before(statement.id));
        match &statement.kind {
            StmtKind::Let(binding) => self.expr(&binding.value),
            StmtKind::Const(constant) => self.expr(&constant.value),
            StmtKind::Expr(expr) | StmtKind::Defer(expr) => self.expr(expr),
            StmtKind::Mock(_) | StmtKind::Error => {}
        }
    }

    fn expr(&mut self, expr: &Expr) {
        if let ExprKind::Send(send) = &expr.kind {
            let line = self.line(send.operator_span.start);
            self.lines.push(match self.plan.ask(expr.id) {
                Join::AtOnce => format!("{line} ask now"),
                Join::Later(number) => format!("{line} ask {number}"),
            });
        }
        let mut parts = Vec::new();
        each_part(expr, &mut |part| parts.push(part));
        for part in parts {
            match part {
                Part::Expr(inner) => self.expr(inner),
                Part::Block(block) => self.block(block),
                Part::Pattern(_) | Part::Name(_) => {}
            }
        }
    }
}

/// Plans the body of a function whose first statement stands in line 2.
fn body(text: &str) -> Vec<String> {
    planned(&format!("fn f(a: A, b: B, xs: str[]) {{\n{text}\n}}"))
}

#[test]
fn replies_that_nobody_looked_at_join_together() {
    let lines = body("let x = a <- \"1\";\nlet y = a <- \"2\";\nlet z = b <- x + y;\nprint(z);");
    assert_eq!(lines, ["2 ask 0", "3 ask 1", "4 before 0 1", "4 ask 2", "5 before 2", "6 end 0 1 2"]);
}

#[test]
fn a_reply_that_is_printed_returned_or_dropped_joins_at_once() {
    assert_eq!(body("print(a <- \"1\");\na <- \"2\";\nreturn a <- \"3\";"), ["2 ask now", "3 ask now", "4 ask now"]);
}

#[test]
fn only_a_name_for_a_single_send_makes_it_pending() {
    // Part of a larger expression, a field, a pattern, a constant: the statement's end.
    assert_eq!(body("let x = (a <- \"1\") + \"!\";\nlet y = a <- x;"), ["2 ask now", "3 ask 0", "4 end 0"]);
    assert_eq!(body("s.reply = a <- \"1\";"), ["2 ask now"]);
    assert_eq!(body("let (p, q) = a <- \"1\";"), ["2 ask now"]);
    assert_eq!(body("x += a <- \"1\";"), ["2 ask now"]);
    // Modifiers, parentheses and any receiver do not matter.
    assert_eq!(body("let x: R = (pick(xs) <- \"1\" timeout 5s budget $1);\nprint(x);"), ["2 ask 0", "3 before 0", "4 end 0"]);
}

#[test]
fn an_assignment_of_a_single_send_is_pending_too() {
    let lines = body("let x = \"\";\nx = a <- \"1\";\nlet y = 1;\nx = a <- \"2\";");
    assert_eq!(lines, ["3 ask 0", "5 before 0", "5 ask 1", "6 end 0 1"]);
}

#[test]
fn a_redeclaration_counts_as_a_mention() {
    let lines = body("let x = a <- \"1\";\nlet x = a <- \"2\";");
    assert_eq!(lines, ["2 ask 0", "3 before 0", "3 ask 1", "4 end 0 1"]);
}

#[test]
fn a_name_in_a_string_hole_or_closure_is_a_mention() {
    assert_eq!(body("let x = a <- \"1\";\nprint(f\"{x}\");"), ["2 ask 0", "3 before 0", "4 end 0"]);
    assert_eq!(body("let x = a <- \"1\";\nlet g = || x;"), ["2 ask 0", "3 before 0", "4 end 0"]);
    assert_eq!(body("let x = a <- \"1\";\nprint(\"x\");"), ["2 ask 0", "4 end 0"]);
}

#[test]
fn of_a_compound_statement_its_head_or_the_inner_statement_counts() {
    let lines = body("let x = a <- \"1\";\nif ready {\nprint(1);\nprint(x);\n}");
    assert_eq!(lines, ["2 ask 0", "5 before 0", "7 end 0"]);
    let lines = body("let x = a <- \"1\";\nif x == \"\" {\nprint(1);\n}");
    assert_eq!(lines, ["2 ask 0", "3 before 0", "6 end 0"]);
    let lines = body("let x = a <- \"1\";\nmatch k {\n1 => { print(x); }\n_ => {}\n}");
    assert_eq!(lines, ["2 ask 0", "4 before 0", "7 end 0"]);
}

#[test]
fn an_inner_block_ends_what_it_named() {
    let lines = body("if ready {\nlet x = a <- \"1\";\n}\nlet y = a <- \"2\";");
    assert_eq!(lines, ["3 ask 0", "4 end 0", "5 ask 1", "6 end 1"]);
}

#[test]
fn a_name_from_outside_outlives_the_inner_block() {
    let lines = body("let x = \"\";\nif ready {\nx = a <- \"1\";\nprint(2);\n}\nprint(x);");
    assert_eq!(lines, ["4 ask 0", "7 before 0", "8 end 0"]);
}

#[test]
fn the_next_round_of_a_loop_comes_later_than_this_one() {
    let lines = body("let fb = \"\";\nwhile go() {\nlet p = a <- fb;\nfb = b <- p;\n}");
    // `fb` of the last round joins before `p` is asked for, `p` before `fb`, and `p` with its block.
    assert_eq!(lines, ["4 before 1", "4 ask 0", "5 before 1 0", "5 ask 1", "6 end 0", "7 end 1"]);
}

#[test]
fn a_loops_test_comes_after_its_body() {
    let lines = body("let x = \"\";\nwhile x == \"\" {\nx = a <- \"1\";\n}");
    assert_eq!(lines, ["4 before 0", "4 ask 0", "5 end 0", "6 end 0"]);
}

#[test]
fn sends_of_one_statement_do_not_see_each_other() {
    let lines = body("print((a <- \"1\") + (a <- \"2\"));\nprint(3);");
    assert_eq!(lines, ["2 ask 0", "2 ask 1", "3 before 0 1", "4 end 0 1"]);
    let lines = body("let x = a <- (b <- \"1\");");
    assert_eq!(lines, ["2 ask 0", "2 ask 1", "3 end 0 1"]);
}

#[test]
fn a_call_in_the_same_statement_does_not_see_the_round() {
    let lines = body("ask_again(a <- \"1\", a);\nprint(3);");
    assert_eq!(lines, ["2 ask 0", "3 before 0", "4 end 0"]);
}

#[test]
fn elements_of_a_comprehension_join_after_the_whole() {
    let lines = body("let rs = [a <- x for x in xs];\nprint(1);\nprint(rs);");
    assert_eq!(lines, ["2 ask 0", "3 before 0", "5 end 0"]);
}

#[test]
fn arms_of_parallel_join_after_the_whole() {
    let lines = body("parallel {\nlet x = a <- \"1\";\nlet y = a <- \"2\";\n}\nprint(3);");
    assert_eq!(lines, ["3 ask 0", "4 ask 1", "6 before 0 1", "7 end 0 1"]);
}

#[test]
fn a_stream_joins_when_it_was_read() {
    assert_eq!(body("let s = a <~ \"1\";\nprint(await s);"), ["2 ask now"]);
}

#[test]
fn a_deferred_block_sees_what_its_block_named() {
    let lines = body("let x = \"\";\n{\ndefer { print(x); }\nx = a <- \"1\";\n}");
    assert_eq!(lines, ["4 before 0", "5 ask 0", "7 end 0"]);
}

#[test]
fn closures_and_async_code_are_functions_of_their_own() {
    let lines = body("let x = a <- \"1\";\nlet f = |m: str| { let x = a <- m; x };");
    // The text of the second statement contains `x`; inside of it another `x` is pending.
    assert_eq!(lines, ["2 ask 0", "3 before 0", "3 ask 1", "3 before 1", "3 end 1", "4 end 0"]);
    assert_eq!(body("let f = async a <- \"1\";"), ["2 ask now"]);
}

#[test]
fn the_value_of_a_block_is_a_statement_too() {
    let lines = planned("fn f(a: A) -> str {\nlet x = a <- \"1\";\nx\n}");
    assert_eq!(lines, ["2 ask 0", "3 before 0", "4 end 0"]);
}

#[test]
fn statements_at_top_level_end_with_the_file() {
    let lines = planned("let x = a <- \"1\";\nlet y = a <- \"2\";\nprint(x);");
    assert_eq!(lines, ["1 ask 0", "2 ask 1", "3 before 0", "file end 0 1"]);
}
