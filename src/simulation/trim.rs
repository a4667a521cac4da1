//! Contexts that have grown too long: old results of tools are taken out, or all of it is summarised.

use super::actor::Script;
use super::event::Handle;
use super::world::World;
use crate::foundations::random::derive;
use crate::workload::program::{Program, Pruning};

impl World<'_> {
    /// Takes old results of tools out of a context that is too long, but for the latest.
    #[cold]
    pub(super) fn prune(&mut self, actor: Handle, pruning: &Pruning) {
        let found = &mut self.actors[actor];
        let old = found.results.len().saturating_sub(pruning.keep as usize);
        if old == 0 || found.context.tokens() <= pruning.above_tokens {
            return;
        }
        let start = found.results[0].0;
        let gone: u32 = found.results.drain(..old).map(|(_, tokens)| tokens).sum();
        found.results.iter_mut().for_each(|(start, _)| *start -= gone);
        found.forks += 1;
        found.context.cut_out(start, gone, derive(found.entity, found.forks));
        let (population, counted) = self.whose(actor);
        let tally = self.tally(population);
        tally.prunings += u64::from(counted);
        tally.pruned_tokens += if counted { gone.into() } else { 0 };
    }

    /// Whether old results of tools are taken out of an actor's context.
    pub(super) fn prunes(&self, actor: Handle) -> bool {
        match self.actors[actor].script {
            Script::Program(program) => self.plan.programs[program as usize].pruning.is_some(),
            Script::Recorded { .. } => false,
        }
    }

    /// Remembers where a result of a tool stands that has just joined the context.
    pub(super) fn note_result(&mut self, actor: Handle, before: u32) {
        let found = &mut self.actors[actor];
        let tokens = found.context.tokens().saturating_sub(before);
        if tokens > 0 {
            found.results.push((before, tokens));
        }
    }

    /// Puts `own` tokens of new content in the place of all behind the shared start of a context.
    pub(super) fn replace_own(&mut self, actor: Handle, own: u32) {
        let found = &mut self.actors[actor];
        found.forks += 1;
        found.context.compact(derive(found.entity, found.forks), own);
        found.results.clear();
    }

    /// Replaces a context by a shorter one.
    #[cold]
    pub(super) fn compact(&mut self, actor: Handle, program: &Program) {
        if let Some(cut) = &program.compaction {
            let to = self.draw_count(actor, &cut.to_tokens);
            let own = to.saturating_sub(self.actors[actor].context.shared_tokens()).max(1);
            self.replace_own(actor, own);
            let (population, counted) = self.whose(actor);
            self.tally(population).compactions += u64::from(counted);
        }
    }
}
