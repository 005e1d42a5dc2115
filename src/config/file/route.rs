//! `routes` of `routes.yaml`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::credential::Credential;
use super::rate_limit::RateLimits;
use crate::config::values::{SizeText, Target};

/// One route: which requests take it, where they go, and with which token.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Route {
    /// Its name in logs and metrics, unique: at most 64 of A-Z, a-z, 0-9, `.`, `_`, `/` and `-`. Default: the path.
    #[schemars(regex(pattern = r"^([A-Za-z0-9._/-]{1,64}|.*\$\{.*)$"))]
    pub(in crate::config) name: Option<String>,
    /// The path, as requests have it, without a query.
    #[schemars(extend("examples" = ["/payroll"]))]
    pub(in crate::config) path: String,
    /// `prefix`: the path and everything below it, on segment boundaries; the path is replaced by that of the target.
    /// `exact`: this very path only. Default: `prefix`.
    #[serde(default, rename = "match")]
    pub(in crate::config) matching: Matching,
    /// The hosts that the route serves, without port; `*.contoso.com` means every host below contoso.com. Default:
    /// every host.
    #[schemars(length(min = 1))]
    pub(in crate::config) hosts: Option<Vec<String>>,
    /// Take requests with an encoded slash (`%2F`) within a segment, as part of an identifier. It is matched as part of that
    /// segment and forwarded as it is. Servers may read it as `/` all the same: what would then lead to another route, or
    /// have dot segments or empty ones, is refused. Default: `false`, such requests are refused.
    #[serde(default)]
    pub(in crate::config) encoded_slashes: bool,
    /// The methods that the route serves, in capitals. Default: every method but CONNECT and TRACE.
    #[schemars(length(min = 1))]
    pub(in crate::config) methods: Option<Vec<String>>,
    /// Where requests go: a URL, or a mapping with `url` and more.
    pub(in crate::config) target: Target,
    /// The identity, by its name. Default: the only one. It decides which callers are accepted.
    pub(in crate::config) identity: Option<String>,
    /// What the target receives. `on_behalf_of`: a token acquired for the caller and `scopes`; users only.
    /// `token_exchange`: a token for which the caller's was exchanged by RFC 8693; users only. `client_credentials`: a
    /// token of this application itself; only for callers that are applications on their own, and only with
    /// `require.roles` or `require.clients`. `none`: no credential, for every caller. Default: `on_behalf_of`. The caller's
    /// own token is never forwarded.
    #[serde(default)]
    pub(in crate::config) grant: Grant,
    /// The scopes of the acquired token, all of one resource; at least one, but for `token_exchange`. Ask for what the
    /// target needs and no more. With `offline_access`, the token is renewed by refresh token.
    #[schemars(length(min = 1))]
    pub(in crate::config) scopes: Option<Vec<String>>,
    /// JSON text for the parameter `claims` of each On-Behalf-Of request (`OpenID` Connect Core section 5.5). Default: none.
    /// The capability `cp1` of callers that handle claims challenges is added to it.
    #[schemars(extend("examples" = [r#"{"access_token":{"acrs":{"essential":true,"value":"c1"}}}"#]))]
    pub(in crate::config) claims: Option<String>,
    /// The parameters of `token_exchange`. Default: the caller's token as an access token, and `scopes`.
    pub(in crate::config) token_exchange: Option<TokenExchange>,
    /// Acquire a SAML assertion in place of an access token, on behalf of the caller; `scopes` is then the target's
    /// Entity ID followed by `/.default`.
    pub(in crate::config) saml: Option<Saml>,
    /// What the route does for callers that are applications on their own, without a user. Default: `on_behalf_of` and
    /// `token_exchange` refuse them, `none` and `client_credentials` serve them as the route says.
    pub(in crate::config) app_only: Option<AppOnly>,
    /// What is asked of the caller's token beyond being valid. Default: nothing.
    #[serde(default)]
    pub(in crate::config) require: Require,
    /// Tell clients, MCP clients above all, where to get a token for this route: OAuth 2.0 protected resource metadata
    /// (RFC 9728), for everybody without a token at `/.well-known/oauth-protected-resource` followed by the path of the
    /// route (and not by deeper ones). Challenges then name this address and `scopes`. Default: no metadata.
    pub(in crate::config) resource_metadata: Option<ResourceMetadata>,
    /// The longest request body, 0B to 1024GiB. One that says to be longer is answered 413 at once; one that turns out to
    /// be is broken off on its way, so that the target never sees its end. A stream is one body. What is sent on a
    /// WebSocket is none. Default: any length.
    pub(in crate::config) max_body: Option<SizeText>,
    /// How many requests each caller may send: one limit, or up to four that must all admit a request. Beyond it requests
    /// are answered 429. Default: any number.
    pub(in crate::config) rate_limit: Option<RateLimits>,
}

