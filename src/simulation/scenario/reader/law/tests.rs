//! Laws read as written, with the moments of their formulas.

use super::*;
use crate::simulation::scenario::document::parsed;
use proptest::prelude::*;

/// Reads `law = ...` as a law of `of`.
fn read_law(text: &str, of: Dimension, bounds: Bounds) -> Result<Law, Vec<String>> {
    let (root, sources, _) = parsed(&format!("law = {text}"));
    let node = root.as_table().and_then(|table| table.get("law")).unwrap();
    let faults = RefCell::default();
    let law = read(node, "law".to_owned(), of, bounds, &faults);
    let faults = faults.into_inner();
    assert_eq!(law.is_some(), faults.is_empty(), "{text}");
    law.ok_or_else(|| {
        let show = |fault: &Fault| {
            let place = fault.place.as_ref().unwrap();
            let written = &sources.get(place.source).unwrap().text[place.span.clone()];
            let help = fault.help.first().map(|help| format!(" ({help})")).unwrap_or_default();
            format!("{written} | {}: {}{help}", place.path, fault.message)
        };
        faults.iter().map(show).collect()
    })
}

fn time(text: &str) -> Law {
    read_law(text, Dimension::Time, Bounds::ALL).unwrap()
}

fn faults(text: &str) -> Vec<String> {
    read_law(text, Dimension::Time, Bounds::ALL).unwrap_err()
}

#[track_caller]
fn close(found: f64, expected: f64) {
    assert!((found / expected - 1.0).abs() < 1e-9, "{found} is not {expected}");
}

#[test]
fn every_example_is_read() {
    for law in LAWS {
        assert!(!law.doc.is_empty() && !law.examples.is_empty());
        for example in law.examples {
            assert!(example.contains(law.name));
            let law = time(example);
            assert!(law.minimum() >= 0.0 && law.maximum() > 0.0, "{example}");
        }
    }
}

#[test]
fn laws_have_the_moments_that_were_written() {
    assert_eq!(time("'1 min'").is_constant(), Some(60.0));
    assert_eq!(time("{ constant = '3 s' }").is_constant(), Some(3.0));
    close(time("{ uniform = ['1 s', '2 s'] }").mean(), 1.5);
    close(time("{ exponential = { mean = '2 min' } }").mean(), 120.0);
    let lognormal = time("{ lognormal = { median = '8 s', p90 = '20 s' } }");
    close(lognormal.quantile(0.5), 8.0);
    close(lognormal.quantile(0.9), 20.0);
    close(time("{ lognormal = { median = '8 s', p999 = '80 s' } }").quantile(0.999), 80.0);
    close(time("{ lognormal = { median = '8 s', p5 = '2 s' } }").quantile(0.05), 2.0);
    // The mean of a lognormal law is exp(mu + sigma²/2).
    close(time("{ lognormal = { mu = 7.4, sigma = 0.632 } }").mean(), libm::exp(7.4 + 0.199_712));
    let lognormal = time("{ lognormal = { mean = '10 s', cv = 0.8 } }");
    close(lognormal.mean(), 10.0);
    close(lognormal.variance(), 64.0);
    let gamma = time("{ gamma = { shape = 4, scale = '500 ms' } }");
    close(gamma.mean(), 2.0);
    close(gamma.variance(), 1.0);
    close(time("{ gamma = { mean = '3 s', cv = 0.5 } }").variance(), 2.25);
    close(time("{ weibull = { shape = 1, scale = '3 s' } }").mean(), 3.0);
    close(time("{ weibull = { mean = '3 s', cv = 2 } }").mean(), 3.0);
    close(time("{ pareto = { alpha = 3, min = '2 s' } }").mean(), 3.0);
    close(time("{ geometric = { p = '20 %' } }").mean(), 4.0);
    close(time("{ geometric = { mean = '4 s' } }").mean(), 4.0);
    close(time("{ negative_binomial = { r = 2, p = 0.25 } }").mean(), 6.0);
    close(time("{ poisson = { mean = '7 s' } }").mean(), 7.0);
    close(time("{ zipf = { n = 2, exponent = 1 } }").mean(), 4.0 / 3.0);
    close(time("{ quantiles = { p = [0, 1], values = ['2 s', '4 s'] } }").mean(), 3.0);
    let mixture = "{ mixture = [{ weight = 3, constant = '1 s' }, { weight = 1, exponential = { mean = \
                   '9 s' } }] }";
    close(time(mixture).mean(), 3.0);
}

