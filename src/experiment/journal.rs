//! Pieces of an experiment on a disk: a checkpoint that grows, or a shard.
//!
//! A file begins with [`MAGIC`] and holds frames: the length of a text in four bytes, little end
//! first; the SHA-256 of the frame's text behind the SHA-256 of the frame before; the text, which is a
//! `Frame` written by postcard. The first frame says what the experiment is, the others hold a
//! [`Record`] each, the last one says that the file is whole. Each digest stands on all that came
//! before it: a byte that changed, a frame that is missing, doubled or moved is noticed, and a file
//! that was cut short is sound up to its last whole frame.

use std::io::{self, Write};

use sha2::{Digest, Sha256};

use super::store::Record;

/// The first bytes of every file.
pub const MAGIC: &[u8] = b"tokenfleet pieces 1\n";

/// A digest.
type Sum = [u8; 32];

/// What a frame holds.
#[derive(serde::Serialize, serde::Deserialize)]
enum Frame {
    /// What the experiment is.
    Heading(String),
    /// A piece.
    Record(Record),
    /// No more pieces come.
    End,
}

/// Writes a file frame by frame.
#[derive(Debug)]
pub struct Journal<W> {
    out: W,
    last: Sum,
}

impl<W: Write> Journal<W> {
    /// Begins a file.
    ///
    /// # Errors
    /// What `out` says.
    pub fn begin(mut out: W, heading: &str) -> io::Result<Self> {
        out.write_all(MAGIC)?;
        let mut journal = Self { out, last: Sum::default() };
        journal.add(&Frame::Heading(heading.to_owned()))?;
        Ok(journal)
    }

    /// Goes on behind what was read of a file.
    pub fn resume(out: W, read: &Written) -> Self {
        Self { out, last: read.last }
    }

    /// Adds a piece.
    ///
    /// # Errors
    /// What `out` says.
    pub fn record(&mut self, record: Record) -> io::Result<()> {
        self.add(&Frame::Record(record))
    }

    /// Says that no more pieces come: what was written to.
    ///
    /// # Errors
    /// What `out` says.
    pub fn end(mut self) -> io::Result<W> {
        self.add(&Frame::End)?;
        Ok(self.out)
    }

    /// What is written to.
    pub fn out(&mut self) -> &mut W {
        &mut self.out
    }

    /// A frame in one write, so that few of them are cut.
    fn add(&mut self, frame: &Frame) -> io::Result<()> {
        let text = postcard::to_stdvec(frame).map_err(io::Error::other)?;
        let length = u32::try_from(text.len()).map_err(io::Error::other)?;
        let last = chained(&self.last, &text);
        let bytes = [&length.to_le_bytes()[..], &last, &text].concat();
        self.out.write_all(&bytes)?;
        self.last = last;
        Ok(())
    }
}

/// What a file holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// What the experiment is.
    pub heading: String,
    /// The pieces.
    pub records: Vec<Record>,
    /// Whether the file says that there are no more.
    pub is_whole: bool,
    /// Bytes up to the end of the last sound frame.
    pub sound: usize,
    last: Sum,
}

/// Why a file is none of pieces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// It begins with something else.
    #[error("it is no file of pieces of an experiment")]
    Foreign,
    /// It was cut short before it said what it is.
    #[error("it was cut short")]
    Empty,
    /// From this byte on it is not what was written.
    #[error("it is damaged or cut short at byte {0}")]
    At(usize),
}

impl Written {
    /// Reads a file up to its last sound frame.
    ///
    /// # Errors
    /// When not even its heading is sound.
    pub fn read(bytes: &[u8]) -> Result<Self, Damage> {
        if !bytes.starts_with(&MAGIC[..MAGIC.len().min(bytes.len())]) {
            return Err(Damage::Foreign);
        }
        let mut at = MAGIC.len();
        let mut last = Sum::default();
        let mut next = || {
            let (frame, length, sum) = frame(bytes.get(at..)?, &last)?;
            (at, last) = (at + length, sum);
            Some((frame, at, sum))
        };
        let Some((Frame::Heading(heading), sound, last)) = next() else {
            return Err(Damage::Empty);
        };
        let mut read = Self { heading, records: Vec::new(), is_whole: false, sound, last };
        while let Some((frame, sound, last)) = next() {
            match frame {
                Frame::Record(record) if !read.is_whole => read.records.push(record),
                Frame::End if !read.is_whole => read.is_whole = true,
                _ => break,
            }
            (read.sound, read.last) = (sound, last);
        }
        Ok(read)
    }

