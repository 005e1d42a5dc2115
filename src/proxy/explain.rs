//! What the proxy would do with a request, and why: the steps of [`Gate::admit`](super::admission::Gate::admit) with
//! all that they find out, taken without a request and without a target.

use std::sync::Arc;

use http::header::{AUTHORIZATION, HOST};
use http::{HeaderValue, Method, Version};
use pingora::http::RequestHeader;
use tokio::time::Instant;

use super::admission::{Place, Trail, bearer_rejection, verify_rejection};
use super::gateway::Gateway;
use super::present::Present;
use super::route::{Route, Service};
use super::{tripwire, wellformed};
use crate::caller::{Examination, Kind, Requirements, bearer_token};
use crate::digest::Digest;
use crate::exchange::{Circumstances, Description, Principal, Probe};
use crate::identity::{Identity, Tenant};
use crate::rejection::{Party, Refusal, Rejection};
use crate::route::RequestTarget;

/// A request that is asked about.
#[derive(Debug)]
pub struct Inquiry<'a> {
    /// Its method.
    pub method: Method,
    /// The value of `Host`; nothing for a request without one.
    pub host: Option<HeaderValue>,
    /// Its path and query.
    pub target: &'a str,
    /// The value of `Authorization`.
    pub authorization: Option<HeaderValue>,
}

/// What would become of a request.
#[derive(Debug, Default)]
pub struct Explanation {
    /// The route that takes it.
    pub route: Option<ExplainedRoute>,
    /// What is to be said of its token A, where there is one.
    pub token: Option<ExplainedToken>,
    /// How the token would be exchanged, where that is known.
    pub exchange: Option<ExplainedExchange>,
    /// The name of the route whose metadata it asks for: the proxy answers it itself.
    pub described: Option<Arc<str>>,
    /// Why it is refused; nothing where it is forwarded or answered, as far as was looked.
    pub rejection: Option<Rejection>,
    /// The answer that its caller gets then. Its request ID is [`NIL_REQUEST_ID`].
    pub refusal: Option<Refusal>,
    /// The tenant of the caller, once the token is found good.
    tenant: Option<Arc<Tenant>>,
}

/// A route, and where it leads.
#[derive(Debug)]
pub struct ExplainedRoute {
    /// Its name.
    pub name: Arc<str>,
    /// Its identity.
    pub identity: Arc<Identity>,
    /// Scheme, host and port of its target.
    pub origin: String,
    /// Path and query that the target gets.
    pub path: String,
    /// What it requires of users, if it serves them.
    pub users: Option<Requirements>,
    /// What it requires of applications on their own, if it serves them.
    pub apps: Option<Requirements>,
}

/// A token A, without the token.
#[derive(Debug)]
pub struct ExplainedToken {
    /// Its length, in bytes.
    pub length: usize,
    /// Its SHA-256.
    pub digest: Digest,
    /// What it says, and what of that is wrong.
    pub examination: Examination,
    /// What came of the download of the keys, where there was one.
    pub keys: Option<Result<(), String>>,
    /// What the route says to its claims, where they could be read.
    pub service: Option<Result<(), Rejection>>,
}

/// How a route acquires what its target gets.
#[derive(Debug)]
pub struct ExplainedExchange {
    /// Whether this is what it does for applications on their own, and not for users.
    pub for_apps: bool,
    /// The exchange; nothing where requests are forwarded without a credential.
    pub description: Option<Description>,
    /// What came of it, where it was tried.
    pub probe: Option<Probe>,
}

impl Inquiry<'_> {
    /// How a caller that asks like this has reached us, by TLS as callers should.
    fn origin(&self) -> Option<String> {
        let request = self.request().ok()?;
        let host = wellformed::host(&request).ok().flatten()?;
        let port = wellformed::port(&request).map(|port| format!(":{port}")).unwrap_or_default();
        Some(format!("https://{}{port}", host.as_str()))
    }

    fn request(&self) -> Result<RequestHeader, Rejection> {
        let target = self.target.as_bytes();
        let malformed = || {
            let cause = RequestTarget::parse(target).err();
            Rejection::Ambiguous(cause.map_or("request line is malformed", |cause| cause.reason()))
        };
        let mut request = RequestHeader::build(self.method.clone(), target, None).map_err(|_| malformed())?;
        match &self.host {
            Some(host) => drop(request.insert_header(HOST, host.clone()).map_err(|_| malformed())?),
            // Only HTTP/1.0 knows requests without a host.
            None => request.set_version(Version::HTTP_10),
        }
        if let Some(authorization) = &self.authorization {
            request.insert_header(AUTHORIZATION, authorization.clone()).map_err(|_| malformed())?;
        }
        Ok(request)
    }
}

impl Gateway {
    /// Tells what would become of a request.
    ///
    /// Nobody is asked, unless `online`: then the keys of the token's tenant are downloaded, and a token that is good
    /// is exchanged once. The target gets nothing in any case.
    pub async fn explain(&self, inquiry: &Inquiry<'_>, online: bool) -> Explanation {
        let (mut told, mut trail) = (Explanation::default(), Trail::default());
        let outcome = match inquiry.request() {
            Ok(request) => self.follow(&request, online, &mut trail, &mut told).await,
            Err(rejection) => Err(rejection),
        };
        if let Err(rejection) = outcome {
            let metadata = trail.metadata(|| inquiry.origin());
            let party = trail.party(metadata.as_deref());
            let party = party.map(|party| Party { tenant: told.tenant.as_deref().unwrap_or(party.tenant), ..party });
            told.refusal = Some(rejection.response(party, NIL_REQUEST_ID, None));
            told.rejection = Some(rejection);
        }
        told
    }

