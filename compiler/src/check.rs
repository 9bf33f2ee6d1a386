//! Names and types: from the syntax trees of a program to its typed tree.
//!
//! One pass over each function body infers types, checks them and builds [`crate::ir`], expression by expression. What is wrong
//! is reported and becomes an expression of the type [`types::ERROR`], which fits everywhere, so nothing is reported twice.
//! Functions of the standard library are only looked at when something calls them.

#![allow(clippy::result_large_err, reason = "the error is the expression itself, handed back to try something else with it")]

mod types; // the interned types, their names, substitution
mod definition; // declared functions, structs, agents: what is known of them
mod declare; // from declarations to definitions
mod signature; // what declarations hold and carry
mod entry; // where a program starts
mod import; // which modules a program consists of
mod type_expression; // types as written
mod frame; // the function under check: variables, loops, what is known of them
mod narrow; // which optionals are known not to be null
mod fits; // which value fits where, and the conversions that make it fit
mod function; // bodies of functions
mod statement; // blocks and statements
mod loops; // loops, and what is known behind them
mod leave; // `break`, `continue`, `return`
mod expression; // expressions, by their form
mod literal; // values written down: numbers, text, containers
mod structure; // structs and variants, field by field
mod operator; // operators on typed operands
mod place; // what can be assigned to
mod branch; // `if`, `match` and what they give
mod pattern; // what takes values apart
mod destructure; // patterns of structs, tuples, arrays, maps
mod exhaustive; // whether the arms of a `match` cover everything
mod path; // names of values, plain and qualified
mod call; // calls of functions and function values
mod argument; // what a call is given
mod built_in; // what looks like a call and is part of the language
mod native; // calls of natives
mod method; // calls on a value
mod closure; // closures, `async`, captures
mod process; // spawn, send, receive
mod supervisor; // declared supervisors, as structs and functions
mod ask; // questions to agents, and what can be said in JSON
mod failure; // try, catch, throw
mod session; // `session budget`
mod agent; // agents, their clauses and tools
mod state; // what the tools of an agent share
mod constant; // values known before the program runs
mod effect; // what functions touch in the world
mod join; // when the rounds of agent calls join their histories
mod parallel; // `parallel`, checked and not run
mod unsupported; // what this version refuses by name

use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;

use rustc_hash::FxHashMap;
use vega_bytecode::module::{KindDefinition, NativeImport};
use vega_bytecode::{FunctionId, KindId, TypeId};

use crate::ast;
use crate::diagnostic::{Code, Diagnostic};
use crate::interner::{Interner, Symbol};
use crate::ir;
use crate::resolve::module::{Arena, Module, ModuleId};
use crate::resolve::suggest::nearest;
use crate::schedule::join::JoinPlan;
use crate::source::{Loader, Sources, Span};
use definition::{AgentInfo, AliasInfo, ConstInfo, EnumInfo, FunctionInfo, Generic, Head, KindInfo, StructInfo, SupervisorInfo};
use effect::Effects;
use frame::Frame;
use types::{TypeNames, Types};

/// The typed tree, if the program has no error, and everything there is to say about it.
pub(crate) struct Checked {
    /// Present exactly if no diagnostic is an error.
    pub(crate) program: Option<ir::Program>,
    /// In the order of the sources.
    pub(crate) diagnostics: Vec<Diagnostic>,
}

/// Checks the program that starts at the text `entry`, which `sources` has.
pub(crate) fn check(loader: &dyn Loader, sources: &mut Sources, interner: &mut Interner, entry: &Arc<str>) -> Checked {
    let arena = Arena::default();
    let mut checker = Checker::new(&arena, loader, sources, interner);
    checker.load_program(entry);
    checker.check_bodies();
    checker.finish()
}

