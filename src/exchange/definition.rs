//! What is exchanged for what: everything about an exchange but the caller.

use std::sync::Arc;

use http::header::{AUTHORIZATION, HeaderName, HeaderValue};
use tokio::time::Instant;

use super::answer::Expected;
use super::credential::{Authenticator, Proof, Unusable};
use super::error::ExchangeError;
use super::form::{self, Capable, Subject};
use super::grant::{AssertionGrant, Delivery, Grant, OnBehalfOf, TokenExchange};
use super::refusal::Asked;
use crate::caller::VerifiedCaller;
use crate::digest::Digest;
use crate::identity::{Identity, Tenant};
use crate::idp::IdpClient;
use crate::limit::{Counted, Limiter};
use crate::secret::Secret;
use crate::telemetry::Metrics;

/// An exchange of a route.
#[derive(Debug)]
pub struct Exchange {
    pub(super) identity: Arc<Identity>,
    pub(super) client: IdpClient,
    pub(super) authenticator: Arc<Authenticator>,
    /// How many exchanges one caller may cause, whichever they are; shared by the exchanges of an identity.
    limiter: Option<Arc<Limiter>>,
    /// Where the token comes from in the end.
    pub(super) source: TokenSource,
    /// The scopes, for the log.
    pub(super) scope: String,
    pub(super) header: HeaderName,
    pub(super) scheme: Option<Box<str>>,
    pub(super) digest: Digest,
}

/// Who issues the token that the target gets.
#[derive(Debug)]
pub(super) enum TokenSource {
    /// The identity provider, for this grant.
    Provider(Grant),
    /// The target's own token endpoint, for an assertion that another exchange brings.
    Target { assertion: Arc<Exchange>, asked: AssertionGrant },
}

/// Two digests; each has a fixed length, so none can be mistaken for another.
pub(super) type Key = (Digest, Digest);

/// For whom a token is acquired.
#[derive(Debug, Clone, Copy)]
pub struct Principal<'a> {
    /// Token A.
    pub token: &'a [u8],
    /// Its SHA-256.
    pub digest: &'a Digest,
    /// What it says.
    pub caller: &'a VerifiedCaller,
}

/// The same, for work that outlives the request.
#[derive(Debug, Clone)]
pub(super) struct Caller {
    pub(super) token: Secret,
    pub(super) digest: Digest,
    pub(super) tenant: Arc<Tenant>,
    pub(super) capable: Capable,
    /// When token A ends; nothing that was had for it may live longer.
    pub(super) ends: Instant,
    /// Since when somebody waits.
    pub(super) asked_at: Instant,
}

impl Principal<'_> {
    pub(super) fn to_owned(self) -> Caller {
        let now = Instant::now();
        Caller {
            token: Secret::new(String::from_utf8_lossy(self.token).into_owned()),
            digest: *self.digest,
            tenant: Arc::clone(self.caller.tenant()),
            capable: Capable(self.caller.handles_claims_challenges()),
            ends: now + self.caller.remaining(),
            asked_at: now,
        }
    }
}

impl Exchange {
    /// The exchange that `grant` describes, in the name of `identity`; nothing for [`Grant::None`].
    ///
    /// `authenticator` is that of the identity, `client` reaches its provider, and `target` a token endpoint of the
    /// target's own.
    ///
    /// # Errors
    /// A credential for the target's token endpoint that cannot be used.
    pub fn new(
        identity: &Arc<Identity>,
        authenticator: &Arc<Authenticator>,
        client: &IdpClient,
        target: &IdpClient,
        grant: Grant,
        metrics: &Arc<Metrics>,
    ) -> Result<Option<Self>, Unusable> {
        if let Grant::None = grant {
            return Ok(None);
        }
        let (mut header, mut scheme) = (AUTHORIZATION, Some("Bearer".into()));
        let mut second_leg = None;
        if let Grant::OnBehalfOf(OnBehalfOf { saml: Some(saml), .. }) = &grant {
            match &saml.delivery {
                Delivery::Header { name, scheme: word } => (header, scheme) = (name.clone(), word.clone()),
                Delivery::TokenEndpoint(asked) => (second_leg, scheme) = (Some(asked.clone()), None),
            }
        }
        let scope = grant.scope();
        let digest = digest(identity, client, &grant, &header, scheme.as_deref());
        let first = Self {
            identity: Arc::clone(identity),
            client: client.clone(),
            authenticator: Arc::clone(authenticator),
            limiter: None,
            source: TokenSource::Provider(grant),
            scope,
            header,
            scheme,
            digest,
        };
        match second_leg {
            None => Ok(Some(first)),
            Some(asked) => Self::second_leg(first, asked, target, metrics).map(Some),
        }
    }

