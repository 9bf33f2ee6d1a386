//! Processes at work: spawn, send, receive.

use vega_bytecode::module::Strategy;
use vega_bytecode::types::AgentId;
use vega_bytecode::{FunctionId, Type, TypeId};

use super::Checker;
use super::definition::ParameterInfo;
use super::fits::Why;
use super::path::are;
use super::statement::Want;
use crate::ast::{self, Argument, ArgumentKind, ExprKind as A, StrategyKind};
use crate::diagnostic::{Diagnostic, codes};
use crate::interner::words;
use crate::ir::{self, Block, Expr, ExprKind, Receive, Spawn, SpawnTarget, Supervision};
use crate::resolve::definition::{Found, TypeDefinition, ValueDefinition};
use crate::source::Span;

/// What can be started, by its number among its like.
pub(super) enum Startable {
    /// An agent.
    Agent(u32),
    /// A declared supervisor.
    Supervisor(u32),
    /// A function.
    Function(u32),
}

impl<'a> Checker<'a> {
    /// `spawn Target(arguments) …`
    pub(super) fn spawn(&mut self, spawn: &'a ast::Spawn, span: Span) -> Expr {
        self.frame().effects.may_effect = true;
        if let Some(saved) = &spawn.from {
            return self.spawn_from(spawn, saved, span);
        }
        self.spawn_new(spawn, span)
    }

    /// `spawn Agent from saved`: a new agent that remembers what another one did.
    fn spawn_from(&mut self, spawn: &'a ast::Spawn, saved: &'a ast::Expr, span: Span) -> Expr {
        let json = self.types.json;
        let handle = self.spawn_new(spawn, span);
        let saved_value = self.expr_as(saved, json, Why::Plain);
        if handle.is_wrong() || saved_value.is_wrong() {
            return Expr::wrong(span);
        }
        if !matches!(self.types.of(handle.ty), Type::Agent(_)) {
            let diagnostic = Diagnostic::error(codes::NOT_SPAWNABLE, spawn.target.span, "only an agent has a conversation to begin from")
                .with_help("`from` takes what `conversation::save` gave; an agent that is spawned `async` takes it by `conversation::restore`");
            return self.wrong(diagnostic);
        }
        let ty = handle.ty;
        self.native_call("conversation::restore", vec![handle, saved_value], ty, span)
    }

    fn spawn_new(&mut self, spawn: &'a ast::Spawn, span: Span) -> Expr {
        let supervision = spawn.supervision.as_ref().map(|supervision| self.supervision(supervision));
        match self.startable(&spawn.target, &spawn.arguments) {
            Ok(Startable::Agent(index)) => self.spawn_agent(spawn, index, supervision, span),
            Ok(Startable::Supervisor(index)) => self.spawn_supervisor(spawn, index, span),
            Ok(Startable::Function(index)) => self.spawn_function(spawn, index, supervision, span),
            Err(wrong) => wrong,
        }
    }

    /// What a path names that can be started. The arguments are looked at where it names nothing of the kind.
    pub(super) fn startable(&mut self, target: &'a ast::Path, arguments: &'a [Argument]) -> Result<Startable, Expr> {
        let name = target.last();
        let definition = match target.segments.as_slice() {
            [name] => self.find_spawned(name.symbol),
            [module, name] => match self.find_module(module.symbol) {
                Some(module_id) => {
                    let scope = &self.modules[module_id.0 as usize].scope;
                    let found = (scope.types.get(&name.symbol).copied(), scope.values.get(&name.symbol).copied());
                    Some(found)
                }
                None => {
                    self.report_unknown_module(*module);
                    self.check_dropped(arguments);
                    return Err(Expr::wrong(target.span));
                }
            },
            _ => None,
        };
        match definition {
            Some((Some(TypeDefinition::Agent(index)), _)) => Ok(Startable::Agent(index)),
            Some((Some(TypeDefinition::Supervisor(index)), _)) => Ok(Startable::Supervisor(index)),
            Some((_, Some(ValueDefinition::Function(index)))) => Ok(Startable::Function(index)),
            _ => {
                self.check_dropped(arguments);
                let text = self.text(name.symbol).to_string();
                let is_local = self.find_local(name.symbol).is_some();
                let agents = self.names.agents.iter().map(String::as_str);
                let near = self.nearest(&text, agents).map(str::to_string);
                let mut diagnostic = Diagnostic::error(codes::NOT_SPAWNABLE, target.span, format!("`{text}` cannot be spawned"))
                    .with_remark(if is_local { "a variable" } else { "no agent or function of this name" });
                diagnostic = match near {
                    Some(near) => diagnostic.with_suggestion("an agent has a similar name", name.span, near),
                    None => diagnostic.with_help("agents and functions are spawned; for any other expression write `async …`"),
                };
                Err(self.wrong(diagnostic))
            }
        }
    }

