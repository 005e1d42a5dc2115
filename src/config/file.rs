//! The types that mirror `routes.yaml`, key by key. Their comments are the descriptions in the JSON Schema.
//!
//! They accept any text where text is expected; what it must say is checked afterwards, with its position.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::values::{Credentials, DurationText, SecretText, Target};

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
    /// How long a refusal of the identity provider (a step-up, a missing consent, a revoked token) is repeated to the
    /// same token of a caller without asking again: 0s to 10m. Default: 60s. Missing consent is asked for again after 15s
    /// at most. Another token of the same user is never held back.
    pub(super) refusal_ttl: DurationText,
}

impl Default for Cache {
    fn default() -> Self {
        Self { max_entries: 100_000, refusal_ttl: DurationText::new("60s") }
    }
}

/// One registration (Microsoft Entra ID: app registration) in whose name tokens are accepted and acquired.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Identity {
    /// For Entra, where it is required: the tenant's GUID; callers of other tenants are refused. Or `caller`: each token
    /// says by its `tid` which tenant its caller is of, and `tenants` lists those that are accepted.
    #[schemars(regex(pattern = r"^([0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}|caller|.*\$\{.*)$"))]
    pub(super) tenant_id: Option<String>,
    /// With `tenant_id: caller`, and only then: the GUIDs of the tenants whose callers are accepted. Callers of any
    /// other tenant are refused, there is no wildcard. Each tenant has keys and issuers of its own.
    #[schemars(
        length(min = 1),
        inner(regex(pattern = r"^([0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}|.*\$\{.*)$"))
    )]
    pub(super) tenants: Option<Vec<String>>,
    /// The application (client) ID.
    #[schemars(regex(pattern = r"^([A-Za-z0-9._~:/-]+|.*\$\{.*)$"))]
    pub(super) client_id: String,
    /// The national cloud of Entra, in place of `authority`. Default: `public`. Issuers that are not of this cloud are
    /// refused.
    pub(super) cloud: Option<Cloud>,
    /// The address of the identity provider, without the tenant. Default: that of `cloud`. Its keys decide which tokens
    /// are genuine, and it is sent our credential.
    pub(super) authority: Option<String>,
    /// The issuers (`iss`) of callers' tokens, compared exactly, where they are not those that the discovery documents
    /// name: for Entra External ID or B2C behind a domain of your own. `{tenantid}` stands for the tenant's GUID; with
    /// `tenant_id: caller` each entry must have it. Default: those of the discovery documents. Every key of the tenant
    /// vouches for each of them, unless the key itself names another.
    #[schemars(length(min = 1), extend("examples" = [["https://login.contoso.com/{tenantid}/v2.0"]]))]
    pub(super) issuers: Option<Vec<String>>,
    /// In place of `tenant_id`: the issuer of any other `OpenID` provider, exactly as callers' tokens have it (`iss`). Its
    /// discovery document names the keys that decide which tokens are genuine, and where our credential is sent; it is
    /// at `/.well-known/openid-configuration` below the issuer, or where RFC 8414 has it.
    #[schemars(extend("examples" = ["https://keycloak.example/realms/demo"]))]
    pub(super) issuer: Option<String>,
    /// The address of the discovery document, where it is not to be found by the issuer. Beside `issuer` only. Default:
    /// found by the issuer, which it must then name itself; this one may name another.
    pub(super) discovery: Option<String>,
    /// The address where tokens are acquired. It is sent our credential. Beside `issuer` only. Default: the one that the
    /// discovery document names, which must be https where the issuer is.
    pub(super) token_endpoint: Option<String>,
    /// Accept plain http for `authority`, `issuer`, `issuers`, `discovery` and `token_endpoint` on hosts other than
    /// loopback ones. Default: `false`. Whoever is between the proxy and such an address can read our credential and
    /// replace the signing keys: for tests only.
    #[serde(default)]
    pub(super) allow_http: bool,
    /// How we prove to be this application: one credential, or for a rotation a list of two. The second is tried when the
    /// identity provider refuses the first as invalid, and is then kept to.
    #[schemars(extend("writeOnly" = true))]
    pub(super) credential: Credentials,
    /// File in PEM with the authorities that may vouch for the identity provider. Default: those of the system.
    pub(super) ca_file: Option<String>,
    /// The values of `aud` in a caller's token that are ours, compared exactly. Default: the client ID and, for Entra,
    /// `api://` followed by it. A token for any other audience, or for none, is refused.
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

