//! Requests that two parsers could read in two ways, sent byte for byte: each is refused before anything is decided,
//! logged with its reason, and never reaches the identity provider or the target.

mod http2;
mod table;

use table::{CASES, Outcome};

use crate::support::log;
use crate::support::wire::{Message, Wire, WireTarget};
use crate::support::{World, eventually};

/// Each with a scope of its own, so that exchanges tell them apart.
const ROUTES: &str = "
  - {path: /graph, target: '{target}/graph', scopes: [api://orders-backend/Orders.Read]}
  - {path: /graph/admin, target: '{target}/graph/admin', scopes: [api://admin/x]}
  - {path: /files, encoded_slashes: true, target: '{target}/files', scopes: [api://files/x]}
  - {path: /files/admin, target: '{target}/files/admin', scopes: [api://files-admin/x]}
  - {name: all, path: /, target: '{target}', scopes: [api://all/x]}
";

struct Scene {
    target: WireTarget,
    world: World,
    token: String,
}

impl Scene {
    async fn start() -> Self {
        let target = WireTarget::answering(&[b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"]).await;
        let world = target.world(ROUTES).await;
        let token = world.token();
        Self { target, world, token }
    }

    /// The answer to these bytes, on a connection of its own.
    async fn ask(&self, request: &[u8]) -> Message {
        Wire::connect(self.world.proxy.address()).await.ask(request).await
    }

    /// A `GET` of this target, bytes as they are; `id` finds it in the log.
    fn get(&self, target: &[u8], id: &str) -> Vec<u8> {
        self.message(target, &format!("Host: proxy.example\r\nX-Request-Id: {id}\r\n"))
    }

    /// A `GET` with a token and these header lines, among which there may be a `Host`.
    fn message(&self, target: &[u8], lines: &str) -> Vec<u8> {
        let rest = format!(" HTTP/1.1\r\nAuthorization: Bearer {}\r\n{lines}\r\n", self.token);
        [b"GET ", target, rest.as_bytes()].concat()
    }

    /// Makes sure that nothing was exchanged and nothing forwarded.
    fn nothing_happened(&self) {
        assert_eq!((self.world.token_requests(), self.target.requests()), (0, 0));
    }
}

/// The `reason` of the access line of the request with this id; the line is written once the answer is on its way.
async fn logged_reason(id: &str) -> String {
    let mut reason = String::new();
    eventually("the request is logged", async || {
        let line = log::lines_with(id).into_iter().find(|line| line["request_id"] == id && line["reason"].is_string());
        line.as_ref().and_then(|line| line["reason"].as_str()).unwrap_or_default().clone_into(&mut reason);
        line.is_some()
    })
    .await;
    reason
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_target_is_refused_or_matched_as_it_is_forwarded() {
    let scene = Scene::start().await;
    let mut forwarded = 0;
    for (number, case) in CASES.iter().enumerate() {
        let (shown, id) = (String::from_utf8_lossy(case.target), format!("path-{number}-x"));
        let answer = scene.ask(&scene.get(case.target, &id)).await;
        match case.outcome {
            Outcome::Forwarded(path) | Outcome::MendedInLines(path) => {
                forwarded += 1;
                assert_eq!((answer.status(), scene.target.requests()), (200, forwarded), "{shown}: {}", answer.text());
                let line = scene.target.received().last().unwrap().start_line();
                assert_eq!(line, format!("GET {path} HTTP/1.1"), "{shown}");
            }
            Outcome::Refused(reason) | Outcome::MendedInFrames(reason, _) => {
                assert_eq!((answer.status(), answer.code().as_str()), (400, "ambiguous_request"), "{shown}");
                let logged = logged_reason(&id).await;
                assert!(logged.contains(reason), "{shown}: {logged}");
            }
            Outcome::Unreadable => assert_eq!(answer.status(), 400, "{shown}: {}", answer.text()),
        }
        assert_eq!(scene.target.requests(), forwarded, "{shown}");
    }
    assert_eq!(scene.world.token_requests(), 3, "one exchange for each route that took a request");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_without_one_plain_host_is_refused_and_its_reason_logged() {
    let scene = Scene::start().await;
    let cases = [
        ("", "no host"),
        ("Host: a b\r\n", "not a host"),
        ("Host: a/b\r\n", "not a host"),
        ("Host: a,b\r\n", "not a host"),
        ("Host: a:x\r\n", "not a host"),
        ("Host: a:80:80\r\n", "not a host"),
        ("Host: a?b\r\n", "not a host"),
        ("Host:\r\n", "not a host"),
        ("Host: \u{e9}\r\n", "not a host"),
    ];
    for (number, (lines, reason)) in cases.into_iter().enumerate() {
        let id = format!("odd-host-{number}-x");
        let answer = scene.ask(&scene.message(b"/graph", &format!("X-Request-Id: {id}\r\n{lines}"))).await;
        assert_eq!((answer.status(), answer.code().as_str()), (400, "ambiguous_request"), "{lines:?}");
        let logged = logged_reason(&id).await;
        assert!(logged.contains(reason), "{lines:?}: {logged}");
    }
    scene.nothing_happened();
}

/// Pingora refuses these itself, without a body and without a line in our log.
#[tokio::test(flavor = "multi_thread")]
async fn two_hosts_and_a_host_with_userinfo_are_refused() {
    let scene = Scene::start().await;
    for lines in ["Host: a\r\nHost: a\r\n", "Host: a\r\nhost: b\r\n", "Host: user@a\r\n", "Host: user:word@a\r\n"] {
        let answer = scene.ask(&scene.message(b"/graph", lines)).await;
        assert_eq!(answer.status(), 400, "{lines:?}: {}", answer.text());
    }
    scene.nothing_happened();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_with_two_readings_is_refused() {
    let scene = Scene::start().await;
    let cases = [
        "Content-Length: 4\r\nContent-Length: 4\r\n\r\nbody",
        "Content-Length: 4\r\nContent-Length: 5\r\n\r\nbody",
        "Content-Length: 4, 4\r\n\r\nbody",
        "Content-Length: +4\r\n\r\nbody",
        "Content-Length: -4\r\n\r\nbody",
        "Content-Length: 0x4\r\n\r\nbody",
        "Content-Length: 4 4\r\n\r\nbody",
        "Content-Length:\r\n\r\n",
        "Content-Length: 99999999999999999999999\r\n\r\nbody",
        "Transfer-Encoding: gzip, chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked, identity\r\n\r\n4\r\nbody\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n",
        "Transfer-Encoding: xchunked\r\n\r\nbody",
        "Transfer-Encoding: identity\r\nContent-Length: 4\r\n\r\nbody",
    ];
    for case in cases {
        let head = format!("POST /graph HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {}\r\n", scene.token);
        let mut caller = Wire::connect(scene.world.proxy.address()).await;
        let smuggled =
            format!("GET /graph/smuggled HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {}\r\n\r\n", scene.token);
        let answer = caller.ask(head + case + &smuggled).await;
        assert_eq!(answer.status(), 400, "{case:?}: {}", answer.text());
        assert!(caller.is_closed().await, "{case:?}");
    }
    scene.nothing_happened();
}

/// RFC 9112 section 6.1 lets a proxy go by the chunks, and Pingora does: it removes the length, but not from the bytes.
#[tokio::test(flavor = "multi_thread")]
async fn a_length_beside_chunks_is_refused_and_ends_the_connection() {
    let scene = Scene::start().await;
    let chunks = "4\r\nbody\r\n0\r\n\r\n";
    for lines in
        ["Transfer-Encoding: chunked\r\nContent-Length: 4\r\n", "Content-Length: 30\r\nTransfer-Encoding: chunked\r\n"]
    {
        let mut caller = Wire::connect(scene.world.proxy.address()).await;
        let head = format!("POST /graph HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {}\r\n{lines}\r\n", scene.token);
        let smuggled = "GET /graph/smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
        assert_eq!(caller.ask(format!("{head}{chunks}{smuggled}")).await.status(), 400);
        assert!(caller.is_closed().await);
    }
    scene.nothing_happened();
}

#[tokio::test(flavor = "multi_thread")]
async fn chunks_alone_are_accepted_whatever_becomes_of_the_connection() {
    let scene = Scene::start().await;
    for line in ["", "Connection: close\r\n", "Connection: x-own, Close\r\n"] {
        let mut caller = Wire::connect(scene.world.proxy.address()).await;
        let head = format!("POST /graph HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {}\r\n{line}", scene.token);
        let request = format!("{head}Transfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n");
        assert_eq!(caller.ask(request).await.status(), 200, "{line}");
    }
    for seen in scene.target.received() {
        let framing = (seen.header("transfer-encoding"), seen.header("content-length"));
        assert_eq!(framing, ("chunked".to_owned(), String::new()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn chunks_in_an_old_request_are_refused() {
    let scene = Scene::start().await;
    let head = format!("POST /graph HTTP/1.0\r\nHost: a\r\nAuthorization: Bearer {}\r\n", scene.token);
    let answer = scene.ask((head + "Transfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n").as_bytes()).await;
    assert_eq!(answer.status(), 400, "{}", answer.text());
    assert_eq!(scene.target.requests(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_malformed_header_section_is_refused() {
    let scene = Scene::start().await;
    let cases = [
        "X-A: 1\r\n folded\r\n",
        "X-A : 1\r\n",
        " X-A: 1\r\n",
        "X A: 1\r\n",
        "X-A\r\n",
        ": 1\r\n",
        "X-A: \0\r\n",
        "X-A\0: 1\r\n",
        "X-A: a\rb\r\n",
        "X-\u{e9}: 1\r\n",
    ];
    for case in cases {
        let answer = scene.ask(&scene.message(b"/graph", &format!("Host: a\r\n{case}"))).await;
        assert_eq!(answer.status(), 400, "{case:?}: {}", answer.text());
    }
    scene.nothing_happened();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_malformed_request_line_is_refused() {
    let scene = Scene::start().await;
    for line in
        ["GET /graph", "GET  /graph HTTP/1.1", "GET /graph HTTP/2.0", "GET /graph HTTP/1.1 x", "G@T/ /graph HTTP/1.1"]
    {
        let request = format!("{line}\r\nHost: a\r\nAuthorization: Bearer {}\r\n\r\n", scene.token);
        let answer = scene.ask(request.as_bytes()).await;
        assert!((400..600).contains(&answer.status()), "{line:?}: {}", answer.start_line());
    }
    assert_eq!(scene.target.requests(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_ends_with_half_of_its_end_is_refused() {
    let scene = Scene::start().await;
    for lines in ["Host: a\r\nX-A: 1\nX-Forwarded-For: 6.6.6.6\r\n", "Host: a\n", "Host: a\r\nX-A: 1\r\n\n"] {
        let answer = scene.ask(&scene.message(b"/graph", lines)).await;
        assert_eq!((answer.status(), answer.code().as_str()), (400, "ambiguous_request"), "{lines:?}");
    }
    let feeds = format!("GET /graph HTTP/1.1\nHost: a\nAuthorization: Bearer {}\n\n", scene.token);
    let answer = scene.ask(feeds.as_bytes()).await;
    assert_eq!((answer.status(), answer.code().as_str()), (400, "ambiguous_request"));
    scene.nothing_happened();
}

#[tokio::test(flavor = "multi_thread")]
async fn connect_and_trace_are_refused() {
    let scene = Scene::start().await;
    for line in ["CONNECT proxy.example:443", "CONNECT /graph", "TRACE /graph"] {
        let request = format!("{line} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {}\r\n\r\n", scene.token);
        let answer = scene.ask(request.as_bytes()).await;
        assert!(matches!(answer.status(), 400 | 405), "{line}: {}", answer.start_line());
    }
    scene.nothing_happened();
}
