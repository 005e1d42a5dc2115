//! One route by itself.

use http::Method;

use super::address::path_fault;
use super::identity::Names;
use super::resource_metadata::{Described, metadata};
use super::size::SizeRange;
use super::{Checker, Refused, grant, rate_limit, target};
use crate::config::document::Node;
use crate::config::file;
use crate::config::findings::quoted;
use crate::proxy::RouteSettings;
use crate::route::{HostPattern, Pattern, RoutePath};

/// Checks one route; its name was checked among the others.
pub(super) fn route(
    checker: &mut Checker<'_>,
    name: &str,
    mut route: file::Route,
    node: &Node,
    identities: &Names<'_>,
) -> Option<RouteSettings> {
    let path = path(checker, &route.path, route.matching, node.key("path"));
    let hosts = hosts(checker, &route.hosts.clone().unwrap_or_default(), node.key("hosts"));
    let methods = methods(checker, &route.methods.clone().unwrap_or_default(), node.key("methods"));
    let target = target::target(checker, &route.target.0, node.key("target"));
    let identity = identities.position(checker, route.identity.as_deref(), node);
    let described =
        Described { path: path.as_ref(), identity: identity.and_then(|position| identities.checked.get(position)) };
    let metadata = route
        .resource_metadata
        .take()
        .map(|told| metadata(checker, told, described, node.key("resource_metadata")).ok_or(Refused));
    let metadata = metadata.transpose();
    let max_body = route
        .max_body
        .take()
        .map(|size| checker.size(&size, node.key("max_body"), &MAX_BODY).ok_or(Refused))
        .transpose();
    let rate_limits = match route.rate_limit.take() {
        Some(limits) => rate_limit::rate_limits(checker, &limits.0, node.key("rate_limit")),
        None => Some(Vec::new()),
    };
    let encoded_slashes = route.encoded_slashes;
    let services = grant::services(checker, grant::Asked::of(route), node);
    let services = services?;
    Some(RouteSettings {
        name: name.into(),
        line: node.at.line,
        pattern: Pattern { hosts: hosts?, path: path?, methods: methods?, encoded_slashes },
        target: target?,
        identity: identity?,
        users: services.users,
        apps: services.apps,
        metadata: metadata.ok()?,
        max_body: max_body.ok()?,
        rate_limits: rate_limits?,
    })
}

fn path(checker: &mut Checker<'_>, text: &str, matching: file::Matching, node: &Node) -> Option<RoutePath> {
    let path = match matching {
        file::Matching::Prefix => RoutePath::prefix(text),
        file::Matching::Exact => RoutePath::exact(text),
    };
    match path {
        Ok(path) => Some(path),
        Err(error) => {
            let found = format!("the path {}, which {}", quoted(text), path_fault(error));
            checker.refuse(node, found, "a path such as \"/payroll\", in the form in which requests have it")
        }
    }
}

fn hosts(checker: &mut Checker<'_>, hosts: &[String], node: &Node) -> Option<Vec<HostPattern>> {
    let accepted = "a host name without port such as \"api.contoso.com\", or \"*.contoso.com\"";
    each_once(checker, hosts, node, |checker, text, node| {
        let host = HostPattern::parse(text).ok();
        host.or_else(|| checker.refuse(node, quoted(text), accepted))
    })
}

fn methods(checker: &mut Checker<'_>, methods: &[String], node: &Node) -> Option<Vec<Method>> {
    each_once(checker, methods, node, |checker, text, node| {
        let capitals = text.to_ascii_uppercase();
        let method = Method::from_bytes(text.as_bytes()).ok().filter(|_| text == capitals);
        match method {
            Some(Method::CONNECT | Method::TRACE) => {
                checker.refuse(node, format!("the method {text}, which is not forwarded"), "another method")
            }
            Some(method) => Some(method),
            None if Method::from_bytes(capitals.as_bytes()).is_ok() => {
                let accepted = format!("a method in capitals; did you mean {}?", quoted(&capitals));
                checker.refuse(node, quoted(text), accepted)
            }
            None => checker.refuse(node, quoted(text), "a method such as \"GET\""),
        }
    })
}

/// All items as `read` has them, if none was refused; items that are the same once read are refused here.
fn each_once<T: PartialEq + std::fmt::Display>(
    checker: &mut Checker<'_>,
    texts: &[String],
    node: &Node,
    read: impl Fn(&mut Checker<'_>, &str, &Node) -> Option<T>,
) -> Option<Vec<T>> {
    let count = texts.len();
    let mut items = Vec::new();
    for (n, text) in texts.iter().enumerate() {
        match read(checker, text, node.item(n)) {
            Some(item) if items.contains(&item) => checker.report_repeat(&item, node.item(n)),
            item => items.extend(item),
        }
    }
    (items.len() == count).then_some(items)
}

const MAX_BODY: SizeRange = SizeRange { least: 0, most: 1 << 40, text: "0B to 1024GiB" };
