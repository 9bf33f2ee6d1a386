//! Agents: their clauses become a function that makes a map of them, their tools become functions.

use std::rc::Rc;

use vega_bytecode::module::{Capability, Constant, FieldDefinition, ToolParameter};
use vega_bytecode::{FunctionId, TypeId};

use super::Checker;
use super::definition::{AgentInfo, ParameterInfo};
use super::fits::{Why, constant_int};
use super::frame::{Frame, FrameKind, FrameResult};
use super::statement::Want;
use super::types::ERROR;
use crate::ast::{self, AgentClauseKind, Docs, ToolClauseKind};
use crate::diagnostic::{Diagnostic, codes};
use crate::interner::words;
use crate::ir::{self, Block, Expr, ExprKind, Tool};
use crate::source::Span;

/// Words of `retry { on [ … ] }`.
const RETRY_CLASSES: &[&str] = &["rate_limit", "overloaded", "timeout", "server_error", "connection"];

/// Capabilities as they are written.
const CAPABILITY_WORDS: &[(&str, Capability)] = &[
    ("fs::read", Capability::FileRead),
    ("fs::write", Capability::FileWrite),
    ("net", Capability::Net),
    ("process::exec", Capability::Exec),
    ("env", Capability::Env),
    ("agent", Capability::Agent),
];

/// A capability as it is written.
fn capability_word(capability: Capability) -> &'static str {
    CAPABILITY_WORDS.iter().find(|(_, known)| *known == capability).map_or("", |(word, _)| word)
}

/// Fields of a request that `provider_options` may not set: the runtime decides about them.
const OWN_FIELDS: &[&str] = &[
    "model",
    "messages",
    "system",
    "max_tokens",
    "max_completion_tokens",
    "temperature",
    "tools",
    "tool_choice",
    "stream",
    "stream_options",
];

/// The highest count that a clause may ask for: beyond it is a slip.
const COUNT_MAX: i64 = 10_000_000;
/// The same for the tokens of a rate limit.
const RATE_TOKENS_MAX: i64 = 4_000_000_000;

impl<'a> Checker<'a> {
    /// Checks an agent's clauses and tools.
    pub(super) fn check_agent(&mut self, index: u32) {
        let info: Rc<AgentInfo<'a>> = self.agents[index as usize].clone();
        self.module = info.module;
        self.generics = Rc::new([]);
        let name = self.text(info.declaration.name.symbol).to_string();
        let clauses = self.agent_clauses(&info, &name);
        self.check_state(&info);
        let mut tools: Vec<Tool> = Vec::new();
        for clause in &info.declaration.clauses {
            if let AgentClauseKind::Tool(declaration) = &clause.kind {
                let tool_name = declaration.name;
                let text = self.text(tool_name.symbol).to_string();
                if tools.iter().any(|tool| tool.name == text) {
                    self.error(
                        codes::DUPLICATE_NAME,
                        tool_name.span,
                        format!("the agent `{name}` has two tools called `{text}`"),
                    );
                }
                let tool = self.tool(&info, declaration, &name);
                tools.push(tool);
            }
        }
        self.note_temperature(&info);
        let output_span = info.declaration.clauses.iter().find_map(|clause| match &clause.kind {
            AgentClauseKind::Output(written) => Some(written.span),
            _ => None,
        });
        if let Some(span) = output_span.filter(|_| !self.has_json_form(info.output) && info.output != ERROR) {
            let shown = self.show(info.output);
            self.error(codes::NOT_JSON, span, format!("a model cannot answer with a `{shown}`"));
        }
        let parameters = info
            .parameters
            .iter()
            .map(|parameter| FieldDefinition { name: self.text(parameter.name.symbol).to_string(), ty: parameter.ty })
            .collect();
        let state = self.state_fields(&info);
        self.ir_agents[index as usize] = Some(ir::Agent { name, parameters, clauses, output: info.output, state, tools });
    }

