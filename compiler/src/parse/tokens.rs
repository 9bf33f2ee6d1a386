//! What the grammar reads: the rest of the tokens, together with what all rules of one parse share.
//!
//! Rules are plain functions from [`Tokens`] to [`Parsed`]. An `Err` carries a [`Problem`]; whoever can go on after it, a
//! block or a list of members, reports it once and skips ahead.

use super::lexer::{DocComment, Lexed};
use super::problem::Problem;
use super::token::{Kind, Token, Value};
use super::{DIAGNOSTICS_MAX, HEIGHT_MAX, NESTING_MAX, grammar_error};
use crate::ast::{Binding, BindingId, BlockId, Expr, ExprId, ExprKind, Ident, NodeCounts, PatternId, StmtId, TypeId};
use crate::diagnostic::Diagnostic;
use crate::interner::Symbol;
use crate::source::{FileId, Span};
use std::cell::{Cell, RefCell};
use std::iter::{Copied, Enumerate};
use std::slice::Iter;

/// What a rule gives: the tokens behind it and what it made of those before.
pub(crate) type Parsed<'a, T> = nom::IResult<Tokens<'a>, T, Problem>;

/// The tokens not read yet. There is always one more: the last is [`Kind::End`], which no rule consumes.
#[derive(Clone, Copy)]
pub(crate) struct Tokens<'a> {
    pub(crate) rest: &'a [Token],
    pub(crate) state: &'a State<'a>,
}

/// What all rules of one parse share.
pub(crate) struct State<'a> {
    pub(crate) file: FileId,
    pub(crate) source: &'a str,
    pub(crate) tokens: &'a [Token],
    values: &'a [Value],
    pub(crate) docs: &'a [DocComment],
    /// Where texts end that lack their closing quote.
    broken_ends: &'a [u32],
    /// Whether the scanner lost the end of the text, so that a missing bracket there is no news.
    is_cut: bool,
    diagnostics: RefCell<Vec<Diagnostic>>,
    /// Where the last problem was found: a second one at the same token is only its echo.
    reported_at: Cell<Option<u32>>,
    /// Whether the parse was given up because of nesting.
    is_given_up: Cell<bool>,
    context: Cell<Context>,
    depth: Cell<u32>,
    /// An upper bound of the height of the tree of the expression being read.
    height: Cell<u32>,
    /// Labels of the loops around the present place.
    labels: RefCell<Vec<Symbol>>,
    counts: Cell<NodeCounts>,
}

/// What the surroundings of an expression allow.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Context {
    /// A `{` ends the expression: it is the head of a block.
    pub(crate) is_head: bool,
    /// A range may leave out its ends: it is an index.
    pub(crate) allows_open_range: bool,
}

impl<'a> State<'a> {
    pub(crate) fn new(file: FileId, source: &'a str, lexed: &'a Lexed) -> State<'a> {
        State {
            file,
            source,
            tokens: &lexed.tokens,
            values: &lexed.values,
            docs: &lexed.docs,
            broken_ends: &lexed.broken_ends,
            is_cut: lexed.is_cut,
            diagnostics: RefCell::new(Vec::new()),
            reported_at: Cell::new(None),
            is_given_up: Cell::new(false),
            context: Cell::new(Context::default()),
            depth: Cell::new(0),
            height: Cell::new(0),
            labels: RefCell::new(Vec::new()),
            counts: Cell::new(NodeCounts::default()),
        }
    }

    /// Ends the parse: what was wrong, and how many nodes there are.
    pub(crate) fn finish(self) -> (Vec<Diagnostic>, NodeCounts) {
        (self.diagnostics.into_inner(), self.counts.get())
    }

    /// Records a diagnostic that does not stop the rule.
    pub(crate) fn tell(&self, diagnostic: Diagnostic) {
        if self.is_given_up.get() {
            return;
        }
        let mut diagnostics = self.diagnostics.borrow_mut();
        diagnostics.push(diagnostic);
        // One more than is shown, so that the file is known to have more.
        self.is_given_up.set(diagnostics.len() > DIAGNOSTICS_MAX);
    }

    /// Records a problem that stopped a rule at the token at `at`, unless it is the echo of one already recorded there.
    pub(crate) fn report(&self, at: u32, diagnostic: Diagnostic) {
        let is_echo = self.reported_at.replace(Some(at)) == Some(at);
        let is_end = self.tokens.last().is_some_and(|end| end.start <= at);
        if is_echo || (is_end && self.is_cut) || self.is_behind_broken_text(at) {
            return;
        }
        self.tell(diagnostic);
    }

    /// Whether the scanner has found fault with the token at `at` or with what stands before it.
    fn is_behind_broken_text(&self, at: u32) -> bool {
        let index = self.tokens.partition_point(|token| token.start < at);
        let previous = self.tokens.get(index.wrapping_sub(1));
        let is_unknown = self.tokens.get(index).is_some_and(|token| token.start == at && token.kind == Kind::Unknown);
        is_unknown
            || previous.is_some_and(|token| token.kind == Kind::Unknown || self.broken_ends.binary_search(&token.end).is_ok())
    }

    pub(crate) fn is_given_up(&self) -> bool {
        self.is_given_up.get()
    }

    pub(crate) fn context(&self) -> Context {
        self.context.get()
    }

    /// The text of a token.
    pub(crate) fn text(&self, token: &Token) -> &'a str {
        &self.source[token.start as usize..token.end as usize]
    }

    /// What a literal token stands for.
    pub(crate) fn value(&self, token: &Token) -> &'a Value {
        &self.values[token.payload as usize]
    }

    fn count(&self, which: impl FnOnce(&mut NodeCounts) -> &mut u32) -> u32 {
        let mut counts = self.counts.get();
        let count = which(&mut counts);
        let id = *count;
        *count += 1;
        self.counts.set(counts);
        id
    }

    pub(crate) fn expr(&self, kind: ExprKind, span: Span) -> Expr {
        Expr { id: ExprId(self.count(|counts| &mut counts.expressions)), kind, span }
    }

    pub(crate) fn stmt_id(&self) -> StmtId {
        StmtId(self.count(|counts| &mut counts.statements))
    }

    pub(crate) fn block_id(&self) -> BlockId {
        BlockId(self.count(|counts| &mut counts.blocks))
    }

    pub(crate) fn pattern_id(&self) -> PatternId {
        PatternId(self.count(|counts| &mut counts.patterns))
    }

    pub(crate) fn type_id(&self) -> TypeId {
        TypeId(self.count(|counts| &mut counts.types))
    }

    pub(crate) fn binding(&self, name: Ident) -> Binding {
        Binding { id: BindingId(self.count(|counts| &mut counts.bindings)), name }
    }

    pub(crate) fn is_label(&self, symbol: Symbol) -> bool {
        self.labels.borrow().contains(&symbol)
    }
}

