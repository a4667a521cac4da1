//! What chance and statistics cost: nanoseconds per stream, draw and record.
//!
//! `cargo bench --bench foundations`. Every bench repeats its operation 1,000 times; divan's item
//! throughput is per operation.

use divan::{Bencher, black_box, counter::ItemsCount};
use tokenfleet::foundations::{Histogram, Law, Purpose, Stream, Streams};

fn main() {
    divan::main();
}

/// Operations per measured call.
const REPEATS: u64 = 1_000;

fn stream() -> Stream {
    Streams::new(1, 0).stream(Purpose::Task, 0)
}

/// Measures an operation that is given a running number.
fn measure<T>(bencher: Bencher, mut operation: impl FnMut(u64) -> T) {
    bencher.counter(ItemsCount::new(REPEATS)).bench_local(|| {
        for i in 0..REPEATS {
            black_box(operation(black_box(i)));
        }
    });
}

#[divan::bench]
fn stream_of_a_task_and_its_first_draw(bencher: Bencher) {
    let streams = Streams::new(1, 0);
    measure(bencher, |task| streams.stream(Purpose::Task, task).uniform());
}

#[divan::bench]
fn stream_of_a_task_and_twenty_draws(bencher: Bencher) {
    let streams = Streams::new(1, 0);
    measure(bencher, |task| {
        let mut stream = streams.stream(Purpose::Task, task);
        (0..20).map(|_| stream.uniform()).sum::<f64>()
    });
}

#[divan::bench]
fn uniform(bencher: Bencher) {
    let mut stream = stream();
    measure(bencher, |_| stream.uniform());
}

#[divan::bench]
fn below(bencher: Bencher) {
    let mut stream = stream();
    measure(bencher, |_| stream.below(black_box(1_000)));
}

/// The laws by name; a bench can't stop at an error, so a law that is refused is a constant.
const LAWS: [&str; 17] = [
    "constant",
    "uniform",
    "exponential",
    "lognormal",
    "gamma 0.3",
    "gamma 12",
    "weibull",
    "pareto",
    "geometric",
    "negative_binomial",
    "poisson 4",
    "poisson 5000",
    "zipf 1000",
    "zipf 1000000",
    "empirical",
    "mixture of two lognormals",
    "lognormal, rounded, clamped",
];

fn law(name: &str) -> Law {
    let lognormal = || Law::lognormal(2.626, 0.866);
    let law = match name {
        "uniform" => Law::uniform(2.0, 8.0),
        "exponential" => Law::exponential(2.5),
        "lognormal" => lognormal(),
        "gamma 0.3" => Law::gamma(0.3, 7.0),
        "gamma 12" => Law::gamma(12.0, 0.2),
        "weibull" => Law::weibull(0.6, 3.0),
        "pareto" => Law::pareto(2.5, 2.0),
        "geometric" => Law::geometric(0.05),
        "negative_binomial" => Law::negative_binomial(0.454, 0.0473),
        "poisson 4" => Law::poisson(4.0),
        "poisson 5000" => Law::poisson(5000.0),
        "zipf 1000" => Law::zipf(1000, 0.9),
        "zipf 1000000" => Law::zipf(1_000_000, 0.9),
        "empirical" => {
            Law::empirical(&[(0.0, 0.2), (0.5, 1.0), (0.9, 3.0), (0.99, 6.0), (1.0, 10.0)])
        }
        "mixture of two lognormals" => lognormal()
            .and_then(|short| Law::mixture([(0.7, short), (0.3, Law::lognormal(6.0, 0.5)?)])),
        "lognormal, rounded, clamped" => {
            lognormal().and_then(|law| law.rounded().clamped(3.0, f64::INFINITY))
        }
        _ => Law::constant(1.0),
    };
    law.expect("parameters of benches are valid")
}

#[divan::bench(args = LAWS)]
fn sample(bencher: Bencher, name: &str) {
    let (law, mut stream) = (law(name), stream());
    measure(bencher, |_| law.sample(&mut stream));
}

#[divan::bench]
fn gamma_constructor(bencher: Bencher) {
    bencher.bench(|| Law::gamma(black_box(0.3), 7.0));
}

#[divan::bench]
fn gamma_exact_quantile(bencher: Bencher) {
    let (law, mut stream) = (law("gamma 0.3"), stream());
    measure(bencher, |_| law.quantile(stream.uniform()));
}

#[divan::bench]
fn histogram_record(bencher: Bencher) {
    let mut histogram = Histogram::default();
    measure(bencher, |i| histogram.record(20_000_000_000 + i * 7_777_777));
}

/// Gaps of a leap of so many steps, in picoseconds: 25 ms and 1 µs more with each step.
#[divan::bench(args = [1, 16, 256, 4096])]
fn histogram_progression(bencher: Bencher, steps: u64) {
    let mut histogram = Histogram::default();
    measure(bencher, |i| {
        histogram.record_progression(25_000_000_000 + i * 1_000_000, 1_000_000, steps, 64);
    });
}