    /// Notes a temperature that the model does not take.
    fn note_temperature(&mut self, info: &AgentInfo<'a>) {
        let value = |word| {
            info.declaration.clauses.iter().find_map(|clause| match &clause.kind {
                AgentClauseKind::Value(value) if clause.word.symbol == word => Some((clause.span, value)),
                _ => None,
            })
        };
        let Some((span, _)) = value(words::TEMPERATURE) else { return };
        let model = match value(words::MODEL).map(|(_, written)| &written.peel().kind) {
            None => None,
            Some(ast::ExprKind::Literal(ast::Literal::Str(name))) => Some(name.to_string()),
            // Which model it is turns out when the agent is spawned.
            Some(_) => return,
        };
        if self.loader.refuses_temperature(model.as_deref()) {
            let name = model.map_or("the default model".to_string(), |name| format!("`{name}`"));
            self.report(
                Diagnostic::note(codes::MODEL_SETTING, span, format!("{name} takes no temperature"))
                    .with_remark("left out of what is sent"),
            );
        }
    }

    /// The function that makes the map of clauses from the agent's parameters.
    fn agent_clauses(&mut self, info: &AgentInfo<'a>, name: &str) -> FunctionId {
        let id = self.new_function_id();
        let (str, any) = (self.types.str, self.types.any);
        let result = self.types.map(str, any);
        self.frames.push(Frame::new(FrameKind::Function, format!("{name}.clauses"), FrameResult::Declared(result, None)));
        let parameters = self.declare_parameters(&info.parameters);
        let mut entries: Vec<(Expr, Expr)> = Vec::new();
        for clause in &info.declaration.clauses {
            self.clause(clause, &mut entries);
        }
        self.state_clause(info, &mut entries);
        let needs_approval =
            |tool: &ast::ToolDecl| tool.clauses.iter().any(|clause| matches!(clause.kind, ToolClauseKind::Approval(_)));
        let approved = info.declaration.clauses.iter().filter_map(|clause| match &clause.kind {
            AgentClauseKind::Tool(tool) if needs_approval(tool) => Some(tool.name),
            _ => None,
        });
        let approved: Vec<Expr> = approved.map(|name| self.word(self.text(name.symbol), name.span)).collect();
        if !approved.is_empty() {
            let names = self.any_array(approved, info.declaration.name.span);
            self.put_clause(&mut entries, "approval", names);
        }
        let span = info.declaration.name.span;
        let value = Expr::new(ExprKind::Map(entries), result, span);
        let body = Block { statements: Vec::new(), value: Some(Box::new(value)), span, joins_at_end: Vec::new() };
        let frame = self.frames.pop().expect("pushed above");
        self.put_function(id, frame, parameters, body, result, false, span);
        id
    }

    fn clause(&mut self, clause: &'a ast::AgentClause, entries: &mut Vec<(Expr, Expr)>) {
        let word = self.text(clause.word.symbol).to_string();
        let (str, int, float) = (self.types.str, self.types.int, self.types.float);
        let (duration, money) = (self.types.duration, self.types.money);
        match &clause.kind {
            AgentClauseKind::Value(written) => {
                let ty = match clause.word.symbol {
                    words::MODEL | words::SYSTEM => str,
                    words::TEMPERATURE => float,
                    words::MAX_TOKENS | words::MAX_TURNS | words::MAX_TOOL_CALLS | words::PARALLEL_TOOLS => int,
                    words::TIMEOUT | words::QUEUE_TIMEOUT => duration,
                    words::BUDGET => money,
                    _ => {
                        self.refuse_clause(&word, clause.span);
                        return;
                    }
                };
                let value = self.expr_as(written, ty, Why::Setting(&word));
                self.check_clause_value(&word, &value);
                self.put_clause(entries, &word, value);
            }
            AgentClauseKind::Retry(retry) => self.retry(retry, entries),
            AgentClauseKind::RateLimit(settings) => {
                for setting in settings {
                    self.rate(setting, entries);
                }
            }
            AgentClauseKind::History(history) => self.history(history, clause.span, entries),
            AgentClauseKind::Output(_) | AgentClauseKind::Tool(_) => {}
            AgentClauseKind::Settings(settings) => {
                for setting in settings {
                    self.setting(&word, setting, entries);
                }
            }
            AgentClauseKind::Priority(priority) => {
                let text = self.text(priority.symbol).to_string();
                let value = self.word(&text, priority.span);
                self.put_clause(entries, "priority", value);
            }
            AgentClauseKind::ProviderOptions(options) => self.provider_options(options, clause.span, entries),
            // They are checked with the agent.
            AgentClauseKind::State(_) => {}
            AgentClauseKind::Tools(_) => self.refuse_clause("tools [ … ]", clause.word.span),
        }
    }

