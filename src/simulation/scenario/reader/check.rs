//! Whether schemas are sound themselves.

use std::cell::RefCell;

use super::{Key, Kind, Presence, Schema, Section, literal};
use crate::foundations::error::{Faults, Sources};
use crate::simulation::scenario::document::{Entry, Node, Origin, Table, Value};

/// What is wrong with a schema and those below it: a key without a line about it, one that is
/// declared twice, a default or an example that its own kind refuses. Empty for a sound schema; for
/// a test.
pub fn problems(schema: &'static Schema) -> Vec<String> {
    let mut problems = Vec::new();
    collect(schema, "", &mut Vec::new(), &mut problems);
    problems
}

fn collect(
    schema: &'static Schema,
    path: &str,
    above: &mut Vec<*const Schema>,
    problems: &mut Vec<String>,
) {
    // A schema may hold itself, as a tree of steps does.
    if above.contains(&std::ptr::from_ref(schema)) {
        return;
    }
    above.push(schema);
    for (index, key) in schema.keys.iter().enumerate() {
        let path = format!("{path}.{}", key.name);
        let mut wrong = |what: &str| problems.push(format!("{path}: {what}"));
        if key.doc.is_empty() {
            wrong("says nothing about itself");
        }
        if !key
            .name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-')
        {
            wrong("is not in lower case");
        }
        if schema.keys[..index].iter().any(|other| other.name == key.name) {
            wrong("is declared twice");
            continue;
        }
        match key.kind {
            Kind::Section(below) | Kind::Sections(below) | Kind::SectionList(below) => {
                collect(below, &path, above, problems);
            }
            Kind::Either(kinds) => {
                for kind in kinds {
                    if let Kind::Section(below) = kind {
                        collect(below, &path, above, problems);
                    }
                }
            }
            Kind::Any | Kind::Objectives | Kind::Tables => {}
            _ => {
                if key.stand_in().is_empty() && key.presence != Presence::Default("") {
                    wrong("has neither a default nor an example");
                }
                let default = key.stand_in();
                for text in [default, key.example].into_iter().filter(|text| !text.is_empty()) {
                    for fault in faults(schema, key, text) {
                        wrong(&format!("refuses its own `{text}`: {}", fault.message));
                    }
                }
            }
        }
    }
    if let Some(tag) = schema.tag {
        let words: Vec<&str> = tag.cases.iter().map(|&(word, _)| word).collect();
        match schema.key(tag.key).map(|key| key.kind) {
            Some(Kind::Choice(declared)) if declared == words => {}
            _ => problems.push(format!("{path}: the cases of `{}` are not its words", tag.key)),
        }
        for (word, case) in tag.cases {
            collect(case, &format!("{path}({word})"), above, problems);
        }
    }
    above.pop();
}

/// The faults of a key of `schema` whose value is `text`.
fn faults(schema: &'static Schema, key: &Key, text: &'static str) -> Faults {
    let source = Sources::default().add_flag("");
    let origin = Origin { source, start: 0, end: 0 };
    let node = match key.kind {
        Kind::Text | Kind::Name(_) | Kind::Choice(_) => {
            Node { value: Value::String(text.to_owned()), origin }
        }
        _ => literal(text),
    };
    let entry = Entry { key: key.name.to_owned(), key_origin: origin, node };
    let table = Table { entries: vec![entry], inline: false };
    let root = Node { value: Value::Table(table), origin };
    let faults = RefCell::default();
    let section = Section::root(&root, schema, &faults);
    match key.kind {
        Kind::Boolean => drop(section.boolean(key.name)),
        Kind::Integer(..) => drop(section.integer::<i64>(key.name)),
        Kind::Quantity(..) => drop(section.quantity(key.name)),
        Kind::Law(..) => drop(section.law(key.name)),
        Kind::Choice(words) => {
            let values: Vec<_> = words.iter().map(|&word| (word, ())).collect();
            section.choice(key.name, &values);
        }
        Kind::Quantities(..) => drop(section.quantities(key.name)),
        Kind::NamedQuantities(..) => drop(section.named_quantities(key.name)),
        Kind::Names(_) if !matches!(literal(text).value, Value::Array(_)) => {
            drop(section.names(key.name, []));
        }
        _ => {}
    }
    drop(section);
    faults.into_inner()
}
