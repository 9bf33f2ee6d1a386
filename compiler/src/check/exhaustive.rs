//! Whether the arms of a `match` cover every value, and whether each arm can still be reached.
//!
//! Works on a matrix of patterns: a row is useful if some value fits it and no row above. A column is split by what its
//! patterns distinguish: variants, truth values, literals, lengths of arrays.

use std::borrow::Cow;
use std::collections::BTreeMap;

use rustc_hash::FxHashMap;
use vega_bytecode::module::Constant;
use vega_bytecode::{Type, TypeId};

use super::Checker;
use crate::diagnostic::{Diagnostic, codes};
use crate::ir::{Arm, Pattern, PatternKind};
use crate::source::Span;

/// Steps after which the search gives up and believes the program: only absurd patterns need so many.
const STEPS_MAX: u32 = 500_000;
/// Rows that are looked through in one step.
const ROWS_PER_STEP: usize = 16;

/// How an array pattern of two ends is laid out for a length.
type Row<'p> = Vec<Shape<'p>>;

/// One cell of the matrix.
#[derive(Clone, Copy)]
enum Shape<'p> {
    /// Fits everything.
    Any,
    /// A pattern that was written.
    Written(&'p Pattern),
}

/// What a column is split by.
#[derive(Clone, PartialEq, Debug)]
enum Constructor {
    Variant(u32),
    Null,
    NotNull,
    Bool(bool),
    Tuple,
    Struct,
    /// An array of exactly so many elements.
    Length(usize),
    /// An array of at least so many elements.
    Longer(usize),
    Literal(Constant),
    /// An int from the first to the second, both included.
    Between(i64, i64),
    /// A type test on a value of any type.
    Test(TypeId),
    /// An error kind, range or entries: never the only way.
    Opaque(usize),
    /// Everything that is not named by another constructor of the column.
    Rest,
}

impl Checker<'_> {
    /// Reports arms that are never reached, and values that no arm fits.
    pub(super) fn check_exhaustive(&mut self, arms: &[Arm], subject: TypeId, span: Span, subject_span: Span) {
        let is_int = *self.types.of(subject) == Type::Int;
        let mut search = Search { checker: self, steps: 0 };
        let mut above = Above::default();
        let mut covered = Covered::default();
        let mut unreachable = Vec::new();
        for arm in arms {
            let mut patterns = Vec::new();
            alternatives(&arm.pattern, &mut patterns);
            let mut is_reached = false;
            for pattern in &patterns {
                is_reached |= match int_bounds(simplify(Shape::Written(pattern))).filter(|_| is_int) {
                    Some(bounds) => !covered.holds(bounds),
                    None => {
                        let rows = above.those_beside(pattern);
                        search.witness(&rows, &[Shape::Written(pattern)], &[subject]).is_some()
                    }
                };
                if is_reached {
                    break;
                }
            }
            if !is_reached {
                unreachable.push(arm.pattern.span);
            }
            if arm.guard.is_none() {
                for pattern in patterns {
                    match int_bounds(simplify(Shape::Written(pattern))).filter(|_| is_int) {
                        Some(bounds) => covered.add(bounds),
                        None => above.add(pattern),
                    }
                }
            }
        }
        let missing = if is_int {
            covered.first_gap().map(|(from, to)| vec![search.show(subject, &Constructor::Between(from, to), &[])])
        } else {
            search.witness(&above.rows, &[Shape::Any], &[subject])
        };
        let gave_up = search.steps >= STEPS_MAX;
        if gave_up {
            return;
        }
        for span in unreachable {
            self.report(
                Diagnostic::error(codes::UNREACHABLE_ARM, span, "this arm is never reached")
                    .with_remark("the arms above fit all of its values"),
            );
        }
        if let Some(missing) = missing {
            let text = missing.first().cloned().unwrap_or_else(|| "_".to_string());
            let head = Span { end: subject_span.end, ..span };
            let diagnostic = if text == "_" {
                Diagnostic::error(codes::NOT_EXHAUSTIVE, head, "this `match` does not cover every value")
                    .with_remark("other values fit no arm")
                    .with_help("add an arm `_ => …`")
            } else {
                Diagnostic::error(codes::NOT_EXHAUSTIVE, head, format!("this `match` does not cover `{text}`"))
                    .with_remark(format!("`{text}` fits no arm"))
                    .with_help(format!("add an arm `{text} => …`, or `_ => …`"))
            };
            self.report(diagnostic);
        }
    }
}

