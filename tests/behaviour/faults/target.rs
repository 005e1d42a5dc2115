//! A target that breaks off, falls silent or talks nonsense.

use std::net::SocketAddr;

use super::{ROUTES, ask, keep_secret, path_for, recovers};
use crate::support::World;
use crate::support::faulty::{Deed, FaultyTarget, Then, echo};
use crate::support::tls::{Authority, TlsTarget};
use crate::support::wire::{End, Wire, WireTarget, request};

const HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\nX-Half: ";

/// What a target does in place of a header section, and what its caller sees.
fn without_header_section() -> Vec<(&'static str, Deed, u16)> {
    let endless = "x".repeat(3 << 20);
    let many = "X-Field: value\r\n".repeat(100_000);
    vec![
        ("closes", Deed::new("", Then::Close), 502),
        ("resets", Deed::new("", Then::Reset), 502),
        ("hangs", Deed::new("", Then::Hang), 504),
        ("closes in the header section", Deed::new(HEAD, Then::Close), 502),
        ("resets in the header section", Deed::new(HEAD, Then::Reset), 502),
        ("hangs in the header section", Deed::new(HEAD, Then::Hang), 504),
        ("speaks another protocol", Deed::new("SSH-2.0-OpenSSH_9.2\r\n\r\n", Then::Hang), 502),
        ("speaks TLS", Deed::new(b"\x15\x03\x01\x00\x02\x02\x46\r\n\r\n", Then::Close), 502),
        ("speaks HTTP/2", Deed::new(b"\0\0\x06\x04\0\0\0\0\0\0\x03\0\0\0\x64\r\n\r\n", Then::Close), 502),
        ("sends zeros", Deed::new([0; 4096], Then::Close), 502),
        ("has a status that is none", Deed::new("HTTP/1.1 2x0 OK\r\nContent-Length: 0\r\n\r\n", Then::Stay), 502),
        ("has a header that is none", Deed::new("HTTP/1.1 200 OK\r\nnone\r\n\r\n", Then::Stay), 502),
        ("has two lengths", Deed::new("HTTP/1.1 200 OK\r\nContent-Length: 3, 4\r\n\r\nabcd", Then::Stay), 502),
        ("has a length that is none", Deed::new("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", Then::Stay), 502),
        ("has an endless header", Deed::new(HEAD.to_owned() + &endless, Then::Hang), 502),
        ("has too many headers", Deed::new(format!("HTTP/1.1 200 OK\r\n{many}\r\n"), Then::Hang), 502),
        ("switches protocols unasked", Deed::new("HTTP/1.1 101 Switching Protocols\r\n\r\n", Then::Hang), 502),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_header_section_the_caller_is_told_and_nothing_is_sent_twice() {
    let target = FaultyTarget::start().await;
    let world = target.wire.world(ROUTES).await;
    let token = world.token();
    for (name, deed, status) in without_header_section() {
        println!("a target that {name}");
        let (path, before) = (path_for(&deed), target.wire.requests());
        target.misbehave(deed);
        let answer = ask(&world, "POST", path, &token, "order").await;
        let code = if status == 504 { "target_timeout" } else { "target_unavailable" };
        assert_eq!((answer.status(), answer.code().as_str()), (status, code), "a target that {name}");
        assert_eq!(target.wire.requests(), before + 1, "a target that {name} got the order again");
        recovers(&world, &target, "/after").await;
    }
    assert_eq!(world.token_requests(), 1 + without_header_section().len() as u64, "one for each token");
    keep_secret(&world, &target.wire);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_breaks_off_never_looks_whole() {
    let target = FaultyTarget::start().await;
    let world = target.wire.world(ROUTES).await;
    let token = world.token();
    let length = "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n";
    let chunks = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (name, deed) in [
        ("closes", Deed::new(format!("{length}begun"), Then::Close)),
        ("resets", Deed::new(format!("{length}begun"), Then::Reset)),
        ("hangs", Deed::new(format!("{length}begun"), Then::Hang)),
        ("closes between chunks", Deed::new(format!("{chunks}5\r\nbegun\r\n"), Then::Close)),
        ("resets between chunks", Deed::new(format!("{chunks}5\r\nbegun\r\n"), Then::Reset)),
        ("hangs between chunks", Deed::new(format!("{chunks}5\r\nbegun\r\n"), Then::Hang)),
        ("closes in a chunk", Deed::new(format!("{chunks}5\r\nbe"), Then::Close)),
        (
            "has a chunk size that is none",
            Deed::new(format!("{chunks}5\r\nbegun\r\nzz\r\nmore\r\n0\r\n\r\n"), Then::Stay),
        ),
        (
            "has a chunk that is longer than it says",
            Deed::new(format!("{chunks}5\r\nbegunandmore\r\n0\r\n\r\n"), Then::Stay),
        ),
    ] {
        println!("a target that {name}");
        let (path, before) = (path_for(&deed), target.wire.requests());
        target.misbehave(deed);
        let answer = ask(&world, "POST", path, &token, "order").await;
        match answer.status() {
            200 => assert_eq!(answer.end, End::Broken, "a target that {name}: {}", answer.text()),
            // It was noticed before the header section had gone on.
            status => assert_eq!((status, answer.code().as_str()), (502, "target_unavailable"), "a target that {name}"),
        }
        assert_eq!(target.wire.requests(), before + 1, "a target that {name} got the order again");
        recovers(&world, &target, "/after").await;
    }
    keep_secret(&world, &target.wire);
}

/// Nobody has to wait for the end of a body that is not wanted.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_before_the_request_is_read_arrives_and_the_rest_is_no_request() {
    let target = WireTarget::start(|mut wire, _| async move {
        while let Some(head) = wire.read_head().await {
            if head.starts_with(b"POST") {
                wire.write("HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig").await;
                wire.read_body(head, true).await;
            } else {
                wire.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
            }
        }
    })
    .await;
    let world = target.world(ROUTES).await;
    let token = world.token();
    let body = "GET /evil HTTP/1.1\r\nHost: a\r\n\r\n".repeat(100_000);
    for _ in 0..3 {
        let mut caller = Wire::connect(world.proxy.address()).await;
        let upload = request("POST", "/t/x", &token, &format!("Content-Length: {}\r\n", body.len())) + &body;
        let answer = caller.ask(upload).await;
        assert!(matches!((answer.status(), answer.text().as_str()), (413, "big")), "{answer:?}");
        assert_eq!(ask(&world, "GET", "/t/x", &token, "").await.text(), "ok");
    }
    let heads = target.received();
    assert!(heads.iter().all(|head| !head.start_line().contains("evil")), "a body was read as a request");
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_drip_arrive_whole() {
    let target = WireTarget::start(|mut wire, _| async move {
        while let Some(request) = wire.read_request().await {
            for byte in echo(&request).as_bytes() {
                wire.write([*byte]).await;
                tokio::time::sleep(std::time::Duration::from_millis(2)).await;
            }
        }
    })
    .await;
    let world = target.world(ROUTES).await;
    let answer = ask(&world, "POST", "/t/x", &world.token_of("alice"), "order").await;
    assert_eq!((answer.status(), answer.text().as_str(), target.requests()), (200, "/x alice", 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_does_not_resolve_concerns_its_own_route_only() {
    let target = FaultyTarget::start().await;
    let nowhere = "
  - {name: nowhere, path: /nowhere, target: 'http://nowhere.invalid', scopes: [api://orders-backend/Orders.Read]}
";
    let world = target.wire.world(&format!("{ROUTES}{}", nowhere.trim_start_matches('\n'))).await;
    let token = world.token_of("alice");
    let (lost, served) =
        tokio::join!(ask(&world, "GET", "/nowhere", &token, ""), ask(&world, "GET", "/t/x", &token, ""));
    assert_eq!((lost.status(), lost.code().as_str()), (502, "target_unavailable"));
    assert_eq!((served.status(), served.text().as_str()), (200, "/x alice"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_is_mended_is_accepted_without_a_restart() {
    let (trusted, other) = (Authority::new(), Authority::new());
    let wrong = TlsTarget::http1(&other, "localhost", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
    let port: u16 = wrong.url.rsplit_once(':').unwrap().1.parse().unwrap();
    let routes = format!(
        "
  - {{name: tls, path: /t, target: {{url: '{}', ca_file: '{}'}}, scopes: [api://orders-backend/Orders.Read]}}
",
        wrong.url,
        trusted.file()
    );
    let world = World::with_routes(&routes).await;
    let token = world.token();
    for _ in 0..3 {
        let answer = ask(&world, "POST", "/t/x", &token, "order").await;
        assert_eq!((answer.status(), answer.code().as_str()), (502, "target_unavailable"));
    }
    assert!(wrong.requests().is_empty(), "it was sent something");
    drop(wrong);
    let listener = bind_again(SocketAddr::from(([127, 0, 0, 1], port))).await;
    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    let right = TlsTarget::http1_on(listener, &trusted, "localhost", answer);
    let answer = ask(&world, "POST", "/t/x", &token, "order").await;
    assert_eq!((answer.status(), right.requests().len()), (200, 1));
}

/// The port of a listener that is about to go away.
async fn bind_again(address: SocketAddr) -> tokio::net::TcpListener {
    let mut listener = None;
    crate::support::eventually("the port is free", async || {
        listener = tokio::net::TcpListener::bind(address).await.ok();
        listener.is_some()
    })
    .await;
    listener.unwrap()
}
