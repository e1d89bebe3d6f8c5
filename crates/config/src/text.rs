//! Problems as text for a person: the place, the line with a mark under it, and the help.

use std::fmt;
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use crate::problem::{Problem, Problems, Severity};

/// Longest line that is shown whole, in bytes; a longer one is cut around the problem.
const LONGEST_LINE: usize = 400;

impl fmt::Display for Problems {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.rendered(&Renderer::plain()))
    }
}

impl Problems {
    /// As text with colours, for a terminal; `Display` has none.
    pub fn coloured(&self) -> String {
        self.rendered(&Renderer::styled())
    }

    fn rendered(&self, renderer: &Renderer) -> String {
        let mut texts: Vec<String> =
            self.list.iter().map(|problem| problem.rendered(renderer, &self.file, &self.source)).collect();
        texts.push(format!("{}: {}", self.file, self.count()));
        texts.join("\n\n")
    }

    fn count(&self) -> String {
        let noun = match self.list.first().map(|problem| problem.severity) {
            Some(Severity::Warning) => "warning",
            Some(Severity::Error) | None => "problem",
        };
        match self.list.len() {
            1 => format!("1 {noun}"),
            count if self.is_full() && noun == "problem" => format!("{count} problems, and perhaps more"),
            count => format!("{count} {noun}s"),
        }
    }
}

impl Problem {
    fn rendered(&self, renderer: &Renderer, file: &str, source: &str) -> String {
        let message = match self.path.as_str() {
            "" if self.line == 0 => format!("{file}: {}", self.message),
            "" => self.message.clone(),
            path => format!("{path}: {}", self.message),
        };
        let level = match self.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let title = level.primary_title(message).id(self.code.as_str());
        let group = match self.line {
            0 => Group::with_title(title),
            _ => title.element(self.snippet(file, source)),
        };
        let help = self.help.as_deref().map(|help| Level::HELP.message(help));
        renderer.render(&[group.elements(help)])
    }

    /// Only the lines around the problem, so that a large file costs no more than a small one.
    fn snippet<'a>(&self, file: &'a str, source: &'a str) -> Snippet<'a, annotate_snippets::Annotation<'a>> {
        let line = line_around(source, self.span.start);
        let shown = window(source, &line, self.span.start);
        let end = self.span.end.clamp(self.span.start, shown.end.max(self.span.start));
        let mark = (self.span.start - shown.start)..(end - shown.start);
        Snippet::source(&source[shown])
            .line_start(self.line)
            .path(file)
            .annotation(AnnotationKind::Primary.span(mark))
    }
}

/// Line and column of a byte, both from 1; the column in characters.
pub(crate) fn position(source: &str, offset: usize) -> (usize, usize) {
    let before = &source[..floor(source, offset)];
    let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
    let start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (line, before[start..].chars().count() + 1)
}

/// The part of a span that lies on its first line, without blanks at its end.
pub(crate) fn first_line(source: &str, span: Range<usize>) -> Range<usize> {
    let start = floor(source, span.start);
    let end = floor(source, span.end).max(start);
    let line = source[start..end].lines().next().unwrap_or_default();
    start..start + line.trim_end().len()
}

/// The line that a byte lies in, without its end.
pub(crate) fn line_around(source: &str, offset: usize) -> Range<usize> {
    let offset = floor(source, offset);
    let start = source[..offset].rfind('\n').map_or(0, |newline| newline + 1);
    let end = source[offset..].find('\n').map_or(source.len(), |newline| offset + newline);
    start..end
}

fn window(source: &str, line: &Range<usize>, offset: usize) -> Range<usize> {
    if line.len() <= LONGEST_LINE {
        return line.clone();
    }
    let start = floor(source, offset.saturating_sub(LONGEST_LINE / 4).max(line.start));
    start..floor(source, (start + LONGEST_LINE).min(line.end))
}

/// The nearest boundary between two characters, at or before `offset`.
fn floor(source: &str, offset: usize) -> usize {
    source.floor_char_boundary(offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters_and_lines_count_newlines() {
        assert_eq!(position("a\nää x", 7), (2, 4));
        assert_eq!(position("", 0), (1, 1));
        assert_eq!(position("a", 99), (1, 2));
    }

    #[test]
    fn a_span_over_many_lines_is_cut_to_its_first() {
        assert_eq!(first_line("a: \n  b: c\n", 0..10), 0..2);
    }
}
