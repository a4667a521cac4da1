//! Changes to a document: `--set path=value` flags and the tables of variants.
//!
//! A dotted path names what is changed; tables that it leads through are created where they are
//! missing. A value replaces what was there, a table in braces as a whole:
//!
//! ```toml
//! [variants.rubin]
//! "pools.main.accelerator" = "vr200"                        # quoted
//! pools.main.precision     = { weights = "nvfp4" }          # or not: replaces all of precision
//! ```
//!
//! What was changed keeps the place where it was written, so a fault in it points at the flag or
//! at the variant.

use super::document::{DEEPEST, Entry, Node, Origin, Table, Value, join_path, parse_bare};
use crate::foundations::error::{Fault, Faults, Sources};

/// One part of a dotted path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathPart {
    /// The key, unquoted.
    pub key: String,
    /// Where it was written.
    pub origin: Origin,
}

/// Sets what `path` names to `node`, creating the tables on the way. An empty path changes nothing.
///
/// # Errors
/// The path leads through a value that is not a table.
pub fn set(root: &mut Node, path: &[PathPart], node: Node) -> Result<(), Fault> {
    let mut here = root;
    let mut walked = String::new();
    for (depth, part) in path.iter().enumerate() {
        let found = here.describe();
        let Value::Table(table) = &mut here.value else {
            let message = format!("`{walked}` is {found}, it has no `{}`", part.key);
            return Err(Fault::new(message).at(part.origin.place(join_path(&walked, &part.key))));
        };
        let index = table.entries.iter().position(|entry| entry.key == part.key);
        let index = index.unwrap_or_else(|| {
            let node = Node { value: Value::Table(Table::default()), origin: part.origin };
            table.entries.push(Entry { key: part.key.clone(), key_origin: part.origin, node });
            table.entries.len() - 1
        });
        let entry = &mut table.entries[index];
        walked = join_path(&walked, &part.key);
        if depth + 1 == path.len() {
            *entry = Entry { key: part.key.clone(), key_origin: part.origin, node };
            return Ok(());
        }
        here = &mut entry.node;
    }
    Ok(())
}

/// Applies the argument of a `--set` flag, `path=value`.
///
/// The value is TOML, or else a bare text, so that neither `pools.main.accelerator=b200-sxm` nor
/// `agents.coder.arrivals.poisson=0.5 /s` needs quotes that a shell would take away.
///
/// # Errors
/// No `=`, a malformed path, a value that begins like a TOML list, table or text but is none, or a
/// path that leads through something that is not a table.
pub fn set_flag(root: &mut Node, argument: &str, sources: &mut Sources) -> Result<(), Faults> {
    const FLAG: &str = "--set ";
    let source = sources.add_flag(format!("{FLAG}{argument}"));
    let (start, end) = (FLAG.len(), FLAG.len() + argument.len());
    let whole = Origin { source, start, end };
    let Some(equals) = outside_quotes(argument, '=') else {
        let fault = Fault::new("expected `path=value`, found no `=`").at(whole.place(""));
        return Err(fault.help("for example `--set pools.main.replicas=4`").into());
    };
    let path = parse_path(&argument[..equals], Origin { end: start + equals, ..whole })?;
    let written = &argument[equals + 1..];
    let value_start = start + equals + 1 + (written.len() - written.trim_start().len());
    let node = parse_bare(source, sources, value_start..value_start + written.trim().len())?;
    Ok(set(root, &path, node)?)
}

/// Applies the table of a variant. Each of its keys is a path; a table under a header of its own or
/// under dotted keys leads on to the keys in it, while one in braces is a value.
pub fn apply(root: &mut Node, variant: &Table, sources: &Sources, faults: &mut Faults) {
    for entry in &variant.entries {
        match parse_path(&entry.key, unquoted(entry, sources)) {
            Ok(path) => apply_at(root, path, &entry.node, faults),
            Err(fault) => faults.push(fault),
        }
    }
}

/// Paths of the values that [`apply`] sets; those that it refuses are left out.
pub fn paths(variant: &Table, sources: &Sources) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for entry in &variant.entries {
        if let Ok(path) = parse_path(&entry.key, unquoted(entry, sources)) {
            let path = path.into_iter().map(|part| part.key).collect();
            leaves(path, &entry.node, &mut found);
        }
    }
    found
}

fn leaves(path: Vec<String>, node: &Node, found: &mut Vec<Vec<String>>) {
    match node.as_table() {
        Some(table) if !table.inline => {
            for entry in &table.entries {
                let path = path.iter().chain([&entry.key]).cloned().collect();
                leaves(path, &entry.node, found);
            }
        }
        _ => found.push(path),
    }
}

fn apply_at(root: &mut Node, path: Vec<PathPart>, node: &Node, faults: &mut Faults) {
    match node.as_table() {
        Some(table) if !table.inline => {
            for entry in &table.entries {
                let part = PathPart { key: entry.key.clone(), origin: entry.key_origin };
                apply_at(root, [&path[..], &[part]].concat(), &entry.node, faults);
            }
        }
        _ => faults.extend(set(root, &path, node.clone()).err()),
    }
}

