//! TOML text to a tree, with every error of syntax that it has.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue, Error};
use toml_parser::lexer::TokenKind;

use super::{DEEPEST, Entry, Node, Origin, Table, Value, join_path};
use crate::foundations::error::{Fault, Faults, SourceId, Sources, shortened};

/// Parses the text of `source`.
///
/// Errors of syntax go to `faults`. Where they leave no doubt about what was meant, as with text
/// that lacks its quotes, the tree is given all the same, so that what it says can be checked too.
/// It is `None` where parts of the text may be missing from it.
pub fn parse(source: SourceId, sources: &Sources, faults: &mut Faults) -> Option<Node> {
    let mut build = Build::new(source, &sources.get(source)?.text, faults);
    build.check_depth().then_some(())?;
    let (tree, errors) = DeTable::parse_recoverable(build.text);
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
    let mut build = Build { offset: span.start, ..Build::new(source, text, &mut faults) };
    if !build.check_depth() {
        return Err(faults);
    }
    let (value, errors) = DeValue::parse_recoverable(text);
    build.note(&errors);
    let node = build.node(value.get_ref(), value.span(), "");
    build.tell(&node);
    faults.into_result(node)
}

/// Where the text nests too deep, if it does. The tokens suffice to tell, and reading them takes
/// no recursion.
fn too_deep(text: &str) -> Option<Range<usize>> {
    let (mut depth, mut dots, mut open) = (0, 0, Vec::new());
    for token in toml_parser::Source::new(text).lex() {
        match token.kind() {
            TokenKind::Dot => dots += 1,
            TokenKind::LeftSquareBracket | TokenKind::LeftCurlyBracket => {
                open.push(dots + 1);
                depth += dots + 1;
                dots = 0;
            }
            TokenKind::RightSquareBracket | TokenKind::RightCurlyBracket => {
                depth -= open.pop().unwrap_or(0);
                dots = 0;
            }
            TokenKind::Comma => dots = 0,
            TokenKind::Newline if open.is_empty() => dots = 0,
            _ => {}
        }
        if depth + dots > DEEPEST {
            return Some(token.span().start()..token.span().end());
        }
    }
    None
}

/// The building of one text's tree.
struct Build<'t> {
    source: SourceId,
    text: &'t str,
    /// Where `text` begins in its source.
    offset: usize,
    /// The parser's errors, by where they begin.
    errors: Vec<SyntaxError>,
    faults: &'t mut Faults,
    /// Whether the tree holds all that the text says.
    whole: bool,
}

struct SyntaxError {
    span: Range<usize>,
    message: String,
    /// Whether a fault says it already.
    told: bool,
}

impl<'t> Build<'t> {
    fn new(source: SourceId, text: &'t str, faults: &'t mut Faults) -> Self {
        Build { source, text, offset: 0, errors: Vec::new(), faults, whole: true }
    }

    /// Whether the text nests no deeper than is allowed; a fault otherwise.
    fn check_depth(&mut self) -> bool {
        let Some(span) = too_deep(self.text) else { return true };
        let place = self.origin(span).place("");
        self.faults.push(Fault::new(format!("nested more than {DEEPEST} levels deep")).at(place));
        false
    }

    /// Takes the parser's errors.
    fn note(&mut self, errors: &[Error]) {
        self.errors.extend(errors.iter().map(|error| SyntaxError {
            span: error.span().unwrap_or(0..0),
            message: error.message().to_owned(),
            told: false,
        }));
        self.errors.sort_by_key(|error| error.span.start);
    }

