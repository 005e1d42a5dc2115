//! Our own registration at the identity provider, and the addresses that follow from it.

use std::sync::Arc;
use std::time::Duration;

use jsonwebtoken::Algorithm;

use crate::secret::Secret;

/// One registration (Entra: app registration) in whose name tokens are accepted and exchanged.
#[derive(Debug, Clone)]
pub struct Identity {
    /// Its name in `routes.yaml`, for logs and metrics.
    pub name: Arc<str>,
    /// The tenant, a GUID in lower case: callers of other tenants are refused.
    pub tenant_id: Box<str>,
    /// The application (client) ID.
    pub client_id: Box<str>,
    /// The identity provider's base address, without a final slash: `https://login.microsoftonline.com`.
    pub authority: Box<str>,
    /// How we prove to be that application.
    pub credential: Credential,
    /// The values of `aud` that are ours; compared exactly.
    pub audiences: Vec<Box<str>>,
    /// The signature algorithms that are accepted; never `none` or an HMAC.
    pub algorithms: Vec<Algorithm>,
    /// How far `exp` and `nbf` may be off, at most five minutes.
    pub clock_skew: Duration,
    /// The time that one exchange may take, retry included.
    pub timeout: Duration,
    /// How often signing keys are fetched anew.
    pub key_refresh: Duration,
}

/// A credential of ours at the token endpoint.
#[derive(Debug, Clone)]
pub enum Credential {
    /// `client_secret` in the form (`client_secret_post`, the article's first case).
    SecretPost(Secret),
    /// HTTP Basic (`client_secret_basic`, RFC 6749 section 2.3.1).
    SecretBasic(Secret),
}

impl Identity {
    /// Where tokens are exchanged.
    pub fn token_endpoint(&self) -> String {
        self.address("oauth2/v2.0/token")
    }

    /// Where a client sends its user; named in challenges.
    pub fn authorization_uri(&self) -> String {
        self.address("oauth2/v2.0/authorize")
    }

    /// The discovery document of the v2 endpoint; it names the keys.
    pub fn discovery_v2(&self) -> String {
        self.address("v2.0/.well-known/openid-configuration")
    }

    /// The discovery document of the v1 endpoint; it names the issuer of v1 tokens.
    pub fn discovery_v1(&self) -> String {
        self.address(".well-known/openid-configuration")
    }

    /// Where an administrator grants the permissions of this application for the whole tenant.
    pub fn consent_uri(&self) -> String {
        format!("{}?client_id={}", self.address("adminconsent"), self.client_id)
    }

    fn address(&self, path: &str) -> String {
        format!("{}/{}/{path}", self.authority, self.tenant_id)
    }
}