/// What a route tells clients about getting tokens. All of it is public.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct ResourceMetadata {
    /// `resource`: the URI by which clients know the route and for which they ask tokens (RFC 8707). MCP clients take only
    /// the very URL by which they call the route, or one above it; Entra takes only an Application ID URI of the
    /// application whose scopes are asked for. So it is best the former, registered as the latter. Default: the first of
    /// the identity's `audiences` that is an http or https URL with the path of the route or one above it. It changes
    /// nothing about which tokens are accepted.
    #[schemars(extend("examples" = ["https://api.contoso.com/orders"]))]
    pub(in crate::config) resource: Option<String>,
    /// `scopes_supported`, and the `scope` of challenges for want of a good token: what clients ask for, in full. Without
    /// `offline_access`. Default: none are told. They are not required of a token; that is `require`.
    #[schemars(length(min = 1), extend("examples" = [["api://orders/access_as_user"]]))]
    pub(in crate::config) scopes: Option<Vec<String>>,
    /// `authorization_servers`: issuers of the tokens that the route accepts; clients send their users there. Default: the
    /// issuer of the identity; at Entra that of its tenant, with `tenant_id: caller` that of `organizations`.
    #[schemars(length(min = 1))]
    pub(in crate::config) authorization_servers: Option<Vec<String>>,
    /// `resource_name`: what clients call the route when they ask their users. Default: none.
    pub(in crate::config) name: Option<String>,
    /// `resource_documentation`: the URL of a page for developers. Default: none.
    pub(in crate::config) documentation: Option<String>,
    /// Scheme and host of the URL that challenges name. Default: the scheme of the caller's connection to us and the
    /// `Host` of its request. Behind a load balancer that ends TLS it must be set: clients would be sent to http, where
    /// others can answer in our place.
    #[schemars(extend("examples" = ["https://api.contoso.com"]))]
    pub(in crate::config) public_url: Option<String>,
}

/// What a route does for callers that are applications on their own.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct AppOnly {
    /// `client_credentials`, `token_exchange` or `none`, as for the route. Default: `client_credentials`.
    #[serde(default = "default_app_grant")]
    pub(in crate::config) grant: Grant,
    /// The scopes of the acquired token; for `client_credentials` the `.default` of one resource.
    #[schemars(length(min = 1))]
    pub(in crate::config) scopes: Option<Vec<String>>,
    /// The parameters of `token_exchange`.
    pub(in crate::config) token_exchange: Option<TokenExchange>,
    /// What is asked of the application's token. For `client_credentials` at least `roles` or `clients`: any application
    /// of the tenant can get a token for this API.
    #[serde(default)]
    pub(in crate::config) require: Require,
}

/// The parameters of a token exchange (RFC 8693 section 2.1).
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct TokenExchange {
    /// `audience`: names of the targets as the authorization server knows them. Default: none.
    pub(in crate::config) audience: Vec<String>,
    /// `resource`: addresses of the targets. Default: none.
    pub(in crate::config) resource: Vec<String>,
    /// `subject_token_type`. Default: `urn:ietf:params:oauth:token-type:access_token`.
    pub(in crate::config) subject_token_type: String,
    /// `requested_token_type`. Default: not said. An answer of another type is refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::config) requested_token_type: Option<String>,
    /// Further parameters that the authorization server wants, such as Auth0's `organization`. Default: none. They stand
    /// in the configuration in the clear: not for credentials.
    pub(in crate::config) parameters: BTreeMap<String, String>,
}

impl Default for TokenExchange {
    fn default() -> Self {
        Self {
            audience: Vec::new(),
            resource: Vec::new(),
            subject_token_type: "urn:ietf:params:oauth:token-type:access_token".to_owned(),
            requested_token_type: None,
            parameters: BTreeMap::new(),
        }
    }
}

/// A SAML assertion, and where it goes: exactly one of `header` and `token_endpoint`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Saml {
    /// The version of the assertion. Default: `saml2`.
    #[serde(default)]
    pub(in crate::config) version: SamlVersion,
    /// Forward the assertion, as the identity provider encoded it (base64url), in this header.
    pub(in crate::config) header: Option<SamlHeader>,
    /// Exchange the assertion at the target's own token endpoint for a Bearer token (RFC 7522), and forward that.
    pub(in crate::config) token_endpoint: Option<SamlTokenEndpoint>,
}

#[derive(Debug, Clone, Copy, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub(in crate::config) enum SamlVersion {
    #[default]
    Saml2,
    Saml1,
}

/// The header that carries an assertion.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct SamlHeader {
    /// Its name. Default: `Authorization`.
    #[serde(default = "default_saml_header")]
    pub(in crate::config) name: String,
    /// The word before the assertion, such as `SAML2`. Default: none.
    pub(in crate::config) scheme: Option<String>,
}

/// The token endpoint of a target.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct SamlTokenEndpoint {
    /// Its address. With http, the assertion crosses the network in the clear. Authorities are those of the target.
    #[schemars(extend("examples" = ["https://payroll.internal/oauth/token"]))]
    pub(in crate::config) url: String,
    /// Our client ID there. Default: none is said.
    pub(in crate::config) client_id: Option<String>,
    /// Our credential there. Default: none.
    #[schemars(extend("writeOnly" = true))]
    pub(in crate::config) credential: Option<Credential>,
    /// The scopes of the Bearer token. Default: none are asked for.
    #[serde(default)]
    pub(in crate::config) scopes: Vec<String>,
}

#[derive(Debug, Clone, Copy, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub(in crate::config) enum Matching {
    #[default]
    Prefix,
    Exact,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub(in crate::config) enum Grant {
    #[default]
    OnBehalfOf,
    ClientCredentials,
    TokenExchange,
    None,
}

/// What is asked of the caller's token.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct Require {
    /// Scopes (`scp`) that it must all have. Default: none.
    pub(in crate::config) scopes: Vec<String>,
    /// Roles (`roles`) that it must all have. Default: none.
    pub(in crate::config) roles: Vec<String>,
    /// Client applications (`azp`, `appid`) of which one must have acquired it. Default: any.
    pub(in crate::config) clients: Vec<String>,
}

fn default_app_grant() -> Grant {
    Grant::ClientCredentials
}

fn default_saml_header() -> String {
    "Authorization".to_owned()
}