/// Everything known while a program is checked.
pub(crate) struct Checker<'a> {
    arena: &'a Arena,
    loader: &'a dyn Loader,
    sources: &'a mut Sources,
    interner: &'a mut Interner,
    diagnostics: Vec<Diagnostic>,
    types: Types,
    names: TypeNames,

    modules: Vec<Module<'a>>,
    /// By module: when rounds join. The library asks no agents, so its plans are empty.
    plans: Vec<JoinPlan>,
    /// By path; those of the standard library by `std:` and their name.
    module_ids: FxHashMap<Arc<str>, ModuleId>,
    /// Modules whose imports are being loaded, outermost first.
    loading: Vec<ModuleId>,
    /// Names that every program sees.
    prelude: Option<ModuleId>,

    functions: Vec<Rc<FunctionInfo<'a>>>,
    function_ids: Vec<Option<FunctionId>>,
    structs: Vec<Rc<StructInfo<'a>>>,
    enums: Vec<Rc<EnumInfo<'a>>>,
    aliases: Vec<AliasInfo<'a>>,
    consts: Vec<ConstInfo<'a>>,
    /// Of the constants under evaluation, outermost first.
    costs: Vec<constant::Cost>,
    agents: Vec<Rc<AgentInfo<'a>>>,
    supervisors: Vec<Rc<SupervisorInfo<'a>>>,
    kinds: Vec<KindDefinition>,
    kind_info: Vec<KindInfo>,
    built_in_kinds: FxHashMap<Symbol, KindId>,
    built_in_structs: FxHashMap<Symbol, u32>,
    methods: FxHashMap<(Head, Symbol), u32>,

    /// Where names are looked up now.
    module: ModuleId,
    /// Type parameters in scope now.
    generics: Rc<[Generic]>,

    bodies: Vec<Option<ir::Function>>,
    effects: Vec<Effects>,
    natives: Vec<NativeImport>,
    native_effects: Vec<bool>,
    native_ids: FxHashMap<NativeImport, u32>,
    queue: VecDeque<Work<'a>>,
    frames: Vec<Frame>,
    entry: Option<FunctionId>,
    ir_agents: Vec<Option<ir::Agent>>,
    /// Tools that declare their capabilities, and where they stand.
    declared_tools: Vec<(FunctionId, Span)>,
}

/// Mistakes after which no similar name is looked for: each search goes through every name, and no more mistakes are shown.
const SUGGESTIONS_MAX: usize = crate::parse::DIAGNOSTICS_MAX;

/// A body that still has to be checked.
enum Work<'a> {
    /// A declared function.
    Function(u32),
    /// The statements of a file without `main`.
    Script(FunctionId, &'a ast::File),
    /// An agent: its clauses and tools.
    Agent(u32),
    /// A declared supervisor.
    Supervisor(u32),
    /// A constant, which may not be used anywhere.
    Const(u32),
}