#[test]
fn modifiers_apply_in_one_order() {
    // 2 s in all cases: drawn again below 2, doubled, shifted, rounded, moved onto a bound.
    let law = time(
        "{ max = '12 s', plus = '1.4 s', times = 2, round = true, uniform = ['0 s', '6 s'], \
                    truncate = ['2 s', '6 s'] }",
    );
    assert_eq!((law.minimum(), law.maximum()), (5.0, 12.0));
    close(law.quantile(0.5), 9.0);
    assert_eq!(time("{ constant = '1 s', min = '3 s' }").is_constant(), Some(3.0));
    let calls = read_law("{ geometric = { mean = 4 }, plus = 1 }", Dimension::Number, Bounds::ALL);
    assert_eq!(calls.unwrap().minimum(), 1.0);
}

#[test]
fn faults_point_at_what_is_wrong() {
    for (text, expected) in [
        (
            "3",
            &["3 | law: expected a time such as \"2 h\" or \"300 ms\", found 3 without a unit"][..],
        ),
        (
            "true",
            &[
                "true | law: expected a time such as \"2 h\" or \"300 ms\" or a law, found true (a law is \
               like `{ exponential = { mean = 3 } }`)",
            ],
        ),
        (
            "{ }",
            &["{ } | law: a law is missing here (choose from: constant, uniform, exponential, \
                   lognormal, gamma, weibull, pareto, geometric, negative_binomial, poisson, zipf, \
                   quantiles, mixture)"],
        ),
        (
            "{ lognorm = { median = '1 s', sigma = 1 }, mim = '1 s' }",
            &[
                "lognorm | law.lognorm: unknown law `lognorm` (did you mean `lognormal`?)",
                "mim | law.mim: unknown law `mim` (did you mean `min`?)",
            ],
        ),
        (
            "{ constant = '1 s', gamma = { mean = '1 s', cv = 1 } }",
            &[
                "gamma | law.gamma: `gamma` can't stand beside `constant` (for one of them by chance, \
               write a `mixture`)",
            ],
        ),
        (
            "{ exponential = { mean = '-3 s' } }",
            &["'-3 s' | law.exponential.mean: `mean` must be above 0 and finite, found -3 s"],
        ),
        (
            "{ lognormal = { median = '8 s', p90 = '4 s' } }",
            &["{ median = '8 s', p90 = '4 s' } | law.lognormal: "],
        ),
        (
            "{ lognormal = { median = '8 s', p50 = '9 s' } }",
            &[
                "'9 s' | law.lognormal.p50: `p50` must be between 0 and 1, other than 0.5, found 9 s",
            ],
        ),
        (
            "{ gamma = { mean = '3 s', scale = '1 s' } }",
            &[
                "scale | law.gamma.scale: `scale` can't stand beside `mean` (gamma takes `mean` and `cv`, \
               or `shape` and `scale`)",
            ],
        ),
        (
            "{ gamma = { shape = 3 } }",
            &[
                "{ shape = 3 } | law.gamma: gamma lacks `scale` (gamma takes `mean` and `cv`, or `shape` \
               and `scale`)",
            ],
        ),
        (
            "{ gamma = { shape = 'x', scale = 3, skale = 1 } }",
            &[
                "'x' | law.gamma.shape: expected a number such as \"4\" or \"1.5\", found \"x\"",
                "3 | law.gamma.scale: expected a time such as \"2 h\" or \"300 ms\", found 3 without a unit",
                "skale | law.gamma.skale: unknown parameter `skale` (did you mean `scale`?)",
            ],
        ),
        ("{ gamma = { mean = '3 s', cv = 1000 } }", &["1000 | law.gamma.cv: `cv` must be "]),
        (
            "{ exponential = '3 s' }",
            &["'3 s' | law.exponential: expected a table of parameters, found \
                                       text \"3 s\" (exponential takes `mean`)"],
        ),
        (
            "{ uniform = ['1 s'] }",
            &["['1 s'] | law.uniform: expected a list of two values, found 1"],
        ),
        ("{ uniform = ['2 s', '1 s'] }", &["['2 s', '1 s'] | law.uniform: "]),
        ("{ uniform = ['2 s', 1] }", &["1 | law.uniform[1]: expected a time such as"]),
        (
            "{ zipf = { n = 2.5, exponent = 1 } }",
            &["2.5 | law.zipf.n: expected a whole number, found 2.5"],
        ),
        (
            "{ quantiles = { p = [0, 1], values = ['1 s'] } }",
            &["{ p = [0, 1], values = ['1 s'] } | law.quantiles: 2 probabilities for 1 values"],
        ),
        (
            "{ quantiles = { p = [0.5, 0.1], values = ['1 s', '2 s'] } }",
            &["{ p = [0.5, 0.1], values = \
                                                                            ['1 s', '2 s'] } | law.quantiles: "],
        ),
        (
            "{ mixture = [{ constant = '1 s' }, { weight = 1, constant = 'x' }, 3] }",
            &[
                "{ constant = '1 s' } | law.mixture[0]: missing `weight`",
                "'x' | law.mixture[1].constant: expected a time",
                "3 | law.mixture[2]: expected a law with a `weight`, found 3",
            ],
        ),
        (
            "{ constant = 1, times = 'x', round = 1, min = 2 }",
            &[
                "1 | law.constant: expected a time",
                "'x' | law.times: expected a number",
                "1 | law.round: expected true or false, found 1",
                "2 | law.min: expected a time",
            ],
        ),
        ("{ constant = '1 s', times = -1 }", &["-1 | law.times: "]),
        ("{ constant = '1 s', min = '3 s', max = '2 s' }", &["'2 s' | law.max: "]),
    ] {
        let found = faults(text);
        assert_eq!(found.len(), expected.len(), "{text}: {found:#?}");
        for (found, expected) in found.iter().zip(expected) {
            assert!(found.starts_with(expected), "{text}:\n{found}\n{expected}");
        }
    }
}