    pub(super) fn put_clause(&mut self, entries: &mut Vec<(Expr, Expr)>, name: &str, value: Expr) {
        let (str, any) = (self.types.str, self.types.any);
        let key = Expr::new(ExprKind::Constant(Constant::Str(name.to_string())), str, value.span);
        entries.push((key, value.retyped(any)));
    }

    /// Values that are known now and cannot be meant.
    fn check_clause_value(&mut self, word: &str, value: &Expr) {
        let problem = match (&value.kind, word) {
            (ExprKind::Constant(Constant::Float(temperature)), "temperature") if !(0.0..=2.0).contains(temperature) => {
                Some("a temperature lies between 0.0 and 2.0".to_string())
            }
            (ExprKind::Constant(Constant::Str(model)), "model") if model.trim().is_empty() => {
                Some("a model has a name".to_string())
            }
            (ExprKind::Constant(Constant::Money(money)), "budget") if *money <= 0 => {
                Some("a budget is more than $0.00".to_string())
            }
            (ExprKind::Constant(Constant::Duration(time)), "timeout") if *time <= 0 => {
                Some("a timeout is more than 0s".to_string())
            }
            (
                ExprKind::Constant(Constant::Duration(time)),
                "queue_timeout" | "per" | "reset_after" | "connect" | "first_token" | "idle",
            ) if *time <= 0 => Some(format!("`{word}` is more than 0s")),
            (ExprKind::Constant(Constant::Int(_)), _) => match constant_int(value) {
                Some(number) if number < 1 => Some(format!("`{word}` is at least 1")),
                Some(number) if word == "tokens" && number <= RATE_TOKENS_MAX => None,
                Some(number) if number > COUNT_MAX => Some(format!("`{word}` is at most {COUNT_MAX}")),
                _ => None,
            },
            _ => None,
        };
        if let Some(problem) = problem {
            self.error(codes::CLAUSE_VALUE, value.span, problem);
        }
    }

    /// `requests 50 per 1m`, `tokens 40_000 per 1m`, `concurrent 4`
    fn rate(&mut self, setting: &'a ast::RateSetting, entries: &mut Vec<(Expr, Expr)>) {
        let (int, duration) = (self.types.int, self.types.duration);
        let text = self.text(setting.word.symbol).to_string();
        let count = self.expr_as(&setting.value, int, Why::Setting(&text));
        self.check_clause_value(&text, &count);
        let key = format!("rate_limit.{text}");
        let Some(per) = &setting.per else {
            self.put_clause(entries, &key, count);
            return;
        };
        let time = self.expr_as(per, duration, Why::Setting("per"));
        self.check_clause_value("per", &time);
        let value = self.any_array(vec![count, time], setting.value.span);
        self.put_clause(entries, &key, value);
    }

