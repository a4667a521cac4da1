//! Block hashes as they stand in JSON: integers, of either sign, folded into runs while they are read.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};

/// The block hashes of one prompt, in runs of consecutive numbers. Only equality counts, so a
/// negative one is kept by its bits.
#[derive(Clone, Debug, Default)]
pub(super) struct BlockIds {
    /// First hash and length of each run.
    pub(super) runs: Vec<(u64, u32)>,
    /// Hashes in all.
    pub(super) count: u64,
}

impl BlockIds {
    fn push(&mut self, hash: u64) {
        self.count += 1;
        match self.runs.last_mut() {
            Some((first, length))
                if *length < u32::MAX && first.checked_add(u64::from(*length)) == Some(hash) =>
            {
                *length += 1;
            }
            _ => self.runs.push((hash, 1)),
        }
    }
}

struct BlockId(u64);

impl<'de> Deserialize<'de> for BlockId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Integer;
        impl Visitor<'_> for Integer {
            type Value = BlockId;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an integer block hash")
            }

            fn visit_u64<E: Error>(self, id: u64) -> Result<BlockId, E> {
                Ok(BlockId(id))
            }

            fn visit_i64<E: Error>(self, id: i64) -> Result<BlockId, E> {
                Ok(BlockId(id.cast_unsigned()))
            }
        }
        deserializer.deserialize_u64(Integer)
    }
}

impl<'de> Deserialize<'de> for BlockIds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Hashes;
        impl<'de> Visitor<'de> for Hashes {
            type Value = BlockIds;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of integer block hashes")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<BlockIds, A::Error> {
                let mut hashes = BlockIds::default();
                while let Some(BlockId(hash)) = list.next_element()? {
                    hashes.push(hash);
                }
                Ok(hashes)
            }
        }
        deserializer.deserialize_seq(Hashes)
    }
}
