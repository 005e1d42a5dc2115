//! The request as the proxy reads it, the route that takes it, and why the others do not.

use http::Method;

use super::Case;
use super::page::{Page, plain};
use crate::proxy::{ExplainedRoute, RouteSettings};
use crate::rejection::Rejection;
use crate::route::{HostFit, HostName, Likeness, Pattern, RequestTarget};

/// A route beside a request.
struct Candidate<'a> {
    route: &'a RouteSettings,
    likeness: Likeness<'a>,
}

/// By what of two routes that serve a request the greater one takes it.
type Rank<'a> = (HostFit<'a>, usize, bool);

pub(super) fn request(page: &mut Page, case: &Case<'_>) {
    page.section("1. Request");
    page.line("method", case.method.as_str());
    let host = case.address.host.as_ref().and_then(|host| host.to_str().ok());
    page.line("host", host.unwrap_or("none given: only routes without hosts can take it"));
    page.line("path", &plain(&case.address.target));
    if let Ok(target) = RequestTarget::parse(case.address.target.as_bytes()) {
        page.line("canonical path", target.path());
    }
    match &case.told.rejection {
        Some(Rejection::Ambiguous(reason)) if case.told.route.is_none() => {
            page.line("refused", &format!("400 ambiguous_request: {reason}"));
        }
        _ => {}
    }
}

pub(super) fn route(page: &mut Page, case: &Case<'_>) {
    page.section("2. Route");
    if let Some(name) = &case.told.described {
        return page.line("metadata", &format!("the request asks what the route {name} is (RFC 9728)"));
    }
    match (&case.told.route, &case.told.rejection) {
        (Some(found), _) => taken(page, case, found),
        (None, Some(Rejection::NoRoute)) => {
            page.line("none", "404 no_route: no route serves this host and path");
            nearest(page, case);
        }
        (None, Some(Rejection::MethodNotAllowed(allowed))) => {
            page.line("none", &format!("405 method_not_allowed: {} is not served; served: {allowed}", case.method));
            same_path(page, case);
        }
        _ => page.line("none", "the request is refused before a route is looked for"),
    }
}

fn taken(page: &mut Page, case: &Case<'_>, found: &ExplainedRoute) {
    let candidates = candidates(case);
    let winner = candidates.iter().find(|candidate| candidate.route.name == found.name);
    if let Some(winner) = winner {
        page.line("route", &winner.name());
        page.line("matched by", &matched_by(&winner.route.pattern, winner.likeness.host, case.method));
    }
    page.line("target", &found.origin);
    page.line("sent there", &format!("{} {}", case.method, plain(&found.path)));
    page.line("identity", &format!("{} (client ID {})", found.identity.name, found.identity.client_id));
    let Some(winner) = winner else { return };
    let mut others: Vec<_> =
        candidates.iter().filter(|other| other.likeness.path && other.route.name != found.name).collect();
    others.sort_by_key(|other| std::cmp::Reverse(other.rank()));
    let reasons = others.iter().map(|other| format!("{}: {}", other.name(), other.lost_to(winner, case.method)));
    print_few(page, "not taken", reasons);
}

/// The routes that a caller may have meant.
fn nearest(page: &mut Page, case: &Case<'_>) {
    let mut candidates = candidates(case);
    let distance = |candidate: &Candidate<'_>| {
        let likeness = candidate.likeness;
        let far = if likeness.path { 0 } else { distance(&candidate.route.pattern, &case.address.target) };
        (far, likeness.host == HostFit::None)
    };
    candidates.sort_by_key(distance);
    print_few(
        page,
        "nearest",
        candidates.iter().map(|candidate| format!("{}: {}", candidate.name(), candidate.misfit())),
    );
}

/// The routes of the path that was found, none of which serves the method.
fn same_path(page: &mut Page, case: &Case<'_>) {
    let candidates = candidates(case);
    let serves = |candidate: &&Candidate<'_>| candidate.likeness.host != HostFit::None && candidate.likeness.path;
    let first = candidates.iter().filter(serves).map(Candidate::rank).max();
    let routes = candidates.iter().filter(serves).filter(|candidate| Some(candidate.rank()) == first);
    print_few(page, "its routes", routes.map(|route| format!("{}: serves {}", route.name(), route.methods())));
}

