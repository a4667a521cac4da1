//! Block hashes as they stand in JSON: integers, of either sign.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};

/// The block hashes of one prompt. Only equality counts, so a negative one is kept by its bits.
#[derive(Default)]
pub(super) struct BlockIds(pub(super) Vec<u64>);

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
                let mut hashes = Vec::new();
                while let Some(BlockId(hash)) = list.next_element()? {
                    hashes.push(hash);
                }
                Ok(BlockIds(hashes))
            }
        }
        deserializer.deserialize_seq(Hashes)
    }
}