    /// A line of `timeouts { … }` or `circuit_breaker { … }`.
    fn setting(&mut self, clause: &str, setting: &'a ast::Setting, entries: &mut Vec<(Expr, Expr)>) {
        let text = self.text(setting.word.symbol).to_string();
        let ty = if setting.word.symbol == words::THRESHOLD { self.types.int } else { self.types.duration };
        let value = self.expr_as(&setting.value, ty, Why::Setting(&text));
        self.check_clause_value(&text, &value);
        self.put_clause(entries, &format!("{clause}.{text}"), value);
    }

    fn retry(&mut self, retry: &'a ast::RetryClause, entries: &mut Vec<(Expr, Expr)>) {
        let int = self.types.int;
        for setting in &retry.settings {
            match setting.word.symbol {
                words::MAX_ATTEMPTS => {
                    let value = self.expr_as(&setting.value, int, Why::Setting("max_attempts"));
                    self.check_clause_value("max_attempts", &value);
                    self.put_clause(entries, "retry.max_attempts", value);
                }
                words::BACKOFF => {
                    let Some(parts) = self.backoff(&setting.value) else { continue };
                    let value = self.any_array(parts.into(), setting.value.span);
                    self.put_clause(entries, "retry.backoff", value);
                }
                _ => {
                    let text = self.text(setting.word.symbol).to_string();
                    self.error(codes::UNKNOWN_SETTING, setting.word.span, format!("`retry` has no setting `{text}`"));
                }
            }
        }
        if let Some(classes) = &retry.on {
            let mut values = Vec::with_capacity(classes.len());
            for class in classes {
                let text = self.text(class.symbol).to_string();
                if !RETRY_CLASSES.contains(&text.as_str()) {
                    let mut diagnostic =
                        Diagnostic::error(codes::UNKNOWN_SETTING, class.span, format!("`retry` knows no class `{text}`"));
                    diagnostic = match self.nearest(&text, RETRY_CLASSES.iter().copied()) {
                        Some(near) => diagnostic.with_suggestion(format!("write `{near}`"), class.span, near),
                        None => diagnostic.with_note(format!("its classes are `{}`", RETRY_CLASSES.join("`, `"))),
                    };
                    self.report(diagnostic);
                }
                values.push(self.word(&text, class.span));
            }
            let span = classes.first().map_or(entries.last().map_or(retry_span(retry), |(key, _)| key.span), |class| class.span);
            let value = self.any_array(values, span);
            self.put_clause(entries, "retry.on", value);
        }
    }

    /// Words and numbers, in the order of the text.
    fn history(&mut self, history: &'a ast::HistoryClause, span: Span, entries: &mut Vec<(Expr, Expr)>) {
        let int = self.types.int;
        let mut values = Vec::new();
        if let Some(mode) = history.mode {
            let text = self.text(mode.symbol).to_string();
            values.push(self.word(&text, mode.span));
        }
        if let Some(last) = &history.last {
            let value = self.expr_as(last, int, Why::Setting("last"));
            self.check_clause_value("last", &value);
            values.push(self.word("last", last.span));
            values.push(value);
        }
        if let Some(tokens) = &history.tokens {
            let value = self.expr_as(tokens, int, Why::Setting("tokens"));
            self.check_clause_value("tokens", &value);
            values.push(self.word("tokens", tokens.span));
            values.push(value);
        }
        for (word, written) in [("compact", history.compact), ("reset_on_restart", history.reset_on_restart)] {
            values.extend(written.map(|span| self.word(word, span)));
        }
        let bounds = history.last.as_ref().map(|last| last.span).or(history.tokens.as_ref().map(|tokens| tokens.span));
        if let Some(mode) = history.mode.filter(|mode| mode.symbol == words::NONE)
            && let Some(span) = bounds.or(history.compact)
        {
            self.report(
                Diagnostic::error(codes::CLAUSE_VALUE, span, "without a history there is nothing to bound")
                    .with_label(mode.span, "every call starts from nothing")
                    .with_help("leave this out, or `none`"),
            );
        }
        let value = self.any_array(values, span);
        self.put_clause(entries, "history", value);
    }

