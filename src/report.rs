//! Diagnostics as text, drawn as people know it from rustc.
//!
//! Only the lines around the labels are given to the renderer, so that a hundred diagnostics about a long file cost no more than
//! about a short one.

use std::ops::Range;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Patch, Renderer, Snippet, normalize_untrusted_str};
use vega_compiler::diagnostic::{Diagnostic, Severity};
use vega_compiler::source::{FileId, Sources, Span};

/// Most diagnostics that are shown; a program with more has one cause.
const SHOWN_MAX: usize = 100;

/// Draws diagnostics, errors and warnings with a last line that counts them.
pub(crate) fn draw(diagnostics: &[Diagnostic], sources: &Sources, path: impl Fn(&str) -> String) -> String {
    let renderer = Renderer::styled().decor_style(DecorStyle::Ascii);
    let mut out = String::new();
    for diagnostic in diagnostics.iter().take(SHOWN_MAX) {
        let mut groups = vec![main_group(diagnostic, sources, &path)];
        for suggestion in &diagnostic.suggestions {
            let mut group = Group::with_title(Level::HELP.secondary_title(normalize_untrusted_str(&suggestion.text)));
            for file in files(suggestion.edits.iter().map(|edit| edit.span)) {
                let excerpt = Excerpt::around(sources, file, suggestion.edits.iter().map(|edit| edit.span));
                let edits = suggestion.edits.iter().filter(|edit| edit.span.file == file);
                group = group.element(excerpt.snippet(path(sources.file(file).path())).patches(
                    edits.map(|edit| Patch::new(excerpt.within(edit.span), edit.replacement.clone())).collect::<Vec<_>>(),
                ));
            }
            groups.push(group);
        }
        out.push_str(&renderer.render(&groups));
        out.push_str("\n\n");
    }
    if diagnostics.len() > SHOWN_MAX {
        out.push_str(&format!("… and {} more\n\n", diagnostics.len() - SHOWN_MAX));
    }
    out
}

/// `2 errors and 1 warning`, or nothing where there is neither.
pub(crate) fn counts(diagnostics: &[Diagnostic]) -> Option<String> {
    let count = |severity| diagnostics.iter().filter(|diagnostic| diagnostic.severity == severity).count();
    let plural = |count: usize, word: &str| match count {
        0 => None,
        1 => Some(format!("1 {word}")),
        _ => Some(format!("{count} {word}s")),
    };
    match (plural(count(Severity::Error), "error"), plural(count(Severity::Warning), "warning")) {
        (Some(errors), Some(warnings)) => Some(format!("{errors} and {warnings}")),
        (errors, warnings) => errors.or(warnings),
    }
}

fn main_group<'a>(diagnostic: &'a Diagnostic, sources: &'a Sources, path: &impl Fn(&str) -> String) -> Group<'a> {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Note => Level::NOTE,
    };
    let title = level.primary_title(normalize_untrusted_str(&diagnostic.title)).id(diagnostic.code.as_str());
    let mut group = Group::with_title(title);
    for file in files(diagnostic.labels.iter().map(|label| label.span)) {
        let excerpt = Excerpt::around(sources, file, diagnostic.labels.iter().map(|label| label.span));
        let annotations: Vec<_> = diagnostic
            .labels
            .iter()
            .filter(|label| label.span.file == file)
            .map(|label| {
                let kind = if label.is_primary { AnnotationKind::Primary } else { AnnotationKind::Context };
                let text = Some(normalize_untrusted_str(&label.text)).filter(|text| !text.is_empty());
                kind.span(excerpt.within(label.span)).label(text)
            })
            .collect();
        group = group.element(excerpt.snippet(path(sources.file(file).path())).annotations(annotations));
    }
    for note in &diagnostic.notes {
        group = group.element(Level::NOTE.message(normalize_untrusted_str(note)));
    }
    for help in &diagnostic.helps {
        group = group.element(Level::HELP.message(normalize_untrusted_str(help)));
    }
    group
}

/// The files of some spans, each once, in the order of their first span.
fn files(spans: impl Iterator<Item = Span>) -> Vec<FileId> {
    let mut files = Vec::new();
    for span in spans {
        if !files.contains(&span.file) {
            files.push(span.file);
        }
    }
    files
}

/// Some whole lines of a file.
struct Excerpt<'a> {
    text: &'a str,
    /// Offset of the text in its file.
    start: usize,
    /// Number of its first line.
    line: usize,
}

impl<'a> Excerpt<'a> {
    /// The lines that hold the spans of the file, and what lies between them.
    fn around(sources: &'a Sources, file: FileId, spans: impl Iterator<Item = Span>) -> Excerpt<'a> {
        let source = sources.file(file);
        let text: &str = source.text();
        let (mut low, mut high) = (text.len(), 0);
        for span in spans.filter(|span| span.file == file) {
            low = low.min(span.start as usize);
            high = high.max(span.end as usize);
        }
        let (low, high) = (floor(text, low), floor(text, high.max(low)));
        let start = text[..low].rfind('\n').map_or(0, |at| at + 1);
        let end = text[high..].find('\n').map_or(text.len(), |at| high + at + 1);
        Excerpt { text: &text[start..end], start, line: source.line_column(start as u32).line as usize }
    }

    fn snippet<T: Clone>(&self, path: String) -> Snippet<'a, T> {
        Snippet::source(self.text).line_start(self.line).path(path)
    }

    /// A span as a range of the excerpt.
    fn within(&self, span: Span) -> Range<usize> {
        let place = |offset: u32| floor(self.text, (offset as usize).saturating_sub(self.start));
        place(span.start)..place(span.end.max(span.start))
    }
}

/// The offset, or the start of the character that it lies in; the end where it lies behind it.
fn floor(text: &str, offset: usize) -> usize {
    text.floor_char_boundary(offset)
}

#[cfg(test)]
mod tests {
    use vega_compiler::diagnostic::codes;

    use super::*;

    fn drawn(text: &str, diagnostic: impl FnOnce(FileId) -> Diagnostic) -> String {
        let mut sources = Sources::new();
        let file = sources.add("a.vega", text);
        anstream::adapter::strip_str(&draw(&[diagnostic(file)], &sources, str::to_owned)).to_string()
    }

    #[test]
    fn an_error_names_code_file_line_and_column() {
        let text = drawn("fn main() {\n    let ä = €;\n}\n", |file| {
            Diagnostic::error(codes::UNKNOWN_CHARACTER, Span::new(file, 25, 28), "unknown character").with_help("remove it")
        });
        assert!(text.starts_with("error[V0101]: unknown character\n --> a.vega:2:13\n"), "{text}");
        assert!(text.contains("2 |     let ä = €;"), "{text}");
        assert!(text.contains("= help: remove it"), "{text}");
    }

    #[test]
    fn a_span_behind_the_end_is_drawn_at_the_end() {
        let text = drawn("fn", |file| Diagnostic::error(codes::UNKNOWN_CHARACTER, Span::new(file, 90, 91), "odd"));
        assert!(text.contains("a.vega:1:3"), "{text}");
    }

    #[test]
    fn a_suggestion_shows_the_changed_line() {
        let text = drawn("let x = 1;\n", |file| {
            Diagnostic::warning(codes::UNKNOWN_CHARACTER, Span::new(file, 4, 5), "unused").with_suggestion(
                "name it so",
                Span::new(file, 4, 5),
                "_x",
            )
        });
        assert!(text.contains("warning[V0101]: unused") && text.contains("let _x = 1;"), "{text}");
    }
}
