//! All routes, and how a request finds its own: host first, then the longest path, then the method.

use std::collections::HashMap;

use http::Method;

use super::host::{HostName, HostPattern};
use super::path::{PathError, RequestTarget};
use super::pattern::Pattern;
use super::tree::{MethodTable, PathTree};

/// The routes of a configuration, each with what belongs to it.
///
/// The most specific route wins: an exact host before a `*.suffix` (the longer first) before no host; among these the
/// longest path, an exact one before a prefix; among these the method. A method that the winning path does not serve
/// is refused; it never falls through to a less specific path.
#[derive(Debug)]
pub struct RouteTable<T> {
    routes: Vec<T>,
    /// Which of them take paths with an encoded `/`.
    encoded_slashes: Vec<bool>,
    exact_hosts: HashMap<Box<str>, PathTree>,
    hosts_below: HashMap<Box<str>, PathTree>,
    any_host: PathTree,
}

/// The outcome of a look-up.
#[derive(Debug, PartialEq, Eq)]
pub enum Found<'a, T> {
    /// A route.
    Route(Hit<'a, T>),
    /// The path is served, but not for this method; these are (the value of `Allow`).
    MethodNotAllowed(&'a str),
    /// Nothing is served there.
    Nothing,
}

/// A route that takes a request.
#[derive(Debug, PartialEq, Eq)]
pub struct Hit<'a, T> {
    /// The route.
    pub route: &'a T,
    /// How many bytes of the path's key it covers; the rest is empty or begins with `/`.
    pub covered: usize,
    /// Whether the method had a say: some route of this very path is limited to methods.
    pub by_method: bool,
    position: usize,
}

/// Two routes that ask for the same requests, by their positions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tie {
    /// The route that came first.
    pub first: usize,
    /// The route that repeats it.
    pub second: usize,
}

impl<T> RouteTable<T> {
    /// Builds the table.
    ///
    /// # Errors
    /// Every pair of routes that no request could tell apart.
    pub fn build(routes: impl IntoIterator<Item = (Pattern, T)>) -> Result<Self, Vec<Tie>> {
        let mut table = Self {
            routes: Vec::new(),
            encoded_slashes: Vec::new(),
            exact_hosts: HashMap::new(),
            hosts_below: HashMap::new(),
            any_host: PathTree::new(),
        };
        let mut ties = Vec::new();
        for (second, (pattern, route)) in routes.into_iter().enumerate() {
            ties.extend(table.insert(&pattern, second).into_iter().map(|first| Tie { first, second }));
            table.routes.push(route);
            table.encoded_slashes.push(pattern.encoded_slashes);
        }
        if ties.is_empty() { Ok(table) } else { Err(ties) }
    }

