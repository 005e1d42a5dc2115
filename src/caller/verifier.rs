//! The only place where a token A becomes a caller.

mod examine;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::task::JoinSet;
use tokio::time::Instant;

pub use examine::{Aspect, Examination, Finding};

use super::claims::{Claims, Kind};
use super::discovery::Published;
use super::invalid::InvalidToken;
use super::jws::CompactJws;
use super::key_source::{KeySource, KeysKnown, Shared, Unknown, unix_now};
use super::keys::SigningKey;
use crate::cache::BoundedCache;
use crate::digest::Digest;
use crate::identity::{Identity, Provider, Tenant};
use crate::idp::IdpClient;
use crate::limit::{Counted, CountedBy};
use crate::telemetry::Metrics;

/// Who sent a request, as a valid token A of one identity says. There is no other way to make one than
/// [`Verifier::verify`].
#[derive(Debug)]
pub struct VerifiedCaller {
    claims: Claims,
    tenant: Arc<Tenant>,
    key: Arc<SigningKey>,
    counted: CountedCaller,
}

/// How rate limits know a caller; made once for each token.
#[derive(Debug)]
struct CountedCaller {
    user: Counted,
    client: Counted,
}

impl VerifiedCaller {
    /// What the token says.
    pub fn claims(&self) -> &Claims {
        &self.claims
    }

    /// The user: at Entra the object ID (`oid`), or `sub` where the token has none; elsewhere `sub`.
    pub fn subject(&self) -> &str {
        &self.claims.subject
    }

    /// The tenant (`tid`), one of those of the identity; the only one at a provider without tenants.
    pub fn tenant(&self) -> &Arc<Tenant> {
        &self.tenant
    }

    /// The client application that acquired the token (at Entra `azp` or `appid`; elsewhere `client_id`, `azp`, `cid`).
    pub fn client(&self) -> Option<&str> {
        self.claims.client.as_deref()
    }

    /// Whom a rate limit counts: the user, the same with whatever token or client, or the client, where all that name
    /// none count as one. A token tells no address.
    pub fn counted_by(&self, by: CountedBy) -> Counted {
        match by {
            CountedBy::User => self.counted.user,
            CountedBy::Client => self.counted.client,
            CountedBy::Address => Counted::address(None),
        }
    }

    /// Whether the client declared that it can handle claims challenges (`xms_cc` of Entra has `cp1`).
    pub fn handles_claims_challenges(&self) -> bool {
        self.claims.handles_claims_challenges
    }

    /// How long the token still lives, by its own `exp`; nothing that was had for it may live longer.
    pub fn remaining(&self) -> Duration {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Duration::from_secs(self.claims.expires).saturating_sub(now)
    }

    fn is_still_good(&self, clock_skew: Duration) -> bool {
        !self.key.is_retired() && unix_now() < self.claims.expires.saturating_add(clock_skew.as_secs())
    }
}

impl CountedCaller {
    /// Subjects are told apart by tenants, which have their issuers in two versions; elsewhere by issuers.
    fn of(claims: &Claims, tenant: &Tenant) -> Self {
        let domain = if tenant.id().is_empty() { &*claims.issuer } else { tenant.id() };
        let user = Digest::of_parts([domain.as_bytes(), claims.subject.as_bytes()]);
        let client = claims.client.as_deref().map(|client| Digest::of(client.as_bytes()));
        Self { user: Counted::caller(Some(user)), client: Counted::caller(client) }
    }
}

/// Why a token did not become a caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VerifyError {
    /// The token is not good.
    Invalid(InvalidToken),
    /// There are no keys to tell: none yet, or none as new as the token may be.
    NoKeys,
}

impl From<InvalidToken> for VerifyError {
    fn from(invalid: InvalidToken) -> Self {
        Self::Invalid(invalid)
    }
}

/// Verifies tokens for one identity, and remembers the good ones by their SHA-256.
#[derive(Debug)]
pub struct Verifier {
    identity: Arc<Identity>,
    /// One for each tenant of the identity, by its GUID. A provider without tenants has one under the empty name.
    sources: HashMap<Box<str>, Arc<KeySource>>,
    verified: BoundedCache<Digest, Arc<VerifiedCaller>>,
    metrics: Arc<Metrics>,
}

