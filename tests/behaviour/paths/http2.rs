//! The same over HTTP/2, frame by frame.

use super::table::{CASES, Outcome};
use super::{ROUTES, logged_reason};
use crate::support::World;
use crate::support::frames::{Answer, Field, Frames};
use crate::support::tls::{Authority, TlsProxy};
use crate::support::wire::{End, Message, WireTarget};

struct Scene {
    target: WireTarget,
    world: World,
    proxy: TlsProxy,
    authority: Authority,
    bearer: String,
}

impl Scene {
    async fn start() -> Self {
        let target = WireTarget::answering(&[b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"]).await;
        let (world, authority) = (World::start().await, Authority::new());
        let proxy = TlsProxy::start(&world, &authority, None, &ROUTES.replace("{target}", &target.url)).await;
        let bearer = format!("Bearer {}", world.token());
        Self { target, world, proxy, authority, bearer }
    }

    /// The answer to a header section without a body, on a connection of its own.
    async fn ask(&self, fields: &[Field<'_>]) -> Answer {
        let mut caller = Frames::connect(&self.authority, &self.proxy).await;
        let stream = caller.headers(fields, true).await;
        caller.answer(stream).await
    }

    /// The fields of a `GET`, in the place of which these may stand, and the token.
    fn with<'a>(&'a self, fields: &[Field<'a>]) -> Vec<Field<'a>> {
        let usual: [Field<'a>; 5] = [
            (b":method", b"GET"),
            (b":scheme", b"https"),
            (b":path", b"/graph/me"),
            (b":authority", b"proxy.example"),
            (b"authorization", self.bearer.as_bytes()),
        ];
        let given = |name: &[u8]| fields.iter().any(|(other, _)| *other == name);
        let (pseudo, plain): (Vec<_>, Vec<_>) = fields.iter().copied().partition(|(name, _)| name.starts_with(b":"));
        let kept = usual.into_iter().filter(|(name, _)| !given(name));
        let (first, last): (Vec<_>, Vec<_>) = kept.partition(|(name, _)| name.starts_with(b":"));
        let fields = [first, pseudo, last, plain].concat();
        fields.into_iter().filter(|(_, value)| *value != ABSENT).collect()
    }
}

/// Stands for a field that is left out.
const ABSENT: &[u8] = b"(absent)";

fn is_refused(answer: &Answer) -> bool {
    answer.status == 400 || answer.status == 0 && answer.broken
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_target_is_refused_or_matched_as_it_is_forwarded() {
    let scene = Scene::start().await;
    let mut forwarded = 0;
    for (number, case) in CASES.iter().enumerate() {
        let (shown, id) = (String::from_utf8_lossy(case.target), format!("framed-path-{number}-x"));
        let answer = scene.ask(&scene.with(&[(b":path", case.target), (b"x-request-id", id.as_bytes())])).await;
        match case.outcome {
            Outcome::Forwarded(path) | Outcome::MendedInFrames(_, path) => {
                forwarded += 1;
                assert_eq!((answer.status, scene.target.requests()), (200, forwarded), "{shown}: {answer:?}");
                let line = scene.target.received().last().unwrap().start_line();
                assert_eq!(line, format!("GET {path} HTTP/1.1"), "{shown}");
            }
            // Some of them the library in front of us does not read at all.
            Outcome::Refused(reason) if answer.status == 400 && !answer.body.is_empty() => {
                assert_eq!(answer.code(), "ambiguous_request", "{shown}");
                let logged = logged_reason(&id).await;
                assert!(logged.contains(reason), "{shown}: {logged}");
            }
            Outcome::Refused(_) | Outcome::Unreadable | Outcome::MendedInLines(_) => {
                assert!(is_refused(&answer), "{shown}: {answer:?}");
            }
        }
        assert_eq!(scene.target.requests(), forwarded, "{shown}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_authority_is_one_host_and_that_of_the_host_header() {
    let scene = Scene::start().await;
    for fields in [
        &[(&b":authority"[..], &b"a.example"[..]), (b"host", b"b.example")][..],
        &[(b":authority", b"a.example"), (b"host", b"a.example:443")],
        &[(b":authority", b"a.example"), (b"host", b"A.example")],
        &[(b":authority", ABSENT)],
        &[(b":authority", b"")],
        &[(b":authority", ABSENT), (b"host", b"")],
        &[(b":authority", ABSENT), (b"host", b"a.example"), (b"host", b"a.example")],
        &[(b":authority", b"user@a.example")],
        &[(b":authority", b"user:word@a.example")],
        &[(b":authority", ABSENT), (b"host", b"user@a.example")],
        &[(b":authority", b"a.example:x")],
        &[(b":authority", b"a.example:80:80")],
        &[(b":authority", b"a.example/x")],
        &[(b":authority", b"a example")],
        &[(b":authority", b"a,b")],
        &[(b":authority", b"a.example\r\nx: y")],
        &[(b":authority", b"a.example"), (b":authority", b"a.example")],
    ] {
        let answer = scene.ask(&scene.with(fields)).await;
        let shown: Vec<_> = fields.iter().map(|(name, value)| (name.escape_ascii(), value.escape_ascii())).collect();
        assert!(is_refused(&answer), "{shown:?}: {answer:?}");
    }
    assert_eq!((scene.target.requests(), scene.world.token_requests()), (0, 0));
    for fields in [
        &[(&b":authority"[..], &b"a.example:8443"[..])][..],
        &[(b":authority", b"a.example"), (b"host", b"a.example")],
        &[(b":authority", ABSENT), (b"host", b"a.example")],
    ] {
        assert_eq!(scene.ask(&scene.with(fields)).await.status, 200, "{fields:?}");
    }
}

/// What would be a header line, a framing or a request of its own once it is written as HTTP/1.1.
#[tokio::test(flavor = "multi_thread")]
async fn a_header_section_that_could_be_read_differently_is_refused() {
    let scene = Scene::start().await;
    for fields in [
        &[(&b"x-a"[..], &b"1\r\nx-b: 2"[..])][..],
        &[(b"x-a", b"1\nx-b: 2")],
        &[(b"x-a", b"1\rx-b: 2")],
        &[(b"x-a", b"1\0")],
        &[(b"x-a\r\nx-b", b"1")],
        &[(b"x-a: 1\r\nx-b", b"2")],
        &[(b"x a", b"1")],
        &[(b"x-a:", b"1")],
        &[(b"", b"1")],
        &[(b"X-Upper", b"1")],
        &[(b"connection", b"close")],
        &[(b"connection", b"authorization")],
        &[(b"keep-alive", b"timeout=5")],
        &[(b"proxy-connection", b"keep-alive")],
        &[(b"upgrade", b"websocket")],
        &[(b"te", b"gzip")],
        &[(b"transfer-encoding", b"chunked")],
        &[(b"content-length", b"5")],
        &[(b"content-length", b"0"), (b"content-length", b"1")],
        &[(b"content-length", b"0x0")],
        &[(b"content-length", b"+0")],
        &[(b"content-length", b"-1")],
        &[(b":method", b"GET / HTTP/1.1\r\nx: y")],
        &[(b":method", b"get")],
        &[(b":method", b"G T")],
        &[(b":method", b"")],
        &[(b":method", ABSENT)],
        &[(b":path", ABSENT)],
        &[(b":path", b"")],
        &[(b":path", b"/graph"), (b":path", b"/graph")],
        &[(b":path", b"/graph HTTP/1.1\r\nx: y")],
        &[(b":path", b"/graph\nx")],
        &[(b":path", b"/graph?a\r\nx: y")],
        &[(b":scheme", b"https\r\nx: y")],
        &[(b":unknown", b"1")],
        &[(b":status", b"200")],
    ] {
        let answer = scene.ask(&scene.with(fields)).await;
        let shown: Vec<_> = fields.iter().map(|(name, value)| (name.escape_ascii(), value.escape_ascii())).collect();
        let refused = is_refused(&answer) || (fields[0].0 == b":method" && answer.status == 405);
        assert!(refused, "{shown:?}: {answer:?}");
    }
    assert_eq!((scene.target.requests(), scene.world.token_requests()), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_not_as_long_as_it_says_never_comes_to_its_end() {
    let scene = Scene::start().await;
    for (length, sent) in [(&b"3"[..], &b"12345"[..]), (b"9", b"12345"), (b"0", b"1")] {
        let fields = scene.with(&[(b":method", b"POST"), (b"content-length", length)]);
        let mut caller = Frames::connect(&scene.authority, &scene.proxy).await;
        let stream = caller.headers(&fields, false).await;
        caller.data(stream, sent, true).await;
        let answer = caller.answer(stream).await;
        assert!(is_refused(&answer), "{}: {answer:?}", length.escape_ascii());
    }
    // A length of 0 is all that the target gets to see of that request, and what follows is not sent.
    let whole = |message: &Message| message.end != End::Broken && message.header("content-length") != "0";
    assert!(!scene.target.bodies().iter().any(whole));
    assert!(scene.target.bodies().iter().all(|message| message.body.len() <= 5));
}

#[tokio::test(flavor = "multi_thread")]
async fn trailers_add_nothing_to_a_request() {
    let scene = Scene::start().await;
    let fields = scene.with(&[(b":method", b"POST")]);
    let mut caller = Frames::connect(&scene.authority, &scene.proxy).await;
    let stream = caller.headers(&fields, false).await;
    caller.data(stream, b"body", false).await;
    caller.trailers(stream, &[(b"authorization", b"Bearer x"), (b"x-forwarded-for", b"6.6.6.6")]).await;
    assert_eq!(caller.answer(stream).await.status, 200);
    let stream = caller.headers(&scene.with(&[]), true).await;
    assert_eq!(caller.answer(stream).await.status, 200);
    let bodies = scene.target.bodies();
    assert_eq!((bodies[0].body.as_slice(), bodies[0].trailers.len(), bodies.len()), (&b"body"[..], 0, 2));
    assert_eq!(scene.target.received()[1].header("x-forwarded-for"), "127.0.0.1");
}
