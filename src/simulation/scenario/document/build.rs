//! The tree of one text, and its errors of syntax in our words.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue, Error};
use toml_parser::lexer::TokenKind;

use super::{DEEPEST, Entry, Node, Origin, Table, Value, join_path};
use crate::foundations::error::{Fault, Faults, SourceId, shortened};

/// The building of one text's tree.
pub(super) struct Build<'t> {
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
    /// For `text`, which begins at `offset` in its source.
    pub(super) fn new(
        source: SourceId,
        text: &'t str,
        offset: usize,
        faults: &'t mut Faults,
    ) -> Self {
        Build { source, text, offset, errors: Vec::new(), faults, whole: true }
    }

    /// Whether the text nests no deeper than is allowed; a fault otherwise.
    pub(super) fn check_depth(&mut self) -> bool {
        let Some(span) = too_deep(self.text) else { return true };
        let place = self.origin(span).place("");
        self.faults.push(Fault::new(format!("nested more than {DEEPEST} levels deep")).at(place));
        false
    }

    /// Takes the parser's errors.
    pub(super) fn note(&mut self, errors: &[Error]) {
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

    pub(super) fn table(&mut self, table: &DeTable<'_>, span: Range<usize>, path: &str) -> Node {
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

    pub(super) fn node(&mut self, value: &DeValue<'_>, span: Range<usize>, path: &str) -> Node {
        let origin = self.origin(span.clone());
        let value = match value {
            DeValue::Table(table) => return self.table(table, span, path),
            DeValue::Array(items) => {
                let item = |(index, item): (usize, &Spanned<DeValue<'_>>)| {
                    self.node(item.get_ref(), item.span(), &format!("{path}[{index}]"))
                };
                Value::Array(items.iter().enumerate().map(item).collect())
            }
            DeValue::String(_) if self.is_unclosed(&span) => {
                let written = self.written(&span);
                let quote = &written[..1];
                let quotes = if written.starts_with(&quote.repeat(3)) { 3 } else { 1 };
                let message =
                    format!("this text is never closed, expected `{}`", quote.repeat(quotes));
                let opening = Origin { end: origin.start + quotes, ..origin };
                self.faults.push(Fault::new(message).at(opening.place(path)));
                self.whole = false;
                Value::String(String::new())
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

    /// Whether the text in quotes that is written in `span` lacks the closing one. Its errors count
    /// as told.
    fn is_unclosed(&mut self, span: &Range<usize>) -> bool {
        if !self.written(span).starts_with(['"', '\'']) {
            return false;
        }
        let first = self.errors.partition_point(|error| error.span.start < span.start);
        let mut errors: Vec<_> = self.errors[first..]
            .iter_mut()
            .take_while(|error| error.span.end <= span.end)
            .collect();
        let is_end = |error: &&mut SyntaxError| {
            error.span == (span.end..span.end) && error.message.contains("string, expected")
        };
        let unclosed = errors.iter().any(is_end);
        errors.iter_mut().for_each(|error| error.told |= unclosed);
        unclosed
    }

    /// Turns the errors that are left into faults that say what to do. Returns whether the tree
    /// holds all that the text says.
    pub(super) fn tell(mut self, root: &Node) -> bool {
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
        // One mistake on a line often brings the same error again.
        let text = self.text.as_bytes();
        errors.dedup_by(|next, error| {
            let between = text.get(error.span.start..next.span.start).unwrap_or(&[]);
            next.message == error.message && !between.contains(&b'\n')
        });
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
            _ if found == ":" => fault.help("a key and its value are separated by `=`"),
            _ if message.starts_with("invalid unquoted key") => fault.help("put the key in quotes"),
            _ if message.starts_with("unexpected key or value") => {
                fault.help("each key stands on a line of its own")
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
        "" => (Fault::new("a value is missing here"), false),
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