impl<'a> Checker<'a> {
    fn new(arena: &'a Arena, loader: &'a dyn Loader, sources: &'a mut Sources, interner: &'a mut Interner) -> Checker<'a> {
        let mut checker = Checker {
            arena,
            loader,
            sources,
            interner,
            diagnostics: Vec::new(),
            types: Types::new(),
            names: TypeNames::default(),
            modules: Vec::new(),
            plans: Vec::new(),
            module_ids: FxHashMap::default(),
            loading: Vec::new(),
            prelude: None,
            functions: Vec::new(),
            function_ids: Vec::new(),
            structs: Vec::new(),
            enums: Vec::new(),
            aliases: Vec::new(),
            consts: Vec::new(),
            costs: Vec::new(),
            agents: Vec::new(),
            supervisors: Vec::new(),
            kinds: Vec::new(),
            kind_info: Vec::new(),
            built_in_kinds: FxHashMap::default(),
            built_in_structs: FxHashMap::default(),
            methods: FxHashMap::default(),
            module: ModuleId(0),
            generics: Rc::new([]),
            bodies: Vec::new(),
            effects: Vec::new(),
            natives: Vec::new(),
            native_effects: Vec::new(),
            native_ids: FxHashMap::default(),
            queue: VecDeque::new(),
            frames: Vec::new(),
            entry: None,
            ir_agents: Vec::new(),
            declared_tools: Vec::new(),
        };
        checker.declare_built_ins();
        checker
    }

    fn check_bodies(&mut self) {
        while let Some(work) = self.queue.pop_front() {
            match work {
                Work::Function(index) => self.check_function(index),
                Work::Script(id, file) => self.check_script(id, file),
                Work::Agent(index) => self.check_agent(index),
                Work::Supervisor(index) => self.check_supervisor(index),
                Work::Const(index) => self.check_const(index),
            }
        }
    }

    fn finish(mut self) -> Checked {
        self.spread_effects();
        self.diagnostics.sort_by_key(|diagnostic| {
            let span = diagnostic.span();
            (span.file, span.start, diagnostic.code)
        });
        self.diagnostics.dedup();
        self.leave_out_consequences();
        let has_errors = self.diagnostics.iter().any(Diagnostic::is_error);
        let program = (!has_errors).then(|| self.program());
        Checked { program, diagnostics: self.diagnostics }
    }

    /// What the grammar could not read was guessed, so what else is wrong with the same line would only confuse.
    fn leave_out_consequences(&mut self) {
        let sources = &*self.sources;
        let line = |diagnostic: &Diagnostic| {
            let span = diagnostic.span();
            (span.file, sources.line_column(span).line)
        };
        let is_syntax = |diagnostic: &&Diagnostic| diagnostic.is_error() && diagnostic.code.is_syntax();
        let misread: rustc_hash::FxHashSet<_> = self.diagnostics.iter().filter(is_syntax).map(line).collect();
        if !misread.is_empty() {
            self.diagnostics.retain(|diagnostic| diagnostic.code.is_syntax() || !misread.contains(&line(diagnostic)));
        }
    }

    fn program(&mut self) -> ir::Program {
        let structs = self.structs.iter().map(|info| info.to_definition(self.interner)).collect();
        let enums = self.enums.iter().map(|info| info.to_definition(self.interner)).collect();
        ir::Program {
            types: std::mem::take(&mut self.types.table),
            structs,
            enums,
            kinds: std::mem::take(&mut self.kinds),
            natives: std::mem::take(&mut self.natives),
            native_effects: std::mem::take(&mut self.native_effects),
            functions: std::mem::take(&mut self.bodies)
                .into_iter()
                .map(|body| body.expect("every function that got an id was queued and checked"))
                .collect(),
            agents: std::mem::take(&mut self.ir_agents)
                .into_iter()
                .map(|agent| agent.expect("every agent that got an id was queued and checked"))
                .collect(),
            entry: self.entry,
        }
    }

    /// The text of a name.
    fn text(&self, symbol: Symbol) -> &str {
        self.interner.text(symbol)
    }

    /// A type as its user would write it.
    fn show(&self, ty: TypeId) -> String {
        let parameters: Vec<&str> = self.generics.iter().map(|generic| self.interner.text(generic.name)).collect();
        self.names.show(&self.types, &parameters, ty)
    }

    fn report(&mut self, mut diagnostic: Diagnostic) {
        let labels = diagnostic.labels.iter_mut().map(|label| &mut label.text);
        let texts = labels.chain(&mut diagnostic.notes).chain(&mut diagnostic.helps);
        for text in texts.chain(std::iter::once(&mut diagnostic.title)) {
            mend_articles(text);
        }
        self.diagnostics.push(diagnostic);
    }

    /// The known name that somebody may have meant. Behind more mistakes than anybody reads, nobody looks for it.
    fn nearest<'n>(&self, name: &str, candidates: impl Iterator<Item = &'n str>) -> Option<&'n str> {
        if self.diagnostics.len() > SUGGESTIONS_MAX { None } else { nearest(name, candidates) }
    }

    /// Reports and gives what stands for a wrong expression.
    fn wrong(&mut self, diagnostic: Diagnostic) -> ir::Expr {
        let span = diagnostic.span();
        self.report(diagnostic);
        ir::Expr::wrong(span)
    }

    fn error(&mut self, code: Code, span: Span, title: impl Into<String>) {
        self.report(Diagnostic::error(code, span, title));
    }

    /// A fresh id for a function whose body follows.
    fn new_function_id(&mut self) -> FunctionId {
        let id = FunctionId(self.bodies.len() as u32);
        self.bodies.push(None);
        self.effects.push(Effects::default());
        id
    }
}

/// `a` before a name that starts with a vowel becomes `an`.
fn mend_articles(text: &mut String) {
    for vowel in ["a", "e", "i", "o", "A", "E", "I", "O"] {
        for (wrong, right) in [(" a `", " an `"), ("a `", "an `")] {
            let wrong = format!("{wrong}{vowel}");
            if wrong.starts_with(' ') && text.contains(&wrong) {
                *text = text.replace(&wrong, &format!("{right}{vowel}"));
            } else if text.starts_with(&wrong) {
                text.replace_range(..wrong.len(), &format!("{right}{vowel}"));
            }
        }
    }
}

impl ir::Expr {
    fn new(kind: ir::ExprKind, ty: TypeId, span: Span) -> ir::Expr {
        ir::Expr { kind, ty, span }
    }

    /// What stands for an expression that was reported.
    fn wrong(span: Span) -> ir::Expr {
        ir::Expr { kind: ir::ExprKind::Constant(vega_bytecode::module::Constant::Null), ty: types::ERROR, span }
    }

    /// The same value under another type.
    fn retyped(self, ty: TypeId) -> ir::Expr {
        if self.ty == ty {
            return self;
        }
        let span = self.span;
        ir::Expr { kind: ir::ExprKind::Retype(Box::new(self)), ty, span }
    }

    fn is_wrong(&self) -> bool {
        self.ty == types::ERROR
    }
}

#[cfg(test)]
mod tests;
