//! Calls: windows, moves at last use, places that are changed by what is called, effect sites.

use vega_bytecode::module::{FieldDefinition, NativeImport, StructDefinition};
use vega_bytecode::{FunctionId, StructId, Type};

use super::*;
use crate::ir::*;

#[test]
fn fib_computes_arguments_in_their_windows() {
    let mut f = Fixture::new();
    let int = f.int();
    let bool = f.ty(Type::Bool);
    let two = f.number(2);
    let test = f.binary(BinaryOp::LtInt, f.local(0, int), two, bool);
    let then = f.block(vec![f.statement(StatementKind::Return(Some(f.local(0, int))))]);
    let void = f.ty(Type::Void);
    let guard = f.statement(StatementKind::Expr(f.expr(ExprKind::If(vec![(test, then)], None), void)));
    let mut call = |by: i64| {
        let by = f.number(by);
        let argument = f.binary(BinaryOp::SubInt, f.local(0, int), by, int);
        f.expr(ExprKind::Call(FunctionId(0), vec![argument]), int)
    };
    let (first, second) = (call(1), call(2));
    let sum = f.binary(BinaryOp::AddInt, first, second, int);
    let body = f.block(vec![guard, f.statement(StatementKind::Return(Some(sum)))]);
    f.function("fib", 1, &[("n", int)], int, body);
    insta::assert_snapshot!(listing(&f, 0));
}

#[test]
fn appending_works_in_place() {
    let mut f = Fixture::new();
    let (int, ints, text) = (f.int(), f.ints(), f.ty(Type::Str));
    let void = f.ty(Type::Void);
    // xs = xs + [n]; s = s + "a" + n; return
    let one = f.expr(ExprKind::Array(vec![f.local(1, int)]), ints);
    let longer = f.binary(BinaryOp::Concat, f.local(0, ints), one, ints);
    let push = f.statement(StatementKind::Assign(f.place(0, vec![], ints), longer));
    let a = f.text("a");
    let joined = f.expr(ExprKind::JoinText(vec![f.local(2, text), a, f.local(1, int)]), text);
    let append = f.statement(StatementKind::Assign(f.place(2, vec![], text), joined));
    let body = f.block(vec![push, append]);
    f.function("f", 3, &[("xs", ints), ("n", int), ("s", text)], void, body);
    insta::assert_snapshot!(listing(&f, 0));
}

#[test]
fn an_argument_that_is_not_read_again_is_moved() {
    let mut f = Fixture::new();
    let ints = f.ints();
    // fn g(xs) -> int[] { return xs; }  fn f(xs) { let ys = g(xs); let zs = g(ys); return g(ys) }
    let body = f.block(vec![f.statement(StatementKind::Return(Some(f.local(0, ints))))]);
    f.function("g", 1, &[("xs", ints)], ints, body);
    let call = |f: &Fixture, local: u32| f.expr(ExprKind::Call(FunctionId(0), vec![f.local(local, ints)]), ints);
    let body = f.block(vec![
        f.statement(StatementKind::Let(LocalId(1), Some(call(&f, 0)))),
        f.statement(StatementKind::Let(LocalId(2), Some(call(&f, 1)))),
        f.statement(StatementKind::Return(Some(call(&f, 1)))),
    ]);
    f.function("f", 1, &[("xs", ints), ("ys", ints), ("zs", ints)], ints, body);
    insta::assert_snapshot!(listing(&f, 1));
}

#[test]
fn a_method_on_a_nested_place_takes_and_puts_back_even_after_an_error() {
    let mut f = Fixture::new();
    let (int, ints) = (f.int(), f.ints());
    let void = f.ty(Type::Void);
    f.program
        .structs
        .push(StructDefinition { name: "Box".into(), fields: vec![FieldDefinition { name: "items".into(), ty: ints }] });
    let id = StructId(f.program.structs.len() as u32 - 1);
    let a_box = f.ty(Type::Struct(id, vec![]));
    let boxes = f.ty(Type::Array(a_box));
    // fn add(mut self: int[], n: int) { self.push(n); }
    let push = f.expr(ExprKind::Push(f.place(0, vec![], ints), Box::new(f.local(1, int))), void);
    let body = f.block(vec![f.statement(StatementKind::Expr(push))]);
    f.function("add", 2, &[("self", ints), ("n", int)], void, body);
    f.last().returns_self = true;
    // fn f(boxes, i) { try { boxes[i].items.add(7); } catch { } }
    let steps = vec![PlaceStep::Index(f.local(1, int)), PlaceStep::Field(0)];
    let seven = f.number(7);
    let call = f.expr(ExprKind::CallOnPlace(FunctionId(0), f.place(0, steps, ints), vec![seven]), void);
    let tried = f.block(vec![f.statement(StatementKind::Expr(call))]);
    let catch = Catch { kind: None, error: None, payload: vec![], body: f.block(vec![]) };
    let body = f.block_with(
        vec![f.statement(StatementKind::Try { body: tried, catches: vec![catch], finally: None })],
        f.local(0, boxes),
    );
    f.function("f", 2, &[("boxes", boxes), ("i", int)], boxes, body);
    insta::assert_snapshot!(listing(&f, 1));
}

#[test]
fn sites_are_numbered_by_the_text_and_know_their_loops() {
    let mut f = Fixture::new();
    let (int, void) = (f.int(), f.ty(Type::Void));
    f.program.natives.push(NativeImport { name: "print".into(), arity: 1, result: void, changes_self: false });
    f.program.native_effects.push(true);
    let print = |f: &Fixture| f.statement(StatementKind::Expr(f.expr(ExprKind::CallNative(0, vec![f.local(0, int)]), void)));
    let (zero, ten) = (f.number(0), f.number(10));
    let inner = f.block(vec![print(&f)]);
    let counted = f.statement(StatementKind::ForRange {
        id: LoopId(0),
        variable: LocalId(1),
        start: zero,
        end: ten,
        inclusive: false,
        body: inner,
    });
    let body = f.block(vec![print(&f), counted]);
    f.function("f", 1, &[("n", int), ("i", int)], void, body);
    f.last().may_effect = true;
    insta::assert_snapshot!(listing(&f, 0));
}
