//! Where the metadata of routes are: under a well-known path that is put before their own (RFC 9728 section 3.1).

use super::encoding::url_path;
use super::pattern::{Pattern, RoutePath};

/// The path whose metadata a request for `path` asks for, if it asks for metadata.
///
/// Only a route's own path has some: RFC 9728 section 3.3 has clients discard a document whose `resource` is not what
/// its address was made from, so that the document of a route could not be used under the address of a deeper path.
pub fn described_path(path: &str) -> Option<&str> {
    match path.strip_prefix(WELL_KNOWN)? {
        "" => Some("/"),
        described => described.starts_with('/').then_some(described),
    }
}

impl RoutePath {
    /// Where its metadata are, as a URL has it.
    pub fn metadata_path(&self) -> String {
        let path = if self.as_str() == "/" { "" } else { self.as_str() };
        format!("{WELL_KNOWN}{}", url_path(path))
    }

    fn covers(&self, path: &str) -> bool {
        let rest = path.strip_prefix(self.as_str());
        rest.is_some_and(|rest| rest.is_empty() || !self.is_exact() && (rest.starts_with('/') || self.as_str() == "/"))
    }
}

impl Pattern {
    /// Whether it asks for the requests for the metadata of a route with the pattern `other`, and for no other reason
    /// than that these are where they are: a route for everything asks for the requests of both.
    pub fn takes_metadata_of(&self, other: &Self) -> bool {
        let path = other.path.as_str();
        let address = format!("{WELL_KNOWN}{path}");
        let takes = self.path.covers(&address) || path == "/" && self.path.covers(WELL_KNOWN);
        takes && !self.path.covers(path) && self.shares_host_with(other)
    }

    /// Whether it asks for the very path of `other`, but leaves to it what is below: metadata at that path would have
    /// to speak for both.
    pub fn splits_path_of(&self, other: &Self) -> bool {
        let same_path = self.path.as_str() == other.path.as_str();
        same_path && self.path.is_exact() && !other.path.is_exact() && self.shares_host_with(other)
    }

    /// Whether it asks for the same path of the same host as `other`, so that only methods can tell them apart.
    pub fn shares_path_with(&self, other: &Self) -> bool {
        let same_host = self.hosts.iter().any(|host| other.hosts.contains(host));
        self.path == other.path && (same_host || self.hosts.is_empty() && other.hosts.is_empty())
    }

    fn shares_host_with(&self, other: &Self) -> bool {
        let any = self.hosts.is_empty() || other.hosts.is_empty();
        any || self.hosts.iter().any(|host| other.hosts.iter().any(|other| host.overlaps(other)))
    }
}

const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

#[cfg(test)]
mod tests {
    use super::super::{HostPattern, RequestTarget};
    use super::*;

    fn pattern(hosts: &[&str], path: RoutePath) -> Pattern {
        Pattern {
            hosts: hosts.iter().map(|host| HostPattern::parse(host).unwrap()).collect(),
            path,
            methods: Vec::new(),
            encoded_slashes: false,
        }
    }

    fn prefix(path: &str) -> RoutePath {
        RoutePath::prefix(path).unwrap()
    }

    fn exact(path: &str) -> RoutePath {
        RoutePath::exact(path).unwrap()
    }

    #[test]
    fn what_is_described_follows_the_well_known_path() {
        for (path, described) in [
            ("/.well-known/oauth-protected-resource", Some("/")),
            ("/.well-known/oauth-protected-resource/", Some("/")),
            ("/.well-known/oauth-protected-resource/a/b", Some("/a/b")),
            ("/.well-known/oauth-protected-resources", None),
            ("/.well-known/oauth-protected", None),
            ("/a/.well-known/oauth-protected-resource", None),
        ] {
            assert_eq!(described_path(path), described, "{path}");
        }
    }

    #[test]
    fn an_address_leads_to_its_route_and_fits_a_quoted_parameter() {
        for path in
            ["/", "/a", "/a/", "/a%20b", "/a,b", "/a%2Cb", "/a:b@c", "/%22%5B", "/caf%C3%A9", "/100%25", "/a|b^"]
        {
            let route = exact(path);
            let address = route.metadata_path();
            assert!(!address.contains(['"', '\\', ',', ' ', ';', '?', '#']), "{address}");
            let target = RequestTarget::parse(address.as_bytes()).unwrap();
            assert_eq!(described_path(target.key()), Some(route.as_str()), "{address}");
        }
    }

    #[test]
    fn a_route_below_the_well_known_path_takes_metadata_and_one_for_everything_does_not() {
        let described = pattern(&["*.example"], prefix("/a"));
        let well_known = |path: &str| format!("{WELL_KNOWN}{path}");
        for (taker, expected) in [
            (pattern(&[], prefix("/.well-known")), true),
            (pattern(&["x.example"], prefix(WELL_KNOWN)), true),
            (pattern(&[], exact(&well_known("/a"))), true),
            (pattern(&[], prefix(&well_known("/a"))), true),
            (pattern(&["example"], prefix("/.well-known")), false),
            (pattern(&[], exact(WELL_KNOWN)), false),
            (pattern(&[], prefix(&well_known("/a/b"))), false),
            (pattern(&[], prefix("/")), false),
            (pattern(&[], prefix("/a")), false),
        ] {
            assert_eq!(taker.takes_metadata_of(&described), expected, "{taker:?}");
        }
    }

    #[test]
    fn the_metadata_of_the_root_are_at_two_addresses() {
        let root = pattern(&[], prefix("/"));
        for taker in [exact(WELL_KNOWN), exact(&format!("{WELL_KNOWN}/")), prefix(WELL_KNOWN)] {
            assert!(pattern(&[], taker.clone()).takes_metadata_of(&root), "{taker:?}");
        }
        assert!(!root.takes_metadata_of(&root));
    }

    #[test]
    fn an_exact_route_splits_a_prefix_of_the_same_path() {
        let whole = pattern(&[], prefix("/a"));
        assert!(pattern(&["x"], exact("/a")).splits_path_of(&whole));
        assert!(!pattern(&[], exact("/a/b")).splits_path_of(&whole));
        assert!(!pattern(&["x"], prefix("/a")).splits_path_of(&whole));
        assert!(!whole.splits_path_of(&pattern(&[], exact("/a"))));
    }

    #[test]
    fn routes_share_a_path_on_a_host_that_both_name() {
        let shares =
            |one: &[&str], other: &[&str]| pattern(one, prefix("/a")).shares_path_with(&pattern(other, prefix("/a")));
        assert!(shares(&[], &[]) && shares(&["x", "y"], &["y"]));
        assert!(!shares(&["x"], &[]) && !shares(&["x.y"], &["*.y"]));
        assert!(!pattern(&[], prefix("/a")).shares_path_with(&pattern(&[], exact("/a"))));
    }
}
