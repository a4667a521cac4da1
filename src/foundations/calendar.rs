//! The event calendar: what happens next.
//!
//! A four-ary heap ordered by (time, sequence): events of one instant run in the order in which they
//! were scheduled. Cancelling removes the event at once, so memory follows the events that are due,
//! not those that were ever scheduled.
//!
//! ```
//! use tokenfleet::foundations::{Calendar, SimTime};
//! let mut calendar = Calendar::new();
//! calendar.schedule(SimTime(20), "late");
//! let doomed = calendar.schedule(SimTime(5), "cancelled");
//! calendar.schedule(SimTime(10), "first");
//! calendar.schedule(SimTime(10), "second");
//! calendar.cancel(doomed);
//! assert_eq!(calendar.pop(), Some((SimTime(10), "first")));
//! assert_eq!(calendar.pop(), Some((SimTime(10), "second")));
//! ```

use std::hint::cold_path;

use super::time::SimTime;

/// Children of a heap node; four keep a node and its children in one or two cache lines.
const ARITY: usize = 4;
/// The position of a slot that is not in the heap.
const ABSENT: u32 = u32::MAX;

/// Names one scheduled event, for cancelling it. Outlives the event harmlessly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventKey {
    slot: u32,
    generation: u32,
}

impl EventKey {
    /// A key that names no event.
    pub const NONE: Self = Self { slot: u32::MAX, generation: u32::MAX };
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    time: SimTime,
    sequence: u64,
    slot: u32,
}

impl Entry {
    /// Its place in the order of events, in one number: compared without a branch that a processor
    /// would have to guess.
    #[inline]
    fn order(&self) -> u128 {
        u128::from(self.time.0) << 64 | u128::from(self.sequence)
    }
}

#[derive(Clone, Debug)]
struct Slot<E> {
    generation: u32,
    position: u32,
    event: Option<E>,
}

/// Future events, earliest first. See the module's page for the order among equals.
#[derive(Clone, Debug)]
pub struct Calendar<E> {
    heap: Vec<Entry>,
    slots: Vec<Slot<E>>,
    vacant: Vec<u32>,
    sequence: u64,
}

impl<E> Default for Calendar<E> {
    fn default() -> Self {
        Self::new()
    }
}

impl<E> Calendar<E> {
    /// An empty calendar.
    pub fn new() -> Self {
        Self { heap: Vec::new(), slots: Vec::new(), vacant: Vec::new(), sequence: 0 }
    }

    /// Events due.
    pub fn len(&self) -> usize {
        self.heap.len()
    }

    /// Whether no event is due.
    pub fn is_empty(&self) -> bool {
        self.heap.is_empty()
    }

    /// Forgets every event but keeps the memory.
    pub fn clear(&mut self) {
        self.heap.clear();
        self.slots.clear();
        self.vacant.clear();
        self.sequence = 0;
    }

    /// Schedules `event`, behind those that are already due at its instant.
    pub fn schedule(&mut self, at: SimTime, event: E) -> EventKey {
        let slot = match self.vacant.pop() {
            Some(slot) => {
                self.slots[slot as usize].event = Some(event);
                slot
            }
            None => {
                cold_path();
                self.slots.push(Slot { generation: 0, position: ABSENT, event: Some(event) });
                (self.slots.len() - 1) as u32
            }
        };
        self.heap.push(Entry { time: at, sequence: self.sequence, slot });
        self.sequence += 1;
        self.sift_up(self.heap.len() - 1);
        EventKey { slot, generation: self.slots[slot as usize].generation }
    }

    /// Takes an event out before it happens; `None` when it has happened or was cancelled.
    #[inline]
    pub fn cancel(&mut self, key: EventKey) -> Option<E> {
        if key == EventKey::NONE { None } else { self.take_out(key) }
    }

    fn take_out(&mut self, key: EventKey) -> Option<E> {
        let slot = self.slots.get(key.slot as usize)?;
        if slot.generation != key.generation || slot.position == ABSENT {
            return None;
        }
        let position = slot.position as usize;
        self.remove_at(position);
        self.vacate(key.slot)
    }

