//! What is known of arrival processes in closed form, against the streams that they give.

use super::*;
use crate::foundations::time::PS_PER_S;
use crate::workload::trace::{claude_code, mooncake};

const SAMPLE: &str = include_str!("../../../scenarios/traces/mooncake-conversation-1000.jsonl");
const SESSION: &str = include_str!("../../../scenarios/traces/claude-code/trace_0012.json");

fn stream(arrivals: &Arrivals, entity: u64) -> ArrivalStream {
    ArrivalStream::new(arrivals, Streams::new(11, 0), entity)
}

/// Arrival times in seconds up to a horizon.
fn until(arrivals: &Arrivals, entity: u64, horizon_s: f64) -> Vec<f64> {
    stream(arrivals, entity).map(|a| a.at.as_s()).take_while(|&at| at < horizon_s).collect()
}

fn mean_and_variance(values: impl IntoIterator<Item = f64>) -> (f64, f64) {
    let (mut n, mut mean, mut squares) = (0.0, 0.0, 0.0);
    for value in values {
        n += 1.0;
        let off: f64 = value - mean;
        mean += off / n;
        squares += off * (value - mean);
    }
    (mean, squares / (n - 1.0))
}

/// Mean and index of dispersion (variance over mean) of the counts in consecutive windows.
fn dispersion(arrivals: &Arrivals, window_s: f64, windows: usize) -> (f64, f64) {
    let mut counts = vec![0.0; windows];
    for at in until(arrivals, 0, window_s * windows as f64) {
        counts[(at / window_s) as usize] += 1.0;
    }
    let (mean, variance) = mean_and_variance(counts);
    (mean, variance / mean)
}

/// Coefficient of variation of gaps.
fn variation(times: &[f64]) -> f64 {
    let (mean, variance) = mean_and_variance(times.windows(2).map(|pair| pair[1] - pair[0]));
    variance.sqrt() / mean
}

fn burst() -> Arrivals {
    Arrivals::modulated(&[
        Phase { rate_per_s: 10.0, mean_sojourn_s: 5.0 },
        Phase { rate_per_s: 0.5, mean_sojourn_s: 20.0 },
    ])
    .unwrap()
}

fn clients(count: u32, variation: Law) -> Clients {
    let family = GapFamily::Gamma;
    Clients { count, rate_per_s: 2.0, zipf_exponent: 1.0, family, variation }
}

fn constant(value: f64) -> Law {
    Law::constant(value).unwrap()
}

#[test]
fn the_rate_is_right_from_the_first_second() {
    // Stationary processes have E[N(t)] = rate t for every t, however short and bursty.
    let mixed = Law::uniform(0.5, 4.0).unwrap();
    for (arrivals, rate) in [
        (Arrivals::poisson(2.0), 2.0),
        (Arrivals::gamma(2.0, 5.0), 2.0),
        (Arrivals::gamma(2.0, 0.4), 2.0),
        (Arrivals::weibull(2.0, 3.0), 2.0),
        (Arrivals::weibull(2.0, 0.5), 2.0),
        (Ok(burst()), (10.0 * 5.0 + 0.5 * 20.0) / 25.0),
        (Arrivals::population(&clients(30, mixed)), 2.0),
    ] {
        let arrivals = arrivals.unwrap();
        assert!((arrivals.mean_rate().unwrap() - rate).abs() < 1e-9);
        let counts = (0..4000).map(|entity| until(&arrivals, entity, 3.0).len() as f64);
        let (mean, variance) = mean_and_variance(counts);
        let error = (variance / 4000.0).sqrt();
        assert!((mean - 3.0 * rate).abs() < 4.0 * error, "{arrivals:?}: {mean} ± {error}");
    }
}

#[test]
fn gaps_vary_as_asked() {
    for wanted in [0.3, 1.0, 1.8, 4.0] {
        for arrivals in [Arrivals::gamma(3.0, wanted), Arrivals::weibull(3.0, wanted)] {
            let times = until(&arrivals.unwrap(), 1, 60_000.0);
            let found = variation(&times);
            assert!((found / wanted - 1.0).abs() < 0.06, "{wanted}: {found}");
        }
    }
    assert!(variation(&until(&Arrivals::every(0.5).unwrap(), 0, 1000.0)) < 1e-9);
}

