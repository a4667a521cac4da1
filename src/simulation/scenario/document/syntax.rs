//! TOML text to a tree, with every error of syntax that it has.

use std::ops::Range;

use toml::de::{DeTable, DeValue};

use super::build::Build;
use super::{Node, Origin, Value};
use crate::foundations::error::{Fault, Faults, SourceId, Sources};

/// Parses the text of `source`.
///
/// Errors of syntax go to `faults`. Where they leave no doubt about what was meant, as with text
/// that lacks its quotes, the tree is given all the same, so that what it says can be checked too.
/// It is `None` where parts of the text may be missing from it.
pub fn parse(source: SourceId, sources: &Sources, faults: &mut Faults) -> Option<Node> {
    let text = &sources.get(source)?.text;
    let start = text.len() - text.trim_start().len();
    if text[start..].starts_with('{') {
        let origin = Origin { source, start, end: start + 1 };
        let fault = Fault::new("this looks like JSON, but TOML is expected").at(origin.place(""));
        faults.push(fault.help("for example `name = \"x\"` instead of `{ \"name\": \"x\" }`"));
        return None;
    }
    let mut build = Build::new(source, text, 0, faults);
    build.check_depth().then_some(())?;
    let (tree, errors) = DeTable::parse_recoverable(text);
    build.note(&errors);
    let root = build.table(tree.get_ref(), 0..0, "");
    build.tell(&root).then_some(root)
}

/// Adds the bytes of a file to `sources` and parses them like [`parse`]; bytes that are not UTF-8
/// are a fault at the first of them.
pub fn parse_bytes(
    name: &str,
    bytes: &[u8],
    sources: &mut Sources,
    faults: &mut Faults,
) -> (SourceId, Option<Node>) {
    match std::str::from_utf8(bytes) {
        Ok(text) => {
            let source = sources.add_file(name, text);
            (source, parse(source, sources, faults))
        }
        Err(error) => {
            let source = sources.add_file(name, String::from_utf8_lossy(bytes));
            let start = error.valid_up_to();
            let wide = bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]);
            let help = match error.error_len() {
                _ if wide => "it begins like UTF-16: save it as UTF-8",
                None => "the file ends inside a character: is it complete?",
                Some(_) => "save it as UTF-8",
            };
            let origin = Origin { source, start, end: start + '\u{fffd}'.len_utf8() };
            faults.push(Fault::new("the file is not UTF-8 text").at(origin.place("")).help(help));
            (source, None)
        }
    }
}

/// Parses the bytes `span` of `source` as one TOML value.
///
/// # Errors
/// Every error of syntax. A bare word such as `h100-sxm` is one: it has no quotes.
pub fn parse_value(
    source: SourceId,
    sources: &Sources,
    span: Range<usize>,
) -> Result<Node, Faults> {
    let text = sources.get(source).and_then(|source| source.text.get(span.clone())).unwrap_or("");
    let mut faults = Faults::default();
    let mut build = Build::new(source, text, span.start, &mut faults);
    if !build.check_depth() {
        return Err(faults);
    }
    let (value, errors) = DeValue::parse_recoverable(text);
    build.note(&errors);
    let node = build.node(value.get_ref(), value.span(), "");
    build.tell(&node);
    faults.into_result(node)
}

