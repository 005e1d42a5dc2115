//! Ways to sign a token, the right one and the ones that a verifier has to refuse.

use std::sync::OnceLock;

use aws_lc_rs::hmac;

use super::{
    jwt::{base64url, signing_input},
    keys::SigningKey,
};

/// What signs a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Signer {
    /// RS256 with the emulator's current key: a good token.
    #[default]
    Current,
    /// RS256 with a key that is published nowhere.
    Foreign,
    /// HS256 with the public key's PEM as the shared secret: the algorithm confusion attack.
    PublicKeyAsSecret,
    /// `alg: none` and an empty signature.
    Unsigned,
}

impl Signer {
    /// The `alg` that a header of such a token states.
    pub(super) fn algorithm(self) -> &'static str {
        match self {
            Self::Current | Self::Foreign => "RS256",
            Self::PublicKeyAsSecret => "HS256",
            Self::Unsigned => "none",
        }
    }

    /// A compact token whose header and claims are exactly these texts.
    pub(super) fn sign(self, header_json: &str, claims_json: &str, current: &SigningKey) -> String {
        let input = signing_input(header_json, claims_json);
        let signature = match self {
            Self::Current => current.sign(input.as_bytes()),
            Self::Foreign => foreign_key().sign(input.as_bytes()),
            Self::PublicKeyAsSecret => hmac_sha256(current.pem(), &input),
            Self::Unsigned => Vec::new(),
        };
        format!("{input}.{}", base64url(&signature))
    }
}

/// A key that nobody publishes, the same for every emulator of the process.
fn foreign_key() -> &'static SigningKey {
    static KEY: OnceLock<SigningKey> = OnceLock::new();
    #[expect(clippy::expect_used, reason = "key generation fails only when the system gives no random bytes")]
    KEY.get_or_init(|| SigningKey::generate().expect("the system gives random bytes"))
}

fn hmac_sha256(secret: &str, message: &str) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    hmac::sign(&key, message.as_bytes()).as_ref().to_vec()
}
