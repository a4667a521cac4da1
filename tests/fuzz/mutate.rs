//! What is done to a text.

use std::collections::BTreeSet;
use std::ops::Range;

use tokenfleet::foundations::random::Stream;

/// Numbers at which programs break.
const NUMBERS: [&str; 34] = [
    "0",
    "-0.0",
    "-1",
    "1",
    "2",
    "0.5",
    "1e-320",
    "1e-30",
    "1e30",
    "1e308",
    "-1e308",
    "1e309",
    "NaN",
    "nan",
    "inf",
    "-inf",
    "Infinity",
    "null",
    "true",
    "255",
    "65536",
    "2147483648",
    "4294967295",
    "4294967296",
    "9007199254740993",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "-9223372036854775808",
    "1_000_000_000",
    "999999999999999999999999999999",
    "0x7fffffff",
    "1000000000000",
];

/// Texts at which programs break.
const TEXTS: [&str; 40] = [
    "",
    " ",
    "../../../../../../etc/passwd",
    "/dev/zero",
    "/dev/stdin",
    ".",
    "..",
    "a/../../b",
    "con",
    "\u{202e}dlrow",
    "\u{0}",
    "e\u{301}\u{301}\u{301}",
    "\u{200b}",
    "\u{feff}",
    "👩‍👩‍👧‍👧",
    "ﬃ",
    "İ",
    "ß",
    "1e400 s",
    "NaN s",
    "inf GB",
    "-5 min",
    "1e30 h",
    "0 s",
    "0 /s",
    "1e18 /s",
    "1e-300 /s",
    "1 us",
    "1000000 h",
    "99999999999999 TB",
    "$-1 /h",
    "$1e300 /h",
    "-100 %",
    "1e9 %",
    "100 %",
    "0 %",
    "{}",
    "[]",
    "${HOME}",
    "%s%n",
];

/// Mutations of texts, with the words that the corpus knows.
pub(crate) struct Mutator {
    words: Vec<Vec<u8>>,
}

impl Mutator {
    /// One that knows the words of these files.
    pub(crate) fn new(files: &[Vec<u8>]) -> Self {
        let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_' || *byte == b'-';
        let words: BTreeSet<Vec<u8>> = files
            .iter()
            .flat_map(|file| file.split(|byte| !is_part(byte)))
            .filter(|word| (2..40).contains(&word.len()))
            .map(<[u8]>::to_vec)
            .take(2_000_000)
            .collect();
        Self { words: words.into_iter().collect() }
    }

    /// Does one thing to a text.
    pub(crate) fn mutate(&self, text: &mut Vec<u8>, files: &[Vec<u8>], random: &mut Stream) {
        let other = &files[random.below(files.len() as u64) as usize];
        match random.below(20) {
            0..6 => self.replace(text, random, numbers, &NUMBERS),
            6..9 => self.replace(text, random, quoted, &TEXTS),
            9 | 10 => self.replace_word(text, random),
            11 => {
                let (from, to) = (line(other, random), line(text, random));
                text.splice(to.start..to.start, other[from].iter().copied());
            }
            12 => {
                let line = line(text, random);
                text.drain(line);
            }
            13 => {
                let (from, to) = (line(text, random), line(text, random));
                let copied = text[from].to_vec();
                text.splice(to.start..to.start, copied);
            }
            14 => {
                let at = place(text, random);
                let end = (at + random.below(20) as usize).min(text.len());
                let bytes = (0..random.below(12)).map(|_| random.below(256) as u8);
                drop(text.splice(at..end, bytes.collect::<Vec<_>>()));
            }
            15 => {
                let end = place(text, random);
                text.truncate(end);
            }
            16 => {
                // A piece many times over: long lists, deep nests.
                let at = place(text, random);
                let end = (at + 1 + random.below(60) as usize).min(text.len());
                let piece = text[at..end].to_vec();
                let times = 1 << random.below(if piece.len() > 8 { 9 } else { 14 });
                text.splice(at..at, piece.repeat(times));
            }
            17 => {
                let at = place(text, random);
                let marks: [&[u8]; 8] = [b"[", b"{", b"\"", b"\n", b"=", b"}", b"]", b"\xff\xfe"];
                let mark = marks[random.below(8) as usize];
                text.splice(at..at, mark.repeat(1 << random.below(12)));
            }
            18 => {
                let (at, from) = (place(text, random), place(other, random));
                let end = (from + random.below(400) as usize).min(other.len());
                text.splice(at..at, other[from..end].iter().copied());
            }
            _ => {
                let at = place(text, random);
                if let Some(byte) = text.get_mut(at) {
                    *byte ^= 1 << random.below(8);
                }
            }
        }
        text.truncate(400_000);
    }

    /// Puts one of `values` where one of the places is that `find` finds.
    fn replace(
        &self,
        text: &mut Vec<u8>,
        random: &mut Stream,
        find: fn(&[u8]) -> Vec<Range<usize>>,
        values: &[&str],
    ) {
        let places = find(text);
        if places.is_empty() {
            return;
        }
        let place = places[random.below(places.len() as u64) as usize].clone();
        let value = values[random.below(values.len() as u64) as usize];
        text.splice(place, value.bytes());
    }

    fn replace_word(&self, text: &mut Vec<u8>, random: &mut Stream) {
        let places = words(text);
        if places.is_empty() || self.words.is_empty() {
            return;
        }
        let place = places[random.below(places.len() as u64) as usize].clone();
        let word = &self.words[random.below(self.words.len() as u64) as usize];
        text.splice(place, word.iter().copied());
    }
}

fn place(text: &[u8], random: &mut Stream) -> usize {
    random.below(text.len() as u64 + 1) as usize
}

/// A line with its end.
fn line(text: &[u8], random: &mut Stream) -> Range<usize> {
    let at = place(text, random);
    let start = text[..at].iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
    let end = text[at..].iter().position(|&byte| byte == b'\n').map_or(text.len(), |n| at + n + 1);
    start..end
}

/// The longest runs of bytes that are all of a kind.
fn runs(text: &[u8], is_part: impl Fn(u8) -> bool) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut start = None;
    for (at, &byte) in text.iter().chain(b"\n").enumerate() {
        match (start, is_part(byte) && at < text.len()) {
            (None, true) => start = Some(at),
            (Some(from), false) => {
                found.push(from..at);
                start = None;
            }
            _ => {}
        }
    }
    found
}

fn numbers(text: &[u8]) -> Vec<Range<usize>> {
    let mut runs = runs(text, |byte| byte.is_ascii_digit() || byte == b'.' || byte == b'_');
    runs.retain(|run| text[run.start].is_ascii_digit());
    runs
}

fn quoted(text: &[u8]) -> Vec<Range<usize>> {
    let marks: Vec<usize> = (0..text.len()).filter(|&at| text[at] == b'"').collect();
    marks.chunks_exact(2).map(|pair| pair[0] + 1..pair[1]).collect()
}

fn words(text: &[u8]) -> Vec<Range<usize>> {
    runs(text, |byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
}
