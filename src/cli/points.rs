//! Plans at many points of an experiment: each is simulated by all trials. What is kept of a point is
//! its outcome, so a point is a piece of the experiment as a whole.

use super::failure::Failure;
use super::prepare::Prepared;
use super::progress;
use super::work::Work;
use crate::experiment::sweep::Outcome;
use crate::experiment::{Answers, METRICS, Measure, MonteCarlo};
use crate::simulation::Plan;

/// The outcome at each point, with the figures of the fleet and of all that `asked` is about, as far
/// as it is known when somebody says to stop. As many points are simulated side by side as there are
/// threads to spare.
///
/// # Errors
/// What the file system says, and when the operating system gives no threads.
pub fn simulate(
    prepared: &Prepared,
    points: &[&Plan],
    asked: &[Measure],
    work: &Work,
    wanted: bool,
) -> Result<Vec<Option<Outcome>>, Failure> {
    let Work { watch, store, .. } = work;
    let key = |at: usize| format!("point {at}");
    let fits = |outcome: &Outcome| {
        outcome.figures.iter().all(|(_, figures)| figures.len() == METRICS.len())
            && [outcome.met.len(), outcome.trials_met.len()] == [prepared.objectives.len(); 2]
    };
    let known = |at: usize| store.take(&key(at), fits).into_iter().next();
    let mut outcomes: Vec<Option<Outcome>> = (0..points.len()).map(known).collect();
    // Asked of known ones too: it counts.
    let is_open = |&at: &usize| store.is_mine() && outcomes[at].is_none();
    let open: Vec<usize> = (0..points.len()).filter(is_open).collect();
    let plans: Vec<Plan> = open.iter().map(|&at| points[at].clone()).collect();
    let abreast =
        prepared.threads().div_ceil(usize::try_from(prepared.trials).unwrap_or(usize::MAX)).max(1);
    progress::shown(wanted, &plans, prepared.trials, watch, || {
        for (open, plans) in open.chunks(abreast).zip(plans.chunks(abreast)) {
            let monte_carlo = MonteCarlo { plans, ..prepared.monte_carlo() };
            let trials = monte_carlo.run(watch)?;
            let answers = Answers::new(&prepared.name, &monte_carlo, trials, prepared.confidence);
            if answers.stopped_after().is_some() {
                break;
            }
            for (&at, answer) in open.iter().zip(&answers.variants) {
                let outcome = Outcome::new(answer, asked);
                store.put(&key(at), &outcome);
                outcomes[at] = Some(outcome);
            }
        }
        Ok::<_, Failure>(())
    })?;
    work.check().map(|()| outcomes)
}
