//! Columns of text that fit a width.

use std::fmt::Write;

use anstyle::{AnsiColor, Style as Ansi};
use unicode_width::UnicodeWidthStr;

/// How an answer is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// Columns of the terminal.
    pub width: usize,
    /// Whether with colours, as escape codes of a terminal.
    pub colour: bool,
}

impl Style {
    /// Without colours, 100 columns wide.
    pub const PLAIN: Style = Style { width: 100, colour: false };

    /// The same with room for what a table says at least; a narrower terminal breaks its lines.
    #[must_use]
    pub fn readable(self) -> Self {
        Self { width: self.width.max(60), ..self }
    }
}

/// What a text means, which a colour underlines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Tone {
    #[default]
    Plain,
    Title,
    Faint,
    Good,
    Bad,
    Caution,
}

impl Tone {
    fn ansi(self) -> Ansi {
        let colour = |colour: AnsiColor| Ansi::new().fg_color(Some(colour.into()));
        match self {
            Tone::Plain => Ansi::new(),
            Tone::Title => Ansi::new().bold(),
            Tone::Faint => Ansi::new().dimmed(),
            Tone::Good => colour(AnsiColor::Green),
            Tone::Bad => colour(AnsiColor::Red).bold(),
            Tone::Caution => colour(AnsiColor::Yellow),
        }
    }

    /// A text in this tone.
    pub(super) fn paint(self, text: &str, style: Style) -> String {
        match (style.colour, self) {
            (false, _) | (_, Tone::Plain) => text.to_owned(),
            (true, _) => {
                let ansi = self.ansi();
                format!("{ansi}{text}{ansi:#}")
            }
        }
    }
}

/// A text with its tone.
#[derive(Clone, Debug, Default)]
pub(super) struct Cell {
    text: String,
    tone: Tone,
}

impl Cell {
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), tone: Tone::Plain }
    }

    pub(super) fn tone(mut self, tone: Tone) -> Self {
        self.tone = tone;
        self
    }

    fn width(&self) -> usize {
        self.text.width()
    }
}

/// A column: its header, how it is aligned, and when it is left out.
#[derive(Clone, Debug)]
struct Column {
    header: Cell,
    right: bool,
    /// Of columns that do not fit, the one with the highest goes first; 0 always stays.
    expendable: u8,
}

/// Rows of cells under headers.
#[derive(Clone, Debug, Default)]
pub(super) struct Grid {
    columns: Vec<Column>,
    rows: Vec<Vec<Cell>>,
}

/// Blanks between columns.
const GAP: usize = 2;

impl Grid {
    /// Adds a column of words, aligned to the left.
    pub(super) fn words(mut self, header: Cell, expendable: u8) -> Self {
        self.columns.push(Column { header, right: false, expendable });
        self
    }

    /// Adds a column of figures, aligned to the right.
    pub(super) fn figures(mut self, header: Cell, expendable: u8) -> Self {
        self.columns.push(Column { header, right: true, expendable });
        self
    }

    /// Adds a row; cells that are missing at its end are blank.
    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = Cell>) {
        self.rows.push(cells.into_iter().collect());
    }

    fn width_of(&self, column: usize) -> usize {
        let cells = self.rows.iter().filter_map(|row| row.get(column));
        cells.map(Cell::width).fold(self.columns[column].header.width(), usize::max)
    }

    /// Whether nothing stands in a column but its header.
    fn is_blank(&self, column: usize) -> bool {
        let mut cells = self.rows.iter().filter_map(|row| row.get(column));
        cells.all(|cell| cell.text.trim().is_empty())
    }

    /// The columns that are shown, with their widths.
    fn shown(&self, width: usize) -> Vec<(usize, usize)> {
        let mut shown: Vec<_> = (0..self.columns.len())
            .filter(|&column| column == 0 || !self.is_blank(column))
            .map(|column| (column, self.width_of(column)))
            .collect();
        let total = |shown: &[(usize, usize)]| {
            shown.iter().map(|(_, width)| width + GAP).sum::<usize>().saturating_sub(GAP)
        };
        while total(&shown) > width {
            let last = |&(at, &(column, _)): &(usize, &(usize, usize))| {
                (self.columns[column].expendable, at)
            };
            match shown.iter().enumerate().max_by_key(last) {
                Some((at, &(column, _))) if self.columns[column].expendable > 0 => {
                    shown.remove(at);
                }
                _ => break,
            }
        }
        shown
    }

    /// The least width in which no column is left out.
    pub(super) fn full_width(&self) -> usize {
        let widths = (0..self.columns.len()).map(|column| self.width_of(column) + GAP);
        widths.sum::<usize>().saturating_sub(GAP)
    }

    /// As lines, each ended by a line break.
    pub(super) fn render(&self, style: Style) -> String {
        let shown = self.shown(style.width);
        let headers: Vec<Cell> = self.columns.iter().map(|column| column.header.clone()).collect();
        let titled = headers.iter().any(|header| !header.text.is_empty());
        let mut text = String::new();
        for row in titled.then_some(&headers).into_iter().chain(&self.rows) {
            let mut line = String::new();
            let mut blanks = 0;
            for &(column, width) in &shown {
                let blank = Cell::default();
                let cell = row.get(column).unwrap_or(&blank);
                let pad = width.saturating_sub(cell.width());
                let (before, after) = if self.columns[column].right { (pad, 0) } else { (0, pad) };
                if !cell.text.is_empty() {
                    // Blanks are written when something follows them: no line ends in one.
                    let painted = cell.tone.paint(&cell.text, style);
                    let _ = write!(line, "{:blanks$}{painted}", "", blanks = blanks + before);
                    blanks = after + GAP;
                } else {
                    blanks += width + GAP;
                }
            }
            text.push_str(&line);
            text.push('\n');
        }
        text
    }
}

