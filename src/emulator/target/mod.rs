//! A sample target API: it echoes what reached it, and on some paths behaves as targets do in trouble.
//!
//! It verifies no token. The end of the path decides what happens, whatever stands before it:
//!
//! | path | answer |
//! |---|---|
//! | `/challenge` | 401 with a claims challenge |
//! | `/step-up` | 401 with that challenge until the token carries the authentication context `c1`, then the echo |
//! | `/unauthorized` | 401 `invalid_token` |
//! | `/revocable` | 401 `invalid_token` for a revoked token and after [`SampleTarget::reject_next`], else the echo |
//! | `/cae` | to a token with `xms_cc: cp1`, where `/revocable` refuses it: 401 with a claims challenge for a newer one. To any other token the echo until it expires, then 401 `invalid_token` |
//! | `/oauth/token` | a token of the target's own for a SAML assertion (RFC 7522), which every path accepts |
//! | `/own-token` | 401 `invalid_token` for a token that is not the target's own, or has expired, else the echo |
//! | `/status/{code}` | that status |
//! | `/bytes/{n}` | that many bytes |
//! | `/slow/{ms}` | the echo after a delay |
//! | `/sse` | three events |
//! | any other | the echo |
//!
//! Two paths are not of the API, and not counted: `GET /emulator/hits` tells how many requests arrived on each path, and
//! `GET /emulator/token-requests` lists the last ones to the token endpoint, with their secrets.

mod answers;
mod challenge;
mod echo;
mod log;
mod path;
mod token;

use std::{collections::BTreeMap, fmt, io, path::PathBuf, sync::Arc};

use axum::{
    Router,
    body::Body,
    extract::{ConnectInfo, State},
    http::{Request, Response, StatusCode},
    routing::get,
};
use serde_json::{Map, Value};

use self::{echo::RequestHead, log::Log, path::Behaviour, token::TokenEndpoint};
use super::{
    answer::Answer,
    clock::unix_now,
    doorway::Connection,
    fault::{self, Concern, Endpoint, Faults},
    form::Form,
    guarded::Guarded,
    idp::Emulator,
    jwt,
    observations::RecordedRequest,
    recent::Recent,
    serve::{Server, local_url},
    tls::Tls,
};

pub use self::{
    log::TargetRequest,
    token::{TargetClient, TargetTokenCounters},
};

/// What a sample target is started with.
#[derive(Debug, Clone, Default)]
pub struct SampleTargetOptions {
    /// The provider that knows which tokens were revoked. Default: none, so that none is. It runs as long as the target.
    pub emulator: Option<Emulator>,
    /// The values of `WWW-Authenticate` at `/challenge`. Default: one that demands the authentication context `c1`.
    pub challenge: Option<Vec<String>>,
    /// The directory in which to leave `target-ca.pem`, and then to serve https. Default: none, and plain http.
    pub tls: Option<PathBuf>,
    /// The audience of SAML assertions that its token endpoint accepts, beside that endpoint's address. Default:
    /// `sample-target`.
    pub entity_id: Option<String>,
    /// The client that has to authenticate at its token endpoint. Default: none has to.
    pub token_client: Option<TargetClient>,
    /// The lifetime in seconds of the tokens that it gives. Default: 3600.
    pub token_expires_in: Option<u32>,
}

/// A running sample target. Clones share it; it stops when the last one is dropped.
#[derive(Clone)]
pub struct SampleTarget {
    state: Arc<TargetState>,
    server: Arc<Server>,
}

/// What the requests of one target share.
struct TargetState {
    emulator: Option<Emulator>,
    challenge: Guarded<Vec<String>>,
    /// The identity provider that challenges name.
    authority: String,
    rejections: Guarded<u64>,
    log: Log,
    tokens: TokenEndpoint,
    faults: Faults,
    tls: bool,
}

