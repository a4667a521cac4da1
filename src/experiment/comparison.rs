//! Variants against a baseline, trial by trial.
//!
//! Trial i of two variants has the same tasks (common random numbers), so what they have in common
//! cancels in their difference. Every measure is a ratio of totals, R = Σ aᵢ / Σ bᵢ. To first order
//! trial i pulls it by rᵢ = (aᵢ - R bᵢ) / b̄, so a difference R - R' is off by what its trials' rᵢ - r'ᵢ
//! average to, and the logarithm of a ratio R / R' by rᵢ/R - r'ᵢ/R'. Student's t over those gives the
//! intervals (A. M. Law, *Simulation Modeling and Analysis*, 5th ed., sections 10.2 and 11.2; W. G.
//! Cochran, *Sampling Techniques*, 3rd ed., section 6.3).

use crate::foundations::Interval;
use crate::foundations::interval::student_t;
use crate::foundations::statistics::{Moments, order_statistic};

use super::answer::Answer;
use super::answers::Answers;
use super::measure::Measure;
use super::split::Split;
use super::trial::TrialRow;

/// Every variant against one of them.
#[derive(Debug)]
pub struct Comparison<'a> {
    /// The answers of all variants.
    pub answers: &'a Answers<'a>,
    /// The variant that all others are held against.
    pub baseline: usize,
    /// What is compared.
    pub measures: Vec<Measure>,
    /// By variant and measure; none for the baseline itself, and where nothing can be said.
    pub contrasts: Vec<Vec<Option<Contrast>>>,
}

/// One measure of a variant against the baseline's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Contrast {
    /// The baseline's value.
    pub baseline: f64,
    /// The variant's value.
    pub value: f64,
    /// Where the difference `value - baseline` lies.
    pub difference: Interval,
    /// Where the ratio `value / baseline` lies; none where one of them is not above zero.
    pub ratio: Option<Interval>,
    /// Where the difference would lie, had the variants had tasks of their own.
    pub unpaired: Interval,
    /// Where the ratio would lie then.
    pub unpaired_ratio: Option<Interval>,
    /// Trials that both have.
    pub trials: u64,
    /// How it differs between trials, where something is uncertain.
    pub doubt: Option<Doubt>,
}

/// How a contrast differs between trials, each of which draws what is uncertain anew.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Doubt {
    /// The 5th and the 95th percentile of the trials' own ratios, or of their differences where
    /// there is no ratio.
    pub trials: Interval,
    /// How much of what differs is not knowing: the chance that both variants share cancels.
    pub split: Split,
}

/// What a contrast says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// The variant has less.
    Less,
    /// The variant has more.
    More,
    /// The same in every trial.
    Same,
    /// This many trials cannot tell.
    Nothing,
}

impl Contrast {
    /// What it says. A ratio, where there is one, tells more than a difference: what makes both
    /// variants dearer in a trial leaves it alone.
    pub fn told(&self) -> Told {
        let nothing = if self.ratio.is_some() { 1.0 } else { 0.0 };
        match self.ratio.unwrap_or(self.difference) {
            Interval { low, high } if low == nothing && high == nothing => Told::Same,
            Interval { low, .. } if low > nothing => Told::More,
            Interval { high, .. } if high < nothing => Told::Less,
            _ => Told::Nothing,
        }
    }

    /// How often the baseline's value the variant's is.
    pub fn times(&self) -> f64 {
        self.value / self.baseline
    }

    /// How sharply it is known: half of the interval, relative to the baseline's value.
    pub fn sharpness(&self) -> f64 {
        match self.ratio {
            Some(ratio) => ratio.half_width(),
            None => (self.difference.half_width() / self.baseline).abs(),
        }
    }

    /// How many times wider the interval would be without common random numbers.
    pub fn pairing_gain(&self) -> f64 {
        match (self.ratio, self.unpaired_ratio) {
            (Some(paired), Some(unpaired)) => unpaired.half_width() / paired.half_width(),
            _ => self.unpaired.half_width() / self.difference.half_width(),
        }
    }

