//! The tree as nested lists, `(let x (+ 1 2))`: what tests compare, and a way to look at what the parser understood.
//!
//! Spans and ids are left out. Each list fits on a line, or has one element on each.

use super::*;
use crate::interner::Interner;

/// Longest line of a list that is not split.
const WIDTH: usize = 100;

/// A file as text, one declaration or statement after the other.
pub fn dump(file: &File, interner: &Interner) -> String {
    let dumper = Dumper { interner };
    let mut text = String::new();
    for item in &file.items {
        dumper.item(item).write(&mut text, 0);
        text.push('\n');
    }
    for statement in &file.statements {
        dumper.statement(statement).write(&mut text, 0);
        text.push('\n');
    }
    text
}

/// A word or a list.
enum Node {
    Atom(String),
    List(Vec<Node>),
}

impl Node {
    fn flat_length(&self) -> usize {
        match self {
            Node::Atom(text) => text.chars().count(),
            Node::List(nodes) => nodes.iter().map(|node| node.flat_length() + 1).sum::<usize>() + 1,
        }
    }

    fn write(&self, text: &mut String, indentation: usize) {
        let Node::List(nodes) = self else {
            let Node::Atom(atom) = self else { return };
            text.push_str(atom);
            return;
        };
        let is_split = indentation + self.flat_length() > WIDTH;
        text.push('(');
        for (at, node) in nodes.iter().enumerate() {
            // The first two of a split list stay together: `(fn main`.
            let breaks = is_split && at > 0 && !(at == 1 && matches!(node, Node::Atom(_)));
            if breaks {
                text.push('\n');
                text.push_str(&" ".repeat(indentation + 2));
            } else if at > 0 {
                text.push(' ');
            }
            node.write(text, indentation + 2);
        }
        text.push(')');
    }
}

fn atom(text: impl Into<String>) -> Node {
    Node::Atom(text.into())
}

/// A list that starts with a word.
fn list(word: &str, rest: impl IntoIterator<Item = Node>) -> Node {
    let mut nodes = vec![atom(word)];
    nodes.extend(rest);
    Node::List(nodes)
}

struct Dumper<'a> {
    interner: &'a Interner,
}