impl Verifier {
    /// A verifier that remembers at most `capacity` tokens. It knows no keys until [`Verifier::keep_keys_fresh`] runs,
    /// but for those that an `earlier` one has of the very tenants that `identity` took over from that one's identity.
    /// What the earlier one found of tokens is not taken over: it was found by other rules.
    pub fn new(
        identity: Arc<Identity>,
        client: &IdpClient,
        capacity: usize,
        metrics: Arc<Metrics>,
        earlier: Option<&Self>,
    ) -> Self {
        let shared = Arc::new(Shared::new(Arc::clone(&identity), client.clone(), Arc::clone(&metrics)));
        let source = |tenant: &Arc<Tenant>| {
            let known = earlier.and_then(|earlier| earlier.published_by(tenant));
            (tenant.id().into(), Arc::new(KeySource::new(Arc::clone(&shared), Arc::clone(tenant), known)))
        };
        let sources = identity.tenants.iter().map(source).collect();
        Self { identity, sources, verified: BoundedCache::new(capacity), metrics }
    }

    /// Downloads keys on schedule, for all tenants; runs until it is dropped.
    pub fn keep_keys_fresh(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut schedules = JoinSet::new();
        let sources: Vec<_> = self.sources.values().cloned().collect();
        async move {
            for source in sources {
                schedules.spawn(source.keep_fresh());
            }
            while schedules.join_next().await.is_some() {}
        }
    }

    /// Loads the keys of those tenants that have none yet; whether there are any afterwards, says
    /// [`Verifier::has_keys`].
    pub async fn load_first_keys(&self) {
        let mut downloads: JoinSet<()> = self.sources.values().map(|source| Arc::clone(source).load_first()).collect();
        while downloads.join_next().await.is_some() {}
    }

    /// What is known of the keys of each tenant, in the order of the identity's tenants.
    pub fn keys(&self) -> Vec<KeysKnown> {
        let sources = self.identity.tenants.iter().filter_map(|tenant| self.sources.get(tenant.id()));
        sources.map(|source| source.known()).collect()
    }

    /// Whether keys have been loaded, of one tenant at least.
    pub fn has_keys(&self) -> bool {
        self.sources.values().any(|source| source.is_loaded())
    }

    /// Forgets tokens that have ended or whose key was withdrawn.
    pub fn sweep(&self) {
        self.verified.sweep(|caller| caller.is_still_good(self.identity.clock_skew));
    }

    /// Another bound for remembered tokens from now on.
    pub fn resize(&self, capacity: usize) {
        self.verified.resize(capacity);
    }

    /// Forgets every token.
    pub fn forget_all(&self) {
        self.verified.clear();
    }

    /// How many tokens are remembered.
    pub fn remembered(&self) -> usize {
        self.verified.len()
    }

    /// The caller behind `token`, whose SHA-256 is `digest`, as of `now`. Awaits only if the token's key is unknown.
    ///
    /// # Errors
    /// The verdict, or that there are no keys.
    pub async fn verify(&self, token: &str, digest: &Digest, now: Instant) -> Result<Arc<VerifiedCaller>, VerifyError> {
        match self.recall(digest, now) {
            Some(caller) => Ok(caller),
            None => self.verify_anew(token, digest).await,
        }
    }

    /// The caller behind the token with this SHA-256, where it has been verified before and is good at `now`.
    pub fn recall(&self, digest: &Digest, now: Instant) -> Option<Arc<VerifiedCaller>> {
        let caller = self.verified.find_at(digest, now).filter(|it| it.is_still_good(self.identity.clock_skew))?;
        self.metrics.caller_cache_hit();
        Some(caller)
    }

    /// The caller behind `token`, whose SHA-256 is `digest`, whatever is remembered.
    ///
    /// # Errors
    /// As for [`Verifier::verify`].
    pub async fn verify_anew(&self, token: &str, digest: &Digest) -> Result<Arc<VerifiedCaller>, VerifyError> {
        self.metrics.caller_cache_miss();
        let jws = CompactJws::parse(token)?;
        let caller = Arc::new(self.judge(&jws).await?);
        let ends = Instant::now() + caller.remaining() + self.identity.clock_skew;
        self.verified.insert(*digest, Arc::clone(&caller), ends);
        Ok(caller)
    }

