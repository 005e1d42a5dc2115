//! The last entries of an endless sequence, bounded by number and by size.

use std::collections::VecDeque;

/// Keeps at most [`MAX_ENTRIES`] entries that weigh at most [`MAX_WEIGHT`] bytes together; older ones make room.
#[derive(Debug)]
pub(super) struct Recent<T> {
    entries: VecDeque<(usize, T)>,
    weight: usize,
}

impl<T> Default for Recent<T> {
    fn default() -> Self {
        Self { entries: VecDeque::new(), weight: 0 }
    }
}

impl<T: Clone> Recent<T> {
    /// Appends an entry whose size in memory is about `weight` bytes.
    pub(super) fn push(&mut self, weight: usize, entry: T) {
        self.entries.push_back((weight, entry));
        self.weight = self.weight.saturating_add(weight);
        while self.entries.len() > MAX_ENTRIES || self.weight > MAX_WEIGHT {
            let Some((dropped, _)) = self.entries.pop_front() else { break };
            self.weight = self.weight.saturating_sub(dropped);
        }
    }

    /// Copies of the entries, oldest first.
    pub(super) fn to_vec(&self) -> Vec<T> {
        self.entries.iter().map(|(_, entry)| entry.clone()).collect()
    }
}

/// How many entries are kept.
const MAX_ENTRIES: usize = 1_000;

/// How many bytes the kept entries may weigh.
const MAX_WEIGHT: usize = 16 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_last_thousand_entries() {
        let mut recent = Recent::default();
        (0..1_500).for_each(|number| recent.push(1, number));
        assert_eq!(recent.to_vec(), (500..1_500).collect::<Vec<_>>());
    }

    #[test]
    fn drops_old_entries_when_new_ones_are_large() {
        let mut recent = Recent::default();
        (0..20).for_each(|number| recent.push(4 * 1024 * 1024, number));
        assert_eq!(recent.to_vec(), vec![16, 17, 18, 19]);
    }
}
