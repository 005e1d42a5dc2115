//! Our own registrations at identity providers, the tenants whose callers they accept, and the addresses that follow.

mod cloud;
mod sameness;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use jsonwebtoken::Algorithm;
use rustls_pki_types::CertificateDer;

pub use cloud::Cloud;

use crate::limit::RateLimit;
use crate::secret::Secret;

/// One registration (Entra: app registration) in whose name tokens are accepted and exchanged. Two are equal where all
/// their settings are; what discovery said is no setting.
#[derive(Debug, Clone, PartialEq)]
pub struct Identity {
    /// Its name in `routes.yaml`, for logs and metrics.
    pub name: Arc<str>,
    /// The kind of identity provider that it is registered at.
    pub provider: Provider,
    /// The tenants whose callers are accepted; at least one. A provider without tenants has one without a name.
    pub tenants: Vec<Arc<Tenant>>,
    /// What challenges name to a caller whose tenant is not known: the only tenant, or the one that stands for all.
    pub anyone: Arc<Tenant>,
    /// The application (client) ID.
    pub client_id: Box<str>,
    /// How we prove to be that application: one credential, or for a rotation two in the order in which they are tried.
    pub credentials: Vec<Credential>,
    /// Certificates of the authorities that may vouch for the identity provider, instead of the system's.
    pub ca: Option<Vec<CertificateDer<'static>>>,
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
    /// How many exchanges one caller may cause; none means any number.
    pub exchange_limit: Option<RateLimit>,
}

/// A kind of identity provider: how its tokens are read and what is asked of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Provider {
    /// Microsoft Entra ID: tenants, two versions of tokens and issuers, and addresses that are known beforehand.
    Entra {
        /// Its base address, without a final slash: `https://login.microsoftonline.com`.
        authority: Box<str>,
    },
    /// Any other `OpenID` provider: one issuer, and addresses that its discovery document names.
    Oidc {
        /// Its issuer, exactly as tokens have it (`OpenID` Connect Discovery section 3).
        issuer: Box<str>,
    },
}

/// One tenant of an identity provider: who callers can be, and where tokens for them come from.
#[derive(Debug)]
pub struct Tenant {
    id: Box<str>,
    discovery: Box<str>,
    /// Where the document may be instead, the likelier place first.
    alternatives: Vec<Box<str>>,
    discovery_v1: Option<Box<str>>,
    issuers: Option<Vec<Box<str>>>,
    consent_uri: Option<Box<str>>,
    /// The token endpoint that was given in place of the one that discovery names.
    token_endpoint: Option<Box<str>>,
    endpoints: ArcSwapOption<Endpoints>,
}

/// Where an identity provider is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoints {
    /// Where tokens are exchanged.
    pub token: Box<str>,
    /// Where a client sends its user; named in challenges.
    pub authorization: Option<Box<str>>,
}

/// A credential of ours at a token endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credential {
    /// `client_secret` in the form (`client_secret_post`, the article's first case).
    SecretPost(SecretSource),
    /// HTTP Basic (`client_secret_basic`, RFC 6749 section 2.3.1).
    SecretBasic(SecretSource),
    /// An assertion signed with the key of a certificate (`private_key_jwt`, the article's second case).
    Certificate(CertificateFiles),
    /// The content of a file as the assertion: a token of another issuer that the registration trusts (workload
    /// identity).
    FederatedToken(PathBuf),
    /// A token of the machine's managed identity as the assertion.
    ManagedIdentity(ManagedIdentity),
}

/// Where a secret is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretSource {
    /// In the configuration.
    Value(Secret),
    /// In a file; a line break at its end is not part of it.
    File(PathBuf),
}

/// A certificate and its key, in PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The certificate, followed by those of intermediate authorities.
    pub certificate: PathBuf,
    /// Its private key; may be the same file.
    pub private_key: PathBuf,
    /// Whether assertions carry the chain (`x5c`): subject-name and issuer authentication.
    pub send_chain: bool,
}

/// Where a token of the machine's identity comes from (Azure Instance Metadata Service).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManagedIdentity {
    /// The client ID of a user-assigned identity; none means the system-assigned one.
    pub client_id: Option<Box<str>>,
    /// Its address, without a query.
    pub endpoint: Box<str>,
    /// The audience of the token.
    pub resource: Box<str>,
}

impl Provider {
    /// Its address, or the name that stands for one.
    pub fn address(&self) -> &str {
        match self {
            Self::Entra { authority } => authority,
            Self::Oidc { issuer } => issuer,
        }
    }
}

impl Identity {
    /// The issuers of a tenant's tokens where discovery has no say in them: those that were given, or the provider's one.
    pub fn fixed_issuers(&self, tenant: &Tenant) -> Option<Vec<Box<str>>> {
        match (tenant.issuers(), &self.provider) {
            (Some(given), _) => Some(given.to_vec()),
            (None, Provider::Oidc { issuer }) => Some(vec![issuer.clone()]),
            (None, Provider::Entra { .. }) => None,
        }
    }

    /// The issuers of a tenant's tokens as far as they are known before discovery.
    pub fn likely_issuers(&self, tenant: &Tenant) -> Vec<Box<str>> {
        let of_cloud = || match &self.provider {
            Provider::Entra { authority } => Cloud::of(authority).map(|cloud| cloud.issuers(tenant.id()).to_vec()),
            Provider::Oidc { .. } => None,
        };
        self.fixed_issuers(tenant).or_else(of_cloud).unwrap_or_default()
    }
}

