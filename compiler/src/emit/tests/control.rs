//! Control flow: conditions, loops, guards, matches, messages.

use vega_bytecode::module::{Constant, EnumDefinition, FieldDefinition, VariantDefinition};
use vega_bytecode::{EnumId, Type, kinds};

use super::*;
use crate::ir::*;

fn sum_to(inclusive: bool) -> Fixture {
    let mut f = Fixture::new();
    let int = f.int();
    let zero = f.number(0);
    let start = f.number(0);
    let add = f.statement(StatementKind::AssignOp(f.place(1, vec![], int), BinaryOp::AddInt, f.local(2, int)));
    let body = f.block_with(
        vec![
            f.statement(StatementKind::Let(LocalId(1), Some(zero))),
            f.statement(StatementKind::ForRange {
                id: LoopId(0),
                variable: LocalId(2),
                start,
                end: f.local(0, int),
                inclusive,
                body: f.block(vec![add]),
            }),
        ],
        f.local(1, int),
    );
    f.function("sum", 1, &[("n", int), ("total", int), ("i", int)], int, body);
    f
}

#[test]
fn a_counting_loop_costs_one_instruction_a_round() {
    insta::assert_snapshot!(listing(&sum_to(false), 0));
}

#[test]
fn an_inclusive_loop_never_counts_beyond_its_bound() {
    insta::assert_snapshot!(listing(&sum_to(true), 0));
}

#[test]
fn conditions_jump_without_values() {
    let mut f = Fixture::new();
    let (int, bool) = (f.int(), f.ty(Type::Bool));
    // while a < b && !(a == 3) || b >= 10 { a += 1; } return a
    let (three, ten, one) = (f.number(3), f.number(10), f.number(1));
    let less = f.binary(BinaryOp::LtInt, f.local(0, int), f.local(1, int), bool);
    let equal = f.binary(BinaryOp::EqInt, f.local(0, int), three, bool);
    let not = f.expr(ExprKind::Unary(UnaryOp::Not, Box::new(equal)), bool);
    let both = f.expr(ExprKind::And(Box::new(less), Box::new(not)), bool);
    let large = f.binary(BinaryOp::GeInt, f.local(1, int), ten, bool);
    let condition = f.expr(ExprKind::Or(Box::new(both), Box::new(large)), bool);
    let add = f.statement(StatementKind::AssignOp(f.place(0, vec![], int), BinaryOp::AddInt, one));
    let repeat = f.statement(StatementKind::While { id: LoopId(0), condition, body: f.block(vec![add]), step: None });
    let body = f.block_with(vec![repeat], f.local(0, int));
    f.function("f", 2, &[("a", int), ("b", int)], int, body);
    insta::assert_snapshot!(listing(&f, 0));
}

#[test]
fn a_defer_runs_on_every_way_out_of_its_block() {
    let mut f = Fixture::new();
    let (int, bool, void) = (f.int(), f.ty(Type::Bool), f.ty(Type::Void));
    // fn f(n) -> int { defer { n = n * 2; } if n < 5 { return n; } n }
    let two = f.number(2);
    let double = f.binary(BinaryOp::MulInt, f.local(0, int), two, int);
    let deferred = f.block(vec![f.statement(StatementKind::Assign(f.place(0, vec![], int), double))]);
    let five = f.number(5);
    let less = f.binary(BinaryOp::LtInt, f.local(0, int), five, bool);
    let then = f.block(vec![f.statement(StatementKind::Return(Some(f.local(0, int))))]);
    let guard = f.statement(StatementKind::Expr(f.expr(ExprKind::If(vec![(less, then)], None), void)));
    let body = f.block_with(vec![f.statement(StatementKind::Defer(deferred)), guard], f.local(0, int));
    f.function("f", 1, &[("n", int)], int, body);
    insta::assert_snapshot!(listing(&f, 0));
}

#[test]
fn catch_clauses_are_tried_in_order_and_finally_runs_always() {
    let mut f = Fixture::new();
    let (text, void) = (f.ty(Type::Str), f.ty(Type::Void));
    // try { s = s + s; } catch AgentFailed(reason) { s = reason; } finally { s = "end"; }
    let doubled = f.binary(BinaryOp::Concat, f.local(0, text), f.local(0, text), text);
    let tried = f.block(vec![f.statement(StatementKind::Assign(f.place(0, vec![], text), doubled))]);
    let reason = f.pattern(PatternKind::Bind(LocalId(1)), text);
    let caught = f.block(vec![f.statement(StatementKind::Assign(f.place(0, vec![], text), f.local(1, text)))]);
    let catch = Catch { kind: Some(kinds::AGENT_FAILED), error: None, payload: vec![reason], body: caught };
    let end = f.text("end");
    let finally = f.block(vec![f.statement(StatementKind::Assign(f.place(0, vec![], text), end))]);
    let body = f.block(vec![f.statement(StatementKind::Try { body: tried, catches: vec![catch], finally: Some(finally) })]);
    f.function("f", 1, &[("s", text), ("reason", text)], void, body);
    insta::assert_snapshot!(listing(&f, 0));
}