struct Search<'c, 'a> {
    checker: &'c mut Checker<'a>,
    steps: u32,
}

impl Search<'_, '_> {
    /// A value that fits `row` and none of `rows`, written as patterns; `None` where there is none.
    fn witness(&mut self, rows: &[Row<'_>], row: &[Shape<'_>], types: &[TypeId]) -> Option<Vec<String>> {
        self.steps += 1 + (rows.len() / ROWS_PER_STEP) as u32;
        if self.steps > STEPS_MAX {
            return Some(vec!["_".to_string(); types.len()]);
        }
        let Some((first, rest)) = row.split_first() else {
            return rows.is_empty().then(Vec::new);
        };
        let first = simplify(*first);
        if let Shape::Written(Pattern { kind: PatternKind::Or(alternatives), .. }) = first {
            for alternative in alternatives {
                let mut row: Vec<Shape<'_>> = vec![Shape::Written(alternative)];
                row.extend_from_slice(rest);
                if let Some(found) = self.witness(rows, &row, types) {
                    return Some(found);
                }
            }
            return None;
        }
        let rows = expand(rows);
        if rows.iter().any(|row| row.iter().all(|cell| matches!(simplify(*cell), Shape::Any))) {
            return None;
        }
        let ty = types[0];
        let mut constructors = match first {
            Shape::Any => Vec::new(),
            Shape::Written(pattern) => vec![constructor_of(pattern)],
        };
        let written_only = !constructors.is_empty();
        let is_tested = rows.iter().any(|row| matches!(row.first(), Some(Shape::Written(_))));
        let is_int = *self.checker.types.of(ty) == Type::Int;
        if let (true, Some(bounds)) = (is_int && (written_only || is_tested), int_bounds(first)) {
            constructors = stretches(bounds, &rows);
        } else if !written_only && !is_tested {
            // Nobody looks at this value, so how it is made does not matter. A type that holds itself would have no end.
            constructors = vec![Constructor::Rest];
        } else if !written_only {
            constructors = self.all_constructors(ty, &rows);
        } else if let Some(Constructor::Longer(least)) = constructors.first().cloned() {
            // An open array pattern stands for each length up to the longest that matters, and for all beyond.
            let longest = longest_array(&rows).max(least);
            constructors = (least..=longest).map(Constructor::Length).chain([Constructor::Longer(longest + 1)]).collect();
        }
        let groups = Groups::new(&constructors, &rows);
        for (index, constructor) in constructors.into_iter().enumerate() {
            let parts = self.part_types(ty, &constructor);
            let specialised: Vec<Row<'_>> =
                groups.of(index).filter_map(|row| specialise(&rows[row], &constructor, parts.len())).collect();
            let own: Vec<Shape<'_>> = std::iter::once(first).chain(rest.iter().copied()).collect();
            let Some(own) = specialise(&own, &constructor, parts.len()) else { continue };
            let mut all_types = parts.clone();
            all_types.extend_from_slice(&types[1..]);
            if let Some(mut found) = self.witness(&specialised, &own, &all_types) {
                let tail = found.split_off(parts.len().min(found.len()));
                let mut result = vec![self.show(ty, &constructor, &found)];
                result.extend(tail);
                return Some(result);
            }
        }
        None
    }

