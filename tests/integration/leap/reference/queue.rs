//! Who is taken up next, who gives way, and how long prompts are held back.

use tokenfleet::serving::Scheduling;

use super::{Reference, Sequence};

impl Reference {
    /// A request leaves the front end.
    pub(super) fn receive(&mut self) {
        let mut sequence = self.arriving.pop_front().expect("it is due");
        if self.ends.is_some() {
            sequence.ready = self.done + 1 + u64::from(self.spec.host.lookahead_steps);
            let every = u64::from(self.spec.host.poll_steps.max(1));
            if self.running.iter().any(|s| s.decoding) {
                sequence.ready = sequence.ready.next_multiple_of(every);
            }
        }
        if self.spec.scheduling == Scheduling::Fair {
            let present: Vec<u16> =
                self.waiting.iter().chain(&self.running).map(|s| s.job.standing.tenant).collect();
            let tenant = sequence.job.standing.tenant;
            if !present.contains(&tenant) {
                let least = present.iter().map(|&t| self.charged[usize::from(t)]).min();
                let mine = &mut self.charged[usize::from(tenant)];
                *mine = (*mine).max(least.unwrap_or(0));
            }
        }
        self.waiting.push_back(sequence);
    }

    /// What a request is judged by; the least goes first.
    fn merit(&self, sequence: &Sequence) -> u64 {
        let standing = &sequence.job.standing;
        match self.spec.scheduling {
            Scheduling::Fcfs => 0,
            Scheduling::Priority { .. } => 255 - u64::from(standing.priority),
            Scheduling::ShortestFirst => sequence.job.output.into(),
            Scheduling::Deadline => standing.deadline.0,
            Scheduling::Fair => self.charged[usize::from(standing.tenant)],
        }
    }

    /// The place in the queue of the request to take up next. The queue is in order of arrival, with
    /// those that lost their place before the others.
    pub(super) fn next(&self, idle: bool) -> Option<usize> {
        if self.spec.scheduling == Scheduling::Fcfs {
            return (!self.waiting.is_empty()).then_some(0);
        }
        let ready = |&at: &usize| idle || self.waiting[at].ready <= self.done;
        (0..self.waiting.len()).filter(ready).min_by_key(|&at| self.merit(&self.waiting[at]))
    }

    /// The place among the running of the request that gives way first.
    pub(super) fn last(&self) -> Option<usize> {
        let ranked = matches!(self.spec.scheduling, Scheduling::Priority { .. });
        let rank = |at: usize| if ranked { self.merit(&self.running[at]) } else { 0 };
        (0..self.running.len()).max_by_key(|&at| (rank(at), at))
    }

    pub(super) fn preempt(&mut self, at: usize) {
        let mut last = self.running.remove(at);
        self.release(&mut last);
        last.preemptions += 1;
        last.target = last.job.prompt + last.produced;
        (last.computed, last.decoding) = (0, false);
        let end = last.job.pieces.last_mut().expect("a prompt has pieces");
        end.end = end.end.max(last.target);
        self.waiting.push_front(last);
    }

    /// Running requests of lower classes make way.
    pub(super) fn make_way(&mut self) {
        let idle = self.running.is_empty();
        while let Some(at) = self.next(idle) {
            let first = &self.waiting[at];
            let full = self.running.len() >= self.spec.batch_limit as usize;
            let reserve = self.blocks_for_decoding();
            if !full && self.kv.clone().admit(&first.job.pieces, first.target, reserve).is_some() {
                break;
            }
            match self.last() {
                Some(last) if self.merit(&self.running[last]) > self.merit(first) => {
                    self.displaced += 1;
                    self.preempt(last);
                }
                _ => break,
            }
        }
    }

    /// Prompts wait for others while somebody decodes, unless they nearly fill a step.
    pub(super) fn held_until(&self, decoding: u32) -> u64 {
        let wait = u64::from(self.spec.host.batch_wait_steps);
        let in_order = self.spec.scheduling == Scheduling::Fcfs;
        let Some(first) = self.waiting.front().filter(|_| in_order && wait > 0 && decoding > 0)
        else {
            return 0;
        };
        let mut tokens = decoding * self.width();
        for request in &self.waiting {
            if request.ready > self.done {
                break;
            }
            tokens += request.target;
        }
        if f64::from(tokens) >= 0.9 * f64::from(self.spec.token_budget) {
            return 0;
        }
        first.ready.max(self.taken_up + 1) + wait
    }
}