    /// When the next event is due, and its turn among those of that instant; the ends of both ranges
    /// where none is.
    #[inline]
    pub fn next(&self) -> (SimTime, u64) {
        self.heap.first().map_or((SimTime::MAX, u64::MAX), |entry| (entry.time, entry.sequence))
    }

    /// The turn of an event that is kept elsewhere, as if it were scheduled now.
    #[inline]
    pub fn take_turn(&mut self) -> u64 {
        self.sequence += 1;
        self.sequence - 1
    }

    /// Takes the next event.
    pub fn pop(&mut self) -> Option<(SimTime, E)> {
        let last = self.heap.pop()?;
        let Some(Entry { time, slot, .. }) = self.heap.first().copied() else {
            return self.vacate(last.slot).map(|event| (last.time, event));
        };
        self.heap[0] = last;
        self.sift_down(0);
        self.vacate(slot).map(|event| (time, event))
    }

    fn vacate(&mut self, index: u32) -> Option<E> {
        let slot = &mut self.slots[index as usize];
        slot.generation = slot.generation.wrapping_add(1);
        slot.position = ABSENT;
        self.vacant.push(index);
        slot.event.take()
    }

    fn remove_at(&mut self, position: usize) {
        let last = self.heap.len() - 1;
        self.heap.swap(position, last);
        self.heap.pop();
        if position < last {
            self.sift_down(position);
            self.sift_up(position);
        }
    }

    fn place(&mut self, position: usize, entry: Entry) {
        self.heap[position] = entry;
        self.slots[entry.slot as usize].position = position as u32;
    }

    fn sift_up(&mut self, mut position: usize) {
        let entry = self.heap[position];
        while position > 0 {
            let parent = (position - 1) / ARITY;
            if self.heap[parent].order() < entry.order() {
                break;
            }
            self.place(position, self.heap[parent]);
            position = parent;
        }
        self.place(position, entry);
    }

    fn sift_down(&mut self, mut position: usize) {
        let entry = self.heap[position];
        loop {
            let first = position * ARITY + 1;
            let end = (first + ARITY).min(self.heap.len());
            if first >= end {
                break;
            }
            let (mut least, mut order) = (first, self.heap[first].order());
            for (child, entry) in (first..end).zip(&self.heap[first..end]).skip(1) {
                let other = entry.order();
                (least, order) = if other < order { (child, other) } else { (least, order) };
            }
            if entry.order() < order {
                break;
            }
            self.place(position, self.heap[least]);
            position = least;
        }
        self.place(position, entry);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Against a sorted map, the plainest calendar there is.
        #[test]
        fn agrees_with_a_sorted_map(
            operations in proptest::collection::vec((0u8..4, 0u64..50, 0usize..40), 1..400)
        ) {
            let mut calendar = Calendar::new();
            let mut oracle = BTreeMap::new();
            let mut keys = Vec::new();
            for (number, (kind, time, victim)) in operations.into_iter().enumerate() {
                match kind {
                    0 | 1 => {
                        let key = calendar.schedule(SimTime(time), number);
                        oracle.insert((time, number), number);
                        keys.push((key, (time, number)));
                    }
                    2 if !keys.is_empty() => {
                        let (key, order) = keys[victim % keys.len()];
                        prop_assert_eq!(calendar.cancel(key), oracle.remove(&order));
                    }
                    _ => {
                        let expected = oracle.pop_first().map(|((t, _), e)| (SimTime(t), e));
                        prop_assert_eq!(calendar.pop(), expected);
                    }
                }
                prop_assert_eq!(calendar.len(), oracle.len());
            }
        }
    }

    #[test]
    fn a_key_does_not_reach_the_event_that_took_its_slot() {
        let mut calendar = Calendar::new();
        let old = calendar.schedule(SimTime(1), 'a');
        calendar.pop();
        calendar.schedule(SimTime(2), 'b');
        assert_eq!(calendar.cancel(old), None);
        assert_eq!(calendar.len(), 1);
    }
}