#[test]
fn counts_disperse_as_the_closed_forms_say() {
    let (_, poisson) = dispersion(&Arrivals::poisson(3.0).unwrap(), 10.0, 5_000);
    assert!((poisson - 1.0).abs() < 0.08, "{poisson}");
    // Renewal counts over long windows: the squared coefficient of variation of the gaps.
    let (_, gamma) = dispersion(&Arrivals::gamma(10.0, 2.0).unwrap(), 100.0, 5_000);
    assert!((gamma / 4.0 - 1.0).abs() < 0.1, "{gamma}");
    // Two phases: the closed form of the module's page, in a window as long as the phases.
    let (a, b, fast, slow, window) = (1.0 / 5.0, 1.0 / 20.0, 10.0, 0.5, 10.0_f64);
    let sum: f64 = a + b;
    let limit = 2.0 * a * b * (fast - slow) * (fast - slow) / (sum * sum * (fast * b + slow * a));
    let part = 1.0 - (1.0 - libm::exp(-sum * window)) / (sum * window);
    let (_, modulated) = dispersion(&burst(), window, 40_000);
    assert!((modulated / (1.0 + limit * part) - 1.0).abs() < 0.05, "{modulated}");
}

#[test]
fn many_clients_together_look_like_poisson() {
    // Palm and Khintchine: superposed, many slow renewal processes approach a Poisson process over
    // windows that hold few arrivals of each. (Bursty clients need far more of them: a gamma gap of
    // coefficient 3 is shorter than a 500th of its mean in 39 % of cases.)
    let equal = |count| Clients { zipf_exponent: 0.0, ..clients(count, constant(0.3)) };
    let [one, many] = [1, 2_000].map(|count| Arrivals::population(&equal(count)).unwrap());
    let (times, lone_times) = (until(&many, 0, 2_000.0), until(&one, 0, 2_000.0));
    assert!((variation(&lone_times) - 0.3).abs() < 0.02, "{}", variation(&lone_times));
    assert!((variation(&times) - 1.0).abs() < 0.05, "{}", variation(&times));
    let (lone_counts, counts) = (dispersion(&one, 5.0, 400).1, dispersion(&many, 5.0, 400).1);
    assert!(lone_counts < 0.2, "{lone_counts}");
    assert!((counts - 1.0).abs() < 0.25, "{counts}"); // 3.5 standard errors
}

#[test]
fn clients_are_unequal_as_zipf_says_and_bursty_each_by_itself() {
    let arrivals = Arrivals::population(&clients(10, constant(2.0))).unwrap();
    let mut times = vec![Vec::new(); 10];
    for arrival in stream(&arrivals, 0).take_while(|a| a.at.as_s() < 100_000.0) {
        times[arrival.client as usize].push(arrival.at.as_s());
    }
    let harmonic: f64 = (1..=10).map(|i| 1.0 / f64::from(i)).sum();
    for (client, times) in times.iter().enumerate() {
        let expected = 200_000.0 / harmonic / (client + 1) as f64;
        assert!((times.len() as f64 / expected - 1.0).abs() < 0.1, "{client}: {}", times.len());
        assert!((variation(times) / 2.0 - 1.0).abs() < 0.1, "{client}: {}", variation(times));
    }
}

#[test]
fn a_profile_shapes_the_hours_and_keeps_the_mean() {
    // Hour-of-day multipliers measured at a large service, and an hour without anybody.
    let day = [
        0.99, 1.0, 0.99, 0.94, 0.91, 0.88, 0.85, 0.82, 0.0, 0.87, 1.05, 1.11, 0.97, 0.98, 1.05,
        1.05, 1.11, 1.08, 1.04, 1.14, 1.13, 1.07, 1.1, 1.09,
    ];
    let total: f64 = day.iter().sum();
    let (days, rate, start) = (50.0, 0.5, 7.25);
    let profile = Profile::hourly(&day, start).unwrap();
    let arrivals = Arrivals::poisson(rate).unwrap().with_profile(profile.clone()).unwrap();
    assert!((arrivals.mean_rate().unwrap() - rate).abs() < 1e-12);
    let mut counts = [0.0; 24];
    for at in until(&arrivals, 0, days * 86_400.0) {
        let hour = (at / 3600.0 + start) % 24.0;
        counts[hour as usize] += 1.0;
    }
    assert_eq!(counts[8], 0.0);
    let mut chi_squared = 0.0;
    for (hour, (&count, &value)) in counts.iter().zip(&day).enumerate().filter(|(h, _)| *h != 8) {
        let expected = rate * days * 3600.0 * 24.0 * value / total;
        chi_squared += (count - expected) * (count - expected) / expected;
        let at = SimTime::from_s(((hour as f64 - start).rem_euclid(24.0) + 0.01) * 3600.0);
        let shown = profile.multiplier(at.unwrap());
        assert!((shown - 24.0 * value / total).abs() < 1e-9, "{hour}: {shown}");
    }
    // 23 hours: P(chi2 > 49.7) = 0.001.
    assert!(chi_squared < 49.7, "{chi_squared}");
}

