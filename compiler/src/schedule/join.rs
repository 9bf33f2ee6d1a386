//! When the round of an agent call joins the history of its agent.
//!
//! A round joins at the end of the call's own statement. But where that statement gives a name to a single call (`let x = a <- m;` or
//! `x = a <- m;`), the round is *pending*: it joins just before the first statement executed later whose text contains the name, or
//! when the name's block is left. So calls that nobody looked at yet see the same history, and may run at once. An element of a
//! comprehension, and an arm of `parallel`, joins after the whole.
//!
//! The rule is about text, so this pass needs no types. Joining a number that is not pending does nothing; so a join is placed
//! wherever it may be due, and the first place that control reaches is the one that counts.

use std::ops::Range;

use rustc_hash::{FxHashMap, FxHashSet};
use vega_bytecode::module::Join;

use super::parts::{Part, each_name, each_part, each_part_of_let};
use crate::ast::{
    AgentClauseKind, Block, BlockId, Expr, ExprId, ExprKind, File, ItemKind, LetStatement, Pattern, PatternKind, Stmt, StmtId,
    StmtKind,
};
use crate::interner::{Interner, Symbol};

/// Where the rounds of one file's calls join.
#[derive(Debug, Default)]
pub struct JoinPlan {
    later: FxHashMap<ExprId, u32>,
    before: FxHashMap<StmtId, Vec<u32>>,
    before_value: FxHashMap<BlockId, Vec<u32>>,
    at_end: FxHashMap<BlockId, Vec<u32>>,
    at_file_end: Vec<u32>,
}

impl JoinPlan {
    /// When the round of a send joins.
    pub fn ask(&self, send: ExprId) -> Join {
        self.later.get(&send).map_or(Join::AtOnce, |&number| Join::Later(number))
    }

    /// Numbers of the rounds that join just before a statement, in order.
    pub fn before(&self, statement: StmtId) -> &[u32] {
        self.before.get(&statement).map_or(&[], Vec::as_slice)
    }

    /// Numbers of the rounds that join just before the value of a block, in order.
    pub fn before_value(&self, block: BlockId) -> &[u32] {
        self.before_value.get(&block).map_or(&[], Vec::as_slice)
    }

    /// Numbers of the rounds that join when a block is left, in order.
    pub fn at_end(&self, block: BlockId) -> &[u32] {
        self.at_end.get(&block).map_or(&[], Vec::as_slice)
    }

    /// Numbers of the rounds that join when the statements at top level end, in order.
    pub fn at_file_end(&self) -> &[u32] {
        &self.at_file_end
    }
}

/// Names that surely ask no agent when they are called.
const HARMLESS: [&str; 10] =
    ["print", "write", "eprint", "assert", "assert_eq", "str", "int", "float", "parse_int", "parse_float"];

/// Makes the plan of a file, whose names the interner holds.
pub fn plan(file: &File, names: &Interner) -> JoinPlan {
    let mut survey = Survey { harmless: HARMLESS.iter().filter_map(|name| names.get(name)).collect(), ..Survey::default() };
    for item in &file.items {
        survey.item(&item.kind);
    }
    if !file.statements.is_empty() {
        survey.in_own_function(|survey| {
            let block = survey.open_block(None, BlockRole::Plain);
            file.statements.iter().for_each(|statement| survey.statement(statement));
            survey.close_block(block);
        });
    }
    survey.place()
}

/// Index of a block in [`Survey::blocks`].
type BlockIndex = usize;
/// Index of a point in [`Survey::points`]; points are numbered as they stand in the text.
type PointIndex = usize;

/// How a block runs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum BlockRole {
    Plain,
    /// Again and again.
    LoopBody,
    /// When the block around it is left.
    Deferred,
}

/// A block as the rule sees it.
struct BlockInfo<'a> {
    /// `None` for the statements at top level.
    id: Option<BlockId>,
    parent: Option<BlockIndex>,
    role: BlockRole,
    /// Its statements, and its value.
    points: Vec<PointIndex>,
    /// What a loop evaluates between its rounds.
    head: Vec<Part<'a>>,
    /// Names that it declares.
    names: FxHashSet<Symbol>,
    /// The points inside of it, those of inner blocks included.
    points_inside: Range<PointIndex>,
}