    /// What this very tenant has published, if it is one of this verifier's.
    fn published_by(&self, tenant: &Arc<Tenant>) -> Option<Arc<Published>> {
        self.sources.get(tenant.id()).filter(|source| Arc::ptr_eq(source.tenant(), tenant))?.current()
    }

    /// Cheap checks first, so that a flood of bad tokens costs no signature and starts no download.
    async fn judge(&self, jws: &CompactJws<'_>) -> Result<VerifiedCaller, VerifyError> {
        self.check_algorithm(jws)?;
        let claims = Claims::read(&self.identity.provider, jws)?;
        self.check_audience(&claims)?;
        let source = self.source(&claims)?;
        self.check_time(&claims)?;
        check_kind(&claims)?;
        let key = key(source, &jws.key_id, &claims.issuer).await?;
        check_signature(jws, &key)?;
        let counted = CountedCaller::of(&claims, source.tenant());
        Ok(VerifiedCaller { claims, tenant: Arc::clone(source.tenant()), key, counted })
    }

    fn check_algorithm(&self, jws: &CompactJws<'_>) -> Result<(), InvalidToken> {
        if self.identity.algorithms.contains(&jws.algorithm) { Ok(()) } else { Err(InvalidToken::Algorithm) }
    }

    fn check_audience(&self, claims: &Claims) -> Result<(), InvalidToken> {
        if claims.audiences.iter().any(|audience| self.identity.audiences.contains(audience)) {
            return Ok(());
        }
        let is_entra = matches!(self.identity.provider, Provider::Entra { .. });
        let for_graph = is_entra && claims.audiences.iter().any(|audience| GRAPH.contains(&&**audience));
        let first = claims.audiences.first().cloned().unwrap_or_default();
        Err(if for_graph { InvalidToken::GraphAudience } else { InvalidToken::Audience(first) })
    }

    fn source(&self, claims: &Claims) -> Result<&Arc<KeySource>, InvalidToken> {
        let found = self.sources.get(&*claims.tenant_id.to_ascii_lowercase());
        found.ok_or_else(|| InvalidToken::Tenant(claims.tenant_id.clone()))
    }

    fn check_time(&self, claims: &Claims) -> Result<(), InvalidToken> {
        let (now, skew) = (unix_now(), self.identity.clock_skew.as_secs());
        if now >= claims.expires.saturating_add(skew) {
            return Err(InvalidToken::Expired);
        }
        if claims.not_before.is_some_and(|not_before| now.saturating_add(skew) < not_before) {
            return Err(InvalidToken::NotYetValid);
        }
        Ok(())
    }
}

fn check_kind(claims: &Claims) -> Result<(), InvalidToken> {
    if claims.kind == Kind::Neither { Err(InvalidToken::NotAccessToken) } else { Ok(()) }
}

fn check_signature(jws: &CompactJws<'_>, key: &SigningKey) -> Result<(), InvalidToken> {
    if !key.fits(jws.algorithm) {
        return Err(InvalidToken::Algorithm);
    }
    if key.verifies(jws.signature, jws.signed, jws.algorithm) { Ok(()) } else { Err(InvalidToken::Signature) }
}

/// The key that a token names, if it signs for the issuer that the token names. Another issuer starts no download.
async fn key(source: &Arc<KeySource>, key_id: &str, issuer: &str) -> Result<Arc<SigningKey>, VerifyError> {
    let published = source.current().ok_or(VerifyError::NoKeys)?;
    if !published.issuers.iter().any(|known| **known == *issuer) {
        return Err(InvalidToken::Issuer(issuer.into()).into());
    }
    if let Some(key) = published.keys.find(key_id, issuer) {
        return Ok(Arc::clone(key));
    }
    source.find_unknown(key_id, issuer).await.map_err(|unknown| match unknown {
        Unknown::NotPublished => InvalidToken::UnknownKey.into(),
        Unknown::ForOthers => InvalidToken::ForeignKey.into(),
        Unknown::Undecided => VerifyError::NoKeys,
    })
}

/// The audiences of Microsoft Graph. Its tokens carry a nonce that makes ordinary verification fail, so the audience
/// is what explains the refusal.
const GRAPH: [&str; 3] =
    ["https://graph.microsoft.com", "https://graph.microsoft.com/", "00000003-0000-0000-c000-000000000000"];