#[derive(Debug, Clone, Copy, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub(super) enum Cloud {
    #[default]
    Public,
    UsGovernment,
    China,
}

/// Our credential at a token endpoint: exactly one of `client_secret`, `client_secret_file`, `certificate`,
/// `workload_identity` and `managed_identity`. Files are read again when they change, without a restart.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Credential {
    /// The client secret; best a variable, such as `${OBO_CLIENT_SECRET}`. It is never printed.
    pub(super) client_secret: Option<SecretText>,
    /// File with the client secret; a line break at its end is not part of it.
    pub(super) client_secret_file: Option<String>,
    /// Whether the secret goes into the form or into an Authorization header (RFC 6749 section 2.3.1). Default:
    /// `client_secret_post`.
    pub(super) auth_method: Option<AuthMethod>,
    /// File in PEM with the certificate that is registered with the application, followed by intermediate
    /// authorities. Each token request then carries an assertion that is signed with its key: PS256 with an RSA key,
    /// ES256 or ES384 with an EC key.
    pub(super) certificate: Option<String>,
    /// File in PEM with the private key of the certificate, unencrypted. Default: the file of the certificate. Only the
    /// user that runs the proxy should be able to read it.
    pub(super) private_key: Option<String>,
    /// Send the certificate and its authorities with each assertion (`x5c`): where the registration trusts a subject
    /// name and issuer, a renewed certificate needs no new registration. Default: `false`.
    pub(super) send_chain: Option<bool>,
    /// A token of another issuer that the registration trusts as a federated credential: Kubernetes' service account
    /// token with Azure Workload Identity, for one.
    pub(super) workload_identity: Option<WorkloadIdentity>,
    /// A token of the Azure managed identity of the machine, which the registration trusts as a federated credential.
    pub(super) managed_identity: Option<ManagedIdentity>,
}

/// A federated token in a file.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WorkloadIdentity {
    /// File with the token. Default: the one that the variable `AZURE_FEDERATED_TOKEN_FILE` names. With this credential
    /// `tenant_id`, `client_id` and `authority` of the identity may be left to `AZURE_TENANT_ID`, `AZURE_CLIENT_ID`
    /// and `AZURE_AUTHORITY_HOST` as well.
    pub(super) token_file: Option<String>,
}

/// The managed identity of the machine.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ManagedIdentity {
    /// The client ID of a user-assigned identity. Default: the system-assigned identity.
    pub(super) client_id: Option<String>,
    /// The address of the instance metadata service. Default:
    /// `http://169.254.169.254/metadata/identity/oauth2/token`. Whoever answers there is asked for our credential.
    #[serde(default = "default_metadata_endpoint")]
    pub(super) endpoint: String,
    /// The audience of the token, as the federated credential has it. Default: `api://AzureADTokenExchange`.
    #[serde(default = "default_metadata_resource")]
    pub(super) resource: String,
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
    EdDSA,
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
    /// What the target receives. `on_behalf_of`: a token acquired for the caller and `scopes`; users only.
    /// `token_exchange`: a token for which the caller's was exchanged by RFC 8693; users only. `client_credentials`: a
    /// token of this application itself; only for callers that are applications on their own, and only with
    /// `require.roles` or `require.clients`. `none`: no credential, for every caller. Default: `on_behalf_of`. The caller's
    /// own token is never forwarded.
    #[serde(default)]
    pub(super) grant: Grant,
    /// The scopes of the acquired token, all of one resource; at least one, but for `token_exchange`. Ask for what the
    /// target needs and no more. With `offline_access`, the token is renewed by refresh token.
    #[schemars(length(min = 1))]
    pub(super) scopes: Option<Vec<String>>,
    /// JSON text for the parameter `claims` of each On-Behalf-Of request (OpenID Connect Core section 5.5). Default: none.
    /// The capability `cp1` of callers that handle claims challenges is added to it.
    #[schemars(extend("examples" = [r#"{"access_token":{"acrs":{"essential":true,"value":"c1"}}}"#]))]
    pub(super) claims: Option<String>,
    /// The parameters of `token_exchange`. Default: the caller's token as an access token, and `scopes`.
    pub(super) token_exchange: Option<TokenExchange>,
    /// Acquire a SAML assertion in place of an access token, on behalf of the caller; `scopes` is then the target's
    /// Entity ID followed by `/.default`.
    pub(super) saml: Option<Saml>,
    /// What the route does for callers that are applications on their own, without a user. Default: `on_behalf_of` and
    /// `token_exchange` refuse them, `none` and `client_credentials` serve them as the route says.
    pub(super) app_only: Option<AppOnly>,
    /// What is asked of the caller's token beyond being valid. Default: nothing.
    #[serde(default)]
    pub(super) require: Require,
}

