//! The types that mirror `routes.yaml`, key by key. Their comments are the descriptions in the JSON Schema.
//!
//! They accept any text where text is expected; what it must say is checked afterwards, with its position.

mod credential;
mod credentials;
mod identity;
mod limits;
mod rate_limit;
mod route;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::values::DurationText;

pub(super) use credential::{AuthMethod, Credential, ManagedIdentity, WorkloadIdentity};
pub(super) use identity::{Algorithm, Cloud, Identity};
pub(super) use limits::{Limits, ProxyProtocol};
pub(super) use rate_limit::{CountedBy, RateLimit};
pub(super) use route::{
    AppOnly, Grant, Matching, Require, ResourceMetadata, Route, Saml, SamlHeader, SamlTokenEndpoint, SamlVersion,
    TokenExchange,
};

/// What obo-proxy listens on, in whose name it acquires tokens, and where it forwards to.
///
/// In every text value `${NAME}` is replaced by an environment variable, `${NAME:-default}` by the default where the
/// variable is unset or empty, and `$$` by a dollar sign. Relative paths begin at the directory of this file.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "routes.yaml of obo-proxy")]
pub(in crate::config) struct File {
    /// The addresses that callers connect to. Default: one listener on 127.0.0.1:8080, without TLS.
    #[serde(default = "default_listen")]
    #[schemars(length(min = 1))]
    pub(in crate::config) listen: Vec<Listener>,
    /// The listener for health checks, readiness and metrics. Default: none. It asks for no credential, so keep
    /// it on an address that callers cannot reach.
    pub(in crate::config) admin: Option<Admin>,
    /// Addresses and networks of the proxies and load balancers in front whose `X-Forwarded-For`, `-Proto` and `-Host` are
    /// believed and passed on. Default: none; what callers say of themselves is then replaced by what we see. Whoever can
    /// connect from one of them can pass for any address.
    #[serde(default)]
    #[schemars(length(min = 1), extend("examples" = [["10.0.0.0/8", "2001:db8::7"]]))]
    pub(in crate::config) trusted_proxies: Vec<String>,
    /// What callers may take before they are refused.
    #[serde(default)]
    pub(in crate::config) limits: Limits,
    /// What is logged, and how. Tokens and secrets are not logged at any level.
    #[serde(default)]
    pub(in crate::config) log: Log,
    /// How long running requests may go on after the proxy was told to stop: 0s to 1h. Default: 30s.
    #[serde(default = "default_drain_timeout")]
    pub(in crate::config) drain_timeout: DurationText,
    /// The caches of verified callers and of acquired tokens.
    #[serde(default)]
    pub(in crate::config) cache: Cache,
    /// Our registrations at the identity provider, by a name of your choice; at least one.
    #[schemars(extend("minProperties" = 1))]
    pub(in crate::config) identities: BTreeMap<String, Identity>,
    /// The routes; at least one. The most specific one takes a request: by host, then the longest path, then the
    /// method. Two routes for the same requests are refused.
    #[schemars(length(min = 1))]
    pub(in crate::config) routes: Vec<Route>,
}

/// One address that callers connect to.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Listener {
    /// IP address and port. An address other than a loopback one is open to the network: use `tls` there, because
    /// callers send bearer tokens.
    #[schemars(extend("examples" = ["127.0.0.1:8080", "[::1]:8443"]))]
    pub(in crate::config) address: String,
    /// Accept TLS connections only. Default: no TLS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::config) tls: Option<Tls>,
    /// Speak HTTP/2 as well, with callers that begin with it (prior knowledge); only without `tls`, which has ALPN for
    /// that. Default: `false`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(in crate::config) h2c: bool,
    /// Read the caller's address from a PROXY header, where a load balancer in front sends one. Default: connections come
    /// from their callers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::config) proxy_protocol: Option<ProxyProtocol>,
}

/// The TLS files of a listener, in PEM.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Tls {
    /// File with the certificate, followed by those of intermediate authorities.
    pub(in crate::config) certificate: String,
    /// File with the private key of the certificate. Only the user that runs the proxy should be able to read it.
    pub(in crate::config) private_key: String,
    /// File with the authorities whose client certificates are accepted; a caller without such a certificate is not
    /// connected. Default: callers need no certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::config) client_ca: Option<String>,
}

/// The admin listener.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Admin {
    /// IP address and port.
    #[schemars(extend("examples" = ["127.0.0.1:9901"]))]
    pub(in crate::config) address: String,
}

/// What is logged, and how.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct Log {
    /// One JSON object per line, or text for people. Default: `json`.
    pub(in crate::config) format: LogFormat,
    /// The least severe level that is logged. Default: `info`.
    pub(in crate::config) level: LogLevel,
}

#[derive(Debug, Clone, Copy, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub(in crate::config) enum LogFormat {
    #[default]
    Json,
    Text,
}

#[derive(Debug, Clone, Copy, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub(in crate::config) enum LogLevel {
    Error,
    Warn,
    #[default]
    Info,
    Debug,
}

/// The caches of verified callers and of acquired tokens.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct Cache {
    /// The bound of each cache, and of the callers that each rate limit counts. When a cache is full, its oldest entry
    /// makes room. Default: 100000.
    #[schemars(range(min = 1, max = 10_000_000))]
    pub(in crate::config) max_entries: u32,
    /// How long a refusal of the identity provider (a step-up, a missing consent, a revoked token) is repeated to the
    /// same token of a caller without asking again: 0s to 10m. Default: 60s. Missing consent is asked for again after 15s
    /// at most. Another token of the same user is never held back.
    pub(in crate::config) refusal_ttl: DurationText,
}

impl Default for Cache {
    fn default() -> Self {
        Self { max_entries: 100_000, refusal_ttl: DurationText::new("60s") }
    }
}

fn default_listen() -> Vec<Listener> {
    vec![Listener { address: "127.0.0.1:8080".to_owned(), tls: None, h2c: false, proxy_protocol: None }]
}

fn default_drain_timeout() -> DurationText {
    DurationText::new("30s")
}
