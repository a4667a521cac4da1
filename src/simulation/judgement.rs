//! What turns out to have been in vain: answers that nobody reads, work that is found wrong.

use super::event::Handle;
use super::waste::Waste;
use super::world::World;

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