    #[allow(clippy::type_complexity, reason = "the two namespaces side by side")]
    fn find_spawned(&self, name: crate::interner::Symbol) -> Option<(Option<TypeDefinition>, Option<ValueDefinition>)> {
        let ty = match self.find_type(name) {
            Found::One(definition) => Some(definition),
            Found::Ambiguous(..) | Found::Nothing => None,
        };
        let value = match self.find_value(name) {
            Found::One(definition) => Some(definition),
            Found::Ambiguous(..) | Found::Nothing => None,
        };
        (ty.is_some() || value.is_some()).then_some((ty, value))
    }

    fn spawn_agent(&mut self, spawn: &'a ast::Spawn, index: u32, supervision: Option<Supervision>, span: Span) -> Expr {
        if spawn.is_linked {
            let word = Span { end: span.start + "spawn_link".len() as u32, ..span };
            self.refuse("`spawn_link` of an agent", word);
        }
        let Some(arguments) = self.agent_arguments(index, &spawn.arguments, span) else { return Expr::wrong(span) };
        let handle = self.types.agent(AgentId(index));
        self.finish_spawn(spawn, SpawnTarget::Agent(AgentId(index)), arguments, supervision, handle, span)
    }

    fn spawn_function(&mut self, spawn: &'a ast::Spawn, index: u32, supervision: Option<Supervision>, span: Span) -> Expr {
        match self.function_arguments(index, &spawn.target, &spawn.arguments, span) {
            Ok((id, arguments)) => {
                let process = self.types.process;
                self.finish_spawn(spawn, SpawnTarget::Function(id), arguments, supervision, process, span)
            }
            Err(wrong) => wrong,
        }
    }

    /// The arguments of an agent.
    pub(super) fn agent_arguments(&mut self, index: u32, written: &'a [Argument], span: Span) -> Option<Vec<Expr>> {
        let info = self.agents[index as usize].clone();
        let name = self.text(info.declaration.name.symbol).to_string();
        self.spawn_arguments(&info.parameters, written, &name, info.declaration.name.span, info.module, span)
    }

    /// The function that a process is to run, and its arguments.
    pub(super) fn function_arguments(
        &mut self,
        index: u32,
        target: &'a ast::Path,
        written: &'a [Argument],
        span: Span,
    ) -> Result<(FunctionId, Vec<Expr>), Expr> {
        let info = self.functions[index as usize].clone();
        if info.native.is_some() || !info.generics.is_empty() {
            self.check_dropped(written);
            let what = if info.native.is_some() { "a native function" } else { "a generic function" };
            let diagnostic = Diagnostic::error(codes::NOT_SPAWNABLE, target.span, format!("{what} cannot be spawned"))
                .with_help("write a function of your own that calls it");
            return Err(self.wrong(diagnostic));
        }
        let arguments = self.spawn_arguments(&info.parameters, written, &info.name, info.declaration.head, info.module, span);
        let Some(arguments) = arguments else { return Err(Expr::wrong(span)) };
        let id = self.function_id(index);
        self.frame().effects.calls.push(id);
        Ok((id, arguments))
    }