impl SampleTarget {
    /// Serves a sample target on the current tokio runtime.
    ///
    /// # Errors
    /// If the listener cannot be used, or the certificate of [`SampleTargetOptions::tls`] cannot be written.
    #[expect(clippy::unused_async, reason = "a runtime is needed, and the provider is started in the same way")]
    pub async fn start(listener: std::net::TcpListener, options: SampleTargetOptions) -> io::Result<Self> {
        let tls = options.tls.is_some().then(|| Tls::create(&listener, None)).transpose()?;
        if let (Some(tls), Some(directory)) = (&tls, &options.tls) {
            tls.publish(directory, CA_FILE)?;
        }
        let local_url = local_url(&listener, tls.is_some())?;
        let tokens = TokenEndpoint::new(&options, &local_url);
        let authority = options.emulator.as_ref().map_or(local_url, |emulator| emulator.public_url().to_owned());
        let challenge = options.challenge.unwrap_or_else(|| vec![challenge::step_up(&authority)]);
        let state = Arc::new(TargetState {
            emulator: options.emulator,
            challenge: Guarded::new(challenge),
            authority,
            rejections: Guarded::default(),
            log: Log::default(),
            tokens,
            faults: Faults::default(),
            tls: tls.is_some(),
        });
        let observations =
            Router::new().route("/emulator/hits", get(hits)).route("/emulator/token-requests", get(token_requests));
        let router = observations.fallback(serve).with_state(Arc::clone(&state));
        Ok(Self { state, server: Arc::new(Server::start(listener, router, tls)?) })
    }

    /// Where the target listens, `http://127.0.0.1:PORT` or `https://localhost:PORT`.
    pub fn url(&self) -> &str {
        self.server.url()
    }

    /// The certificate of the authority that vouches for it, as PEM, where it serves https.
    pub fn ca_pem(&self) -> Option<&str> {
        self.server.ca_pem()
    }

    /// How many requests arrived on each path.
    pub fn hits(&self) -> BTreeMap<String, u64> {
        self.state.log.hits()
    }

    /// How many requests arrived.
    pub fn total_hits(&self) -> u64 {
        self.hits().values().sum()
    }

    /// The last 1000 requests as they arrived, oldest first.
    pub fn requests(&self) -> Vec<TargetRequest> {
        self.state.log.requests()
    }

    /// The SHA-256 of every bearer token, and of every SAML assertion in any header, that arrived, in hexadecimal,
    /// sorted; the first 10 000 of them.
    pub fn token_digests(&self) -> Vec<String> {
        self.state.log.token_digests()
    }

    /// Whether this bearer token, or this SAML assertion in any header, arrived.
    pub fn saw_token(&self, token: &str) -> bool {
        self.state.log.saw_token(token)
    }

    /// Refuses the next requests at `/revocable`, and those at `/cae` whose tokens can be challenged, this many.
    pub fn reject_next(&self, count: u64) {
        *self.state.rejections.lock() = count;
    }

    /// Sets the values of `WWW-Authenticate` at `/challenge` and `/step-up`.
    pub fn set_challenge(&self, values: Vec<String>) {
        *self.state.challenge.lock() = values;
    }

    /// How often the token endpoint was asked, and how that ended.
    pub fn token_counters(&self) -> TargetTokenCounters {
        self.state.tokens.counters.lock().clone()
    }

    /// The last 1000 requests to the token endpoint, oldest first.
    pub fn token_requests(&self) -> Vec<RecordedRequest> {
        self.state.tokens.requests.lock().to_vec()
    }

    /// Revokes the tokens that the token endpoint gave so far.
    pub fn revoke_own_tokens(&self) {
        self.state.tokens.issued.lock().clear();
    }

    /// The faults in force at the token endpoint ([`Endpoint::TargetToken`]).
    pub fn faults(&self) -> &Faults {
        &self.state.faults
    }

    /// Forgets what arrived, and clears the faults.
    pub fn reset(&self) {
        self.state.log.clear();
        *self.state.tokens.counters.lock() = TargetTokenCounters::default();
        *self.state.tokens.requests.lock() = Recent::default();
        self.state.faults.clear();
        self.reject_next(0);
    }

    /// Stops listening. Answers under way are finished.
    pub fn stop(&self) {
        self.server.stop();
    }

    /// Returns once the socket is closed, so that connection attempts are refused.
    pub async fn stopped(&self) {
        self.server.closed().await;
    }
}

impl fmt::Debug for SampleTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SampleTarget").field("url", &self.url()).finish_non_exhaustive()
    }
}