/// A place before which rounds may join.
struct Point<'a> {
    place: Place,
    block: BlockIndex,
    /// Its text; of a compound statement, the head.
    text: Vec<Part<'a>>,
    /// Blocks directly inside of it.
    inner: Vec<BlockIndex>,
}

#[derive(Clone, Copy)]
enum Place {
    Statement(StmtId),
    Value(BlockId),
}

/// A call whose round joins later.
struct Pending {
    number: u32,
    point: PointIndex,
    block: BlockIndex,
    until: Until,
}

#[derive(Clone, Copy)]
enum Until {
    /// The name is mentioned, or its block left.
    Mentioned(Symbol, BlockIndex),
    /// The statement, or the head of a compound one, is over.
    Over,
    /// The `parallel` around it is over.
    WholeOver,
}

/// What was met in one statement, head or other unit of text.
#[derive(Default)]
struct Unit {
    sends: Vec<ExprId>,
    /// Whether it may do something else with an agent: a call of unknown code, a repetition, a block of its own.
    is_busy: bool,
}

/// Everything that the rule needs to know about a file.
#[derive(Default)]
struct Survey<'a> {
    blocks: Vec<BlockInfo<'a>>,
    points: Vec<Point<'a>>,
    pending: Vec<Pending>,
    numbers: FxHashMap<ExprId, u32>,
    /// The block under way.
    block: Option<BlockIndex>,
    /// The statement, value or arm under way.
    point: Option<PointIndex>,
    /// Inside a comprehension.
    repeats: u32,
    /// The statement around an arm of `parallel`, while its block's own statements are met.
    arm_of: Option<(BlockIndex, PointIndex)>,
    harmless: FxHashSet<Symbol>,
}

impl<'a> Survey<'a> {
    fn item(&mut self, kind: &'a ItemKind) {
        match kind {
            ItemKind::Function(function) => function.body.iter().for_each(|body| self.function(body)),
            ItemKind::Impl(methods) => {
                methods.functions.iter().filter_map(|method| method.function.body.as_ref()).for_each(|body| self.function(body));
            }
            ItemKind::Agent(agent) => {
                for clause in &agent.clauses {
                    if let AgentClauseKind::Tool(tool) = &clause.kind {
                        self.function(&tool.body);
                    }
                }
            }
            ItemKind::Test(test) => self.function(&test.body),
            ItemKind::Import(_)
            | ItemKind::Const(_)
            | ItemKind::TypeAlias(_)
            | ItemKind::Struct(_)
            | ItemKind::Enum(_)
            | ItemKind::Error(_)
            | ItemKind::Supervisor(_)
            | ItemKind::Mock(_) => {}
        }
    }

    fn function(&mut self, body: &'a Block) {
        self.in_own_function(|survey| {
            survey.block(body, BlockRole::Plain);
        });
    }

    /// Calls in another function's code have nothing to do with the statement under way.
    fn in_own_function(&mut self, visit: impl FnOnce(&mut Self)) {
        let outer = (self.block.take(), self.point.take(), std::mem::take(&mut self.repeats), self.arm_of.take());
        visit(self);
        (self.block, self.point, self.repeats, self.arm_of) = outer;
    }

    fn open_block(&mut self, id: Option<BlockId>, role: BlockRole) -> (BlockIndex, Option<PointIndex>, u32) {
        let parent = self.block;
        let index = self.blocks.len();
        self.blocks.push(BlockInfo {
            id,
            parent,
            role,
            points: Vec::new(),
            head: Vec::new(),
            names: FxHashSet::default(),
            points_inside: self.points.len()..self.points.len(),
        });
        if let Some(point) = self.point {
            self.points[point].inner.push(index);
        }
        self.block = Some(index);
        (index, self.point.take(), std::mem::take(&mut self.repeats))
    }

