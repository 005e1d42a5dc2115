//! A mutex that stays usable after a thread panicked while holding it.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// A value behind a mutex. Every critical section of this module leaves its value whole, so poisoning tells nothing.
#[derive(Debug, Default)]
pub(super) struct Guarded<T>(Mutex<T>);

impl<T> Guarded<T> {
    pub(super) fn new(value: T) -> Self {
        Self(Mutex::new(value))
    }

    /// Locks the value. The guard must not live across an await.
    pub(super) fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
