//! The laws that a scenario may name, and how their parameters are given.

use crate::foundations::Law;
use crate::foundations::distribution::LawError;

/// How a law is written.
#[derive(Debug)]
pub struct LawSyntax {
    /// The key that names it.
    pub name: &'static str,
    /// What it is, in one line.
    pub doc: &'static str,
    /// One value per way of writing it, of times as an example.
    pub examples: &'static [&'static str],
    /// What stands behind its name.
    pub parameters: Parameters,
}

/// What stands behind the name of a law.
#[derive(Debug)]
pub enum Parameters {
    /// One quantity.
    Value,
    /// A list of two quantities.
    Pair,
    /// A table, in one of several forms.
    Forms(&'static [Form]),
    /// Lists of probabilities and of values.
    Quantiles,
    /// A list of laws with weights.
    Mixture,
}

/// One way of giving a law's parameters.
#[derive(Debug)]
pub struct Form {
    /// The parameters by name.
    pub keys: &'static [(&'static str, Of)],
    pub(super) make: fn(&[f64]) -> Result<Law, LawError>,
}

/// What a parameter is.
#[derive(Debug, Clone, Copy)]
pub enum Of {
    /// A quantity like the law's values.
    Same,
    /// A fraction.
    Fraction,
    /// A plain number.
    Number,
    /// A whole number.
    Whole,
    /// A quantity like the law's values, at the percentile that the key itself names: `p90`. The
    /// percentile follows the last parameter.
    Percentile,
}

/// The laws in the order in which a reference lists them.
pub static LAWS: &[LawSyntax] = &[
    LawSyntax {
        name: "constant",
        doc: "always the same value",
        examples: &["{ constant = '3 s' }"],
        parameters: Parameters::Value,
    },
    LawSyntax {
        name: "uniform",
        doc: "all values between two alike",
        examples: &["{ uniform = ['1 s', '2 s'] }"],
        parameters: Parameters::Pair,
    },
    LawSyntax {
        name: "exponential",
        doc: "without memory, as the gaps between independent events",
        examples: &["{ exponential = { mean = '3 s' } }"],
        parameters: Parameters::Forms(&[Form {
            keys: &[("mean", Of::Same)],
            make: |v| Law::exponential(v[0]),
        }]),
    },
    LawSyntax {
        name: "lognormal",
        doc: "the exponential of a normal law; mu is the logarithm of the median in the base unit",
        examples: &[
            "{ lognormal = { median = '8 s', p90 = '20 s' } }",
            "{ lognormal = { median = '8 s', sigma = 0.7 } }",
            "{ lognormal = { mean = '10 s', cv = 0.8 } }",
            "{ lognormal = { mu = 2.1, sigma = 0.7 } }",
        ],
        parameters: Parameters::Forms(&[
            Form {
                keys: &[("median", Of::Same), ("p90", Of::Percentile)],
                make: |v| Law::lognormal_from_quantile(v[0], v[2], v[1]),
            },
            Form {
                keys: &[("median", Of::Same), ("sigma", Of::Number)],
                make: |v| Law::lognormal_from_median(v[0], v[1]),
            },
            Form {
                keys: &[("mean", Of::Same), ("cv", Of::Number)],
                // The mean is the median times exp(sigma²/2), and cv² = exp(sigma²) - 1.
                make: |v| {
                    let square = libm::log1p(v[1] * v[1]);
                    Law::lognormal_from_median(v[0] / libm::exp(square / 2.0), libm::sqrt(square))
                },
            },
            Form {
                keys: &[("mu", Of::Number), ("sigma", Of::Number)],
                make: |v| Law::lognormal(v[0], v[1]),
            },
        ]),
    },
    LawSyntax {
        name: "gamma",
        doc: "a sum of exponential stages; cv is the standard deviation over the mean",
        examples: &[
            "{ gamma = { mean = '3 s', cv = 0.5 } }",
            "{ gamma = { shape = 4, scale = '1 s' } }",
        ],
        parameters: Parameters::Forms(&[
            Form {
                keys: &[("mean", Of::Same), ("cv", Of::Number)],
                make: |v| Law::gamma_from_mean(v[0], v[1]),
            },
            Form {
                keys: &[("shape", Of::Number), ("scale", Of::Same)],
                make: |v| Law::gamma(v[0], v[1]),
            },
        ]),
    },
    LawSyntax {
        name: "weibull",
        doc: "a power of an exponential variable",
        examples: &[
            "{ weibull = { mean = '3 s', cv = 2 } }",
            "{ weibull = { shape = 0.7, scale = '2 s' } }",
        ],
        parameters: Parameters::Forms(&[
            Form {
                keys: &[("mean", Of::Same), ("cv", Of::Number)],
                make: |v| Law::weibull_from_mean(v[0], v[1]),
            },
            Form {
                keys: &[("shape", Of::Number), ("scale", Of::Same)],
                make: |v| Law::weibull(v[0], v[1]),
            },
        ]),
    },
    LawSyntax {
        name: "pareto",
        doc: "a power-law tail above a smallest value",
        examples: &["{ pareto = { alpha = 1.5, min = '1 s' } }"],
        parameters: Parameters::Forms(&[Form {
            keys: &[("alpha", Of::Number), ("min", Of::Same)],
            make: |v| Law::pareto(v[0], v[1]),
        }]),
    },
    LawSyntax {
        name: "geometric",
        doc: "failures before the first success",
        examples: &["{ geometric = { mean = '4 s' } }", "{ geometric = { p = '20 %' } }"],
        parameters: Parameters::Forms(&[
            Form { keys: &[("mean", Of::Same)], make: |v| Law::geometric_from_mean(v[0]) },
            Form { keys: &[("p", Of::Fraction)], make: |v| Law::geometric(v[0]) },
        ]),
    },
    LawSyntax {
        name: "negative_binomial",
        doc: "failures before the r-th success",
        examples: &["{ negative_binomial = { r = 2.5, p = 0.2 } }"],
        parameters: Parameters::Forms(&[Form {
            keys: &[("r", Of::Number), ("p", Of::Fraction)],
            make: |v| Law::negative_binomial(v[0], v[1]),
        }]),
    },
    LawSyntax {
        name: "poisson",
        doc: "how many independent events happen in a fixed time",
        examples: &["{ poisson = { mean = '3 s' } }"],
        parameters: Parameters::Forms(&[Form {
            keys: &[("mean", Of::Same)],
            make: |v| Law::poisson(v[0]),
        }]),
    },
    LawSyntax {
        name: "zipf",
        doc: "ranks 1 to n, rank k with weight 1/k^exponent",
        examples: &["{ zipf = { n = 1000, exponent = 0.9 } }"],
        parameters: Parameters::Forms(&[Form {
            keys: &[("n", Of::Whole), ("exponent", Of::Number)],
            make: |v| Law::zipf(v[0] as u64, v[1]),
        }]),
    },
    LawSyntax {
        name: "quantiles",
        doc: "a table of measured quantiles",
        examples: &["{ quantiles = { p = [0, 0.5, 1], values = ['1 s', '2 s', '9 s'] } }"],
        parameters: Parameters::Quantiles,
    },
    LawSyntax {
        name: "mixture",
        doc: "one of several laws, by weight",
        examples: &[
            "{ mixture = [{ weight = 3, constant = '1 s' }, { weight = 1, exponential = { mean = '9 s' } }] }",
        ],
        parameters: Parameters::Mixture,
    },
];
