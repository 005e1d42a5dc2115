//! Every way to write a request target that servers have read differently, and what becomes of it.
//!
//! The routes that it is about are `/graph`, `/graph/admin`, `/files` (which takes encoded slashes), `/files/admin` and,
//! for the rest, `/`, each with the path of its own name at the target: `/graph/me` arrives as `/graph/me`.

/// A request target, and what becomes of it over HTTP/1.1 and HTTP/2.
pub struct Case {
    pub target: &'static [u8],
    pub outcome: Outcome,
}

/// What becomes of a request.
#[derive(Debug, Clone, Copy)]
pub enum Outcome {
    /// It is forwarded with this path.
    Forwarded(&'static str),
    /// It is refused, with a reason in the log that contains this.
    Refused(&'static str),
    /// It is refused: over HTTP/1.1 as [`Self::Refused`]; over HTTP/2 the library in front of us has mended it, and it is
    /// forwarded like this.
    MendedInFrames(&'static str, &'static str),
    /// It is refused by the parser already, without a body and a line of its own.
    Unreadable,
    /// Over HTTP/1.1 the library in front of us mends it, and it is forwarded like this; over HTTP/2 it is refused.
    MendedInLines(&'static str),
}

use Outcome::{Forwarded, MendedInFrames, MendedInLines, Refused, Unreadable};

const fn case(target: &'static [u8], outcome: Outcome) -> Case {
    Case { target, outcome }
}

/// The table.
pub const CASES: &[Case] = &[
    // What is plain passes, with case, and with a slash at the end or without.
    case(b"/graph", Forwarded("/graph")),
    case(b"/graph/", Forwarded("/graph/")),
    case(b"/Graph", Forwarded("/Graph")),
    case(b"/graph/Admin", Forwarded("/graph/Admin")),
    case(b"/graph/...", Forwarded("/graph/...")),
    case(b"/graph/..b", Forwarded("/graph/..b")),
    case(b"/graph/.well-known/x", Forwarded("/graph/.well-known/x")),
    case(b"/graph/a:b@c", Forwarded("/graph/a:b@c")),
    case(b"/graph/users('a')/$value", Forwarded("/graph/users('a')/$value")),
    case(b"/graph/caf%c3%a9", Forwarded("/graph/caf%C3%A9")),
    case(b"/graph/a%20b", Forwarded("/graph/a%20b")),
    case(b"/graph/100%25", Forwarded("/graph/100%25")),
    case(b"/graph/?q=../;//%2f", Forwarded("/graph/?q=../;//%2f")),
    case(b"/graph?", Forwarded("/graph?")),
    // Dot segments.
    case(b"/graph/../admin", Refused("dot segment")),
    case(b"/graph/..", Refused("dot segment")),
    case(b"/graph/.", Refused("dot segment")),
    case(b"/./graph", Refused("dot segment")),
    case(b"/../graph", Refused("dot segment")),
    case(b"/graph/..?x=y", Refused("dot segment")),
    case(b"/graph/%2e%2e/admin", Refused("dot segment")),
    case(b"/graph/.%2E/admin", Refused("dot segment")),
    case(b"/graph/%2e", Refused("dot segment")),
    case(b"/graph/%252e%252e/admin", Refused("dot segment")),
    case(b"/graph/%25252e%25252e/admin", Refused("dot segment")),
    case(b"/graph/%252525252e/admin", Refused("more than three times")),
    case(b"/graph/..%3Fx", Refused("dot segment")),
    case(b"/graph/..%23x", Refused("dot segment")),
    case(b"/graph/%25%32%65", Refused("needs no encoding")),
    // Empty segments.
    case(b"//graph/me", Refused("empty segment")),
    case(b"//evil.example/graph", Refused("empty segment")),
    case(b"/graph//me", Refused("empty segment")),
    case(b"/graph/me//", Refused("empty segment")),
    case(b"///", Refused("empty segment")),
    // Encoded slashes, where the route does not take them.
    case(b"/graph%2fme", Refused("encoded slash")),
    case(b"/graph%2Fme", Refused("encoded slash")),
    case(b"/graph/a%2Fb", Refused("encoded slash")),
    case(b"/graph%252fme", Refused("encoded slash")),
    case(b"/graph/..%2fadmin", Refused("dot segment")),
    case(b"/%2fgraph", Refused("empty segment")),
    // And where it does: as part of their segment, and nowhere else than where `/` would lead.
    case(b"/files/a%2fb", Forwarded("/files/a%2Fb")),
    case(b"/files/a%2Fb/c%2Fd?q=%2f", Forwarded("/files/a%2Fb/c%2Fd?q=%2f")),
    case(b"/files/a%2F", Forwarded("/files/a%2F")),
    case(b"/files/admin/a%2Fb", Refused("encoded slash")),
    case(b"/files/admin%2Fx", Refused("decoded further")),
    case(b"/files/admin%2F", Refused("decoded further")),
    case(b"/files%2Fa", Refused("encoded slash")),
    case(b"/files/a%252Fb", Refused("encoded slash")),
    case(b"/files/a%25252Fb", Refused("encoded slash")),
    case(b"/files/a%2F..%2Fb", Refused("dot segment")),
    case(b"/files/..%2Fgraph", Refused("dot segment")),
    case(b"/files/a%2F%2e%2e", Refused("dot segment")),
    case(b"/files/a%2F%252e", Refused("dot segment")),
    case(b"/files/a%2F%2Fb", Refused("empty segment")),
    case(b"/files/%2Fa", Refused("empty segment")),
    case(b"/files/a%2F/b", Refused("empty segment")),
    case(b"/files/a%2F%5Cb", Refused("backslash")),
    case(b"/files/a%2F;b", Refused("path parameter")),
    // What leads elsewhere where it is decoded further.
    case(b"/graph/%2561dmin", Refused("decoded further")),
    case(b"/graph/admin%3Fx", Refused("decoded further")),
    case(b"/graph/admin%23", Refused("decoded further")),
    case(b"/%2567raph/me", Refused("decoded further")),
    case(b"/graph/x%2561", Forwarded("/graph/x%2561")),
    case(b"/graph/what%3F", Forwarded("/graph/what%3F")),
    // Backslashes.
    case(b"/graph\\me", Refused("backslash")),
    case(b"/graph/..\\admin", Refused("backslash")),
    case(b"/graph/..%5cadmin", Refused("backslash")),
    case(b"/graph%255cme", Refused("backslash")),
    // Path parameters.
    case(b"/graph;x/me", Refused("path parameter")),
    case(b"/graph;", Refused("path parameter")),
    case(b"/graph/..;/admin", Refused("path parameter")),
    case(b"/graph/..%3b/admin", Refused("path parameter")),
    case(b"/graph%253b", Refused("path parameter")),
    case(b"/graph;jsessionid=1", Refused("path parameter")),
    // Encoded control characters.
    case(b"/graph%00", Refused("control character")),
    case(b"/graph%00.html", Refused("control character")),
    case(b"/graph%0d%0aX:1", Refused("control character")),
    case(b"/graph%09", Refused("control character")),
    case(b"/graph%7f", Refused("control character")),
    case(b"/graph%2500", Refused("control character")),
    // Bad and needless encodings.
    case(b"/graph%", Refused("malformed percent-encoding")),
    case(b"/graph%2", Refused("malformed percent-encoding")),
    case(b"/graph%zz", Refused("malformed percent-encoding")),
    case(b"/graph%u002e", Refused("malformed percent-encoding")),
    case(b"/graph/%u002e%u002e/admin", Refused("malformed percent-encoding")),
    case(b"/%67raph", Refused("needs no encoding")),
    case(b"/graph/%7Euser", Refused("needs no encoding")),
    // Overlong sequences, and what is not UTF-8.
    case(b"/graph/%c0%ae%c0%ae/admin", Refused("not UTF-8")),
    case(b"/graph/%c0%af", Refused("not UTF-8")),
    case(b"/graph/%e0%80%af", Refused("not UTF-8")),
    case(b"/graph/%f0%80%80%af", Refused("not UTF-8")),
    case(b"/graph/%ed%a0%80", Refused("not UTF-8")),
    case(b"/graph/%ff", Refused("not UTF-8")),
    case(b"/graph/%25ff", Refused("not UTF-8")),
    // Characters that no URI may have.
    case(b"/{id}", Refused("no URI may have")),
    case(b"/graph/\"x\"", Refused("no URI may have")),
    case(b"/graph/<x>", Unreadable),
    case(b"/graph/`x`", Unreadable),
    case(b"/caf\xc3\xa9", Refused("outside ASCII")),
    case(b"/graph?q=\xc3\xa9", Refused("outside ASCII")),
    case(b"/graph/\xff", Unreadable),
    case(b"/gra\tph", Unreadable),
    case(b"/gra\x0bph", Unreadable),
    case(b"/gra\x7fph", Unreadable),
    case(b"/gra\x00ph", Unreadable),
    case(b"/gra\rph", Unreadable),
    case(b"/graph/a b", MendedInLines("/graph/a%20b")),
    // Fragments.
    case(b"/graph#/../admin", MendedInFrames("fragment", "/graph")),
    case(b"/graph/me?a#top", MendedInFrames("fragment", "/graph/me?a")),
    case(b"/graph#", MendedInFrames("fragment", "/graph")),
    // Forms other than a path.
    case(b"http://proxy.example/graph/me", Refused("begin with a slash")),
    case(b"HTTP://proxy.example/graph", Refused("begin with a slash")),
    case(b"https://evil.example/graph", Unreadable),
    case(b"http:/graph", Unreadable),
    case(b"proxy.example:443", Refused("begin with a slash")),
    case(b"*", Refused("begin with a slash")),
    case(b"foo:bar", Refused("begin with a slash")),
    case(b"graph/me", Refused("begin with a slash")),
    case(b"?x=y", Refused("begin with a slash")),
];
