//! `resource_metadata` of a route: what it tells clients by itself, and that nothing else is at its address.

use url::Url;

use super::text::is_scope_token;
use super::{Checker, Refused, address};
use crate::config::document::Node;
use crate::config::file;
use crate::config::findings::quoted;
use crate::identity::{Identity, Provider};
use crate::proxy::{ResourceMetadataSettings, RouteSettings};
use crate::route::RoutePath;

/// What the metadata of a route are about; nothing where there is a finding about it.
#[derive(Clone, Copy)]
pub(super) struct Described<'a> {
    pub(super) path: Option<&'a RoutePath>,
    pub(super) identity: Option<&'a Identity>,
}

/// Checks `resource_metadata`; `node` is the mapping.
pub(super) fn metadata(
    checker: &mut Checker<'_>,
    metadata: file::ResourceMetadata,
    described: Described<'_>,
    node: &Node,
) -> Option<ResourceMetadataSettings> {
    let file::ResourceMetadata { resource, scopes, authorization_servers, name, documentation, public_url } = metadata;
    let resource = match resource {
        Some(text) => given_resource(checker, text, node.key("resource")),
        None => default_resource(checker, described, node),
    };
    let entra = described.identity.is_some_and(|identity| matches!(identity.provider, Provider::Entra { .. }));
    let scopes = checked_scopes(checker, scopes.unwrap_or_default(), entra, node.key("scopes"));
    let servers = match authorization_servers {
        Some(texts) => given_servers(checker, texts, node.key("authorization_servers")),
        None => described.identity.map(|identity| vec![issuer(identity)]),
    };
    let name = name.map(|text| checked_name(checker, text, node.key("name")).ok_or(Refused)).transpose();
    let documentation =
        documentation.map(|text| page(checker, text, node.key("documentation")).ok_or(Refused)).transpose();
    let public_url = public_url.map(|text| origin(checker, &text, node.key("public_url")).ok_or(Refused)).transpose();
    Some(ResourceMetadataSettings {
        resource: resource?,
        authorization_servers: servers?,
        scopes,
        name: name.ok()?,
        documentation: documentation.ok()?,
        public_url: public_url.ok()?,
    })
}

/// Reports routes that serve what metadata of others need, and metadata of two routes at one address.
pub(super) fn report_conflicts(checker: &mut Checker<'_>, routes: &[(&Node, RouteSettings)]) {
    for (n, (described_node, described)) in routes.iter().enumerate().filter(|(_, (_, it))| it.metadata.is_some()) {
        let shown = format!("{} on line {}", quoted(&described.name), described_node.key("path").at.line);
        for (other, (node, route)) in routes.iter().enumerate().filter(|(other, _)| *other != n) {
            if route.pattern.takes_metadata_of(&described.pattern) {
                let found = format!("requests for the resource metadata of the route {shown}");
                checker.report(node.key("path"), found, ELSEWHERE);
            } else if route.pattern.splits_path_of(&described.pattern) {
                let found = format!("a part of the route {shown}, whose resource metadata speak for all of it");
                checker.report(node.key("path"), found, ELSEWHERE);
            } else if other > n && route.metadata.is_some() && route.pattern.shares_path_with(&described.pattern) {
                let found = format!("the same address as that of the resource metadata of the route {shown}");
                let accepted = "\"resource_metadata\" with one of the routes for a path";
                checker.report(node.key("resource_metadata"), found, accepted);
            }
        }
    }
}

fn given_resource(checker: &mut Checker<'_>, text: String, node: &Node) -> Option<Box<str>> {
    let visible = text.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"\\<>^`{|}#".contains(&byte));
    let open = |url: &Url| url.username().is_empty() && url.password().is_none();
    if visible && Url::parse(&text).is_ok_and(|url| open(&url)) {
        return Some(text.into());
    }
    let shown = if text.contains('@') { "a URI".to_owned() } else { quoted(&text) };
    checker.refuse(node, shown, "a URI with a scheme, without user, password and fragment")
}