    fn close_block(&mut self, (index, point, repeats): (BlockIndex, Option<PointIndex>, u32)) {
        self.blocks[index].points_inside.end = self.points.len();
        self.block = self.blocks[index].parent;
        self.point = point;
        self.repeats = repeats;
    }

    fn block(&mut self, block: &'a Block, role: BlockRole) -> BlockIndex {
        let open = self.open_block(Some(block.id), role);
        block.statements.iter().for_each(|statement| self.statement(statement));
        if let Some(value) = &block.value {
            self.open_point(Place::Value(block.id));
            self.expression_statement(value);
        }
        self.close_block(open);
        open.0
    }

    fn open_point(&mut self, place: Place) {
        let block = self.block.expect("statements stand in blocks");
        self.points.push(Point { place, block, text: Vec::new(), inner: Vec::new() });
        let point = self.points.len() - 1;
        self.blocks[block].points.push(point);
        self.point = Some(point);
    }

    fn statement(&mut self, statement: &'a Stmt) {
        self.open_point(Place::Statement(statement.id));
        match &statement.kind {
            StmtKind::Let(binding) => self.let_statement(binding),
            StmtKind::Const(constant) => {
                self.mention(Part::Name(constant.binding.name.symbol));
                self.declare(constant.binding.name.symbol);
                self.whole(&constant.value);
            }
            StmtKind::Expr(expr) => self.expression_statement(expr),
            StmtKind::Defer(deferred) => match &deferred.peel().kind {
                ExprKind::Block(block) => {
                    self.block(block, BlockRole::Deferred);
                }
                _ => self.whole(deferred),
            },
            StmtKind::Mock(_) | StmtKind::Error => {}
        }
    }

    fn let_statement(&mut self, binding: &'a LetStatement) {
        each_part_of_let(binding, &mut |part| self.mention(part));
        let mut unit = Unit::default();
        self.visit(&binding.value, &mut unit);
        // The name counts from here on, not in its own value.
        each_name(&binding.pattern, &mut |name| self.declare(name));
        let name = name_of(&binding.pattern);
        self.settle(unit, name.filter(|_| is_send(&binding.value)));
    }

    /// A statement, or the value of a block or arm, that is an expression.
    fn expression_statement(&mut self, expr: &'a Expr) {
        let expr = expr.peel();
        match &expr.kind {
            ExprKind::Assign(assign) if assign.operator.is_none() => {
                self.mention(Part::Expr(expr));
                let mut unit = Unit::default();
                self.visit(&assign.place, &mut unit);
                self.visit(&assign.value, &mut unit);
                let name = match &assign.place.peel().kind {
                    ExprKind::Name(name) if is_send(&assign.value) => Some(name.symbol),
                    _ => None,
                };
                self.settle(unit, name);
            }
            _ if is_compound(expr) => self.compound(expr),
            _ => self.whole(expr),
        }
    }

    /// A statement whose whole text counts.
    fn whole(&mut self, expr: &'a Expr) {
        self.mention(Part::Expr(expr));
        let mut unit = Unit::default();
        self.visit(expr, &mut unit);
        self.settle(unit, None);
    }

    /// A statement made of a head and inner statements. Only the head's text counts for it.
    fn compound(&mut self, expr: &'a Expr) {
        let mut head = Unit::default();
        let mut between = Vec::new();
        let is_loop = matches!(expr.kind, ExprKind::Loop(_) | ExprKind::While(_) | ExprKind::For(_) | ExprKind::CountedFor(_));
        let is_parallel = matches!(expr.kind, ExprKind::Parallel(_));
        let mut parts = Vec::new();
        each_part(expr, &mut |part| parts.push(part));
        let point = self.point;
        for part in parts {
            match part {
                Part::Block(block) => {
                    let role = if is_loop { BlockRole::LoopBody } else { BlockRole::Plain };
                    let outer_arm = self.arm_of;
                    if is_parallel {
                        // Its index is the next one: `block` opens it first of all.
                        self.arm_of = point.map(|point| (self.blocks.len(), point));
                    }
                    let inner = self.block(block, role);
                    self.arm_of = outer_arm;
                    if is_loop {
                        self.blocks[inner].head = std::mem::take(&mut between);
                    }
                }
                Part::Expr(inner) if is_arm_body(expr, inner) => self.arm_body(inner),
                Part::Expr(inner) => {
                    self.mention(part);
                    between.push(part);
                    self.visit(inner, &mut head);
                }
                Part::Pattern(_) | Part::Name(_) => {
                    self.mention(part);
                    between.push(part);
                }
            }
        }
        self.settle(head, None);
    }

