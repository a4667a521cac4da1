//! One server with tiers, against what bytes, bandwidth and step times say.

use super::*;
use crate::foundations::time::PS_PER_S;
use crate::performance::{HostProfile, StepModel};
use crate::serving::kv_cache::Retention;
use crate::serving::request::{Piece, Request, Stage};
use crate::serving::scheduling::{Scheduling, Standing};
use crate::serving::step_table::StepTable;

const BLOCK: u32 = 16;
const BLOCK_BYTES: u64 = 1_000;

fn time(s: f64) -> SimTime {
    SimTime::from_s(s).unwrap()
}

/// A server of 120 blocks whose steps take 10 ms, and 2 ms more for each thousand prompt tokens.
fn server(tiers: &TiersSpec) -> ReplicaSpec {
    let tells_computed = tiers.tiers.iter().any(|tier| tier.write_through);
    ReplicaSpec {
        model: StepModel {
            step_s: 0.01,
            linear: crate::performance::KernelGroup { compute_s: 2e-6, memory_s: 0.0, bytes: 0.0 },
            ..StepModel::default()
        },
        token_budget: 100_000,
        batch_limit: 8,
        chunked_prefill: true,
        block: BLOCK,
        kv_blocks: 120,
        sequence_blocks: 0,
        prefix_cache: true,
        retention: Some(Retention {
            ttl: None,
            seeks: true,
            tells_evicted: !tiers.tiers[0].write_through,
            tells_computed,
        }),
        host: HostProfile::default(),
        speculation: None,
        scheduling: Scheduling::Fcfs,
        longest_leap: u64::MAX,
    }
}

fn tier(level: Level, blocks: u64, bytes_per_s: u64) -> TierSpec {
    let latency = SimDuration::from_s(0.001).unwrap();
    TierSpec {
        level,
        blocks,
        read: LinkSpec { bytes_per_s, latency },
        write: LinkSpec { bytes_per_s, latency },
        write_through: false,
        ttl: None,
        buffer: u64::MAX,
    }
}

fn rules(tiers: Vec<TierSpec>) -> TiersSpec {
    TiersSpec {
        tiers,
        block_bytes: BLOCK_BYTES,
        always_fetch: false,
        prefetch: true,
        tool_gap: Keep::Lru,
        human_pause: Keep::Lru,
    }
}

/// Servers and their tiers, driven as a world does.
struct Rig {
    spec: ReplicaSpec,
    tiers: Tiers,
    servers: Vec<Replica>,
    table: StepTable,
    now: SimTime,
    finished: Vec<crate::serving::Finished>,
}

impl Rig {
    fn new(rules: &TiersSpec, servers: usize) -> Self {
        let spec = server(rules);
        Self {
            tiers: Tiers::new(rules, servers, BLOCK),
            servers: vec![Replica::new(&spec); servers],
            spec,
            table: StepTable::default(),
            now: SimTime::ZERO,
            finished: Vec::new(),
        }
    }

    /// A session's prompt of whole blocks and one token more, for one token of answer.
    fn ask(&mut self, server: usize, session: u64, blocks: u32) -> bool {
        let prompt = blocks * BLOCK + 1;
        let request = Request {
            tag: session as u32,
            pieces: &[Piece { key: session, end: prompt }],
            prompt,
            output: 1,
            kept: 0,
            luck: 0,
            standing: Standing::default(),
            stage: Stage::Whole,
        };
        let found = &mut self.servers[server];
        let id = found.submit(&self.spec, request, self.now);
        self.tiers.seek(server, found, &self.spec, id, self.now)
    }

    fn heed(&mut self, server: usize) {
        let (mut moved, mut turns) = (Vec::new(), Vec::new());
        self.servers[server].hand_over(&mut moved, &mut turns);
        self.tiers.take_in(server, &mut moved, self.now);
        assert!(turns.is_empty(), "all were sought when they were sent");
    }

    /// Runs until nothing is left to do; when each request ended, in order.
    fn run(&mut self) -> Vec<(u32, f64)> {
        loop {
            let boundaries = self.servers.iter().enumerate();
            let first = boundaries.filter_map(|(at, server)| Some((server.boundary()?, at))).min();
            match (first, self.tiers.next()) {
                (Some((at, server)), transfer) if transfer.is_none_or(|due| at <= due) => {
                    self.now = at;
                    let finished = &mut self.finished;
                    self.servers[server].step(&self.spec, &mut self.table, at, finished);
                    self.heed(server);
                }
                (_, Some(due)) => {
                    self.now = due;
                    let mut arrived = Vec::new();
                    self.tiers.advance(due, &mut arrived);
                    for Arrived { replica, request, start, end } in arrived {
                        self.servers[replica].context_came(&self.spec, request, start..end, due);
                        self.heed(replica);
                    }
                }
                _ => break,
            }
        }
        let ends = self.finished.drain(..);
        ends.map(|done| (done.tag, done.finished.as_s())).collect()
    }

    /// Fills the memory with one session and drives it out by another.
    fn drive_out(&mut self, session: u64, by: u64) {
        for session in [session, by] {
            self.ask(0, session, 100);
            self.run();
        }
    }

    fn usage(&mut self, level: Level) -> TierUsage {
        self.tiers.usage(self.now)[level as usize]
    }
}

/// Time of the kernels for one token.
fn one_token_s() -> f64 {
    server(&rules(vec![tier(Level::Host, 1, 1)])).model.tokens(1).ps as f64 / PS_PER_S as f64
}

fn close(ours: f64, theirs: f64) {
    assert!((ours - theirs).abs() < 1e-9, "{ours} is not {theirs}");
}

