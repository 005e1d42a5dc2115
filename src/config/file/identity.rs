//! `identities` of `routes.yaml`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::credentials::Credentials;
use super::rate_limit::RateLimit;
use crate::config::values::DurationText;

/// One registration (Microsoft Entra ID: app registration) in whose name tokens are accepted and acquired.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Identity {
    /// For Entra, where it is required: the tenant's GUID; callers of other tenants are refused. Or `caller`: each token
    /// says by its `tid` which tenant its caller is of, and `tenants` lists those that are accepted.
    #[schemars(regex(pattern = r"^([0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}|caller|.*\$\{.*)$"))]
    pub(in crate::config) tenant_id: Option<String>,
    /// With `tenant_id: caller`, and only then: the GUIDs of the tenants whose callers are accepted. Callers of any
    /// other tenant are refused, there is no wildcard. Each tenant has keys and issuers of its own.
    #[schemars(
        length(min = 1),
        inner(regex(pattern = r"^([0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}|.*\$\{.*)$"))
    )]
    pub(in crate::config) tenants: Option<Vec<String>>,
    /// The application (client) ID. Required, but with `workload_identity` and the variable `AZURE_CLIENT_ID`.
    #[schemars(regex(pattern = r"^([A-Za-z0-9._~:/-]+|.*\$\{.*)$"))]
    pub(in crate::config) client_id: Option<String>,
    /// The national cloud of Entra, in place of `authority`. Default: `public`. Issuers that are not of this cloud are
    /// refused.
    pub(in crate::config) cloud: Option<Cloud>,
    /// The address of the identity provider, without the tenant. Default: that of `cloud`. Its keys decide which tokens
    /// are genuine, and it is sent our credential.
    pub(in crate::config) authority: Option<String>,
    /// The issuers (`iss`) of callers' tokens, compared exactly, where they are not those that the discovery documents
    /// name: for Entra External ID or B2C behind a domain of your own. `{tenantid}` stands for the tenant's GUID; with
    /// `tenant_id: caller` each entry must have it. Default: those of the discovery documents. Every key of the tenant
    /// vouches for each of them, unless the key itself names another.
    #[schemars(length(min = 1), extend("examples" = [["https://login.contoso.com/{tenantid}/v2.0"]]))]
    pub(in crate::config) issuers: Option<Vec<String>>,
    /// In place of `tenant_id`: the issuer of any other `OpenID` provider, exactly as callers' tokens have it (`iss`). Its
    /// discovery document names the keys that decide which tokens are genuine, and where our credential is sent; it is
    /// at `/.well-known/openid-configuration` below the issuer, or where RFC 8414 has it.
    #[schemars(extend("examples" = ["https://keycloak.example/realms/demo"]))]
    pub(in crate::config) issuer: Option<String>,
    /// The address of the discovery document, where it is not to be found by the issuer. Beside `issuer` only. Default:
    /// found by the issuer, which it must then name itself; this one may name another.
    pub(in crate::config) discovery: Option<String>,
    /// The address where tokens are acquired. It is sent our credential. Beside `issuer` only. Default: the one that the
    /// discovery document names, which must be https where the issuer is.
    pub(in crate::config) token_endpoint: Option<String>,
    /// Accept plain http for `authority`, `issuer`, `issuers`, `discovery` and `token_endpoint` on hosts other than
    /// loopback ones. Default: `false`. Whoever is between the proxy and such an address can read our credential and
    /// replace the signing keys: for tests only.
    #[serde(default)]
    pub(in crate::config) allow_http: bool,
    /// How we prove to be this application: one credential, or for a rotation a list of two. The second is tried when the
    /// identity provider refuses the first as invalid, and is then kept to.
    #[schemars(extend("writeOnly" = true))]
    pub(in crate::config) credential: Credentials,
    /// File in PEM with the authorities that may vouch for the identity provider. Default: those of the system.
    pub(in crate::config) ca_file: Option<String>,
    /// The values of `aud` in a caller's token that are ours, compared exactly. Default: the client ID and, for Entra,
    /// `api://` followed by it. A token for any other audience, or for none, is refused.
    #[schemars(length(min = 1))]
    pub(in crate::config) audiences: Option<Vec<String>>,
    /// The signature algorithms that a caller's token may have. Default: RS256.
    #[serde(default = "default_algorithms")]
    #[schemars(length(min = 1))]
    pub(in crate::config) algorithms: Vec<Algorithm>,
    /// How far our clock may be off when the times in a caller's token are judged: 0s to 5m. Default: 60s. A token is
    /// accepted for that much longer than it says.
    #[serde(default = "default_clock_skew")]
    pub(in crate::config) clock_skew: DurationText,
    /// How long one exchange may take, a repetition included: 100ms to 60s. Default: 10s.
    #[serde(default = "default_timeout")]
    pub(in crate::config) timeout: DurationText,
    /// How often the signing keys are fetched anew: 1m to 24h. Default: 12h. A withdrawn key is trusted for so long.
    #[serde(default = "default_key_refresh")]
    pub(in crate::config) key_refresh: DurationText,
    /// How many exchanges each caller may cause, renewals included, whatever its routes; `by` is `user` or `client`.
    /// Whoever waits for an exchange under way, or is served from memory, is not counted. Beyond it requests are answered
    /// 429. Default: any number. One caller with ever new tokens can then have the whole application throttled.
    pub(in crate::config) exchange_limit: Option<RateLimit>,
}

#[derive(Debug, Clone, Copy, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub(in crate::config) enum Cloud {
    #[default]
    Public,
    UsGovernment,
    China,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[schemars(inline)]
pub(in crate::config) enum Algorithm {
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