    /// The body of an arm: a block, or an expression that stands for a statement.
    fn arm_body(&mut self, body: &'a Expr) {
        match &body.peel().kind {
            ExprKind::Block(block) => {
                self.block(block, BlockRole::Plain);
            }
            _ => self.expression_statement(body),
        }
    }

    fn mention(&mut self, part: Part<'a>) {
        if let Some(point) = self.point {
            self.points[point].text.push(part);
        }
    }

    fn declare(&mut self, name: Symbol) {
        if let Some(block) = self.block {
            self.blocks[block].names.insert(name);
        }
    }

    /// Collects the sends of a unit of text; inner blocks and functions are surveyed on their own.
    fn visit(&mut self, expr: &'a Expr, unit: &mut Unit) {
        match &expr.kind {
            ExprKind::Closure(closure) => {
                self.in_own_function(|survey| survey.own_code(&closure.body));
                return;
            }
            ExprKind::Async(body) => {
                self.in_own_function(|survey| survey.own_code(body));
                return;
            }
            ExprKind::Send(send) if !send.is_stream => {
                unit.sends.push(expr.id);
                unit.is_busy |= self.repeats > 0;
            }
            // The round of a stream joins when it has been read to its end, wherever that is.
            ExprKind::Send(_) => {}
            ExprKind::Call(call) => unit.is_busy |= !self.is_harmless(&call.callee),
            ExprKind::MethodCall(_) => unit.is_busy = true,
            _ => {}
        }
        let repeats = matches!(expr.kind, ExprKind::Comprehension(_));
        self.repeats += u32::from(repeats);
        let mut parts = Vec::new();
        each_part(expr, &mut |part| parts.push(part));
        let is_loop = matches!(expr.kind, ExprKind::Loop(_) | ExprKind::While(_) | ExprKind::For(_) | ExprKind::CountedFor(_));
        for part in parts {
            match part {
                Part::Expr(inner) => self.visit(inner, unit),
                Part::Block(block) => {
                    unit.is_busy = true;
                    self.block(block, if is_loop { BlockRole::LoopBody } else { BlockRole::Plain });
                }
                Part::Pattern(_) | Part::Name(_) => {}
            }
        }
        self.repeats -= u32::from(repeats);
    }

    /// Whether calling it surely asks no agent.
    fn is_harmless(&self, callee: &Expr) -> bool {
        matches!(&callee.peel().kind, ExprKind::Name(name) if self.harmless.contains(&name.symbol))
    }

    /// The code of a closure or `async`: a block, or one expression, whose calls then join at once.
    fn own_code(&mut self, body: &'a Expr) {
        match &body.peel().kind {
            ExprKind::Block(block) => {
                self.block(block, BlockRole::Plain);
            }
            _ => self.visit(body, &mut Unit::default()),
        }
    }

    /// Decides about the sends of a unit.
    fn settle(&mut self, unit: Unit, name: Option<Symbol>) {
        let (Some(block), Some(point)) = (self.block, self.point) else { return };
        let arm = self.arm_of.filter(|&(of, _)| of == block).map(|(_, point)| point);
        let until = match (unit.sends.as_slice(), name) {
            ([], _) => return,
            (_, _) if arm.is_some() => Until::WholeOver,
            ([_], Some(name)) => Until::Mentioned(name, self.block_of(name, block)),
            // Nothing else happens between the reply and the end of the statement.
            ([_], None) if !unit.is_busy => return,
            _ => Until::Over,
        };
        let (point, block) = match arm {
            Some(around) => (around, self.points[around].block),
            None => (point, block),
        };
        for send in unit.sends {
            let number = self.numbers.len() as u32;
            self.numbers.insert(send, number);
            self.pending.push(Pending { number, point, block, until });
        }
    }

