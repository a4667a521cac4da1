//! Entries that come and go, named by handles that know when theirs is gone.

use std::hint::cold_path;
use std::ops::{Index, IndexMut};

use super::event::Handle;

#[derive(Clone, Debug)]
struct Entry<T> {
    generation: u32,
    live: bool,
    value: T,
}

/// Reuses the place *and the memory* of freed entries: [`Slab::insert_with`] hands the old value to
/// the caller to overwrite.
#[derive(Clone, Debug)]
pub(super) struct Slab<T> {
    entries: Vec<Entry<T>>,
    vacant: Vec<u32>,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self { entries: Vec::new(), vacant: Vec::new() }
    }
}

impl<T: Default> Slab<T> {
    pub(super) fn insert_with(&mut self, fill: impl FnOnce(&mut T)) -> Handle {
        let index = self.vacant.pop().unwrap_or_else(|| {
            cold_path();
            self.entries.push(Entry { generation: 0, live: false, value: T::default() });
            (self.entries.len() - 1) as u32
        });
        let entry = &mut self.entries[index as usize];
        entry.live = true;
        fill(&mut entry.value);
        Handle { index, generation: entry.generation }
    }

    pub(super) fn remove(&mut self, handle: Handle) {
        if self.contains(handle) {
            let entry = &mut self.entries[handle.index as usize];
            entry.live = false;
            entry.generation = entry.generation.wrapping_add(1);
            self.vacant.push(handle.index);
        }
    }

    pub(super) fn contains(&self, handle: Handle) -> bool {
        let entry = self.entries.get(handle.index as usize);
        entry.is_some_and(|entry| entry.live && entry.generation == handle.generation)
    }

    /// The handle of the entry at a place.
    pub(super) fn handle_at(&self, index: u32) -> Handle {
        Handle { index, generation: self.entries[index as usize].generation }
    }

    pub(super) fn get_mut(&mut self, handle: Handle) -> Option<&mut T> {
        let entry = self.entries.get_mut(handle.index as usize)?;
        (entry.live && entry.generation == handle.generation).then_some(&mut entry.value)
    }

    /// How many are live.
    pub(super) fn len(&self) -> usize {
        self.entries.len() - self.vacant.len()
    }

    /// Live entries, by place.
    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.entries.iter().filter(|entry| entry.live).map(|entry| &entry.value)
    }

    pub(super) fn clear(&mut self) {
        self.vacant.clear();
        for (index, entry) in self.entries.iter_mut().enumerate().rev() {
            entry.live = false;
            entry.generation = 0;
            self.vacant.push(index as u32);
        }
    }
}

impl<T> Index<Handle> for Slab<T> {
    type Output = T;
    fn index(&self, handle: Handle) -> &T {
        &self.entries[handle.index as usize].value
    }
}

impl<T> IndexMut<Handle> for Slab<T> {
    fn index_mut(&mut self, handle: Handle) -> &mut T {
        &mut self.entries[handle.index as usize].value
    }
}