    fn second_leg(
        assertion: Self,
        asked: AssertionGrant,
        target: &IdpClient,
        metrics: &Arc<Metrics>,
    ) -> Result<Self, Unusable> {
        let (owner, metrics) = (Arc::clone(&assertion.identity.name), Arc::clone(metrics));
        let client_id = asked.client_id.as_deref().unwrap_or_default();
        let authenticator = Authenticator::load(owner, client_id, asked.credential.as_slice(), target, metrics)?;
        let form = form::saml_bearer(&asked, &Proof::None, "");
        let authorities = target.authorities().as_bytes();
        let parts = [&b"saml2-bearer"[..], asked.endpoint.as_bytes(), authorities, form.expose().as_bytes()];
        let digest = Digest::of_parts([assertion.digest.as_bytes()].into_iter().chain(parts));
        Ok(Self {
            identity: Arc::clone(&assertion.identity),
            client: target.clone(),
            authenticator: Arc::new(authenticator),
            limiter: None,
            scope: asked.scopes.join(" "),
            source: TokenSource::Target { assertion: Arc::new(assertion), asked },
            header: AUTHORIZATION,
            scheme: Some("Bearer".into()),
            digest,
        })
    }

    /// The same exchange, which counts who causes it.
    #[must_use]
    pub fn limited_by(self, limiter: Option<Arc<Limiter>>) -> Self {
        Self { limiter, ..self }
    }

    /// Whom the limit counts where this caller causes an exchange.
    pub(super) fn counted(&self, caller: &VerifiedCaller) -> Option<Counted> {
        self.limiter.as_ref().map(|limiter| caller.counted_by(limiter.limit().by))
    }

    /// Counts an exchange that is about to begin.
    ///
    /// # Errors
    /// [`ExchangeError::RateLimited`].
    pub(super) fn admit(&self, counted: Option<Counted>) -> Result<(), ExchangeError> {
        let (Some(limiter), Some(counted)) = (&self.limiter, counted) else { return Ok(()) };
        limiter.admit(counted).map_err(ExchangeError::RateLimited)
    }

    /// The credentials that this exchange uses; they want tending.
    pub fn authenticator(&self) -> &Arc<Authenticator> {
        &self.authenticator
    }

    /// Two digests, one of whoever the token is for and one of the exchange.
    ///
    /// The tenant and the capabilities of the caller follow from token A. A token for ourselves is the same for all
    /// callers of a tenant.
    pub(super) fn key(&self, token_a: &Digest, tenant: &Tenant) -> Key {
        match self.source {
            TokenSource::Provider(Grant::ClientCredentials { .. }) => {
                (Digest::of_parts([&b"tenant"[..], tenant.id().as_bytes()]), self.digest)
            }
            _ => (*token_a, self.digest),
        }
    }

    /// Whether the token stands for the caller, and thus must not outlive the caller's own.
    pub(super) fn is_of_caller(&self) -> bool {
        !matches!(self.source, TokenSource::Provider(Grant::ClientCredentials { .. }))
    }

    /// The form of the token request to the identity provider.
    pub(super) fn form(&self, grant: &Grant, proof: &Proof, subject: Subject<'_>, capable: Capable) -> Secret {
        form::token_request(grant, &self.identity.client_id, proof, subject, capable)
    }

    /// The header that the target gets, and its value.
    pub(super) fn fitting_header(&self, token: &Secret) -> Result<(HeaderName, HeaderValue), ExchangeError> {
        let misfit = || ExchangeError::nonsense("token endpoint answered with a token that fits into no header");
        self.header_of(token).ok_or_else(misfit)
    }

    fn header_of(&self, token: &Secret) -> Option<(HeaderName, HeaderValue)> {
        let value = match &self.scheme {
            Some(scheme) => HeaderValue::try_from(format!("{scheme} {}", token.expose())),
            None => HeaderValue::from_str(token.expose()),
        };
        Some((self.header.clone(), value.ok()?))
    }
}

/// What tells this exchange from every other one of the same token A, also of another configuration: all that its form
/// says beside the caller's part, who asks, who is asked and who vouches for that, and how the target gets the token.
fn digest(identity: &Identity, client: &IdpClient, grant: &Grant, header: &HeaderName, scheme: Option<&str>) -> Digest {
    let form = form::token_request(grant, &identity.client_id, &Proof::None, Subject::TokenA(""), Capable(false));
    Digest::of_parts([
        identity.name.as_bytes(),
        identity.provider.address().as_bytes(),
        // Of a provider with tenants the address says it all, with the tenant of the caller.
        identity.anyone.discovery().as_bytes(),
        identity.anyone.token_endpoint().unwrap_or_default().as_bytes(),
        client.authorities().as_bytes(),
        form.expose().as_bytes(),
        header.as_str().as_bytes(),
        scheme.unwrap_or_default().as_bytes(),
    ])
}

