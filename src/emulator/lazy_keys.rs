//! Keys that most emulators never need.

use std::{io, sync::OnceLock};

use super::{
    guarded::Guarded,
    keys::{KeyRing, SigningKey},
};

/// Keys that are made when they are first needed: making them takes a while.
#[derive(Debug, Default)]
pub(super) struct LazyKeys(OnceLock<Guarded<KeyRing>>);

impl LazyKeys {
    /// The keys.
    pub(super) fn keys(&self) -> &Guarded<KeyRing> {
        #[expect(clippy::expect_used, reason = "key generation fails only when the system gives no random bytes")]
        self.0
            .get_or_init(|| Guarded::new(KeyRing::new(SigningKey::generate().expect("the system gives random bytes"))))
    }

    /// Signs with a new key from now on, and returns its identifier.
    pub(super) fn rotate(&self, keep_old: bool) -> io::Result<String> {
        let key = SigningKey::generate()?;
        let kid = key.kid().to_owned();
        self.keys().lock().rotate(key, keep_old);
        Ok(kid)
    }
}