#[test]
fn operational_time_is_inverted_exactly() {
    // One arrival per operational second: hour h holds 3600 m(h) of them, evenly spaced.
    let week: Vec<f64> = (0..168).map(|hour| f64::from(hour % 7)).collect();
    let profile = Profile::hourly(&week, 0.0).unwrap();
    let arrivals = Arrivals::every(1.0).unwrap().with_profile(profile).unwrap();
    let mut counts = vec![0.0; 2 * 168];
    let two_weeks = 2.0 * 168.0 * 3600.0;
    let times = until(&arrivals, 0, two_weeks + 1.0);
    for at in times.iter().filter(|&&at| at < two_weeks) {
        counts[(at / 3600.0) as usize] += 1.0;
    }
    for (hour, count) in counts.into_iter().enumerate() {
        let expected: f64 = 3600.0 * week[hour % 168] / 3.0;
        assert!((count - expected).abs() <= 1.0, "{hour}: {count} {expected}");
    }
    assert!((times.len() as f64 - two_weeks).abs() <= 1.0);
    assert!(times.is_sorted());
    // Where all hours are alike, the clocks are the same to the picosecond.
    let flat = Profile::hourly(&[7.0; 24], 3.5).unwrap();
    let (plain, flat) = (Arrivals::gamma(0.01, 2.0).unwrap(), flat);
    let warped = plain.clone().with_profile(flat).unwrap();
    assert!(stream(&plain, 3).zip(stream(&warped, 3)).take(10_000).all(|(a, b)| a == b));
}

#[test]
fn a_closed_loop_lets_each_user_in_once() {
    let think = Law::exponential(60.0).unwrap();
    let arrivals = Arrivals::closed_loop(1_000, think.clone()).unwrap();
    assert_eq!((arrivals.mean_rate(), arrivals.users()), (None, Some((1_000, &think))));
    let all: Vec<Arrival> = stream(&arrivals, 0).collect();
    assert!(all.is_sorted_by_key(|arrival| arrival.at));
    let mut users: Vec<u32> = all.iter().map(|arrival| arrival.client).collect();
    users.sort_unstable();
    assert!(users.into_iter().eq(0..1_000));
    let (mean, variance) = mean_and_variance(all.iter().map(|arrival| arrival.at.as_s()));
    assert!((mean - 60.0).abs() < 6.0 && (variance.sqrt() - 60.0).abs() < 6.0, "{mean}");
}

#[test]
fn recorded_arrivals_are_spread_within_the_grid_and_keep_their_order() {
    let trace = mooncake::read("t", SAMPLE.as_bytes(), Default::default()).unwrap();
    let arrivals = Arrivals::of_trace(&trace, 1.0).unwrap();
    let starts: Vec<SimTime> = trace.starts().collect();
    let all: Vec<Arrival> = stream(&arrivals, 0).collect();
    assert_eq!(all.len(), starts.len());
    assert!(all.is_sorted_by_key(|arrival| arrival.at));
    let mut offsets: Vec<f64> = Vec::new();
    for (place, (arrival, start)) in all.iter().zip(&starts).enumerate() {
        assert_eq!(arrival.client as usize, place);
        assert!(arrival.at >= *start && arrival.at <= *start + trace.clock_grid);
        offsets.push(arrival.at.since(*start).as_s() / trace.clock_grid.as_s());
    }
    // Kolmogorov and Smirnov against the uniform law: P(D > 1.63 / sqrt(n)) = 0.01.
    offsets.sort_by(f64::total_cmp);
    let n = offsets.len() as f64;
    let distance = offsets.iter().enumerate().map(|(i, x)| (x - (i as f64 + 0.5) / n).abs());
    assert!(distance.fold(0.0, f64::max) < 1.63 / n.sqrt());
    // Over the whole hour of the full trace 3.40 arrive per second; these are its first minutes.
    assert!((2.5..4.0).contains(&arrivals.mean_rate().unwrap()));
    let fast = Arrivals::of_trace(&trace, 4.0).unwrap();
    assert!((fast.mean_rate().unwrap() / arrivals.mean_rate().unwrap() - 4.0).abs() < 1e-9);
    for (fast, slow) in stream(&fast, 0).zip(&all) {
        assert_eq!(fast.at.0, (slow.at.0 as f64 / 4.0) as u64);
    }
}