    /// What values of a type may be, as far as the rows distinguish them.
    fn all_constructors(&self, ty: TypeId, rows: &[Row<'_>]) -> Vec<Constructor> {
        match self.checker.types.of(ty) {
            Type::Bool => vec![Constructor::Bool(true), Constructor::Bool(false)],
            Type::Enum(id, _) => (0..self.checker.enums[id.0 as usize].variants.len() as u32).map(Constructor::Variant).collect(),
            Type::Result(..) => vec![Constructor::Variant(0), Constructor::Variant(1)],
            Type::Optional(_) => vec![Constructor::NotNull, Constructor::Null],
            Type::Tuple(_) => vec![Constructor::Tuple],
            Type::Struct(..) => vec![Constructor::Struct],
            Type::Null => vec![Constructor::Null],
            Type::Array(_) => {
                let longest = longest_array(rows);
                (0..=longest).map(Constructor::Length).chain([Constructor::Longer(longest + 1)]).collect()
            }
            // Of all others there are more values than patterns.
            _ => vec![Constructor::Rest],
        }
    }

    fn part_types(&mut self, ty: TypeId, constructor: &Constructor) -> Vec<TypeId> {
        match (constructor, self.checker.types.of(ty).clone()) {
            (Constructor::Variant(variant), Type::Enum(id, _)) => self.checker.payload_types(id, *variant, ty),
            (Constructor::Variant(variant), Type::Result(ok, err)) => vec![if *variant == 0 { ok } else { err }],
            (Constructor::NotNull, Type::Optional(inner)) => vec![inner],
            (Constructor::Tuple, Type::Tuple(parts)) => parts,
            (Constructor::Struct, Type::Struct(id, arguments)) => {
                let arguments: Vec<Option<TypeId>> = arguments.into_iter().map(Some).collect();
                let info = self.checker.structs[id.0 as usize].clone();
                info.fields.iter().map(|field| self.checker.types.substitute(field.ty, &arguments)).collect()
            }
            (Constructor::Length(length) | Constructor::Longer(length), Type::Array(element)) => vec![element; *length],
            (Constructor::Test(inner), _) => vec![*inner],
            _ => Vec::new(),
        }
    }

    fn show(&self, ty: TypeId, constructor: &Constructor, parts: &[String]) -> String {
        let list = || parts.join(", ");
        match constructor {
            Constructor::Variant(variant) => match self.checker.types.of(ty) {
                Type::Enum(id, _) => {
                    let info = &self.checker.enums[id.0 as usize].variants[*variant as usize];
                    let name = self.checker.text(info.name);
                    if parts.is_empty() {
                        name.to_string()
                    } else if info.has_names {
                        format!("{name} {{ .. }}")
                    } else {
                        format!("{name}({})", list())
                    }
                }
                _ => format!("{}({})", if *variant == 0 { "Ok" } else { "Err" }, list()),
            },
            Constructor::Null => "null".to_string(),
            Constructor::NotNull => parts.first().cloned().unwrap_or_else(|| "_".to_string()),
            Constructor::Bool(value) => value.to_string(),
            Constructor::Tuple => format!("({})", list()),
            Constructor::Struct => "_".to_string(),
            Constructor::Length(_) => format!("[{}]", list()),
            Constructor::Longer(_) if parts.is_empty() => "[..]".to_string(),
            Constructor::Longer(_) => format!("[{}, ..]", list()),
            Constructor::Between(from, to) if from == to => from.to_string(),
            Constructor::Between(from, to) if *from != i64::MIN && *to != i64::MAX => format!("{from}..={to}"),
            Constructor::Between(..)
            | Constructor::Literal(_)
            | Constructor::Test(_)
            | Constructor::Opaque(_)
            | Constructor::Rest => "_".to_string(),
        }
    }
}

/// The single patterns of which an arm is made.
fn alternatives<'p>(pattern: &'p Pattern, found: &mut Vec<&'p Pattern>) {
    match &pattern.kind {
        PatternKind::Or(patterns) => patterns.iter().for_each(|pattern| alternatives(pattern, found)),
        PatternKind::BindTo(_, inner) => alternatives(inner, found),
        _ => found.push(pattern),
    }
}

