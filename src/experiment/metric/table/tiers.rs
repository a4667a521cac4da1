//! Figures of the tiers behind a pool's memories: said only where there are some.

use super::super::super::totals::{TierServed, Totals};
use super::super::{Metric, Unit};
use super::kinds::{SERVERS, ratio};
use crate::serving::Counter;
use crate::serving::tiers::Level;

/// What a tier of a level did.
fn tier<'t>(t: &'t Totals<'_>, level: Level) -> &'t TierServed {
    &t.served.tiers[level as usize]
}

/// Over a whole that is nothing where there is no such tier.
fn of_tier(t: &Totals<'_>, level: Level, part: f64, whole: f64) -> (f64, f64) {
    (part, if tier(t, level).link_s > 0.0 { whole } else { 0.0 })
}

fn hits(t: &Totals<'_>, level: Level) -> (f64, f64) {
    of_tier(t, level, tier(t, level).hit_tokens, t.served.input_tokens)
}

fn read(t: &Totals<'_>, level: Level) -> (f64, f64) {
    of_tier(t, level, tier(t, level).read_bytes, t.window_s)
}

fn written(t: &Totals<'_>, level: Level) -> (f64, f64) {
    of_tier(t, level, tier(t, level).written_bytes, t.window_s)
}

fn reading(t: &Totals<'_>, level: Level) -> (f64, f64) {
    (tier(t, level).reading_s, tier(t, level).link_s)
}

fn writing(t: &Totals<'_>, level: Level) -> (f64, f64) {
    (tier(t, level).writing_s, tier(t, level).link_s)
}

/// Tokens of all tiers together over prompt tokens; nothing where there are none.
fn all(t: &Totals<'_>, of: fn(&TierServed) -> f64) -> (f64, f64) {
    let links: f64 = t.served.tiers.iter().map(|tier| tier.link_s).sum();
    let tokens = t.served.tiers.iter().map(of).sum();
    (tokens, if links > 0.0 { t.served.input_tokens } else { 0.0 })
}

/// Tokens over prompt tokens, said only where there are some.
fn some(t: &Totals<'_>, tokens: f64) -> (f64, f64) {
    (tokens, if tokens > 0.0 { t.served.input_tokens } else { 0.0 })
}

/// All of them.
pub(in super::super) const TIERS: [Metric; 20] = [
    ratio(
        "host_hit_rate",
        Unit::Share,
        SERVERS,
        |t| hits(t, Level::Host),
        "prompt tokens that were fetched from the memory of hosts, over prompt tokens of admitted requests",
    ),
    ratio(
        "host_read_bytes_per_s",
        Unit::BytesPerSecond,
        SERVERS,
        |t| read(t, Level::Host),
        "context fetched from the memory of hosts over the measured window, all its links together",
    ),
    ratio(
        "host_written_bytes_per_s",
        Unit::BytesPerSecond,
        SERVERS,
        |t| written(t, Level::Host),
        "context written to the memory of hosts over the measured window, all its links together",
    ),
    ratio(
        "host_read_utilization",
        Unit::Share,
        SERVERS,
        |t| reading(t, Level::Host),
        "part of the time in which something is on the links from the memory of hosts",
    ),
    ratio(
        "host_write_utilization",
        Unit::Share,
        SERVERS,
        |t| writing(t, Level::Host),
        "part of the time in which something is on the links to the memory of hosts",
    ),
    ratio(
        "storage_hit_rate",
        Unit::Share,
        SERVERS,
        |t| hits(t, Level::Storage),
        "prompt tokens that were fetched from local storage, over prompt tokens of admitted requests",
    ),
    ratio(
        "storage_read_bytes_per_s",
        Unit::BytesPerSecond,
        SERVERS,
        |t| read(t, Level::Storage),
        "context fetched from local storage over the measured window, all its links together",
    ),
    ratio(
        "storage_written_bytes_per_s",
        Unit::BytesPerSecond,
        SERVERS,
        |t| written(t, Level::Storage),
        "context written to local storage over the measured window, all its links together",
    ),
    ratio(
        "storage_read_utilization",
        Unit::Share,
        SERVERS,
        |t| reading(t, Level::Storage),
        "part of the time in which something is on the links from local storage",
    ),
    ratio(
        "storage_write_utilization",
        Unit::Share,
        SERVERS,
        |t| writing(t, Level::Storage),
        "part of the time in which something is on the links to local storage",
    ),
    ratio(
        "store_hit_rate",
        Unit::Share,
        SERVERS,
        |t| hits(t, Level::Store),
        "prompt tokens that were fetched from the shared store, over prompt tokens of admitted requests",
    ),
    ratio(
        "store_read_bytes_per_s",
        Unit::BytesPerSecond,
        SERVERS,
        |t| read(t, Level::Store),
        "context fetched from the shared store over the measured window, all its links together",
    ),
    ratio(
        "store_written_bytes_per_s",
        Unit::BytesPerSecond,
        SERVERS,
        |t| written(t, Level::Store),
        "context written to the shared store over the measured window, all its links together",
    ),
    ratio(
        "store_read_utilization",
        Unit::Share,
        SERVERS,
        |t| reading(t, Level::Store),
        "part of the time in which something is on the links from the shared store",
    ),
    ratio(
        "store_write_utilization",
        Unit::Share,
        SERVERS,
        |t| writing(t, Level::Store),
        "part of the time in which something is on the links to the shared store",
    ),
    ratio(
        "kv_recomputed_share",
        Unit::Share,
        SERVERS,
        |t| all(t, |tier| tier.recomputed_tokens),
        "prompt tokens that a tier held but that could be computed sooner than fetched, over prompt \
         tokens",
    ),
    ratio(
        "kv_offloaded_ratio",
        Unit::Ratio,
        SERVERS,
        |t| all(t, |tier| tier.written_tokens),
        "tokens whose context was written to a tier, over prompt tokens",
    ),
    ratio(
        "kv_dropped_ratio",
        Unit::Ratio,
        SERVERS,
        |t| some(t, t.served.tiers.iter().map(|tier| tier.dropped_tokens).sum()),
        "tokens whose context was not written because too much waited to be, over prompt tokens",
    ),
    ratio(
        "kv_expired_ratio",
        Unit::Ratio,
        SERVERS,
        |t| {
            let tiers: f64 = t.served.tiers.iter().map(|tier| tier.expired_tokens).sum();
            some(t, tiers + t.served.counted(Counter::Expired))
        },
        "tokens whose context was forgotten for its age, over prompt tokens",
    ),
    ratio(
        "kv_unpinned_ratio",
        Unit::Ratio,
        SERVERS,
        |t| some(t, t.served.counted(Counter::Unpinned)),
        "tokens of pinned context that had to go because nothing else could, over prompt tokens",
    ),
];
