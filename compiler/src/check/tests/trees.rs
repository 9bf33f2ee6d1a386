//! What small programs become: the typed tree as text, with every conversion written out.

use std::fmt::Write;

use insta::assert_snapshot;
use vega_bytecode::TypeId;
use vega_bytecode::module::Constant;

use super::passes;
use crate::check::types::{TypeNames, Types};
use crate::ir::{
    Block, Expr, ExprKind as E, Function, LocalId, Pattern, PatternKind as P, Place, PlaceStep, Program, StatementKind as S,
};

/// A program as text.
struct Dump<'p> {
    program: &'p Program,
    function: &'p Function,
    types: Types,
    names: TypeNames,
    text: String,
    depth: usize,
}

fn tree(text: &str) -> String {
    let program = passes(text);
    let mut result = String::new();
    for function in &program.functions {
        let mut types = Types::new();
        types.table = program.types.clone();
        let names = TypeNames {
            structs: program.structs.iter().map(|definition| definition.name.clone()).collect(),
            enums: program.enums.iter().map(|definition| definition.name.clone()).collect(),
            agents: program.agents.iter().map(|agent| agent.name.clone()).collect(),
        };
        let mut dump = Dump { program: &program, function, types, names, text: String::new(), depth: 0 };
        dump.function();
        result += &dump.text;
    }
    result
}

