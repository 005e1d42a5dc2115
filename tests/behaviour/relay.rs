//! The target's answer reaches the caller as it came: status, reason, headers, challenges. How bodies travel is in
//! `relay_body`.

use http::Method;

use crate::support::World;
use crate::support::wire::{End, Message, Wire, WireTarget, request};

const ROUTES: &str = "
  - {name: wire, path: /t, target: '{target}', scopes: [api://orders-backend/Orders.Read]}
  - {name: reader, path: /reader, target: '{target}', scopes: [api://orders-backend/Orders.Read], require: {scopes: [no-such]}}
";

/// What the caller sees of this one answer, and how often the target was asked for it.
async fn relayed(answer: &[u8]) -> (Message, usize) {
    let target = WireTarget::answering(&[answer]).await;
    let world = target.world(ROUTES).await;
    let mut caller = Wire::connect(world.proxy.address()).await;
    let seen = caller.ask(request("GET", "/t/x", &world.token(), "")).await;
    (seen, target.requests())
}

/// A header section with these lines and an empty body.
fn empty(start: &str, lines: &[u8]) -> Vec<u8> {
    [format!("HTTP/1.1 {start}\r\nContent-Length: 0\r\n").as_bytes(), lines, b"\r\n"].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn relays_status_reason_and_body_as_they_came() {
    let cases: [(&str, &str); 10] = [
        ("200 OK", "fine"),
        ("201 Made It", "made"),
        ("206 Partial Content", "art"),
        ("301 Moved Permanently", ""),
        ("404 Not Found", "nothing"),
        ("418 I'm a teapot", "short and stout"),
        ("429 Too Many Requests", "slow"),
        ("500 Oh  dear", "sorry"),
        ("503 Service Unavailable", "later"),
        ("599 Custom", "odd"),
    ];
    let bytes = cases.map(|(start, body)| format!("HTTP/1.1 {start}\r\nContent-Length: {}\r\n\r\n{body}", body.len()));
    let target = WireTarget::answering(&bytes.each_ref().map(String::as_bytes)).await;
    let world = target.world(ROUTES).await;
    let token = world.token();
    let mut caller = Wire::connect(world.proxy.address()).await;
    for (start, body) in cases {
        let answer = caller.ask(request("GET", "/t/x", &token, "")).await;
        assert_eq!((answer.start_line(), answer.text()), (format!("HTTP/1.1 {start}"), body.to_owned()));
    }
    assert_eq!((target.requests(), world.token_requests()), (cases.len(), 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn relays_answers_that_have_no_body() {
    let unchanged = b"HTTP/1.1 304 Not Modified\r\nETag: \"v1\"\r\nContent-Length: 7\r\n\r\n";
    let target = WireTarget::answering(&[b"HTTP/1.1 204 No Content\r\nX-A: 1\r\n\r\n", unchanged]).await;
    let world = target.world(ROUTES).await;
    let mut caller = Wire::connect(world.proxy.address()).await;
    let none = caller.ask(request("GET", "/t/x", &world.token(), "")).await;
    assert_eq!((none.status(), none.header("x-a").as_str()), (204, "1"));
    let unchanged = caller.ask(request("GET", "/t/x", &world.token(), "If-None-Match: \"v1\"\r\n")).await;
    assert_eq!((unchanged.status(), unchanged.header("etag").as_str()), (304, "\"v1\""));
    assert_eq!(target.requests(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn asks_for_a_range_and_relays_it() {
    let part = b"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 2-4/9\r\nContent-Length: 3\r\n\r\ncde";
    let target = WireTarget::start(move |mut wire, _| async move {
        while let Some(request) = wire.read_request().await {
            assert_eq!(request.header("range"), "bytes=2-4");
            wire.write(part).await;
        }
    });
    let target = target.await;
    let world = target.world(ROUTES).await;
    let mut caller = Wire::connect(world.proxy.address()).await;
    let answer = caller.ask(request("GET", "/t/x", &world.token(), "Range: bytes=2-4\r\n")).await;
    assert_eq!((answer.status(), answer.header("content-range").as_str()), (206, "bytes 2-4/9"));
    assert_eq!((answer.text().as_str(), target.requests()), ("cde", 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn does_not_follow_the_targets_redirects() {
    let (answer, requests) = relayed(&empty("302 Found", b"Location: /elsewhere?x=y\r\n")).await;
    assert_eq!((answer.status(), answer.header("location").as_str(), requests), (302, "/elsewhere?x=y", 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn repeated_headers_arrive_each_and_in_their_order() {
    let lines = b"X-Many: 3\r\nSet-Cookie: a=1; Path=/\r\nX-Many: 1\r\nSet-Cookie: b=2, c\r\nX-Many: 2\r\n\
                  Set-Cookie: a=3\r\nX-Empty:\r\nVia: 1.1 inner\r\n";
    let (answer, _) = relayed(&empty("200 OK", lines)).await;
    assert_eq!(answer.values("x-many"), [b"3", b"1", b"2"]);
    assert_eq!(answer.values("set-cookie"), [&b"a=1; Path=/"[..], b"b=2, c", b"a=3"]);
    assert_eq!((answer.values("x-empty"), answer.values("via")), (vec![Vec::new()], vec![b"1.1 inner".to_vec()]));
}

#[tokio::test(flavor = "multi_thread")]
async fn adds_nothing_to_an_answer_but_what_frames_it() {
    let (answer, _) = relayed(&empty("200 OK", b"X-Own: 1\r\n")).await;
    let mut names = answer.names();
    names.retain(|name| !["date", "connection"].contains(&name.as_str()));
    names.sort();
    assert_eq!(names, ["content-length", "x-own"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_encoded_body_is_left_encoded() {
    let body: Vec<u8> = (0..=255).rev().collect();
    let head = format!("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n", body.len());
    let (answer, _) = relayed(&[head.as_bytes(), &body].concat()).await;
    assert_eq!((answer.header("content-encoding").as_str(), answer.body), ("gzip", body));
}

#[tokio::test(flavor = "multi_thread")]
async fn odd_challenges_arrive_byte_for_byte() {
    let high: Vec<u8> = (0x80..=0xff).collect();
    let values: [Vec<u8>; 6] = [
        b"bEaReR   realm = \"x\" ,error=\"invalid_token\",,".to_vec(),
        [b"Bearer realm=\"", high.as_slice(), b"\""].concat(),
        b"Negotiate".to_vec(),
        b"Basic\trealm=\"a\\\"b\"".to_vec(),
        b"".to_vec(),
        b"Bearer error_description=\"a  b,c;d\"".to_vec(),
    ];
    let lines: Vec<u8> =
        values.iter().flat_map(|value| [b"WWW-Authenticate: ", value.as_slice(), b"\r\n"].concat()).collect();
    let (answer, _) = relayed(&empty("401 Unauthorized", &lines)).await;
    assert_eq!(answer.status(), 401);
    assert_eq!(answer.values("www-authenticate"), values);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claims_challenge_of_the_target_arrives_byte_for_byte_after_one_request() {
    let challenge: &[u8] = b"Bearer  authorization_uri=\"https://login.example/\xe9\",error=\"insufficient_claims\", \
                           Claims=\"eyJhY2Nlc3NfdG9rZW4iOnt9fQ==\"";
    let lines = [b"WWW-Authenticate: ", challenge, b"\r\nContent-Type: text/plain\r\n"].concat();
    let (answer, requests) = relayed(&empty("401 Unauthorized", &lines)).await;
    assert_eq!((answer.start_line().as_str(), requests), ("HTTP/1.1 401 Unauthorized", 1));
    assert_eq!(answer.values("www-authenticate"), [challenge]);
    assert_eq!(answer.header("content-type"), "text/plain");
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_of_the_targets_connection_stay_behind() {
    let lines = b"Connection: keep-alive, X-Hop\r\nKeep-Alive: timeout=5\r\nX-Hop: 1\r\nProxy-Authenticate: Basic\r\n\
                  Proxy-Connection: keep-alive\r\nProxy-Authentication-Info: x\r\nX-End: 2\r\n";
    let (answer, _) = relayed(&empty("200 OK", lines)).await;
    for name in ["keep-alive", "x-hop", "proxy-authenticate", "proxy-connection", "proxy-authentication-info"] {
        assert_eq!(answer.header(name), "", "{name}");
    }
    assert!(!answer.header("connection").contains("X-Hop"));
    assert_eq!(answer.header("x-end"), "2");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_cannot_nominate_its_challenge_away() {
    let lines = b"Connection: WWW-Authenticate\r\nWWW-Authenticate: Bearer error=\"x\", claims=\"e30=\"\r\n";
    let (answer, _) = relayed(&empty("401 Unauthorized", lines)).await;
    assert_eq!(answer.header("www-authenticate"), "Bearer error=\"x\", claims=\"e30=\"");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_method_and_its_body_reach_the_target() {
    let world = World::start().await;
    let bearer = format!("Bearer {}", world.token());
    for (method, body) in
        [("PUT", "put"), ("PATCH", "patch"), ("DELETE", "gone"), ("OPTIONS", ""), ("REPORT", "r"), ("POST", "")]
    {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let reply = world.send(method.clone(), "/orders/x", &[("authorization", &bearer)], body).await;
        let seen = reply.json();
        assert_eq!((reply.status.as_u16(), seen["method"].as_str()), (200, Some(method.as_str())), "{}", reply.text);
        assert_eq!(seen["body_bytes"].as_u64(), Some(body.len() as u64));
    }
    assert_eq!(world.target.total_hits(), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_to_head_keeps_its_length_and_has_no_body() {
    let target = WireTarget::start(|mut wire, _| async move {
        while let Some(request) = wire.read_request().await {
            assert!(request.start_line().starts_with("HEAD "));
            wire.write("HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n").await;
        }
    });
    let target = target.await;
    let world = target.world(ROUTES).await;
    let mut caller = Wire::connect(world.proxy.address()).await;
    for _ in 0..2 {
        caller.write(request("HEAD", "/t/x", &world.token(), "")).await;
        let head = String::from_utf8(caller.read_head().await.unwrap()).unwrap();
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && head.contains("1234"), "{head}");
    }
    assert_eq!(target.requests(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_head_has_no_body_and_leaves_the_connection_usable() {
    let target = WireTarget::answering(&[&empty("200 OK", b"")]).await;
    let world = target.world(ROUTES).await;
    let mut caller = Wire::connect(world.proxy.address()).await;
    caller.write(request("HEAD", "/nowhere", &world.token(), "")).await;
    let head = String::from_utf8(caller.read_head().await.unwrap()).unwrap();
    assert!(head.starts_with("HTTP/1.1 404 "), "{head}");
    let next = caller.ask(request("GET", "/t/x", &world.token(), "")).await;
    assert_eq!((next.status(), target.requests()), (200, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_goes_on_after_refusals_and_answers() {
    let target = WireTarget::answering(&[&empty("200 OK", b"")]).await;
    let world = target.world(ROUTES).await;
    let token = world.token();
    let mut caller = Wire::connect(world.proxy.address()).await;
    for (path, token, status) in [
        ("/t/x", "junk", 401),
        ("/t/x", &token, 200),
        ("/none", &token, 404),
        ("/reader", &token, 403),
        ("/t/x", &token, 200),
        ("/t//x", &token, 400),
    ] {
        let answer = caller.ask(request("GET", path, token, "")).await;
        assert_eq!((answer.status(), answer.end), (status, End::Length), "{path}");
    }
    assert!(caller.is_closed().await, "what could be read differently ends it");
    assert_eq!(target.requests(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_goes_on_after_a_refused_request_with_a_body() {
    let target = WireTarget::answering(&[&empty("200 OK", b"")]).await;
    let world = target.world(ROUTES).await;
    let token = world.token();
    let mut caller = Wire::connect(world.proxy.address()).await;
    let long = "b".repeat(300_000);
    let refused = request("POST", "/none", &token, "Content-Length: 300000\r\n") + &long;
    assert_eq!(caller.ask(refused).await.status(), 404);
    assert_eq!(caller.ask(request("GET", "/t/x", &token, "")).await.status(), 200);
    let chunked = request("POST", "/none", &token, "Transfer-Encoding: chunked\r\n");
    assert_eq!(caller.ask(format!("{chunked}493E0\r\n{long}\r\n0\r\n\r\n")).await.status(), 404);
    assert!(caller.is_closed().await, "nothing follows chunks");
    assert_eq!(target.requests(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn pipelined_requests_are_answered_in_their_order() {
    let answers = ["a", "b", "c"].map(|body| format!("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{body}"));
    let target = WireTarget::answering(&answers.each_ref().map(String::as_bytes)).await;
    let world = target.world(ROUTES).await;
    let get = request("GET", "/t/x", &world.token(), "");
    let mut caller = Wire::connect(world.proxy.address()).await;
    caller.write(format!("{get}{get}{get}")).await;
    for body in ["a", "b", "c"] {
        assert_eq!(caller.read_response().await.text(), body);
    }
    assert_eq!(target.requests(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_pipelined_behind_a_refused_one_is_answered() {
    let target = WireTarget::answering(&[&empty("200 OK", b"")]).await;
    let world = target.world(ROUTES).await;
    let token = world.token();
    let mut caller = Wire::connect(world.proxy.address()).await;
    let upload = request("POST", "/t/x", "junk", "Content-Length: 4\r\n") + "body";
    caller.write(upload + &request("GET", "/t/x", &token, "")).await;
    assert_eq!((caller.read_response().await.status(), caller.read_response().await.status()), (401, 200));
    assert_eq!(target.requests(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_pipelined_behind_an_upload_is_answered() {
    let target = WireTarget::answering(&[&empty("200 OK", b"X-N: 1\r\n"), &empty("200 OK", b"X-N: 2\r\n")]).await;
    let world = target.world(ROUTES).await;
    let token = world.token();
    let mut caller = Wire::connect(world.proxy.address()).await;
    let get = request("GET", "/t/x", &token, "");
    caller.write(request("POST", "/t/x", &token, "Content-Length: 4\r\n") + "body" + &get).await;
    assert_eq!((caller.read_response().await.status(), caller.read_response().await.status()), (200, 200));
    let chunked = request("POST", "/t/x", &token, "Transfer-Encoding: chunked\r\n");
    assert_eq!(caller.ask(chunked + "4\r\nbody\r\n0\r\n\r\n" + &get).await.status(), 200);
    assert!(caller.is_closed().await, "nothing follows chunks");
    assert_eq!(target.requests(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_to_close_is_honoured() {
    let target = WireTarget::answering(&[&empty("200 OK", b"")]).await;
    let world = target.world(ROUTES).await;
    let mut caller = Wire::connect(world.proxy.address()).await;
    let answer = caller.ask(request("GET", "/t/x", &world.token(), "Connection: close\r\n")).await;
    assert_eq!((answer.status(), answer.header("connection").as_str()), (200, "close"));
    assert!(caller.is_closed().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_to_the_target_are_used_again() {
    let target = WireTarget::answering(&[&empty("200 OK", b"")]).await;
    let world = target.world(ROUTES).await;
    let get = request("GET", "/t/x", &world.token(), "");
    for _ in 0..20 {
        assert_eq!(Wire::connect(world.proxy.address()).await.ask(&get).await.status(), 200);
    }
    assert_eq!(target.requests(), 20);
    // A caller may be quicker than the connection of the one before is put back.
    assert!(target.connections() < 10, "{} connections", target.connections());
}
