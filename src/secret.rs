//! A value that must never be printed: client secrets, tokens, keys.

use std::fmt;

use zeroize::Zeroizing;

/// Text that is a credential.
///
/// `Debug` prints `****`, there is no `Display`, and the memory is overwritten when it is dropped. The text is
/// reached through [`Secret::expose`] alone, so that every use can be found by that name.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes ownership of a credential.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The credential itself. Call it where the credential is used, and keep no copy.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("****")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_hides_the_text() {
        let secret = Secret::new("sampleCredentia1s".to_owned());
        assert_eq!(format!("{secret:?} {:?}", Some(&secret)), "**** Some(****)");
        assert_eq!(secret.expose(), "sampleCredentia1s");
    }
}