/// The audience that is the address of the route, or of something above it: what clients compare it with.
fn default_resource(checker: &mut Checker<'_>, described: Described<'_>, node: &Node) -> Option<Box<str>> {
    let (path, identity) = (described.path?, described.identity?);
    let audience = identity.audiences.iter().find(|audience| is_address_of(audience, path.as_str()));
    audience.cloned().or_else(|| checker.missing(node, "resource", RESOURCE))
}

fn is_address_of(audience: &str, path: &str) -> bool {
    let Ok(url) = Url::parse(audience) else { return false };
    let plain = matches!(url.scheme(), "http" | "https") && url.query().is_none() && url.fragment().is_none();
    let rest = path.strip_prefix(url.path().trim_end_matches('/'));
    plain && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// What clients are told to ask for, so that it must be what the provider understands.
fn checked_scopes(checker: &mut Checker<'_>, scopes: Vec<String>, entra: bool, node: &Node) -> Vec<Box<str>> {
    for (n, text) in scopes.iter().enumerate() {
        let node = node.item(n);
        if !is_scope_token(text) || text.contains(',') {
            checker.report(node, quoted(text), "one scope per entry, without blanks, commas, quotes and backslashes");
        } else if text == "offline_access" {
            let accepted = "scopes of this route; whether it wants refresh tokens is the client's own affair";
            checker.report(node, quoted(text), accepted);
        } else if entra && !text.contains('/') && !matches!(text.as_str(), "openid" | "profile" | "email") {
            let found = format!("{}, which Entra takes for a permission of Microsoft Graph", quoted(text));
            checker.report(node, found, "the scope in full, such as \"api://orders/access_as_user\"");
        }
    }
    checker.no_repeats(&scopes, node);
    scopes.into_iter().map(Into::into).collect()
}

/// They are told as they are written, because clients compare them.
fn given_servers(checker: &mut Checker<'_>, texts: Vec<String>, node: &Node) -> Option<Vec<Box<str>>> {
    let mut sound = true;
    for (n, text) in texts.iter().enumerate() {
        let node = node.item(n);
        match address::parse(checker, text, node) {
            Some(address) if address.is_https() || address.is_loopback() => {}
            Some(_) => {
                sound = false;
                checker.report(node, quoted(text), "an https URL; http only with a loopback address");
            }
            None => sound = false,
        }
    }
    checker.no_repeats(&texts, node);
    sound.then(|| texts.into_iter().map(Into::into).collect())
}

/// The issuer of callers' tokens, as clients look for its own metadata.
fn issuer(identity: &Identity) -> Box<str> {
    match &identity.provider {
        Provider::Entra { authority } => format!("{authority}/{}/v2.0", identity.anyone.id()).into(),
        Provider::Oidc { issuer } => issuer.clone(),
    }
}

fn checked_name(checker: &mut Checker<'_>, text: String, node: &Node) -> Option<Box<str>> {
    if text.trim().is_empty() || text.contains(char::is_control) {
        return checker.refuse(node, quoted(&text), "a name for people, on one line");
    }
    Some(text.into())
}

/// A page for people, which may have a query and a fragment.
fn page(checker: &mut Checker<'_>, text: String, node: &Node) -> Option<Box<str>> {
    let base = text.split(['?', '#']).next().unwrap_or_default();
    address::parse(checker, base, node)?;
    if text.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return checker.refuse(node, quoted(&text), "an http or https URL without blanks");
    }
    Some(text.into())
}

fn origin(checker: &mut Checker<'_>, text: &str, node: &Node) -> Option<Box<str>> {
    let address = address::parse(checker, text, node)?;
    if &*address.path != "/" {
        return checker.refuse(node, quoted(text), "scheme and host alone, such as \"https://api.contoso.com\"");
    }
    Some(address.url.origin().ascii_serialization().into())
}

const ELSEWHERE: &str = "another path or other hosts";
const RESOURCE: &str = "the URL by which clients call the route, such as \"https://api.contoso.com/orders\"; or the same \
                        among the \"audiences\" of the identity";
