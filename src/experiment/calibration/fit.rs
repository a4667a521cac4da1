//! The fit itself: factors, their intervals, and errors with and without them.

use super::points::Point;
use crate::catalog::Factor;
use crate::foundations::interval::student_t;
use crate::foundations::least_squares::{Minimum, NoMinimum, minimise, soft_l1};
use crate::performance::{ClosedLoop, Factors, HostProfile, Latencies, StepModel};

/// Latencies of a point under factors, by simulation; none where that is not possible.
pub type Predict<'a> = dyn Fn(&Factors, &Point) -> Option<Latencies> + Sync + 'a;

/// A ratio of predicted to measured counts fully up to about this far from 1.
const SCALE: f64 = 0.1;
/// Pull towards 1, for logarithms of factors.
const RIDGE: f64 = 0.4;
/// Runs of one configuration differ by this from their median (data/fidelity: 296 configurations
/// run on several dates, mean 4.6 %), as a share.
pub const REPEATABILITY: f64 = 0.046;
/// What that is worth, in points: nobody knows the noise of three points from these alone.
const REPEATABILITY_POINTS: f64 = 4.0;
/// Ratio of the ends of an interval beyond which a factor on the front end says nothing.
const MOST_UNSURE: f64 = 6.0;
/// Points that are needed.
const LEAST_POINTS: usize = 3;
/// Least ratio of the largest to the smallest concurrency.
const LEAST_SPREAD: f64 = 1.5;
/// Rounds of correcting the closed form by simulation.
const ROUNDS: usize = 2;

/// A deployment that has been calibrated.
#[derive(Clone, Debug)]
pub struct Calibrated {
    /// On time in kernels.
    pub gpu_time: Factor,
    /// On launches and the host's work for a step.
    pub host_time: Factor,
    /// On delays before the scheduler, where times to first token tell.
    pub front_end: Option<Factor>,
    /// By point.
    pub points: Vec<Prediction>,
}

/// What is predicted of one point.
#[derive(Clone, Copy, Debug)]
pub struct Prediction {
    /// Without factors.
    pub before: Latencies,
    /// With the factors.
    pub after: Latencies,
    /// With factors fitted to the other points.
    pub left_out: Latencies,
}

/// Why points cannot be fitted to.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Unfit {
    /// Too few of them.
    #[error("{found} measured point(s) are too few: {LEAST_POINTS} are needed")]
    TooFew {
        /// Points.
        found: usize,
    },
    /// All at about one concurrency.
    #[error("all points have a concurrency of about {concurrency:.0}")]
    OneConcurrency {
        /// Their largest.
        concurrency: f64,
    },
    /// The solver gave up.
    #[error("the fit failed: {0}")]
    Unsolved(#[from] NoMinimum),
}

impl Unfit {
    /// What the reader should know and do.
    #[must_use]
    pub fn help(&self) -> &'static str {
        match self {
            Self::TooFew { .. } => {
                "measure at three concurrencies at least, low, middle and high: on published \
                 measurements factors from one point made predictions worse than none (13.6 % \
                 against 11.7 %), from three better (5.6 % against 7.8 %)"
            }
            Self::OneConcurrency { .. } => {
                "measure at a low and a high concurrency: small batches wait for launches, large \
                 ones for kernels, and points of one size cannot tell them apart"
            }
            Self::Unsolved(_) => "check the points: a time may be wrong by orders of magnitude",
        }
    }
}

impl Calibrated {
    /// The factors.
    #[must_use]
    pub fn factors(&self) -> Factors {
        Factors {
            gpu_time: self.gpu_time.value,
            host_time: self.host_time.value,
            front_end: self.front_end.map_or(1.0, |factor| factor.value),
        }
    }

    /// Mean error of time per output token without factors.
    #[must_use]
    pub fn tpot_error_before(&self, points: &[Point]) -> f64 {
        self.mean_error(points, |point, found| Some(found.before.tpot_s / point.tpot_s))
    }

    /// The same of points left out of the fit.
    #[must_use]
    pub fn tpot_error(&self, points: &[Point]) -> f64 {
        self.mean_error(points, |point, found| Some(found.left_out.tpot_s / point.tpot_s))
    }

    /// Mean error of time to first token of points left out of the fit; none where a point lacks it.
    #[must_use]
    pub fn ttft_error(&self, points: &[Point]) -> Option<f64> {
        points.iter().all(|point| point.ttft_s.is_some()).then(|| {
            self.mean_error(points, |point, found| Some(found.left_out.ttft_s / point.ttft_s?))
        })
    }

