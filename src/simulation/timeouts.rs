//! When attempts at calls become too late.
//!
//! All calls of a program wait equally long, so its timeouts are due in the order in which they were
//! set, and a queue holds them. Nearly every call is answered in time: that costs nothing here, for
//! what no longer matters is dropped when it comes up, and before that only where it outnumbers what
//! does. In the calendar each of them would cost an insertion and a removal among many.

use std::collections::VecDeque;

use super::event::Handle;
use crate::foundations::SimTime;

/// Timeouts that are kept, alive or not, before any are looked through.
const FEW: usize = 64;

/// See the module's page.
#[derive(Debug)]
pub(super) struct Timeouts {
    /// By program, by rising time.
    queues: Vec<VecDeque<(SimTime, Handle)>>,
    /// When the first of all is due, alive or not; the end of time where there is none.
    next: SimTime,
}

impl Timeouts {
    /// None, for calls of so many programs.
    pub(super) fn new(programs: usize) -> Self {
        Self { queues: vec![VecDeque::new(); programs], next: SimTime::MAX }
    }

    /// Forgets them all.
    pub(super) fn clear(&mut self) {
        self.queues.iter_mut().for_each(VecDeque::clear);
        self.next = SimTime::MAX;
    }

    /// When to ask for [`Self::pop`] next; the end of time where nothing is set.
    pub(super) fn next(&self) -> SimTime {
        self.next
    }

    /// Sets one. `most` requests can be alive, and `matters` tells whether one is.
    pub(super) fn set(
        &mut self,
        program: u16,
        due: SimTime,
        request: Handle,
        most: usize,
        matters: impl Fn(Handle) -> bool,
    ) {
        let queue = &mut self.queues[program as usize];
        if queue.len() >= FEW + 4 * most {
            queue.retain(|&(_, request)| matters(request));
        }
        queue.push_back((due, request));
        self.next = self.next.min(due);
    }

    /// Takes out the request that is due at [`Self::next`], if it still matters, with others that
    /// do not.
    pub(super) fn pop(&mut self, matters: impl Fn(Handle) -> bool) -> Option<Handle> {
        let now = self.next;
        let mut found = None;
        self.next = SimTime::MAX;
        for queue in &mut self.queues {
            while let Some(&(due, request)) = queue.front() {
                let alive = matters(request);
                if alive && (due > now || found.is_some()) {
                    self.next = self.next.min(due);
                    break;
                }
                queue.pop_front();
                found = found.or(alive.then_some(request));
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(index: u32) -> Handle {
        Handle { index, generation: 0 }
    }

    #[test]
    fn they_come_by_time_and_without_those_that_no_longer_matter() {
        let mut timeouts = Timeouts::new(2);
        let set = [(0, 10), (1, 12), (0, 20), (1, 20), (0, 30)];
        for (index, (program, due)) in (0..).zip(set) {
            timeouts.set(program, SimTime(due), request(index), 9, |_| true);
        }
        let matters = |request: Handle| request.index != 1;
        let mut seen = Vec::new();
        while timeouts.next() < SimTime::MAX {
            let at = timeouts.next();
            seen.extend(timeouts.pop(matters).map(|request| (at.0, request.index)));
        }
        assert_eq!(seen, [(10, 0), (20, 2), (20, 3), (30, 4)]);
    }

    #[test]
    fn memory_follows_what_is_in_flight() {
        let mut timeouts = Timeouts::new(1);
        for index in 0..100_000 {
            timeouts.set(0, SimTime(1 << 40), request(index), 1, |alive| alive.index == index);
        }
        assert!(timeouts.queues[0].capacity() < 1000);
    }
}