impl<'a> Tokens<'a> {
    /// The next token.
    pub(crate) fn first(&self) -> &'a Token {
        &self.rest[0]
    }

    /// The kind of the next token.
    pub(crate) fn kind(&self) -> Kind {
        self.rest[0].kind
    }

    /// The kind of the token `ahead` places behind the next.
    pub(crate) fn kind_at(&self, ahead: usize) -> Kind {
        self.rest.get(ahead).map_or(Kind::End, |token| token.kind)
    }

    /// The tokens behind the next one.
    pub(crate) fn skip(&self) -> Tokens<'a> {
        self.skip_many(1)
    }

    /// The tokens behind the next `count`, but never behind the last.
    pub(crate) fn skip_many(&self, count: usize) -> Tokens<'a> {
        Tokens { rest: &self.rest[count.min(self.rest.len() - 1)..], state: self.state }
    }

    /// Whether the next token is the word `symbol`, which is not reserved.
    pub(crate) fn is_word(&self, symbol: Symbol) -> bool {
        self.is_word_at(0, symbol)
    }

    /// Whether the token `ahead` places behind the next is the word `symbol`, which is not reserved.
    pub(crate) fn is_word_at(&self, ahead: usize, symbol: Symbol) -> bool {
        self.rest.get(ahead).is_some_and(|token| token.kind == Kind::Ident && token.payload == symbol.0)
    }

    /// Where the next token stands.
    pub(crate) fn span(&self) -> Span {
        self.first().span(self.state.file)
    }

    /// How many tokens were read.
    pub(crate) fn index(&self) -> usize {
        self.state.tokens.len() - self.rest.len()
    }

    /// The token before the next one.
    pub(crate) fn previous(&self) -> Option<&'a Token> {
        self.state.tokens.get(self.index().wrapping_sub(1))
    }

    /// The empty place behind the token before the next one.
    pub(crate) fn behind_previous(&self) -> Span {
        self.previous().map_or_else(|| self.span().before(), |token| token.span(self.state.file).behind())
    }

    /// From a token's start to the end of what was read before these tokens.
    pub(crate) fn span_from(&self, start: Span) -> Span {
        start.to(self.behind_previous())
    }

    /// Whether the next token is the first of its line.
    pub(crate) fn starts_line(&self) -> bool {
        match self.previous() {
            Some(previous) => self.state.source[previous.end as usize..self.first().start as usize].contains('\n'),
            None => true,
        }
    }

    /// Whether the next token stands at the very start of its line.
    pub(crate) fn is_unindented(&self) -> bool {
        let start = self.first().start as usize;
        start == 0 || self.state.source.as_bytes()[start - 1] == b'\n'
    }

    /// A problem: something else was expected here.
    pub(crate) fn expected<T>(self, what: &'static str) -> Parsed<'a, T> {
        Err(nom::Err::Error(Problem::Expected { at: self.index() as u32, what }))
    }

    /// A problem at the next token that has its own words.
    pub(crate) fn fail<T>(self, diagnostic: Diagnostic) -> Parsed<'a, T> {
        Err(nom::Err::Error(Problem::Told { at: self.index() as u32, diagnostic: Box::new(diagnostic) }))
    }

    /// Runs a rule in surroundings that allow something else.
    pub(crate) fn within<T>(self, context: Context, rule: impl FnOnce(Tokens<'a>) -> Parsed<'a, T>) -> Parsed<'a, T> {
        let around = self.state.context.replace(context);
        let result = rule(self);
        self.state.context.set(around);
        result
    }

    /// Runs a rule one level further inside; its surroundings allow everything again.
    pub(crate) fn nested<T>(self, rule: impl FnOnce(Tokens<'a>) -> Parsed<'a, T>) -> Parsed<'a, T> {
        self.deeper(|input| input.within(Context::default(), rule))
    }

    /// Runs a rule one level further inside, in the same surroundings.
    pub(crate) fn deeper<T>(self, rule: impl FnOnce(Tokens<'a>) -> Parsed<'a, T>) -> Parsed<'a, T> {
        let state = self.state;
        let depth = state.depth.get();
        if depth >= NESTING_MAX {
            let at = self.index() as u32;
            state.report(self.first().start, grammar_error::too_deep(self.span()));
            state.is_given_up.set(true);
            return Err(nom::Err::Failure(Problem::Reported { at }));
        }
        state.depth.set(depth + 1);
        let height = state.height.replace(0);
        let result = rule(self);
        state.height.set(height.max(state.height.get() + 1));
        state.depth.set(depth);
        result
    }

    /// Runs the rule of a whole expression, whose height counts for itself.
    pub(crate) fn measured<T>(self, rule: impl FnOnce(Tokens<'a>) -> Parsed<'a, T>) -> Parsed<'a, T> {
        let height = self.state.height.replace(0);
        let result = rule(self);
        self.state.height.set(height.max(self.state.height.get()));
        result
    }

    /// Counts an operator that makes the tree of the expression one higher.
    pub(crate) fn grow(self) -> Parsed<'a, ()> {
        let height = self.state.height.get() + 1;
        self.state.height.set(height);
        if height > HEIGHT_MAX {
            return self.fail(grammar_error::too_long(self.span()));
        }
        Ok((self, ()))
    }

    /// Runs a rule inside a loop with this label.
    pub(crate) fn labelled<T>(self, label: Option<Ident>, rule: impl FnOnce(Tokens<'a>) -> Parsed<'a, T>) -> Parsed<'a, T> {
        let Some(label) = label else {
            return rule(self);
        };
        self.state.labels.borrow_mut().push(label.symbol);
        let result = rule(self);
        self.state.labels.borrow_mut().pop();
        result
    }
}

