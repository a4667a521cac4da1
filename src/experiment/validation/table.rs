//! Tables of measurements as CSV: columns by name, in any order, every fault where it stands.

use std::ops::Range;

use serde::de::DeserializeOwned;

use crate::foundations::error::{Place, SourceId, Sources, shortened};
use crate::foundations::{Fault, Faults};

/// One row of a table.
pub trait Row: DeserializeOwned {
    /// Columns that must be there.
    const COLUMNS: &'static [&'static str];

    /// What cannot be in a row that can be read: the column and what it must be.
    fn fault(&self) -> Option<(&'static str, &'static str)>;
}

/// A row and the line that it stands on, counted from 1.
#[derive(Clone, Debug, PartialEq)]
pub struct Line<T> {
    /// The line's number in its file.
    pub number: u64,
    /// What it says.
    pub row: T,
}

/// Reads all rows of a file.
///
/// # Errors
/// All that is wrong in it: columns that are missing, values that are no numbers or cannot be.
pub fn read<T: Row>(source: SourceId, sources: &Sources) -> Result<Vec<Line<T>>, Faults> {
    let text = sources.get(source).map_or("", |source| &source.text);
    let mut faults = Faults::default();
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let header: Vec<String> = match reader.headers() {
        Ok(names) => names.iter().map(|name| name.trim().to_owned()).collect(),
        Err(error) => {
            let message = format!("this is no table: {error}");
            return Err(Fault::new(message).at(place(source, 0..0)).into());
        }
    };
    for column in T::COLUMNS.iter().filter(|column| !header.iter().any(|name| name == *column)) {
        let end = text.find('\n').unwrap_or(text.len());
        let fault = Fault::new(format!("there is no column `{column}`"));
        faults.push(fault.at(place(source, 0..end)));
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    let names = csv::StringRecord::from(header.clone());
    let mut lines = Vec::new();
    for record in reader.records() {
        let wrong = match record {
            Err(error) => {
                let at = error.position().map_or(0, |position| position.byte() as usize);
                (at, None, format!("this line cannot be read: {}", problem(&error)))
            }
            Ok(record) => {
                let (number, at) = record
                    .position()
                    .map_or((0, 0), |position| (position.line(), position.byte() as usize));
                let column = |name: &str| header.iter().position(|known| known == name);
                match record.deserialize::<T>(Some(&names)) {
                    Ok(row) => match row.fault() {
                        None => {
                            lines.push(Line { number, row });
                            continue;
                        }
                        Some((name, must)) => {
                            (at, column(name), value(&record, &header, column(name), must))
                        }
                    },
                    Err(error) => {
                        let field = field(&error);
                        (at, field, value(&record, &header, field, &problem(&error)))
                    }
                }
            }
        };
        let (at, field, message) = wrong;
        faults.push(Fault::new(message).at(place(source, cell(text, at, field))));
    }
    faults.into_result(lines)
}

/// The first of these counts that is none, or absurd.
pub(super) fn at_least_one(counts: &[(&'static str, f64)]) -> Option<(&'static str, &'static str)> {
    let wrong = counts.iter().find(|(_, count)| !(1.0..=1e7).contains(count));
    wrong.map(|&(column, _)| (column, "must be from 1 to 10,000,000"))
}

/// The first of these figures that is known but not above 0.
pub(super) fn positive(
    figures: &[(&'static str, Option<f64>)],
) -> Option<(&'static str, &'static str)> {
    let wrong = |figure: &f64| !(*figure > 0.0 && *figure < 1e15);
    let wrong = figures.iter().find(|(_, figure)| figure.as_ref().is_some_and(wrong));
    wrong.map(|&(column, _)| (column, "must be above 0"))
}

fn place(source: SourceId, span: Range<usize>) -> Place {
    Place { source, span, path: String::new() }
}

/// The field that could not be read.
fn field(error: &csv::Error) -> Option<usize> {
    match error.kind() {
        csv::ErrorKind::Deserialize { err, .. } => err.field().map(|field| field as usize),
        _ => None,
    }
}

fn problem(error: &csv::Error) -> String {
    match error.kind() {
        csv::ErrorKind::Deserialize { err, .. } => match err.kind() {
            csv::DeserializeErrorKind::ParseFloat(_) => "must be a number".to_owned(),
            csv::DeserializeErrorKind::ParseInt(_) => "must be a whole number".to_owned(),
            other => other.to_string(),
        },
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("it has {len} fields, the header has {expected_len}")
        }
        other => format!("{other:?}"),
    }
}

fn value(record: &csv::StringRecord, header: &[String], at: Option<usize>, must: &str) -> String {
    match at.and_then(|at| Some((header.get(at)?, record.get(at)?))) {
        Some((column, "")) => format!("`{column}` is empty, but {must}"),
        Some((column, text)) => format!("`{column}` is `{}`, but {must}", shortened(text)),
        None => must.to_owned(),
    }
}

/// Where a field of the record at byte `start` stands; the whole line where it is quoted.
fn cell(text: &str, start: usize, field: Option<usize>) -> Range<usize> {
    let skipped = text[start..].len() - text[start..].trim_start_matches(['\r', '\n']).len();
    let start = start + skipped;
    let line = text[start..].lines().next().unwrap_or("");
    let whole = start..start + line.len();
    let Some(field) = field.filter(|_| !line.contains('"')) else { return whole };
    let mut from = start;
    for (index, piece) in line.split(',').enumerate() {
        if index == field {
            return from..from + piece.len();
        }
        from += piece.len() + 1;
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, serde::Deserialize)]
    struct Point {
        batch: u32,
        ms: f64,
        note: Option<f64>,
    }

    impl Row for Point {
        const COLUMNS: &'static [&'static str] = &["batch", "ms"];

        fn fault(&self) -> Option<(&'static str, &'static str)> {
            (self.ms <= 0.0).then_some(("ms", "must be above 0"))
        }
    }

    fn points(text: &str) -> Result<Vec<Line<Point>>, Vec<(String, String)>> {
        let mut sources = Sources::default();
        let source = sources.add_file("points.csv", text);
        read(source, &sources).map_err(|faults| {
            let shown = |fault: Fault| {
                let span = fault.place.map_or(0..0, |place| place.span);
                (text[span].to_owned(), fault.message)
            };
            faults.into_iter().map(shown).collect()
        })
    }

    #[test]
    fn columns_are_found_by_name() {
        let rows = points("ms,other,batch,note\n2.5,x,4,\n3,y,8,1\n").unwrap();
        assert_eq!(rows[0], Line { number: 2, row: Point { batch: 4, ms: 2.5, note: None } });
        assert_eq!(rows[1].row.note, Some(1.0));
    }

    #[test]
    fn every_fault_is_told_where_it_stands() {
        let faults = points("batch,ms\n4,2.5\n4,fast\n4.5,3\n8,-1\n8,2,3\n").unwrap_err();
        let expected = [
            ("fast", "`ms` is `fast`, but must be a number"),
            ("4.5", "`batch` is `4.5`, but must be a whole number"),
            ("-1", "`ms` is `-1`, but must be above 0"),
            ("8,2,3", "this line cannot be read: it has 3 fields, the header has 2"),
        ];
        assert_eq!(faults, expected.map(|(at, what)| (at.to_owned(), what.to_owned())));
        let faults = points("batch,s\n1,2\n").unwrap_err();
        assert_eq!(faults, [("batch,s".to_owned(), "there is no column `ms`".to_owned())]);
    }
}
