//! Tables and figures made small enough to travel in a page: by column, to four digits.

use std::collections::BTreeMap;

use serde_json::{Map, Number, Value};

/// Digits that a chart can show.
const DIGITS: usize = 4;

/// The columns of a CSV table with a `variant` column, by variant: `{variant: {column: [...]}}`, of
/// the first `most` rows of each. Numbers are numbers, what is empty is null.
pub(super) fn by_variant(text: &str, most: usize) -> Result<Value, String> {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let header = reader.headers().map_err(|error| error.to_string())?.clone();
    let variant = header.iter().position(|name| name == "variant").ok_or("no column `variant`")?;
    let mut order: Vec<String> = Vec::new();
    let mut tables: BTreeMap<String, Vec<Vec<Value>>> = BTreeMap::new();
    for row in reader.records() {
        let row = row.map_err(|error| error.to_string())?;
        let name = &row[variant];
        if !tables.contains_key(name) {
            order.push(name.to_owned());
        }
        let table = tables.entry(name.to_owned()).or_insert_with(|| vec![vec![]; header.len()]);
        if table[0].len() < most {
            table.iter_mut().zip(&row).for_each(|(column, cell)| column.push(value(cell)));
        }
    }
    let named = order.into_iter().map(|name| {
        let columns = tables.remove(&name).unwrap_or_default();
        let known = header.iter().zip(columns).enumerate().filter(|&(at, _)| at != variant);
        let known = known.filter(|(_, (_, column))| column.iter().any(|cell| !cell.is_null()));
        let columns = known.map(|(_, (title, column))| (title.to_owned(), Value::Array(column)));
        (name, Value::Object(columns.collect()))
    });
    Ok(Value::Object(named.collect::<Map<_, _>>()))
}

/// Rounds every number inside to as many digits as can be seen.
pub(super) fn shorten(value: &mut Value) {
    match value {
        Value::Number(number) => {
            if let Some(short) = number.as_f64().and_then(rounded) {
                *number = short;
            }
        }
        Value::Array(items) => items.iter_mut().for_each(shorten),
        Value::Object(fields) => fields.values_mut().for_each(shorten),
        _ => {}
    }
}

fn value(cell: &str) -> Value {
    match cell.parse().ok().and_then(rounded) {
        Some(number) => Value::Number(number),
        None if cell.is_empty() => Value::Null,
        None => Value::String(cell.to_owned()),
    }
}

fn rounded(number: f64) -> Option<Number> {
    let short: f64 = format!("{number:.*e}", DIGITS - 1).parse().ok()?;
    match short.fract() == 0.0 && short.abs() < 1e15 {
        true => Some(Number::from(short as i64)),
        false => Number::from_f64(short),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_turn_into_short_columns() {
        let text = "variant,trial,ttft_s,agents.x.ttft_s\nbase,0,0.123456,\nbase,1,12345678,\n\
                    b200,0,3,1e-7\nbase,2,1,\n";
        let found = by_variant(text, 2).unwrap();
        let expected = serde_json::json!({
            "base": {"trial": [0, 1], "ttft_s": [0.1235, 12_350_000]},
            "b200": {"trial": [0], "ttft_s": [3], "agents.x.ttft_s": [1e-7]},
        });
        assert_eq!(found, expected);
        assert!(by_variant("a,b\n1,2\n", 9).is_err());
    }
}