    /// Reads a file that must be whole.
    ///
    /// # Errors
    /// Where it is not.
    pub fn read_whole(bytes: &[u8]) -> Result<Self, Damage> {
        let read = Self::read(bytes)?;
        match read.is_whole && read.sound == bytes.len() {
            true => Ok(read),
            false => Err(Damage::At(read.sound)),
        }
    }
}

/// The frame at the start of some bytes, with its length and its digest; none where it is not sound.
fn frame(bytes: &[u8], last: &Sum) -> Option<(Frame, usize, Sum)> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let (sum, rest) = rest.split_first_chunk::<32>()?;
    let text = rest.get(..u32::from_le_bytes(*length) as usize)?;
    let frame = postcard::from_bytes(text).ok().filter(|_| chained(last, text) == *sum)?;
    Some((frame, 4 + 32 + text.len(), *sum))
}

fn chained(last: &Sum, text: &[u8]) -> Sum {
    Sha256::new().chain_update(last).chain_update(text).finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(at: u8) -> Record {
        Record { key: format!("trials/{at}"), found: vec![at; 40] }
    }

    fn whole() -> Vec<u8> {
        let mut journal = Journal::begin(Vec::new(), "an experiment").unwrap();
        (0..3).for_each(|at| journal.record(record(at)).unwrap());
        journal.end().unwrap()
    }

    #[test]
    fn what_was_written_is_read() {
        let read = Written::read_whole(&whole()).unwrap();
        assert_eq!(read.heading, "an experiment");
        assert_eq!(read.records, [0, 1, 2].map(record));
    }

    /// Cut at any byte, a file is not whole, and what is left of it are its first pieces; going on
    /// behind them gives the file that was never cut.
    #[test]
    fn a_file_that_was_cut_is_sound_up_to_its_last_frame() {
        let bytes = whole();
        for length in 0..bytes.len() {
            assert!(Written::read_whole(&bytes[..length]).is_err(), "{length}");
            let Ok(read) = Written::read(&bytes[..length]) else { continue };
            let count = read.records.len();
            let mut journal = Journal::resume(bytes[..read.sound].to_vec(), &read);
            (count as u8..3).for_each(|at| journal.record(record(at)).unwrap());
            assert_eq!(journal.end().unwrap(), bytes, "{length}");
        }
    }

    #[test]
    fn every_changed_byte_is_noticed() {
        let bytes = whole();
        for at in 0..bytes.len() {
            for change in [1, 128] {
                let mut changed = bytes.clone();
                changed[at] ^= change;
                assert!(Written::read_whole(&changed).is_err(), "{at}");
            }
        }
        assert_eq!(Written::read(b"%PDF-1.7 and so on"), Err(Damage::Foreign));
    }

    /// Frames that are sound by themselves, but not where they stand.
    #[test]
    fn moved_and_doubled_frames_are_noticed() {
        let bytes = whole();
        let read = Written::read(&bytes).unwrap();
        let size = 4 + 32 + postcard::to_stdvec(&Frame::Record(record(0))).unwrap().len();
        let end = 4 + 32 + 1;
        let first = read.sound - end - 3 * size;
        let frames: Vec<&[u8]> = bytes[first..first + 3 * size].chunks(size).collect();
        for order in [&[1, 0, 2][..], &[0, 0, 1, 2], &[0, 2]] {
            let mut moved = bytes[..first].to_vec();
            order.iter().for_each(|&at| moved.extend_from_slice(frames[at]));
            moved.extend_from_slice(&bytes[first + 3 * size..]);
            assert!(Written::read_whole(&moved).is_err(), "{order:?}");
        }
    }
}
