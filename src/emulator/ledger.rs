//! Values kept behind random handles: authorization codes, refresh tokens, tokens that mean nothing to others.

use std::collections::{HashMap, VecDeque};

use uuid::Uuid;

/// Keeps at most [`MAX_ENTRIES`] values; the oldest make room.
#[derive(Debug)]
pub(super) struct Ledger<T> {
    entries: HashMap<String, T>,
    /// Handles in the order of their issue, those of values taken out included.
    issued: VecDeque<String>,
}

impl<T> Default for Ledger<T> {
    fn default() -> Self {
        Self { entries: HashMap::new(), issued: VecDeque::new() }
    }
}

impl<T: Clone> Ledger<T> {
    /// Keeps a value and returns its handle, which starts with `prefix`.
    pub(super) fn issue(&mut self, prefix: &str, value: T) -> String {
        let handle = format!("{prefix}{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
        self.entries.insert(handle.clone(), value);
        self.issued.push_back(handle.clone());
        while self.issued.len() > MAX_ENTRIES {
            let oldest = self.issued.pop_front();
            oldest.and_then(|oldest| self.entries.remove(&oldest));
        }
        handle
    }

    /// The value behind a handle.
    pub(super) fn find(&self, handle: &str) -> Option<T> {
        self.entries.get(handle).cloned()
    }

    /// Changes the value behind a handle and returns what it was.
    pub(super) fn replace(&mut self, handle: &str, change: impl FnOnce(&mut T)) -> Option<T> {
        let value = self.entries.get_mut(handle)?;
        let before = value.clone();
        change(value);
        Some(before)
    }

    /// Changes all values.
    pub(super) fn for_each(&mut self, change: impl FnMut(&mut T)) {
        self.entries.values_mut().for_each(change);
    }

    /// Forgets all values.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

/// How many values are kept.
const MAX_ENTRIES: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_back_what_it_was_given() {
        let mut ledger = Ledger::default();
        let handle = ledger.issue("1.", 7);
        assert!(handle.starts_with("1."));
        assert_eq!((ledger.find(&handle), ledger.find("1.")), (Some(7), None));
    }

    #[test]
    fn oldest_values_make_room() {
        let mut ledger = Ledger::default();
        let handles: Vec<_> = (0..=MAX_ENTRIES).map(|number| ledger.issue("", number)).collect();
        assert_eq!(ledger.find(&handles[0]), None);
        assert_eq!(ledger.find(&handles[MAX_ENTRIES]), Some(MAX_ENTRIES));
    }
}
