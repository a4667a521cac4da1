//! Against the closed forms of processor sharing, and against bytes moved in tiny slices of time.

use proptest::prelude::*;

use super::*;
use crate::foundations::random::{Purpose, Stream, Streams};

fn link(bytes_per_s: u64, latency_s: f64) -> Link {
    Link::new(LinkSpec { bytes_per_s, latency: SimDuration::from_s(latency_s).unwrap() })
}

fn drain(link: &mut Link) -> Vec<(u32, SimTime)> {
    let mut ends = Vec::new();
    while let Some(at) = link.next() {
        while let Some(tag) = link.pop(at) {
            ends.push((tag, at));
        }
    }
    ends
}

#[test]
fn alone_it_takes_bytes_over_bandwidth_and_a_latency() {
    let mut alone = link(25_000_000_000, 10e-6);
    assert_eq!(alone.expected(SimTime::ZERO, 1 << 30).as_s(), (1u64 << 30) as f64 / 25e9 + 10e-6);
    alone.start(SimTime::ZERO, 1 << 30, 0);
    let [(0, at)] = drain(&mut alone)[..] else { panic!("one transfer ends") };
    assert_eq!(at.as_s(), (1u64 << 30) as f64 / 25e9 + 10e-6);
}

#[test]
fn a_latency_takes_no_bandwidth() {
    let mut shared = link(100, 1.0);
    shared.start(SimTime::ZERO, 100, 0);
    // The first has sent its last byte at 1 s, on the way until 2 s.
    shared.start(SimTime::from_s(1.0).unwrap(), 100, 1);
    let ends: Vec<_> = drain(&mut shared).into_iter().map(|(tag, at)| (tag, at.as_s())).collect();
    assert_eq!(ends, [(0, 2.0), (1, 3.0)]);
}

#[test]
fn what_is_given_up_leaves_its_share_to_the_others() {
    let mut shared = link(100, 0.0);
    let first = shared.start(SimTime::ZERO, 100, 0);
    shared.start(SimTime::ZERO, 100, 1);
    let half = SimTime::from_s(0.5).unwrap();
    assert_eq!(shared.remaining(half, first), 75);
    assert_eq!(shared.cancel(half, first), Some(75));
    assert_eq!(shared.cancel(half, first), None);
    assert_eq!(drain(&mut shared), [(1, SimTime::from_s(1.25).unwrap())]);
}

/// M/M/1 with processor sharing: a transfer takes 1 / (mu - lambda) in the mean, and n are under way
/// with probability (1 - rho) rho^n. A transfer of w bytes takes w / (1 - rho) times its time alone
/// (L. Kleinrock, *Time-shared systems: a theoretical treatment*, JACM 14(2), 1967).
#[test]
fn random_transfers_share_as_queueing_theory_says() {
    let (mean_bytes, bytes_per_s, rho) = (1e9, 1_000_000_000u64, 0.7);
    let mut shared = link(bytes_per_s, 0.0);
    let mut draws = Streams::new(11, 0).stream(Purpose::Arrival, 0);
    let exponential = |draws: &mut Stream| -libm::log(draws.uniform());
    let mut now = SimTime::ZERO;
    let mut sent: Vec<(SimTime, f64)> = Vec::new();
    let (mut mean, mut slowdown, mut ended) = (0.0, 0.0, 0u32);
    let most = 400_000;
    while ended < most {
        now += SimDuration::from_s_saturating(exponential(&mut draws) / rho);
        while let Some(at) = shared.next().filter(|&at| at <= now) {
            let tag = shared.pop(at).unwrap() as usize;
            let (since, alone) = sent[tag];
            mean += at.since(since).as_s();
            // Transfers of different size wait in proportion: the sum over sizes is that of means.
            slowdown += alone;
            ended += 1;
        }
        let bytes = exponential(&mut draws) * mean_bytes;
        shared.start(now, bytes as u64, sent.len() as u32);
        sent.push((now, bytes / bytes_per_s as f64));
    }
    let stretch = mean / slowdown;
    assert!((stretch * (1.0 - rho) - 1.0).abs() < 0.02, "stretched {stretch} times");
    let usage = shared.usage(now);
    let busy = usage.busy_ps as f64 / now.0 as f64;
    assert!((busy - rho).abs() < 0.01, "busy {busy}");
    let under_way = usage.transfer_ps as f64 / now.0 as f64;
    assert!((under_way / (rho / (1.0 - rho)) - 1.0).abs() < 0.03, "{under_way} under way");
}

