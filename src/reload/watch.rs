//! When files have changed and are worth reading: once two looks in a row found them the same.

use std::time::Duration;

use crate::stamp::Stamps;

/// The files of a configuration, looked at again and again.
#[derive(Debug, Default)]
pub struct Watch {
    /// As they were before they were last read.
    read: Stamps,
    /// As the last look found them.
    seen: Stamps,
}

impl Watch {
    /// For files that have been read, with their stamps from before that.
    pub fn new(read: Stamps) -> Self {
        Self { seen: read.clone(), read }
    }

    /// Looks at the files; to be called every [`LOOK_INTERVAL`]. Tells whether they have to be read: they are not what
    /// was read, and nobody has written to them since the last look. Whoever writes slowly is waited for.
    pub fn look(&mut self) -> bool {
        let now = self.read.again();
        let settled = now == self.seen;
        self.seen = now;
        settled && self.seen != self.read
    }
}

/// How often the files are looked at.
pub const LOOK_INTERVAL: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    /// A file of its own, removed in the end.
    struct File(PathBuf);

    impl File {
        fn new() -> Self {
            let file = Self(std::env::temp_dir().join(format!("obo-proxy-{}", uuid::Uuid::new_v4())));
            file.write("a");
            file
        }

        fn write(&self, text: &str) {
            std::fs::write(&self.0, text).unwrap();
        }

        fn watch(&self) -> Watch {
            let mut stamps = Stamps::default();
            stamps.note(&self.0);
            Watch::new(stamps)
        }
    }

    impl Drop for File {
        fn drop(&mut self) {
            let _ = std::fs::remove_file(&self.0);
        }
    }

    #[test]
    fn an_unchanged_file_is_never_read_again() {
        let file = File::new();
        let mut watch = file.watch();
        assert!((0..5).all(|_| !watch.look()));
    }

    #[test]
    fn a_file_is_read_once_it_is_the_same_at_two_looks() {
        let file = File::new();
        let mut watch = file.watch();
        for text in ["ab", "abc", "abcd"] {
            file.write(text);
            assert!(!watch.look(), "it is still being written");
        }
        assert!(watch.look());
        assert!(watch.look(), "until somebody reads it");
        assert!(!file.watch().look());
    }

    #[test]
    fn a_file_that_is_removed_and_returns_is_another_one() {
        let file = File::new();
        let mut watch = file.watch();
        std::fs::remove_file(&file.0).unwrap();
        assert!(!watch.look());
        file.write("another");
        assert!(!watch.look());
        assert!(watch.look());
    }
}
