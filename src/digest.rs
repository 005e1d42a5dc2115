//! SHA-256 fingerprints: how tokens and exchanges are told apart without keeping them.

use std::fmt;
use std::hash::{BuildHasherDefault, Hash, Hasher};

use aws_lc_rs::digest::{Context, SHA256, digest};

/// A SHA-256 digest.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of one byte string.
    pub fn of(bytes: &[u8]) -> Self {
        Self::from_output(digest(&SHA256, bytes).as_ref())
    }

    /// The digest of several parts, each preceded by its length, so that no two lists of parts share one.
    pub fn of_parts<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut context = Context::new(&SHA256);
        for part in parts {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        Self::from_output(context.finish().as_ref())
    }

    /// Its 32 bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    fn from_output(output: &[u8]) -> Self {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(output);
        Self(bytes)
    }
}

impl Hash for Digest {
    fn hash<H: Hasher>(&self, state: &mut H) {
        if let Some(eight) = self.0.first_chunk() {
            state.write_u64(u64::from_ne_bytes(*eight));
        }
    }
}

/// Prints the first eight bytes in hexadecimal: enough to tell two apart in a log, of no use to anyone else.
impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().take(8).try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Hashes keys that are made of [`Digest`]s: they are uniform already, so their bits are only folded together.
pub type DigestHasher = BuildHasherDefault<FoldDigests>;

/// The hasher behind [`DigestHasher`].
#[derive(Debug, Default)]
pub struct FoldDigests(u64);

impl Hasher for FoldDigests {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = self.0.rotate_left(23) ^ value;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_the_published_vector() {
        assert_eq!(format!("{:?}", Digest::of(b"abc")), "ba7816bf8f01cfea");
    }

    #[test]
    fn parts_that_concatenate_alike_differ() {
        assert_ne!(Digest::of_parts([&b"ab"[..], b"c"]), Digest::of_parts([&b"a"[..], b"bc"]));
    }
}