impl Dump<'_> {
    fn ty(&self, ty: TypeId) -> String {
        self.names.show(&self.types, &["T", "U"], ty)
    }

    fn local(&self, local: LocalId) -> String {
        format!("{}.{}", self.function.locals[local.0 as usize].name, local.0)
    }

    fn function(&mut self) {
        let function = self.function;
        let show = |local: &LocalId| format!("{}: {}", self.local(*local), self.ty(function.locals[local.0 as usize].ty));
        let parameters: Vec<String> = function.parameters.iter().chain(&function.captures).map(show).collect();
        let effect = if function.may_effect { " may touch the world" } else { "" };
        let line = format!("fn {}({}) -> {}{effect}", function.name, parameters.join(", "), self.ty(function.result));
        self.line(&line);
        self.block(&function.body);
    }

    fn line(&mut self, line: &str) {
        writeln!(self.text, "{}{line}", "  ".repeat(self.depth)).unwrap();
    }

    fn block(&mut self, block: &Block) {
        self.depth += 1;
        for statement in &block.statements {
            if !statement.joins_before.is_empty() {
                let line = format!("join {:?}", statement.joins_before);
                self.line(&line);
            }
            self.statement(&statement.kind);
        }
        if let Some(value) = &block.value {
            let line = format!("= {}", self.expr(value));
            self.line(&line);
        }
        if !block.joins_at_end.is_empty() {
            let line = format!("join {:?}", block.joins_at_end);
            self.line(&line);
        }
        self.depth -= 1;
    }

    fn statement(&mut self, statement: &S) {
        let line = match statement {
            S::Let(local, value) => {
                let value = value.as_ref().map_or("nothing yet".to_string(), |value| self.expr(value));
                format!("let {}: {} = {value}", self.local(*local), self.ty(self.function.locals[local.0 as usize].ty))
            }
            S::LetPattern(pattern, value) => format!("let {} = {}", self.pattern(pattern), self.expr(value)),
            S::Assign(place, value) => format!("{} = {}", self.place(place), self.expr(value)),
            S::AssignOp(place, op, value) => format!("{} {op:?}= {}", self.place(place), self.expr(value)),
            S::Expr(expr) => match &expr.kind {
                E::If(branches, otherwise) => {
                    for (index, (condition, then)) in branches.iter().enumerate() {
                        let word = if index == 0 { "if" } else { "else if" };
                        let line = format!("{word} {}", self.expr(condition));
                        self.line(&line);
                        self.block(then);
                    }
                    if let Some(otherwise) = otherwise {
                        self.line("else");
                        self.block(otherwise);
                    }
                    return;
                }
                _ => self.expr(expr),
            },
            S::While { condition, body, step, .. } => {
                let line = format!("while {}", self.expr(condition));
                self.line(&line);
                self.block(body);
                if let Some(step) = step {
                    self.line("step");
                    self.depth += 1;
                    self.statement(&step.kind);
                    self.depth -= 1;
                }
                return;
            }
            S::ForRange { variable, start, end, inclusive, body, .. } => {
                let line = format!("for {} from {} to {} {inclusive}", self.local(*variable), self.expr(start), self.expr(end));
                self.line(&line);
                self.block(body);
                return;
            }
            S::ForEach { pattern, iterable, body, .. } => {
                let line = format!("for {} in {}", self.pattern(pattern), self.expr(iterable));
                self.line(&line);
                self.block(body);
                return;
            }
            S::Return(value) => format!("return {}", value.as_ref().map_or(String::new(), |value| self.expr(value))),
            S::Break(id) => format!("break {}", id.0),
            S::Continue(id) => format!("continue {}", id.0),
            S::Throw(error) => format!("throw {}", self.expr(error)),
            S::Try { .. } | S::Defer(_) | S::Session { .. } => "…".to_string(),
        };
        self.line(&line);
    }

    fn place(&self, place: &Place) -> String {
        let mut text = self.local(place.local);
        for step in &place.steps {
            text += &match step {
                PlaceStep::Field(field) => format!(".{field}"),
                PlaceStep::Index(index) => format!("[{}]", self.expr(index)),
            };
        }
        text
    }

    fn pattern(&self, pattern: &Pattern) -> String {
        match &pattern.kind {
            P::Wildcard => "_".to_string(),
            P::Bind(local) => self.local(*local),
            P::Literal(constant) => format!("{constant:?}"),
            P::Some(inner) => format!("some({})", self.pattern(inner)),
            P::Type(ty, inner) => format!("{}: {}", self.pattern(inner), self.ty(*ty)),
            P::Variant(variant, parts) => format!("#{variant}({})", self.patterns(parts)),
            P::Tuple(parts) => format!("({})", self.patterns(parts)),
            P::Struct(fields) => {
                let fields: Vec<String> = fields.iter().map(|(field, part)| format!("{field}: {}", self.pattern(part))).collect();
                format!("{{{}}}", fields.join(", "))
            }
            other => format!("{other:?}"),
        }
    }

    fn patterns(&self, parts: &[Pattern]) -> String {
        parts.iter().map(|part| self.pattern(part)).collect::<Vec<_>>().join(", ")
    }

    fn list(&self, parts: &[Expr]) -> String {
        parts.iter().map(|part| self.expr(part)).collect::<Vec<_>>().join(", ")
    }

    fn expr(&self, expr: &Expr) -> String {
        match &expr.kind {
            E::Constant(Constant::Int(value)) => value.to_string(),
            E::Constant(Constant::Str(text)) => format!("{text:?}"),
            E::Constant(constant) => format!("{constant:?}"),
            E::Local(local) => self.local(*local),
            E::Array(parts) => format!("[{}]", self.list(parts)),
            E::Struct(parts) => format!("{}{{{}}}", self.ty(expr.ty), self.list(parts)),
            E::Variant(variant, parts) => format!("{}#{variant}({})", self.ty(expr.ty), self.list(parts)),
            E::Unary(op, operand) => format!("{op:?}({})", self.expr(operand)),
            E::Binary(op, left, right) => format!("{op:?}({}, {})", self.expr(left), self.expr(right)),
            E::And(left, right) => format!("({} && {})", self.expr(left), self.expr(right)),
            E::Coalesce(left, right) => format!("({} ?? {})", self.expr(left), self.expr(right)),
            E::Retype(inner) => format!("{} as {}", self.expr(inner), self.ty(expr.ty)),
            E::Field(inner, field) => format!("{}.{field}", self.expr(inner)),
            E::Index(inner, key) => format!("{}[{}]", self.expr(inner), self.expr(key)),
            E::Len(inner) => format!("len({})", self.expr(inner)),
            E::JoinText(parts) => format!("text({})", self.list(parts)),
            E::Call(id, parts) => format!("{}({})", self.program.functions[id.0 as usize].name, self.list(parts)),
            E::CallOnPlace(id, place, parts) => {
                format!("{}(mut {}; {})", self.program.functions[id.0 as usize].name, self.place(place), self.list(parts))
            }
            E::CallNative(id, parts) => format!("native {}({})", self.program.natives[*id as usize].name, self.list(parts)),
            E::CallNativeOnPlace(id, place, parts) => {
                format!("native {}(mut {}; {})", self.program.natives[*id as usize].name, self.place(place), self.list(parts))
            }
            E::CallValue(callee, parts) => format!("({})({})", self.expr(callee), self.list(parts)),
            E::Push(place, value) => format!("push {} {}", self.place(place), self.expr(value)),
            E::Closure(id, captures) => {
                let captures: Vec<String> = captures.iter().map(|local| self.local(*local)).collect();
                format!("closure {} of [{}]", self.program.functions[id.0 as usize].name, captures.join(", "))
            }
            E::Ask(ask) => {
                format!("ask {} {} -> {} {:?}", self.expr(&ask.agent), self.expr(&ask.message), self.ty(ask.output), ask.join)
            }
            E::Spawn(spawn) => format!("spawn {:?} ({})", spawn.target, self.list(&spawn.arguments)),
            E::Match(subject, arms) => {
                let arms: Vec<String> =
                    arms.iter().map(|arm| format!("{} => {}", self.pattern(&arm.pattern), self.expr(&arm.body))).collect();
                format!("match {} {{ {} }}", self.expr(subject), arms.join(", "))
            }
            E::If(branches, _) => format!("if {} …", self.expr(&branches[0].0)),
            _ => "…".to_string(),
        }
    }
}