    /// The innermost block that declares the name; the outermost of the function if it is a parameter.
    fn block_of(&self, name: Symbol, from: BlockIndex) -> BlockIndex {
        let mut at = from;
        loop {
            match self.blocks[at].parent {
                _ if self.blocks[at].names.contains(&name) => return at,
                Some(parent) => at = parent,
                None => return at,
            }
        }
    }

    // Placing.

    fn place(self) -> JoinPlan {
        let mut plan = JoinPlan { later: self.numbers.clone(), ..JoinPlan::default() };
        // At one point, rounds of an earlier turn of the loop around join before those of this turn.
        let mut before: FxHashMap<PointIndex, Vec<(bool, u32)>> = FxHashMap::default();
        let mut at_end: FxHashMap<BlockIndex, Vec<u32>> = FxHashMap::default();
        // Which points mention a name that is waited for, ascending.
        let mut mentioning: FxHashMap<Symbol, Vec<PointIndex>> = FxHashMap::default();
        for pending in &self.pending {
            if let Until::Mentioned(name, _) = pending.until {
                mentioning.entry(name).or_default();
            }
        }
        if !mentioning.is_empty() {
            for (index, point) in self.points.iter().enumerate() {
                for name in names_in(&point.text) {
                    mentioning.entry(name).and_modify(|points| points.push(index));
                }
            }
        }
        for pending in &self.pending {
            match pending.until {
                Until::Over | Until::WholeOver => {
                    let block = &self.blocks[pending.block];
                    let next = block.points.iter().copied().find(|&point| point > pending.point);
                    let is_head = matches!(pending.until, Until::Over);
                    let inner = self.points[pending.point].inner.iter().copied().filter(|_| is_head);
                    for first in inner.clone().filter_map(|inner| self.blocks[inner].points.first().copied()).chain(next) {
                        before.entry(first).or_default().push((true, pending.number));
                    }
                    for block in inner.chain([pending.block]) {
                        at_end.entry(block).or_default().push(pending.number);
                    }
                }
                Until::Mentioned(name, home) => {
                    let inside = &self.blocks[home].points_inside;
                    let points = mentioning.get(&name).map_or(&[][..], Vec::as_slice);
                    let first = points.partition_point(|&point| point < inside.start);
                    for &index in points[first..].iter().take_while(|&&point| point < inside.end) {
                        let point = self.points[index].block;
                        let is_later = index > pending.point || self.comes_again(point, pending.block, home);
                        if is_later && self.is_within(point, home) {
                            before.entry(index).or_default().push((index > pending.point, pending.number));
                        }
                    }
                    let mut around = pending.block;
                    while around != home {
                        if names_in(&self.blocks[around].head).contains(&name) {
                            at_end.entry(around).or_default().push(pending.number);
                        }
                        let Some(parent) = self.blocks[around].parent else { break };
                        around = parent;
                    }
                    at_end.entry(home).or_default().push(pending.number);
                }
            }
        }
        for (point, mut numbers) in before {
            numbers.sort_unstable();
            numbers.dedup();
            let numbers = numbers.into_iter().map(|(_, number)| number).collect();
            match self.points[point].place {
                Place::Statement(statement) => plan.before.insert(statement, numbers),
                Place::Value(block) => plan.before_value.insert(block, numbers),
            };
        }
        for (block, mut numbers) in at_end {
            numbers.sort_unstable();
            numbers.dedup();
            match self.blocks[block].id {
                Some(id) => {
                    plan.at_end.insert(id, numbers);
                }
                None => plan.at_file_end = numbers,
            }
        }
        plan
    }

