//! Tiers of KV memory: in random worlds, and as recorded sessions meet them.

use tokenfleet::foundations::SimDuration;
use tokenfleet::foundations::random::{Purpose, Streams};
use tokenfleet::serving::LinkSpec;
use tokenfleet::serving::kv_cache::Retention;
use tokenfleet::serving::tiers::{Keep, Level, TierSpec, TiersSpec};
use tokenfleet::simulation::plan::Pool;

/// Puts tiers behind the memories of a pool in three cases of four, each part of them by chance.
pub(crate) fn add_random_tiers(pool: &mut Pool, seed: u64) {
    let mut stream = Streams::new(seed, 0).stream(Purpose::Sample, 2);
    if stream.chance(0.25) || !pool.replica.prefix_cache {
        return;
    }
    let seconds = |s: f64| SimDuration::from_s(s).unwrap();
    let mut tiers = Vec::new();
    for (level, blocks) in [(Level::Host, 400), (Level::Storage, 2_000), (Level::Store, 9_000)] {
        if stream.chance(0.4) {
            continue;
        }
        let mut link = || LinkSpec {
            bytes_per_s: 1 + (1e6 * libm::exp(6.0 * stream.uniform())) as u64,
            latency: seconds(0.02 * stream.uniform()),
        };
        let (read, write) = (link(), link());
        tiers.push(TierSpec {
            level,
            blocks: blocks + stream.below(blocks),
            read,
            write,
            write_through: stream.chance(0.5),
            ttl: stream.chance(0.4).then(|| seconds(20.0)),
            buffer: 1 << (16 + stream.below(14)),
        });
    }
    let mut keep = || match stream.below(4) {
        0 => Keep::Lru,
        1 => Keep::Pinned,
        2 => Keep::PinnedFor(seconds(2.0)),
        _ if tiers.is_empty() => Keep::Lru,
        _ => Keep::Offloaded,
    };
    let (tool_gap, human_pause) = (keep(), keep());
    pool.replica.retention = Some(Retention {
        ttl: stream.chance(0.3).then(|| seconds(30.0)),
        seeks: !tiers.is_empty(),
        tells_evicted: tiers.first().is_some_and(|tier| !tier.write_through),
        tells_computed: tiers.iter().any(|tier| tier.write_through),
    });
    pool.tiers = Some(TiersSpec {
        block_bytes: 10_000,
        always_fetch: stream.chance(0.5),
        prefetch: stream.chance(0.6),
        tool_gap,
        human_pause,
        tiers,
    });
}
