//! The decision about a request: forward only, from its path to the token that the target will get.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use pingora::http::RequestHeader;
use tokio::time::Instant;

use super::edge::{EdgeSettings, declared_length};
use super::present::Present;
use super::resource_metadata::{Description, ResourceMetadata};
use super::route::Route;
use super::target::Permit;
use super::wellformed;
use super::whence::Whence;
use crate::caller::{BearerError, InvalidToken, Presented, VerifiedCaller, VerifyError};
use crate::digest::Digest;
use crate::exchange::{Exchange, Exchanger, Principal, Source, TokenB};
use crate::rejection::{Party, Rejection, Resource};
use crate::route::{Found, HostName, RequestTarget, RouteTable, described_path};

/// Decides about requests.
#[derive(Debug)]
pub(super) struct Gate {
    pub(super) edge: EdgeSettings,
    pub(super) routes: RouteTable<Arc<Route>>,
    pub(super) exchanger: Exchanger,
}

/// What becomes of a request that is not refused.
#[derive(Debug)]
pub(super) enum Decision {
    /// It goes on to the target.
    Forward(Admission),
    /// It asks what a route is; we answer it ourselves, whoever asks.
    Describe(Description),
}

/// A request that may go on, and how.
#[derive(Debug)]
pub(super) struct Admission {
    pub(super) route: Arc<Route>,
    pub(super) caller: Arc<VerifiedCaller>,
    /// The SHA-256 of token A.
    pub(super) token_a: Digest,
    /// What the target gets in place of token A.
    pub(super) credential: Option<Credential>,
    /// Path and query for the target, where these are not what the caller sent.
    pub(super) path: Option<Bytes>,
    /// Its place among the requests to the target.
    _permit: Permit,
}

/// A token B, and where it came from.
#[derive(Debug, Clone)]
pub(super) struct Credential {
    pub(super) exchange: Arc<Exchange>,
    pub(super) token: Arc<TokenB>,
    pub(super) source: Source,
    /// How long the request waited for it; nothing for one from the cache.
    pub(super) waited: Option<Duration>,
}

/// Where a request leads.
pub(super) enum Place<'a> {
    /// To the metadata of a route.
    Metadata(&'a Arc<Route>, &'a ResourceMetadata),
    /// To the target of a route, with this path and query, where they are not the caller's.
    Target(&'a Arc<Route>, Option<Bytes>),
}

/// What is known of a request by the time it is refused; the log wants it.
#[derive(Debug, Default)]
pub(super) struct Trail {
    /// Where it comes from.
    pub(super) whence: Whence,
    pub(super) route: Option<Arc<Route>>,
    pub(super) caller: Option<Arc<VerifiedCaller>>,
}

impl Trail {
    /// Whom a refusal speaks for, and where it sends the caller; `metadata` is what [`Trail::metadata`] says.
    pub(super) fn party<'a>(&'a self, metadata: Option<&'a str>) -> Option<Party<'a>> {
        let route = self.route.as_ref()?;
        let identity = &route.identity;
        let tenant = self.caller.as_ref().map_or(&identity.anyone, |caller| caller.tenant());
        let resource = route.metadata.as_ref().map(|described| Resource { metadata, scopes: &described.scopes });
        Some(Party { identity, tenant, resource })
    }

    /// The URL of the route's metadata, for a caller that reached us by `origin`.
    pub(super) fn metadata(&self, origin: impl FnOnce() -> Option<String>) -> Option<String> {
        let metadata = self.route.as_ref()?.metadata.as_ref()?;
        metadata.address(origin().as_deref())
    }
}

impl Gate {
    /// Decides what becomes of a request that has arrived `now`, or says why it is refused. On a warm request nothing is
    /// awaited, and the clock is not looked at.
    pub(super) async fn decide(
        &self,
        request: &RequestHeader,
        present: Present,
        trail: &mut Trail,
        now: Instant,
    ) -> Result<Decision, Rejection> {
        match self.place(request, present)? {
            Place::Metadata(route, metadata) => {
                trail.route = Some(Arc::clone(route));
                metadata.describe(&request.method).map(Decision::Describe)
            }
            Place::Target(route, path) => {
                let body = declared_length(&request.headers, present).unwrap_or(0);
                self.admit(request, body, route, path, trail, now).await.map(Decision::Forward)
            }
        }
    }

    /// Admits a request with a body of so many bytes to the target of a route.
    async fn admit(
        &self,
        request: &RequestHeader,
        body: u64,
        route: &Arc<Route>,
        path: Option<Bytes>,
        trail: &mut Trail,
        now: Instant,
    ) -> Result<Admission, Rejection> {
        let route = Arc::clone(route);
        trail.route = Some(Arc::clone(&route));
        route.check_length(body)?;
        route.limits.admit_address(trail.whence.address, now)?;
        let presented = Presented::of(&request.headers).map_err(bearer_rejection)?;
        let token_a = Digest::of(presented.bytes());
        let caller = match route.verifier.recall(&token_a, now) {
            Some(caller) => caller,
            // In a box of its own: it would make every request's future larger, and most never need it.
            None => Box::pin(verify_anew(&route, presented, &token_a)).await?,
        };
        trail.caller = Some(Arc::clone(&caller));
        route.limits.admit_caller(&caller, now)?;
        let service = route.service(&caller)?;
        // A target without room costs no exchange, and who waits for an exchange takes no room.
        let backend = route.target.backend();
        backend.check_room()?;
        let principal = Principal { token: presented.bytes(), digest: &token_a, caller: &caller };
        let credential = match &service.exchange {
            Some(exchange) => Some(self.credential(exchange, principal, now).await?),
            None => None,
        };
        let permit = backend.enter()?;
        Ok(Admission { caller, token_a, credential, path, _permit: permit, route })
    }

