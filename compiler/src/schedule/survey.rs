//! What the joining rule needs to know about a file: its blocks, its statements with their texts, and the calls whose rounds join later.

use std::ops::Range;

use rustc_hash::{FxHashMap, FxHashSet};

use super::parts::{Part, each_name, each_part, each_part_of_let};
use crate::ast::{
    AgentClauseKind, Block, BlockId, Expr, ExprId, ExprKind, File, ItemKind, LetStatement, Pattern, PatternKind, Stmt, StmtId,
    StmtKind,
};
use crate::interner::{Interner, Symbol};

/// Names that surely ask no agent when they are called.
const HARMLESS: [&str; 10] =
    ["print", "write", "eprint", "assert", "assert_eq", "str", "int", "float", "parse_int", "parse_float"];

/// Index of a block in [`Survey::blocks`].
pub(super) type BlockIndex = usize;
/// Index of a point in [`Survey::points`]; points are numbered as they stand in the text.
pub(super) type PointIndex = usize;

/// How a block runs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum BlockRole {
    Plain,
    /// Again and again.
    LoopBody,
    /// When the block around it is left.
    Deferred,
}

/// A block as the rule sees it.
pub(super) struct BlockInfo<'a> {
    /// `None` for the statements at top level.
    pub(super) id: Option<BlockId>,
    pub(super) parent: Option<BlockIndex>,
    pub(super) role: BlockRole,
    /// Its statements, and its value.
    pub(super) points: Vec<PointIndex>,
    /// What a loop evaluates between its rounds.
    pub(super) head: Vec<Part<'a>>,
    /// Names that it declares.
    pub(super) names: FxHashSet<Symbol>,
    /// The points inside of it, those of inner blocks included.
    pub(super) points_inside: Range<PointIndex>,
}

/// A place before which rounds may join.
pub(super) struct Point<'a> {
    pub(super) place: Place,
    pub(super) block: BlockIndex,
    /// Its text; of a compound statement, the head.
    pub(super) text: Vec<Part<'a>>,
    /// Blocks directly inside of it.
    pub(super) inner: Vec<BlockIndex>,
}

#[derive(Clone, Copy)]
pub(super) enum Place {
    Statement(StmtId),
    Value(BlockId),
}

/// A call whose round joins later.
pub(super) struct Pending {
    pub(super) number: u32,
    pub(super) point: PointIndex,
    pub(super) block: BlockIndex,
    pub(super) until: Until,
}

#[derive(Clone, Copy)]
pub(super) enum Until {
    /// The name is mentioned, or its block left.
    Mentioned(Symbol, BlockIndex),
    /// The statement, or the head of a compound one, is over.
    Over,
    /// The `parallel` around it is over.
    WholeOver,
}

/// What was met in one statement, head or other unit of text.
#[derive(Default)]
pub(super) struct Unit {
    sends: Vec<ExprId>,
    /// Whether it may do something else with an agent: a call of unknown code, a repetition, a block of its own.
    is_busy: bool,
}

/// Everything that the rule needs to know about a file.
#[derive(Default)]
pub(super) struct Survey<'a> {
    pub(super) blocks: Vec<BlockInfo<'a>>,
    pub(super) points: Vec<Point<'a>>,
    pub(super) pending: Vec<Pending>,
    pub(super) numbers: FxHashMap<ExprId, u32>,
    /// The block under way.
    pub(super) block: Option<BlockIndex>,
    /// The statement, value or arm under way.
    pub(super) point: Option<PointIndex>,
    /// Inside a comprehension.
    pub(super) repeats: u32,
    /// The statement around an arm of `parallel`, while its block's own statements are met.
    pub(super) arm_of: Option<(BlockIndex, PointIndex)>,
    pub(super) harmless: FxHashSet<Symbol>,
}

impl<'a> Survey<'a> {
    /// Surveys a file, whose names the interner holds.
    pub(super) fn of(file: &'a File, names: &Interner) -> Survey<'a> {
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
        survey
    }

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
        let arm_bodies = arm_bodies(expr);
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
                Part::Expr(inner) if arm_bodies.contains(&inner.id) => self.arm_body(inner),
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

/// What the arms of a `match` or `receive` run.
fn arm_bodies(expr: &Expr) -> FxHashSet<ExprId> {
    let (arms, after) = match &expr.kind {
        ExprKind::Match(matching) => (&matching.arms, None),
        ExprKind::Receive(receive) => (&receive.arms, receive.after.as_ref()),
        _ => return FxHashSet::default(),
    };
    arms.iter().map(|arm| arm.body.id).chain(after.map(|after| after.body.id)).collect()
}