/// What was driven out comes back in bytes over bandwidth and a latency; then one block is left to
/// compute, and a token.
#[test]
fn a_fetch_takes_bytes_over_bandwidth() {
    let mut rig = Rig::new(&rules(vec![tier(Level::Host, 1_000, 100_000_000)]), 1);
    rig.drive_out(1, 2);
    // Of 120 blocks 101 are wanted, and 20 are free.
    assert_eq!(rig.usage(Level::Host).write.bytes, 81 * BLOCK_BYTES);
    rig.now = time(10.0);
    assert!(rig.ask(0, 1, 100));
    let ends = rig.run();
    let fetch = 81.0 * 1_000.0 / 1e8 + 0.001;
    close(ends[0].1, 10.0 + fetch + 0.01 + one_token_s());
    let usage = rig.usage(Level::Host);
    assert_eq!((usage.hit_tokens, usage.read.bytes), (81 * 16, 81 * BLOCK_BYTES));
}

/// Two servers that fetch from the shared store at once take twice as long each.
#[test]
fn a_shared_link_is_shared_evenly() {
    let store = TierSpec { write_through: true, ..tier(Level::Store, 1_000, 100_000_000) };
    let mut rig = Rig::new(&rules(vec![store]), 3);
    rig.ask(0, 1, 100);
    rig.run();
    assert_eq!(rig.usage(Level::Store).write.bytes, 100 * BLOCK_BYTES);
    rig.now = time(10.0);
    assert!(rig.ask(1, 1, 100) && rig.ask(2, 1, 100));
    let fetch = 2.0 * 100.0 * 1_000.0 / 1e8 + 0.001;
    for (_, end) in rig.run() {
        close(end, 10.0 + fetch + 0.01 + one_token_s());
    }
    let usage = rig.usage(Level::Store);
    assert_eq!(usage.read.busy_ps, 2 * PS_PER_S / 1000);
    assert_eq!(usage.hit_tokens, 2 * 1600);
}

/// A link pays that brings 81 kB, and its latency, in less time than their tokens take to compute.
#[test]
fn what_can_be_computed_sooner_is_not_fetched() {
    let rig = Rig::new(&rules(vec![tier(Level::Host, 1_000, 1)]), 1);
    let alone = rig.spec.prompt_ps(81 * 16, 19 * 16) as f64 / PS_PER_S as f64;
    let enough = (81_000.0 / (alone - 0.001)) as u64;
    for (bytes_per_s, fetches) in [(enough * 101 / 100, true), (enough * 99 / 100, false)] {
        let mut rig = Rig::new(&rules(vec![tier(Level::Host, 1_000, bytes_per_s)]), 1);
        rig.drive_out(1, 2);
        rig.now = time(10.0);
        assert_eq!(rig.ask(0, 1, 100), fetches);
        let usage = rig.usage(Level::Host);
        let tokens = 81 * 16;
        assert_eq!(usage.hit_tokens, if fetches { tokens } else { 0 });
        assert_eq!(usage.recomputed_tokens, if fetches { 0 } else { tokens });
        let always =
            TiersSpec { always_fetch: true, ..rules(vec![tier(Level::Host, 1_000, bytes_per_s)]) };
        let mut rig = Rig::new(&always, 1);
        rig.drive_out(1, 2);
        assert!(rig.ask(0, 1, 100));
    }
}

#[test]
fn what_a_tier_forgets_goes_to_the_next() {
    let tiers = vec![tier(Level::Host, 90, 100_000_000), tier(Level::Storage, 900, 100_000_000)];
    let mut rig = Rig::new(&rules(tiers), 1);
    rig.drive_out(1, 2);
    rig.drive_out(3, 4);
    // The second drove out 81 blocks, the third and the fourth about as many as they have.
    let (host, storage) = (rig.usage(Level::Host), rig.usage(Level::Storage));
    assert!(host.write.bytes > 250 * BLOCK_BYTES, "{host:?}");
    assert_eq!(host.write.bytes - storage.write.bytes, 90 * BLOCK_BYTES);
    rig.now = time(10.0);
    assert!(rig.ask(0, 1, 100));
    rig.run();
    assert_eq!(rig.usage(Level::Storage).hit_tokens + rig.usage(Level::Host).hit_tokens, 1600);
}

#[test]
fn age_and_full_buffers_lose_context() {
    let aged = TierSpec {
        ttl: Some(SimDuration::from_s(5.0).unwrap()),
        ..tier(Level::Host, 1_000, 100_000_000)
    };
    let mut rig = Rig::new(&rules(vec![aged]), 1);
    rig.drive_out(1, 2);
    rig.now = time(10.0);
    assert!(!rig.ask(0, 1, 100));
    assert_eq!(rig.usage(Level::Host).expired_tokens, 81 * 16);

    let narrow = TierSpec { buffer: 1, ..tier(Level::Host, 1_000, 1) };
    let mut rig = Rig::new(&rules(vec![narrow]), 1);
    for session in 1..4 {
        rig.ask(0, session, 100);
        for _ in 0..4 {
            if let Some(at) = rig.servers[0].boundary() {
                rig.now = at;
                let finished = &mut rig.finished;
                rig.servers[0].step(&rig.spec, &mut rig.table, at, finished);
                rig.heed(0);
            }
        }
    }
    let usage = rig.usage(Level::Host);
    assert!(usage.write.transfers == 1 && usage.dropped_tokens > 0, "{usage:?}");
}

/// A server that goes down takes its own tiers with it, not the shared one.
#[test]
fn a_lost_server_loses_what_is_its_own() {
    for level in [Level::Host, Level::Store] {
        let mut rig = Rig::new(&rules(vec![tier(level, 1_000, 100_000_000)]), 1);
        rig.drive_out(1, 2);
        rig.tiers.lose(0);
        assert_eq!(rig.ask(0, 1, 100), level == Level::Store);
    }
}