    /// Finds the route of a request, if servers that decode its path further than we do would find the same one.
    ///
    /// # Errors
    /// Where they would not, or where the route does not take an encoded `/` that the path has.
    pub fn find_target(
        &self,
        host: Option<&HostName<'_>>,
        target: &RequestTarget<'_>,
        method: &Method,
    ) -> Result<Found<'_, T>, PathError> {
        let found = self.find(host, target.key(), method);
        let Found::Route(hit) = &found else {
            return if target.has_encoded_slash() { Err(PathError::EncodedSlash) } else { Ok(found) };
        };
        if target.has_encoded_slash() && self.encoded_slashes.get(hit.position) != Some(&true) {
            return Err(PathError::EncodedSlash);
        }
        let leads_here = |key: &String| match self.find(host, key, method) {
            Found::Route(other) => other.position == hit.position,
            Found::MethodNotAllowed(_) | Found::Nothing => false,
        };
        if target.further_keys().iter().all(leads_here) { Ok(found) } else { Err(PathError::OtherReading) }
    }

    /// Finds the route of a path in the form of a key. `host` is `None` for a request without one (HTTP/1.0).
    pub fn find(&self, host: Option<&HostName<'_>>, path: &str, method: &Method) -> Found<'_, T> {
        let Some((methods, covered)) = self.find_path(host, path) else {
            return Found::Nothing;
        };
        match methods.find(method).and_then(|position| Some((position, self.routes.get(position)?))) {
            Some((position, route)) => {
                Found::Route(Hit { route, covered, by_method: !methods.allow().is_empty(), position })
            }
            None => Found::MethodNotAllowed(methods.allow()),
        }
    }

    /// The routes whose own path this is, not one that it lies below, whatever their methods.
    pub fn at(&self, host: Option<&HostName<'_>>, path: &str) -> impl Iterator<Item = &T> {
        let found = self.find_path(host, path).filter(|(_, covered)| *covered == path.len() || path == "/");
        let routes = found.into_iter().flat_map(|(methods, _)| methods.routes());
        routes.filter_map(|route| self.routes.get(route))
    }

    /// All routes, in the order of the file.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.routes.iter()
    }

    fn find_path(&self, host: Option<&HostName<'_>>, path: &str) -> Option<(&MethodTable, usize)> {
        let host = host.map(HostName::as_str).unwrap_or_default();
        let exact = self.exact_hosts.get(host).and_then(|tree| tree.find(path));
        exact.or_else(|| self.find_below(host, path)).or_else(|| self.any_host.find(path))
    }

    fn find_below(&self, host: &str, path: &str) -> Option<(&MethodTable, usize)> {
        if self.hosts_below.is_empty() {
            return None;
        }
        let dots = host.match_indices('.');
        let mut suffixes = dots.filter_map(|(dot, _)| host.get(dot + 1..));
        suffixes.find_map(|suffix| self.hosts_below.get(suffix)?.find(path))
    }

    /// The routes that `pattern` ties with, each once.
    fn insert(&mut self, pattern: &Pattern, route: usize) -> Vec<usize> {
        let (path, exact) = (pattern.path.as_str(), pattern.path.is_exact());
        let mut ties = Vec::new();
        if pattern.hosts.is_empty() {
            ties.extend(self.any_host.insert(path, exact, &pattern.methods, route).err());
        }
        for host in &pattern.hosts {
            let tree = match host {
                HostPattern::Exact(name) => self.exact_hosts.entry(name.clone()),
                HostPattern::Below(suffix) => self.hosts_below.entry(suffix.clone()),
            };
            ties.extend(tree.or_insert_with(PathTree::new).insert(path, exact, &pattern.methods, route).err());
        }
        ties.sort_unstable();
        ties.dedup();
        ties
    }
}

#[cfg(test)]
mod tests {
    use super::super::pattern::RoutePath;
    use super::*;

    fn pattern(hosts: &[&str], path: &str, methods: &[Method]) -> Pattern {
        Pattern {
            hosts: hosts.iter().map(|host| HostPattern::parse(host).unwrap()).collect(),
            path: RoutePath::prefix(path).unwrap(),
            methods: methods.to_vec(),
            encoded_slashes: false,
        }
    }

    fn table(patterns: Vec<Pattern>) -> Result<RouteTable<usize>, Vec<Tie>> {
        RouteTable::build(patterns.into_iter().enumerate().map(|(n, pattern)| (pattern, n)))
    }

