//! What must hold for any request target: see `fuzzing`.

use std::sync::LazyLock;

use http::Method;

use super::encoding::{hex_byte, match_key};
use super::readings::check_containment;
use super::{Found, Pattern, RequestTarget, RoutePath, RouteTable};

/// Whatever is accepted has one reading: that of the strictest server, which takes it as it stands, and that of the
/// laxest one, which repairs and decodes whatever can be.
pub(crate) fn check(raw: &[u8]) {
    let Ok(target) = RequestTarget::parse(raw) else { return };
    let raw = std::str::from_utf8(raw).unwrap_or_default();
    check_unchanged(raw, &target);
    check_segments(target.path());
    check_route(&target);
    let outcome = check_containment(&ROUTES, None, raw.as_bytes(), &Method::GET);
    assert!(outcome.is_ok(), "{outcome:?}");
}

/// What is forwarded is what came, but for the case of hexadecimal digits; and it is accepted again as it is.
fn check_unchanged(raw: &str, target: &RequestTarget<'_>) {
    let (path, query) = raw.split_once('?').map_or((raw, None), |(path, query)| (path, Some(query)));
    assert_eq!(target.query(), query, "the query is as it came");
    assert!(target.path().eq_ignore_ascii_case(path), "the path is as it came");
    let mut digits = 0;
    for (before, after) in path.bytes().zip(target.path().bytes()) {
        assert!(before == after || digits > 0, "only encodings are written anew");
        digits = if after == b'%' { 2_u8 } else { digits.saturating_sub(1) };
    }
    let again = RequestTarget::parse(target.path().as_bytes());
    let again = again.unwrap_or_else(|error| unreachable!("what is forwarded is refused: {error:?}"));
    assert_eq!((again.path(), again.key()), (target.path(), target.key()), "canonical is final");
}

/// Segments stay where they are, whoever reads them.
fn check_segments(path: &str) {
    assert!(path.starts_with('/') && path.bytes().all(|byte| byte.is_ascii_graphic()), "a plain path");
    // An encoded slash is part of its segment, and one more for whoever decodes it.
    let path = &path.replace("%2F", "/");
    let strict: Vec<_> = path.split('/').skip(1).collect();
    let lax = laxest(path);
    let last_is_empty = strict.last().is_some_and(|last| last.is_empty());
    assert_eq!(lax.len() + usize::from(last_is_empty), strict.len(), "segments of {path} as {lax:?}");
}

/// The route is that of the path as a server sees it that decodes once, and the forwarded path lies below its target.
fn check_route(target: &RequestTarget<'_>) {
    let Found::Route(hit) = ROUTES.find(None, target.key(), &Method::GET) else {
        unreachable!("everything is served by some route")
    };
    let segments: Vec<_> = target.path().split('/').skip(1).map(decoded).collect();
    let naive = PATHS.iter().filter(|path| is_below(&segments, path)).max_by_key(|path| path.len());
    assert_eq!(Some(hit.route), naive, "the route of {}", target.path());
    let covered = if *hit.route == "/" { 0 } else { hit.covered };
    let rest = target.rest(covered);
    assert!(rest.is_empty() || rest.starts_with('/'), "the rest begins with a segment");
    let prefix = target.path().strip_suffix(rest).unwrap_or_else(|| unreachable!("the rest is the end of the path"));
    assert_eq!(match_key(prefix), target.key().get(..covered).unwrap_or_default(), "the prefix is what was matched");
    let forwarded = laxest(&format!("/base/v1{rest}"));
    assert!(forwarded.starts_with(&[b"base".to_vec(), b"v1".to_vec()]), "forwarded outside of the target: {rest}");
}

fn is_below(segments: &[Vec<u8>], path: &str) -> bool {
    path == "/" || path.split('/').skip(1).zip(segments).filter(|(a, b)| a.as_bytes() == *b).count() == depth(path)
}

fn depth(path: &str) -> usize {
    path.split('/').skip(1).count()
}

/// The path as the laxest server reads it: it decodes until nothing is left to decode, takes `\` for `/`, ends at NUL,
/// cuts parameters off, skips empty segments, and walks dots.
fn laxest(path: &str) -> Vec<Vec<u8>> {
    let mut bytes = path.as_bytes().to_vec();
    loop {
        let next = decoded_bytes(&bytes);
        if next == bytes {
            break;
        }
        bytes = next;
    }
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    let mut walked: Vec<Vec<u8>> = Vec::new();
    for segment in bytes.get(..end).unwrap_or_default().split(|byte| matches!(byte, b'/' | b'\\')) {
        let segment = segment.split(|byte| *byte == b';').next().unwrap_or_default();
        match segment {
            b"" | b"." => {}
            b".." => drop(walked.pop()),
            name => walked.push(name.to_vec()),
        }
    }
    walked
}

fn decoded(segment: &str) -> Vec<u8> {
    decoded_bytes(segment.as_bytes())
}

fn decoded_bytes(bytes: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((first, tail)) = rest.split_first() {
        let encoded = tail.first_chunk::<2>().filter(|_| *first == b'%').and_then(|digits| hex_byte(*digits));
        decoded.push(encoded.unwrap_or(*first));
        rest = if encoded.is_some() { tail.get(2..).unwrap_or_default() } else { tail };
    }
    decoded
}

const PATHS: [&str; 6] = ["/", "/graph", "/graph/me", "/graph/admin:x", "/admin", "/a b"];

static ROUTES: LazyLock<RouteTable<&str>> = LazyLock::new(|| {
    let pattern = |path: &str| Pattern {
        hosts: Vec::new(),
        path: RoutePath::prefix(&path.replace(' ', "%20")).unwrap_or_else(|error| unreachable!("{path}: {error:?}")),
        methods: Vec::new(),
        encoded_slashes: path.starts_with("/graph"),
    };
    let routes = PATHS.iter().map(|path| (pattern(path), *path));
    RouteTable::build(routes).unwrap_or_else(|ties| unreachable!("{ties:?}"))
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_laxest_server_is_lax() {
        for path in ["/a/b/..", "/a/%252e/%2e%2e/a", "//a\\b/../", "/a;x/b;y/..;z/%2F", "/a%00/b"] {
            assert_eq!(laxest(path), [b"a".to_vec()], "{path}");
        }
    }
}
