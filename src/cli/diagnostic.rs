//! Faults in input as a person reads them: the line, a caret under what is wrong, how to mend it.
//!
//! ```
//! use tokenfleet::cli::diagnostic::{Style, render};
//! use tokenfleet::foundations::error::{Fault, Faults, Sources};
//!
//! let mut sources = Sources::default();
//! let source = sources.add_file("small.toml", "[run]\ntrials = 0\n");
//! let place = tokenfleet::foundations::Place { source, span: 15..16, path: "run.trials".into() };
//! let faults = Faults::from(Fault::new("`trials` must be between 1 and 100, found 0").at(place));
//! assert_eq!(render(&faults, &sources, Style::PLAIN), "\
//! error: `trials` must be between 1 and 100, found 0
//!  --> small.toml:2:10
//!   |
//! 2 | trials = 0
//!   |          ^
//!
//! error: 1 fault in small.toml; nothing was run
//! ");
//! ```

use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use serde_json::{Value, json};

use crate::foundations::error::{Fault, Faults, Sources};

/// Of more faults than this, only the first are shown: the rest is mostly their consequence.
const SHOWN: usize = 25;

/// How faults are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// Whether with colours, as escape codes of a terminal.
    pub colour: bool,
    /// The width of the terminal in columns; longer lines of the source are cut.
    pub width: usize,
}

impl Style {
    /// Without colours, 100 columns wide.
    pub const PLAIN: Style = Style { colour: false, width: 100 };
}

/// All faults with their source lines, and a last line that counts them. Empty where there is none.
pub fn render(faults: &Faults, sources: &Sources, style: Style) -> String {
    if faults.is_empty() {
        return String::new();
    }
    let mut text = each(faults, Level::ERROR, sources, style);
    let summary = Group::with_title(Level::ERROR.primary_title(summary(faults, sources)));
    text.push_str(&renderer(style).render(&[summary]));
    text.push('\n');
    text
}

/// What to beware of, with its source lines. Empty where there is nothing.
pub fn render_warnings(warnings: &Faults, sources: &Sources, style: Style) -> String {
    each(warnings, Level::WARNING, sources, style)
}

/// Faults for programs, with their lines, counted from 1, and columns of UTF-16, counted from 0, as
/// browsers and editors do.
pub fn told(faults: &Faults, sources: &Sources) -> Vec<Value> {
    let units = |text: &str| text.encode_utf16().count();
    let tell = |fault: &Fault| {
        let place = fault.place.as_ref().and_then(|place| {
            let source = sources.get(place.source).filter(|source| source.has_lines)?;
            let before = source.text.get(..place.span.start)?;
            let inside = source.text.get(place.span.clone())?;
            let line = before.rsplit('\n').next().unwrap_or(before);
            Some((before.matches('\n').count() + 1, units(line), units(before), units(inside)))
        });
        json!({
            "message": fault.message,
            "help": fault.help,
            "line": place.map(|(line, ..)| line),
            "column": place.map(|(_, column, ..)| column),
            "start": place.map(|(.., start, _)| start),
            "length": place.map(|(.., length)| length),
        })
    };
    faults.iter().map(tell).collect()
}

fn each(faults: &Faults, level: Level<'_>, sources: &Sources, style: Style) -> String {
    let renderer = renderer(style);
    let mut text = String::new();
    for fault in faults.iter().take(SHOWN) {
        text.push_str(&renderer.render(&[group(fault, level.clone(), sources)]));
        text.push_str("\n\n");
    }
    text
}

fn renderer(style: Style) -> Renderer {
    let renderer = if style.colour { Renderer::styled() } else { Renderer::plain() };
    // The carets need room, whatever the terminal says of itself.
    renderer.term_width(style.width.max(40)).hyperlink(false)
}

/// How many faults there are and where: `3 faults in scenarios/x.toml; nothing was run`.
pub fn summary(faults: &Faults, sources: &Sources) -> String {
    let mut names: Vec<&str> = faults
        .iter()
        .filter_map(|fault| Some(sources.get(fault.place.as_ref()?.source)?.name.as_str()))
        .collect();
    names.dedup();
    let count = match faults.len() {
        1 => "1 fault".to_owned(),
        count => format!("{count} faults"),
    };
    let places = match names.split_last() {
        Some((last, [])) => format!(" in {last}"),
        Some((last, others)) => format!(" in {} and {last}", others.join(", ")),
        None => String::new(),
    };
    let hidden = match faults.len().checked_sub(SHOWN) {
        Some(hidden @ 1..) => format!(", {hidden} of them not shown"),
        _ => String::new(),
    };
    format!("{count}{places}{hidden}; nothing was run")
}

fn group<'a>(fault: &'a Fault, level: Level<'a>, sources: &'a Sources) -> Group<'a> {
    let mut group = Group::with_title(level.primary_title(&*fault.message));
    let place = fault.place.as_ref();
    if let Some((place, source)) = place.and_then(|p| Some((p, sources.get(p.source)?))) {
        group = match Excerpt::new(&source.text, &place.span) {
            // A flag shows itself whole: its name and a line number would say nothing more.
            Some(shown) => group.element(
                Snippet::source(shown.text)
                    .path(source.has_lines.then_some(&*source.name))
                    .line_start(shown.line)
                    .line_numbering(source.has_lines)
                    .annotation(AnnotationKind::Primary.span(shown.span)),
            ),
            None => group.element(Origin::path(&*source.name)),
        };
    }
    group.elements(fault.help.iter().map(|help| Level::HELP.message(help)))
}

/// The one line of a text on which a fault begins.
struct Excerpt<'t> {
    /// The line.
    text: &'t str,
    /// The fault in it.
    span: Range<usize>,
    /// Its number, from 1.
    line: usize,
}

impl<'t> Excerpt<'t> {
    /// `None` where there is nothing to point at: the fault is that of the whole text.
    fn new(text: &'t str, span: &Range<usize>) -> Option<Self> {
        if span.end == 0 {
            return None;
        }
        // At the very end, the last line with something on it says more than an empty one.
        let last = text.trim_end().len();
        let start = text.floor_char_boundary(span.start.min(last));
        let line_start = text[..start].rfind('\n').map_or(0, |newline| newline + 1);
        let line = text[line_start..].lines().next().filter(|_| last > 0)?;
        let start = start - line_start;
        let end = text.ceil_char_boundary(span.end).saturating_sub(line_start);
        Some(Excerpt {
            text: line,
            span: start..end.clamp(start, line.len().max(start)),
            line: text[..line_start].matches('\n').count() + 1,
        })
    }
}

#[cfg(test)]
mod tests;
