//! How many requests a target serves at once: bounded, so that a slow or dead target ties up its own share only.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The requests under way at one target.
#[derive(Debug)]
pub(in crate::proxy) struct Load {
    under_way: AtomicUsize,
    most: usize,
}

/// One of the requests under way, from its admission to its end.
#[derive(Debug)]
pub(in crate::proxy) struct Permit(Arc<Load>);

impl Load {
    pub(super) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { under_way: AtomicUsize::new(0), most })
    }

    /// How many requests are under way.
    pub(super) fn under_way(&self) -> usize {
        self.under_way.load(Ordering::Relaxed)
    }

    /// Whether there was room for one more a moment ago.
    pub(super) fn has_room(&self) -> bool {
        self.under_way() < self.most
    }

    /// Room for one more, until the permit is dropped.
    pub(super) fn enter(self: &Arc<Self>) -> Option<Permit> {
        // Whoever finds no room leaves again by dropping the permit.
        let before = self.under_way.fetch_add(1, Ordering::Relaxed);
        let permit = Permit(Arc::clone(self));
        (before < self.most).then_some(permit)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_room_for_so_many_and_no_more() {
        let load = Load::new(2);
        let permits: Vec<_> = (0..2).map(|_| load.enter().unwrap()).collect();
        assert!(!load.has_room() && load.enter().is_none());
        assert_eq!(load.under_way(), 2);
        drop(permits);
        assert!(load.enter().is_some());
        assert_eq!(load.under_way(), 0);
    }
}