#[test]
fn a_match_reads_the_variant_once_and_lets_go_of_the_value() {
    let mut f = Fixture::new();
    let (int, text) = (f.int(), f.ty(Type::Str));
    let payload = |ty| vec![FieldDefinition { name: String::new(), ty }];
    f.program.enums.push(EnumDefinition {
        name: "Verdict".into(),
        variants: vec![
            VariantDefinition { name: "Approve".into(), payload: vec![] },
            VariantDefinition { name: "Reject".into(), payload: payload(text) },
            VariantDefinition { name: "Score".into(), payload: payload(int) },
        ],
    });
    let verdict = f.ty(Type::Enum(EnumId(0), vec![]));
    // match v { Approve => "yes", Reject(why) => why, Score(n) => f"{n}" }
    let yes = f.text("yes");
    let score = f.expr(ExprKind::ToText(Box::new(f.local(2, int))), text);
    let bind = |f: &Fixture, local, ty| f.pattern(PatternKind::Bind(LocalId(local)), ty);
    let variant = |f: &Fixture, number, items| f.pattern(PatternKind::Variant(number, items), verdict);
    let arms = vec![
        Arm { pattern: variant(&f, 0, vec![]), guard: None, body: yes },
        Arm { pattern: variant(&f, 1, vec![bind(&f, 1, text)]), guard: None, body: f.local(1, text) },
        Arm { pattern: variant(&f, 2, vec![bind(&f, 2, int)]), guard: None, body: score },
    ];
    let matched = f.expr(ExprKind::Match(Box::new(f.local(0, verdict)), arms), text);
    let body = f.block_with(vec![], matched);
    f.function("f", 1, &[("v", verdict), ("why", text), ("n", int)], text, body);
    insta::assert_snapshot!(listing(&f, 0));
}

#[test]
fn receive_takes_only_what_an_arm_fits() {
    let mut f = Fixture::new();
    let (int, text, any, duration) = (f.int(), f.ty(Type::Str), f.ty(Type::Any), f.ty(Type::Duration));
    // receive { "stop" => 0, n: int => n, after 5s => -1 }
    let (zero, minus) = (f.number(0), f.number(-1));
    let stop = f.pattern(PatternKind::Literal(Constant::Str("stop".into())), text);
    let bind = f.pattern(PatternKind::Bind(LocalId(1)), int);
    let typed = f.pattern(PatternKind::Type(int, Box::new(bind)), any);
    let time = f.expr(ExprKind::Constant(Constant::Duration(5_000_000_000)), duration);
    let receive = Receive {
        arms: vec![Arm { pattern: stop, guard: None, body: zero }, Arm { pattern: typed, guard: None, body: f.local(1, int) }],
        after: Some((time, f.block_with(vec![], minus))),
        message: LocalId(0),
    };
    let received = f.expr(ExprKind::Receive(Box::new(receive)), int);
    let body = f.block_with(vec![], received);
    f.function("f", 0, &[("%message", any), ("n", int)], int, body);
    insta::assert_snapshot!(listing(&f, 0));
}

#[test]
fn a_loop_keeps_constants_without_an_immediate_in_registers() {
    let mut f = Fixture::new();
    let (float, bool) = (f.ty(Type::Float), f.ty(Type::Bool));
    // while x < 100.0 { x = x * 1.5; } x
    let constant = |f: &Fixture, value| f.expr(ExprKind::Constant(Constant::Float(value)), float);
    let condition = f.binary(BinaryOp::LtFloat, f.local(0, float), constant(&f, 100.0), bool);
    let product = f.binary(BinaryOp::MulFloat, f.local(0, float), constant(&f, 1.5), float);
    let grow = f.statement(StatementKind::Assign(f.place(0, vec![], float), product));
    let repeat = f.statement(StatementKind::While { id: LoopId(0), condition, body: f.block(vec![grow]), step: None });
    let body = f.block_with(vec![repeat], f.local(0, float));
    f.function("f", 1, &[("x", float)], float, body);
    insta::assert_snapshot!(listing(&f, 0));
}

#[test]
fn an_error_in_a_method_leaves_self_in_place_for_the_caller() {
    let mut f = Fixture::new();
    let (ints, void) = (f.ints(), f.ty(Type::Void));
    // fn outer(mut self) { self.inner(); } where inner is `mut self` too
    let body = f.block(vec![]);
    f.function("inner", 1, &[("self", ints)], void, body);
    f.last().returns_self = true;
    let call = f.expr(ExprKind::CallOnPlace(vega_bytecode::FunctionId(0), f.place(0, vec![], ints), vec![]), void);
    let body = f.block(vec![f.statement(StatementKind::Expr(call))]);
    f.function("outer", 1, &[("self", ints)], void, body);
    f.last().returns_self = true;
    insta::assert_snapshot!(listing(&f, 1));
}