    fn mean_error(
        &self,
        points: &[Point],
        ratio: impl Fn(&Point, &Prediction) -> Option<f64>,
    ) -> f64 {
        let ratios =
            points.iter().zip(&self.points).filter_map(|(point, found)| ratio(point, found));
        let errors: Vec<f64> = ratios.map(|ratio| (ratio - 1.0).abs()).collect();
        errors.iter().sum::<f64>() / errors.len().max(1) as f64
    }
}

/// Fits the factors of the deployment that steps like `model` behind a front end like `host`.
///
/// # Errors
/// [`Unfit`].
pub fn calibrate(
    points: &[Point],
    model: &StepModel,
    host: &HostProfile,
    token_budget: u32,
    predict: &Predict<'_>,
) -> Result<Calibrated, Unfit> {
    let (low, high) = points.iter().fold((f64::INFINITY, 0.0), |(low, high), point| {
        (f64::min(low, point.clients), f64::max(high, point.clients))
    });
    if points.len() < LEAST_POINTS {
        return Err(Unfit::TooFew { found: points.len() });
    }
    if high < LEAST_SPREAD * low {
        return Err(Unfit::OneConcurrency { concurrency: high });
    }
    let all: Vec<usize> = (0..points.len()).collect();
    let deployment = Deployed { points, model, host, token_budget, predict };
    let mut before = Corrected::new(&deployment, &Factors::default());
    let mut solution = before.solve(&all)?;
    let mut here = before.clone();
    for _ in 0..ROUNDS {
        here = Corrected::new(&deployment, &solution.factors);
        solution = here.solve(&all)?;
    }
    // As simulated with the factors that are handed out. Clients in closed loop wait for whole
    // steps: a front end that is faster by less than one may bring them nothing.
    let mut after = deployment.predictions(&solution.factors);
    let without = Factors { front_end: 1.0, ..solution.factors };
    let plain = deployment.predictions(&without);
    if deployment.ttft_error(&after) >= deployment.ttft_error(&plain) {
        (solution.factors, solution.front_end, after) = (without, None, plain);
    }
    let mut left_out = Vec::with_capacity(points.len());
    for &out in &all {
        let rest: Vec<usize> = all.iter().copied().filter(|&index| index != out).collect();
        let front_end = solution.front_end.map(|_| ());
        let mut found = here.solve(&rest)?.factors;
        found.front_end = front_end.map_or(1.0, |()| found.front_end);
        left_out.push(deployment.prediction(&found, &points[out]));
    }
    let known = before.take();
    let found = known.into_iter().zip(after).zip(left_out);
    Ok(Calibrated {
        gpu_time: solution.factor(0),
        host_time: solution.factor(1),
        front_end: solution.front_end,
        points: found
            .map(|((before, after), left_out)| Prediction { before, after, left_out })
            .collect(),
    })
}

/// What is fitted.
#[derive(Clone, Copy)]
struct Deployed<'a> {
    points: &'a [Point],
    model: &'a StepModel,
    host: &'a HostProfile,
    token_budget: u32,
    predict: &'a Predict<'a>,
}

impl Deployed<'_> {
    /// As simulated, or in closed form where that is not possible.
    fn prediction(&self, factors: &Factors, point: &Point) -> Latencies {
        (self.predict)(factors, point).unwrap_or_else(|| self.closed_form(factors, point))
    }

    fn predictions(&self, factors: &Factors) -> Vec<Latencies> {
        self.points.iter().map(|point| self.prediction(factors, point)).collect()
    }

    /// Sum of the errors of time to first token.
    fn ttft_error(&self, found: &[Latencies]) -> f64 {
        let pairs = self.points.iter().zip(found);
        let errors = pairs.filter_map(|(point, found)| Some(found.ttft_s / point.ttft_s?));
        errors.map(|ratio| libm::fabs(libm::log(ratio))).sum()
    }

    fn closed_form(&self, factors: &Factors, point: &Point) -> Latencies {
        let load = ClosedLoop {
            clients: point.clients,
            prompt: point.prompt,
            answer: point.answer,
            token_budget: self.token_budget,
        };
        load.latencies(&self.model.calibrated(factors), &self.host.calibrated(factors))
    }
}

/// The closed form times its ratio to a simulation near by.
#[derive(Clone)]
struct Corrected<'a> {
    deployment: &'a Deployed<'a>,
    /// By point: simulated over closed form.
    ratios: Vec<Latencies>,
    /// By point, as simulated where that was possible.
    here: Vec<Latencies>,
}

/// Factors and how sure they are.
struct Solution {
    factors: Factors,
    minimum: Minimum,
    front_end: Option<Factor>,
    /// Degrees of freedom and standard deviation of the noise in logarithms.
    noise: (f64, f64),
}

