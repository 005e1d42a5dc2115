//! Requests that two parsers could read in two ways, sent byte for byte: each is refused before anything is decided,
//! logged with its reason, and never reaches the identity provider or the target.

use crate::support::log;
use crate::support::wire::{Message, Wire, WireTarget};
use crate::support::{World, eventually};

const ROUTES: &str = "
  - {name: graph, path: /graph, target: '{target}', scopes: [api://orders-backend/Orders.Read]}
  - {name: all, path: /, target: '{target}/all', scopes: [api://orders-backend/Orders.Read]}
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
async fn an_ambiguous_path_is_refused_and_its_reason_logged() {
    let scene = Scene::start().await;
    let cases: [(&[u8], &str); 50] = [
        (b"/graph/../admin", "dot segment"),
        (b"/graph/..", "dot segment"),
        (b"/./graph", "dot segment"),
        (b"/graph/.", "dot segment"),
        (b"/../graph", "dot segment"),
        (b"/graph/%2e%2e/admin", "dot segment"),
        (b"/graph/.%2E/admin", "dot segment"),
        (b"/graph/%2e", "dot segment"),
        (b"/graph/%252e%252e/admin", "dot segment"),
        (b"/graph/%25252e%25252e/admin", "dot segment"),
        (b"/graph/..?x=y", "dot segment"),
        (b"//graph/me", "empty segment"),
        (b"//evil.example/graph", "empty segment"),
        (b"/graph//me", "empty segment"),
        (b"/graph/me//", "empty segment"),
        (b"///", "empty segment"),
        (b"/graph%2fme", "encoded slash"),
        (b"/graph%2Fme", "encoded slash"),
        (b"/graph%252fme", "encoded slash"),
        (b"/graph/..%2fadmin", "encoded slash"),
        (b"/%2fgraph", "encoded slash"),
        (b"/graph\\me", "backslash"),
        (b"/graph/..\\admin", "backslash"),
        (b"/graph/..%5cadmin", "backslash"),
        (b"/graph%255cme", "backslash"),
        (b"/graph;x/me", "path parameter"),
        (b"/graph;", "path parameter"),
        (b"/graph/..;/admin", "path parameter"),
        (b"/graph/..%3b/admin", "path parameter"),
        (b"/graph;jsessionid=1", "path parameter"),
        (b"/graph%00", "control character"),
        (b"/graph%00.html", "control character"),
        (b"/graph%0d%0aX:1", "control character"),
        (b"/graph%09", "control character"),
        (b"/graph%7f", "control character"),
        (b"/graph%2500", "control character"),
        (b"/graph%", "malformed percent-encoding"),
        (b"/graph%2", "malformed percent-encoding"),
        (b"/graph%zz", "malformed percent-encoding"),
        (b"/graph%u002e", "malformed percent-encoding"),
        (b"/%67raph", "needs no encoding"),
        (b"/graph/%7Euser", "needs no encoding"),
        (b"/graph/%25%32%65", "needs no encoding"),
        (b"/graph/%c0%ae%c0%ae/admin", "not UTF-8"),
        (b"/graph/%c0%af", "not UTF-8"),
        (b"/graph/%e0%80%af", "not UTF-8"),
        (b"/graph/%ed%a0%80", "not UTF-8"),
        (b"/graph/%ff", "not UTF-8"),
        (b"/{id}", "no URI may have"),
        (b"/graph/\"x\"", "no URI may have"),
    ];
    for (number, (path, reason)) in cases.into_iter().enumerate() {
        let (shown, id) = (String::from_utf8_lossy(path), format!("ambiguous-path-{number}-x"));
        let answer = scene.ask(&scene.get(path, &id)).await;
        assert_eq!((answer.status(), answer.code().as_str()), (400, "ambiguous_request"), "{shown}");
        let logged = logged_reason(&id).await;
        assert!(logged.contains(reason), "{shown}: {logged}");
    }
    scene.nothing_happened();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_in_another_form_than_a_path_is_refused() {
    let scene = Scene::start().await;
    let forms: [&[u8]; 9] = [
        b"http://proxy.example/graph/me",
        b"HTTP://proxy.example/graph",
        b"https://evil.example/graph",
        b"http:/graph",
        b"proxy.example:443",
        b"*",
        b"foo:bar",
        b"graph/me",
        b"?x=y",
    ];
    for form in forms {
        let answer = scene.ask(&scene.get(form, "form")).await;
        assert_eq!(answer.status(), 400, "{}: {}", String::from_utf8_lossy(form), answer.text());
    }
    scene.nothing_happened();
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_no_target_may_have_are_refused() {
    let scene = Scene::start().await;
    let targets: [&[u8]; 10] = [
        b"/graph/<x>",
        b"/graph/`x`",
        b"/gra\tph",
        b"/gra\x0bph",
        b"/gra\x7fph",
        b"/gra\x00ph",
        b"/gra\rph",
        b"/caf\xc3\xa9",
        b"/graph/\xff",
        b"/graph?q=\xc3\xa9",
    ];
    for target in targets {
        let answer = scene.ask(&scene.get(target, "bytes")).await;
        assert_eq!(answer.status(), 400, "{}: {}", String::from_utf8_lossy(target), answer.text());
    }
    scene.nothing_happened();
}

/// Pingora encodes the blank before we are asked: the request has one reading from there on.
#[tokio::test(flavor = "multi_thread")]
async fn a_blank_is_forwarded_as_it_was_matched() {
    let scene = Scene::start().await;
    let cases: [(&[u8], &str); 2] =
        [(b"/graph /me", "GET /all/graph%20/me HTTP/1.1"), (b"/graph/a b", "GET /a%20b HTTP/1.1")];
    for (path, expected) in cases {
        let shown = String::from_utf8_lossy(path);
        assert_eq!(scene.ask(&scene.get(path, "blank")).await.status(), 200, "{shown}");
        assert_eq!(scene.target.received().last().unwrap().start_line(), expected, "{shown}");
    }
    assert_eq!(scene.target.requests(), cases.len());
}

/// Pingora cuts it off; the bytes of the request line still have it.
#[tokio::test(flavor = "multi_thread")]
async fn a_fragment_is_refused() {
    let scene = Scene::start().await;
    let cases: [&[u8]; 4] = [b"/graph#/../admin", b"/graph/me?a#top", b"/graph#", b"/#/graph"];
    for (number, path) in cases.into_iter().enumerate() {
        let id = format!("fragment-{number}-x");
        let answer = scene.ask(&scene.get(path, &id)).await;
        assert_eq!((answer.status(), answer.code().as_str()), (400, "ambiguous_request"));
        assert!(logged_reason(&id).await.contains("fragment"));
    }
    scene.nothing_happened();
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
        let answer = scene.ask((head + case).as_bytes()).await;
        assert_eq!(answer.status(), 400, "{case:?}: {}", answer.text());
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

#[tokio::test(flavor = "multi_thread")]
async fn what_is_plain_passes() {
    let scene = Scene::start().await;
    for path in [
        "/graph/...",
        "/graph/..b",
        "/graph/.well-known/x",
        "/graph/a:b@c",
        "/graph/users('a')/$value",
        "/graph/?q=../;//%2f",
    ] {
        let answer = scene.ask(&scene.get(path.as_bytes(), "plain")).await;
        assert_eq!(answer.status(), 200, "{path}");
    }
    assert_eq!(scene.target.requests(), 6);
}