    /// The contrast of two variants over the trials that both have; none with fewer than two.
    pub fn between(
        measure: &Measure,
        baseline: &Answer<'_>,
        variant: &Answer<'_>,
        confidence: f64,
    ) -> Option<Self> {
        let (before, after) = (measure.value(baseline)?, measure.value(variant)?);
        let pairs = baseline.rows.iter().zip(&variant.rows);
        let pairs: Vec<_> = pairs
            .filter(|(one, other)| one.trial == other.trial)
            .filter_map(|(one, other)| {
                let one = measure.in_trial(baseline, one)?;
                Some((one, measure.in_trial(variant, other)?))
            })
            .collect();
        let one: Vec<_> = pairs.iter().map(|pair| pair.0).collect();
        let other: Vec<_> = pairs.iter().map(|pair| pair.1).collect();
        let (pull, pull_other) = (pulls(&one), pulls(&other));
        let t = student_t(confidence, pairs.len() as f64 - 1.0);
        // Half-widths of a weighted difference, with the tasks in common and with tasks apart.
        let halves = |weight: f64, weight_other: f64| {
            let both = pull.iter().zip(&pull_other);
            let paired = both.map(|(one, other)| other * weight_other - one * weight);
            let (one, other) = (spread(&pull) * weight, spread(&pull_other) * weight_other);
            (t * paired.collect::<Moments>().standard_error(), t * libm::hypot(one, other))
        };
        let (paired, apart) = halves(1.0, 1.0);
        let (log_paired, log_apart) = halves(1.0 / before, 1.0 / after);
        let around = |log_half: f64| {
            (before > 0.0 && after > 0.0).then(|| Interval {
                low: after / before * libm::exp(-log_half),
                high: after / before * libm::exp(log_half),
            })
        };
        paired.is_finite().then(|| Self {
            baseline: before,
            value: after,
            difference: Interval::around(after - before, paired),
            ratio: around(log_paired),
            unpaired: Interval::around(after - before, apart),
            unpaired_ratio: around(log_apart),
            trials: pairs.len() as u64,
            doubt: Doubt::between(measure, [baseline, variant], [before, after], confidence),
        })
    }
}

impl Doubt {
    /// What trials with their twins say of two variants that have these values; none where nothing
    /// is uncertain.
    fn between(
        measure: &Measure,
        variants: [&Answer<'_>; 2],
        values: [f64; 2],
        confidence: f64,
    ) -> Option<Self> {
        let both = variants[0].twinned().zip(variants[1].twinned());
        let of = |row: &TrialRow, other: &TrialRow| {
            Some([measure.in_trial(variants[0], row)?, measure.in_trial(variants[1], other)?])
        };
        let (trials, twins): (Vec<_>, Vec<_>) = both
            .filter(|(one, other)| one.0.trial == other.0.trial)
            .filter_map(|(one, other)| Some((of(one.0, other.0)?, of(one.1, other.1)?)))
            .unzip();
        let is_ratio = values.iter().all(|value| *value > 0.0);
        let weights = values.map(|value| if is_ratio { 1.0 / value } else { 1.0 });
        // Trials and twins pull one and the same ratio.
        let pulls = [0, 1].map(|at| {
            let all: Vec<_> = trials.iter().chain(&twins).map(|pair| pair[at]).collect();
            pulls(&all)
        });
        let pull = |at: usize| pulls[1][at] * weights[1] - pulls[0][at] * weights[0];
        let pairs: Vec<_> =
            (0..trials.len()).map(|at| (pull(at), pull(at + trials.len()))).collect();
        let mut told: Vec<f64> = trials
            .iter()
            .map(|pair| pair.map(|(top, bottom)| top / bottom))
            .map(|[one, other]| if is_ratio { other / one } else { other - one })
            .filter(|value| value.is_finite())
            .collect();
        told.sort_by(f64::total_cmp);
        Some(Self {
            split: Split::new(&pairs, confidence)?,
            trials: Interval {
                low: order_statistic(&told, 0.05)?,
                high: order_statistic(&told, 0.95)?,
            },
        })
    }
}

/// How far each trial pulls the ratio of all trials' totals.
pub(super) fn pulls(trials: &[(f64, f64)]) -> Vec<f64> {
    let (top, bottom) = trials.iter().fold((0.0, 0.0), |(a, b), t| (a + t.0, b + t.1));
    let (ratio, mean) = (top / bottom, bottom / trials.len() as f64);
    trials.iter().map(|(a, b)| (a - ratio * b) / mean).collect()
}

/// The standard error of the mean of pulls.
fn spread(pulls: &[f64]) -> f64 {
    pulls.iter().copied().collect::<Moments>().standard_error()
}

impl<'a> Comparison<'a> {
    /// Holds all variants against the one at `baseline`.
    pub fn new(answers: &'a Answers<'a>, baseline: usize, measures: Vec<Measure>) -> Self {
        let contrasts = answers.variants.iter().enumerate().map(|(index, variant)| {
            let against = |measure: &Measure| match index == baseline {
                true => None,
                false => Contrast::between(
                    measure,
                    &answers.variants[baseline],
                    variant,
                    answers.confidence,
                ),
            };
            measures.iter().map(against).collect()
        });
        let contrasts = contrasts.collect();
        Self { answers, baseline, measures, contrasts }
    }

