//! How servers read paths, from the strictest to the laxest, and the property that the proxy keeps whatever they do: no
//! request leaves whose path one of them would take for something outside of the route that took the request.

use http::Method;

use super::encoding::decoded_key;
use super::{Found, HostName, RequestTarget, RouteTable, forwarded_path};

/// A request that a server would take to another place than the one it was admitted to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Escape {
    /// The path and query that would have left.
    pub(super) forwarded: String,
    /// What a server reads that escapes.
    pub(super) reading: String,
}

/// The way in which a server reads a path. The default is the strictest: byte by byte.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a habit of some server, and all combinations occur")]
struct Habits {
    /// How many times it decodes percent-encodings, `%uXXXX` and overlong UTF-8 included.
    decodings: usize,
    /// It takes `\` for `/`.
    backslashes: bool,
    /// It drops `;` and what follows in each segment.
    parameters: bool,
    /// It looks for a query, a fragment and a terminating NUL only once it has decoded.
    ends_late: bool,
    /// It makes one of several slashes, and resolves dot segments.
    tidies: bool,
}

impl Habits {
    /// All that are told apart here.
    fn all() -> impl Iterator<Item = Self> {
        (0..=MAX_DECODINGS).flat_map(|decodings| (0..16u8).map(move |bits| Self::of(decodings, bits)))
    }

    fn of(decodings: usize, bits: u8) -> Self {
        let has = |bit: u8| bits & bit != 0;
        Self { decodings, backslashes: has(1), parameters: has(2), ends_late: has(4), tidies: has(8) }
    }

    /// The path that such a server works with, of a request target.
    fn read(self, target: &str) -> Vec<u8> {
        let path = target.split(['?', '#']).next().unwrap_or_default();
        let mut path = (0..self.decodings).fold(path.as_bytes().to_vec(), |path, _| decoded(&path));
        if self.ends_late {
            path.truncate(path.iter().position(|byte| matches!(byte, b'?' | b'#' | 0)).unwrap_or(path.len()));
        }
        if self.backslashes {
            path.iter_mut().filter(|byte| **byte == b'\\').for_each(|byte| *byte = b'/');
        }
        if self.parameters {
            let segments = path.split(|byte| *byte == b'/');
            let bare = segments.map(|segment| segment.split(|byte| *byte == b';').next().unwrap_or_default());
            path = bare.collect::<Vec<_>>().join(&b'/');
        }
        if self.tidies { tidied(&path) } else { path }
    }
}

/// Makes sure that a request which is admitted to one of `routes`, each with the path of its target, stays there as every
/// server reads it: the forwarded path is below that of the target, and the request's own path leads to that route.
/// Returns what is forwarded; nothing where the request is refused.
///
/// # Errors
/// The first reading that escapes.
pub(super) fn check_containment<T: AsRef<str>>(
    routes: &RouteTable<T>,
    host: Option<&HostName<'_>>,
    raw: &[u8],
    method: &Method,
) -> Result<Option<String>, Escape> {
    let Ok(target) = RequestTarget::parse(raw) else { return Ok(None) };
    let Ok(Found::Route(hit)) = routes.find_target(host, &target, method) else { return Ok(None) };
    let forwarded = forwarded_path(hit.route.as_ref(), target.rest(hit.covered), target.query());
    for habits in Habits::all() {
        let escape = |reading: &[u8]| Escape {
            forwarded: forwarded.clone(),
            reading: format!("{} by {habits:?}", reading.escape_ascii()),
        };
        let (reading, base) = (habits.read(&forwarded), habits.read(hit.route.as_ref()));
        if !is_below(&reading, &base) {
            return Err(escape(&reading));
        }
        let asked = habits.read(target.path());
        let key = decoded_key(&asked);
        let found = routes.find(host, &key, method);
        // Whoever decodes nothing cannot know our routes, which are found by what is decoded.
        let same =
            habits.decodings == 0 || matches!(found, Found::Route(other) if std::ptr::eq(other.route, hit.route));
        if !same {
            return Err(escape(&asked));
        }
    }
    Ok(Some(forwarded))
}

fn is_below(path: &[u8], base: &[u8]) -> bool {
    let base = base.strip_suffix(b"/").unwrap_or(base);
    path.strip_prefix(base).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
}

/// One slash in place of several, and no dot segments.
fn tidied(path: &[u8]) -> Vec<u8> {
    let mut kept: Vec<&[u8]> = Vec::new();
    for segment in path.split(|byte| *byte == b'/') {
        match segment {
            b"" | b"." => {}
            b".." => drop(kept.pop()),
            segment => kept.push(segment),
        }
    }
    let end = if path.ends_with(b"/") && !kept.is_empty() { &b"/"[..] } else { b"" };
    [b"/", &*kept.join(&b'/'), end].concat()
}

/// Percent-encodings as a lax server decodes them: malformed ones stay, overlong UTF-8 is what it stands for.
fn decoded(path: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some((first, tail)) = rest.split_first() {
        let step = if *first == b'%' { encoded_character(tail) } else { None };
        let (bytes, length) = step.unwrap_or((vec![*first], 0));
        decoded.extend(bytes);
        rest = tail.get(length..).unwrap_or_default();
    }
    without_overlong(&decoded)
}

