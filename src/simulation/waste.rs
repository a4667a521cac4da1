//! What was produced and paid for in vain, by cause.

use super::event::Handle;
use super::world::World;

/// Why nobody has anything of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[repr(usize)]
pub enum Waste {
    /// An attempt took too long.
    Timeout,
    /// An attempt went down with its server.
    Lost,
    /// Another attempt at the same call was answered sooner.
    Hedge,
    /// Its task was over, or enough other sub-agents were through.
    #[default]
    Abandoned,
    /// A check or a person found the work wrong.
    Rejected,
    /// Its task failed.
    FailedTask,
}

impl Waste {
    /// How many causes there are.
    pub const COUNT: usize = 6;
    /// Those of single attempts: their answers were never read.
    pub const UNREAD: [Self; 4] = [Self::Timeout, Self::Lost, Self::Hedge, Self::Abandoned];
}

/// Tokens produced, and what was charged for them and for their prompts, picodollars.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Wasted {
    /// Tokens produced.
    pub tokens: u64,
    /// Charged, picodollars.
    pub pico: u128,
}

impl Wasted {
    /// Adds some.
    pub fn add(&mut self, tokens: u64, pico: u128) {
        self.tokens += tokens;
        self.pico += pico;
    }
}

impl World<'_> {
    /// Counts an attempt whose answer is never read, and that its task has been charged for.
    pub(super) fn waste(&mut self, call: (Handle, u16), cause: Waste, tokens: u32, pico: u64) {
        let (task, population) = call;
        self.tally(population).wasted[cause as usize].add(tokens.into(), pico.into());
        if let Some(task) = self.tasks.get_mut(task) {
            task.judged_pico += pico;
        }
    }

    /// A check or a person has looked at an actor's work.
    pub(super) fn judge(&mut self, actor: Handle, by_check: bool, is_good: bool) {
        let (population, counted) = self.whose(actor);
        let tally = self.tally(population);
        let (looked, failed) = match by_check {
            true => (&mut tally.checks, &mut tally.checks_failed),
            false => (&mut tally.reviews, &mut tally.rejections),
        };
        *looked += u64::from(counted);
        *failed += u64::from(counted && !is_good);
        if !is_good {
            self.reject_work(self.actors[actor].task);
        }
    }

    /// The work of a task since its start, or since it was last found wrong, was found wrong.
    fn reject_work(&mut self, task: Handle) {
        let task = &mut self.tasks[task];
        let (tokens, pico) = task.unjudged();
        (task.judged_tokens, task.judged_pico) = (task.output_tokens, task.charged_pico);
        if task.counted {
            let population = task.population;
            self.tally(population).wasted[Waste::Rejected as usize].add(tokens, pico.into());
        }
    }
}