    /// What goes to the provider as it is.
    fn provider_options(&mut self, options: &'a [ast::MapEntry], span: Span, entries: &mut Vec<(Expr, Expr)>) {
        let (str, any) = (self.types.str, self.types.any);
        let mut values: Vec<(Expr, Expr)> = Vec::with_capacity(options.len());
        let mut names: Vec<String> = Vec::new();
        for option in options {
            let key = self.expr_as(&option.key, str, Why::Setting("provider_options"));
            let value = self.value(&option.value, Want::Hint(any));
            if !value.is_wrong() && !self.has_json_form(value.ty) {
                let shown = self.show(value.ty);
                self.error(codes::NOT_JSON, value.span, format!("a `{shown}` cannot be sent to a provider"));
            }
            if let ExprKind::Constant(Constant::Str(name)) = &key.kind {
                if OWN_FIELDS.contains(&name.as_str()) {
                    self.report(
                        Diagnostic::error(codes::CLAUSE_VALUE, key.span, format!("the runtime itself decides about `{name}`"))
                            .with_help("some of these fields have a clause of their own, such as `max_tokens` and `temperature`"),
                    );
                }
                if names.contains(name) {
                    self.error(codes::DUPLICATE_NAME, key.span, format!("the option `{name}` is given twice"));
                }
                names.push(name.clone());
            }
            values.push((key, value.retyped(any)));
        }
        let map = Expr::new(ExprKind::Map(values), self.types.map(str, any), span);
        self.put_clause(entries, "provider_options", map);
    }

    fn word(&self, text: &str, span: Span) -> Expr {
        Expr::new(ExprKind::Constant(Constant::Str(text.to_string())), self.types.str, span)
    }

    pub(super) fn any_array(&mut self, values: Vec<Expr>, span: Span) -> Expr {
        let any = self.types.any;
        let ty = self.types.array(any);
        Expr::new(ExprKind::Array(values.into_iter().map(|value| value.retyped(any)).collect()), ty, span)
    }

    fn tool(&mut self, agent: &AgentInfo<'a>, declaration: &'a ast::ToolDecl, agent_name: &str) -> Tool {
        let name = self.text(declaration.name.symbol).to_string();
        let (description, explained) = self.tool_docs(declaration);
        let mut parameters: Vec<ParameterInfo<'a>> = Vec::with_capacity(declaration.parameters.len());
        for parameter in &declaration.parameters {
            let ty = self.resolve_value_type(&parameter.ty);
            if ty != ERROR && !self.has_json_form(ty) {
                let shown = self.show(ty);
                self.report(
                    Diagnostic::error(codes::NOT_JSON, parameter.ty.span, format!("a model cannot give a `{shown}` to a tool"))
                        .with_help("text, numbers, and arrays, maps, structs and enums of them can be parameters of tools"),
                );
            }
            if parameter.default.is_some() {
                self.refuse("a default value of a tool's parameter", parameter.span);
            }
            if parameters.iter().chain(&agent.parameters).any(|before| before.name.symbol == parameter.binding.name.symbol) {
                let text = self.text(parameter.binding.name.symbol).to_string();
                self.error(
                    codes::DUPLICATE_NAME,
                    parameter.binding.name.span,
                    format!("there are two parameters called `{text}`"),
                );
            }
            if let Some(state) = agent.state.iter().find(|state| state.field.binding.name.symbol == parameter.binding.name.symbol)
            {
                let text = self.text(parameter.binding.name.symbol).to_string();
                self.report(
                    Diagnostic::error(
                        codes::DUPLICATE_NAME,
                        parameter.binding.name.span,
                        format!("`{text}` is also a variable of the agent's state"),
                    )
                    .with_label(state.field.binding.name.span, "declared here"),
                );
            }
            parameters.push(ParameterInfo { name: parameter.binding.name, ty, default: None });
        }
        let result = declaration.result.as_ref().map_or(self.types.void, |result| self.resolve_type(result));
        if let Some(written) = &declaration.result
            && result != self.types.void
            && !self.is_message_like(result)
            && !self.has_json_form(result)
        {
            let shown = self.show(result);
            if result != ERROR {
                self.error(codes::NOT_JSON, written.span, format!("a tool cannot give a `{shown}` to the model"));
            }
        }
        let shown = parameters
            .iter()
            .map(|parameter| {
                let name = self.text(parameter.name.symbol).to_string();
                let description =
                    explained.iter().find(|(word, _)| *word == name).map_or(String::new(), |(_, text)| text.clone());
                ToolParameter { name, description, ty: parameter.ty }
            })
            .collect();
        let (function, uses_state) = self.tool_function(agent, declaration, &parameters, result, format!("{agent_name}.{name}"));
        let mut tool = Tool {
            name,
            description,
            parameters: shown,
            result,
            function,
            uses_state,
            capabilities: Vec::new(),
            allowed_paths: None,
            allowed_commands: None,
            allowed_hosts: None,
        };
        let declared = self.tool_clauses(declaration, &mut tool);
        if declared {
            self.declared_tools.push((function, declaration.head));
        }
        tool
    }