impl Tenant {
    /// A tenant of Entra: `id` is its GUID in lower case.
    pub fn entra(authority: &str, id: &str, client_id: &str) -> Self {
        let address = |path: &str| -> Box<str> { format!("{authority}/{id}/{path}").into() };
        let endpoints =
            Endpoints { token: address("oauth2/v2.0/token"), authorization: Some(address("oauth2/v2.0/authorize")) };
        Self {
            id: id.into(),
            discovery: address("v2.0/.well-known/openid-configuration"),
            alternatives: Vec::new(),
            discovery_v1: Some(address(".well-known/openid-configuration")),
            issuers: None,
            consent_uri: Some(address(&format!("adminconsent?client_id={client_id}"))),
            token_endpoint: None,
            endpoints: ArcSwapOption::from_pointee(endpoints),
        }
    }

    /// A provider without tenants, whose document is where its issuer says (`OpenID` Connect Discovery section 4), or
    /// where RFC 8414 section 3 or a common misreading of it has it.
    pub fn of_issuer(issuer: &str) -> Self {
        let base = issuer.trim_end_matches('/');
        let path_at = base.find("://").map_or(0, |at| at + 3);
        let path_at = base.get(path_at..).and_then(|rest| rest.find('/')).map_or(base.len(), |at| path_at + at);
        let (origin, path) = base.split_at(path_at);
        let mut alternatives = vec![format!("{origin}/.well-known/oauth-authorization-server{path}").into()];
        if !path.is_empty() {
            alternatives.push(format!("{base}/.well-known/oauth-authorization-server").into());
        }
        Self { alternatives, ..Self::oidc(&format!("{base}/.well-known/openid-configuration")) }
    }

    /// A provider without tenants whose document is at `discovery`. Where tokens are exchanged is not known before
    /// [`Tenant::publish`].
    pub fn oidc(discovery: &str) -> Self {
        Self {
            id: "".into(),
            discovery: discovery.into(),
            alternatives: Vec::new(),
            discovery_v1: None,
            issuers: None,
            consent_uri: None,
            token_endpoint: None,
            endpoints: ArcSwapOption::empty(),
        }
    }

    /// With these issuers in place of those that discovery names; `{tenantid}` stands for the tenant's GUID.
    #[must_use]
    pub fn with_issuers(mut self, templates: &[Box<str>]) -> Self {
        self.issuers = Some(templates.iter().map(|template| self.fill_in(template)).collect());
        self
    }

    /// With this token endpoint in place of the one that discovery names; it is known from now on.
    #[must_use]
    pub fn with_token_endpoint(mut self, address: &str) -> Self {
        self.endpoints = ArcSwapOption::from_pointee(Endpoints { token: address.into(), authorization: None });
        self.token_endpoint = Some(address.into());
        self
    }

    /// Its GUID (`tid`); empty at a provider without tenants.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The discovery document; at Entra that of the v2 endpoint. It names the keys.
    pub fn discovery(&self) -> &str {
        &self.discovery
    }

    /// Where the discovery document may be if it is not there, one after the other.
    pub fn alternatives(&self) -> &[Box<str>] {
        &self.alternatives
    }

    /// The discovery document of Entra's v1 endpoint; it names the issuer of v1 tokens.
    pub fn discovery_v1(&self) -> Option<&str> {
        self.discovery_v1.as_deref()
    }

    /// The issuers that were given in place of those that discovery names.
    pub fn issuers(&self) -> Option<&[Box<str>]> {
        self.issuers.as_deref()
    }

    /// An issuer of this tenant from one that Entra writes for many: `{tenantid}` stands for the GUID.
    pub fn fill_in(&self, template: &str) -> Box<str> {
        if self.id.is_empty() { template.into() } else { template.replace("{tenantid}", &self.id).into() }
    }

    /// Where an administrator grants the permissions of our application for the whole tenant.
    pub fn consent_uri(&self) -> Option<&str> {
        self.consent_uri.as_deref()
    }

    /// The token endpoint that was given in place of the one that discovery names.
    pub fn token_endpoint(&self) -> Option<&str> {
        self.token_endpoint.as_deref()
    }

    /// Where the provider is reached; nothing while its discovery document has not been read.
    pub fn endpoints(&self) -> Option<Arc<Endpoints>> {
        self.endpoints.load_full()
    }

    /// Takes over what the discovery document says.
    pub fn publish(&self, endpoints: Endpoints) {
        self.endpoints.store(Some(Arc::new(endpoints)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(issuer: &str) -> Vec<Box<str>> {
        let tenant = Tenant::of_issuer(issuer);
        [tenant.discovery().into()].into_iter().chain(tenant.alternatives().iter().cloned()).collect()
    }

    #[test]
    fn the_document_is_where_the_issuer_says() {
        let places = places("https://id.example/realms/demo");
        assert_eq!(
            places.iter().map(|place| &**place).collect::<Vec<_>>(),
            [
                "https://id.example/realms/demo/.well-known/openid-configuration",
                "https://id.example/.well-known/oauth-authorization-server/realms/demo",
                "https://id.example/realms/demo/.well-known/oauth-authorization-server",
            ]
        );
    }

    #[test]
    fn a_final_slash_is_not_doubled() {
        for issuer in ["https://x.auth0.example/", "https://x.auth0.example"] {
            let places = places(issuer);
            assert_eq!(
                places.iter().map(|place| &**place).collect::<Vec<_>>(),
                [
                    "https://x.auth0.example/.well-known/openid-configuration",
                    "https://x.auth0.example/.well-known/oauth-authorization-server",
                ]
            );
        }
    }

    #[test]
    fn a_given_token_endpoint_is_known_beforehand() {
        let tenant = Tenant::of_issuer("https://id.example").with_token_endpoint("https://id.example/t");
        assert_eq!(tenant.endpoints().map(|endpoints| endpoints.token.clone()), Some("https://id.example/t".into()));
        assert!(Tenant::of_issuer("https://id.example").endpoints().is_none());
    }
}
