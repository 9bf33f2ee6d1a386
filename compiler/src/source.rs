//! The texts being compiled, and positions in them.
//!
//! The compiler reads no files. Whoever calls it puts texts into a [`Sources`], or hands it a [`Loader`] that finds imported
//! ones. Offsets are bytes of UTF-8; lines and columns are counted only when somebody wants to see them.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::sync::Arc;

/// Names one text of a [`Sources`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct FileId(pub u32);

/// A stretch of one text: the bytes from `start` up to, not including, `end`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Span {
    /// The text.
    pub file: FileId,
    /// Offset of the first byte.
    pub start: u32,
    /// Offset behind the last byte.
    pub end: u32,
}

impl Span {
    /// The bytes from `start` up to `end` of `file`.
    pub fn new(file: FileId, start: u32, end: u32) -> Span {
        Span { file, start, end }
    }

    /// The smallest span that holds both.
    pub fn to(self, other: Span) -> Span {
        Span { file: self.file, start: self.start.min(other.start), end: self.end.max(other.end) }
    }

    /// The empty span just behind this one: where a missing `;` belongs.
    pub fn behind(self) -> Span {
        Span { start: self.end, ..self }
    }

    /// The empty span just before this one.
    pub fn before(self) -> Span {
        Span { end: self.start, ..self }
    }

    /// How many bytes it covers.
    pub fn len(self) -> usize {
        (self.end - self.start) as usize
    }

    /// Whether it covers nothing and is only a place.
    pub fn is_empty(self) -> bool {
        self.start == self.end
    }

    /// The offsets as a range, for slicing the text.
    pub fn range(self) -> std::ops::Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// A place as people name it. Both numbers count from 1; the column counts characters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct LineColumn {
    /// The line, from 1.
    pub line: u32,
    /// The character within the line, from 1.
    pub column: u32,
}

/// One text with its path.
#[derive(Debug)]
pub struct SourceFile {
    path: String,
    text: Arc<str>,
    /// Offset of the first byte of each line; the first entry is 0.
    line_starts: Vec<u32>,
}

impl SourceFile {
    /// The path under which the text was added.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The text.
    pub fn text(&self) -> &Arc<str> {
        &self.text
    }

    /// How many lines it has. A text that ends with a newline has one empty line more.
    pub fn line_count(&self) -> u32 {
        self.line_starts.len() as u32
    }

    /// The line and column of a byte offset. An offset behind the end is the end; one inside a character is that character.
    pub fn line_column(&self, offset: u32) -> LineColumn {
        let offset = offset.min(self.text.len() as u32);
        let line = self.line_starts.partition_point(|&start| start <= offset) - 1;
        let start = self.line_starts[line] as usize;
        let column = self.text[start..]
            .char_indices()
            .take_while(|(at, character)| start + at + character.len_utf8() <= offset as usize)
            .count();
        LineColumn { line: line as u32 + 1, column: column as u32 + 1 }
    }

    /// The text of a line, counted from 1, without its line ending; empty where there is no such line.
    pub fn line_text(&self, line: u32) -> &str {
        let Some(&start) = self.line_starts.get((line as usize).wrapping_sub(1)) else {
            return "";
        };
        let end = self.line_starts.get(line as usize).map_or(self.text.len(), |&next| next as usize);
        self.text[start as usize..end].trim_end_matches(['\n', '\r'])
    }
}

/// All texts of one compilation, in the order in which they were added.
#[derive(Debug, Default)]
pub struct Sources {
    files: Vec<SourceFile>,
}

impl Sources {
    /// An empty set.
    pub fn new() -> Sources {
        Sources::default()
    }

    /// Adds a text. The path is only shown and compared, never opened.
    pub fn add(&mut self, path: impl Into<String>, text: impl Into<Arc<str>>) -> FileId {
        let text = text.into();
        let line_starts = std::iter::once(0)
            .chain(
                text.bytes()
                    .enumerate()
                    .filter_map(|(at, byte)| (byte == b'\n').then_some(u32::try_from(at).unwrap_or(u32::MAX - 1) + 1)),
            )
            .collect();
        self.files.push(SourceFile { path: path.into(), text, line_starts });
        FileId(self.files.len() as u32 - 1)
    }

