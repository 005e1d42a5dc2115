//! Requests that have been used to make two servers disagree about where one of them ends.

/// A probe.
pub struct Probe {
    pub name: &'static str,
    /// Bytes as they are sent; `{auth}` is the line with the caller's token, `{id}` and `{other}` are the names of the
    /// request and of one that may follow, `{smuggled}` is a request with a token that must not arrive as one.
    pub bytes: &'static str,
    pub outcome: Outcome,
}

/// What becomes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The target gets to see nothing.
    Refused,
    /// The target sees it once, with this body.
    Seen(&'static str),
    /// The target sees it once, with this body, or not at all.
    SeenOrRefused(&'static str),
    /// The target sees this many requests, each of them once: they are what they seem to be.
    Pipelined(usize),
}

use Outcome::{Pipelined, Refused, Seen, SeenOrRefused};

const fn probe(name: &'static str, bytes: &'static str, outcome: Outcome) -> Probe {
    Probe { name, bytes, outcome }
}

/// A `POST` with these lines and what follows them.
macro_rules! post {
    ($rest:literal) => {
        concat!("POST /t/{id} HTTP/1.1\r\nHost: a\r\n{auth}X-Probe: {id}\r\n", $rest)
    };
}

/// The same by `GET`.
macro_rules! get {
    ($rest:literal) => {
        concat!("GET /t/{id} HTTP/1.1\r\nHost: a\r\n{auth}X-Probe: {id}\r\n", $rest)
    };
}

/// All of them.
pub const PROBES: &[Probe] = &[
    // What is plain.
    probe("get", get!("\r\n"), Seen("")),
    probe("length", post!("Content-Length: 5\r\n\r\nhello"), Seen("hello")),
    probe("chunks", post!("Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"), Seen("hello")),
    probe("request as a body", post!("Content-Length: {smuggled length}\r\n\r\n{smuggled}"), Seen("{smuggled}")),
    probe("request as a body of GET", get!("Content-Length: {smuggled length}\r\n\r\n{smuggled}"), Seen("{smuggled}")),
    // CL.TE and TE.CL.
    probe("CL.TE", post!("Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG{smuggled}"), Refused),
    probe(
        "TE.CL",
        post!("Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n1\r\nZ\r\n0\r\n\r\n{smuggled}"),
        Refused,
    ),
    probe(
        "CL.TE, the same for both",
        post!("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        Refused,
    ),
    probe("CL.CL", post!("Content-Length: 5\r\nContent-Length: 0\r\n\r\nhello"), Refused),
    probe("CL.CL, the same", post!("Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello"), Refused),
    probe("CL list", post!("Content-Length: 5, 5\r\n\r\nhello"), Refused),
    probe("CL with a sign", post!("Content-Length: +5\r\n\r\nhello"), Refused),
    probe("CL in hexadecimal", post!("Content-Length: 0x5\r\n\r\nhello"), Refused),
    probe("CL with a blank in it", post!("Content-Length: 0 5\r\n\r\nhello"), Refused),
    probe("CL too large", post!("Content-Length: 18446744073709551621\r\n\r\nhello"), Refused),
    probe("CL with zeros", post!("Content-Length: 0005\r\n\r\nhello"), SeenOrRefused("hello")),
    probe("CL with a blank before its colon", post!("Content-Length : 5\r\n\r\nhello"), Refused),
    // TE.TE: what one of two servers might not take for chunked.
    probe("TE unknown", post!("Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n{smuggled}"), Refused),
    probe("TE unknown beside CL", post!("Transfer-Encoding: cow\r\nContent-Length: 5\r\n\r\nhello"), Refused),
    probe(
        "TE twice",
        post!("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n{smuggled}"),
        Refused,
    ),
    probe(
        "TE twice, the same",
        post!("Transfer-Encoding: chunked\r\nTransfer-encoding: chunked\r\n\r\n0\r\n\r\n"),
        Refused,
    ),
    probe("TE list", post!("Transfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n{smuggled}"), Refused),
    probe("TE list with nothing", post!("Transfer-Encoding: ,chunked\r\n\r\n0\r\n\r\n{smuggled}"), Refused),
    probe("TE with a parameter", post!("Transfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n{smuggled}"), Refused),
    probe("TE in quotes", post!("Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n{smuggled}"), Refused),
    probe("TE with a blank before its colon", post!("Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n{smuggled}"), Refused),
    probe("TE behind a vertical tab", post!("Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n{smuggled}"), Refused),
    probe("TE before a NUL", post!("Transfer-Encoding: chunked\0\r\n\r\n0\r\n\r\n{smuggled}"), Refused),
    probe("TE behind a tab", post!("Transfer-Encoding:\tchunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"), Seen("hello")),
    probe("TE in capitals", post!("TRANSFER-ENCODING: CHUNKED\r\n\r\n5\r\nhello\r\n0\r\n\r\n"), Seen("hello")),
    probe("TE with underscore", post!("Transfer_Encoding: chunked\r\nContent-Length: 5\r\n\r\nhello"), Seen("hello")),
    probe("TE on a folded line", post!("Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n{smuggled}"), Refused),
    probe(
        "TE hidden on a folded line",
        post!("X-A: 1\r\n Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\nhello"),
        Refused,
    ),
    probe(
        "TE behind a bare LF",
        post!("X-A: 1\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\nhello"),
        Refused,
    ),
    probe(
        "TE behind a bare CR",
        post!("X-A: 1\rTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\nhello"),
        Refused,
    ),
    probe(
        "TE with a bare LF before its colon",
        post!("Transfer-Encoding\n: chunked\r\n\r\n0\r\n\r\n{smuggled}"),
        Refused,
    ),
    probe(
        "TE nominated by Connection",
        post!("Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        Refused,
    ),
    probe("CL nominated by Connection", post!("Connection: Content-Length\r\nContent-Length: 5\r\n\r\nhello"), Refused),
    // Lines.
    probe("header section ended by bare LF", post!("X-A: 1\r\n\n"), Refused),
    probe("bare LF all over", "GET /t/{id} HTTP/1.1\nHost: a\n{auth}X-Probe: {id}\n\n", Refused),
    probe("two hosts", get!("Host: b\r\n\r\n"), Refused),
    probe(
        "request line with two versions",
        "GET /t/{id} HTTP/1.1 HTTP/1.1\r\nHost: a\r\n{auth}X-Probe: {id}\r\n\r\n",
        SeenOrRefused(""),
    ),
    probe("absolute form", "GET http://a/t/{id} HTTP/1.1\r\nHost: a\r\n{auth}X-Probe: {id}\r\n\r\n", Refused),
    // Chunks.
    probe(
        "chunk with extension",
        post!("Transfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\n\r\n"),
        SeenOrRefused("hello"),
    ),
    probe(
        "chunk with quoted extension",
        post!("Transfer-Encoding: chunked\r\n\r\n5;a=\"b\"\r\nhello\r\n0;c\r\n\r\n"),
        SeenOrRefused("hello"),
    ),
    probe(
        "chunk with bare LF in extension",
        post!("Transfer-Encoding: chunked\r\n\r\n2;\nxx\r\n4c\r\n0\r\n\r\n{smuggled}"),
        SeenOrRefused("4c"),
    ),
    probe("chunk size ended by bare LF", post!("Transfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n"), Refused),
    probe("chunk data ended by bare LF", post!("Transfer-Encoding: chunked\r\n\r\n5\r\nhello\n0\r\n\r\n"), Refused),
    probe(
        "chunk data ended by nothing",
        post!("Transfer-Encoding: chunked\r\n\r\n5\r\nhello0\r\n\r\n{smuggled}"),
        Refused,
    ),
    probe(
        "chunk data longer than its size",
        post!("Transfer-Encoding: chunked\r\n\r\n3\r\nhello\r\n0\r\n\r\n"),
        Refused,
    ),
    probe("chunk size with a prefix", post!("Transfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n"), Refused),
    probe("chunk size with a sign", post!("Transfer-Encoding: chunked\r\n\r\n+5\r\nhello\r\n0\r\n\r\n"), Refused),
    probe("chunk size below zero", post!("Transfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n0\r\n\r\n"), Refused),
    probe("chunk size with junk", post!("Transfer-Encoding: chunked\r\n\r\n5x\r\nhello\r\n0\r\n\r\n"), Refused),
    probe(
        "chunk size too large",
        post!("Transfer-Encoding: chunked\r\n\r\n10000000000000005\r\nhello\r\n0\r\n\r\n"),
        Refused,
    ),
    probe(
        "chunk size of nothing",
        post!("Transfer-Encoding: chunked\r\n\r\n\r\nhello\r\n0\r\n\r\n"),
        SeenOrRefused(""),
    ),
    probe(
        "chunk size behind a blank",
        post!("Transfer-Encoding: chunked\r\n\r\n 5\r\nhello\r\n0\r\n\r\n"),
        SeenOrRefused("hello"),
    ),
    probe(
        "chunk size before a blank",
        post!("Transfer-Encoding: chunked\r\n\r\n5 \r\nhello\r\n0\r\n\r\n"),
        SeenOrRefused("hello"),
    ),
    probe(
        "chunk size with zeros",
        post!("Transfer-Encoding: chunked\r\n\r\n00005\r\nhello\r\n000\r\n\r\n"),
        SeenOrRefused("hello"),
    ),
    probe(
        "trailers",
        post!(
            "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nAuthorization: x\r\nX-Forwarded-For: 6.6.6.6\r\n\r\n"
        ),
        SeenOrRefused("hello"),
    ),
    probe(
        "trailers with framing",
        post!("Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nContent-Length: 50\r\n\r\n"),
        SeenOrRefused("hello"),
    ),
    // Upgrades.
    probe(
        "early WebSocket",
        get!(
            "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        ),
        Seen(""),
    ),
    probe(
        "upgrade to HTTP/2",
        get!("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n"),
        Seen(""),
    ),
    probe("preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Refused),
    // Old versions.
    probe("HTTP/0.9", "GET /t/{id}\r\n", Refused),
    probe("HTTP/1.0", "GET /t/{id} HTTP/1.0\r\nHost: a\r\n{auth}X-Probe: {id}\r\n\r\n", Seen("")),
    probe(
        "HTTP/1.0 that stays",
        "GET /t/{id} HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n{auth}X-Probe: {id}\r\n\r\n",
        Seen(""),
    ),
    probe(
        "HTTP/1.0 with a length",
        "POST /t/{id} HTTP/1.0\r\nHost: a\r\nContent-Length: 5\r\n{auth}X-Probe: {id}\r\n\r\nhello",
        Seen("hello"),
    ),
    probe(
        "HTTP/1.0 with chunks",
        "POST /t/{id} HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n{auth}X-Probe: {id}\r\n\r\n0\r\n\r\n{smuggled}",
        Refused,
    ),
    probe("HTTP/1.2", "GET /t/{id} HTTP/1.2\r\nHost: a\r\n{auth}X-Probe: {id}\r\n\r\n", Refused),
    // Expectations.
    probe("Expect", post!("Expect: 100-continue\r\nContent-Length: 5\r\n\r\nhello"), Seen("hello")),
    probe(
        "Expect with a request as a body",
        post!("Expect: 100-continue\r\nContent-Length: {smuggled length}\r\n\r\n{smuggled}"),
        Seen("{smuggled}"),
    ),
    probe("Expect of GET", get!("Expect: 100-continue\r\nContent-Length: 5\r\n\r\nhello"), Seen("hello")),
    // Pipelines: the second request is one, with a token, and arrives as itself; but nothing arrives behind chunks.
    probe(
        "pipeline",
        concat!(get!("\r\n"), "GET /t/{other} HTTP/1.1\r\nHost: a\r\n{auth}X-Probe: {other}\r\n\r\n"),
        Pipelined(2),
    ),
    probe(
        "pipeline behind a body",
        concat!(
            post!("Content-Length: 5\r\n\r\nhello"),
            "GET /t/{other} HTTP/1.1\r\nHost: a\r\n{auth}X-Probe: {other}\r\n\r\n"
        ),
        Pipelined(2),
    ),
    probe(
        "pipeline behind chunks",
        concat!(
            post!("Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
            "GET /t/{other} HTTP/1.1\r\nHost: a\r\n{auth}X-Probe: {other}\r\n\r\n"
        ),
        Seen("hello"),
    ),
];