    fn tool_function(
        &mut self,
        agent: &AgentInfo<'a>,
        declaration: &'a ast::ToolDecl,
        parameters: &[ParameterInfo<'a>],
        result: TypeId,
        name: String,
    ) -> (FunctionId, bool) {
        let id = self.new_function_id();
        let result_span = declaration.result.as_ref().map(|result| result.span);
        self.frames.push(Frame::new(FrameKind::Function, name, FrameResult::Declared(result, result_span)));
        let mut locals = self.declare_parameters(parameters);
        locals.extend(self.declare_parameters(&agent.parameters));
        let state = self.declare_state(agent);
        let body = self.function_body(&declaration.body, result, declaration.head);
        let uses_state = self.uses_state(&state);
        let body = self.keeping_state(body, &state, declaration.head);
        if uses_state {
            locals.extend(state);
        }
        let frame = self.frames.pop().expect("pushed above");
        self.put_function(id, frame, locals, body, result, false, declaration.head);
        (id, uses_state)
    }

    /// Clauses of a tool; whether it declares its capabilities.
    fn tool_clauses(&mut self, declaration: &'a ast::ToolDecl, tool: &mut Tool) -> bool {
        let mut declared = false;
        for clause in &declaration.clauses {
            match &clause.kind {
                ToolClauseKind::Capabilities(paths) => {
                    declared = true;
                    for path in paths {
                        if let Some(capability) = self.capability(path) {
                            tool.capabilities.push(capability);
                        }
                    }
                    tool.capabilities.sort_unstable();
                    tool.capabilities.dedup();
                }
                ToolClauseKind::Allowed(list) => match clause.word.symbol {
                    words::ALLOWED_PATHS => tool.allowed_paths = self.text_list(list, "allowed_paths"),
                    words::ALLOWED_COMMANDS => tool.allowed_commands = self.text_list(list, "allowed_commands"),
                    _ => tool.allowed_hosts = self.text_list(list, "allowed_hosts"),
                },
                // The agent's clauses say which tools these are.
                ToolClauseKind::Approval(word) => {
                    if self.text(word.symbol) != "required" {
                        let diagnostic =
                            Diagnostic::error(codes::UNKNOWN_SETTING, word.span, "`approval` is `required`, or left out")
                                .with_suggestion("write `required`", word.span, "required");
                        self.report(diagnostic);
                    }
                }
            }
        }
        declared
    }

    fn capability(&mut self, path: &ast::Path) -> Option<Capability> {
        let text = path.segments.iter().map(|segment| self.text(segment.symbol)).collect::<Vec<_>>().join("::");
        let found = CAPABILITY_WORDS.iter().find(|(word, _)| *word == text).map(|(_, capability)| *capability);
        if found.is_none() {
            let mut diagnostic =
                Diagnostic::error(codes::UNKNOWN_CAPABILITY, path.span, format!("there is no capability `{text}`"));
            diagnostic = match self.nearest(&text, CAPABILITY_WORDS.iter().map(|(word, _)| *word)) {
                Some(near) => diagnostic.with_suggestion(format!("write `{near}`"), path.span, near),
                None => {
                    let known: Vec<&str> = CAPABILITY_WORDS.iter().map(|(word, _)| *word).collect();
                    diagnostic.with_note(format!("the capabilities are `{}`", known.join("`, `")))
                }
            };
            self.report(diagnostic);
        }
        found
    }

    /// A list of texts that are known now.
    fn text_list(&mut self, written: &'a ast::Expr, word: &str) -> Option<Vec<String>> {
        if !self.expect_constant(written) {
            return None;
        }
        let texts = self.types.array(self.types.str);
        let module = self.module;
        let value = self.constant_expr(written, texts, module);
        let ExprKind::Array(elements) = value.kind else {
            if !value.is_wrong() {
                self.error(codes::CLAUSE_VALUE, written.span, format!("`{word}` is a list of texts: `[\"…\"]`"));
            }
            return None;
        };
        let mut list = Vec::with_capacity(elements.len());
        for element in elements {
            match element.kind {
                ExprKind::Constant(Constant::Str(text)) => list.push(text),
                _ if element.ty == ERROR => {}
                _ => self.error(codes::CLAUSE_VALUE, element.span, format!("`{word}` takes texts as they are")),
            }
        }
        Some(list)
    }

    /// What a tool does, and what its parameters mean, from the lines above it.
    fn tool_docs(&self, declaration: &ast::ToolDecl) -> (String, Vec<(String, String)>) {
        let Some(docs) = &declaration.docs else { return (String::new(), Vec::new()) };
        let parameters: Vec<&str> =
            declaration.parameters.iter().map(|parameter| self.text(parameter.binding.name.symbol)).collect();
        split_docs(docs, &parameters)
    }

    /// Gives tools that declare nothing what their bodies use, and reports those whose bodies use more than they declare.
    pub(super) fn settle_tools(&mut self) {
        let mut agents = std::mem::take(&mut self.ir_agents);
        for agent in agents.iter_mut().flatten() {
            for tool in &mut agent.tools {
                let used = self.effects[tool.function.0 as usize].capabilities();
                let Some((_, head)) = self.declared_tools.iter().find(|(function, _)| *function == tool.function) else {
                    tool.capabilities = used;
                    continue;
                };
                let head = *head;
                for capability in used.into_iter().filter(|capability| !tool.capabilities.contains(capability)) {
                    let word = capability_word(capability);
                    self.report(
                        Diagnostic::warning(
                            codes::UNDECLARED_CAPABILITY,
                            head,
                            format!("`{}` uses `{word}` without declaring it", tool.name),
                        )
                        .with_remark("this will be denied when it runs")
                        .with_help(format!("add `{word}` to its `capabilities`")),
                    );
                }
            }
        }
        self.ir_agents = agents;
    }
}

fn retry_span(retry: &ast::RetryClause) -> Span {
    retry.settings.first().map_or_else(|| Span::new(crate::source::FileId(0), 0, 0), |setting| setting.word.span)
}

/// The text without the lines that explain a parameter (`name: …`), and those.
fn split_docs(docs: &Docs, parameters: &[&str]) -> (String, Vec<(String, String)>) {
    let mut text: Vec<&str> = Vec::new();
    let mut explained = Vec::new();
    for line in &docs.lines {
        match line.text.split_once(':') {
            Some((word, meaning)) if parameters.contains(&word.trim()) => {
                explained.push((word.trim().to_string(), meaning.trim().to_string()));
            }
            _ => text.push(line.text.trim_end()),
        }
    }
    (text.join("\n").trim().to_string(), explained)
}
