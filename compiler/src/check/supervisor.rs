//! Declared supervisors. Each becomes a struct, with a field for each child, and a function that puts it together:
//!
//! ```text
//! supervisor Team(size: int) { strategy restart_all  child coder = Coder  child sub = Workers(size) }
//!
//! struct Team { coder: Coder, sub: Workers, self: process }
//! fn Team(outer, size: int) -> Team {
//!     let team = open("Team", restart_all, …);
//!     let coder = spawn Coder;              // into `team`
//!     let sub = Workers(team, size);
//!     Team { coder, sub, self: close(team, outer, ["coder", "sub"]) }
//! }
//! ```
//!
//! Invariant: nothing begins before `close`, and what is spawned into a team begins in the order of the declaration.

use std::rc::Rc;

use vega_bytecode::module::{Constant, Strategy};
use vega_bytecode::types::{AgentId, StructId};
use vega_bytecode::{Type, TypeId};

use super::Checker;
use super::Work;
use super::definition::{FieldInfo, StructInfo, SupervisorInfo};
use super::frame::{Frame, FrameKind, FrameResult};
use super::process::Startable;
use super::types::ERROR;
use crate::ast;
use crate::diagnostic::{Diagnostic, codes};
use crate::interner::words;
use crate::ir::{self, Block, Expr, ExprKind, LocalId, Spawn, SpawnTarget, Statement, StatementKind};
use crate::resolve::definition::{Found, TypeDefinition};
use crate::resolve::module::ModuleId;
use crate::source::Span;

impl<'a> Checker<'a> {
    /// Enters the name of a supervisor.
    pub(super) fn declare_supervisor(&mut self, module: ModuleId, declaration: &'a ast::SupervisorDecl, is_public: bool) -> u32 {
        let structure = self.structs.len() as u32;
        self.names.structs.push(self.text(declaration.name.symbol).to_string());
        self.structs.push(Rc::new(StructInfo {
            name: declaration.name.symbol,
            module,
            declaration: None,
            is_public,
            generics: Rc::new([]),
            fields: Vec::new(),
        }));
        let index = self.supervisors.len() as u32;
        let function = self.new_function_id();
        self.supervisors.push(Rc::new(SupervisorInfo {
            module,
            declaration,
            is_public,
            parameters: Vec::new(),
            structure: StructId(structure),
            function,
        }));
        self.queue.push_back(Work::Supervisor(index));
        index
    }

    /// Resolves what its children are, once every type has a name.
    pub(super) fn complete_supervisor(&mut self, module: ModuleId, index: u32) {
        let info = self.supervisors[index as usize].clone();
        let parameters = self.parameters(&info.declaration.parameters);
        let mut fields: Vec<FieldInfo> = Vec::with_capacity(info.declaration.children.len() + 1);
        for child in &info.declaration.children {
            if let Some(before) = fields.iter().find(|before| before.name == child.name.symbol) {
                let before = before.span;
                self.report_duplicate("child", child.name, before);
            }
            let ty = self.child_type(&child.target);
            fields.push(FieldInfo { name: child.name.symbol, ty, span: Some(child.name.span) });
        }
        fields.push(FieldInfo { name: words::SELF, ty: self.types.process, span: None });
        let old = self.structs[info.structure.0 as usize].clone();
        self.structs[info.structure.0 as usize] = Rc::new(StructInfo {
            name: old.name,
            module,
            declaration: None,
            is_public: old.is_public,
            generics: Rc::new([]),
            fields,
        });
        self.supervisors[index as usize] = Rc::new(SupervisorInfo {
            module,
            declaration: info.declaration,
            is_public: info.is_public,
            parameters,
            structure: info.structure,
            function: info.function,
        });
    }

    /// What a child's slot is, by its target. Whatever is no agent and no supervisor has to be a function, which is looked at later.
    fn child_type(&mut self, target: &ast::Path) -> TypeId {
        let found = match target.segments.as_slice() {
            [name] => match self.find_type(name.symbol) {
                Found::One(definition) => Some(definition),
                Found::Ambiguous(..) | Found::Nothing => None,
            },
            [module, name] => self
                .find_module(module.symbol)
                .and_then(|module| self.modules[module.0 as usize].scope.types.get(&name.symbol).copied()),
            _ => None,
        };
        match found {
            Some(TypeDefinition::Agent(agent)) => self.types.agent(AgentId(agent)),
            Some(TypeDefinition::Supervisor(index)) => self.supervisor_type(index),
            _ => self.types.process,
        }
    }