    pub(super) fn spawn_arguments(
        &mut self,
        parameters: &[ParameterInfo<'a>],
        written: &'a [Argument],
        callee: &str,
        declared: Span,
        module: crate::resolve::module::ModuleId,
        span: Span,
    ) -> Option<Vec<Expr>> {
        let places = self.place_arguments(parameters, written, callee, Some(declared), span)?;
        let mut values: Vec<Option<Expr>> = parameters.iter().map(|_| None).collect();
        for (argument, place) in written.iter().zip(&places) {
            let parameter = parameters[*place];
            let value = self.expr_as(
                &argument.value,
                parameter.ty,
                Why::Argument(parameter.name.symbol, callee, Some(parameter.name.span)),
            );
            if !self.is_sendable(value.ty) {
                let shown = self.show(value.ty);
                self.report(
                    Diagnostic::error(codes::NOT_SENDABLE, value.span, "this cannot go to another process")
                        .with_remark(format!("a `{shown}` belongs to the process that made it")),
                );
            }
            values[*place] = Some(value);
        }
        parameters
            .iter()
            .zip(values)
            .map(|(parameter, value)| match (value, parameter.default) {
                (Some(value), _) => Some(value),
                (None, Some(default)) => Some(self.constant_expr(default, parameter.ty, module)),
                (None, None) => None,
            })
            .collect()
    }

    fn finish_spawn(
        &mut self,
        spawn: &ast::Spawn,
        target: SpawnTarget,
        arguments: Vec<Expr>,
        supervision: Option<Supervision>,
        handle: TypeId,
        span: Span,
    ) -> Expr {
        let asynchronous = spawn.asynchronous.is_some();
        if spawn.is_linked
            && let Some(supervised) = &spawn.supervision
        {
            self.refuse("`spawn_link … supervised by`", supervised.span);
        }
        let ty = if asynchronous { self.types.future(handle) } else { handle };
        let spawn = Spawn { target, arguments, supervision, asynchronous, linked: spawn.is_linked, team: None };
        Expr::new(ExprKind::Spawn(Box::new(spawn)), ty, span)
    }

    /// `supervised by { … }`
    pub(super) fn supervision(&mut self, written: &'a ast::Supervision) -> Supervision {
        let strategy = match &written.strategy {
            Some(strategy) => match strategy.kind {
                StrategyKind::Restart => Strategy::Restart,
                StrategyKind::Stop => Strategy::Stop,
                StrategyKind::Escalate => Strategy::Escalate,
                StrategyKind::RestartAll => Strategy::RestartAll,
                StrategyKind::RestartRest => Strategy::RestartRest,
            },
            None => Strategy::Restart,
        };
        let mut supervision = Supervision { strategy, max_restarts: None, window: None, backoff: None };
        let (int, duration) = (self.types.int, self.types.duration);
        for setting in &written.settings {
            match setting.word.symbol {
                words::MAX_RESTARTS => {
                    supervision.max_restarts = Some(self.expr_as(&setting.value, int, Why::Setting("max_restarts")))
                }
                words::WINDOW => supervision.window = Some(self.expr_as(&setting.value, duration, Why::Setting("window"))),
                words::BACKOFF => supervision.backoff = self.backoff(&setting.value),
                _ => {
                    let text = self.text(setting.word.symbol).to_string();
                    self.error(codes::UNKNOWN_SETTING, setting.word.span, format!("supervision has no setting `{text}`"));
                }
            }
        }
        supervision
    }

    /// `exponential(base, multiplier, longest)`
    pub(super) fn backoff(&mut self, written: &'a ast::Expr) -> Option<[Expr; 3]> {
        let (duration, float) = (self.types.duration, self.types.float);
        if let A::Call(call) = &written.peel().kind
            && let A::Name(name) = &call.callee.kind
            && self.text(name.symbol) == "exponential"
        {
            if let [base, multiplier, longest] = call.arguments.as_slice()
                && call.arguments.iter().all(|argument| argument.kind == ArgumentKind::Positional)
            {
                return Some([
                    self.expr_as(&base.value, duration, Why::Setting("the first wait")),
                    self.expr_as(&multiplier.value, float, Why::Setting("the multiplier")),
                    self.expr_as(&longest.value, duration, Why::Setting("the longest wait")),
                ]);
            }
            self.report(
                Diagnostic::error(
                    codes::ARGUMENT_COUNT,
                    written.span,
                    format!("`exponential` takes 3 arguments, but {} given", are(call.arguments.len())),
                )
                .with_help("write `exponential(100ms, 2.0, 5s)`: first wait, multiplier, longest wait"),
            );
            return None;
        }
        self.report(
            Diagnostic::error(
                codes::CLAUSE_VALUE,
                written.span,
                "a backoff is written `exponential(first, multiplier, longest)`",
            )
            .with_help("for example `exponential(100ms, 2.0, 5s)`"),
        );
        None
    }

    /// `send(process, value)`, `send(process, value, timeout D)`
    pub(super) fn send(&mut self, written: &'a [Argument], span: Span) -> Expr {
        self.frame().effects.may_effect = true;
        let (target, message, timeout) = match written {
            [target, message] => (target, message, None),
            [target, message, timeout] if matches!(timeout.kind, ArgumentKind::Timeout(_)) => (target, message, Some(timeout)),
            _ => {
                self.check_dropped(written);
                let diagnostic = Diagnostic::error(
                    codes::ARGUMENT_COUNT,
                    span,
                    format!("`send` takes 2 arguments, but {} given", are(written.len())),
                )
                .with_help("write `send(process, message)`, or `send(process, message, timeout 5s)` to wait for room");
                return self.wrong(diagnostic);
            }
        };
        let target = self.value(&target.value, Want::Infer);
        let message = self.value(&message.value, Want::Infer);
        let duration = self.types.duration;
        let timeout = timeout.map(|timeout| Box::new(self.expr_as(&timeout.value, duration, Why::Setting("timeout"))));
        if matches!(self.types.of(target.ty), Type::Agent(_) | Type::AnyAgent) {
            let (to, what) = (self.sources.text_of(target.span), self.sources.text_of(message.span));
            let diagnostic = Diagnostic::error(codes::SEND_TO_AGENT, target.span, "an agent has no mailbox for `send`")
                .with_remark("this is an agent")
                .with_suggestion("ask it", span, format!("{to} <- {what}"));
            return self.wrong(diagnostic);
        }
        let process = self.types.process;
        let target = self.coerce(target, process, Why::Setting("the receiver"));
        self.expect_message(&message);
        let any = self.types.any;
        let message = self.coerce(message, any, Why::Plain);
        let void = self.types.void;
        Expr::new(ExprKind::Send(Box::new(target), Box::new(message), timeout), void, span)
    }

    fn expect_message(&mut self, message: &Expr) {
        if !self.is_sendable(message.ty) {
            let shown = self.show(message.ty);
            self.report(
                Diagnostic::error(codes::NOT_SENDABLE, message.span, "this cannot be sent")
                    .with_remark(format!("a `{shown}` belongs to the process that made it")),
            );
        }
    }

    /// `receive { pattern => …, after D => … }`
    pub(super) fn receive(&mut self, receive: &'a ast::Receive, want: Want, span: Span) -> Expr {
        self.frame().effects.may_effect = true;
        let any = self.types.any;
        let message = self.hidden_local("message", any, span);
        let mut ends = super::branch::Ends::default();
        let before = self.frame().narrowed.clone();
        let (arms, ty) = self.arms(&receive.arms, any, want, "the arms of `receive`");
        if !receive.arms.is_empty() {
            ends.add(self);
        }
        self.frame().narrowed = before;
        self.frame().is_reachable = true;
        let duration = self.types.duration;
        let mut result = ty;
        let after = receive.after.as_ref().map(|after| {
            let time = self.expr_as(&after.time, duration, Why::Setting("after"));
            let mut body = self.expr(&after.body, want);
            ends.add(self);
            let never = self.types.never;
            if want != Want::Drop && ty != self.types.void && body.ty != never {
                if ty == never {
                    result = body.ty;
                } else {
                    body = self.coerce(body, ty, Why::Plain);
                }
            } else if want == Want::Drop && body.ty != never {
                result = self.types.void;
            }
            (time, self.block_of(body))
        });
        ends.settle(self);
        if receive.arms.is_empty() && receive.after.is_none() && self.modules[self.module.0 as usize].is_broken {
            return Expr::wrong(span);
        }
        if receive.arms.is_empty() && receive.after.is_none() {
            let diagnostic =
                Diagnostic::error(codes::PATTERN, span, "this `receive` waits for nothing").with_help("write at least one arm");
            return self.wrong(diagnostic);
        }
        let receive = Receive { arms, after, message };
        Expr::new(ExprKind::Receive(Box::new(receive)), result, span)
    }

    /// An expression as a block, without one inside the other.
    fn block_of(&self, expr: Expr) -> Block {
        match expr.kind {
            ExprKind::Block(block) => block,
            kind => {
                let span = expr.span;
                let ty = expr.ty;
                let expr = Expr { kind, ty, span };
                if ty == self.types.void || ty == self.types.never {
                    let statement = ir::Statement { kind: ir::StatementKind::Expr(expr), span, joins_before: Vec::new() };
                    return Block { statements: vec![statement], value: None, span, joins_at_end: Vec::new() };
                }
                Block { statements: Vec::new(), value: Some(Box::new(expr)), span, joins_at_end: Vec::new() }
            }
        }
    }
}