    /// The file with this name.
    ///
    /// # Panics
    /// If `file` was made by another set.
    pub fn file(&self, file: FileId) -> &SourceFile {
        &self.files[file.0 as usize]
    }

    /// The file that was added under this path.
    pub fn find(&self, path: &str) -> Option<FileId> {
        let at = self.files.iter().position(|file| file.path == path)?;
        Some(FileId(at as u32))
    }

    /// All files with their names.
    pub fn iter(&self) -> impl Iterator<Item = (FileId, &SourceFile)> {
        self.files.iter().enumerate().map(|(at, file)| (FileId(at as u32), file))
    }

    /// The text that a span covers; empty where it does not fit the text.
    pub fn text_of(&self, span: Span) -> &str {
        self.file(span.file).text.get(span.range()).unwrap_or("")
    }

    /// The line and column at which a span starts.
    pub fn line_column(&self, span: Span) -> LineColumn {
        self.file(span.file).line_column(span.start)
    }
}

/// Why a [`Loader`] has no text for a path.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LoadError {
    /// There is no such file.
    NotFound,
    /// It is there, but cannot be read; the reason in words.
    Unreadable(String),
}

/// Finds the texts of imported files. The only way in which the compiler asks for more than it was given.
pub trait Loader {
    /// The text at `path`, which is written with `/` and has no `.` or `..` in its middle.
    ///
    /// # Errors
    /// When there is no such text, or it cannot be read.
    fn load(&self, path: &str) -> Result<Arc<str>, LoadError>;

    /// The text of a module of the standard library, by its name; `None` where there is no such module.
    fn standard(&self, module: &str) -> Option<Arc<str>> {
        let _ = module;
        None
    }

    /// Whether a model refuses a `temperature`, by the name that a program gives it; of the default model where it gives none.
    fn refuses_temperature(&self, model: Option<&str>) -> bool {
        let _ = model;
        false
    }

    /// The path of a module that is neither of the project nor of the standard library, by its name; `None` where there is no
    /// such module. It is loaded like any other.
    fn elsewhere(&self, module: &str) -> Option<String> {
        let _ = module;
        None
    }
}

impl<S: BuildHasher> Loader for HashMap<String, Arc<str>, S> {
    fn load(&self, path: &str) -> Result<Arc<str>, LoadError> {
        self.get(path).cloned().ok_or(LoadError::NotFound)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(text: &str, offset: u32) -> (u32, u32) {
        let mut sources = Sources::new();
        let file = sources.add("a.vega", text);
        let place = sources.file(file).line_column(offset);
        (place.line, place.column)
    }

    #[test]
    fn columns_count_characters_not_bytes() {
        assert_eq!(place("äöü x", 7), (1, 5));
    }

    #[test]
    fn an_offset_inside_a_character_is_that_character() {
        assert_eq!(place("aä", 2), (1, 2));
    }

    #[test]
    fn the_byte_after_a_newline_starts_the_next_line() {
        assert_eq!(place("a\nb\n", 1), (1, 2));
        assert_eq!(place("a\nb\n", 2), (2, 1));
        assert_eq!(place("a\nb\n", 4), (3, 1));
    }

    #[test]
    fn an_offset_behind_the_end_is_the_end() {
        assert_eq!(place("ab", 99), (1, 3));
    }

    #[test]
    fn the_text_of_a_line_has_no_line_ending() {
        let mut sources = Sources::new();
        let file = sources.add("a.vega", "one\r\ntwo\n");
        let file = sources.file(file);
        assert_eq!(file.line_text(1), "one");
        assert_eq!(file.line_text(2), "two");
        assert_eq!(file.line_text(3), "");
        assert_eq!(file.line_text(4), "");
        assert_eq!(file.line_text(0), "");
    }
}
