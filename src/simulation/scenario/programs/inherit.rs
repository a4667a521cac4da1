//! A section that starts from another: what it says itself goes before what its base says.
//!
//! Sections merge, key by key and as deep as they go; values are replaced, so that a law or a table
//! of probabilities is never half of one and half of another. A section whose tag differs from its
//! base's, such as a step of another kind, shares nothing with it.

use crate::simulation::scenario::document::{Entry, Node, Table, Value};
use crate::simulation::scenario::reader::{Kind, Schema};

/// `over` on top of `base`. Everything keeps the place where it was written.
pub(in crate::simulation::scenario) fn inherit(
    base: &Node,
    over: &Node,
    schema: &'static Schema,
) -> Node {
    let (Some(below), Some(above)) = (base.as_table(), over.as_table()) else {
        return over.clone();
    };
    let tag = schema.tag.map(|tag| tag.key);
    let word = |table: &Table| tag.and_then(|tag| table.get(tag)?.as_str().map(str::to_owned));
    if word(above).is_some_and(|word_above| word(below) != Some(word_above)) {
        return over.clone();
    }
    let case = schema.tag.zip(word(below)).and_then(|(tag, word)| {
        tag.cases.iter().find(|(name, _)| *name == word).map(|&(_, case)| case)
    });
    let kind = |name: &str| {
        let key = schema.key(name).or_else(|| case.and_then(|case| case.key(name)));
        key.map(|key| key.kind)
    };
    let entries = merge(below, above, |name, base, over| match kind(name) {
        Some(Kind::Section(schema)) => inherit(base, over, schema),
        Some(Kind::Sections(schema)) => each(base, over, schema),
        _ => over.clone(),
    });
    Node { value: Value::Table(Table { entries, inline: above.inline }), origin: over.origin }
}

/// Sections under free names: those of one name merge.
fn each(base: &Node, over: &Node, schema: &'static Schema) -> Node {
    let (Some(below), Some(above)) = (base.as_table(), over.as_table()) else {
        return over.clone();
    };
    let entries = merge(below, above, |_, base, over| inherit(base, over, schema));
    Node { value: Value::Table(Table { entries, inline: above.inline }), origin: over.origin }
}

/// The entries of both tables, in the order of the lower one; `both` makes one of two.
fn merge(below: &Table, above: &Table, both: impl Fn(&str, &Node, &Node) -> Node) -> Vec<Entry> {
    let mut entries = below.entries.clone();
    for entry in &above.entries {
        match entries.iter_mut().find(|known| known.key == entry.key) {
            Some(known) => {
                let node = both(&entry.key, &known.node, &entry.node);
                *known = Entry { node, ..entry.clone() };
            }
            None => entries.push(entry.clone()),
        }
    }
    entries
}

#[cfg(test)]
mod tests {
    use super::super::PROGRAM;
    use super::*;
    use crate::simulation::scenario::document::parsed;

    fn at<'n>(node: &'n Node, path: &str) -> Option<&'n Node> {
        path.split('.').try_fold(node, |node, key| node.as_table()?.get(key))
    }

    #[test]
    fn sections_merge_and_values_are_replaced() {
        let (base, ..) = parsed(
            "[session]\ntasks = 3\nthink_time = '30 s'\n\
             [steps.ask]\nkind = 'llm'\ninput = 100\noutput = { exponential = { mean = 9 } }\n\
             [steps.go]\nkind = 'wait'\ntime = '3 s'\n",
        );
        let (over, ..) = parsed(
            "session = { tasks = 5 }\n\
             [steps.ask]\noutput = { gamma = { mean = 9, cv = 1 } }\n\
             [steps.go]\nkind = 'end'\n",
        );
        let both = inherit(&base, &over, &PROGRAM);
        let said = |path| at(&both, path).map(Node::describe);
        assert_eq!(said("session.tasks"), Some("5".to_owned()));
        assert_eq!(said("session.think_time"), Some("text \"30 s\"".to_owned()));
        assert_eq!(said("steps.ask.input"), Some("100".to_owned()));
        assert!(at(&both, "steps.ask.output.gamma").is_some());
        assert_eq!(at(&both, "steps.ask.output.exponential"), None);
        assert_eq!(at(&both, "steps.go.time"), None);
    }
}