impl<'a> Corrected<'a> {
    fn new(deployment: &'a Deployed<'a>, factors: &Factors) -> Self {
        let (mut ratios, mut here) = (Vec::new(), Vec::new());
        for point in deployment.points {
            let closed = deployment.closed_form(factors, point);
            let simulated = deployment.prediction(factors, point);
            here.push(simulated);
            ratios.push(Latencies {
                ttft_s: simulated.ttft_s / closed.ttft_s,
                tpot_s: simulated.tpot_s / closed.tpot_s,
            });
        }
        Self { deployment, ratios, here }
    }

    fn take(&mut self) -> Vec<Latencies> {
        std::mem::take(&mut self.here)
    }

    fn prediction(&self, factors: &Factors, index: usize) -> Latencies {
        let closed = self.deployment.closed_form(factors, &self.deployment.points[index]);
        let ratio = self.ratios[index];
        Latencies { ttft_s: closed.ttft_s * ratio.ttft_s, tpot_s: closed.tpot_s * ratio.tpot_s }
    }

    /// The factors that suit these points best.
    fn solve(&self, used: &[usize]) -> Result<Solution, Unfit> {
        let points = self.deployment.points;
        let factors = |x: &[f64]| Factors {
            gpu_time: libm::exp(x[0]),
            host_time: libm::exp(x[1]),
            front_end: 1.0,
        };
        let error = |factors: &Factors, index: usize| {
            libm::log(self.prediction(factors, index).tpot_s / points[index].tpot_s)
        };
        let residuals = |x: &[f64]| -> Vec<f64> {
            let factors = factors(x);
            let errors = used.iter().map(|&index| soft_l1(error(&factors, index), SCALE));
            errors.chain(x.iter().map(|x| RIDGE * x)).collect()
        };
        let minimum = minimise(&[0.0, 0.0], residuals)?;
        let mut factors = factors(&minimum.parameters);
        let errors = used.iter().map(|&index| error(&factors, index));
        let noise = noise(errors, 2);
        let front_end = self.front_end(&factors, used)?;
        factors.front_end = front_end.map_or(1.0, |factor| factor.value);
        Ok(Solution { factors, minimum, front_end, noise })
    }

    /// The factor on delays before the scheduler, given the other two; none where a point has no
    /// time to first token, or where these times do not tell.
    fn front_end(&self, factors: &Factors, used: &[usize]) -> Result<Option<Factor>, Unfit> {
        let points = self.deployment.points;
        let Some(measured): Option<Vec<(usize, f64)>> =
            used.iter().map(|&index| Some((index, points[index].ttft_s?))).collect()
        else {
            return Ok(None);
        };
        let error = |x: &[f64], (index, ttft_s): (usize, f64)| {
            let factors = Factors { front_end: libm::exp(x[0]), ..*factors };
            libm::log(self.prediction(&factors, index).ttft_s / ttft_s)
        };
        let minimum = minimise(&[0.0], |x| {
            let errors = measured.iter().map(|&point| soft_l1(error(x, point), SCALE));
            errors.chain([RIDGE * x[0]]).collect()
        })?;
        let errors = measured.iter().map(|&point| error(&minimum.parameters, point));
        let factor = interval(&minimum, 0, noise(errors, 1));
        Ok((factor.high <= MOST_UNSURE * factor.low).then_some(factor))
    }
}

impl Solution {
    fn factor(&self, parameter: usize) -> Factor {
        interval(&self.minimum, parameter, self.noise)
    }
}

/// Degrees of freedom and standard deviation of errors after fitting so many parameters, with what
/// is known of repeated runs mixed in (a scaled inverse chi-squared prior).
fn noise(errors: impl Iterator<Item = f64>, parameters: usize) -> (f64, f64) {
    let (mut count, mut sum) = (0.0, 0.0);
    for error in errors {
        count += 1.0;
        sum += error * error;
    }
    let freedom = REPEATABILITY_POINTS + (count - parameters as f64).max(0.0);
    let variance = (REPEATABILITY_POINTS * REPEATABILITY * REPEATABILITY + sum) / freedom;
    (freedom, variance.sqrt())
}

/// A factor with its 95 % interval: its logarithm is distributed as Student's t.
fn interval(minimum: &Minimum, parameter: usize, (freedom, deviation): (f64, f64)) -> Factor {
    let log = minimum.parameters[parameter];
    let error = minimum.unit_error(parameter).unwrap_or(1.0 / RIDGE) * deviation;
    let half = student_t(0.95, freedom) * error;
    let [value, low, high] = [log, log - half, log + half].map(libm::exp);
    Factor { value, low, high }
}

#[cfg(test)]
mod tests;
