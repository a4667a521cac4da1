//! A leap over many steps gives the bits that single steps give.
//!
//! The engine and a reference that walks every request in every step serve the same random workloads:
//! preemption, windows that fill, chunked prompts, prefix reuse, eviction, cancellation.

mod reference;
mod workload;

use std::collections::VecDeque;

use tokenfleet::foundations::{Histogram, SimTime};
use tokenfleet::serving::step_table::StepTable;
use tokenfleet::serving::usage::Counter;
use tokenfleet::serving::{Finished, Replica, ReplicaSpec, Request, Stage};

use reference::serve_by_reference;
use workload::{Job, agenda, random_case};

fn serve(spec: &ReplicaSpec, jobs: &[Job]) -> (Replica, Vec<Finished>) {
    let mut server = Replica::new(spec);
    let mut table = StepTable::default();
    let mut ids = vec![None; jobs.len()];
    let mut finished = Vec::new();
    let mut agenda: VecDeque<_> = agenda(jobs).into();
    while !agenda.is_empty() || server.boundary().is_some() {
        let next = agenda.front().map_or(SimTime::MAX, |&(at, ..)| at);
        match server.boundary() {
            // A boundary comes before what is sent at its instant, an idle server wakes behind it.
            Some(end) if end < next || end == next && !server.is_idle() => {
                server.step(spec, &mut table, end, &mut finished);
            }
            _ => {
                while let Some(&(at, tag, cancel)) = agenda.front()
                    && at == next
                {
                    agenda.pop_front();
                    let job = &jobs[tag as usize];
                    if !cancel {
                        let request = Request {
                            tag,
                            pieces: &job.pieces,
                            prompt: job.prompt,
                            output: job.output,
                            kept: job.kept,
                            luck: job.luck,
                            standing: job.standing,
                            stage: Stage::Whole,
                        };
                        ids[tag as usize] = Some(server.submit(spec, request, at));
                    } else if let Some(id) = ids[tag as usize] {
                        server.settle(spec, at);
                        server.cancel(id);
                    }
                }
            }
        }
    }
    server.settle(spec, finished.last().map_or(SimTime::ZERO, |last| last.finished));
    (server, finished)
}

fn gaps(server: &mut Replica) -> Histogram {
    let mut gaps = Histogram::default();
    server.count_gaps(&mut gaps);
    gaps
}

#[test]
fn leaps_give_the_bits_of_single_steps() {
    let mut displacements = 0;
    let (mut preemptions, mut cancelled, mut cached, mut leapt) = (0, 0, 0, 0);
    for seed in 0..3_000 {
        let (spec, jobs) = random_case(seed);
        let reference = serve_by_reference(&spec, &jobs);
        let (mut server, finished) = serve(&spec, &jobs);
        let pairs = finished.iter().zip(&reference.finished);
        if let Some((ours, theirs)) = pairs.into_iter().find(|(ours, theirs)| ours != theirs) {
            panic!("workload {seed}: {ours:#?}\nby single steps: {theirs:#?}");
        }
        assert_eq!(finished.len(), reference.finished.len(), "requests of workload {seed}");
        let usage = *server.usage();
        assert_eq!(usage.busy_ps, reference.busy_ps, "time in steps of workload {seed}");
        assert_eq!(usage.batch_ps, reference.batch_ps, "batch of workload {seed}");
        assert_eq!(usage.kv_token_ps, reference.kv_token_ps >> 20, "memory of workload {seed}");
        let theirs = reference.gaps.iter().fold(Histogram::default(), |mut all, &gap| {
            all.record(gap);
            all
        });
        assert_eq!(gaps(&mut server), theirs, "gaps of workload {seed}");
        assert_eq!(server.kv().available(), reference.kv.available());
        assert_eq!(server.kv().evicted_blocks(), reference.kv.evicted_blocks());
        assert!(server.kv().is_conserved(0), "blocks of workload {seed}");
        let displaced = usage.counters.all()[Counter::Displaced as usize];
        assert_eq!(displaced, reference.displaced, "places taken in workload {seed}");
        (displacements, preemptions) = (displacements + displaced, preemptions + usage.preemptions);
        cached += usage.cached_tokens;
        cancelled += finished.iter().filter(|request| request.cancelled).count();
        leapt += usage.steps - usage.leaps;
    }
    // The workloads must reach what they are for.
    assert!(displacements > 300, "{displacements} places taken");
    assert!(preemptions > 1_000, "{preemptions} preemptions");
    assert!(cancelled > 1_000, "{cancelled} cancellations");
    assert!(cached > 10_000, "{cached} cached tokens");
    assert!(leapt > 100_000, "{leapt} steps leapt over");
}

#[test]
fn cutting_every_leap_changes_nothing() {
    for seed in 0..500 {
        let (spec, jobs) = random_case(seed);
        let single = ReplicaSpec { longest_leap: 1, ..spec.clone() };
        let (mut leaping, fast) = serve(&spec, &jobs);
        let (mut stepping, slow) = serve(&single, &jobs);
        assert!(fast == slow, "requests of workload {seed}");
        let mut usage = *leaping.usage();
        usage.leaps = stepping.usage().leaps;
        assert!(&usage == stepping.usage(), "usage of workload {seed}");
        assert_eq!(gaps(&mut leaping), gaps(&mut stepping), "gaps of workload {seed}");
    }
}
