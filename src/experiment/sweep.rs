//! A scenario at many points of a space: the same trials at each.

use crate::foundations::Interval;
use crate::simulation::Plan;

use super::answer::Answer;
use super::evidence::Part;
use super::figure::Figure;
use super::measure::Measure;
use super::objective::Verdict;
use super::pareto;

/// What is known of a point.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Outcome {
    /// GPUs of all pools.
    pub gpus: u64,
    /// Whether tasks end as fast as they start.
    pub keeps_up: bool,
    /// By objective: whether it is met.
    pub met: Vec<bool>,
    /// By objective: the trials that met it by themselves.
    pub trials_met: Vec<u64>,
    /// Trials that were finished.
    pub trials: u64,
    /// Figures of the fleet and of each other part that somebody asks about, in the order of
    /// [`METRICS`](super::METRICS).
    pub figures: Vec<(Part, Vec<Figure>)>,
}

/// GPUs of all pools of a plan.
pub fn gpus(plan: &Plan) -> u64 {
    plan.pools.iter().map(|pool| u64::from(pool.most_replicas()) * u64::from(pool.gpus)).sum()
}

impl Outcome {
    /// What an answer says of its point, to somebody who asks for these measures.
    pub fn new(answer: &Answer<'_>, asked: &[Measure]) -> Self {
        let is_asked =
            |part: &Part| *part == Part::FLEET || asked.iter().any(|measure| measure.part == *part);
        let figures = answer.parts.iter().zip(&answer.figures);
        let figures = figures.filter(|(part, _)| is_asked(part));
        Self {
            gpus: gpus(answer.plan),
            keeps_up: answer.keeps_up,
            met: answer.verdicts.iter().map(|verdict: &Verdict| verdict.met).collect(),
            trials_met: answer.verdicts.iter().map(|verdict| verdict.trials_met).collect(),
            trials: answer.rows.len() as u64,
            figures: figures.map(|(part, figures)| (part.clone(), figures.clone())).collect(),
        }
    }

    /// The value of a measure, and where it lies; neither where its part is not at this point, or
    /// was not asked about.
    pub fn measured(&self, measure: &Measure) -> (Option<f64>, Option<Interval>) {
        let figures = self.figures.iter().find(|(part, _)| *part == measure.part);
        figures.map_or((None, None), |(_, figures)| measure.of(figures))
    }

    /// Whether every objective is met and the fleet keeps up with its load.
    pub fn is_good(&self) -> bool {
        self.keeps_up && self.met.iter().all(|&met| met)
    }

    /// A measure, as the better the higher it is; not a number where it is not known.
    fn goodness(&self, measure: &Measure) -> f64 {
        let value = self.measured(measure).0.unwrap_or(f64::NAN);
        if measure.more_is_better() { value } else { -value }
    }
}

/// A point of a sweep.
#[derive(Clone, Debug)]
pub struct SweepPoint {
    /// What was set, as `path=value` for each axis.
    pub settings: Vec<String>,
    /// What came of it: an outcome, or why it cannot be built; none where the sweep was stopped.
    pub found: Option<Result<Outcome, String>>,
}

impl SweepPoint {
    /// Its outcome, where it has one.
    pub fn outcome(&self) -> Option<&Outcome> {
        self.found.as_ref()?.as_ref().ok()
    }

    /// The value of an axis, by its place.
    pub fn value(&self, axis: usize) -> &str {
        self.settings[axis].split_once('=').map_or("", |(_, value)| value)
    }
}

/// Whether each point is on the front of two measures. Points that do not keep up with their load
/// are not: what they show depends on how long one looks.
pub fn front(points: &[SweepPoint], measures: &[Measure; 2]) -> Vec<bool> {
    let coordinates = |point: &SweepPoint| match point.outcome() {
        Some(outcome) if outcome.keeps_up => {
            [outcome.goodness(&measures[0]), outcome.goodness(&measures[1])]
        }
        _ => [f64::NAN; 2],
    };
    let all: Vec<[f64; 2]> = points.iter().map(coordinates).collect();
    pareto::front(&all)
}

/// The best point in a measure among those that meet everything, or among all where none does.
pub fn best(points: &[SweepPoint], measure: &Measure) -> Option<usize> {
    let rank = |point: &SweepPoint| {
        let outcome = point.outcome()?;
        let goodness = outcome.goodness(measure);
        (!goodness.is_nan()).then(|| (outcome.is_good(), goodness))
    };
    let ranked = points.iter().enumerate().filter_map(|(at, point)| Some((at, rank(point)?)));
    // Of equals the first.
    ranked
        .rev()
        .max_by(|(_, one), (_, other)| one.0.cmp(&other.0).then(one.1.total_cmp(&other.1)))
        .map(|(at, _)| at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::METRICS;

    fn point(usd: f64, latency: f64, keeps_up: bool, met: bool) -> SweepPoint {
        let mut figures = vec![Figure::default(); METRICS.len()];
        for (key, value) in [("usd_per_task", usd), ("task_latency_s", latency)] {
            figures[Measure::mean(key).unwrap().metric.index()].mean = Some(value);
        }
        let figures = vec![(Part::FLEET, figures)];
        let (met, trials_met) = (vec![met], vec![1]);
        let outcome = Outcome { gpus: 1, keeps_up, met, trials_met, trials: 1, figures };
        SweepPoint { settings: vec!["a.b=c=d".into()], found: Some(Ok(outcome)) }
    }

    #[test]
    fn the_front_and_the_best() {
        let points = [
            point(1.0, 9.0, true, false),
            point(2.0, 4.0, true, true),
            point(3.0, 5.0, true, true),
            point(0.5, 1.0, false, false),
            SweepPoint { settings: vec![], found: Some(Err("does not fit".into())) },
            SweepPoint { settings: vec![], found: None },
        ];
        let usd = Measure::mean("usd_per_task").unwrap();
        let latency = Measure::mean("task_latency_s").unwrap();
        let on_front = front(&points, &[usd.clone(), latency]);
        assert_eq!(on_front, [true, true, false, false, false, false]);
        assert_eq!(best(&points, &usd), Some(1));
        assert_eq!(best(&points[..1], &usd), Some(0));
        assert_eq!(best(&points[4..], &usd), None);
        assert_eq!(points[0].value(0), "c=d");
    }
}
