//! Health checks: what they ask, and where requests go.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::{OK, route};
use crate::support::tls::{Authority, TlsTarget};
use crate::support::wire::{Message, WireTarget};
use crate::support::{World, eventually};

const CHECK: &str =
    "health_check: {path: /healthz, interval: 100ms, timeout: 1s, unhealthy_after: 2, healthy_after: 2}";

/// A target that is well as long as the flag says so; its other answers are always fine.
async fn target(is_well: &Arc<AtomicBool>) -> WireTarget {
    let is_well = Arc::clone(is_well);
    WireTarget::start(move |mut wire, _| {
        let is_well = Arc::clone(&is_well);
        async move {
            while let Some(request) = wire.read_request().await {
                let is_fine = !is_check(&request) || is_well.load(Ordering::SeqCst);
                wire.write(if is_fine { OK } else { b"HTTP/1.1 503 Unwell\r\nContent-Length: 0\r\n\r\n" }).await;
            }
        }
    })
    .await
}

fn is_check(request: &Message) -> bool {
    request.start_line() == "GET /healthz HTTP/1.1"
}

/// How many requests arrived that were no checks.
fn served(target: &WireTarget) -> usize {
    target.received().iter().filter(|request| !is_check(request)).count()
}

async fn is_healthy(world: &World, first: &WireTarget, target: &WireTarget) -> bool {
    let address = target.url.trim_start_matches("http://");
    let name = format!("obo_proxy_target_healthy{{address=\"{address}\",target=\"{}\"}}", first.url);
    world.proxy.metric(&name).await > 0.0
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_fails_its_check_gets_no_requests_until_it_succeeds_again() {
    let (is_first_well, is_second_well) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(true)));
    let (first, second) = (target(&is_first_well).await, target(&is_second_well).await);
    let settings = format!("url: '{}', endpoints: ['{}'], {CHECK}", first.url, second.url);
    let world = World::with_routes(&route(&settings)).await;
    let token = world.token();
    eventually("the first is unhealthy", async || !is_healthy(&world, &first, &first).await).await;
    for _ in 0..6 {
        assert_eq!(world.get("/t", &token).await.status, 200);
    }
    assert_eq!((served(&first), served(&second)), (0, 6));
    is_first_well.store(true, Ordering::SeqCst);
    eventually("the first is healthy", async || is_healthy(&world, &first, &first).await).await;
    for _ in 0..6 {
        assert_eq!(world.get("/t", &token).await.status, 200);
    }
    assert_eq!((served(&first), served(&second)), (3, 9));
}

#[tokio::test(flavor = "multi_thread")]
async fn where_every_address_fails_its_check_requests_are_sent_all_the_same() {
    let is_well = Arc::new(AtomicBool::new(false));
    let target = target(&is_well).await;
    let world = World::with_routes(&route(&format!("url: '{}', {CHECK}", target.url))).await;
    eventually("it is unhealthy", async || !is_healthy(&world, &target, &target).await).await;
    assert_eq!(world.get("/t", &world.token()).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_carries_no_credential_and_its_result_is_logged_when_it_changes() {
    let is_well = Arc::new(AtomicBool::new(false));
    let target = target(&is_well).await;
    let world = World::with_routes(&route(&format!("url: '{}', {CHECK}", target.url))).await;
    let lines = |message: &str| {
        let lines = crate::support::log::lines_with(target.url.trim_start_matches("http://"));
        lines.iter().filter(|line| line["message"].as_str().is_some_and(|text| text.starts_with(message))).count()
    };
    eventually("the failure is logged", async || lines("health check fails") == 1).await;
    is_well.store(true, Ordering::SeqCst);
    eventually("the recovery is logged", async || lines("health check succeeds again") == 1).await;
    let checks = target.received();
    assert!(checks.len() >= 4);
    for check in checks {
        let mut names = check.names();
        names.sort_unstable();
        assert_eq!(names, ["connection", "host", "user-agent"]);
        assert_eq!(check.header("host"), target.url.trim_start_matches("http://"));
    }
    assert_eq!((world.token_requests(), lines("health check fails")), (0, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_check_of_an_http2_target_makes_a_connection_and_ends_it() {
    let authority = Authority::new();
    let (made, open) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let counters = (Arc::clone(&made), Arc::clone(&open));
    let target = TlsTarget::start(authority.server_config("localhost", b"h2"), move |stream, log| {
        let (made, open) = (Arc::clone(&counters.0), Arc::clone(&counters.1));
        async move {
            made.fetch_add(1, Ordering::SeqCst);
            open.fetch_add(1, Ordering::SeqCst);
            if let Ok(mut connection) = h2::server::handshake(stream).await {
                while let Some(Ok((request, mut respond))) = connection.accept().await {
                    log.lock().unwrap().push(request.headers().clone());
                    respond.send_response(http::Response::new(()), true).unwrap();
                }
            }
            open.fetch_sub(1, Ordering::SeqCst);
        }
    })
    .await;
    let settings = format!("url: '{}', http2: true, ca_file: '{}', {CHECK}", target.url, authority.file());
    let _world = World::with_routes(&route(&settings)).await;
    eventually("several checks were made", async || target.requests().len() >= 4).await;
    let asked = target.requests();
    assert!(made.load(Ordering::SeqCst) >= asked.len());
    assert!(asked.iter().all(|headers| !headers.contains_key("authorization")));
    eventually("their connections have ended", async || open.load(Ordering::SeqCst) <= 1).await;
}
