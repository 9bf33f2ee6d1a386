//! Lines and columns of spans, also where a line is as long as a file.
//!
//! Counting the characters from the start of a line is fine for the lines that people write. Of a file with longer ones the positions
//! met are kept, and each is counted from the nearest one before it.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;

use crate::source::{FileId, LineColumn, Sources, Span};

/// Longest line, in bytes, whose characters are counted from its start.
const LINE_BYTES_MAX: usize = 1000;

/// The positions of one compilation.
#[derive(Default)]
pub(super) struct Positions {
    /// Known positions of each file, by offset; none for a file without long lines.
    known: FxHashMap<FileId, Option<BTreeMap<u32, LineColumn>>>,
}

impl Positions {
    /// Where a span starts.
    pub(super) fn of(&mut self, span: Span, sources: &Sources) -> LineColumn {
        let text: &str = sources.file(span.file).text();
        let known = self.known.entry(span.file).or_insert_with(|| {
            let is_long = text.split('\n').any(|line| line.len() > LINE_BYTES_MAX);
            is_long.then(BTreeMap::new)
        });
        let Some(known) = known else { return sources.line_column(span) };
        let before = known.range(..=span.start).next_back().map(|(&offset, &position)| (offset, position));
        let between = before.and_then(|(offset, position)| Some((position, text.get(offset as usize..span.start as usize)?)));
        let position = match between {
            Some((position, between)) if !between.contains('\n') => {
                LineColumn { line: position.line, column: position.column + between.chars().count() as u32 }
            }
            Some(_) | None => sources.line_column(span),
        };
        known.insert(span.start, position);
        position
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_in_a_long_line_are_those_counted_from_its_start() {
        let mut sources = Sources::new();
        let file = sources.add("a.vega", format!("short\n{}\nlast ä line", "xäy".repeat(1000)));
        let mut positions = Positions::default();
        let length = sources.file(file).text().len() as u32;
        // Not in order: from behind a known position, from before it, from another line.
        for start in [3000, 3001, 7, 2999, 0, length - 1, 3900, length - 6] {
            let span = Span::new(file, start, start);
            if sources.file(file).text().is_char_boundary(start as usize) {
                assert_eq!(positions.of(span, &sources), sources.line_column(span), "at {start}");
            }
        }
    }
}