impl Dumper<'_> {
    fn name(&self, name: Ident) -> String {
        self.interner.text(name.symbol).to_owned()
    }

    fn ident(&self, name: Ident) -> Node {
        atom(self.name(name))
    }

    /// `(word value)` if there is a value.
    fn opt<T>(&self, word: &str, value: Option<&T>, node: impl Fn(&Self, &T) -> Node) -> Option<Node> {
        value.map(|value| list(word, [node(self, value)]))
    }

    fn path(&self, path: &Path) -> Node {
        let words: Vec<String> = path.segments.iter().map(|&segment| self.name(segment)).collect();
        let text = words.join("::");
        if path.type_arguments.is_empty() {
            return atom(text);
        }
        let arguments: Vec<String> = path.type_arguments.iter().map(|ty| self.type_text(ty)).collect();
        atom(format!("{text}<{}>", arguments.join(",")))
    }

    fn type_text(&self, ty: &TypeExpr) -> String {
        let texts = |types: &[TypeExpr]| {
            let texts: Vec<String> = types.iter().map(|ty| self.type_text(ty)).collect();
            texts.join(",")
        };
        match &ty.kind {
            TypeKind::Path(path) => match self.path(path) {
                Node::Atom(text) => text,
                Node::List(_) => String::new(),
            },
            TypeKind::Array(inner) => match inner.kind {
                TypeKind::Function(_) => format!("({})[]", self.type_text(inner)),
                _ => format!("{}[]", self.type_text(inner)),
            },
            TypeKind::Optional(inner) => format!("{}?", self.type_text(inner)),
            TypeKind::Tuple(types) => format!("({})", texts(types)),
            TypeKind::Function(function) => {
                let result = function.result.as_ref().map_or(String::new(), |ty| format!("->{}", self.type_text(ty)));
                format!("fn({}){result}", texts(&function.parameters))
            }
            TypeKind::Null => "null".to_owned(),
            TypeKind::Error => "<error>".to_owned(),
        }
    }

    fn ty(&self, ty: &TypeExpr) -> Node {
        atom(self.type_text(ty))
    }

    fn item(&self, item: &Item) -> Node {
        let node = match &item.kind {
            ItemKind::Import(import) => self.import(import),
            ItemKind::Function(function) => self.function(function),
            ItemKind::Const(constant) => self.constant(constant),
            ItemKind::TypeAlias(alias) => list("type", [self.named(alias.name, &alias.generics), self.ty(&alias.ty)]),
            ItemKind::Struct(declaration) => {
                let mut nodes = vec![self.named(declaration.name, &declaration.generics)];
                nodes.extend(declaration.fields.iter().map(|field| self.field(field)));
                list("struct", nodes)
            }
            ItemKind::Enum(declaration) => {
                let mut nodes = vec![self.named(declaration.name, &declaration.generics)];
                nodes.extend(declaration.variants.iter().map(|variant| self.variant(variant)));
                list("enum", nodes)
            }
            ItemKind::Impl(declaration) => {
                let mut nodes = Vec::new();
                if !declaration.generics.is_empty() {
                    nodes.push(atom(format!("<{}>", self.generics(&declaration.generics))));
                }
                nodes.push(self.ty(&declaration.target));
                nodes.extend(declaration.functions.iter().map(|function| {
                    let node = self.function(&function.function);
                    self.decorated(node, function.docs.as_deref(), function.public.is_some())
                }));
                list("impl", nodes)
            }
            ItemKind::Error(declaration) => {
                let mut nodes = vec![self.ident(declaration.name)];
                nodes.extend(declaration.fields.iter().map(|field| match field.name {
                    Some(name) => atom(format!("{}:{}", self.name(name), self.type_text(&field.ty))),
                    None => self.ty(&field.ty),
                }));
                nodes.extend(declaration.parent.map(|parent| list("parent", [self.ident(parent)])));
                list("error", nodes)
            }
            ItemKind::Agent(agent) => self.agent(agent),
            ItemKind::Supervisor(supervisor) => {
                let mut nodes = vec![self.ident(supervisor.name)];
                nodes.extend(self.parameters(&supervisor.parameters));
                nodes.extend(self.supervision(&supervisor.supervision));
                nodes.extend(supervisor.children.iter().map(|child| {
                    let mut nodes = vec![self.ident(child.name), self.path(&child.target)];
                    nodes.extend(self.arguments(&child.arguments));
                    list("child", nodes)
                }));
                list("supervisor", nodes)
            }
            ItemKind::Test(test) => list("test", [atom(format!("{:?}", test.name)), self.block(&test.body)]),
            ItemKind::Mock(mock) => self.mock(mock),
        };
        self.decorated(node, item.docs.as_deref(), item.public.is_some())
    }

    fn decorated(&self, node: Node, docs: Option<&Docs>, is_public: bool) -> Node {
        let node = if is_public { list("pub", [node]) } else { node };
        match docs {
            Some(docs) => list("doc", [atom(format!("{:?}", docs.text())), node]),
            None => node,
        }
    }

    fn generics(&self, generics: &[GenericParameter]) -> String {
        let names: Vec<String> = generics
            .iter()
            .map(|generic| {
                let bounds: Vec<String> = generic.bounds.iter().map(|&bound| self.name(bound)).collect();
                let separator = if bounds.is_empty() { "" } else { ":" };
                format!("{}{separator}{}", self.name(generic.name), bounds.join("+"))
            })
            .collect();
        names.join(",")
    }

    fn named(&self, name: Ident, generics: &[GenericParameter]) -> Node {
        if generics.is_empty() {
            return self.ident(name);
        }
        atom(format!("{}<{}>", self.name(name), self.generics(generics)))
    }

    fn import(&self, import: &ImportDecl) -> Node {
        let path = atom(format!("{:?}", import.path));
        match &import.form {
            ImportForm::Plain => list("import", [path]),
            ImportForm::Renamed(name) => list("import", [path, list("as", [self.ident(*name)])]),
            ImportForm::Selected(names) => {
                let names = names.iter().map(|name| match name.alias {
                    Some(alias) => list("as", [self.ident(name.name), self.ident(alias)]),
                    None => self.ident(name.name),
                });
                list("import", [path, list("names", names)])
            }
        }
    }

    fn function(&self, function: &FunctionDecl) -> Node {
        let mut nodes = vec![self.named(function.name, &function.generics)];
        nodes.extend(function.receiver.as_ref().map(|receiver| atom(if receiver.is_mut { "mut-self" } else { "self" })));
        nodes.extend(self.parameters(&function.parameters));
        nodes.extend(self.opt("->", function.result.as_ref(), Self::ty));
        nodes.push(function.body.as_ref().map_or(atom("native"), |body| self.block(body)));
        list("fn", nodes)
    }

    fn parameters(&self, parameters: &[Parameter]) -> Vec<Node> {
        let node = |parameter: &Parameter| {
            let text = format!("{}:{}", self.name(parameter.binding.name), self.type_text(&parameter.ty));
            match &parameter.default {
                Some(default) => list("default", [atom(text), self.expr(default)]),
                None => atom(text),
            }
        };
        if parameters.is_empty() { Vec::new() } else { vec![Node::List(parameters.iter().map(node).collect())] }
    }

    fn constant(&self, constant: &ConstDecl) -> Node {
        let mut nodes = vec![self.ident(constant.binding.name)];
        nodes.extend(constant.ty.as_ref().map(|ty| self.ty(ty)));
        nodes.push(self.expr(&constant.value));
        list("const", nodes)
    }

    fn field(&self, field: &FieldDecl) -> Node {
        let node = atom(format!("{}:{}", self.name(field.name), self.type_text(&field.ty)));
        self.decorated(node, field.docs.as_deref(), false)
    }

    fn variant(&self, variant: &VariantDecl) -> Node {
        let name = self.name(variant.name);
        let node = match &variant.payload {
            VariantPayload::Unit => atom(name),
            VariantPayload::Tuple(types) => list(&name, types.iter().map(|ty| self.ty(ty))),
            VariantPayload::Struct(fields) => list(&name, [list("fields", fields.iter().map(|field| self.field(field)))]),
        };
        self.decorated(node, variant.docs.as_deref(), false)
    }

    fn agent(&self, agent: &AgentDecl) -> Node {
        let mut nodes = vec![self.ident(agent.name)];
        nodes.extend(self.parameters(&agent.parameters));
        nodes.extend(agent.clauses.iter().map(|clause| {
            let word = self.name(clause.word);
            match &clause.kind {
                AgentClauseKind::Value(value) => list(&word, [self.expr(value)]),
                AgentClauseKind::Settings(settings) => list(&word, self.settings(settings)),
                AgentClauseKind::RateLimit(rates) => list(
                    &word,
                    rates.iter().map(|rate| {
                        let mut nodes = vec![self.expr(&rate.value)];
                        nodes.extend(self.opt("per", rate.per.as_ref(), Self::expr));
                        list(&self.name(rate.word), nodes)
                    }),
                ),
                AgentClauseKind::Retry(retry) => {
                    let mut nodes = self.settings(&retry.settings);
                    nodes.extend(retry.on.as_ref().map(|classes| list("on", classes.iter().map(|&class| self.ident(class)))));
                    list(&word, nodes)
                }
                AgentClauseKind::ProviderOptions(entries) => list(&word, self.entries(entries)),
                AgentClauseKind::History(history) => list(&word, self.history(history)),
                AgentClauseKind::Output(ty) => list(&word, [self.ty(ty)]),
                AgentClauseKind::Priority(level) => list(&word, [self.ident(*level)]),
                AgentClauseKind::State(fields) => list(
                    &word,
                    fields.iter().map(|field| {
                        let name = format!("{}:{}", self.name(field.binding.name), self.type_text(&field.ty));
                        list(&name, [self.expr(&field.value)])
                    }),
                ),
                AgentClauseKind::Tools(tools) => list(&word, tools.iter().map(|tool| self.expr(tool))),
                AgentClauseKind::Tool(tool) => self.tool(tool),
            }
        }));
        list("agent", nodes)
    }

    fn settings(&self, settings: &[Setting]) -> Vec<Node> {
        settings.iter().map(|setting| list(&self.name(setting.word), [self.expr(&setting.value)])).collect()
    }

    fn history(&self, history: &HistoryClause) -> Vec<Node> {
        let mut nodes: Vec<Node> = history.mode.map(|mode| self.ident(mode)).into_iter().collect();
        nodes.extend(self.opt("last", history.last.as_ref(), Self::expr));
        nodes.extend(self.opt("tokens", history.tokens.as_ref(), Self::expr));
        nodes.extend(history.compact.map(|_| atom("compact")));
        nodes.extend(history.reset_on_restart.map(|_| atom("reset_on_restart")));
        nodes
    }

    fn tool(&self, tool: &ToolDecl) -> Node {
        let mut nodes = vec![self.ident(tool.name)];
        nodes.extend(self.parameters(&tool.parameters));
        nodes.extend(self.opt("->", tool.result.as_ref(), Self::ty));
        nodes.extend(tool.clauses.iter().map(|clause| {
            let word = self.name(clause.word);
            match &clause.kind {
                ToolClauseKind::Capabilities(paths) => list(&word, paths.iter().map(|path| self.path(path))),
                ToolClauseKind::Allowed(allowed) => list(&word, [self.expr(allowed)]),
                ToolClauseKind::Approval(how) => list(&word, [self.ident(*how)]),
            }
        }));
        nodes.push(self.block(&tool.body));
        self.decorated(list("tool", nodes), tool.docs.as_deref(), false)
    }

    fn supervision(&self, supervision: &Supervision) -> Vec<Node> {
        let strategy = supervision.strategy.map(|strategy| {
            let word = match strategy.kind {
                StrategyKind::Restart => "restart",
                StrategyKind::Stop => "stop",
                StrategyKind::Escalate => "escalate",
                StrategyKind::RestartAll => "restart_all",
                StrategyKind::RestartRest => "restart_rest",
            };
            list("strategy", [atom(word)])
        });
        strategy.into_iter().chain(self.settings(&supervision.settings)).collect()
    }

    fn mock(&self, mock: &MockDecl) -> Node {
        let mut nodes = vec![self.path(&mock.agent)];
        nodes.extend(mock.arms.iter().map(|arm| self.arm(arm)));
        list("mock", nodes)
    }

    fn block(&self, block: &Block) -> Node {
        let mut nodes: Vec<Node> = block.statements.iter().map(|statement| self.statement(statement)).collect();
        nodes.extend(block.value.as_ref().map(|value| list("value", [self.expr(value)])));
        list("block", nodes)
    }

    fn statement(&self, statement: &Stmt) -> Node {
        match &statement.kind {
            StmtKind::Let(statement) => self.let_statement(statement),
            StmtKind::Const(constant) => self.constant(constant),
            StmtKind::Expr(expr) => self.expr(expr),
            StmtKind::Defer(expr) => list("defer", [self.expr(expr)]),
            StmtKind::Mock(mock) => self.mock(mock),
            StmtKind::Error => atom("<error>"),
        }
    }

    fn let_statement(&self, statement: &LetStatement) -> Node {
        let mut nodes = vec![self.pattern(&statement.pattern)];
        nodes.extend(statement.ty.as_ref().map(|ty| self.ty(ty)));
        nodes.push(self.expr(&statement.value));
        list("let", nodes)
    }

    fn patterns(&self, patterns: &[Pattern]) -> Vec<Node> {
        patterns.iter().map(|pattern| self.pattern(pattern)).collect()
    }

    fn pattern(&self, pattern: &Pattern) -> Node {
        match &pattern.kind {
            PatternKind::Wildcard => atom("_"),
            PatternKind::Literal(literal) => self.literal(literal),
            PatternKind::Range(range) => {
                let mut nodes = Vec::new();
                nodes.push(range.start.as_ref().map_or(atom("_"), |start| self.literal(start)));
                nodes.push(range.end.as_ref().map_or(atom("_"), |end| self.literal(end)));
                list(if range.is_inclusive { "..=" } else { ".." }, nodes)
            }
            PatternKind::Binding(binding) => self.ident(binding.name),
            PatternKind::Named(binding, inner) => list("@", [self.ident(binding.name), self.pattern(inner)]),
            PatternKind::Typed(inner, ty) => list(":", [self.pattern(inner), self.ty(ty)]),
            PatternKind::Path(path) => list("path", [self.path(path)]),
            PatternKind::Variant(path, payload) => {
                let mut nodes = vec![self.path(path)];
                nodes.extend(self.patterns(payload));
                list("variant", nodes)
            }
            PatternKind::Struct(pattern) => {
                let mut nodes = vec![self.path(&pattern.path)];
                nodes.extend(pattern.fields.iter().map(|field| {
                    if field.is_short {
                        return self.ident(field.name);
                    }
                    list(&self.name(field.name), [self.pattern(&field.pattern)])
                }));
                nodes.extend(pattern.rest.map(|_| atom("..")));
                list("struct", nodes)
            }
            PatternKind::Tuple(patterns) => list("tuple", self.patterns(patterns)),
            PatternKind::Array(patterns) => list("array", self.patterns(patterns)),
            PatternKind::Rest(Some(binding)) => list("..", [self.ident(binding.name)]),
            PatternKind::Rest(None) => atom(".."),
            PatternKind::Map(pattern) => {
                let entries =
                    pattern.entries.iter().map(|entry| Node::List(vec![self.expr(&entry.key), self.pattern(&entry.pattern)]));
                list("map", entries.chain(pattern.rest.map(|_| atom(".."))))
            }
            PatternKind::Or(choices) => list("|", self.patterns(choices)),
            PatternKind::Error => atom("<error>"),
        }
    }

    fn literal(&self, literal: &Literal) -> Node {
        match literal {
            Literal::Int(value) => atom(value.to_string()),
            Literal::Float(value) => atom(format!("{value:?}")),
            Literal::Bool(value) => atom(value.to_string()),
            Literal::Null => atom("null"),
            Literal::Str(text) => atom(format!("{text:?}")),
            Literal::Duration(nanoseconds) => atom(format!("{nanoseconds}ns")),
            Literal::Money(pico_dollars) => atom(format!("{pico_dollars}p$")),
        }
    }

    fn exprs(&self, exprs: &[Expr]) -> Vec<Node> {
        exprs.iter().map(|expr| self.expr(expr)).collect()
    }

    fn boxed(&self, expr: &Expr) -> Node {
        self.expr(expr)
    }

    fn entries(&self, entries: &[MapEntry]) -> Vec<Node> {
        entries.iter().map(|entry| Node::List(vec![self.expr(&entry.key), self.expr(&entry.value)])).collect()
    }

    fn arguments(&self, arguments: &[Argument]) -> Vec<Node> {
        arguments
            .iter()
            .map(|argument| match argument.kind {
                ArgumentKind::Positional => self.expr(&argument.value),
                ArgumentKind::Named(name) => list(&format!("{}:", self.name(name)), [self.expr(&argument.value)]),
                ArgumentKind::Timeout(_) => list("timeout", [self.expr(&argument.value)]),
            })
            .collect()
    }

    fn arm(&self, arm: &MatchArm) -> Node {
        let mut nodes = vec![self.pattern(&arm.pattern)];
        nodes.extend(self.opt("if", arm.guard.as_ref(), Self::boxed));
        nodes.push(self.expr(&arm.body));
        list("=>", nodes)
    }

    /// The words of a loop: its name with its label.
    fn loop_word(&self, word: &str, label: Option<Ident>) -> String {
        label.map_or(word.to_owned(), |label| format!("{}:{word}", self.name(label)))
    }

    fn expr(&self, expr: &Expr) -> Node {
        match &expr.kind {
            ExprKind::Literal(literal) => self.literal(literal),
            ExprKind::Interpolated(parts) => list(
                "f",
                parts.iter().map(|part| match part {
                    StringPart::Text(text, _) => atom(format!("{text:?}")),
                    StringPart::Hole(hole) => match &hole.format {
                        Some(format) => list("hole", [self.expr(&hole.value), atom(format_text(format))]),
                        None => list("hole", [self.expr(&hole.value)]),
                    },
                }),
            ),
            ExprKind::Name(name) => self.ident(*name),
            ExprKind::Path(path) => self.path(path),
            ExprKind::Paren(inner) => list("paren", [self.expr(inner)]),
            ExprKind::Tuple(elements) => list("tuple", self.exprs(elements)),
            ExprKind::Array(elements) => list("array", self.exprs(elements)),
            ExprKind::Comprehension(comprehension) => {
                let mut nodes = vec![self.expr(&comprehension.element)];
                nodes.extend(comprehension.clauses.iter().map(|clause| match clause {
                    ComprehensionClause::For(pattern, iterable) => list("for", [self.pattern(pattern), self.expr(iterable)]),
                    ComprehensionClause::If(condition) => list("if", [self.expr(condition)]),
                }));
                list("comprehension", nodes)
            }
            ExprKind::Map(entries) => list("map", self.entries(entries)),
            ExprKind::Struct(literal) => {
                let mut nodes = vec![self.path(&literal.path)];
                nodes.extend(literal.fields.iter().map(|field| {
                    if field.is_short {
                        return self.ident(field.name);
                    }
                    list(&self.name(field.name), [self.expr(&field.value)])
                }));
                nodes.extend(self.opt("..", literal.base.as_ref(), Self::boxed));
                list("struct", nodes)
            }
            ExprKind::Unary(unary) => {
                let sign = match unary.operator {
                    UnaryOperator::Negate => "-",
                    UnaryOperator::Not => "!",
                };
                list(sign, [self.expr(&unary.operand)])
            }
            ExprKind::Binary(binary) => list(binary.operator.text(), [self.expr(&binary.left), self.expr(&binary.right)]),
            ExprKind::Range(range) => {
                let mut nodes = Vec::new();
                nodes.push(range.start.as_ref().map_or(atom("_"), |start| self.expr(start)));
                nodes.push(range.end.as_ref().map_or(atom("_"), |end| self.expr(end)));
                list(if range.is_inclusive { "..=" } else { ".." }, nodes)
            }
            ExprKind::Assign(assign) => {
                let sign = format!("{}=", assign.operator.map_or("", BinaryOperator::text));
                list(&sign, [self.expr(&assign.place), self.expr(&assign.value)])
            }
            ExprKind::Send(send) => {
                let mut nodes = vec![self.expr(&send.receiver), self.expr(&send.message)];
                nodes.extend(self.opt("timeout", send.timeout.as_ref(), Self::boxed));
                nodes.extend(self.opt("budget", send.budget.as_ref(), Self::boxed));
                list(if send.is_stream { "<~" } else { "<-" }, nodes)
            }
            ExprKind::Spawn(spawn) => self.spawn(spawn),
            ExprKind::Await(inner) => list("await", [self.expr(inner)]),
            ExprKind::Async(inner) => list("async", [self.expr(inner)]),
            ExprKind::Call(call) => {
                let mut nodes = vec![self.expr(&call.callee)];
                nodes.extend(self.arguments(&call.arguments));
                list("call", nodes)
            }
            ExprKind::MethodCall(call) => {
                let dot = if call.is_optional { "?." } else { "." };
                let mut name = format!("{dot}{}", self.name(call.name));
                if !call.type_arguments.is_empty() {
                    let types: Vec<String> = call.type_arguments.iter().map(|ty| self.type_text(ty)).collect();
                    name = format!("{name}<{}>", types.join(","));
                }
                let mut nodes = vec![self.expr(&call.receiver), atom(name)];
                nodes.extend(self.arguments(&call.arguments));
                list("call", nodes)
            }
            ExprKind::Field(field) => {
                let dot = if field.is_optional { "?." } else { "." };
                list(dot, [self.expr(&field.receiver), self.ident(field.name)])
            }
            ExprKind::TupleField(field) => {
                let dot = if field.is_optional { "?." } else { "." };
                list(dot, [self.expr(&field.receiver), atom(field.index.to_string())])
            }
            ExprKind::Index(index) => list("index", [self.expr(&index.receiver), self.expr(&index.index)]),
            ExprKind::Propagate(inner) => list("?", [self.expr(inner)]),
            ExprKind::Closure(closure) => {
                let parameters = closure.parameters.iter().map(|parameter| match &parameter.ty {
                    Some(ty) => list(":", [self.pattern(&parameter.pattern), self.ty(ty)]),
                    None => self.pattern(&parameter.pattern),
                });
                list("closure", [Node::List(parameters.collect()), self.expr(&closure.body)])
            }
            ExprKind::Block(block) => self.block(block),
            ExprKind::If(expr) => {
                let mut nodes = Vec::new();
                for branch in &expr.branches {
                    nodes.push(self.expr(&branch.condition));
                    nodes.push(self.block(&branch.body));
                }
                nodes.extend(self.opt("else", expr.otherwise.as_ref(), Self::block));
                list("if", nodes)
            }
            ExprKind::Match(expr) => {
                let mut nodes = vec![self.expr(&expr.subject)];
                nodes.extend(expr.arms.iter().map(|arm| self.arm(arm)));
                list("match", nodes)
            }
            ExprKind::Receive(receive) => {
                let mut nodes: Vec<Node> = receive.arms.iter().map(|arm| self.arm(arm)).collect();
                nodes.extend(receive.after.as_ref().map(|after| list("after", [self.expr(&after.time), self.expr(&after.body)])));
                list("receive", nodes)
            }
            ExprKind::Loop(expr) => list(&self.loop_word("loop", expr.label), [self.block(&expr.body)]),
            ExprKind::While(expr) => {
                list(&self.loop_word("while", expr.label), [self.expr(&expr.condition), self.block(&expr.body)])
            }
            ExprKind::For(expr) => list(
                &self.loop_word("for", expr.label),
                [self.pattern(&expr.pattern), self.expr(&expr.iterable), self.block(&expr.body)],
            ),
            ExprKind::CountedFor(expr) => {
                let part = |expr: &Option<Expr>| expr.as_ref().map_or(atom("_"), |expr| self.expr(expr));
                list(
                    &self.loop_word("for", expr.label),
                    [
                        expr.start.as_ref().map_or(atom("_"), |start| self.let_statement(start)),
                        part(&expr.condition),
                        part(&expr.step),
                        self.block(&expr.body),
                    ],
                )
            }
            ExprKind::Try(expr) => {
                let mut nodes = vec![self.block(&expr.body)];
                nodes.extend(expr.catches.iter().map(|catch| {
                    let filter = match &catch.filter {
                        CatchFilter::All => atom("_"),
                        CatchFilter::Name(binding) => self.ident(binding.name),
                        CatchFilter::Kind(kind) => match &kind.payload {
                            Some(payload) => {
                                let mut nodes = vec![self.path(&kind.path)];
                                nodes.extend(self.patterns(payload));
                                list("kind", nodes)
                            }
                            None => list("kind", [self.path(&kind.path)]),
                        },
                    };
                    list("catch", [filter, self.block(&catch.body)])
                }));
                nodes.extend(self.opt("finally", expr.finally.as_ref(), Self::block));
                list("try", nodes)
            }
            ExprKind::Parallel(parallel) => {
                let word = match parallel.mode {
                    ParallelMode::All => "parallel",
                    ParallelMode::Collect => "parallel-collect",
                    ParallelMode::Race => "parallel-race",
                };
                list(word, [self.block(&parallel.body)])
            }
            ExprKind::Sequential(body) => list("sequential", [self.block(body)]),
            ExprKind::Session(session) => list("session", [self.expr(&session.budget), self.block(&session.body)]),
            ExprKind::Deadline(deadline) => list("deadline", [self.expr(&deadline.time), self.block(&deadline.body)]),
            ExprKind::Return(value) => list("return", value.iter().map(|value| self.expr(value))),
            ExprKind::Throw(value) => list("throw", [self.expr(value)]),
            ExprKind::Break(expr) => {
                let label = expr.label.map(|label| atom(format!("{}:", self.name(label))));
                list("break", label.into_iter().chain(expr.value.iter().map(|value| self.expr(value))))
            }
            ExprKind::Continue(label) => list("continue", label.map(|label| self.ident(label))),
            ExprKind::Error => atom("<error>"),
        }
    }

    fn spawn(&self, spawn: &Spawn) -> Node {
        let mut nodes = vec![self.path(&spawn.target)];
        nodes.extend(self.arguments(&spawn.arguments));
        nodes.extend(spawn.asynchronous.map(|_| atom("async")));
        nodes.extend(self.opt("from", spawn.from.as_ref(), Self::boxed));
        nodes.extend(spawn.supervision.as_ref().map(|supervision| list("supervised", self.supervision(supervision))));
        list(if spawn.is_linked { "spawn_link" } else { "spawn" }, nodes)
    }
}

/// A format in the form in which it can be written.
fn format_text(format: &Format) -> String {
    let align = match format.align {
        None => String::new(),
        Some(align) => {
            let sign = match align {
                Align::Left => '<',
                Align::Center => '^',
                Align::Right => '>',
            };
            if format.fill == ' ' { sign.to_string() } else { format!("{}{sign}", format.fill) }
        }
    };
    let zero = if format.is_zero_filled { "0" } else { "" };
    let width = format.width.map_or(String::new(), |width| width.to_string());
    let precision = format.precision.map_or(String::new(), |digits| format!(".{digits}"));
    let style = match format.style {
        None => "",
        Some(FormatStyle::HexLower) => "x",
        Some(FormatStyle::HexUpper) => "X",
        Some(FormatStyle::Binary) => "b",
        Some(FormatStyle::Octal) => "o",
        Some(FormatStyle::Exponent) => "e",
    };
    format!(":{align}{zero}{width}{precision}{style}")
}