    fn find<'a>(table: &'a RouteTable<usize>, host: &str, path: &str, method: &Method) -> Found<'a, usize> {
        table.find(Some(&HostName::parse(host.as_bytes()).unwrap()), path, method)
    }

    fn hit(found: Found<'_, usize>) -> Option<(usize, usize)> {
        if let Found::Route(hit) = found { Some((*hit.route, hit.covered)) } else { None }
    }

    #[test]
    fn a_route_without_methods_beside_one_with_methods_is_found_by_method() {
        let table =
            table(vec![pattern(&[], "/a", &[Method::DELETE]), pattern(&[], "/a", &[]), pattern(&[], "/b", &[])]);
        let table = table.unwrap();
        for (path, by_method) in [("/a", true), ("/b", false)] {
            let Found::Route(hit) = find(&table, "h", path, &Method::POST) else { panic!("{path}") };
            assert_eq!(hit.by_method, by_method, "{path}");
        }
    }

    #[test]
    fn the_host_outranks_the_path_and_the_path_the_method() {
        let table = table(vec![
            pattern(&[], "/a/b/c", &[]),
            pattern(&["*.contoso.com"], "/a/b", &[]),
            pattern(&["*.eu.contoso.com"], "/a", &[]),
            pattern(&["api.eu.contoso.com"], "/a", &[Method::GET]),
            pattern(&["api.eu.contoso.com"], "/a", &[]),
        ])
        .unwrap();
        for (host, path, route, covered) in [
            ("other.org", "/a/b/c", 0, 6),
            ("contoso.com", "/a/b/c", 0, 6),
            ("x.contoso.com", "/a/b/c", 1, 4),
            ("x.eu.contoso.com", "/a/b/c", 2, 2),
            ("y.x.eu.contoso.com", "/a/b/c", 2, 2),
            ("api.eu.contoso.com", "/a/b/c", 3, 2),
        ] {
            assert_eq!(hit(find(&table, host, path, &Method::GET)), Some((route, covered)), "{host}");
        }
        assert_eq!(hit(find(&table, "api.eu.contoso.com", "/a", &Method::POST)), Some((4, 2)));
        assert_eq!(find(&table, "other.org", "/a", &Method::GET), Found::Nothing);
    }

    #[test]
    fn a_method_never_falls_through_to_a_less_specific_path() {
        let table = table(vec![
            pattern(&[], "/", &[]),
            pattern(&[], "/admin", &[Method::GET]),
            pattern(&[], "/admin", &[Method::PUT]),
        ])
        .unwrap();
        assert_eq!(find(&table, "h", "/admin/x", &Method::DELETE), Found::MethodNotAllowed("GET, PUT"));
    }

    #[test]
    fn a_request_without_a_host_takes_routes_without_hosts() {
        let table = table(vec![pattern(&["a"], "/", &[]), pattern(&[], "/b", &[])]).unwrap();
        assert_eq!(hit(table.find(None, "/b", &Method::GET)), Some((1, 2)));
        assert_eq!(table.find(None, "/a", &Method::GET), Found::Nothing);
    }

    #[test]
    fn the_routes_of_a_path_are_those_of_its_most_specific_host_and_all_methods() {
        let table = table(vec![
            pattern(&[], "/a", &[Method::GET]),
            pattern(&[], "/a", &[]),
            pattern(&["x"], "/a", &[Method::POST]),
            pattern(&[], "/", &[]),
        ])
        .unwrap();
        let at = |host: &str, path: &str| -> Vec<usize> {
            table.at(Some(&HostName::parse(host.as_bytes()).unwrap()), path).copied().collect()
        };
        assert_eq!((at("h", "/a"), at("x", "/a"), at("h", "/")), (vec![1, 0], vec![2], vec![3]));
        for below in ["/a/", "/a/b", "/b"] {
            assert_eq!(at("h", below), [0; 0], "{below}");
        }
    }

    #[test]
    fn every_reading_of_a_path_leads_to_the_same_route() {
        let slashes = |path: &str, encoded_slashes| Pattern { encoded_slashes, ..pattern(&[], path, &[]) };
        let table =
            table(vec![slashes("/files", true), slashes("/files/admin", true), slashes("/other", false)]).unwrap();
        let find = |raw: &str| {
            let target = RequestTarget::parse(raw.as_bytes()).unwrap();
            table.find_target(None, &target, &Method::GET).map(|found| hit(found).map(|(route, _)| route))
        };
        for (raw, route) in [
            ("/files/a%2Fb", Some(0)),
            ("/files/a%2fb/c%2Fd", Some(0)),
            ("/files/adm%2Fin", Some(0)),
            ("/files/x%2Fadmin", Some(0)),
            ("/files/admin/a%2Fb", Some(1)),
            ("/files/x%253Ay", Some(0)),
            ("/files/what%3F", Some(0)),
            ("/files/100%25", Some(0)),
            ("/none/x%253Ay", None),
        ] {
            assert_eq!(find(raw), Ok(route), "{raw}");
        }
        for raw in ["/files/admin%2Fx", "/files/%2561dmin", "/files/admin%3Fx", "/files/admin%23"] {
            assert_eq!(find(raw), Err(PathError::OtherReading), "{raw}");
        }
        for raw in ["/files%2Fa", "/other/a%2Fb", "/none/a%2Fb", "/a%2Fb"] {
            assert_eq!(find(raw), Err(PathError::EncodedSlash), "{raw}");
        }
    }

    #[test]
    fn ties_are_reported_all_at_once() {
        let ties = table(vec![
            pattern(&[], "/a", &[]),
            pattern(&["x", "y"], "/a", &[Method::GET]),
            pattern(&[], "/a", &[]),
            pattern(&["y", "x"], "/a", &[Method::PUT, Method::GET]),
            pattern(&["z"], "/a", &[Method::GET]),
        ])
        .unwrap_err();
        assert_eq!(ties, [Tie { first: 0, second: 2 }, Tie { first: 1, second: 3 }]);
    }
}
