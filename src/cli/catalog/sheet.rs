//! A table of texts that prints itself for people, for spreadsheets and for programs.

use std::io::{self, Write};

use clap::ValueEnum;
use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, presets};
use serde_json::{Map, Value};

/// How to print.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, ValueEnum)]
pub enum Format {
    /// Aligned columns, wrapped to the terminal's width; one line per row where there is none.
    #[default]
    Table,
    /// JSON with numbers as numbers.
    Json,
    /// Comma-separated values with a header.
    Csv,
}

/// A column: its key for programs, its heading for people, whether it holds numbers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Column {
    key: &'static str,
    heading: &'static str,
    number: bool,
}

/// A column of text.
pub(super) const fn text(key: &'static str, heading: &'static str) -> Column {
    Column { key, heading, number: false }
}

/// A column of numbers.
pub(super) const fn number(key: &'static str, heading: &'static str) -> Column {
    Column { key, heading, number: true }
}

/// Rows of texts under columns.
#[derive(Clone, Debug, Default)]
pub(super) struct Sheet {
    columns: Vec<Column>,
    rows: Vec<Vec<String>>,
}

impl Sheet {
    pub(super) fn new(columns: impl Into<Vec<Column>>) -> Self {
        Self { columns: columns.into(), rows: Vec::new() }
    }

    /// Adds a row with a text per column.
    pub(super) fn push(&mut self, row: impl Into<Vec<String>>) {
        let row = row.into();
        debug_assert_eq!(row.len(), self.columns.len());
        self.rows.push(row);
    }

    /// Prints the sheet alone.
    pub(super) fn write(&self, format: Format, out: &mut dyn Write) -> io::Result<()> {
        match format {
            Format::Table => self.write_table(out),
            Format::Json => write_json(&self.json(), out),
            Format::Csv => {
                let mut writer = csv::Writer::from_writer(out);
                writer.write_record(self.columns.iter().map(|column| column.key))?;
                for row in &self.rows {
                    writer.write_record(row)?;
                }
                writer.flush()
            }
        }
    }

    /// Aligned columns without rules, so that the lines serve grep and awk as well as the eye.
    /// Columns without any content are left out.
    pub(super) fn write_table(&self, out: &mut dyn Write) -> io::Result<()> {
        let shown: Vec<usize> = (0..self.columns.len())
            .filter(|&column| self.rows.iter().any(|row| !row[column].is_empty()))
            .collect();
        let mut table = Table::new();
        table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
        let cell = |column: usize, text: &str| {
            let align = match self.columns[column].number {
                true => CellAlignment::Right,
                false => CellAlignment::Left,
            };
            Cell::new(text).set_alignment(align)
        };
        table.set_header(shown.iter().map(|&column| cell(column, self.columns[column].heading)));
        for row in &self.rows {
            table.add_row(shown.iter().map(|&column| cell(column, &row[column])));
        }
        for line in table.lines() {
            writeln!(out, "{}", line.trim_end().strip_prefix(' ').unwrap_or(line.trim_end()))?;
        }
        Ok(())
    }

    /// One object per row. Empty cells are left out; numbers are numbers.
    pub(super) fn json(&self) -> Value {
        let cell = |column: &Column, text: &String| {
            let number = text.parse().ok().filter(|_| column.number);
            let number = number.and_then(serde_json::Number::from_f64).map(Value::Number);
            (column.key.to_owned(), number.unwrap_or_else(|| Value::from(text.as_str())))
        };
        let object = |row: &Vec<String>| {
            let cells = self.columns.iter().zip(row).filter(|(_, text)| !text.is_empty());
            Value::Object(cells.map(|(column, text)| cell(column, text)).collect())
        };
        Value::Array(self.rows.iter().map(object).collect())
    }
}

/// One entry of the catalog: facts, then tables, then text.
#[derive(Clone, Debug, Default)]
pub(super) struct Page {
    pub(super) title: String,
    pub(super) facts: Vec<(Column, String)>,
    pub(super) sections: Vec<(&'static str, String, Sheet)>,
    pub(super) text: String,
}

impl Page {
    /// Adds a fact unless it is empty.
    pub(super) fn fact(&mut self, column: Column, value: impl Into<String>) {
        let value = value.into();
        if !value.is_empty() {
            self.facts.push((column, value));
        }
    }

    /// Adds a table under a key for programs and a title for people.
    pub(super) fn section(&mut self, key: &'static str, title: impl Into<String>, sheet: Sheet) {
        if !sheet.rows.is_empty() {
            self.sections.push((key, title.into(), sheet));
        }
    }

    /// Prints the page. As CSV it is long: one line per cell.
    pub(super) fn write(&self, format: Format, out: &mut dyn Write) -> io::Result<()> {
        match format {
            Format::Table => self.write_text(out),
            Format::Json => write_json(&self.json(), out),
            Format::Csv => self.long().write(Format::Csv, out),
        }
    }

    fn write_text(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}", self.title)?;
        // The key stands in the title.
        let facts = || self.facts.iter().filter(|(column, _)| column.key != "key");
        let width = facts().map(|(column, _)| column.heading.len()).max().unwrap_or(0);
        for (column, value) in facts() {
            writeln!(out, "  {:width$}  {value}", column.heading)?;
        }
        for (_, title, sheet) in &self.sections {
            writeln!(out, "\n{title}")?;
            sheet.write_table(out)?;
        }
        if !self.text.is_empty() {
            writeln!(out, "\n{}", self.text.trim_end())?;
        }
        Ok(())
    }

    fn json(&self) -> Value {
        let mut object = Map::new();
        let facts = Sheet {
            columns: self.facts.iter().map(|(column, _)| *column).collect(),
            rows: vec![self.facts.iter().map(|(_, value)| value.clone()).collect()],
        };
        if let Value::Array(mut rows) = facts.json()
            && let Some(Value::Object(facts)) = rows.pop()
        {
            object.extend(facts);
        }
        for (key, _, sheet) in &self.sections {
            object.insert((*key).to_owned(), sheet.json());
        }
        if !self.text.is_empty() {
            object.insert("text".to_owned(), Value::from(self.text.as_str()));
        }
        Value::Object(object)
    }

    fn long(&self) -> Sheet {
        let columns = [
            text("section", "section"),
            number("row", "row"),
            text("column", "column"),
            text("value", "value"),
        ];
        let mut long = Sheet::new(columns);
        for (column, value) in &self.facts {
            long.push([String::new(), String::new(), column.key.to_owned(), value.clone()]);
        }
        for (key, _, sheet) in &self.sections {
            for (position, row) in sheet.rows.iter().enumerate() {
                let cells = sheet.columns.iter().zip(row).filter(|(_, value)| !value.is_empty());
                for (column, value) in cells {
                    let (row, column) = (position.to_string(), column.key.to_owned());
                    long.push([(*key).to_owned(), row, column, value.clone()]);
                }
            }
        }
        long
    }
}

fn write_json(value: &Value, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, value)?;
    writeln!(out)
}

/// A number with `places` digits after the point and no trailing zeros; empty for none.
pub(super) fn rounded(value: Option<f64>, places: usize) -> String {
    let Some(value) = value else { return String::new() };
    let text = format!("{value:.places$}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}