/// Labelled values side by side, as many as fit a line.
pub(super) fn pairs(items: &[(&str, String)], style: Style) -> String {
    let grid = |across: usize| {
        let mut grid = Grid::default();
        for _ in 0..across {
            grid = grid.words(Cell::default(), 0).figures(Cell::default(), 0);
            grid = grid.words(Cell::default(), 0);
        }
        for line in items.chunks(across) {
            let cells = line.iter().flat_map(|(label, value)| {
                [Cell::new(format!("  {label}")), Cell::new(value.as_str()), Cell::default()]
            });
            grid.row(cells);
        }
        grid
    };
    let fitting = (1..=3).rev().map(grid).find(|grid| grid.full_width() <= style.width);
    fitting.unwrap_or_else(|| grid(1)).render(style)
}

/// A blank at which no line is broken: between a number and its unit.
pub(super) const UNBROKEN: char = '\u{a0}';

/// A paragraph broken into lines, the first after `first` and the others after as many blanks.
pub(super) fn paragraph(first: &str, text: &str, style: Style) -> String {
    let indent = first.width();
    let room = style.width.min(100).saturating_sub(indent).max(20);
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last().map_or(0, |line| line.width());
        if line > 0 && line + 1 + word.width() > room {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    let mut out = String::new();
    for (index, line) in lines.iter().enumerate() {
        let before = if index == 0 { first.to_owned() } else { " ".repeat(indent) };
        out.push_str(&before);
        out.push_str(&line.replace(UNBROKEN, " "));
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid() -> Grid {
        let mut grid = Grid::default()
            .words(Cell::new("TASK"), 0)
            .figures(Cell::new("mean"), 0)
            .figures(Cell::new("p99"), 1);
        grid.row(["latency", "3.4 ±0.1 s", "12 s"].map(Cell::new));
        grid.row(["cost", "$1"].map(Cell::new));
        grid
    }

    #[test]
    fn columns_line_up_and_no_line_ends_in_a_blank() {
        let text = grid().render(Style { width: 80, colour: false });
        assert_eq!(
            text,
            "TASK           mean   p99\nlatency  3.4 ±0.1 s  12 s\ncost             $1\n"
        );
    }

    #[test]
    fn what_does_not_fit_is_left_out() {
        let text = grid().render(Style { width: 20, colour: false });
        assert_eq!(text, "TASK           mean\nlatency  3.4 ±0.1 s\ncost             $1\n");
    }

    #[test]
    fn colours_take_no_room() {
        let mut grid = Grid::default().words(Cell::new("a"), 0).figures(Cell::new("b"), 0);
        grid.row([Cell::new("x").tone(Tone::Good), Cell::new("y")]);
        let coloured = grid.render(Style { width: 80, colour: true });
        assert_eq!(coloured, "a  b\n\u{1b}[32mx\u{1b}[0m  y\n");
    }

    #[test]
    fn a_paragraph_keeps_to_its_width() {
        let style = Style { width: 26, colour: false };
        let text = paragraph("- ", "the queue grew from 3 to 400 requests", style);
        assert_eq!(text, "- the queue grew from 3 to\n  400 requests\n");
    }
}
