//! What an identity provider publishes about itself: its documents and key sets, fetched and held against what was
//! configured.

use serde_json::Value;
use tokio::time::Instant;
use url::Url;

use super::keys::KeySet;
use crate::identity::{Cloud, Endpoints, Identity, Provider, Tenant};
use crate::idp::{Answer, Fault, IdpClient};

/// The issuers and keys of one tenant.
#[derive(Debug)]
pub(super) struct Published {
    pub(super) issuers: Vec<Box<str>>,
    pub(super) keys: KeySet,
    /// Where the provider is reached, if its document is what says so.
    pub(super) endpoints: Option<Endpoints>,
    /// When it was fetched.
    pub(super) at: Instant,
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
pub(super) struct Part {
    /// What its key set is called in the log.
    keys: &'static str,
    issuers: Vec<Box<str>>,
    pub(super) jwks_uri: Box<str>,
    pub(super) endpoints: Option<Endpoints>,
}

impl Discovery<'_> {
    /// Fetches it all. Keys that are in `previous` already are taken from there.
    ///
    /// The keys of the v1 document vouch for v1 tokens, those of the v2 document for v2 tokens; where both name the
    /// same key set, it is fetched once and vouches for both.
    pub(super) async fn fetch(&self, previous: &KeySet) -> Result<Published, DownloadError> {
        let (main, v1) = tokio::join!(self.main(), self.v1());
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
        Ok(Published { issuers, keys, endpoints: main.endpoints, at: Instant::now() })
    }

    /// The main document, from the first place that has one.
    async fn main(&self) -> Result<Part, DownloadError> {
        let mut outcome = self.part("discovery", "keys", self.tenant.discovery()).await;
        for address in self.tenant.alternatives() {
            if !matches!(outcome, Err(DownloadError::Status("discovery", 404))) {
                break;
            }
            outcome = self.part("discovery", "keys", address).await;
        }
        outcome
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
        self.read(what, keys, address, &answer.body)
    }

    /// Reads the document that was found at `address`.
    pub(super) fn read(
        &self,
        what: &'static str,
        keys: &'static str,
        address: &str,
        document: &[u8],
    ) -> Result<Part, DownloadError> {
        let document: Value = serde_json::from_slice(document).map_err(|_| DownloadError::Content(what))?;
        let issuers = self.issuers(what, &document)?;
        let jwks_uri = document.get("jwks_uri").and_then(Value::as_str).ok_or(DownloadError::Content(what))?;
        // Keys that came in the clear are worth nothing where the provider is reached by TLS.
        if is_tls(address) && !is_tls(jwks_uri) {
            return Err(DownloadError::Downgrade(what));
        }
        let endpoints = self.endpoints(what, &document)?;
        Ok(Part { keys, issuers, jwks_uri: jwks_uri.into(), endpoints })
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

    /// The endpoints that the document names. Those of Entra are known beforehand.
    fn endpoints(&self, what: &'static str, document: &Value) -> Result<Option<Endpoints>, DownloadError> {
        let Provider::Oidc { issuer } = &self.identity.provider else { return Ok(None) };
        let secure = is_tls(issuer);
        let token = match self.tenant.token_endpoint() {
            Some(given) => Some(given.into()),
            None => endpoint(what, document, "token_endpoint", secure)?,
        };
        let authorization = endpoint(what, document, "authorization_endpoint", secure)?;
        if token.is_none() {
            let identity = &*self.identity.name;
            tracing::warn!(identity, "the discovery document names no token endpoint: no token can be acquired");
        }
        Ok(token.map(|token| Endpoints { token, authorization }))
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

/// Whether an address is https, in whatever case its scheme is written (RFC 3986 section 3.1).
fn is_tls(address: &str) -> bool {
    address.get(..6).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https:"))
}

/// An address that a document may name: http only where the issuer is, and fit for a quoted parameter of a challenge.
fn endpoint(what: &'static str, document: &Value, name: &str, secure: bool) -> Result<Option<Box<str>>, DownloadError> {
    let Some(address) = document.get(name).filter(|address| !address.is_null()) else { return Ok(None) };
    let address = address.as_str().ok_or(DownloadError::Content(what))?;
    let scheme = Url::parse(address).map_err(|_| DownloadError::Content(what))?.scheme().to_owned();
    match scheme.as_str() {
        "https" | "http" if address.bytes().any(|byte| !byte.is_ascii_graphic() || b"\"\\,".contains(&byte)) => {
            Err(DownloadError::Content(what))
        }
        "http" if secure => Err(DownloadError::Downgrade(what)),
        "https" | "http" => Ok(Some(address.into())),
        _ => Err(DownloadError::Content(what)),
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
                write!(f, "{what}: the document names the issuer {named:?}; accepted: {ours}")
            }
        }
    }
}

/// As much of a foreign issuer is logged, in characters.
const MAX_NAMED: usize = 128;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(address: &Value, secure: bool) -> Result<Option<Box<str>>, DownloadError> {
        endpoint("discovery", &json!({ "token_endpoint": address }), "token_endpoint", secure)
    }

    #[test]
    fn an_endpoint_is_https_where_the_issuer_is() {
        assert_eq!(read(&json!("https://a/t?b=c"), true), Ok(Some("https://a/t?b=c".into())));
        assert_eq!(read(&json!("http://a/t"), false), Ok(Some("http://a/t".into())));
        assert_eq!(read(&json!("http://a/t"), true), Err(DownloadError::Downgrade("discovery")));
        assert_eq!(read(&Value::Null, true), Ok(None));
    }

    #[test]
    fn the_case_of_a_scheme_protects_no_less() {
        for address in ["https://a", "HTTPS://a", "Https://a"] {
            assert!(is_tls(address), "{address}");
        }
        for address in ["http://a", "HTTP://a", "", "https", "\u{e9}\u{e9}\u{e9}\u{e9}"] {
            assert!(!is_tls(address), "{address}");
        }
    }

    #[test]
    fn an_endpoint_fits_into_a_quoted_parameter() {
        for address in
            ["https://a/\"", "https://a/\\", "https://a/,", "https://a/ b", "https://a/\u{e9}", "ftp://a", "/t", ""]
        {
            assert_eq!(read(&json!(address), false), Err(DownloadError::Content("discovery")), "{address}");
        }
        assert_eq!(read(&json!(1), false), Err(DownloadError::Content("discovery")));
    }

    #[test]
    fn a_foreign_issuer_is_told_on_one_line_of_bounded_length() {
        let error = DownloadError::Issuer("discovery", "\n".repeat(1000).into(), "https://a".into());
        let text = error.to_string();
        assert!(text.ends_with("\"; accepted: https://a") && text.len() < 350 && !text.contains('\n'), "{text}");
    }
}