    /// The contrast of one variant in one measure.
    pub fn of(&self, variant: usize, measure: &Measure) -> Option<&Contrast> {
        let at = self.measures.iter().position(|known| known == measure)?;
        self.contrasts[variant][at].as_ref()
    }

    /// The worst [`Contrast::sharpness`] of a measure over all variants; infinite where one of them
    /// is not known.
    pub fn sharpness(&self, measure: &Measure) -> f64 {
        let others = (0..self.contrasts.len()).filter(|&variant| variant != self.baseline);
        let sharpness =
            |variant| self.of(variant, measure).map_or(f64::INFINITY, Contrast::sharpness);
        others.map(sharpness).fold(0.0, f64::max)
    }
}

/// How many trials would make an interval as sharp as `target`, given how sharp it is after `done`:
/// half-widths fall with the square root. At least a fifth more than there are and at most four
/// times as many, for what is known of the spread is vague at first.
pub fn trials_for(target: f64, sharpness: f64, done: u64) -> u64 {
    let needed = done as f64 * (sharpness / target) * (sharpness / target) * 1.05;
    let (least, most) = (done + done.div_ceil(5), 4 * done);
    if needed.is_finite() { (needed.ceil() as u64).clamp(least, most) } else { most }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Totals by hand: R = 30/20; pulls (5 - 6, 14 - 12, 11 - 12) / (20/3).
    #[test]
    fn trials_pull_a_ratio_by_their_residuals() {
        let found = pulls(&[(5.0, 4.0), (14.0, 8.0), (11.0, 8.0)]);
        let expected = [-0.15, 0.3, -0.15];
        assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12), "{found:?}");
    }

    #[test]
    fn what_a_contrast_says() {
        let contrast = |low, high| Contrast {
            baseline: 2.0,
            value: 1.0,
            difference: Interval { low, high },
            ratio: None,
            unpaired_ratio: None,
            unpaired: Interval { low: -6.0, high: 6.0 },
            trials: 10,
            doubt: None,
        };
        assert_eq!(contrast(-1.2, -0.8).told(), Told::Less);
        assert_eq!(contrast(0.1, 0.2).told(), Told::More);
        assert_eq!(contrast(-0.1, 0.2).told(), Told::Nothing);
        assert_eq!(contrast(0.0, 0.0).told(), Told::Same);
        assert!((contrast(-1.2, -0.8).sharpness() - 0.1).abs() < 1e-12);
        assert!((contrast(-1.2, -0.8).pairing_gain() - 30.0).abs() < 1e-9);
    }

    #[test]
    fn half_widths_fall_with_the_square_root() {
        assert_eq!(trials_for(0.02, 0.03, 20), 48);
        assert_eq!(trials_for(0.02, 0.2, 20), 80);
        assert_eq!(trials_for(0.02, f64::INFINITY, 20), 80);
        assert_eq!(trials_for(0.02, 0.020_1, 20), 24);
    }
}
