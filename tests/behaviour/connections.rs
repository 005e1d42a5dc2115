//! Connections to the target: silent ones, pooled ones that have gone stale, and a target that restarts.

use tokio::net::{TcpListener, TcpStream};

use crate::support::wire::{Wire, WireTarget, request};
use crate::support::{World, eventually};

const ROUTES: &str = "
  - {name: wire, path: /t, target: '{target}', scopes: [api://orders-backend/Orders.Read]}
";

const IMPATIENT: &str = "
  - {name: wire, path: /t, target: {url: '{target}', read_timeout: 300ms}, scopes: [api://orders-backend/Orders.Read]}
";

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_target_is_given_up_after_the_read_timeout() {
    let target = WireTarget::start(|mut wire, _| async move {
        wire.read_head().await;
        wire.read_head().await;
    });
    let target = target.await;
    let world = target.world(IMPATIENT).await;
    let mut caller = Wire::connect(world.proxy.address()).await;
    let answer = caller.ask(request("POST", "/t/x", &world.token(), "Content-Length: 0\r\n")).await;
    assert_eq!((answer.status(), answer.code().as_str(), target.requests()), (504, "target_timeout", 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_the_target_closes_unasked_fail_no_get() {
    let target = WireTarget::answering_once(OK).await;
    let world = target.world(ROUTES).await;
    let token = world.token();
    let mut caller = Wire::connect(world.proxy.address()).await;
    for _ in 0..20 {
        assert_eq!(caller.ask(request("GET", "/t/x", &token, "")).await.status(), 200);
    }
    assert_eq!(target.requests(), 20);
}

/// A target whose first connection takes a second request and closes without an answer to it.
async fn leaving_target() -> WireTarget {
    WireTarget::start(|mut wire, turn| async move {
        while wire.read_request().await.is_some() {
            wire.write(OK).await;
            if turn == 0 {
                wire.read_request().await;
                return;
            }
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_get_on_a_connection_that_turns_out_closed_is_sent_again() {
    let target = leaving_target().await;
    let world = target.world(ROUTES).await;
    let token = world.token();
    let mut caller = Wire::connect(world.proxy.address()).await;
    for _ in 0..2 {
        assert_eq!(caller.ask(request("GET", "/t/x", &token, "")).await.status(), 200);
    }
    assert_eq!((target.requests(), target.connections()), (3, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_post_that_may_have_been_acted_on_is_not_sent_again() {
    let target = leaving_target().await;
    let world = target.world(ROUTES).await;
    let token = world.token();
    let mut caller = Wire::connect(world.proxy.address()).await;
    assert_eq!(caller.ask(request("GET", "/t/x", &token, "")).await.status(), 200);
    let answer = caller.ask(request("POST", "/t/x", &token, "Content-Length: 2\r\n") + "ab").await;
    assert_eq!((answer.status(), answer.code().as_str()), (502, "target_unavailable"));
    assert_eq!(target.requests(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_succeed_as_soon_as_a_target_is_back() {
    let serve = |mut wire: Wire<TcpStream>, _| async move {
        while wire.read_request().await.is_some() {
            wire.write(OK).await;
        }
    };
    let first = WireTarget::start(serve).await;
    let address = first.url.trim_start_matches("http://").to_owned();
    let world = first.world(ROUTES).await;
    let get = request("GET", "/t/x", &world.token(), "");
    let mut caller = Wire::connect(world.proxy.address()).await;
    assert_eq!(caller.ask(&get).await.status(), 200);
    drop(first);
    eventually("the target is gone", async || TcpStream::connect(&address).await.is_err()).await;
    let again = WireTarget::start_on(TcpListener::bind(&address).await.unwrap(), serve);
    for _ in 0..5 {
        assert_eq!(caller.ask(&get).await.status(), 200);
    }
    drop(again);
    assert_eq!(world.token_requests(), 1);
}

/// A target that nobody listens for yet.
async fn absent_target() -> (std::net::SocketAddr, World) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    (address, World::with_routes(&ROUTES.replace("{target}", &format!("http://{address}"))).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_was_down_is_found_again_by_the_next_request() {
    let (address, world) = absent_target().await;
    let get = request("GET", "/t/x", &world.token(), "");
    let down = Wire::connect(world.proxy.address()).await.ask(&get).await;
    assert_eq!((down.status(), down.code().as_str()), (502, "target_unavailable"));
    let target = WireTarget::start_on(TcpListener::bind(address).await.unwrap(), |mut wire, _| async move {
        wire.read_request().await;
        wire.write(OK).await;
    });
    let up = Wire::connect(world.proxy.address()).await.ask(&get).await;
    assert_eq!((up.status(), target.requests()), (200, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_is_closed_after_a_failure_only_as_announced() {
    let (_, world) = absent_target().await;
    let mut caller = Wire::connect(world.proxy.address()).await;
    let down = caller.ask(request("GET", "/t/x", &world.token(), "")).await;
    assert_eq!((down.status(), down.header("connection").as_str()), (502, "close"));
    assert!(caller.is_closed().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_to_a_target_that_is_down_is_answered() {
    let (_, world) = absent_target().await;
    let upload = request("POST", "/t/x", &world.token(), "Content-Length: 2000000\r\n") + &"b".repeat(2_000_000);
    let answer = Wire::connect(world.proxy.address()).await.ask(upload).await;
    assert_eq!((answer.status(), answer.code().as_str()), (502, "target_unavailable"));
}