proptest! {
    /// Against a fluid that is poured in slices of a millionth of a second.
    #[test]
    fn ends_are_those_of_a_fluid(
        transfers in proptest::collection::vec((0u64..2_000, 1u64..4_000), 1..8),
        questions in proptest::collection::vec(0u64..6_000, 0..6),
    ) {
        let mut starts = transfers.clone();
        starts.sort_by_key(|&(at, _)| at);
        // A byte in a microsecond, of which each slice gives everyone its part.
        let mut shared = link(1_000_000, 0.0);
        let mut asked = shared.clone();
        let us = |at: u64| SimTime(at * 1_000_000);
        let (mut ends, mut unasked) = (vec![0.0; starts.len()], Vec::new());
        for (tag, &(at, bytes)) in (0u32..).zip(&starts) {
            for link in [&mut shared, &mut asked] {
                link.start(us(at), bytes, tag);
            }
            for &question in questions.iter().filter(|&&q| q >= at) {
                let expected = asked.expected(us(question).max(us(at)), 10);
                prop_assert!(expected >= SimDuration(10_000_000));
            }
        }
        while let Some(at) = shared.next() {
            while let Some(tag) = shared.pop(at) {
                ends[tag as usize] = at.as_s() * 1e6;
                unasked.push((tag, at));
            }
        }
        // Being asked changes nothing.
        prop_assert_eq!(&unasked, &drain(&mut asked));
        let mut left: Vec<f64> = starts.iter().map(|&(_, bytes)| bytes as f64).collect();
        let mut time = 0.0;
        let mut fluid = vec![0.0; starts.len()];
        loop {
            let there: Vec<usize> =
                (0..starts.len()).filter(|&i| starts[i].0 as f64 <= time && left[i] > 0.0).collect();
            let next_start = starts.iter().map(|&(at, _)| at as f64).find(|&at| at > time);
            if there.is_empty() {
                let Some(next) = next_start else { break };
                time = next;
                continue;
            }
            let n = there.len() as f64;
            let least = there.iter().map(|&i| left[i] * n).fold(f64::INFINITY, f64::min);
            let slice = next_start.map_or(least, |next| least.min(next - time));
            time += slice;
            for i in there {
                left[i] -= slice / n;
                if left[i] < 1e-9 {
                    left[i] = 0.0;
                    fluid[i] = time;
                }
            }
        }
        for (ours, theirs) in ends.iter().zip(&fluid) {
            prop_assert!((ours - theirs).abs() < 1e-3, "{ends:?} {fluid:?}");
        }
    }

    /// What a transfer was expected to take alone is what it takes when nothing else comes.
    #[test]
    fn expectations_come_true(
        others in proptest::collection::vec(1u64..1_000_000, 0..12), bytes in 1u64..1_000_000,
        share in 0.0f64..1.0,
    ) {
        let mut shared = link(3_000_000, 5e-6);
        for (tag, &other) in (0..).zip(&others) {
            shared.start(SimTime::ZERO, other, tag);
        }
        let now = SimTime::from_s(share * 0.4).unwrap();
        while shared.pop(now).is_some() {}
        let expected = now + shared.expected(now, bytes);
        shared.start(now, bytes, 99);
        let ends = drain(&mut shared);
        let &(_, at) = ends.iter().find(|(tag, _)| *tag == 99).unwrap();
        prop_assert!(at.0.abs_diff(expected.0) <= others.len() as u64 + 1, "{at:?} {expected:?}");
    }
}
