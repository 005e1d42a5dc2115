//! HTTP to the identity provider: every call has a deadline, every answer a bound, no redirect is followed.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, StatusCode};
use rustls_pki_types::CertificateDer;
use tokio::time::Instant;

use crate::digest::Digest;
use crate::secret::Secret;

/// A client for one identity provider. Cheap to clone; connections are kept and shared.
#[derive(Debug, Clone)]
pub struct IdpClient {
    http: reqwest::Client,
    authorities: Digest,
}

/// What the identity provider answered, whatever it was.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The header section.
    pub headers: HeaderMap,
    /// The body, at most [`MAX_ANSWER`] bytes.
    pub body: Bytes,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The deadline passed.
    Timeout,
    /// No connection, or it broke; the cause in words.
    Unreachable(String),
    /// The answer is longer than [`MAX_ANSWER`].
    TooLarge,
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Timeout => f.write_str("no answer within the deadline"),
            Self::Unreachable(cause) => write!(f, "not reachable: {cause}"),
            Self::TooLarge => write!(f, "answer larger than {MAX_ANSWER} bytes"),
        }
    }
}

/// The client could not be set up: there are no usable root certificates.
#[derive(Debug)]
pub struct ClientError(reqwest::Error);

impl std::fmt::Display for ClientError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "failed to set up the client for the identity provider: {}", causes(&self.0))
    }
}

impl std::error::Error for ClientError {}

impl IdpClient {
    /// A client that trusts these certificate authorities, or else the system's, and goes by the forward proxy that `HTTPS_PROXY`
    /// and `NO_PROXY` name. What is not protected by TLS goes by no proxy: it could read our credential.
    ///
    /// # Errors
    /// [`ClientError`] where TLS cannot be set up.
    pub fn new(authorities: Option<&[CertificateDer<'_>]>) -> Result<Self, ClientError> {
        let builder = trust(forward_proxy(reqwest::Client::builder().no_proxy()), authorities).map_err(ClientError)?;
        let http = builder
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .http2_keep_alive_interval(PING_INTERVAL)
            .http2_keep_alive_timeout(PING_TIMEOUT)
            .user_agent(concat!("obo-proxy/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(ClientError)?;
        let authorities = Digest::of_parts(authorities.into_iter().flatten().map(AsRef::as_ref));
        Ok(Self { http, authorities })
    }

    /// Tells clients that trust these certificate authorities from those that trust others.
    pub fn authorities(&self) -> &Digest {
        &self.authorities
    }

    /// Fetches a document.
    ///
    /// # Errors
    /// A [`Fault`] where no whole answer came by the deadline.
    pub async fn get(&self, address: &str, deadline: Instant) -> Result<Answer, Fault> {
        self.get_with(address, HeaderMap::new(), deadline).await
    }

    /// Fetches a document by a request with further headers.
    ///
    /// # Errors
    /// A [`Fault`] where no whole answer came by the deadline.
    pub async fn get_with(&self, address: &str, headers: HeaderMap, deadline: Instant) -> Result<Answer, Fault> {
        answer(self.http.get(address).headers(headers), deadline).await
    }

    /// Posts a form that is encoded already, with further headers.
    ///
    /// # Errors
    /// A [`Fault`] where no whole answer came by the deadline.
    pub async fn post_form(
        &self,
        address: &str,
        headers: HeaderMap,
        form: &Secret,
        deadline: Instant,
    ) -> Result<Answer, Fault> {
        let request = self.http.post(address).headers(headers).body(form.expose().to_owned());
        answer(request, deadline).await
    }
}

fn trust(
    builder: reqwest::ClientBuilder,
    authorities: Option<&[CertificateDer<'_>]>,
) -> Result<reqwest::ClientBuilder, reqwest::Error> {
    let Some(authorities) = authorities else { return Ok(builder) };
    let certificates = authorities.iter().map(|der| reqwest::Certificate::from_der(der));
    Ok(builder.tls_certs_only(certificates.collect::<Result<Vec<_>, _>>()?))
}

fn forward_proxy(builder: reqwest::ClientBuilder) -> reqwest::ClientBuilder {
    let named = ["HTTPS_PROXY", "https_proxy"].into_iter().find_map(|name| std::env::var(name).ok());
    match named.and_then(|address| reqwest::Proxy::https(address).ok()) {
        Some(proxy) => builder.proxy(proxy.no_proxy(reqwest::NoProxy::from_env())),
        None => builder,
    }
}

async fn answer(request: reqwest::RequestBuilder, deadline: Instant) -> Result<Answer, Fault> {
    match tokio::time::timeout_at(deadline, whole_answer(request)).await {
        Ok(outcome) => outcome,
        Err(_) => Err(Fault::Timeout),
    }
}

async fn whole_answer(request: reqwest::RequestBuilder) -> Result<Answer, Fault> {
    let mut response = request.send().await.map_err(fault)?;
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(fault)? {
        if body.len() + chunk.len() > MAX_ANSWER {
            return Err(Fault::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Answer { status: response.status(), headers: std::mem::take(response.headers_mut()), body: body.freeze() })
}

fn fault(error: reqwest::Error) -> Fault {
    if error.is_timeout() { Fault::Timeout } else { Fault::Unreachable(causes(&error.without_url())) }
}

/// An error and what caused it, in one line.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

/// The longest answer that is read, in bytes: key sets and tokens are far smaller.
pub const MAX_ANSWER: usize = 1024 * 1024;

/// The time to connect, TLS included; shorter than any deadline that leaves room for a retry.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How often a connection that waits for an answer is asked whether it is still there (HTTP/2).
const PING_INTERVAL: Duration = Duration::from_secs(3);
/// How long such a question may take.
const PING_TIMEOUT: Duration = Duration::from_secs(3);

/// How long an unused connection is kept: below the idle limit of common load balancers.
const IDLE_TIMEOUT: Duration = Duration::from_secs(50);