    async fn follow(
        &self,
        request: &RequestHeader,
        online: bool,
        trail: &mut Trail,
        told: &mut Explanation,
    ) -> Result<(), Rejection> {
        let generation = self.generation();
        let (route, path) = match generation.gate.place(request, Present::of(&request.headers))? {
            Place::Target(route, path) => {
                let path = path.as_deref().unwrap_or_else(|| request.raw_path());
                (Arc::clone(route), String::from_utf8_lossy(path).into_owned())
            }
            Place::Metadata(route, metadata) => {
                trail.route = Some(Arc::clone(route));
                told.described = Some(Arc::clone(&route.name));
                return metadata.describe(&request.method).map(drop);
            }
        };
        trail.route = Some(Arc::clone(&route));
        told.route = Some(explained_route(&route, path.clone()));
        match bearer_token(&request.headers) {
            Ok(token) => {
                self.follow_token(&route, token, online, told).await?;
                check_leak(request, &path, token)
            }
            Err(error) => {
                if online {
                    // The challenge of some providers names what only their documents say; without them it is shorter.
                    let _ = route.verifier.load_keys(&route.identity.anyone).await;
                }
                told.exchange = explained_exchange(&route, None);
                Err(bearer_rejection(error))
            }
        }
    }

    async fn follow_token(
        &self,
        route: &Route,
        token: &str,
        online: bool,
        told: &mut Explanation,
    ) -> Result<(), Rejection> {
        let seen = explained_token(route, token, online).await;
        told.exchange = explained_exchange(route, Some(&seen));
        let (digest, verdict, service) = (seen.digest, seen.examination.verdict(), seen.service.clone());
        let tenant = seen.examination.tenant().cloned();
        told.token = Some(seen);
        if !online {
            verdict.map_err(Rejection::InvalidToken)?;
            told.tenant = tenant;
            return service.unwrap_or(Ok(()));
        }
        let caller = route.verifier.verify(token, &digest, Instant::now()).await.map_err(verify_rejection)?;
        told.tenant = Some(Arc::clone(caller.tenant()));
        let Some(exchange) = &route.service(&caller)?.exchange else { return Ok(()) };
        let probe = self
            .generation()
            .gate
            .exchanger
            .probe(exchange, Principal { token: token.as_bytes(), digest: &digest, caller: &caller })
            .await;
        let failure = probe.outcome.as_ref().err().cloned();
        if let Some(told) = &mut told.exchange {
            told.probe = Some(probe);
        }
        failure.map_or(Ok(()), |error| Err(Rejection::Exchange(error)))
    }
}

fn explained_route(route: &Route, path: String) -> ExplainedRoute {
    let requirements = |service: &Service| service.require.clone();
    ExplainedRoute {
        name: Arc::clone(&route.name),
        identity: Arc::clone(&route.identity),
        origin: route.target.origin().to_owned(),
        path,
        users: route.users().map(requirements),
        apps: route.apps().map(requirements),
    }
}

async fn explained_token(route: &Route, token: &str, online: bool) -> ExplainedToken {
    let mut examination = route.verifier.examine(token).await;
    let mut keys = None;
    if online {
        let tenant = examination.tenant().unwrap_or(&route.identity.anyone);
        keys = Some(route.verifier.load_keys(tenant).await);
        examination = route.verifier.examine(token).await;
    }
    ExplainedToken {
        length: token.len(),
        digest: Digest::of(token.as_bytes()),
        service: examination.claims().map(|claims| route.service_for(claims).map(drop)),
        examination,
        keys,
    }
}

/// The exchange for this caller; where its kind is not known or not served, the route's only one, or that for users.
fn explained_exchange(route: &Route, token: Option<&ExplainedToken>) -> Option<ExplainedExchange> {
    let claims = token.and_then(|token| token.examination.claims());
    let is_app = claims.is_some_and(|claims| claims.kind() == Kind::App);
    let for_apps = if is_app { route.apps().is_some() } else { route.users().is_none() };
    let service = if for_apps { route.apps() } else { route.users() }?;
    let only = Some(&route.identity.anyone).filter(|_| route.identity.tenants.len() == 1);
    let circumstances = Circumstances {
        tenant: token.and_then(|token| token.examination.tenant()).or(only).map(|tenant| &**tenant),
        token_a: token.map(|token| (&token.digest, token.length)),
        capable: claims.is_some_and(crate::caller::Claims::handles_claims_challenges),
    };
    let description = service.exchange.as_ref().map(|exchange| exchange.describe(circumstances));
    Some(ExplainedExchange { for_apps, description, probe: None })
}

/// The last look that requests get before they leave.
fn check_leak(request: &RequestHeader, path: &str, token: &str) -> Result<(), Rejection> {
    let mut forwarded = request.clone();
    forwarded.remove_header(&AUTHORIZATION);
    let carries_token =
        forwarded.set_raw_path(path.as_bytes()).is_ok() && tripwire::carrier(&forwarded, token.as_bytes()).is_some();
    if carries_token { Err(Rejection::Ambiguous(tripwire::REASON)) } else { Ok(()) }
}

/// What stands for the request ID, which each request has of its own.
pub const NIL_REQUEST_ID: &str = "00000000-0000-0000-0000-000000000000";