/// What follows a `%`: the bytes it stands for, and how many bytes encode them.
fn encoded_character(tail: &[u8]) -> Option<(Vec<u8>, usize)> {
    let number = |digits: Option<&[u8]>| u32::from_str_radix(std::str::from_utf8(digits?).ok()?, 16).ok();
    let is_plain = |digits: &[u8]| digits.iter().all(u8::is_ascii_hexdigit);
    if matches!(tail.first(), Some(b'u' | b'U')) {
        let character = char::from_u32(number(tail.get(1..5).filter(|digits| is_plain(digits)))?)?;
        return Some((character.to_string().into_bytes(), 5));
    }
    let byte = number(tail.get(..2).filter(|digits| is_plain(digits)))?;
    Some((vec![u8::try_from(byte).ok()?], 2))
}

/// ASCII in two to four bytes, as decoders without a check take it.
fn without_overlong(bytes: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((first, tail)) = rest.split_first() {
        let (byte, length) = match rest {
            [0xc0 | 0xc1, low @ 0x80..=0xbf, ..] => ((*first & 1) << 6 | (low & 0x3f), 1),
            [0xe0, high @ 0x80..=0x81, low @ 0x80..=0xbf, ..] => ((high & 1) << 6 | (low & 0x3f), 2),
            [0xf0, 0x80, high @ 0x80..=0x81, low @ 0x80..=0xbf, ..] => ((high & 1) << 6 | (low & 0x3f), 3),
            _ => (*first, 0),
        };
        plain.push(byte);
        rest = tail.get(length..).unwrap_or_default();
    }
    plain
}

/// All paths that servers make of a request target.
#[cfg(test)]
fn readings(target: &str) -> Vec<Vec<u8>> {
    Habits::all().map(|habits| habits.read(target)).collect()
}

/// More than any server is known to do.
const MAX_DECODINGS: usize = 5;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Pattern, RoutePath};
    use super::*;

    #[test]
    fn servers_read_what_they_are_known_to_read() {
        for (target, reading) in [
            ("/a/..%2fadmin", "/admin"),
            ("/a/%252e%252e/admin", "/admin"),
            ("/a/%u002e%u002e/admin", "/admin"),
            ("/a/%c0%ae%c0%ae%c0%afadmin", "/admin"),
            ("/a/%e0%80%ae./admin", "/admin"),
            ("/a/..;x/admin", "/admin"),
            ("/a\\..\\admin", "/admin"),
            ("/a//..//admin", "/admin"),
            ("/admin%00.html", "/admin"),
            ("/admin%3Fx", "/admin"),
            ("/%2561dmin", "/admin"),
            ("/a/../admin", "/a/../admin"),
            ("/admin?x", "/admin"),
        ] {
            assert!(readings(target).contains(&reading.as_bytes().to_vec()), "{target}");
        }
    }

    fn any_route() -> impl Strategy<Value = (Pattern, Box<str>)> {
        let segment =
            prop_oneof![Just("/a"), Just("/b"), Just("/admin"), Just("/it:em"), Just("/caf%C3%A9"), Just("/a%20b")];
        let path = proptest::collection::vec(segment, 0..3).prop_map(|segments| segments.concat());
        let base = prop_oneof![Just("/"), Just("/base"), Just("/base/"), Just("/b/c")];
        (path, base, any::<bool>(), any::<bool>()).prop_map(
            |(path, base, exact, encoded_slashes)| -> (Pattern, Box<str>) {
                let path = if path.is_empty() { "/".to_owned() } else { path };
                let path = if exact { RoutePath::exact(&path) } else { RoutePath::prefix(&path) };
                let pattern = Pattern { hosts: Vec::new(), path: path.unwrap(), methods: Vec::new(), encoded_slashes };
                (pattern, base.into())
            },
        )
    }

    /// Paths of what has been used against proxies.
    fn any_path() -> impl Strategy<Value = String> {
        let pieces = "/ / / a b admin it:em it%3Aem it%253aem caf%C3%A9 a%20b . .. %2e %2E %252e %25252e %2f %2F %252f %5c \
                      %255c \\ ; ;x=y %3b %00 %2500 %0a %25 % %61 %2561 %c0%af %c0%ae %e0%80%ae %ff %u002e %u2215 ? %3f %253f # \
                      %23 \t %09 ~ %7e é { x. %2525 %25252561 %3A";
        let pieces: Vec<&str> = pieces.split(' ').filter(|piece| !piece.is_empty()).collect();
        let piece = proptest::sample::select(pieces);
        proptest::collection::vec(piece, 0..10).prop_map(|pieces| format!("/{}", pieces.concat()))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_000))]

        /// No request leaves whose path some server would take for something outside of its route.
        #[test]
        fn what_is_forwarded_stays_in_its_route(
            routes in proptest::collection::vec(any_route(), 1..5),
            path in any_path(),
        ) {
            let Ok(routes) = RouteTable::build(routes) else { return Ok(()) };
            prop_assert_eq!(check_containment(&routes, None, path.as_bytes(), &Method::GET).err(), None);
        }
    }

    #[test]
    fn the_property_is_about_requests_that_do_leave() {
        let pattern = |path: &str| Pattern {
            hosts: Vec::new(),
            path: RoutePath::prefix(path).unwrap(),
            methods: Vec::new(),
            encoded_slashes: true,
        };
        let routes = [(pattern("/a"), "/base"), (pattern("/a/admin"), "/base/admin")];
        let routes = RouteTable::build(routes).unwrap();
        let forwarded = |path: &str| check_containment(&routes, None, path.as_bytes(), &Method::GET).unwrap();
        assert_eq!(forwarded("/a/x%2fy?q").as_deref(), Some("/base/x%2Fy?q"));
        assert_eq!(forwarded("/a/x%253Ay").as_deref(), Some("/base/x%253Ay"));
        assert_eq!(forwarded("/a/admin%2Fy"), None);
    }
}