impl<'a> nom::Input for Tokens<'a> {
    type Item = Token;
    type Iter = Copied<Iter<'a, Token>>;
    type IterIndices = Enumerate<Copied<Iter<'a, Token>>>;

    fn input_len(&self) -> usize {
        self.rest.len()
    }

    fn take(&self, index: usize) -> Self {
        Tokens { rest: &self.rest[..index], state: self.state }
    }

    fn take_from(&self, index: usize) -> Self {
        Tokens { rest: &self.rest[index..], state: self.state }
    }

    fn take_split(&self, index: usize) -> (Self, Self) {
        (self.take_from(index), self.take(index))
    }

    fn position<P>(&self, predicate: P) -> Option<usize>
    where
        P: Fn(Self::Item) -> bool,
    {
        self.rest.iter().position(|&token| predicate(token))
    }

    fn iter_elements(&self) -> Self::Iter {
        self.rest.iter().copied()
    }

    fn iter_indices(&self) -> Self::IterIndices {
        self.iter_elements().enumerate()
    }

    fn slice_index(&self, count: usize) -> Result<usize, nom::Needed> {
        if count <= self.rest.len() { Ok(count) } else { Err(nom::Needed::new(count - self.rest.len())) }
    }
}

/// One token of this kind; `what` names it in the user's words.
pub(crate) fn token<'a>(kind: Kind, what: &'static str) -> impl Fn(Tokens<'a>) -> Parsed<'a, Span> + Copy {
    move |input| if input.kind() == kind { Ok((input.skip(), input.span())) } else { input.expected(what) }
}

/// The next token as a name, whatever it is.
pub(crate) fn ident_of(input: Tokens) -> Ident {
    Ident { symbol: Symbol(input.first().payload), span: input.span() }
}

/// A name that may be introduced: no reserved word.
pub(crate) fn name<'a>(what: &'static str) -> impl Fn(Tokens<'a>) -> Parsed<'a, Ident> + Copy {
    move |input| match input.kind() {
        Kind::Ident => Ok((input.skip(), ident_of(input))),
        kind if kind.is_keyword() => {
            let text = input.state.text(input.first());
            input.fail(grammar_error::reserved_word(input.span(), text, what))
        }
        _ => input.expected(what),
    }
}

/// A name where any word is allowed: behind `.` and `::`, and as field, label or parameter.
pub(crate) fn word<'a>(what: &'static str) -> impl Fn(Tokens<'a>) -> Parsed<'a, Ident> + Copy {
    move |input| if input.kind().is_word() { Ok((input.skip(), ident_of(input))) } else { input.expected(what) }
}