    fn is_within(&self, inner: BlockIndex, outer: BlockIndex) -> bool {
        let mut at = Some(inner);
        while let Some(block) = at {
            if block == outer {
                return true;
            }
            at = self.blocks[block].parent;
        }
        false
    }

    /// Whether code in `point` may run after code in `call` although it stands before it: some loop inside of `home` has both in
    /// its body, or `point` is deferred by a block around `call`.
    fn comes_again(&self, point: BlockIndex, call: BlockIndex, home: BlockIndex) -> bool {
        let mut at = Some(point);
        while let Some(block) = at {
            match self.blocks[block].role {
                BlockRole::LoopBody if block != home && self.is_within(block, home) && self.is_within(call, block) => {
                    return true;
                }
                BlockRole::Deferred if self.blocks[block].parent.is_some_and(|around| self.is_within(call, around)) => {
                    return true;
                }
                BlockRole::Plain | BlockRole::LoopBody | BlockRole::Deferred => {}
            }
            at = self.blocks[block].parent;
        }
        false
    }
}

/// The name that a pattern is, if it is nothing else.
fn name_of(pattern: &Pattern) -> Option<Symbol> {
    match &pattern.kind {
        PatternKind::Binding(binding) => Some(binding.name.symbol),
        _ => None,
    }
}

/// Whether the expression is one send that gives its reply.
fn is_send(expr: &Expr) -> bool {
    matches!(&expr.peel().kind, ExprKind::Send(send) if !send.is_stream)
}

/// Whether the expression consists of a head and inner statements.
fn is_compound(expr: &Expr) -> bool {
    matches!(
        expr.kind,
        ExprKind::Block(_)
            | ExprKind::If(_)
            | ExprKind::Match(_)
            | ExprKind::Receive(_)
            | ExprKind::Loop(_)
            | ExprKind::While(_)
            | ExprKind::For(_)
            | ExprKind::CountedFor(_)
            | ExprKind::Try(_)
            | ExprKind::Parallel(_)
            | ExprKind::Sequential(_)
            | ExprKind::Session(_)
            | ExprKind::Deadline(_)
    )
}

/// Whether a part of a `match` or `receive` is what an arm runs.
fn is_arm_body(expr: &Expr, part: &Expr) -> bool {
    let arms = match &expr.kind {
        ExprKind::Match(matching) => &matching.arms,
        ExprKind::Receive(receive) => {
            if receive.after.as_ref().is_some_and(|after| after.body.id == part.id) {
                return true;
            }
            &receive.arms
        }
        _ => return false,
    };
    arms.iter().any(|arm| arm.body.id == part.id)
}

/// All names of variables in some text, inner blocks and functions included.
fn names_in(text: &[Part<'_>]) -> FxHashSet<Symbol> {
    let mut names = FxHashSet::default();
    text.iter().for_each(|&part| add_names(part, &mut names));
    names
}

fn add_names(part: Part<'_>, names: &mut FxHashSet<Symbol>) {
    match part {
        Part::Name(name) => {
            names.insert(name);
        }
        Part::Pattern(pattern) => each_name(pattern, &mut |name| {
            names.insert(name);
        }),
        Part::Expr(expr) => {
            if let ExprKind::Name(name) = &expr.kind {
                names.insert(name.symbol);
            }
            each_part(expr, &mut |part| add_names(part, names));
        }
        Part::Block(block) => {
            for statement in &block.statements {
                match &statement.kind {
                    StmtKind::Let(binding) => each_part_of_let(binding, &mut |part| add_names(part, names)),
                    StmtKind::Const(constant) => {
                        names.insert(constant.binding.name.symbol);
                        add_names(Part::Expr(&constant.value), names);
                    }
                    StmtKind::Expr(expr) | StmtKind::Defer(expr) => add_names(Part::Expr(expr), names),
                    StmtKind::Mock(_) | StmtKind::Error => {}
                }
            }
            block.value.iter().for_each(|value| add_names(Part::Expr(value), names));
        }
    }
}
