//! Tokens A for measurements.

use obo_proxy::emulator::{Emulator, TokenRequest};

/// A token of the size that Entra issues for a user with a few groups.
pub fn realistic(emulator: &Emulator, user: &str) -> String {
    let mut wish = TokenRequest::default().user(user);
    let groups = ["0d2b8a5c-6f1e-4c3a-9b7d-1e2f3a4b5c6d", "5e6f7a8b-9c0d-4e1f-8a2b-3c4d5e6f7a8b"];
    wish.claims.insert("groups".to_owned(), groups.to_vec().into());
    wish.claims.insert("rh".to_owned(), "0.AAAAZGVmYXVsdC10ZW5hbnQtcmVmcmVzaC1oYW5kbGU.".into());
    emulator.mint(&wish)
}
