//! A radix tree of route paths: one walk over the request's path finds the longest one that covers it.

use http::Method;

/// The routes of one host, by path.
#[derive(Debug)]
pub(super) struct PathTree {
    root: Node,
}

/// Where several routes share a path, their methods tell them apart.
#[derive(Debug, Default)]
pub(super) struct MethodTable {
    any: Option<usize>,
    named: Vec<(Method, usize)>,
    allow: String,
}

#[derive(Debug, Default)]
struct Node {
    /// The bytes between the parent and this node.
    label: Vec<u8>,
    /// In the order of the first byte of their labels, which are all different.
    children: Vec<Node>,
    exact: Option<MethodTable>,
    below: Option<MethodTable>,
}

impl PathTree {
    pub(super) fn new() -> Self {
        Self { root: Node::default() }
    }

    /// Adds a route; `Err` carries the route that is already there for the same path and method.
    pub(super) fn insert(&mut self, path: &str, exact: bool, methods: &[Method], route: usize) -> Result<(), usize> {
        let node = self.root.descend(path.as_bytes());
        let slot = if exact { &mut node.exact } else { &mut node.below };
        slot.get_or_insert_default().insert(methods, route)
    }

    /// The most specific entry that covers `path`, and how many bytes of `path` it covers.
    pub(super) fn find(&self, path: &str) -> Option<(&MethodTable, usize)> {
        let path = path.as_bytes();
        let mut best = None;
        let mut node = &self.root;
        let mut at = 0;
        loop {
            if let Some(table) = node.below.as_ref() {
                best = covered(path, at).map(|length| (table, length)).or(best);
            }
            let rest = path.get(at..).unwrap_or_default();
            let Some(first) = rest.first() else {
                return node.exact.as_ref().map(|table| (table, at)).or(best);
            };
            let Some(child) = node.child(*first) else { return best };
            if !rest.starts_with(&child.label) {
                return best;
            }
            at += child.label.len();
            node = child;
        }
    }
}

/// A prefix that ends at `at` covers the path only on a segment boundary. The root `/` covers zero bytes, so that
/// what remains always begins with a slash.
fn covered(path: &[u8], at: usize) -> Option<usize> {
    if at == 1 {
        return Some(0);
    }
    matches!(path.get(at), None | Some(b'/')).then_some(at)
}

impl MethodTable {
    /// The route for this method.
    pub(super) fn find(&self, method: &Method) -> Option<usize> {
        self.named.iter().find(|(named, _)| named == method).map(|(_, route)| *route).or(self.any)
    }

    /// All its routes; one that serves several methods once for each.
    pub(super) fn routes(&self) -> impl Iterator<Item = usize> {
        self.any.into_iter().chain(self.named.iter().map(|(_, route)| *route))
    }

    /// The value of an `Allow` header.
    pub(super) fn allow(&self) -> &str {
        &self.allow
    }

    fn insert(&mut self, methods: &[Method], route: usize) -> Result<(), usize> {
        if methods.is_empty() {
            return match self.any.replace(route) {
                Some(other) => Err(other),
                None => Ok(()),
            };
        }
        for method in methods {
            if let Some((_, other)) = self.named.iter().find(|(named, _)| named == method) {
                return Err(*other);
            }
            self.named.push((method.clone(), route));
        }
        self.allow = self.named.iter().map(|(method, _)| method.as_str()).collect::<Vec<_>>().join(", ");
        Ok(())
    }
}

impl Node {
    fn child(&self, first: u8) -> Option<&Node> {
        let at = self.children.binary_search_by_key(&Some(&first), |child| child.label.first()).ok()?;
        self.children.get(at)
    }

    /// The node at the end of `path`, made where it is missing.
    fn descend(&mut self, path: &[u8]) -> &mut Node {
        if path.is_empty() {
            return self;
        }
        let at = match self.children.binary_search_by_key(&path.first(), |child| child.label.first()) {
            Ok(at) => at,
            Err(at) => {
                self.children.insert(at, Node { label: path.to_vec(), ..Node::default() });
                at
            }
        };
        #[expect(clippy::indexing_slicing, reason = "the search above found or made the child at this index")]
        let child = &mut self.children[at];
        let shared = path.iter().zip(&child.label).take_while(|(a, b)| a == b).count();
        if shared < child.label.len() {
            child.split_at(shared);
        }
        child.descend(path.get(shared..).unwrap_or_default())
    }

