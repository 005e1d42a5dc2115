//! What a route does for users and for applications on their own: the grant, what it needs, and what it asks of callers.

use http::HeaderName;
use serde_json::{Map, Value};

use super::requirements::{all, requirements};
use super::text::{CLIENT_ID, is_client_id};
use super::{Checker, Refused, address, credential, scope};
use crate::config::document::Node;
use crate::config::file;
use crate::config::findings::quoted;
use crate::exchange::{AssertionGrant, Delivery, Grant, OnBehalfOf, Saml, SamlVersion, TokenExchange};
use crate::proxy::ServiceSettings;

/// The keys of a route that say what the target receives.
pub(super) struct Asked {
    grant: file::Grant,
    parts: Parts,
    require: file::Require,
    app_only: Option<file::AppOnly>,
}

/// What a grant is made of; each grant takes some of it and refuses the rest.
#[derive(Default)]
struct Parts {
    scopes: Option<Vec<String>>,
    claims: Option<String>,
    token_exchange: Option<file::TokenExchange>,
    saml: Option<file::Saml>,
}

/// What a route does for both kinds of callers.
pub(super) struct Services {
    pub(super) users: Option<ServiceSettings>,
    pub(super) apps: Option<ServiceSettings>,
}

impl Asked {
    pub(super) fn of(route: file::Route) -> Self {
        let file::Route { grant, scopes, claims, token_exchange, saml, require, app_only, .. } = route;
        Self { grant, parts: Parts { scopes, claims, token_exchange, saml }, require, app_only }
    }
}

/// Checks what the route does; `node` is the route.
pub(super) fn services(checker: &mut Checker<'_>, asked: Asked, node: &Node) -> Option<Services> {
    let Asked { grant, parts, require, app_only } = asked;
    let apps = app_only.map(|app_only| app_service(checker, app_only, node.key("app_only")).ok_or(Refused)).transpose();
    let service = service(checker, grant, parts, require, node);
    if grant == file::Grant::ClientCredentials && !matches!(apps, Ok(None)) {
        let found = "\"app_only\" beside \"grant: client_credentials\", which is for applications already";
        return checker.refuse(node.key("app_only"), found, "one of them");
    }
    let (service, apps) = (service?, apps.ok()?);
    Some(match grant {
        file::Grant::ClientCredentials => Services { users: None, apps: Some(service) },
        file::Grant::None => Services { apps: apps.or_else(|| Some(service.clone())), users: Some(service) },
        file::Grant::OnBehalfOf | file::Grant::TokenExchange => Services { users: Some(service), apps },
    })
}

fn app_service(checker: &mut Checker<'_>, app_only: file::AppOnly, node: &Node) -> Option<ServiceSettings> {
    let file::AppOnly { grant, scopes, token_exchange, require } = app_only;
    if grant == file::Grant::OnBehalfOf {
        let accepted = "\"client_credentials\", \"token_exchange\" or \"none\": there is no user on whose behalf";
        return checker.refuse(node.key("grant"), "the grant \"on_behalf_of\" for applications on their own", accepted);
    }
    service(checker, grant, Parts { scopes, token_exchange, ..Parts::default() }, require, node)
}

fn service(
    checker: &mut Checker<'_>,
    grant: file::Grant,
    parts: Parts,
    require: file::Require,
    node: &Node,
) -> Option<ServiceSettings> {
    if grant == file::Grant::ClientCredentials && require.roles.is_empty() && require.clients.is_empty() {
        let accepted = "\"roles\" or \"clients\": any application of the tenant can get a token for this API";
        checker.report(node.key("require"), "neither roles nor clients for \"client_credentials\"", accepted);
    }
    refuse_strangers(checker, grant, &parts, node);
    let require = requirements(checker, require, node.key("require"));
    let grant = match grant {
        file::Grant::OnBehalfOf => on_behalf_of(checker, parts, node).map(Grant::OnBehalfOf),
        file::Grant::ClientCredentials => client_credentials(checker, parts, node),
        file::Grant::TokenExchange => Some(Grant::TokenExchange(token_exchange(checker, parts, node))),
        file::Grant::None => Some(Grant::None),
    };
    Some(ServiceSettings { grant: grant?, require })
}