    /// The text of a range, made to lie within the text and between characters.
    fn written(&self, span: &Range<usize>) -> &'t str {
        let start = self.text.floor_char_boundary(span.start);
        &self.text[start..self.text.ceil_char_boundary(span.end).max(start)]
    }

    fn origin(&self, span: Range<usize>) -> Origin {
        let start = self.offset + self.text.floor_char_boundary(span.start);
        Origin { source: self.source, start, end: start + self.written(&span).len() }
    }

    fn table(&mut self, table: &DeTable<'_>, span: Range<usize>, path: &str) -> Node {
        let mut entries: Vec<Entry> = table
            .iter()
            .map(|(key, value)| {
                let path = join_path(path, key.get_ref());
                Entry {
                    key: key.get_ref().to_string(),
                    key_origin: self.origin(key.span()),
                    node: self.node(value.get_ref(), value.span(), &path),
                }
            })
            .collect();
        entries.sort_by_key(|entry| entry.key_origin.start);
        let inline = self.written(&span).starts_with('{');
        Node { value: Value::Table(Table { entries, inline }), origin: self.origin(span) }
    }

    fn node(&mut self, value: &DeValue<'_>, span: Range<usize>, path: &str) -> Node {
        let origin = self.origin(span.clone());
        let value = match value {
            DeValue::Table(table) => return self.table(table, span, path),
            DeValue::Array(items) => {
                let item = |(index, item): (usize, &Spanned<DeValue<'_>>)| {
                    self.node(item.get_ref(), item.span(), &format!("{path}[{index}]"))
                };
                Value::Array(items.iter().enumerate().map(item).collect())
            }
            _ if self.is_malformed(&span) => {
                let written = self.written(&span);
                let (fault, is_text) = malformed(written);
                self.faults.push(fault.at(origin.place(path)));
                self.whole &= is_text;
                Value::String(written.to_owned())
            }
            DeValue::String(text) => Value::String(text.to_string()),
            DeValue::Boolean(flag) => Value::Boolean(*flag),
            DeValue::Datetime(date) => Value::String(date.to_string()),
            DeValue::Integer(integer) => {
                let number = i64::from_str_radix(integer.as_str(), integer.radix());
                if number.is_err() {
                    let message = "the whole number does not fit into 64 bits";
                    self.faults.push(Fault::new(message).at(origin.place(path)));
                }
                Value::Integer(number.unwrap_or_default())
            }
            DeValue::Float(float) => {
                let number: f64 = float.as_str().parse().unwrap_or_default();
                if number.is_infinite() && !float.as_str().contains("inf") {
                    self.faults.push(Fault::new("the number is too large").at(origin.place(path)));
                }
                Value::Float(number)
            }
        };
        Node { value, origin }
    }

    /// Whether the value written in `span` is neither a number, a boolean, a date nor in quotes. Its
    /// errors count as told.
    fn is_malformed(&mut self, span: &Range<usize>) -> bool {
        if self.written(span).starts_with(['"', '\'']) {
            return false;
        }
        let first = self.errors.partition_point(|error| error.span.start < span.start);
        let errors = self.errors[first..].iter_mut().take_while(|error| error.span.end <= span.end);
        // What is missing around a value is not its own error.
        let own = errors.filter(|error| {
            !error.message.starts_with("unclosed") && !error.message.starts_with("missing comma")
        });
        own.map(|error| error.told = true).count() > 0
    }

    /// Turns the errors that are left into faults that say what to do. Returns whether the tree
    /// holds all that the text says.
    fn tell(mut self, root: &Node) -> bool {
        let errors = std::mem::take(&mut self.errors);
        let mut errors: Vec<_> = errors.into_iter().filter(|error| !error.told).collect();
        // Behind a bracket that is never closed everything is misread: only that one is worth
        // telling, and it is told where it opens.
        let unclosed = errors
            .iter()
            .filter(|error| error.message.starts_with("unclosed"))
            .find_map(|error| self.unclosed_until(error.span.start + self.offset, root));
        if let Some(origin) = unclosed {
            let start = origin.start - self.offset;
            let table = self.text[start..].starts_with('{');
            let (what, closing) = if table { ("table", '}') } else { ("list", ']') };
            let fault = Fault::new(format!("this {what} is never closed, expected `{closing}`"));
            let opening = Origin { end: origin.start + 1, ..origin };
            let source = self.source;
            self.faults.retain(|fault| {
                let place = fault.place.as_ref();
                place.is_none_or(|place| place.source != source || place.span.start < origin.start)
            });
            self.faults.push(fault.at(opening.place("")));
            errors.retain(|error| error.span.start < start);
            self.whole = false;
        }
        for error in errors {
            let (fault, harmless) = self.fault(&error);
            self.faults.push(fault.at(self.origin(error.span).place("")));
            self.whole &= harmless;
        }
        self.whole
    }

    /// One error in our words, and whether the tree is whole in spite of it.
    fn fault(&self, error: &SyntaxError) -> (Fault, bool) {
        let found = self.written(&error.span);
        let message = &*error.message;
        if message == "duplicate key" {
            let fault = Fault::new(format!("`{}` is defined twice", shortened(found)));
            let help = "keep one of them; the keys of a table stand together under one header";
            return (fault.help(help), true);
        }
        let fault = Fault::new(message.strip_suffix(", expected nothing").unwrap_or(message));
        let fault = match message {
            _ if self.text.trim_start().starts_with('{') => {
                fault.help("this looks like JSON, but TOML is expected")
            }
            _ if found == ":" => fault.help("a key and its value are separated by `=`"),
            _ if message.contains("string") && found.is_empty() => {
                fault.help("the text is never closed: is a quote missing, or the end of the file?")
            }
            _ => fault,
        };
        (fault, false)
    }

    /// The innermost list or inline table of `node` that ends at `end` without its closing bracket.
    fn unclosed_until(&self, end: usize, node: &Node) -> Option<Origin> {
        let inner = match &node.value {
            Value::Array(items) => items.iter().find_map(|item| self.unclosed_until(end, item)),
            Value::Table(table) => {
                table.entries.iter().find_map(|entry| self.unclosed_until(end, &entry.node))
            }
            _ => None,
        };
        let Origin { start, end: node_end, .. } = node.origin;
        let written = &self.text[start - self.offset..node_end - self.offset];
        let open = (written.starts_with('[') && !written.ends_with(']'))
            || (written.starts_with('{') && !written.ends_with('}'));
        inner.or((open && node_end == end).then_some(node.origin))
    }
}

/// The fault of a value without quotes, and whether it can be taken for a text.
fn malformed(written: &str) -> (Fault, bool) {
    let numeric = |c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.' | '_' | ':');
    match written.to_ascii_lowercase().as_str() {
        flag @ ("true" | "false") => {
            let fault = Fault::new("`true` and `false` are written in small letters");
            (fault.help(format!("write `{flag}`")), false)
        }
        number if number.chars().all(numeric) => {
            (Fault::new(format!("`{}` is not a number", shortened(written))), false)
        }
        _ => {
            let fault = Fault::new("text must be in quotes");
            match written.contains(['"', '\n']) || written.len() > 80 {
                true => (fault, true),
                false => (fault.help(format!("write `\"{written}\"`")), true),
            }
        }
    }
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
            faults("a = \"abc\nb = 1\n"),
            ["part 1:9 \"\": invalid basic string, expected `\"` (the text is never closed: is a \
              quote missing, or the end of the file?)"]
        );
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