impl TargetState {
    /// Whether the bearer of `token` is turned away from `/revocable`.
    fn rejects(&self, token: Option<&str>) -> bool {
        let mut left = self.rejections.lock();
        if *left > 0 {
            *left -= 1;
            return true;
        }
        drop(left);
        let revoked = |emulator: &Emulator| token.is_some_and(|token| emulator.is_revoked(token));
        self.emulator.as_ref().is_some_and(revoked)
    }
}

async fn hits(State(state): State<Arc<TargetState>>) -> Response<Body> {
    Answer::json(StatusCode::OK, &state.log.hits()).into_response()
}

async fn token_requests(State(state): State<Arc<TargetState>>) -> Response<Body> {
    Answer::json(StatusCode::OK, &state.tokens.requests.lock().to_vec()).into_response()
}

async fn serve(
    State(state): State<Arc<TargetState>>,
    ConnectInfo(connection): ConnectInfo<Connection>,
    request: Request<Body>,
) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let head = RequestHead::from(parts);
    state.log.record(&head);
    match Behaviour::of(&head.path) {
        Behaviour::Challenge => answers::challenge(&state.challenge.lock()),
        Behaviour::StepUp if !has_stepped_up(&head) => answers::challenge(&state.challenge.lock()),
        Behaviour::Unauthorized => answers::invalid_token(),
        Behaviour::Revocable if state.rejects(head.bearer()) => answers::invalid_token(),
        Behaviour::Token => token(&state, &connection, &head, body).await,
        Behaviour::OwnToken if !head.bearer().is_some_and(|token| state.tokens.accepts(token)) => {
            answers::invalid_token()
        }
        Behaviour::ContinuousAccess if has_expired(&head) => answers::invalid_token(),
        Behaviour::ContinuousAccess if declares_cp1(&head) && state.rejects(head.bearer()) => {
            answers::challenge(&[challenge::newer_token(&state.authority)])
        }
        Behaviour::Status(status) => answers::status(status),
        Behaviour::Bytes(count) => answers::bytes(count),
        Behaviour::Events => answers::events(),
        Behaviour::Invalid(why) => answers::text(StatusCode::BAD_REQUEST, why),
        Behaviour::Slow(delay) => {
            tokio::time::sleep(delay).await;
            echo::echo(head, body, state.tls).await
        }
        Behaviour::StepUp
        | Behaviour::Revocable
        | Behaviour::ContinuousAccess
        | Behaviour::OwnToken
        | Behaviour::Echo => echo::echo(head, body, state.tls).await,
    }
}

/// Answers a token request, or meets it with the fault that awaits it.
async fn token(state: &TargetState, connection: &Connection, head: &RequestHead, body: Body) -> Response<Body> {
    let Ok(body) = axum::body::to_bytes(body, MAX_FORM).await else {
        return answers::text(StatusCode::PAYLOAD_TOO_LARGE, "the form is too large, or ended early\n");
    };
    let form = Form::parse(&head.headers, &body);
    state.tokens.record(RecordedRequest::new(&head.path, "", &head.headers, &form));
    let concern = Concern { scope: form.find("scope").unwrap_or(""), ..Concern::of(Endpoint::TargetToken) };
    let fault = state.faults.take(&concern);
    fault.as_ref().filter(|fault| fault.replaces_answer()).inspect(|_| state.tokens.count("fault"));
    fault::respond(fault, connection, &head.headers, || state.tokens.answer(&head.method, &head.headers, &form)).await
}

fn has_stepped_up(head: &RequestHead) -> bool {
    jwt::texts(&claims(head), "acrs").contains(&challenge::STEP_UP_CONTEXT)
}

fn declares_cp1(head: &RequestHead) -> bool {
    jwt::texts(&claims(head), "xms_cc").iter().any(|capability| capability.eq_ignore_ascii_case("cp1"))
}

fn has_expired(head: &RequestHead) -> bool {
    claims(head).get("exp").and_then(Value::as_i64).is_some_and(|expiry| expiry <= unix_now())
}

fn claims(head: &RequestHead) -> Map<String, Value> {
    head.bearer().and_then(jwt::unverified_claims).unwrap_or_default()
}

/// The longest form.
const MAX_FORM: usize = 1024 * 1024;

/// The certificate that clients have to trust; another name than the provider's, so that both fit one directory.
const CA_FILE: &str = "target-ca.pem";