#[test]
fn sessions_without_times_of_their_own_are_not_replayed_all_at_once() {
    let twice = format!("{}\n{}", SESSION.trim(), SESSION.trim());
    let trace = claude_code::read("t", twice.as_bytes(), Default::default()).unwrap();
    let error = Arrivals::of_trace(&trace, 1.0).unwrap_err().to_string();
    assert!(error.contains("only relative to themselves"), "{error}");
}

#[test]
fn the_same_name_gives_the_same_arrivals() {
    let processes = [
        Arrivals::poisson(2.0).unwrap(),
        Arrivals::weibull(2.0, 2.0).unwrap(),
        burst(),
        Arrivals::population(&clients(5, Law::uniform(1.0, 3.0).unwrap())).unwrap(),
        Arrivals::closed_loop(50, Law::exponential(9.0).unwrap()).unwrap(),
        Arrivals::recorded([SimTime::ZERO; 50], SimDuration(PS_PER_S), 2.0).unwrap(),
    ];
    for arrivals in processes {
        let some = |entity| stream(&arrivals, entity).take(50).collect::<Vec<_>>();
        assert_eq!(some(1), some(1));
        assert_ne!(some(1), some(2));
        let trial =
            ArrivalStream::new(&arrivals, Streams::new(11, 1), 1).take(50).collect::<Vec<_>>();
        assert_ne!(some(1), trial);
    }
}

#[test]
fn arrivals_end_where_time_does() {
    let rare = Arrivals::poisson(1e-7).unwrap();
    assert!(stream(&rare, 0).count() < 20);
    let profile = Profile::hourly(&[1.0; 24], 23.0).unwrap();
    assert!(stream(&rare.with_profile(profile).unwrap(), 0).count() < 20);
    let phases = [1e-7, 0.0].map(|rate_per_s| Phase { rate_per_s, mean_sojourn_s: 1e4 });
    assert!(stream(&Arrivals::modulated(&phases).unwrap(), 0).count() < 20);
}

