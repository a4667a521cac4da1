//! What was found before, and where what is found now is kept.
//!
//! A trial is a pure function of plan, seed and number, and findings merge exactly. So an experiment
//! may be done in pieces, and a store is what lies between them: an experiment asks it for each piece
//! before simulating, and gives it each piece that was simulated. Taken up after a crash, it has the
//! pieces of a [`journal`](super::journal); in a shard, it lets every n-th piece be simulated; where
//! shards are merged, it has all of them. What comes of it is the same.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Where pieces go that are to be kept.
pub trait Sink: Send + Sync {
    /// Whether it is time to keep what was found since it last was.
    fn is_due(&self) -> bool;

    /// Keeps a piece. One that cannot be kept is the sink's to tell.
    fn put(&self, record: Record);
}

/// A piece in the form in which it is kept.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Record {
    /// What it is of: the same in every run of the experiment.
    pub key: String,
    /// What was found, written by postcard.
    pub found: Vec<u8>,
}

/// One of the parts that an experiment is cut into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// Which, from 0.
    pub index: u64,
    /// Of how many.
    pub of: u64,
}

/// See the module's page.
#[derive(Default)]
pub struct Store {
    known: Mutex<BTreeMap<String, Vec<Vec<u8>>>>,
    sink: Option<Box<dyn Sink>>,
    share: Option<Share>,
    asked: AtomicU64,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("share", &self.share).finish_non_exhaustive()
    }
}

impl Store {
    /// A store that has these pieces already, and puts new ones into `sink`.
    pub fn new(known: Vec<Record>, sink: Option<Box<dyn Sink>>) -> Self {
        let mut by_key: BTreeMap<String, Vec<Vec<u8>>> = BTreeMap::new();
        for Record { key, found } in known {
            by_key.entry(key).or_default().push(found);
        }
        Self { known: Mutex::new(by_key), sink, ..Self::default() }
    }

    /// A store for a part of an experiment: it has nothing yet.
    pub fn of_share(share: Share, sink: Box<dyn Sink>) -> Self {
        Self { share: Some(share), sink: Some(sink), ..Self::default() }
    }

    /// The part of the experiment that is simulated, where that is not all of it.
    pub fn share(&self) -> Option<Share> {
        self.share
    }

    /// Whether it wants to be given what is found.
    pub fn keeps(&self) -> bool {
        self.sink.is_some()
    }

    /// Whether it is time to give it what was found.
    pub fn is_due(&self) -> bool {
        self.sink.as_ref().is_some_and(|sink| sink.is_due())
    }

    /// Whether the next piece, of all in the order of the experiment, is to be simulated here.
    /// Shards take turns, and after each round another begins: where pieces of one kind come at
    /// regular places, no shard gets all of them.
    pub fn is_mine(&self) -> bool {
        self.share.is_none_or(|Share { index, of }| {
            let next = self.asked.fetch_add(1, Ordering::Relaxed);
            (next + next / of) % of == index
        })
    }

    /// Takes out the pieces under a key that fit; others stay for whoever asks next.
    pub fn take<T: DeserializeOwned>(&self, key: &str, fits: impl Fn(&T) -> bool) -> Vec<T> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(pieces) = known.get_mut(key) else { return Vec::new() };
        let mut taken = Vec::new();
        pieces.retain(|bytes| {
            let piece = postcard::from_bytes(bytes).ok().filter(&fits);
            let stays = piece.is_none();
            taken.extend(piece);
            stays
        });
        taken
    }

    /// Gives it a piece, to be kept if anywhere.
    pub fn put<T: Serialize>(&self, key: &str, found: &T) {
        if let (Some(sink), Ok(found)) = (&self.sink, postcard::to_stdvec(found)) {
            sink.put(Record { key: key.to_owned(), found });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Nowhere;

    impl Sink for Nowhere {
        fn is_due(&self) -> bool {
            false
        }

        fn put(&self, _: Record) {}
    }

    #[test]
    fn every_piece_belongs_to_one_shard_and_shards_are_even() {
        for of in 1..9 {
            let shard = |index| {
                let store = Store::of_share(Share { index, of }, Box::new(Nowhere));
                (0..100).map(|_| store.is_mine()).collect::<Vec<_>>()
            };
            let shards: Vec<_> = (0..of).map(shard).collect();
            for piece in 0..100 {
                assert_eq!(shards.iter().filter(|shard| shard[piece]).count(), 1);
            }
            for shard in &shards {
                let pieces = shard.iter().filter(|mine| **mine).count() as u64;
                assert!((100 / of..=100_u64.div_ceil(of)).contains(&pieces));
                // Of two variants in turn, each shard has both.
                let even = shard.iter().step_by(2).filter(|mine| **mine).count();
                assert!(of == 1 || even > 0 && (even as u64) < pieces, "{of}");
            }
        }
    }

    #[test]
    fn pieces_that_do_not_fit_stay() {
        let record = |found: u64| Record {
            key: "a".to_owned(),
            found: postcard::to_stdvec(&found).unwrap(),
        };
        let store = Store::new(vec![record(300), record(5)], None);
        assert_eq!(store.take::<u64>("b", |_| true), Vec::<u64>::new());
        assert_eq!(store.take::<u64>("a", |found| *found < 10), [5]);
        assert_eq!(store.take::<u64>("a", |_| true), [300]);
        assert!(!store.keeps() && !store.is_due() && store.is_mine());
    }
}