/// What a route does for callers that are applications on their own.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AppOnly {
    /// `client_credentials`, `token_exchange` or `none`, as for the route. Default: `client_credentials`.
    #[serde(default = "default_app_grant")]
    pub(super) grant: Grant,
    /// The scopes of the acquired token; for `client_credentials` the `.default` of one resource.
    #[schemars(length(min = 1))]
    pub(super) scopes: Option<Vec<String>>,
    /// The parameters of `token_exchange`.
    pub(super) token_exchange: Option<TokenExchange>,
    /// What is asked of the application's token. For `client_credentials` at least `roles` or `clients`: any application
    /// of the tenant can get a token for this API.
    #[serde(default)]
    pub(super) require: Require,
}

/// The parameters of a token exchange (RFC 8693 section 2.1).
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TokenExchange {
    /// `audience`: names of the targets as the authorization server knows them. Default: none.
    #[serde(default)]
    pub(super) audience: Vec<String>,
    /// `resource`: addresses of the targets. Default: none.
    #[serde(default)]
    pub(super) resource: Vec<String>,
    /// `subject_token_type`. Default: `urn:ietf:params:oauth:token-type:access_token`.
    #[serde(default = "default_subject_token_type")]
    pub(super) subject_token_type: String,
    /// `requested_token_type`. Default: not said. An answer of another type is refused.
    pub(super) requested_token_type: Option<String>,
    /// Further parameters that the authorization server wants, such as Auth0's `organization`. Default: none. They stand
    /// in the configuration in the clear: not for credentials.
    #[serde(default)]
    pub(super) parameters: BTreeMap<String, String>,
}

/// A SAML assertion, and where it goes: exactly one of `header` and `token_endpoint`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Saml {
    /// The version of the assertion. Default: `saml2`.
    #[serde(default)]
    pub(super) version: SamlVersion,
    /// Forward the assertion, as the identity provider encoded it (base64url), in this header.
    pub(super) header: Option<SamlHeader>,
    /// Exchange the assertion at the target's own token endpoint for a Bearer token (RFC 7522), and forward that.
    pub(super) token_endpoint: Option<SamlTokenEndpoint>,
}

#[derive(Debug, Clone, Copy, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub(super) enum SamlVersion {
    #[default]
    Saml2,
    Saml1,
}

/// The header that carries an assertion.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SamlHeader {
    /// Its name. Default: `Authorization`.
    #[serde(default = "default_saml_header")]
    pub(super) name: String,
    /// The word before the assertion, such as `SAML2`. Default: none.
    pub(super) scheme: Option<String>,
}

/// The token endpoint of a target.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SamlTokenEndpoint {
    /// Its address. With http, the assertion crosses the network in the clear. Authorities are those of the target.
    #[schemars(extend("examples" = ["https://payroll.internal/oauth/token"]))]
    pub(super) url: String,
    /// Our client ID there. Default: none is said.
    pub(super) client_id: Option<String>,
    /// Our credential there. Default: none.
    #[schemars(extend("writeOnly" = true))]
    pub(super) credential: Option<Credential>,
    /// The scopes of the Bearer token. Default: none are asked for.
    #[serde(default)]
    pub(super) scopes: Vec<String>,
}

#[derive(Debug, Clone, Copy, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub(super) enum Matching {
    #[default]
    Prefix,
    Exact,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub(super) enum Grant {
    #[default]
    OnBehalfOf,
    ClientCredentials,
    TokenExchange,
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

fn default_metadata_endpoint() -> String {
    "http://169.254.169.254/metadata/identity/oauth2/token".to_owned()
}

fn default_metadata_resource() -> String {
    "api://AzureADTokenExchange".to_owned()
}

fn default_app_grant() -> Grant {
    Grant::ClientCredentials
}

pub(super) fn default_subject_token_type() -> String {
    "urn:ietf:params:oauth:token-type:access_token".to_owned()
}

fn default_saml_header() -> String {
    "Authorization".to_owned()
}