    /// Puts a node between this one's parent and this one.
    fn split_at(&mut self, shared: usize) {
        let tail = self.label.split_off(shared);
        let head = std::mem::take(&mut self.label);
        let below = std::mem::replace(self, Node { label: head, ..Node::default() });
        self.children.push(Node { label: tail, ..below });
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tree(paths: &[(&str, bool)]) -> PathTree {
        let mut tree = PathTree::new();
        for (route, (path, exact)) in paths.iter().enumerate() {
            tree.insert(path, *exact, &[], route).unwrap();
        }
        tree
    }

    fn find(tree: &PathTree, path: &str) -> Option<(usize, usize)> {
        tree.find(path).and_then(|(table, length)| Some((table.find(&Method::GET)?, length)))
    }

    #[test]
    fn prefixes_match_on_segment_boundaries_and_the_longest_wins() {
        let tree = tree(&[("/", false), ("/graph", false), ("/graph/beta", false), ("/gra", false), ("/x", true)]);
        for (path, expected) in [
            ("/", (0, 0)),
            ("/other", (0, 0)),
            ("/grap", (0, 0)),
            ("/graphs", (0, 0)),
            ("/gra/ph", (3, 4)),
            ("/graph", (1, 6)),
            ("/graph/", (1, 6)),
            ("/graph/betamax", (1, 6)),
            ("/graph/beta/me", (2, 11)),
            ("/x", (4, 2)),
            ("/x/", (0, 0)),
            ("/xy", (0, 0)),
        ] {
            assert_eq!(find(&tree, path), Some(expected), "{path}");
        }
    }

    #[test]
    fn an_exact_path_is_more_specific_than_the_same_prefix() {
        let tree = tree(&[("/graph", false), ("/graph", true), ("/", true)]);
        assert_eq!(find(&tree, "/graph"), Some((1, 6)));
        assert_eq!(find(&tree, "/graph/"), Some((0, 6)));
        assert_eq!(find(&tree, "/"), Some((2, 1)));
        assert_eq!(find(&tree, "/a"), None);
    }

    #[test]
    fn methods_tell_routes_with_one_path_apart() {
        let mut tree = PathTree::new();
        tree.insert("/a", false, &[Method::GET, Method::HEAD], 0).unwrap();
        tree.insert("/a", false, &[Method::POST], 1).unwrap();
        assert_eq!(tree.insert("/a", false, &[Method::PUT, Method::POST], 2), Err(1));
        let (table, _) = tree.find("/a/b").unwrap();
        assert_eq!((table.find(&Method::POST), table.find(&Method::DELETE)), (Some(1), None));
    }

    /// What the tree must compute, as a scan.
    fn by_scan(paths: &[(String, bool)], path: &str) -> Option<usize> {
        let covers = |route: &str| route == "/" || path == route || path.starts_with(&format!("{route}/"));
        (0..paths.len())
            .filter(|&n| if paths[n].1 { paths[n].0 == path } else { covers(&paths[n].0) })
            .max_by_key(|&n| (paths[n].0.len(), paths[n].1))
    }

    proptest! {
        #[test]
        fn agrees_with_a_scan(
            paths in proptest::collection::btree_set(("(/[ab]{1,3}){1,3}|/", any::<bool>()), 0..12),
            path in "(/[ab]{1,3}){1,4}/?|/",
        ) {
            let paths: Vec<_> = paths.into_iter().collect();
            let borrowed: Vec<_> = paths.iter().map(|(path, exact)| (path.as_str(), *exact)).collect();
            let found = find(&tree(&borrowed), &path).map(|(route, _)| route);
            prop_assert_eq!(found, by_scan(&paths, &path));
        }
    }
}
