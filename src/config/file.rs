//! The types that mirror `routes.yaml`, key by key. Their comments are the descriptions in the JSON Schema.
//!
//! They accept any text where text is expected; what it must say is checked afterwards, with its position.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::values::{DurationText, SecretText, Target};

/// What obo-proxy listens on, in whose name it acquires tokens, and where it forwards to.
///
/// In every text value `${NAME}` is replaced by an environment variable, `${NAME:-default}` by the default where the
/// variable is unset or empty, and `$$` by a dollar sign. Relative paths begin at the directory of this file.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "routes.yaml of obo-proxy")]
pub(super) struct File {
    /// The addresses that callers connect to. Default: one listener on 127.0.0.1:8080, without TLS.
    #[serde(default = "default_listen")]
    #[schemars(length(min = 1))]
    pub(super) listen: Vec<Listener>,
    /// The listener for health checks, readiness and metrics. Default: none. It asks for no credential, so keep
    /// it on an address that callers cannot reach.
    pub(super) admin: Option<Admin>,
    /// What is logged, and how. Tokens and secrets are not logged at any level.
    #[serde(default)]
    pub(super) log: Log,
    /// How long running requests may go on after the proxy was told to stop: 0s to 1h. Default: 30s.
    #[serde(default = "default_drain_timeout")]
    pub(super) drain_timeout: DurationText,
    /// The caches of verified callers and of acquired tokens.
    #[serde(default)]
    pub(super) cache: Cache,
    /// Our registrations at the identity provider, by a name of your choice; at least one.
    #[schemars(extend("minProperties" = 1))]
    pub(super) identities: BTreeMap<String, Identity>,
    /// The routes; at least one. The most specific one takes a request: by host, then the longest path, then the
    /// method. Two routes for the same requests are refused.
    #[schemars(length(min = 1))]
    pub(super) routes: Vec<Route>,
}

/// One address that callers connect to.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Listener {
    /// IP address and port. An address other than a loopback one is open to the network: use `tls` there, because
    /// callers send bearer tokens.
    #[schemars(extend("examples" = ["127.0.0.1:8080", "[::1]:8443"]))]
    pub(super) address: String,
    /// Accept TLS connections only. Default: no TLS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tls: Option<Tls>,
}

/// The TLS files of a listener, in PEM.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Tls {
    /// File with the certificate, followed by those of intermediate authorities.
    pub(super) certificate: String,
    /// File with the private key of the certificate. Only the user that runs the proxy should be able to read it.
    pub(super) private_key: String,
    /// File with the authorities whose client certificates are accepted; a caller without such a certificate is not
    /// connected. Default: callers need no certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) client_ca: Option<String>,
}

/// The admin listener.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Admin {
    /// IP address and port.
    #[schemars(extend("examples" = ["127.0.0.1:9901"]))]
    pub(super) address: String,
}

/// What is logged, and how.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Log {
    /// One JSON object per line, or text for people. Default: `json`.
    pub(super) format: LogFormat,
    /// The least severe level that is logged. Default: `info`.
    pub(super) level: LogLevel,
}

#[derive(Debug, Clone, Copy, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub(super) enum LogFormat {
    #[default]
    Json,
    Text,
}

#[derive(Debug, Clone, Copy, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub(super) enum LogLevel {
    Error,
    Warn,
    #[default]
    Info,
    Debug,
}

/// The caches of verified callers and of acquired tokens.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Cache {
    /// The bound of each cache. When a cache is full, its oldest entry makes room. Default: 100000.
    #[schemars(range(min = 1, max = 10_000_000))]
    pub(super) max_entries: u32,
}

impl Default for Cache {
    fn default() -> Self {
        Self { max_entries: 100_000 }
    }
}

/// One registration (Microsoft Entra ID: app registration) in whose name tokens are accepted and acquired.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Identity {
    /// The tenant's GUID. Callers of other tenants are refused.
    #[schemars(regex(pattern = r"^([0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}|.*\$\{.*)$"))]
    pub(super) tenant_id: String,
    /// The application (client) ID.
    #[schemars(regex(pattern = r"^([A-Za-z0-9._~:/-]+|.*\$\{.*)$"))]
    pub(super) client_id: String,
    /// The address of the identity provider, without the tenant. Default: `https://login.microsoftonline.com`. Its keys
    /// decide which tokens are genuine, and it is sent our credential.
    #[serde(default = "default_authority")]
    pub(super) authority: String,
    /// Accept an authority with plain http on a host other than a loopback one. Default: `false`. Whoever is between
    /// the proxy and such an authority can read our credential and replace the signing keys: for tests only.
    #[serde(default)]
    pub(super) allow_http: bool,
    /// How we prove to be this application: exactly one of `client_secret` and `client_secret_file`.
    #[schemars(extend("writeOnly" = true))]
    pub(super) credential: Credential,
    /// The values of `aud` in a caller's token that are ours, compared exactly. Default: the client ID and
    /// `api://` followed by it. A token for any other audience is refused.
    #[schemars(length(min = 1))]
    pub(super) audiences: Option<Vec<String>>,
    /// The signature algorithms that a caller's token may have. Default: RS256.
    #[serde(default = "default_algorithms")]
    #[schemars(length(min = 1))]
    pub(super) algorithms: Vec<Algorithm>,
    /// How far our clock may be off when the times in a caller's token are judged: 0s to 5m. Default: 60s. A token is
    /// accepted for that much longer than it says.
    #[serde(default = "default_clock_skew")]
    pub(super) clock_skew: DurationText,
    /// How long one exchange may take, a repetition included: 100ms to 60s. Default: 10s.
    #[serde(default = "default_timeout")]
    pub(super) timeout: DurationText,
    /// How often the signing keys are fetched anew: 1m to 24h. Default: 12h. A withdrawn key is trusted for so long.
    #[serde(default = "default_key_refresh")]
    pub(super) key_refresh: DurationText,
}