/// Where the letters of a key stand: inside its quotes, if it has some and nothing in it is escaped.
fn unquoted(entry: &Entry, sources: &Sources) -> Origin {
    let Origin { source, start, end } = entry.key_origin;
    let text = sources.get(source).and_then(|source| source.text.get(start..end));
    match text {
        Some(text) if text.get(1..text.len().max(2) - 1) == Some(&entry.key) => {
            Origin { source, start: start + 1, end: end - 1 }
        }
        _ => entry.key_origin,
    }
}

/// Splits a dotted path into its parts; a part with other characters than letters, digits, `-` and
/// `_` stands in quotes.
///
/// # Errors
/// An empty part, a quote that is never closed, or text after one.
pub fn parse_path(text: &str, origin: Origin) -> Result<Vec<PathPart>, Fault> {
    // The key of a table in a variant may be written with escapes: then its parts have no place of
    // their own, and the whole key is theirs.
    let exact = origin.end - origin.start == text.len();
    let mut parts = Vec::new();
    let mut from = 0;
    loop {
        if parts.len() == DEEPEST {
            let message = format!("the path has more than {DEEPEST} parts");
            return Err(Fault::new(message).at(origin.place("")));
        }
        let dot = outside_quotes(&text[from..], '.').map(|dot| from + dot);
        let to = dot.unwrap_or(text.len());
        let written = &text[from..to];
        let part = written.trim();
        let start = from + (written.len() - written.trim_start().len());
        let origin = match exact {
            true => {
                let start = origin.start + start;
                Origin { start, end: start + part.len(), ..origin }
            }
            false => origin,
        };
        let quote = part.chars().next().filter(|c| matches!(c, '"' | '\''));
        let key = match quote {
            Some(quote) => part[1..].strip_suffix(quote).filter(|key| !key.contains(quote)),
            None => Some(part).filter(|part| !part.is_empty() && !part.contains(['"', '\''])),
        };
        let Some(key) = key else {
            let message = match part {
                "" => "the path has an empty part",
                _ => "a quoted part of a path ends with its quote",
            };
            let example = "a path is like pools.main.accelerator or pools.\"v1.5\".replicas";
            return Err(Fault::new(message).at(origin.place("")).help(example));
        };
        parts.push(PathPart { key: key.to_owned(), origin });
        match dot {
            Some(dot) => from = dot + 1,
            None => return Ok(parts),
        }
    }
}

