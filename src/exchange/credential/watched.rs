//! A value that comes from files and follows them: what cannot be used leaves the last good value in place.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use arc_swap::ArcSwap;

use super::files::Unusable;

/// The value in some files, or one that no file changes.
pub(super) struct Watched<T> {
    current: ArcSwap<T>,
    files: Vec<PathBuf>,
    load: Box<dyn Fn() -> Result<T, Unusable> + Send + Sync>,
    /// The files as they were when they were last read.
    seen: Mutex<Vec<Stamp>>,
}

/// What changes when a file is written or replaced, a link to it included.
type Stamp = Option<(SystemTime, u64, u64)>;

impl<T: PartialEq> Watched<T> {
    /// The value that `load` makes of `files`.
    pub(super) fn load(
        files: Vec<PathBuf>,
        load: impl Fn() -> Result<T, Unusable> + Send + Sync + 'static,
    ) -> Result<Self, Unusable> {
        let seen = Mutex::new(stamps(&files));
        Ok(Self { current: ArcSwap::from_pointee(load()?), files, load: Box::new(load), seen })
    }

    /// The value as it is now.
    pub(super) fn current(&self) -> Arc<T> {
        self.current.load_full()
    }

    /// Reads the files if they have changed, or in any case where `forced`; tells what came of it, and nothing where
    /// the value is the same as before.
    pub(super) fn refresh(&self, forced: bool) -> Option<Result<(), Unusable>> {
        let stamps = stamps(&self.files);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if self.files.is_empty() || !forced && *seen == stamps {
            return None;
        }
        *seen = stamps;
        drop(seen);
        match (self.load)() {
            Ok(value) if value == **self.current.load() => None,
            Ok(value) => {
                self.current.store(Arc::new(value));
                Some(Ok(()))
            }
            Err(error) => Some(Err(error)),
        }
    }
}

fn stamps(files: &[PathBuf]) -> Vec<Stamp> {
    files.iter().map(|file| stamp(file)).collect()
}

fn stamp(file: &std::path::Path) -> Stamp {
    let metadata = std::fs::metadata(file).ok()?;
    #[cfg(unix)]
    let inode = std::os::unix::fs::MetadataExt::ino(&metadata);
    #[cfg(not(unix))]
    let inode = 0;
    Some((metadata.modified().ok()?, metadata.len(), inode))
}

/// Prints the names of the files, never the value.
impl<T> fmt::Debug for Watched<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watched").field("files", &self.files).finish_non_exhaustive()
    }
}