/// What a pattern asks for first, where that is one value: two patterns with different heads never fit the same value.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Head {
    Variant(u32),
    Null,
    Int(i64),
    Text(String),
}

fn head_of(pattern: &Pattern) -> Option<Head> {
    match &pattern.kind {
        PatternKind::BindTo(_, inner) | PatternKind::Some(inner) => head_of(inner),
        PatternKind::Tuple(parts) => head_of(parts.first()?),
        PatternKind::Variant(variant, _) => Some(Head::Variant(*variant)),
        PatternKind::Literal(Constant::Null) => Some(Head::Null),
        PatternKind::Literal(Constant::Int(value)) => Some(Head::Int(*value)),
        PatternKind::Literal(Constant::Str(text)) => Some(Head::Text(text.clone())),
        _ => None,
    }
}

/// The arms above, by their heads: a match of thousands of arms compares each with few others.
#[derive(Default)]
struct Above<'p> {
    rows: Vec<Row<'p>>,
    by_head: FxHashMap<Head, Vec<usize>>,
    without_head: Vec<usize>,
}

impl<'p> Above<'p> {
    fn add(&mut self, pattern: &'p Pattern) {
        let row = self.rows.len();
        self.rows.push(vec![Shape::Written(pattern)]);
        match head_of(pattern) {
            Some(head) => self.by_head.entry(head).or_default().push(row),
            None => self.without_head.push(row),
        }
    }

    /// The rows that may fit a value that the pattern fits.
    fn those_beside(&self, pattern: &Pattern) -> Cow<'_, [Row<'p>]> {
        let Some(head) = head_of(pattern) else { return Cow::Borrowed(&self.rows) };
        let same = self.by_head.get(&head).map_or(&[][..], Vec::as_slice);
        Cow::Owned(same.iter().chain(&self.without_head).map(|row| self.rows[*row].clone()).collect())
    }
}

/// Ints that some arm fits, as stretches from a first to a last that neither overlap nor touch.
#[derive(Default)]
struct Covered {
    stretches: BTreeMap<i64, i64>,
}

impl Covered {
    fn holds(&self, (from, to): (i64, i64)) -> bool {
        from > to || self.stretches.range(..=from).next_back().is_some_and(|(_, last)| *last >= to)
    }

    fn add(&mut self, (mut from, mut to): (i64, i64)) {
        if from > to {
            return;
        }
        if let Some((first, last)) = self.stretches.range(..=from).next_back()
            && last.saturating_add(1) >= from
        {
            (from, to) = (*first, to.max(*last));
        }
        while let Some((first, last)) = self.stretches.range(from..=to.saturating_add(1)).next() {
            let (first, last) = (*first, *last);
            to = to.max(last);
            self.stretches.remove(&first);
        }
        self.stretches.insert(from, to);
    }

    fn first_gap(&self) -> Option<(i64, i64)> {
        let mut from = i64::MIN;
        for (first, last) in &self.stretches {
            if *first > from {
                return Some((from, first - 1));
            }
            from = last.checked_add(1)?;
        }
        Some((from, i64::MAX))
    }
}

/// Which rows may fit values of which constructor of a column.
struct Groups {
    by_constructor: Vec<Vec<usize>>,
    everywhere: Vec<usize>,
}