    /// Another token B for a request whose first one the target did not take.
    pub(super) async fn renew(
        &self,
        admission: &Admission,
        credential: &Credential,
        token: &[u8],
    ) -> Result<Credential, Rejection> {
        let principal = Principal { token, digest: &admission.token_a, caller: &admission.caller };
        self.credential(&credential.exchange, principal, Instant::now()).await
    }

    /// Forgets the token B that the target did not take.
    pub(super) fn forget(&self, admission: &Admission) {
        if let Some(credential) = &admission.credential {
            let principal = Principal { token: &[], digest: &admission.token_a, caller: &admission.caller };
            self.exchanger.forget(&credential.exchange, principal, &credential.token);
        }
    }

    /// Where the request leads.
    pub(super) fn place(&self, request: &RequestHeader, present: Present) -> Result<Place<'_>, Rejection> {
        let host = wellformed::host(request)?;
        wellformed::check_framing(&request.headers, present)?;
        let target =
            RequestTarget::parse(wellformed::target(request)).map_err(|error| Rejection::Ambiguous(error.reason()))?;
        wellformed::check_method(&request.method)?;
        if let Some((route, metadata)) = self.described(host.as_ref(), target.key()) {
            return Ok(Place::Metadata(route, metadata));
        }
        if request.method == Method::TRACE {
            return Err(Rejection::MethodNotAllowed(WITHOUT_TRACE.into()));
        }
        let found = self.routes.find_target(host.as_ref(), &target, &request.method);
        match found.map_err(|error| Rejection::Ambiguous(error.reason()))? {
            Found::Route(hit) => {
                if hit.by_method {
                    wellformed::check_method_override(&request.headers)?;
                }
                // With an authority in it the request target is not what will be sent.
                let as_it_came = if request.uri.authority().is_none() { sent_target(request) } else { "" };
                let path = hit.route.target.path_for(&target, hit.covered, as_it_came);
                Ok(Place::Target(hit.route, path))
            }
            Found::MethodNotAllowed(allowed) => Err(Rejection::MethodNotAllowed(allowed.into())),
            Found::Nothing => Err(Rejection::NoRoute),
        }
    }

    /// The route whose metadata are at this path. For any other path this is one comparison of its first bytes.
    fn described(&self, host: Option<&HostName<'_>>, path: &str) -> Option<(&Arc<Route>, &ResourceMetadata)> {
        let mut routes = self.routes.at(host, described_path(path)?);
        routes.find_map(|route| Some((route, route.metadata.as_ref()?)))
    }

    async fn credential(
        &self,
        exchange: &Arc<Exchange>,
        principal: Principal<'_>,
        now: Instant,
    ) -> Result<Credential, Rejection> {
        let exchange = Arc::clone(exchange);
        if let Some(token) = self.exchanger.recall(&exchange, principal, now) {
            return Ok(Credential { exchange, token, source: Source::Cache, waited: None });
        }
        let started = Instant::now();
        // In a box of its own: it would make every request's future larger, and most never need it.
        let acquired = Box::pin(self.exchanger.acquire(&exchange, principal)).await;
        let (token, source) = acquired.map_err(Rejection::Exchange)?;
        Ok(Credential { exchange, token, source, waited: Some(started.elapsed()) })
    }
}

/// The caller behind a token that is seen for the first time, or again after it was forgotten.
async fn verify_anew(route: &Route, token: Presented<'_>, digest: &Digest) -> Result<Arc<VerifiedCaller>, Rejection> {
    let token = token.token().map_err(bearer_rejection)?;
    route.verifier.verify_anew(token, digest).await.map_err(verify_rejection)
}

/// Path and query as Pingora sends them where they are not replaced.
fn sent_target(request: &RequestHeader) -> &str {
    request.uri.path_and_query().map_or("", |target| target.as_str())
}

/// TRACE would show token B to the caller (RFC 9110 section 9.3.8), so no route serves it.
const WITHOUT_TRACE: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

pub(super) fn bearer_rejection(error: BearerError) -> Rejection {
    match error {
        BearerError::Missing => Rejection::MissingToken,
        BearerError::Ambiguous => Rejection::AmbiguousToken,
        BearerError::Malformed => Rejection::InvalidToken(InvalidToken::NotToken68),
        BearerError::TooLong => Rejection::InvalidToken(InvalidToken::TooLong),
    }
}

pub(super) fn verify_rejection(error: VerifyError) -> Rejection {
    match error {
        VerifyError::Invalid(invalid) => Rejection::InvalidToken(invalid),
        VerifyError::NoKeys => Rejection::NoKeys,
    }
}
