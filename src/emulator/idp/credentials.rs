//! What the registration may authenticate with, while the emulator runs.

use std::io;

use super::Emulator;
use crate::emulator::{
    client::{FederatedCredential, TOKEN_EXCHANGE_AUDIENCE},
    workload,
};

impl Emulator {
    /// Lets the registration authenticate with a further secret.
    pub fn add_secret(&self, secret: &str) {
        self.authority.registry.add_secret(secret);
    }

    /// Withdraws a secret: whoever uses it is refused with this AADSTS number, 7000222 for one that has expired, or
    /// 7000215. Tells whether it was known.
    pub fn withdraw_secret(&self, secret: &str, code: u32) -> bool {
        self.authority.registry.withdraw_secret(secret, code)
    }

    /// Lets the registration authenticate with a further certificate, given as PEM, and returns its thumbprint
    /// (`x5t#S256`).
    ///
    /// # Errors
    /// If the certificate cannot be read, or has neither an RSA nor an EC key.
    pub fn add_certificate(&self, pem: &str) -> io::Result<String> {
        self.authority.registry.add_certificate(pem)
    }

    /// Withdraws the certificate with this thumbprint: whoever uses it is refused with this AADSTS number, 700027.
    /// Tells whether it was known.
    pub fn withdraw_certificate(&self, thumbprint: &str, code: u32) -> bool {
        self.authority.registry.withdraw_certificate(thumbprint, code)
    }

    /// Lets a token of another issuer authenticate the registration.
    pub fn add_federated(&self, credential: FederatedCredential) {
        self.authority.registry.add_federated(credential);
    }

    /// Takes that back: such tokens are refused with AADSTS70021. Tells whether it was trusted.
    pub fn withdraw_federated(&self, credential: &FederatedCredential) -> bool {
        self.authority.registry.withdraw_federated(credential)
    }

    /// A workload's token that stands for the registration, if its subject is trusted, for `lifetime` seconds;
    /// negative for one that has expired.
    pub fn mint_federated(&self, subject: &str, lifetime: i64) -> String {
        self.mint_federated_for(subject, TOKEN_EXCHANGE_AUDIENCE, lifetime)
    }

    /// A workload's token for another audience.
    pub fn mint_federated_for(&self, subject: &str, audience: &str, lifetime: i64) -> String {
        workload::mint(&self.authority, subject, audience, lifetime)
    }
}