/// Reports keys that the grant would not look at.
fn refuse_strangers(checker: &mut Checker<'_>, grant: file::Grant, parts: &Parts, node: &Node) {
    use file::Grant::{ClientCredentials, None, OnBehalfOf, TokenExchange};
    let present = [
        ("scopes", parts.scopes.is_some(), grant != None),
        ("claims", parts.claims.is_some(), grant == OnBehalfOf),
        ("token_exchange", parts.token_exchange.is_some(), grant == TokenExchange),
        ("saml", parts.saml.is_some(), grant == OnBehalfOf),
    ];
    let name = match grant {
        OnBehalfOf => "on_behalf_of",
        ClientCredentials => "client_credentials",
        TokenExchange => "token_exchange",
        None => "none",
    };
    for (key, _, _) in present.iter().filter(|(_, present, fits)| *present && !fits) {
        checker.report(node.key(key), format!("{key} beside \"grant: {name}\""), format!("no {key}, or another grant"));
    }
}

fn on_behalf_of(checker: &mut Checker<'_>, parts: Parts, node: &Node) -> Option<OnBehalfOf> {
    let Some(scopes) = parts.scopes else {
        return checker.missing(node, "scopes", "scopes of the target's API, or \"grant: none\"");
    };
    let claims = parts.claims.map(|text| claims(checker, &text, node.key("claims")).ok_or(Refused)).transpose();
    let saml = parts.saml.map(|wanted| saml(checker, wanted, node.key("saml")).ok_or(Refused)).transpose();
    if !matches!(saml, Ok(None)) {
        scope::entity(checker, &scopes, node.key("scopes"));
    }
    let scopes = scope::scopes(checker, scopes, node.key("scopes"));
    Some(OnBehalfOf { scopes, claims: claims.ok()?, saml: saml.ok()? })
}

fn claims(checker: &mut Checker<'_>, text: &str, node: &Node) -> Option<Map<String, Value>> {
    let accepted = "a JSON object such as {\"access_token\":{\"acrs\":{\"essential\":true,\"value\":\"c1\"}}}";
    match serde_json::from_str::<Map<String, Value>>(text) {
        Ok(claims) if claims.get("access_token").is_some_and(|claims| claims.get("xms_cc").is_some()) => {
            let accepted = "claims without it: the capability is declared for callers who have it, and for no others";
            checker.refuse(node, "\"xms_cc\" among the claims", accepted)
        }
        Ok(claims) => Some(claims),
        Err(_) => checker.refuse(node, quoted(text), accepted),
    }
}

fn client_credentials(checker: &mut Checker<'_>, parts: Parts, node: &Node) -> Option<Grant> {
    let Some(scopes) = parts.scopes else {
        return checker.missing(node, "scopes", "the scope of the target's API, such as \"api://payroll/.default\"");
    };
    Some(Grant::ClientCredentials { scopes: scope::application(checker, scopes, node.key("scopes")) })
}

fn token_exchange(checker: &mut Checker<'_>, parts: Parts, node: &Node) -> TokenExchange {
    let wanted = parts.token_exchange.unwrap_or_default();
    let node_of = node.key("token_exchange");
    let filled = |text: &str| !text.is_empty() && !text.contains(char::is_control);
    for (key, values) in [("audience", &wanted.audience), ("resource", &wanted.resource)] {
        all(checker, values, node_of.key(key), filled, "one value per entry");
    }
    let types = [
        ("subject_token_type", Some(&wanted.subject_token_type)),
        ("requested_token_type", wanted.requested_token_type.as_ref()),
    ];
    for (key, text) in types.into_iter().filter_map(|(key, text)| Some((key, text?))) {
        if !text.contains(':') || !filled(text) {
            checker.report(
                node_of.key(key),
                quoted(text),
                "a URI such as \"urn:ietf:params:oauth:token-type:access_token\"",
            );
        }
    }
    for name in wanted.parameters.keys().filter(|name| OURS.contains(&name.as_str())) {
        let at = node_of.key("parameters").key_position(name);
        checker.findings.add(at, format!("found the parameter {}, which is ours", quoted(name)), "other parameters");
    }
    let scopes = parts.scopes.map(|scopes| scope::plain(checker, scopes, node.key("scopes"))).unwrap_or_default();
    let boxed = |list: Vec<String>| list.into_iter().map(Into::into).collect();
    TokenExchange {
        scopes,
        audiences: boxed(wanted.audience),
        resources: boxed(wanted.resource),
        subject_token_type: wanted.subject_token_type.into(),
        requested_token_type: wanted.requested_token_type.map(Into::into),
        parameters: wanted.parameters.into_iter().map(|(name, value)| (name.into(), value.into())).collect(),
    }
}