impl Grant {
    pub(super) fn asked(&self) -> Asked {
        match self {
            Self::TokenExchange(_) => Asked::TokenExchange,
            Self::ClientCredentials { .. } => Asked::ClientCredentials,
            Self::OnBehalfOf(_) | Self::None => Asked::OnBehalfOf,
        }
    }

    pub(super) fn expected(&self) -> Expected<'_> {
        match self {
            Self::OnBehalfOf(OnBehalfOf { saml: Some(saml), .. }) => Expected::Saml(saml.version.token_type()),
            Self::TokenExchange(TokenExchange { requested_token_type, .. }) => {
                Expected::Bearer(requested_token_type.as_deref())
            }
            _ => Expected::Bearer(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::grant::{Saml, SamlVersion};
    use crate::exchange::testing::identity;

    fn scopes(scopes: &[&str]) -> OnBehalfOf {
        OnBehalfOf { scopes: scopes.iter().map(|scope| (*scope).into()).collect(), ..OnBehalfOf::default() }
    }

    fn with_saml(version: SamlVersion, name: &'static str, scheme: Option<&str>) -> Grant {
        let delivery = Delivery::Header { name: HeaderName::from_static(name), scheme: scheme.map(Into::into) };
        Grant::OnBehalfOf(OnBehalfOf { saml: Some(Saml { version, delivery }), ..scopes(&["a/.default"]) })
    }

    #[test]
    fn whatever_changes_the_answer_changes_the_digest() {
        let (one, two) = (identity("one", "c"), identity("two", "c"));
        let of = |identity: &Identity, grant: &Grant| {
            let exchange = Exchange::for_test(identity, grant.clone());
            format!("{:?}", exchange.digest)
        };
        let claims = serde_json::json!({"access_token": {"acrs": null}}).as_object().cloned();
        let exchange = |audience: &str, kind: &str| {
            Grant::TokenExchange(TokenExchange {
                audiences: vec![audience.into()],
                subject_token_type: kind.into(),
                ..TokenExchange::default()
            })
        };
        let mut digests = vec![
            of(&one, &Grant::OnBehalfOf(scopes(&["a/b"]))),
            of(&two, &Grant::OnBehalfOf(scopes(&["a/b"]))),
            of(&identity("one", "d"), &Grant::OnBehalfOf(scopes(&["a/b"]))),
            of(&one, &Grant::OnBehalfOf(scopes(&["a/c"]))),
            of(&one, &Grant::OnBehalfOf(scopes(&["a/b", "a/c"]))),
            of(&one, &Grant::OnBehalfOf(OnBehalfOf { claims, ..scopes(&["a/b"]) })),
            of(&one, &Grant::ClientCredentials { scopes: vec!["a/b".into()] }),
            of(&one, &exchange("x", "t")),
            of(&one, &exchange("y", "t")),
            of(&one, &exchange("x", "u")),
            of(&one, &with_saml(SamlVersion::Saml1, "authorization", None)),
            of(&one, &with_saml(SamlVersion::Saml2, "authorization", None)),
            of(&one, &with_saml(SamlVersion::Saml2, "x-saml", None)),
            of(&one, &with_saml(SamlVersion::Saml2, "x-saml", Some("SAML"))),
        ];
        let count = digests.len();
        digests.sort_unstable();
        digests.dedup();
        assert_eq!(digests.len(), count);
    }

    #[test]
    fn a_token_for_ourselves_is_the_same_for_all_callers_of_a_tenant() {
        let exchange = Exchange::for_test(&identity("i", "c"), Grant::ClientCredentials { scopes: Vec::new() });
        let [one, two] = ["1", "2"].map(|id| Tenant::entra("https://idp", id, "c"));
        let [a, b] = [b"a", b"b"].map(|token| Digest::of(token));
        assert_eq!(exchange.key(&a, &one), exchange.key(&b, &one));
        assert_ne!(exchange.key(&a, &one), exchange.key(&a, &two));
        let exchange = Exchange::for_test(&identity("i", "c"), Grant::OnBehalfOf(scopes(&["a/b"])));
        assert_ne!(exchange.key(&a, &one), exchange.key(&b, &one));
    }
}
