//! The scopes of an exchange. The token endpoint takes those of one resource only, and refuses others with an error
//! that a caller could do nothing about, so the rules are applied here.

use super::Checker;
use super::text::is_scope_token;
use crate::config::document::Node;
use crate::config::findings::quoted;

/// Checks `scopes` of an `on_behalf_of` route; `node` is the list.
pub(super) fn scopes(checker: &mut Checker<'_>, scopes: Vec<String>, node: &Node) -> Vec<Box<str>> {
    let mut named: Vec<(usize, Scope<'_>)> = Vec::new();
    for (n, text) in scopes.iter().enumerate() {
        if let Some(Parsed::Of(scope)) = parse(checker, text, node.item(n)) {
            named.push((n, scope));
        }
    }
    checker.no_repeats(&scopes, node);
    if scopes.iter().all(|scope| is_oidc(scope)) {
        checker.report(node, "only scopes of OpenID Connect", "at least one scope of the target's API");
    }
    one_resource(checker, &named, node);
    default_alone(checker, &named, node);
    scopes.into_iter().map(Into::into).collect()
}

/// Checks the scopes of a token for ourselves: where one is the `.default` of a resource, it is the only one.
pub(super) fn application(checker: &mut Checker<'_>, scopes: Vec<String>, node: &Node) -> Vec<Box<str>> {
    for (n, text) in scopes.iter().enumerate().filter(|(_, text)| is_oidc(text)) {
        checker.report(node.item(n), format!("{}, which is a user's", quoted(text)), "scopes of the target's API");
    }
    if let Some((n, default)) = scopes.iter().enumerate().find(|(_, text)| text.ends_with("/.default"))
        && scopes.iter().any(|other| other != default)
    {
        checker.report(node.item(n), "\".default\" beside other scopes", "\".default\" of one resource alone");
    }
    plain(checker, scopes, node)
}

/// Checks scopes of an authorization server of which nothing more is known.
pub(super) fn plain(checker: &mut Checker<'_>, scopes: Vec<String>, node: &Node) -> Vec<Box<str>> {
    for (n, text) in scopes.iter().enumerate().filter(|(_, text)| !is_scope_token(text)) {
        checker.report(node.item(n), quoted(text), "one scope per entry, without blanks, quotes and backslashes");
    }
    checker.no_repeats(&scopes, node);
    scopes.into_iter().map(Into::into).collect()
}

/// Checks that the scopes ask for a SAML assertion: the target's Entity ID, a slash, and `.default`.
pub(super) fn entity(checker: &mut Checker<'_>, scopes: &[String], node: &Node) {
    let is_entity = |scope: &&String| scope.ends_with("/.default") && scope.contains(':');
    let entities = scopes.iter().filter(|scope| !is_oidc(scope));
    if let Some(other) = entities.clone().find(|scope| !is_entity(scope)) {
        let accepted =
            "the Entity ID of the target and \"/.default\", with \"spn:\" before an Entity ID without scheme";
        checker.report(node, format!("{} for a SAML assertion", quoted(other)), accepted);
    }
}

/// A scope of an API.
struct Scope<'a> {
    resource: &'a str,
    name: &'a str,
}

enum Parsed<'a> {
    /// A scope of `OpenID` Connect, which belongs to no resource.
    Oidc,
    Of(Scope<'a>),
}

fn parse<'a>(checker: &mut Checker<'_>, text: &'a str, node: &Node) -> Option<Parsed<'a>> {
    if !is_scope_token(text) {
        let accepted = "one scope per entry, without blanks, quotes and backslashes";
        return checker.refuse(node, quoted(text), accepted);
    }
    if is_oidc(text) {
        return Some(Parsed::Oidc);
    }
    let Some((resource, name)) = text.rsplit_once('/') else {
        return Some(Parsed::Of(Scope { resource: GRAPH, name: text }));
    };
    let names_resource_only = resource.ends_with(":/") || name.is_empty();
    if names_resource_only || resource.is_empty() {
        let found = format!("{}, which is not a permission of a resource", quoted(text));
        return checker.refuse(node, found, "the resource, a slash, and a permission or \".default\"");
    }
    Some(Parsed::Of(Scope { resource, name }))
}

fn one_resource(checker: &mut Checker<'_>, scopes: &[(usize, Scope<'_>)], node: &Node) {
    let Some((_, first)) = scopes.first() else { return };
    for (n, scope) in scopes {
        if !scope.resource.eq_ignore_ascii_case(first.resource) {
            let found = format!("a scope of {}", quoted(scope.resource));
            let accepted = format!("scopes of one resource; the first here is {}", quoted(first.resource));
            checker.report(node.item(*n), found, accepted);
        }
    }
}

fn default_alone(checker: &mut Checker<'_>, scopes: &[(usize, Scope<'_>)], node: &Node) {
    let default = scopes.iter().find(|(_, scope)| scope.name == DEFAULT);
    let named = scopes.iter().any(|(_, scope)| scope.name != DEFAULT);
    if let Some((n, _)) = default.filter(|_| named) {
        checker.report(node.item(*n), "\".default\" beside named scopes", "either \".default\" or named scopes");
    }
}

fn is_oidc(text: &str) -> bool {
    matches!(text, "openid" | "profile" | "email" | "offline_access")
}

/// The resource of a scope that names none.
const GRAPH: &str = "https://graph.microsoft.com";

/// All permissions that were granted to us for the resource.
const DEFAULT: &str = ".default";