/// Parses the bytes `span` of `source` as a TOML value or, where they are none, as a bare text: what
/// a command line gives without its quotes.
///
/// # Errors
/// Every error of syntax in what begins like a TOML list, table or quoted text.
pub fn parse_bare(source: SourceId, sources: &Sources, span: Range<usize>) -> Result<Node, Faults> {
    let text = sources.get(source).and_then(|source| source.text.get(span.clone())).unwrap_or("");
    parse_value(source, sources, span.clone()).or_else(|faults| {
        let value = Value::String(text.to_owned());
        let origin = Origin { source, start: span.start, end: span.end };
        if text.starts_with(['[', '{', '"', '\'']) {
            Err(faults)
        } else {
            Ok(Node { value, origin })
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The faults of a text, each as `line:column text: message (help)`.
    fn faults(text: &str) -> Vec<String> {
        let (mut sources, mut faults) = (Sources::default(), Faults::default());
        let source = sources.add_file("test.toml", text);
        let root = parse(source, &sources, &mut faults);
        assert!(root.is_some() || !faults.is_empty());
        let show = |fault: &Fault| {
            let span = fault.place.clone().unwrap().span;
            let line = text[..span.start].matches('\n').count() + 1;
            let column = text[..span.start].rsplit('\n').next().unwrap().chars().count() + 1;
            let help = fault.help.first().map(|help| format!(" ({help})")).unwrap_or_default();
            let whole = if root.is_some() { "whole" } else { "part" };
            format!("{whole} {line}:{column} {:?}: {}{help}", &text[span], fault.message)
        };
        faults.iter().map(show).collect()
    }

    #[test]
    fn every_error_of_syntax_is_found_and_explained() {
        let text = "name = coding\nkv = fp8\n[run]\nhorizon = 2 h\nwarm_up = 2.5h\n[run]\n";
        assert_eq!(
            faults(text),
            [
                "whole 1:8 \"coding\": text must be in quotes (write `\"coding\"`)",
                "whole 2:6 \"fp8\": text must be in quotes (write `\"fp8\"`)",
                "whole 4:11 \"2 h\": text must be in quotes (write `\"2 h\"`)",
                "whole 5:11 \"2.5h\": text must be in quotes (write `\"2.5h\"`)",
                "whole 6:2 \"run\": `run` is defined twice (keep one of them; the keys of a table \
                 stand together under one header)",
            ]
        );
        assert_eq!(
            faults("a = True\nb = 1.2.3\n"),
            [
                "part 1:5 \"True\": `true` and `false` are written in small letters (write `true`)",
                "part 2:5 \"1.2.3\": `1.2.3` is not a number",
            ]
        );
        assert_eq!(
            faults("a = 1\nb = [1, 2\nc = 3\n[d]\ne = 4\n"),
            ["part 2:5 \"[\": this list is never closed, expected `]`"]
        );
        assert_eq!(
            faults("a = { b = 1, c = { d = 2 \n"),
            ["part 1:18 \"{\": this table is never closed, expected `}`"]
        );
        assert_eq!(
            faults("a = \"abc\nb = '''x\ny\n"),
            [
                "part 1:5 \"\\\"\": this text is never closed, expected `\"`",
                "part 2:5 \"'''\": this text is never closed, expected `'''`",
            ]
        );
        assert_eq!(faults("a = \r\n"), ["part 1:5 \"\": a value is missing here"]);
        assert_eq!(faults("{\"a\": 1}").len(), 1);
        assert!(faults("name: x\n")[0].ends_with("separated by `=`)"));
        assert_eq!(
            faults("a = 1e999\nb = 99999999999999999999\n"),
            [
                "whole 1:5 \"1e999\": the number is too large",
                "whole 2:5 \"99999999999999999999\": the whole number does not fit into 64 bits",
            ]
        );
    }

    #[test]
    fn keys_keep_the_order_in_which_they_were_written() {
        let (root, _, _) = super::super::parsed("b = 1\na = 2\n[z.y]\nc = 3\n[k]\n[z.a]\n");
        let table = root.as_table().unwrap();
        assert_eq!(table.keys().collect::<Vec<_>>(), ["b", "a", "z", "k"]);
        let z = table.get("z").and_then(Node::as_table).unwrap();
        assert_eq!(z.keys().collect::<Vec<_>>(), ["y", "a"]);
    }

    #[test]
    fn bytes_that_are_not_text_are_a_fault_where_they_begin() {
        let read = |bytes: &[u8]| {
            let (mut sources, mut faults) = (Sources::default(), Faults::default());
            assert!(parse_bytes("x", bytes, &mut sources, &mut faults).1.is_none());
            let fault = faults.into_iter().next().unwrap();
            let place = fault.place.unwrap();
            let shown = sources.get(place.source).unwrap().text[place.span].to_owned();
            (shown, fault.help[0].clone())
        };
        let replaced = "\u{fffd}".to_owned();
        assert_eq!(read(b"a = 1\xff = 2"), (replaced.clone(), "save it as UTF-8".into()));
        let cut = "the file ends inside a character: is it complete?";
        assert_eq!(
            read("a = \"ü".as_bytes().split_last().unwrap().1),
            (replaced.clone(), cut.into())
        );
        let wide = "it begins like UTF-16: save it as UTF-8";
        assert_eq!(read(b"\xff\xfea\0"), (replaced, wide.into()));
    }

    #[test]
    fn deep_nesting_is_refused_and_long_lists_are_not() {
        for text in [
            format!("a = {}", "[".repeat(100_000)),
            format!("a = {}1{}", "{ b = ".repeat(100_000), "}".repeat(100_000)),
            format!("[{}]", vec!["a"; 100_000].join(".")),
            format!("{} = 1", vec!["a"; 100_000].join(".")),
            format!("x = {{ {} = 1 }}", vec!["a"; 100_000].join(".")),
        ] {
            assert_eq!(faults(&text).len(), 1);
            assert!(faults(&text)[0].ends_with("nested more than 64 levels deep"));
        }
        assert!(faults(&format!("a = [{}]", "1, ".repeat(200_000))).is_empty());
        assert!(faults(&format!("a = \"{}\" # {0}", ".".repeat(100_000))).is_empty());
        let keys: String = (0..20_000).map(|key| format!("k{key} = {key}\n")).collect();
        assert!(faults(&keys).is_empty());
    }

    /// A valid document of everything that scenarios use.
    const SAMPLE: &str = r#"
        name = "coding-agents" # a comment
        [agents.coder]
        arrivals = { poisson = "0.4 /s" }
        output = { mixture = [{ weight = 0.7, constant = 1e3 }, { weight = 0.3, constant = 5 }] }
        text = """two
        lines"""
        path = 'C:\x'
        on = true
        [[agents.coder.steps]]
        kind = "llm"
        [variants.rubin]
        "pools.main.accelerator" = "vr200"
        pools.main.precision.kv = "fp8"
        date = 2026-11-22
    "#;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]

        #[test]
        fn any_text_is_parsed_or_refused(text in r"\PC*") {
            faults(&text);
        }

        #[test]
        fn anything_like_toml_is_parsed_or_refused(text in r#"[abü.="'{}\[\]\n\r\t ,#\\:1e_-]{0,60}"#) {
            faults(&text);
        }

        #[test]
        fn a_damaged_document_is_parsed_or_refused(
            cut in 0usize..700, length in 0usize..30, insert in r#"[\[\]{}"'=.\n\x00ü]{0,3}"#,
        ) {
            let start = SAMPLE.floor_char_boundary(cut.min(SAMPLE.len()));
            let end = SAMPLE.ceil_char_boundary((start + length).min(SAMPLE.len()));
            faults(&format!("{}{insert}{}", &SAMPLE[..start], &SAMPLE[end..]));
        }

        #[test]
        fn any_bytes_are_parsed_or_refused(bytes: Vec<u8>) {
            let (mut sources, mut faults) = (Sources::default(), Faults::default());
            let (_, root) = parse_bytes("x", &bytes, &mut sources, &mut faults);
            prop_assert!(root.is_some() || !faults.is_empty());
        }
    }
}
