//! Whether a credential can be used, before anything depends on it.

use super::certificate::SigningCertificate;
use super::files::{self, Unusable};
use crate::identity::Credential;

/// Tries a credential without keeping it.
///
/// # Errors
/// What stands against its use; a certificate that has ended does.
pub fn check(credential: &Credential) -> Result<(), Unusable> {
    match credential {
        Credential::SecretPost(source) | Credential::SecretBasic(source) => files::secret(source).map(drop),
        Credential::Certificate(files) => SigningCertificate::load(files)?.check_not_ended(),
        Credential::FederatedToken(path) => files::federated_token(path).map(drop),
        Credential::ManagedIdentity(_) => Ok(()),
    }
}