#[test]
fn what_makes_no_sense_is_refused_with_the_reason() {
    let phase = |rate_per_s, mean_sojourn_s| Phase { rate_per_s, mean_sojourn_s };
    let hour = |value| Profile::hourly(&[value; 24], 0.0).map(|_| Arrivals::poisson(1.0).unwrap());
    let profile = || Profile::hourly(&[1.0; 24], 0.0).unwrap();
    let second = SimTime(PS_PER_S);
    let think = || constant(1.0);
    for (refused, reason) in [
        (Arrivals::poisson(0.0), "rate is 0 /s, but must be from 1e-9 to 1e9"),
        (Arrivals::poisson(-1.0), "rate is -1 /s"),
        (Arrivals::poisson(f64::NAN), "rate is NaN /s"),
        (Arrivals::poisson(f64::INFINITY), "rate is inf /s"),
        (Arrivals::every(0.0), "constant arrivals: interval is 0 s"),
        (Arrivals::gamma(1.0, 0.0), "gamma arrivals: gamma: coefficient of variation is 0"),
        (Arrivals::weibull(1.0, -1.0), "weibull arrivals: weibull: coefficient of variation is -1"),
        (Arrivals::gamma(1.0, f64::NAN), "coefficient of variation is NaN"),
        (Arrivals::modulated(&[]), "fewer than two phases"),
        (Arrivals::modulated(&[phase(1.0, 1.0)]), "fewer than two phases"),
        (Arrivals::modulated(&[phase(1.0, 1.0), phase(-1.0, 1.0)]), "phase's rate is -1 /s"),
        (Arrivals::modulated(&[phase(1.0, 1.0), phase(1.0, 0.0)]), "mean sojourn is 0 s"),
        (Arrivals::modulated(&[phase(0.0, 1.0), phase(0.0, 1.0)]), "no phase has a rate"),
        (Arrivals::modulated(&[phase(1e-5, 1e-3), phase(0.0, 1e-3)]), "use poisson"),
        (Arrivals::population(&clients(0, think())), "count is 0 clients"),
        (Arrivals::population(&clients(3, constant(-1.0))), "coefficient of variation is -1"),
        (
            Arrivals::population(&Clients { zipf_exponent: -1.0, ..clients(3, think()) }),
            "zipf exponent is -1",
        ),
        (
            Arrivals::population(&Clients { rate_per_s: 0.0, ..clients(3, think()) }),
            "population arrivals: rate is 0 /s",
        ),
        (Arrivals::closed_loop(0, think()), "users is 0, but must be at least 1"),
        (Arrivals::closed_loop(1, think()).unwrap().with_profile(profile()), "sets the pace"),
        (Arrivals::recorded([], SimDuration::ZERO, 1.0), "give at least one instant"),
        (Arrivals::recorded([second], SimDuration::ZERO, 0.0), "speed is 0"),
        (
            Arrivals::recorded([second, SimTime::ZERO], SimDuration::ZERO, 1.0),
            "number 1 lies before number 0; sort them",
        ),
        (
            Arrivals::recorded([second], SimDuration::ZERO, 1.0).unwrap().with_profile(profile()),
            "its own hours",
        ),
        (hour(0.0), "zero all the time"),
        (hour(-1.0), "a value of the profile is -1"),
        (hour(f64::NAN), "a value of the profile is NaN"),
        (
            Profile::hourly(&[], 0.0).map(|_| Arrivals::poisson(1.0).unwrap()),
            "has 0 values, but must have 24",
        ),
        (
            Profile::hourly(&[1.0; 24], 24.0).map(|_| Arrivals::poisson(1.0).unwrap()),
            "start hour is 24, but must be within",
        ),
    ] {
        let message = refused.unwrap_err().to_string();
        assert!(message.contains(reason), "{reason}: {message}");
    }
}

/// Twice the load of every process is twice its rate, and a Poisson process of twice the rate is the
/// same, bit by bit, as one that was asked for.
#[test]
fn load_scales() {
    let phases = [
        Phase { rate_per_s: 4.0, mean_sojourn_s: 10.0 },
        Phase { rate_per_s: 1.0, mean_sojourn_s: 30.0 },
    ];
    let clients = Clients {
        count: 5,
        rate_per_s: 3.0,
        zipf_exponent: 1.0,
        family: GapFamily::Gamma,
        variation: Law::constant(2.0).unwrap(),
    };
    for arrivals in [
        Arrivals::poisson(0.4).unwrap(),
        Arrivals::every(2.0).unwrap(),
        Arrivals::gamma(0.4, 2.5).unwrap(),
        Arrivals::weibull(0.4, 0.5).unwrap(),
        Arrivals::modulated(&phases).unwrap(),
        Arrivals::population(&clients).unwrap(),
    ] {
        let twice = arrivals.times(2.0).unwrap();
        let ratio = twice.mean_rate().unwrap() / arrivals.mean_rate().unwrap();
        assert!((ratio - 2.0).abs() < 1e-9, "{arrivals:?}");
        let count = |arrivals: &Arrivals| {
            let stream = ArrivalStream::new(arrivals, Streams::new(1, 0), 0);
            stream.take_while(|arrival| arrival.at.as_s() < 20_000.0).count() as f64
        };
        let found = count(&twice) / count(&arrivals);
        assert!((found - 2.0).abs() < 0.15, "{arrivals:?}: {found}");
    }
    assert_eq!(
        Arrivals::poisson(0.25).unwrap().times(3.0).unwrap(),
        Arrivals::poisson(0.75).unwrap()
    );
    let users = Arrivals::closed_loop(10, Law::constant(1.0).unwrap()).unwrap();
    assert_eq!(users.times(1.26).unwrap().users().unwrap().0, 13);
}