#[test]
fn the_whole_law_must_lie_within_bounds() {
    let bounds = Bounds { low: 1.0, above: false, high: 4096.0 };
    let tokens = |text: &str| read_law(text, Dimension::Tokens, bounds);
    assert!(tokens("{ lognormal = { median = 300, sigma = 1 }, min = 1, max = '4096' }").is_ok());
    assert_eq!(
        tokens("{ lognormal = { median = 300, sigma = 1 }, max = 4096 }").unwrap_err(),
        [
            "{ lognormal = { median = 300, sigma = 1 }, max = 4096 } | law: `law` must be between 1 and \
             4096 tokens, this law goes down to 0 (cut it with `min` or `truncate`)",
        ]
    );
    assert_eq!(
        tokens("{ lognormal = { median = 300, sigma = 1 }, min = 1 }").unwrap_err(),
        [
            "{ lognormal = { median = 300, sigma = 1 }, min = 1 } | law: `law` must be between 1 and 4096 \
             tokens, this law has no upper end (cut it with `max` or `truncate`)",
        ]
    );
    assert!(tokens("{ uniform = [1, 5000] }").unwrap_err()[0].contains("goes up to 5 k"));
    assert!(tokens("0").unwrap_err()[0].ends_with("between 1 and 4096 tokens, found 0"));
}

proptest! {
    #[test]
    fn any_law_is_read_or_refused(
        law in r"(constant|uniform|exponential|lognormal|gamma|weibull|pareto|geometric|negative_binomial|poisson|zipf|quantiles|mixture|weight)",
        value in r"(1|-1|0|1e308|1e-308|nan|inf|'x'|true|\[\]|\[0, 1\]|\{\}|\[\{ weight = 1, constant = 1 \}\])",
        keys in prop::collection::vec(
            (
                r"(mean|cv|median|p90|p|sigma|mu|shape|scale|alpha|min|n|exponent|r|values)",
                r"(1|-1|0|0\.5|1e308|1e-300|9e99|nan|'x'|\[0, 1\]|\[\]|\[1e308, -1e308\])",
            ),
            0..4,
        ),
        modifier in r"(times|plus|min|max|truncate|round)",
        by in r"(1|-1|0|1e308|nan|true|\[0, 1\]|\[1, 0\]|\[\])",
    ) {
        let keys: std::collections::BTreeMap<_, _> = keys.into_iter().collect();
        let keys: Vec<_> = keys.iter().map(|(key, value)| format!("{key} = {value}")).collect();
        let table = format!("{{ {} }}", keys.join(", "));
        for value in [&value, &table] {
            let law = format!("{{ {law} = {value}, {modifier} = {by} }}");
            for of in [Dimension::Number, Dimension::Tokens] {
                if let Ok(law) = read_law(&law, of, Bounds::ALL) {
                    prop_assert!(law.draw(0.5).is_finite());
                }
            }
        }
    }
}