fn saml(checker: &mut Checker<'_>, saml: file::Saml, node: &Node) -> Option<Saml> {
    let version = match saml.version {
        file::SamlVersion::Saml1 => SamlVersion::Saml1,
        file::SamlVersion::Saml2 => SamlVersion::Saml2,
    };
    let delivery = match (saml.header, saml.token_endpoint) {
        (Some(header), None) => saml_header(checker, header, node.key("header")),
        (None, Some(_)) if version == SamlVersion::Saml1 => {
            checker.refuse(node.key("token_endpoint"), "a token endpoint for SAML 1.1", "\"version: saml2\" (RFC 7522)")
        }
        (None, Some(endpoint)) => saml_token_endpoint(checker, endpoint, node.key("token_endpoint")),
        (Some(_), Some(_)) => checker.refuse(node, "both \"header\" and \"token_endpoint\"", ONE_DELIVERY),
        (None, None) => checker.refuse(node, "nowhere for the assertion to go", ONE_DELIVERY),
    };
    Some(Saml { version, delivery: delivery? })
}

fn saml_header(checker: &mut Checker<'_>, header: file::SamlHeader, node: &Node) -> Option<Delivery> {
    let name = HeaderName::from_bytes(header.name.as_bytes()).ok().filter(|name| !FRAMING.contains(&name.as_str()));
    let Some(name) = name else {
        return checker.refuse(
            node.key("name"),
            quoted(&header.name),
            "the name of a header that is not ours to frame",
        );
    };
    let is_word = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
    if let Some(scheme) = header.scheme.as_deref().filter(|scheme| !is_word(scheme)) {
        return checker.refuse(node.key("scheme"), quoted(scheme), "one word");
    }
    Some(Delivery::Header { name, scheme: header.scheme.map(Into::into) })
}

fn saml_token_endpoint(checker: &mut Checker<'_>, endpoint: file::SamlTokenEndpoint, node: &Node) -> Option<Delivery> {
    let address = address::parse(checker, &endpoint.url, node.key("url"));
    if let Some(client_id) = endpoint.client_id.as_deref().filter(|id| !is_client_id(id)) {
        return checker.refuse(node.key("client_id"), quoted(client_id), CLIENT_ID);
    }
    if endpoint.credential.is_some() && endpoint.client_id.is_none() {
        return checker.missing(node, "client_id", "our client ID there, which the credential proves");
    }
    let check = |credential| credential::credential(checker, credential, node.key("credential")).ok_or(Refused);
    let credential = endpoint.credential.map(check).transpose();
    let scopes = scope::plain(checker, endpoint.scopes, node.key("scopes"));
    let (client_id, credential) = (endpoint.client_id.map(Into::into), credential.ok()?);
    let endpoint = address?.url.as_str().into();
    Some(Delivery::TokenEndpoint(AssertionGrant { endpoint, client_id, credential, scopes }))
}

const ONE_DELIVERY: &str = "exactly one of \"header\" and \"token_endpoint\"";

/// Parameters that have keys of their own, or that are nobody's business but ours.
const OURS: [&str; 14] = [
    "grant_type",
    "client_id",
    "client_secret",
    "client_assertion",
    "client_assertion_type",
    "subject_token",
    "subject_token_type",
    "actor_token",
    "actor_token_type",
    "requested_token_type",
    "audience",
    "resource",
    "scope",
    "assertion",
];

/// Headers that frame the request or that the proxy sets to something else.
const FRAMING: [&str; 16] = [
    "host",
    "connection",
    "content-length",
    "content-type",
    "transfer-encoding",
    "te",
    "trailer",
    "upgrade",
    "keep-alive",
    "cookie",
    "x-request-id",
    "traceparent",
    "tracestate",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
];