    /// The type of what `spawn` gives for a supervisor.
    pub(super) fn supervisor_type(&mut self, index: u32) -> TypeId {
        let structure = self.supervisors[index as usize].structure;
        self.types.structure(structure, Vec::new())
    }

    /// The number of the field that is the supervisor itself, if a struct is one.
    pub(super) fn supervisor_field(&self, structure: StructId) -> Option<u16> {
        let info = &self.structs[structure.0 as usize];
        let last = info.fields.last().filter(|field| field.name == words::SELF)?;
        (last.span.is_none() && info.declaration.is_none()).then_some(info.fields.len() as u16 - 1)
    }

    /// The call that puts a supervisor together and, unless it is within another one, starts it.
    pub(super) fn put_together(&mut self, index: u32, outer: Option<LocalId>, arguments: Vec<Expr>, span: Span) -> Expr {
        let info = self.supervisors[index as usize].clone();
        let any = self.types.any;
        let outer = match outer {
            Some(local) => Expr::new(ExprKind::Local(local), any, span),
            None => Expr::new(ExprKind::Constant(Constant::Null), self.types.null, span).retyped(any),
        };
        let mut values = vec![outer];
        values.extend(arguments);
        self.frame().effects.calls.push(info.function);
        let ty = self.supervisor_type(index);
        Expr::new(ExprKind::Call(info.function, values), ty, span)
    }

    /// Checks a declared supervisor, and makes the function that puts it together.
    pub(super) fn check_supervisor(&mut self, index: u32) {
        let info = self.supervisors[index as usize].clone();
        let declaration = info.declaration;
        let head = declaration.name.span;
        self.module = info.module;
        self.generics = Rc::new([]);
        let ty = self.supervisor_type(index);
        if self.holds_struct_within(info.structure) {
            self.report(
                Diagnostic::error(codes::TYPE_CYCLE, head, "a supervisor cannot be a child of itself")
                    .with_remark("it would have to start itself without end"),
            );
            // Its function is never called: the program does not run.
            let frame = Frame::new(FrameKind::Function, String::new(), FrameResult::Declared(ERROR, None));
            let body = Block { statements: Vec::new(), value: None, span: head, joins_at_end: Vec::new() };
            return self.put_function(info.function, frame, Vec::new(), body, ERROR, false, head);
        }
        let name = self.text(declaration.name.symbol).to_string();
        self.frames.push(Frame::new(FrameKind::Function, name.clone(), FrameResult::Declared(ty, None)));
        self.frame().effects.may_effect = true;
        let any = self.types.any;
        let outer = self.hidden_local("outer", any, head);
        let mut parameters = vec![outer];
        parameters.extend(self.declare_parameters(&info.parameters));
        let team = self.hidden_local("team", any, head);
        let opened = self.open_team(&name, &declaration.supervision, head);
        let mut statements = vec![let_statement(team, opened, head)];
        let mut values = Vec::with_capacity(declaration.children.len() + 1);
        let mut names = Vec::with_capacity(declaration.children.len());
        let text = self.types.str;
        for child in &declaration.children {
            let value = self.child(child, team);
            let local = self.hidden_local("child", value.ty, child.span);
            values.push(Expr::new(ExprKind::Local(local), value.ty, child.span));
            statements.push(let_statement(local, value, child.span));
            let name = self.text(child.name.symbol).to_string();
            names.push(Expr::new(ExprKind::Constant(Constant::Str(name)), text, child.name.span));
        }
        let array = self.types.array(text);
        let process = self.types.process;
        let close = self.native_id("supervisor::close", 3, process, false);
        let closed = vec![
            Expr::new(ExprKind::Local(team), any, head),
            Expr::new(ExprKind::Local(outer), any, head),
            Expr::new(ExprKind::Array(names), array, head).retyped(any),
        ];
        values.push(Expr::new(ExprKind::CallNative(close, closed), process, head));
        let value = Expr::new(ExprKind::Struct(values), ty, head);
        let body = Block { statements, value: Some(Box::new(value)), span: head, joins_at_end: Vec::new() };
        let frame = self.frames.pop().expect("pushed above");
        self.put_function(info.function, frame, parameters, body, ty, false, head);
    }