/// Our credential at the token endpoint.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Credential {
    /// The client secret; best a variable, such as `${OBO_CLIENT_SECRET}`. It is never printed.
    pub(super) client_secret: Option<SecretText>,
    /// File with the client secret; a line break at its end is not part of it.
    pub(super) client_secret_file: Option<String>,
    /// Whether the secret goes into the form or into an Authorization header (RFC 6749 section 2.3.1). Default:
    /// `client_secret_post`.
    #[serde(default)]
    pub(super) auth_method: AuthMethod,
}

#[derive(Debug, Clone, Copy, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub(super) enum AuthMethod {
    #[default]
    ClientSecretPost,
    ClientSecretBasic,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[schemars(inline)]
pub(super) enum Algorithm {
    RS256,
    RS384,
    RS512,
    PS256,
    PS384,
    PS512,
    ES256,
    ES384,
}

/// One route: which requests take it, where they go, and with which token.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Route {
    /// Its name in logs and metrics, unique: at most 64 of A-Z, a-z, 0-9, `.`, `_`, `/` and `-`. Default: the path.
    #[schemars(regex(pattern = r"^([A-Za-z0-9._/-]{1,64}|.*\$\{.*)$"))]
    pub(super) name: Option<String>,
    /// The path, as requests have it, without a query.
    #[schemars(extend("examples" = ["/payroll"]))]
    pub(super) path: String,
    /// `prefix`: the path and everything below it, on segment boundaries; the path is replaced by that of the target.
    /// `exact`: this very path only. Default: `prefix`.
    #[serde(default, rename = "match")]
    pub(super) matching: Matching,
    /// The hosts that the route serves, without port; `*.contoso.com` means every host below contoso.com. Default:
    /// every host.
    #[schemars(length(min = 1))]
    pub(super) hosts: Option<Vec<String>>,
    /// The methods that the route serves, in capitals. Default: every method but CONNECT and TRACE.
    #[schemars(length(min = 1))]
    pub(super) methods: Option<Vec<String>>,
    /// Where requests go: a URL, or a mapping with `url` and more.
    pub(super) target: Target,
    /// The identity, by its name. Default: the only one. It decides which callers are accepted.
    pub(super) identity: Option<String>,
    /// `on_behalf_of`: the target receives a token acquired for the caller and `scopes`. `none`: the target receives
    /// no credential. Default: `on_behalf_of`. The caller's own token is never forwarded.
    #[serde(default)]
    #[schemars(extend("x-unsupported" = ["client_credentials", "token_exchange"]))]
    pub(super) grant: Grant,
    /// The scopes of the acquired token, all of one resource; for `on_behalf_of` at least one. Ask for what the target
    /// needs and no more.
    #[schemars(length(min = 1))]
    pub(super) scopes: Option<Vec<String>>,
    /// What is asked of the caller's token beyond being valid. Default: nothing.
    #[serde(default)]
    pub(super) require: Require,
}

#[derive(Debug, Clone, Copy, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub(super) enum Matching {
    #[default]
    Prefix,
    Exact,
}

#[derive(Debug, Clone, Copy, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub(super) enum Grant {
    #[default]
    OnBehalfOf,
    None,
}

/// What is asked of the caller's token.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Require {
    /// Scopes (`scp`) that it must all have. Default: none.
    pub(super) scopes: Vec<String>,
    /// Roles (`roles`) that it must all have. Default: none.
    pub(super) roles: Vec<String>,
    /// Client applications (`azp`, `appid`) of which one must have acquired it. Default: any.
    pub(super) clients: Vec<String>,
}

fn default_listen() -> Vec<Listener> {
    vec![Listener { address: "127.0.0.1:8080".to_owned(), tls: None }]
}

fn default_drain_timeout() -> DurationText {
    DurationText::new("30s")
}

fn default_authority() -> String {
    "https://login.microsoftonline.com".to_owned()
}

fn default_algorithms() -> Vec<Algorithm> {
    vec![Algorithm::RS256]
}

fn default_clock_skew() -> DurationText {
    DurationText::new("60s")
}

fn default_timeout() -> DurationText {
    DurationText::new("10s")
}

fn default_key_refresh() -> DurationText {
    DurationText::new("12h")
}
