//! What an identity provider publishes about itself: its documents and key sets, fetched and held against what was
//! configured.

use serde_json::Value;
use tokio::time::Instant;

use super::keys::KeySet;
use crate::identity::{Cloud, Identity, Provider, Tenant};
use crate::idp::{Answer, Fault, IdpClient};

/// The issuers and keys of one tenant.
#[derive(Debug)]
pub(super) struct Published {
    pub(super) issuers: Vec<Box<str>>,
    pub(super) keys: KeySet,
}

/// One look at what a tenant publishes.
#[derive(Debug)]
pub(super) struct Discovery<'a> {
    pub(super) identity: &'a Identity,
    pub(super) tenant: &'a Tenant,
    pub(super) client: &'a IdpClient,
    pub(super) deadline: Instant,
}

/// Why a download brought nothing.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum DownloadError {
    Fault(&'static str, Fault),
    Status(&'static str, u16),
    Content(&'static str),
    /// There is no key that could sign for the issuers.
    NoKeys(&'static str),
    /// Keys or endpoints without TLS, from a document that came by TLS.
    Downgrade(&'static str),
    /// The issuer that is named, and who it should be.
    Issuer(&'static str, Box<str>, Box<str>),
}

/// What one discovery document says.
struct Part {
    /// What its key set is called in the log.
    keys: &'static str,
    issuers: Vec<Box<str>>,
    jwks_uri: Box<str>,
}

impl Discovery<'_> {
    /// Fetches it all. Keys that are in `previous` already are taken from there.
    ///
    /// The keys of the v1 document vouch for v1 tokens, those of the v2 document for v2 tokens; where both name the
    /// same key set, it is fetched once and vouches for both.
    pub(super) async fn fetch(&self, previous: &KeySet) -> Result<Published, DownloadError> {
        let (main, v1) = tokio::join!(self.part("discovery", "keys", self.tenant.discovery()), self.v1());
        let (mut main, mut v1) = (main?, v1?);
        if let Some(same) = v1.take_if(|v1| v1.jwks_uri == main.jwks_uri) {
            main.issuers.extend(same.issuers);
        }
        let (keys, v1_keys) = tokio::join!(self.keys(&main, previous), self.keys_v1(v1.as_ref(), previous));
        let (mut issuers, mut keys) = (main.issuers, keys?);
        if let (Some(v1), Some(v1_keys)) = (v1, v1_keys?) {
            issuers.extend(v1.issuers);
            keys = keys.join(v1_keys);
        }
        Ok(Published { issuers, keys })
    }

    async fn v1(&self) -> Result<Option<Part>, DownloadError> {
        let Some(address) = self.tenant.discovery_v1() else { return Ok(None) };
        self.optional(self.part("v1 discovery", "v1 keys", address).await)
    }

    async fn keys_v1(&self, part: Option<&Part>, previous: &KeySet) -> Result<Option<KeySet>, DownloadError> {
        let Some(part) = part else { return Ok(None) };
        self.optional(self.keys(part, previous).await)
    }

    /// A provider without a v1 endpoint says so with a definite answer; anything else is a failed download, so that v1
    /// callers are not turned away because of a passing fault.
    fn optional<T>(&self, outcome: Result<T, DownloadError>) -> Result<Option<T>, DownloadError> {
        match outcome {
            Ok(found) => Ok(Some(found)),
            Err(DownloadError::Status(_, status)) if status < 500 && !matches!(status, 408 | 429) => Ok(None),
            Err(error @ (DownloadError::Issuer(..) | DownloadError::NoKeys(_))) => {
                let (identity, tenant) = (&*self.identity.name, self.tenant.id());
                tracing::warn!(identity, tenant, reason = %error, "v1 tokens will be refused");
                Ok(None)
            }
            Err(other) => Err(other),
        }
    }

    async fn part(&self, what: &'static str, keys: &'static str, address: &str) -> Result<Part, DownloadError> {
        let answer = self.get(what, address).await?;
        let document: Value = serde_json::from_slice(&answer.body).map_err(|_| DownloadError::Content(what))?;
        let issuers = self.issuers(what, &document)?;
        let jwks_uri = document.get("jwks_uri").and_then(Value::as_str).ok_or(DownloadError::Content(what))?;
        // Keys that came in the clear are worth nothing where the provider is reached by TLS.
        if address.starts_with("https:") && !jwks_uri.starts_with("https:") {
            return Err(DownloadError::Downgrade(what));
        }
        Ok(Part { keys, issuers, jwks_uri: jwks_uri.into() })
    }

    /// The issuers that the keys of a document vouch for: the one that it names, unless others were given.
    fn issuers(&self, what: &'static str, document: &Value) -> Result<Vec<Box<str>>, DownloadError> {
        if let Some(given) = self.tenant.issuers() {
            return Ok(given.to_vec());
        }
        let named = document.get("issuer").and_then(Value::as_str).ok_or(DownloadError::Content(what))?;
        let issuer = self.tenant.fill_in(named);
        match &self.identity.provider {
            Provider::Entra { authority } => self.check_cloud(what, &issuer, authority)?,
            Provider::Oidc { issuer: ours } if issuer != *ours => {
                return Err(DownloadError::Issuer(what, issuer, ours.clone()));
            }
            Provider::Oidc { .. } => {}
        }
        Ok(vec![issuer])
    }

    /// A national cloud has issuers of its own. Behind an address of somebody else's another issuer may be well.
    fn check_cloud(&self, what: &'static str, issuer: &str, authority: &str) -> Result<(), DownloadError> {
        let foreign = match Cloud::of(authority) {
            Some(cloud) if cloud.has_issuer(issuer) => false,
            Some(_) => return Err(DownloadError::Issuer(what, issuer.into(), authority.into())),
            None => !issuer.starts_with(authority),
        };
        if foreign {
            let (identity, tenant) = (&*self.identity.name, self.tenant.id());
            tracing::warn!(identity, tenant, authority, issuer, "the discovery document names another issuer");
        }
        Ok(())
    }

    async fn keys(&self, part: &Part, previous: &KeySet) -> Result<KeySet, DownloadError> {
        let answer = self.get(part.keys, &part.jwks_uri).await?;
        match KeySet::read(&answer.body, &part.issuers, self.tenant, previous) {
            Some(keys) if keys.len() == 0 => Err(DownloadError::NoKeys(part.keys)),
            Some(keys) => Ok(keys),
            None => Err(DownloadError::Content(part.keys)),
        }
    }

    async fn get(&self, what: &'static str, address: &str) -> Result<Answer, DownloadError> {
        let answer = self.client.get(address, self.deadline).await;
        let answer = answer.map_err(|fault| DownloadError::Fault(what, fault))?;
        match answer.status.as_u16() {
            200..=299 => Ok(answer),
            status => Err(DownloadError::Status(what, status)),
        }
    }
}

impl std::fmt::Display for DownloadError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Fault(what, fault) => write!(f, "{what}: {fault}"),
            Self::Status(what, status) => write!(f, "{what}: status {status}"),
            Self::Content(what) => write!(f, "{what}: document lacks what is needed"),
            Self::NoKeys(what) => write!(f, "{what}: no key that could sign for the issuer"),
            Self::Downgrade(what) => write!(f, "{what}: an address without TLS in a document that came by TLS"),
            Self::Issuer(what, named, ours) => {
                let named: String = named.chars().take(MAX_NAMED).collect();
                write!(f, "{what}: the document names the issuer {named:?}, which is not of {ours}")
            }
        }
    }
}

/// As much of a foreign issuer is logged, in characters.
const MAX_NAMED: usize = 128;