#[test]
fn a_function_of_ints() {
    assert_snapshot!(tree(
        "fn fib(n: int) -> int { if n < 2 { return n; } fib(n - 1) + fib(n - 2) }\nfn main() { print(fib(32)); }"
    ));
}

#[test]
fn conversions_are_written_out() {
    assert_snapshot!(tree(
        "fn main() { let n = 2; let x: float = 1; let y = n + x * 3; let d: duration = n; let a: any = n; let o: int? = n; print(o + 1, 2 * d, f\"{y}{a}\"); }"
    ));
}

#[test]
fn places_are_changed_where_they_are() {
    assert_snapshot!(tree(
        "struct P { xs: int[], n: int }\nimpl P { fn add(mut self, x: int) { self.xs.push(x); self.n += x; } }\nfn main() { let ps = [P { n: 0, xs: [] }]; ps[0].add(3); ps[0].xs[0] = 4; print(ps[0].xs.pop() ?? 0); }"
    ));
}

#[test]
fn generic_results_are_retyped_and_closures_take_copies() {
    assert_snapshot!(tree(
        "fn apply<T, U>(x: T, f: fn(T) -> U) -> U { f(x) }\nfn main() { let k = 2; let n = apply(\"ab\", |s| s.len() * k); let f = || n; print(f()); }"
    ));
}

#[test]
fn rounds_join_where_their_names_are_used() {
    assert_snapshot!(tree(
        "agent A { model \"m\" }\nfn main() { let a = spawn A; let x = a <- \"1\"; let y = a <- \"2\"; print(x); a <- y; }"
    ));
}

#[test]
fn optionals_are_tested_before_their_values_are_bound() {
    assert_snapshot!(tree(
        "fn f(x: int?) -> int { match x { null => 0, 1 => 1, n => n } }\nfn g(v: any) -> int { match v { n: int => n, _ => 0 } }\nfn main() { print(f(1) + g(2)); }"
    ));
}