/// The first `wanted` that stands outside quotes.
fn outside_quotes(text: &str, wanted: char) -> Option<usize> {
    let mut quote = None;
    text.char_indices().find_map(|(index, c)| {
        match quote {
            Some(open) if c == open => quote = None,
            Some(_) => {}
            None if c == wanted => return Some(index),
            None if matches!(c, '"' | '\'') => quote = Some(c),
            None => {}
        }
        None
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulation::scenario::document::{parse, parsed};
    use proptest::prelude::*;

    /// The value at a path of bare keys.
    fn at<'n>(root: &'n Node, path: &str) -> Option<&'n Node> {
        path.split('.').try_fold(root, |node, key| node.as_table()?.get(key))
    }

    /// What the text of a place says.
    fn written(sources: &Sources, origin: Origin) -> &str {
        &sources.get(origin.source).unwrap().text[origin.span()]
    }

    #[test]
    fn flags_need_no_quotes_and_keep_their_place() {
        let (mut root, mut sources, _) = parsed("[pools.main]\nreplicas = 2\n");
        for (flag, path, value, place) in [
            ("pools.main.replicas=4", "pools.main.replicas", "4", "4"),
            (
                "pools.main.accelerator=b200-sxm",
                "pools.main.accelerator",
                "text \"b200-sxm\"",
                "b200-sxm",
            ),
            (
                "agents.coder.arrivals.poisson= 0.5 /s ",
                "agents.coder.arrivals.poisson",
                "text \"0.5 /s\"",
                "0.5 /s",
            ),
            ("run.horizon=\"2 h\"", "run.horizon", "text \"2 h\"", "\"2 h\""),
            ("run.cut=true", "run.cut", "true", "true"),
            ("run.date=2026-11-22", "run.date", "text \"2026-11-22\"", "2026-11-22"),
            (
                "pools.'main'.precision={ kv = \"fp8\" }",
                "pools.main.precision.kv",
                "text \"fp8\"",
                "\"fp8\"",
            ),
            ("name=", "name", "text \"\"", ""),
            ("note=a=b", "note", "text \"a=b\"", "a=b"),
        ] {
            set_flag(&mut root, flag, &mut sources).unwrap();
            let node = at(&root, path).unwrap();
            assert_eq!(node.describe(), value, "{flag}");
            assert_eq!(written(&sources, node.origin), place, "{flag}");
        }
        let replicas =
            at(&root, "pools.main").unwrap().as_table().unwrap().entry("replicas").unwrap();
        assert_eq!(written(&sources, replicas.key_origin), "replicas");
        assert_eq!(sources.get(replicas.key_origin.source).unwrap().name, "the command line");
    }

    #[test]
    fn bad_flags_are_faults_at_the_flag() {
        for (flag, message, place) in [
            ("run.trials", "expected `path=value`, found no `=`", "run.trials"),
            ("=3", "the path has an empty part", ""),
            ("run..trials=3", "the path has an empty part", ""),
            ("run.\"a\"b=3", "a quoted part of a path ends with its quote", "\"a\"b"),
            ("run.horizon.x=3", "`run.horizon` is text \"2 h\", it has no `x`", "x"),
            ("run.x=[1, 2", "this list is never closed, expected `]`", "["),
            ("run.x={a = nope}", "text must be in quotes", "nope"),
        ] {
            let (mut root, mut sources, _) = parsed("[run]\nhorizon = \"2 h\"\n");
            let faults = set_flag(&mut root, flag, &mut sources).unwrap_err();
            let fault = faults.iter().next().unwrap();
            assert_eq!(fault.message, message, "{flag}");
            let place = (fault.place.clone().unwrap(), place);
            assert_eq!(&sources.get(place.0.source).unwrap().text[place.0.span], place.1, "{flag}");
        }
    }

    #[test]
    fn a_variant_merges_headers_and_replaces_values_in_braces() {
        let (mut root, sources, _) = parsed(
            r#"
            [pools.main]
            accelerator = "h100-sxm"
            precision = { weights = "fp8", kv = "fp8" }
            replicas = 6
            [variants.quoted]
            "pools.main.accelerator" = "vr200"
            "pools.main.precision" = { weights = "nvfp4" }
            [variants.bare]
            pools.main.replicas = 1
            [variants.header.pools.main]
            replicas = 2
            speculation.tokens = 3
            [variants.wrong]
            pools.main.replicas.count = 1
            "pools." = 2
            "#,
        );
        let base = root.clone();
        let mut variant = |name: &str| {
            let mut faults = Faults::default();
            root = base.clone();
            let table = at(&base, &format!("variants.{name}")).unwrap().as_table().unwrap();
            apply(&mut root, table, &sources, &mut faults);
            (root.clone(), faults)
        };
        let text = |root: &Node, path: &str| at(root, path).map(Node::describe);

        let (root, faults) = variant("quoted");
        assert!(faults.is_empty(), "{faults}");
        assert_eq!(text(&root, "pools.main.precision.weights").unwrap(), "text \"nvfp4\"");
        assert_eq!(text(&root, "pools.main.precision.kv"), None);
        assert_eq!(text(&root, "pools.main.replicas").unwrap(), "6");
        let main = at(&root, "pools.main").unwrap().as_table().unwrap();
        let key = main.entry("accelerator").unwrap().key_origin;
        assert_eq!(written(&sources, key), "accelerator");

        let (root, _) = variant("bare");
        assert_eq!(text(&root, "pools.main.replicas").unwrap(), "1");
        assert_eq!(text(&root, "pools.main.precision.kv").unwrap(), "text \"fp8\"");

        let (root, _) = variant("header");
        assert_eq!(text(&root, "pools.main.replicas").unwrap(), "2");
        assert_eq!(text(&root, "pools.main.speculation.tokens").unwrap(), "3");
        assert_eq!(text(&root, "pools.main.accelerator").unwrap(), "text \"h100-sxm\"");

        let (_, faults) = variant("wrong");
        let messages: Vec<_> = faults.iter().map(|fault| fault.message.as_str()).collect();
        let through = "`pools.main.replicas` is 6, it has no `count`";
        assert_eq!(messages, [through, "the path has an empty part"]);
    }

    #[test]
    fn a_quoted_part_may_hold_dots() {
        let (mut root, mut sources, _) = parsed("");
        set_flag(&mut root, r#"pools."v1.5=x".replicas=4"#, &mut sources).unwrap();
        let pools = at(&root, "pools").unwrap().as_table().unwrap();
        assert_eq!(pools.keys().collect::<Vec<_>>(), ["v1.5=x"]);
        let deep = format!("{}=1", vec!["a"; 10_000].join("."));
        assert!(set_flag(&mut root, &deep, &mut sources).is_err());
    }

    proptest! {
        #[test]
        fn any_flag_is_applied_or_refused(flag in r#"([a-c.="'\[{ ]|\PC){0,24}"#) {
            let (mut root, mut sources, _) = parsed("a = 1\n[b]\nc = 2\n");
            if let Err(faults) = set_flag(&mut root, &flag, &mut sources) {
                for fault in faults.iter() {
                    let place = fault.place.as_ref().unwrap();
                    let text = &sources.get(place.source).unwrap().text;
                    prop_assert!(text.get(place.span.clone()).is_some());
                }
            }
        }

        #[test]
        fn any_variant_is_applied_or_refused(text in r#"[ab.="'{}\[\]\n 1]{0,40}"#) {
            let (mut root, mut sources, _) = parsed("a = 1\n[b]\na = 2\n");
            let source = sources.add_file("variant.toml", text);
            let mut faults = Faults::default();
            if let Some(variant) = parse(source, &sources, &mut faults) {
                apply(&mut root, variant.as_table().unwrap(), &sources, &mut faults);
            }
        }
    }
}
