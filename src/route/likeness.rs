//! How the pattern of one route stands to a request: for people who ask why that route takes it, or why not.
//!
//! Requests are routed by the [`RouteTable`](super::RouteTable); a test holds this against it.

use http::Method;

use super::host::{HostName, HostPattern};
use super::pattern::Pattern;

/// What of a request a pattern fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Likeness<'a> {
    /// Whether it serves the host.
    pub host: HostFit<'a>,
    /// Whether its path covers the request's.
    pub path: bool,
    /// Whether it serves the method.
    pub method: bool,
}

/// By what a pattern serves a host. Of two that do, the greater one is asked first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum HostFit<'a> {
    /// It does not.
    None,
    /// It serves every host.
    Every,
    /// By `*.suffix`: the length of the suffix, and the suffix.
    Below(usize, &'a str),
    /// By its name.
    Exact(&'a str),
}

impl Likeness<'_> {
    /// Whether the pattern could take the request.
    pub fn fits(&self) -> bool {
        self.host != HostFit::None && self.path && self.method
    }
}

impl Pattern {
    /// How this pattern stands to a request for `path`, in the form in which routes are found by it.
    pub fn likeness(&self, host: Option<&HostName<'_>>, path: &str, method: &Method) -> Likeness<'_> {
        Likeness {
            host: self.host_fit(host.map(HostName::as_str).unwrap_or_default()),
            path: self.covers(path),
            method: self.methods.is_empty() || self.methods.contains(method),
        }
    }

    fn host_fit(&self, host: &str) -> HostFit<'_> {
        if self.hosts.is_empty() {
            return HostFit::Every;
        }
        self.hosts.iter().map(|pattern| fit(pattern, host)).max().unwrap_or(HostFit::None)
    }

    fn covers(&self, path: &str) -> bool {
        let own = self.path.as_str();
        if own == path {
            return true;
        }
        !self.path.is_exact() && (own == "/" || path.strip_prefix(own).is_some_and(|rest| rest.starts_with('/')))
    }
}

fn fit<'a>(pattern: &'a HostPattern, host: &str) -> HostFit<'a> {
    match pattern {
        HostPattern::Exact(name) if **name == *host => HostFit::Exact(name),
        HostPattern::Below(suffix) if host.strip_suffix(&**suffix).is_some_and(|rest| rest.ends_with('.')) => {
            HostFit::Below(suffix.len(), suffix)
        }
        _ => HostFit::None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::pattern::RoutePath;
    use super::super::table::{Found, RouteTable};
    use super::*;

    fn pattern(host: &str, path: &str, exact: bool, method: Option<Method>) -> Pattern {
        let path = if exact { RoutePath::exact(path) } else { RoutePath::prefix(path) };
        let hosts = Some(host).filter(|host| !host.is_empty()).map(|host| HostPattern::parse(host).unwrap());
        Pattern {
            hosts: hosts.into_iter().collect(),
            path: path.unwrap(),
            methods: method.into_iter().collect(),
            encoded_slashes: false,
        }
    }

    #[test]
    fn a_pattern_serves_a_host_by_the_most_specific_of_its_hosts() {
        let hosts = ["*.contoso.com", "*.eu.contoso.com", "api.eu.contoso.com"];
        let hosts = hosts.map(|host| HostPattern::parse(host).unwrap()).to_vec();
        let pattern = Pattern { hosts, ..pattern("", "/", false, None) };
        for (host, expected) in [
            ("api.eu.contoso.com", HostFit::Exact("api.eu.contoso.com")),
            ("x.eu.contoso.com", HostFit::Below(14, "eu.contoso.com")),
            ("x.contoso.com", HostFit::Below(11, "contoso.com")),
            ("contoso.com", HostFit::None),
            ("xcontoso.com", HostFit::None),
        ] {
            let name = HostName::parse(host.as_bytes()).unwrap();
            assert_eq!(pattern.likeness(Some(&name), "/", &Method::GET).host, expected, "{host}");
        }
        assert_eq!(pattern.likeness(None, "/", &Method::GET).host, HostFit::None);
    }

    fn any_pattern() -> impl Strategy<Value = Pattern> {
        let host = prop_oneof![Just(""), Just("*.c"), Just("*.b.c"), Just("a.b.c"), Just("c")];
        let method = prop_oneof![Just(None), Just(Some(Method::GET)), Just(Some(Method::PUT))];
        (host, "(/[ab]{1,2}){1,3}|/", any::<bool>(), method)
            .prop_map(|(host, path, exact, method)| pattern(host, &path, exact, method))
    }

    proptest! {
        /// The route that the table finds is the first of those that fit host and path, and it fits the method.
        #[test]
        fn agrees_with_the_table(
            patterns in proptest::collection::vec(any_pattern(), 0..8),
            host in prop_oneof![Just("a.b.c"), Just("x.b.c"), Just("x.c"), Just("c"), Just("d")],
            path in "(/[ab]{1,2}){1,4}/?|/",
        ) {
            let name = HostName::parse(host.as_bytes()).unwrap();
            let numbered = patterns.iter().cloned().enumerate().map(|(n, pattern)| (pattern, n));
            let Ok(table) = RouteTable::build(numbered) else { return Ok(()) };
            let likeness = |n: usize| patterns[n].likeness(Some(&name), &path, &Method::GET);
            let rank = |n: usize| (likeness(n).host, patterns[n].path.as_str().len(), patterns[n].path.is_exact());
            let served: Vec<_> =
                (0..patterns.len()).filter(|&n| likeness(n).host != HostFit::None && likeness(n).path).collect();
            match table.find(Some(&name), &path, &Method::GET) {
                Found::Route(hit) => {
                    prop_assert!(likeness(*hit.route).fits());
                    prop_assert!(served.iter().all(|&n| rank(n) <= rank(*hit.route)));
                }
                Found::MethodNotAllowed(_) => {
                    let first = served.iter().map(|&n| rank(n)).max();
                    prop_assert!(served.iter().filter(|&&n| Some(rank(n)) == first).all(|&n| !likeness(n).method));
                }
                Found::Nothing => prop_assert!(served.is_empty()),
            }
        }
    }
}
