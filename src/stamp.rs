//! What tells a file from what was there before: looked at again and again, it shows that a file was written or replaced.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// What changes when a file is written or replaced. Links are followed, so that one which is turned to another file
/// counts (Kubernetes turns the link `..data`), and so does a file that is moved here with the times it had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    device: u64,
    inode: u64,
    length: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

/// Files, each with its stamp; none for one that is not there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stamps(BTreeMap<PathBuf, Option<Stamp>>);

impl Stamp {
    /// The stamp of a file; none where it cannot be looked at.
    pub fn of(file: &Path) -> Option<Self> {
        let metadata = std::fs::metadata(file).ok()?;
        Some(Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            length: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        })
    }
}

impl Stamps {
    /// Notes a file as it is now, to be called before it is read. One that was noted before keeps its stamp.
    pub fn note(&mut self, file: &Path) {
        if !self.0.contains_key(file) {
            self.0.insert(file.to_owned(), Stamp::of(file));
        }
    }

    /// Adds other files with their stamps.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// The same files as they are now.
    #[must_use]
    pub fn again(&self) -> Self {
        Self(self.0.keys().map(|file| (file.clone(), Stamp::of(file))).collect())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    /// A directory of its own, removed in the end.
    struct Room(PathBuf);

    impl Room {
        fn new() -> Self {
            let path = std::env::temp_dir().join(format!("obo-proxy-{}", uuid::Uuid::new_v4()));
            fs::create_dir(&path).unwrap();
            Self(path)
        }

        fn write(&self, name: &str, text: &str) -> PathBuf {
            let path = self.0.join(name);
            fs::write(&path, text).unwrap();
            path
        }
    }

    impl Drop for Room {
        fn drop(&mut self) {
            fs::remove_dir_all(&self.0).unwrap();
        }
    }

    fn noted(file: &Path) -> Stamps {
        let mut stamps = Stamps::default();
        stamps.note(file);
        stamps
    }

    #[test]
    fn a_file_that_nobody_touches_stays_the_same() {
        let room = Room::new();
        let stamps = noted(&room.write("f", "a"));
        assert_eq!(stamps.again(), stamps);
    }

    #[test]
    fn a_file_that_is_written_replaced_or_removed_is_another() {
        let room = Room::new();
        let file = room.write("f", "a");
        let stamps = noted(&file);
        room.write("f", "ab");
        let longer = stamps.again();
        assert_ne!(longer, stamps);
        fs::rename(room.write("g", "ab"), &file).unwrap();
        let replaced = stamps.again();
        assert_ne!(replaced, longer);
        fs::remove_file(&file).unwrap();
        assert_ne!(stamps.again(), replaced);
    }

    #[test]
    fn a_link_above_the_file_that_is_turned_is_seen() {
        let room = Room::new();
        for (directory, text) in [("..1", "a"), ("..2", "b")] {
            fs::create_dir(room.0.join(directory)).unwrap();
            room.write(&format!("{directory}/f"), text);
        }
        symlink("..1", room.0.join("..data")).unwrap();
        symlink("..data/f", room.0.join("f")).unwrap();
        let stamps = noted(&room.0.join("f"));
        symlink("..2", room.0.join("..new")).unwrap();
        fs::rename(room.0.join("..new"), room.0.join("..data")).unwrap();
        assert_ne!(stamps.again(), stamps);
    }

    #[test]
    fn the_first_note_counts() {
        let room = Room::new();
        let file = room.write("f", "a");
        let mut stamps = noted(&file);
        room.write("f", "abc");
        stamps.note(&file);
        assert_ne!(stamps.again(), stamps);
    }
}