impl Groups {
    fn new(constructors: &[Constructor], rows: &[Row<'_>]) -> Groups {
        let mut groups = Groups { by_constructor: vec![Vec::new(); constructors.len()], everywhere: Vec::new() };
        let is_between = matches!(constructors.first(), Some(Constructor::Between(..)));
        let variants: FxHashMap<u32, usize> = constructors
            .iter()
            .enumerate()
            .filter_map(|(index, constructor)| match constructor {
                Constructor::Variant(variant) => Some((*variant, index)),
                _ => None,
            })
            .collect();
        for (row, cells) in rows.iter().enumerate() {
            let Some(Shape::Written(pattern)) = cells.first().map(|cell| simplify(*cell)) else {
                groups.everywhere.push(row);
                continue;
            };
            match (&pattern.kind, int_bounds(Shape::Written(pattern))) {
                (PatternKind::Variant(variant, _), _) if !variants.is_empty() => {
                    if let Some(index) = variants.get(variant) {
                        groups.by_constructor[*index].push(row);
                    }
                }
                (_, Some((first, last))) if is_between => {
                    let begin = |constructor: &Constructor| matches!(constructor, Constructor::Between(from, _) if *from < first);
                    let start = constructors.partition_point(begin);
                    for (index, constructor) in constructors.iter().enumerate().skip(start) {
                        if !matches!(constructor, Constructor::Between(_, to) if *to <= last) {
                            break;
                        }
                        groups.by_constructor[index].push(row);
                    }
                }
                _ => groups.everywhere.push(row),
            }
        }
        groups
    }

    fn of(&self, constructor: usize) -> impl Iterator<Item = usize> {
        self.by_constructor[constructor].iter().chain(&self.everywhere).copied()
    }
}

/// A pattern without the names that it gives.
fn simplify(shape: Shape<'_>) -> Shape<'_> {
    match shape {
        Shape::Any => Shape::Any,
        Shape::Written(pattern) => match &pattern.kind {
            PatternKind::Wildcard | PatternKind::Bind(_) => Shape::Any,
            PatternKind::BindTo(_, inner) => simplify(Shape::Written(inner)),
            _ => Shape::Written(pattern),
        },
    }
}

/// Rows with alternatives in the first column written out.
fn expand<'p>(rows: &[Row<'p>]) -> Vec<Row<'p>> {
    let mut expanded = Vec::with_capacity(rows.len());
    for row in rows {
        match row.first().map(|first| simplify(*first)) {
            Some(Shape::Written(Pattern { kind: PatternKind::Or(alternatives), .. })) => {
                for alternative in alternatives {
                    let mut row = row.clone();
                    row[0] = Shape::Written(alternative);
                    expanded.extend(expand(&[row]));
                }
            }
            Some(first) => {
                let mut row = row.clone();
                row[0] = first;
                expanded.push(row);
            }
            None => expanded.push(row.clone()),
        }
    }
    expanded
}

fn constructor_of(pattern: &Pattern) -> Constructor {
    match &pattern.kind {
        PatternKind::Variant(variant, _) => Constructor::Variant(*variant),
        PatternKind::Literal(Constant::Null) => Constructor::Null,
        PatternKind::Literal(Constant::Bool(value)) => Constructor::Bool(*value),
        PatternKind::Literal(constant) => Constructor::Literal(constant.clone()),
        PatternKind::Some(_) => Constructor::NotNull,
        PatternKind::Tuple(_) => Constructor::Tuple,
        PatternKind::Struct(_) => Constructor::Struct,
        PatternKind::Array(front, None, _) => Constructor::Length(front.len()),
        PatternKind::Array(front, Some(_), back) => Constructor::Longer(front.len() + back.len()),
        PatternKind::Type(ty, _) => Constructor::Test(*ty),
        // Each stands for itself: two of them are never known to be the same.
        PatternKind::Range(..)
        | PatternKind::Entries(..)
        | PatternKind::Kind(..)
        | PatternKind::Wildcard
        | PatternKind::Bind(_)
        | PatternKind::BindTo(..)
        | PatternKind::Or(_) => Constructor::Opaque(std::ptr::from_ref(pattern) as usize),
    }
}

