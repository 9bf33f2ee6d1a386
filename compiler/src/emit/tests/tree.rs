//! A short way to write typed trees.

use vega_bytecode::module::{Constant, Module};
use vega_bytecode::{FunctionId, Type, TypeId};

use crate::ir::*;
use crate::source::{Sources, Span};

/// A program under construction.
pub(super) struct Fixture {
    pub(super) program: Program,
    pub(super) sources: Sources,
    span: Span,
}

impl Fixture {
    pub(super) fn new() -> Fixture {
        let mut sources = Sources::new();
        let file = sources.add("test.vega", "x".repeat(1000));
        let module = Module::new();
        let program = Program { types: module.types, structs: module.structs, kinds: module.kinds, ..Program::default() };
        Fixture { program, sources, span: Span::new(file, 0, 1) }
    }

    pub(super) fn ty(&mut self, ty: Type) -> TypeId {
        self.program.types.intern(ty)
    }

    pub(super) fn int(&mut self) -> TypeId {
        self.ty(Type::Int)
    }

    pub(super) fn ints(&mut self) -> TypeId {
        let int = self.int();
        self.ty(Type::Array(int))
    }

    /// Adds a function whose first locals are its parameters.
    pub(super) fn function(
        &mut self,
        name: &str,
        parameters: u32,
        locals: &[(&str, TypeId)],
        result: TypeId,
        body: Block,
    ) -> FunctionId {
        self.program.functions.push(Function {
            name: name.into(),
            parameters: (0..parameters).map(LocalId).collect(),
            captures: Vec::new(),
            locals: locals.iter().map(|(name, ty)| Local { name: (*name).into(), ty: *ty, span: self.span }).collect(),
            result,
            returns_self: false,
            may_effect: false,
            body,
            span: self.span,
        });
        FunctionId(self.program.functions.len() as u32 - 1)
    }

    pub(super) fn last(&mut self) -> &mut Function {
        self.program.functions.last_mut().unwrap()
    }

    pub(super) fn expr(&self, kind: ExprKind, ty: TypeId) -> Expr {
        Expr { kind, ty, span: self.span }
    }

    pub(super) fn local(&self, id: u32, ty: TypeId) -> Expr {
        self.expr(ExprKind::Local(LocalId(id)), ty)
    }

    pub(super) fn number(&mut self, value: i64) -> Expr {
        let int = self.int();
        self.expr(ExprKind::Constant(Constant::Int(value)), int)
    }

    pub(super) fn text(&mut self, value: &str) -> Expr {
        let ty = self.ty(Type::Str);
        self.expr(ExprKind::Constant(Constant::Str(value.into())), ty)
    }

    pub(super) fn binary(&self, op: BinaryOp, left: Expr, right: Expr, ty: TypeId) -> Expr {
        self.expr(ExprKind::Binary(op, Box::new(left), Box::new(right)), ty)
    }

    pub(super) fn statement(&self, kind: StatementKind) -> Statement {
        Statement { kind, span: self.span, joins_before: Vec::new() }
    }

    pub(super) fn place(&self, local: u32, steps: Vec<PlaceStep>, ty: TypeId) -> Place {
        Place { local: LocalId(local), steps, ty, span: self.span }
    }

    pub(super) fn block(&self, statements: Vec<Statement>) -> Block {
        Block { statements, value: None, span: self.span, joins_at_end: Vec::new() }
    }

    pub(super) fn block_with(&self, statements: Vec<Statement>, value: Expr) -> Block {
        Block { statements, value: Some(Box::new(value)), span: self.span, joins_at_end: Vec::new() }
    }

    pub(super) fn pattern(&self, kind: PatternKind, ty: TypeId) -> Pattern {
        Pattern { kind, ty, span: self.span }
    }
}
