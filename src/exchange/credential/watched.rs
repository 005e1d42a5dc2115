//! A value that comes from files and follows them: what cannot be used leaves the last good value in place.

use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;

use super::files::Unusable;
use crate::stamp::Stamp;

/// The value in some files, or one that no file changes.
pub(super) struct Watched<T> {
    current: ArcSwap<T>,
    files: Vec<PathBuf>,
    load: Box<dyn Fn() -> Result<T, Unusable> + Send + Sync>,
    /// What is asked of a value that is to replace another one.
    check: fn(&T) -> Result<(), Unusable>,
    /// The files as they were when they were last read.
    seen: Mutex<Vec<Option<Stamp>>>,
    /// How many times the value was replaced.
    version: AtomicU64,
}

impl<T: PartialEq> Watched<T> {
    /// The value that `load` makes of `files`; a later one takes its place only if it passes `check`.
    pub(super) fn load(
        files: Vec<PathBuf>,
        load: impl Fn() -> Result<T, Unusable> + Send + Sync + 'static,
        check: fn(&T) -> Result<(), Unusable>,
    ) -> Result<Self, Unusable> {
        let seen = Mutex::new(stamps(&files));
        let (current, load) = (ArcSwap::from_pointee(load()?), Box::new(load));
        Ok(Self { current, files, load, check, seen, version: AtomicU64::new(0) })
    }

    /// The value as it is now.
    pub(super) fn current(&self) -> Arc<T> {
        self.current.load_full()
    }

    /// Tells one value from a later one.
    pub(super) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// Reads the files if they have changed, or in any case where `forced`; tells what came of it, and nothing where
    /// the value is the same as before. One at a time, so that what was read first cannot replace what was read last.
    pub(super) fn refresh(&self, forced: bool) -> Option<Result<(), Unusable>> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let stamps = stamps(&self.files);
        if self.files.is_empty() || !forced && *seen == stamps {
            return None;
        }
        *seen = stamps;
        match (self.load)() {
            Ok(value) if value == **self.current.load() => None,
            Ok(value) => Some((self.check)(&value).map(|()| self.replace(value))),
            Err(error) => Some(Err(error)),
        }
    }

    fn replace(&self, value: T) {
        self.current.store(Arc::new(value));
        self.version.fetch_add(1, Ordering::Release);
    }
}

fn stamps(files: &[PathBuf]) -> Vec<Option<Stamp>> {
    files.iter().map(|file| Stamp::of(file)).collect()
}

/// Prints the names of the files, never the value.
impl<T> fmt::Debug for Watched<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watched").field("files", &self.files).finish_non_exhaustive()
    }
}
