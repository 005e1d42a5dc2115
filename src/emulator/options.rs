//! What an emulator is started with.

use std::{fmt, path::PathBuf};

use super::{
    challenge::ClaimsChallenge,
    client::FederatedCredential,
    managed_identity::{DEFAULT_MANAGED_IDENTITY_OID, ManagedIdentity},
    policy::Policy,
};

/// The registration that may exchange tokens, and the tenant it lives in.
#[derive(Clone)]
pub struct EmulatorOptions {
    /// The registration's client id. Default: `00001111-aaaa-2222-bbbb-3333cccc4444`.
    pub client_id: String,
    /// The registration's secret. Default: `emulator-secret`.
    pub client_secret: String,
    /// The registration's certificate as PEM, to accept a signed `client_assertion` as well. Default: none.
    pub client_certificate: Option<String>,
    /// Further secrets of the registration, as while one replaces another. Default: none.
    pub client_secrets: Vec<String>,
    /// Further certificates of the registration as PEM. Default: none.
    pub client_certificates: Vec<String>,
    /// The authority, as PEM, whose certificates the registration may use without registering them (`x5c`). Default: none.
    pub client_ca: Option<String>,
    /// The common name that those certificates must state. Default: any.
    pub client_subject: Option<String>,
    /// Whether a client assertion must have a `jti` that none before it had. Default: yes.
    pub unique_jti: bool,
    /// Tokens of other issuers that authenticate the registration. Default: the workload
    /// `system:serviceaccount:default:obo-proxy`, and the managed identity.
    pub federated_credentials: Vec<FederatedCredential>,
    /// Whom the instance metadata endpoint gives tokens about.
    pub managed_identity: ManagedIdentity,
    /// The tenant of tokens that ask for none. Default: `11111111-2222-3333-4444-555555555555`.
    pub tenant_id: String,
    /// Audiences of token A accepted besides `client_id` and `api://client_id`. Default: none.
    pub audiences: Vec<String>,
    /// The lifetime of a token B in seconds. Default: 3599.
    pub expires_in: u32,
    /// The lifetime of a token B for a client that declared `cp1`, 28 hours at most. Default: as of any other.
    pub cae_expires_in: Option<u32>,
    /// `refresh_in` in answers with a token B. Default: none.
    pub refresh_in: Option<u32>,
    /// The scopes that `.default` stands for, without their resource. Default: `access_as_user`.
    pub default_scopes: Vec<String>,
    /// The address that issuers and metadata state, for an emulator reached under another name. Default: where it listens.
    pub public_url: Option<String>,
    /// The directory in which to leave `ca.pem`, and then to serve https. Default: none, and plain http.
    pub tls: Option<PathBuf>,
    /// The policy at the start and after a reset.
    pub policy: Policy,
}

impl Default for EmulatorOptions {
    fn default() -> Self {
        Self {
            client_id: "00001111-aaaa-2222-bbbb-3333cccc4444".to_owned(),
            client_secret: "emulator-secret".to_owned(),
            client_certificate: None,
            client_secrets: Vec::new(),
            client_certificates: Vec::new(),
            client_ca: None,
            client_subject: None,
            unique_jti: true,
            federated_credentials: vec![
                FederatedCredential::workload(DEFAULT_WORKLOAD),
                FederatedCredential::managed_identity(DEFAULT_MANAGED_IDENTITY_OID),
            ],
            managed_identity: ManagedIdentity::default(),
            tenant_id: "11111111-2222-3333-4444-555555555555".to_owned(),
            audiences: Vec::new(),
            expires_in: 3599,
            cae_expires_in: None,
            refresh_in: None,
            default_scopes: vec!["access_as_user".to_owned()],
            public_url: None,
            tls: None,
            policy: Policy::default(),
        }
    }
}

impl fmt::Debug for EmulatorOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmulatorOptions")
            .field("client_id", &self.client_id)
            .field("client_secret", &"****")
            .field("tenant_id", &self.tenant_id)
            .field("audiences", &self.audiences)
            .field("expires_in", &self.expires_in)
            .field("default_scopes", &self.default_scopes)
            .field("public_url", &self.public_url)
            .field("tls", &self.tls)
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}

impl EmulatorOptions {
    /// The lifetime of a token B for a client that asked for these claims.
    pub(super) fn lifetime(&self, claims: &ClaimsChallenge) -> u32 {
        let long = self.cae_expires_in.filter(|_| claims.declares_cp1());
        long.map_or(self.expires_in, |seconds| seconds.min(MAX_CAE_LIFETIME))
    }

    /// Whether a token with this `aud` was issued for the registration.
    pub(super) fn accepts_audience(&self, audience: &str) -> bool {
        audience.strip_prefix("api://").unwrap_or(audience) == self.client_id
            || self.audiences.iter().any(|accepted| accepted == audience)
    }
}

/// 28 hours in seconds, as long as Entra lets tokens live that can be challenged.
const MAX_CAE_LIFETIME: u32 = 28 * 3600;

/// The workload whose tokens authenticate the registration.
pub const DEFAULT_WORKLOAD: &str = "system:serviceaccount:default:obo-proxy";
