//! One credential, ready to be used.

use std::sync::Arc;

use http::HeaderValue;
use tokio::time::Instant;

use super::certificate::SigningCertificate;
use super::files::{self, Unusable};
use super::managed_identity::InstanceMetadata;
use super::proof::{Proof, basic};
use super::watched::Watched;

use crate::exchange::error::ExchangeError;
use crate::identity::{Credential, SecretSource};
use crate::idp::IdpClient;
use crate::secret::Secret;

/// A credential with what it is made of.
#[derive(Debug)]
pub(super) enum Slot {
    SecretPost(Watched<Secret>),
    SecretBasic(Watched<Secret>),
    Certificate(Watched<SigningCertificate>),
    FederatedToken(Watched<Secret>),
    ManagedIdentity(Arc<InstanceMetadata>),
}

/// A credential as people may see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CredentialDescription {
    /// What it is.
    pub kind: &'static str,
    /// For a certificate: its thumbprint (`x5t#S256`), and its end in seconds since 1970.
    pub certificate: Option<(String, i64)>,
}

impl Slot {
    pub(super) fn load(credential: &Credential, client: &IdpClient) -> Result<Self, Unusable> {
        Ok(match credential {
            Credential::SecretPost(source) => Self::SecretPost(secret(source)?),
            Credential::SecretBasic(source) => Self::SecretBasic(secret(source)?),
            Credential::Certificate(files) => {
                let (paths, files) = (vec![files.certificate.clone(), files.private_key.clone()], files.clone());
                let load = move || SigningCertificate::load(&files);
                Self::Certificate(Watched::load(paths, load, SigningCertificate::check_not_ended)?)
            }
            Credential::FederatedToken(path) => {
                let (paths, path) = (vec![path.clone()], path.clone());
                Self::FederatedToken(Watched::load(paths, move || files::federated_token(&path), |_| Ok(()))?)
            }
            Credential::ManagedIdentity(settings) => {
                Self::ManagedIdentity(Arc::new(InstanceMetadata::new(settings, client.clone())))
            }
        })
    }

    pub(super) async fn proof(
        &self,
        client_id: &str,
        token_endpoint: &str,
        deadline: Instant,
    ) -> Result<Proof, ExchangeError> {
        match self {
            Self::SecretPost(secret) => Ok(Proof::Secret(Secret::clone(&secret.current()))),
            Self::SecretBasic(secret) => basic(client_id, &secret.current())
                .map(Proof::Basic)
                .map_err(|_| ExchangeError::internal("the secret makes no header")),
            Self::Certificate(certificate) => certificate
                .current()
                .assertion(client_id, token_endpoint)
                .map(Proof::Assertion)
                .ok_or_else(|| ExchangeError::internal("the assertion could not be signed")),
            Self::FederatedToken(token) => Ok(Proof::Assertion(Secret::clone(&token.current()))),
            Self::ManagedIdentity(metadata) => metadata.token(deadline).await.map(Proof::Assertion),
        }
    }

    /// Reads the files again; see [`Watched::refresh`]. What is no file is forgotten where `forced`.
    pub(super) fn refresh(&self, forced: bool) -> Option<Result<(), Unusable>> {
        match self {
            Self::SecretPost(secret) | Self::SecretBasic(secret) | Self::FederatedToken(secret) => {
                secret.refresh(forced)
            }
            Self::Certificate(certificate) => certificate.refresh(forced),
            Self::ManagedIdentity(metadata) => {
                if forced {
                    metadata.forget();
                }
                None
            }
        }
    }

    pub(super) fn describe(&self) -> CredentialDescription {
        let certificate = match self {
            Self::Certificate(certificate) => Some(certificate.current()),
            _ => None,
        };
        CredentialDescription {
            kind: self.kind(),
            certificate: certificate.map(|current| (current.thumbprint().to_owned(), current.ends())),
        }
    }

    /// What stands in for the proof where people look on.
    pub(super) fn stand_in(&self) -> Proof {
        let assertion = |text: String| Proof::Assertion(Secret::new(text));
        match self {
            Self::SecretPost(_) => Proof::Secret(Secret::new("****".to_owned())),
            Self::SecretBasic(_) => Proof::Basic(HeaderValue::from_static("Basic ****")),
            Self::Certificate(certificate) => {
                assertion(format!("<signed with certificate {}>", certificate.current().thumbprint()))
            }
            Self::FederatedToken(_) => assertion("<content of the token file>".to_owned()),
            Self::ManagedIdentity(_) => assertion("<token of the machine's managed identity>".to_owned()),
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::SecretPost(_) => "client secret, in the form (client_secret_post)",
            Self::SecretBasic(_) => "client secret, by HTTP Basic (client_secret_basic)",
            Self::Certificate(_) => "certificate (private_key_jwt)",
            Self::FederatedToken(_) => "token of a file (workload identity)",
            Self::ManagedIdentity(_) => "managed identity of the machine",
        }
    }

    /// Tells the credential as it was from one that has replaced it.
    pub(super) fn version(&self) -> u64 {
        match self {
            Self::SecretPost(secret) | Self::SecretBasic(secret) | Self::FederatedToken(secret) => secret.version(),
            Self::Certificate(certificate) => certificate.version(),
            Self::ManagedIdentity(_) => 0,
        }
    }

    pub(super) fn makes_assertions(&self) -> bool {
        !matches!(self, Self::SecretPost(_) | Self::SecretBasic(_))
    }

    /// When the certificate ends, in seconds since 1970.
    pub(super) fn certificate_ends(&self) -> Option<i64> {
        if let Self::Certificate(certificate) = self { Some(certificate.current().ends()) } else { None }
    }

    pub(super) fn warn_of_end(&self, owner: &str) {
        if let Self::Certificate(certificate) = self {
            certificate.current().warn_of_end(owner);
        }
    }
}

fn secret(source: &SecretSource) -> Result<Watched<Secret>, Unusable> {
    let paths = if let SecretSource::File(path) = source { vec![path.clone()] } else { Vec::new() };
    let source = source.clone();
    Watched::load(paths, move || files::secret(&source), |_| Ok(()))
}