    /// `open(name, strategy, max_restarts, window, base, factor, longest)`; null takes the default.
    fn open_team(&mut self, name: &str, written: &'a ast::Supervision, span: Span) -> Expr {
        let supervision = self.supervision(written);
        let strategy = match supervision.strategy {
            Strategy::Restart => 0,
            Strategy::Stop => 1,
            Strategy::Escalate => 2,
            Strategy::RestartAll => 3,
            Strategy::RestartRest => 4,
        };
        let (any, text, int, null) = (self.types.any, self.types.str, self.types.int, self.types.null);
        let nothing = || Expr::new(ExprKind::Constant(Constant::Null), null, span).retyped(any);
        let given = |value: Option<Expr>| value.map_or_else(nothing, |value| value.retyped(any));
        let [base, factor, longest] = match supervision.backoff {
            Some(parts) => parts.map(Some),
            None => [None, None, None],
        };
        let arguments = vec![
            Expr::new(ExprKind::Constant(Constant::Str(name.to_string())), text, span).retyped(any),
            Expr::new(ExprKind::Constant(Constant::Int(strategy)), int, span).retyped(any),
            given(supervision.max_restarts),
            given(supervision.window),
            given(base),
            given(factor),
            given(longest),
        ];
        let open = self.native_id("supervisor::open", arguments.len(), any, false);
        Expr::new(ExprKind::CallNative(open, arguments), any, span)
    }

    /// `child name = Target(arguments)`: its handle.
    fn child(&mut self, child: &'a ast::ChildDecl, team: LocalId) -> Expr {
        let span = child.span;
        let (target, arguments, ty) = match self.startable(&child.target, &child.arguments) {
            Ok(Startable::Agent(index)) => {
                let Some(arguments) = self.agent_arguments(index, &child.arguments, span) else { return Expr::wrong(span) };
                (SpawnTarget::Agent(AgentId(index)), arguments, self.types.agent(AgentId(index)))
            }
            Ok(Startable::Function(index)) => match self.function_arguments(index, &child.target, &child.arguments, span) {
                Ok((id, arguments)) => (SpawnTarget::Function(id), arguments, self.types.process),
                Err(wrong) => return wrong,
            },
            Ok(Startable::Supervisor(index)) => {
                let Some(arguments) = self.supervisor_arguments(index, &child.arguments, span) else { return Expr::wrong(span) };
                return self.put_together(index, Some(team), arguments, span);
            }
            Err(wrong) => return wrong,
        };
        let team = Expr::new(ExprKind::Local(team), self.types.any, span);
        let spawn = Spawn { target, arguments, supervision: None, asynchronous: false, linked: false, team: Some(team) };
        Expr::new(ExprKind::Spawn(Box::new(spawn)), ty, span)
    }

    /// The arguments of a supervisor.
    pub(super) fn supervisor_arguments(&mut self, index: u32, written: &'a [ast::Argument], span: Span) -> Option<Vec<Expr>> {
        let info = self.supervisors[index as usize].clone();
        let name = self.text(info.declaration.name.symbol).to_string();
        self.spawn_arguments(&info.parameters, written, &name, info.declaration.name.span, info.module, span)
    }

    /// `spawn Team(arguments)`
    pub(super) fn spawn_supervisor(&mut self, spawn: &'a ast::Spawn, index: u32, span: Span) -> Expr {
        if let Some(supervised) = &spawn.supervision {
            self.refuse("`supervised by` of a declared supervisor", supervised.span);
        }
        if spawn.asynchronous.is_some() {
            self.refuse("`spawn async` of a declared supervisor", spawn.target.span);
        }
        if spawn.is_linked {
            self.refuse("`spawn_link` of a declared supervisor", spawn.target.span);
        }
        match self.supervisor_arguments(index, &spawn.arguments, span) {
            Some(arguments) => self.put_together(index, None, arguments, span),
            None => Expr::wrong(span),
        }
    }

    /// Whether a supervisor's struct holds itself.
    fn holds_struct_within(&self, structure: StructId) -> bool {
        let fields = &self.structs[structure.0 as usize].fields;
        fields.iter().any(|field| {
            matches!(self.types.of(field.ty), Type::Struct(..)) && self.holds_struct(field.ty, structure.0, &mut Vec::new())
        })
    }
}

fn let_statement(local: LocalId, value: Expr, span: Span) -> Statement {
    ir::Statement { kind: StatementKind::Let(local, Some(value)), span, joins_before: Vec::new() }
}
