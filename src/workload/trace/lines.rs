//! Reading recorded text: line by line with its place, and what to say of files that are no text.

use serde::de::{Deserialize, IgnoredAny};

use std::io::{BufRead, Read};

use super::{TraceError, TracePlace};

/// Longer lines are not recorded requests but a file without line breaks.
const LONGEST_LINE: u64 = 1 << 30;

/// The lines of a file in one reused buffer, each with its place.
pub(super) struct Lines<R> {
    reader: R,
    place: TracePlace,
    buffer: Vec<u8>,
    next_byte: u64,
    /// Lines without content that were passed over.
    pub(super) blank: u64,
}

impl<R: BufRead> Lines<R> {
    pub(super) fn new(file: &str, reader: R) -> Self {
        let place = TracePlace { file: file.to_owned(), ..TracePlace::default() };
        Self { reader, place, buffer: Vec::new(), next_byte: 0, blank: 0 }
    }

    /// Where the line that was read last begins.
    pub(super) fn place(&self) -> &TracePlace {
        &self.place
    }

    /// The line that was read last.
    pub(super) fn line(&self) -> &[u8] {
        self.buffer.trim_ascii_end()
    }

    /// Reads the next line that has content; false at the end of the file.
    pub(super) fn read(&mut self) -> Result<bool, TraceError> {
        loop {
            self.buffer.clear();
            let mut line = self.reader.by_ref().take(LONGEST_LINE + 1);
            let read = line.read_until(b'\n', &mut self.buffer);
            let read = read.map_err(|source| self.unreadable(source))?;
            self.place.line += 1;
            self.place.byte = self.next_byte;
            self.next_byte += read as u64;
            if read == 0 {
                return Ok(false);
            }
            if self.place.line == 1 {
                strip_byte_order_mark(&mut self.buffer);
                if let Some((problem, mend)) = not_text(&self.buffer) {
                    return Err(malformed(self.place.clone(), problem, mend));
                }
            }
            self.check_length()?;
            if !self.line().is_empty() {
                return Ok(true);
            }
            self.blank += 1;
        }
    }

    /// Whether the line that was read last doesn't break off in the middle of a value.
    pub(super) fn is_complete(&self) -> bool {
        serde_json::from_slice::<IgnoredAny>(self.line())
            .map_or_else(|error| !error.is_eof(), |_| true)
    }

    /// Reads the rest of the file as if it were of the same line.
    pub(super) fn read_rest(&mut self) -> Result<(), TraceError> {
        let mut rest = self.reader.by_ref().take(LONGEST_LINE);
        let read = rest.read_to_end(&mut self.buffer).map_err(|source| self.unreadable(source))?;
        self.next_byte += read as u64;
        self.check_length()
    }

    fn check_length(&self) -> Result<(), TraceError> {
        if self.buffer.len() as u64 <= LONGEST_LINE {
            return Ok(());
        }
        let problem = "a record longer than 1 GiB";
        Err(malformed(self.place.clone(), problem, "write one record per line"))
    }

    fn unreadable(&self, source: std::io::Error) -> TraceError {
        TraceError::Unreadable { file: self.place.file.clone(), source }
    }

    /// Reads one value from the line that was read last.
    pub(super) fn parse<'a, T: Deserialize<'a>>(&'a self, mend: &str) -> Result<T, TraceError> {
        serde_json::from_slice(self.line())
            .map_err(|error| json_error(&self.place, self.line(), &error, mend))
    }
}

pub(super) fn malformed(
    place: TracePlace,
    problem: impl Into<String>,
    mend: impl Into<String>,
) -> TraceError {
    TraceError::Malformed { place, problem: problem.into(), mend: mend.into() }
}

fn strip_byte_order_mark(text: &mut Vec<u8>) {
    if text.starts_with(b"\xef\xbb\xbf") {
        text.drain(..3);
    }
}

/// What a file is that is surely no JSON, and what to do about it.
pub(super) fn not_text(start: &[u8]) -> Option<(&'static str, &'static str)> {
    let starts = |magic: &[u8]| start.starts_with(magic);
    if starts(b"\x1f\x8b") {
        Some(("the file is compressed with gzip", "unpack it with `gunzip`"))
    } else if starts(b"\x28\xb5\x2f\xfd") {
        Some(("the file is compressed with zstd", "unpack it with `unzstd`"))
    } else if starts(b"PK\x03\x04") {
        Some(("the file is a zip archive", "unpack it with `unzip`"))
    } else if starts(b"PAR1") {
        Some(("the file is Parquet", "export its rows as JSON lines"))
    } else if starts(b"version https://git-lfs") {
        Some(("the file is a Git LFS pointer, not the trace", "fetch it with `git lfs pull`"))
    } else {
        None
    }
}

/// Turns an error of the JSON reader, who knows lines and columns of `text` alone, into one with
/// the place in the file. `text` begins at `start`.
pub(super) fn json_error(
    start: &TracePlace,
    text: &[u8],
    error: &serde_json::Error,
    mend: &str,
) -> TraceError {
    let (line, column) = (error.line().max(1), error.column());
    let before: usize = text.split_inclusive(|&b| b == b'\n').take(line - 1).map(<[u8]>::len).sum();
    let byte = start.byte + (before + column.saturating_sub(1)) as u64;
    let place = TracePlace { line: start.line + line as u64 - 1, byte, ..start.clone() };
    let message = error.to_string();
    // The reader's own place is relative to the text it was given, and would contradict ours.
    let message = message.rsplit_once(" at line ").map_or(message.as_str(), |(what, _)| what);
    if error.is_eof() {
        malformed(place, format!("truncated: {message}"), mend)
    } else {
        malformed(place, message, mend)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_lines_and_bytes_of_the_file() {
        let text = b"\xef\xbb\xbf1\r\n\n[1,\n2]\n";
        let mut lines = Lines::new("f", &text[..]);
        assert!(lines.read().unwrap());
        assert_eq!((lines.line(), lines.place().line, lines.place().byte), (&b"1"[..], 1, 0));
        assert!(lines.read().unwrap());
        assert_eq!((lines.line(), lines.place().line, lines.place().byte), (&b"[1,"[..], 3, 7));
        assert_eq!(lines.blank, 1);
        let error = lines.parse::<Vec<u8>>("close it").unwrap_err().to_string();
        assert_eq!(error, "f, line 3, byte 9: truncated: EOF while parsing a value (close it)");
    }

    #[test]
    fn files_that_are_no_text_are_named() {
        for (start, word) in [(&b"\x1f\x8b\x08"[..], "gunzip"), (b"version https://git-lfs", "lfs")]
        {
            let mut lines = Lines::new("f", start);
            assert!(lines.read().unwrap_err().to_string().contains(word));
        }
    }
}
