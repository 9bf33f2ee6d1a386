//! When the round of an agent call joins the history of its agent.
//!
//! A round joins at the end of the call's own statement. But where that statement gives a name to a single call (`let x = a <- m;` or
//! `x = a <- m;`), the round is *pending*: it joins just before the first statement executed later whose text contains the name, or
//! when the name's block is left. So calls that nobody looked at yet see the same history, and may run at once. An element of a
//! comprehension, and an arm of `parallel`, joins after the whole.
//!
//! The rule is about text, so this pass needs no types. Joining a number that is not pending does nothing; so a join is placed
//! wherever it may be due, and the first place that control reaches is the one that counts.

use rustc_hash::{FxHashMap, FxHashSet};
use vega_bytecode::module::Join;

use super::parts::{Part, each_name, each_part, each_part_of_let};
use super::survey::{BlockIndex, BlockRole, Place, PointIndex, Survey, Until};
use crate::ast::{BlockId, ExprId, ExprKind, File, StmtId, StmtKind};
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

/// Makes the plan of a file, whose names the interner holds.
pub fn plan(file: &File, names: &Interner) -> JoinPlan {
    Survey::of(file, names).place()
}

impl Survey<'_> {
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