/// The ints that a cell fits, of those that say so by their bounds.
fn int_bounds(shape: Shape<'_>) -> Option<(i64, i64)> {
    let Shape::Written(pattern) = shape else { return Some((i64::MIN, i64::MAX)) };
    match &pattern.kind {
        PatternKind::Literal(Constant::Int(value)) => Some((*value, *value)),
        PatternKind::Range(start, end, is_inclusive) => {
            let from = match start {
                None => i64::MIN,
                Some(Constant::Int(start)) => *start,
                Some(_) => return None,
            };
            let to = match end {
                None => i64::MAX,
                Some(Constant::Int(end)) if *is_inclusive => *end,
                // What ends before the least int is empty, as is what ends before it begins.
                Some(Constant::Int(end)) => return Some(end.checked_sub(1).map_or((0, -1), |end| (from, end))),
                Some(_) => return None,
            };
            Some((from, to))
        }
        _ => None,
    }
}

/// The stretches of ints within bounds in which no row makes a difference.
fn stretches((from, to): (i64, i64), rows: &[Row<'_>]) -> Vec<Constructor> {
    let mut starts = vec![from];
    for (first, last) in rows.iter().filter_map(|row| row.first().and_then(|cell| int_bounds(*cell))) {
        starts.extend([Some(first), last.checked_add(1)].into_iter().flatten().filter(|start| (from..=to).contains(start)));
    }
    starts.sort_unstable();
    starts.dedup();
    let ends = starts.iter().skip(1).map(|next| next - 1).chain([to]);
    starts.iter().zip(ends).filter(|_| from <= to).map(|(start, end)| Constructor::Between(*start, end)).collect()
}

fn longest_array(rows: &[Row<'_>]) -> usize {
    rows.iter()
        .filter_map(|row| match row.first() {
            Some(Shape::Written(Pattern { kind: PatternKind::Array(front, _, back), .. })) => Some(front.len() + back.len()),
            _ => None,
        })
        .max()
        .unwrap_or(0)
}

/// The row for values of the constructor, its parts in place of the first cell; `None` where the row does not fit those.
fn specialise<'p>(row: &[Shape<'p>], constructor: &Constructor, parts: usize) -> Option<Row<'p>> {
    let (first, rest) = row.split_first()?;
    let mut result: Row<'p> = match simplify(*first) {
        Shape::Any => vec![Shape::Any; parts],
        Shape::Written(pattern) => match (&pattern.kind, constructor) {
            (PatternKind::Variant(variant, payload), Constructor::Variant(wanted)) if variant == wanted => {
                payload.iter().map(Shape::Written).collect()
            }
            (PatternKind::Tuple(parts), Constructor::Tuple) => parts.iter().map(Shape::Written).collect(),
            (PatternKind::Struct(fields), Constructor::Struct) => {
                let mut cells = vec![Shape::Any; parts];
                for (index, field) in fields {
                    cells[*index as usize] = Shape::Written(field);
                }
                cells
            }
            (PatternKind::Some(inner), Constructor::NotNull) => vec![Shape::Written(inner)],
            (PatternKind::Type(ty, inner), Constructor::Test(wanted)) if ty == wanted => vec![Shape::Written(inner)],
            (PatternKind::Array(front, rest, back), Constructor::Length(length) | Constructor::Longer(length)) => {
                let is_open = rest.is_some();
                let least = front.len() + back.len();
                let exact = matches!(constructor, Constructor::Length(_));
                if !is_open && (!exact || least != *length) || least > *length {
                    return None;
                }
                let mut cells: Row<'p> = front.iter().map(Shape::Written).collect();
                cells.resize(length - back.len(), Shape::Any);
                cells.extend(back.iter().map(Shape::Written));
                cells
            }
            (_, Constructor::Between(from, to)) => {
                let (first, last) = int_bounds(Shape::Written(pattern))?;
                if first > *from || last < *to {
                    return None;
                }
                Vec::new()
            }
            (PatternKind::Or(_), _) => return None,
            _ if constructor_of(pattern) == *constructor => vec![Shape::Any; parts],
            _ => return None,
        },
    };
    result.extend_from_slice(rest);
    Some(result)
}