fn candidates<'a>(case: &Case<'a>) -> Vec<Candidate<'a>> {
    let host = case.address.host.as_ref().and_then(|host| HostName::parse(host.as_bytes()).ok());
    let Ok(target) = RequestTarget::parse(case.address.target.as_bytes()) else { return Vec::new() };
    let candidate = |route: &'a RouteSettings| Candidate {
        likeness: route.pattern.likeness(host.as_ref(), target.key(), case.method),
        route,
    };
    case.routes.iter().map(candidate).collect()
}

fn print_few(page: &mut Page, name: &str, lines: impl Iterator<Item = String>) {
    for (n, line) in lines.take(AT_MOST).enumerate() {
        page.line(if n == 0 { name } else { "" }, &line);
    }
}

impl<'a> Candidate<'a> {
    fn rank(&self) -> Rank<'a> {
        (self.likeness.host, self.route.pattern.path.as_str().len(), self.route.pattern.path.is_exact())
    }

    fn name(&self) -> String {
        format!("{} (line {} of the configuration)", self.route.name, self.route.line)
    }

    fn methods(&self) -> String {
        let methods: Vec<_> = self.route.pattern.methods.iter().map(Method::as_str).collect();
        if methods.is_empty() { "every method".to_owned() } else { methods.join(", ") }
    }

    /// Why a route whose path fits was not taken.
    fn lost_to(&self, winner: &Candidate<'_>, method: &Method) -> String {
        let (own, better) = (&self.route.pattern, &winner.route.pattern);
        match (self.rank(), winner.rank()) {
            ((HostFit::None, ..), _) => format!("other host: serves {}", hosts(own)),
            (own, winner) if own.0 < winner.0 => "its host is less specific".to_owned(),
            (mine, winner) if mine.1 < winner.1 => format!("its path {} is shorter", own.path.as_str()),
            (mine, winner) if mine.2 != winner.2 => "its path is a prefix, and the one taken is exact".to_owned(),
            _ if !self.likeness.method => format!("serves {} only", self.methods()),
            _ if better.methods.contains(method) => format!("serves every method, and the other one names {method}"),
            _ => "not asked first".to_owned(),
        }
    }

    /// Why it does not serve the request.
    fn misfit(&self) -> String {
        let pattern = &self.route.pattern;
        let kind = if pattern.path.is_exact() { "only the path" } else { "the path" };
        let path = format!("serves {kind} {}", pattern.path.as_str());
        match (self.likeness.path, self.likeness.host == HostFit::None) {
            (true, _) => format!("other host: serves {}", hosts(pattern)),
            (false, true) => format!("{path} of {}", hosts(pattern)),
            (false, false) => path,
        }
    }
}

fn matched_by(pattern: &Pattern, host: HostFit<'_>, method: &Method) -> String {
    let host = match host {
        HostFit::Below(_, suffix) => format!("host *.{suffix}"),
        HostFit::Exact(name) => format!("host {name}"),
        HostFit::Every | HostFit::None => "every host".to_owned(),
    };
    let kind = if pattern.path.is_exact() { "exact path" } else { "path prefix" };
    let method = if pattern.methods.is_empty() { "every method".to_owned() } else { format!("method {method}") };
    format!("{host}, {kind} {}, {method}", pattern.path.as_str())
}

fn hosts(pattern: &Pattern) -> String {
    let hosts: Vec<_> = pattern.hosts.iter().map(ToString::to_string).collect();
    if hosts.is_empty() { "every host".to_owned() } else { hosts.join(", ") }
}

/// How much of as many segments as the pattern has would have to be changed.
fn distance(pattern: &Pattern, target: &str) -> usize {
    let own = pattern.path.as_str();
    let path = target.split('?').next().unwrap_or_default();
    let begin: Vec<_> = path.split('/').take(own.split('/').count()).collect();
    1 + strsim::damerau_levenshtein(own, &begin.join("/"))
}

/// As many other routes are told of.
const AT_MOST: usize = 3;
