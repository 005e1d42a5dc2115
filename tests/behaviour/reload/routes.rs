//! Routes that come, go and change, and configurations that cannot be gone by.

use tokio::net::TcpStream;
use tokio::time::{Duration, sleep};

use super::{Followed, ORDERS, ORDERS_AND_PAYROLL, text};
use crate::support::wire::{Wire, WireTarget, request};
use crate::support::{World, log};

#[tokio::test(flavor = "multi_thread")]
async fn routes_come_and_go_at_once_and_what_stayed_stays_warm() {
    let followed = Followed::start(ORDERS).await;
    let token = followed.world.token();
    followed.expect("/orders", &token, 200).await;
    followed.expect("/payroll", &token, 404).await;
    let downloads = followed.downloads();
    assert_eq!(followed.change("", ORDERS_AND_PAYROLL).await, Ok(2));
    followed.expect("/orders", &token, 200).await;
    assert_eq!(followed.world.token_requests(), 1, "the token for orders was remembered");
    followed.expect("/payroll", &token, 200).await;
    assert_eq!(followed.change("", ORDERS).await, Ok(3));
    followed.expect("/payroll", &token, 404).await;
    followed.expect("/orders", &token, 200).await;
    assert_eq!((followed.world.token_requests(), followed.downloads()), (2, downloads));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_route_with_another_target_goes_there_with_the_token_that_is_remembered() {
    let (followed, other) = (Followed::start(ORDERS).await, World::start().await);
    let token = followed.world.token();
    followed.expect("/orders", &token, 200).await;
    let elsewhere = ORDERS.replace("{target}", other.target.url());
    followed.change("", &elsewhere).await.unwrap();
    followed.expect("/orders", &token, 200).await;
    assert_eq!((followed.world.target.total_hits(), other.target.total_hits()), (1, 1));
    assert_eq!(followed.world.token_requests(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn other_scopes_are_another_exchange() {
    let followed = Followed::start(ORDERS).await;
    let token = followed.world.token();
    followed.expect("/orders", &token, 200).await;
    followed.change("", &ORDERS.replace("Orders.Read", "Orders.Write")).await.unwrap();
    followed.expect("/orders", &token, 200).await;
    assert_eq!(followed.world.token_requests(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_file_leaves_everything_as_it_was_and_is_told_in_log_metrics_and_status() {
    let followed = Followed::start(ORDERS).await;
    let token = followed.world.token();
    followed.expect("/orders", &token, 200).await;
    let proxy = &followed.world.proxy;
    assert_eq!(proxy.metric("obo_proxy_config_last_reload_successful").await, 1.0);
    let (since, hash) = (
        proxy.metric("obo_proxy_config_last_reload_success_timestamp_seconds").await,
        proxy.metric("obo_proxy_config_hash").await,
    );
    let bad = text(&followed.world, "    clock_skew: 9m", ORDERS).replace("scopes:", "scope:");
    let findings = followed.change_to(&bad).await.unwrap_err();
    assert_eq!(findings.len(), 2, "{findings:?}");
    let file = followed.file().display().to_string();
    assert!(findings.iter().all(|finding| finding.starts_with(&format!("{file}:"))), "{findings:?}");
    assert!(findings.iter().any(|finding| finding.contains(r#"unknown key "scope""#)), "{findings:?}");
    followed.expect("/orders", &token, 200).await;
    for finding in &findings {
        let quoted = serde_json::to_string(finding).unwrap();
        let lines = log::lines_with(&format!("\"finding\":{quoted}"));
        assert_eq!((lines.len(), lines[0]["level"].as_str()), (1, Some("ERROR")), "{finding}");
    }
    assert_eq!(proxy.metric("obo_proxy_config_last_reload_successful").await, 0.0);
    assert_eq!(proxy.metric("obo_proxy_config_reloads_total{outcome=\"failure\"}").await, 1.0);
    assert_eq!(proxy.metric("obo_proxy_config_last_reload_success_timestamp_seconds").await, since);
    assert_eq!(proxy.metric("obo_proxy_config_hash").await, hash);
    let configuration = followed.status().await["configuration"].take();
    assert_eq!((configuration["generation"].as_u64(), configuration["file"].as_str()), (Some(1), Some(&*file)));
    let attempt = &configuration["last_attempt"];
    assert_eq!((&attempt["successful"], &attempt["findings"]), (&false.into(), &serde_json::json!(findings)));
    followed.change("", ORDERS_AND_PAYROLL).await.unwrap();
    assert_eq!(proxy.metric("obo_proxy_config_last_reload_successful").await, 1.0);
    assert_eq!(proxy.metric("obo_proxy_config_reloads_total{outcome=\"success\"}").await, 1.0);
    assert_ne!(proxy.metric("obo_proxy_config_hash").await, hash);
    let attempt = followed.status().await["configuration"]["last_attempt"].take();
    assert_eq!((&attempt["successful"], &attempt["cause"]), (&true.into(), &"request".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_of_a_route_that_is_gone_are_gone() {
    let followed = Followed::start(ORDERS_AND_PAYROLL).await;
    let token = followed.world.token();
    followed.expect("/payroll", &token, 200).await;
    followed.expect("/orders", &token, 200).await;
    let series = |route: &str| format!("obo_proxy_requests_total{{code=\"\",route=\"{route}\",status=\"200\"}}");
    assert_eq!(followed.world.proxy.metric(&series("payroll")).await, 1.0);
    followed.change("", ORDERS).await.unwrap();
    crate::support::eventually("the series is gone", async || {
        followed.world.proxy.metric(&series("payroll")).await == 0.0
    })
    .await;
    assert_eq!(followed.world.proxy.metric(&series("orders")).await, 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_websocket_outlives_the_route_that_it_took() {
    const SOCKET: &str = "
  - {name: wire, path: /t, target: '{target}', scopes: [api://orders-backend/Orders.Read]}
";
    let target = WireTarget::start(|mut wire: Wire<TcpStream>, _| async move {
        wire.read_head().await;
        // Pingora takes a 101 that overtakes the end of the request for the end of the connection.
        sleep(Duration::from_millis(100)).await;
        wire.write("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nready\n")
            .await;
        while let Some(line) = wire.read_through(b"\n").await {
            wire.write([b"echo ", line.as_slice()].concat()).await;
        }
    });
    let target = target.await;
    let world = target.world(SOCKET).await;
    let routes = SOCKET.replace("{target}", &target.url);
    let followed = Followed::around(world, "", &routes).await;
    let mut caller = Wire::connect(followed.world.proxy.address()).await;
    let handshake = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    caller.write(request("GET", "/t/socket", &followed.world.token(), handshake)).await;
    assert!(String::from_utf8(caller.read_head().await.unwrap()).unwrap().starts_with("HTTP/1.1 101 "));
    assert_eq!(caller.read_through(b"\n").await.unwrap(), b"ready\n");
    for turn in 0..3 {
        followed.change("    clock_skew: 30s", &ORDERS.replace("orders,", &format!("orders-{turn},"))).await.unwrap();
        caller.write("x\n").await;
        assert_eq!(caller.read_through(b"\n").await.unwrap(), b"echo x\n");
    }
    followed.expect("/t/socket", &followed.world.token(), 404).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_on_its_way_is_answered_by_the_route_that_it_took() {
    let followed = Followed::start(ORDERS).await;
    let token = followed.world.token();
    let slow = followed.world.get("/orders/slow/1000", &token);
    let change = async {
        crate::support::eventually("it is there", async || followed.world.target.total_hits() == 1).await;
        followed.change("", &ORDERS.replace("/orders,", "/elsewhere,")).await.unwrap();
        followed.expect("/orders", &token, 404).await;
    };
    let (reply, ()) = tokio::join!(slow, change);
    assert_eq!(reply.status, 200, "{reply:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_admin_listener_moves_and_an_address_that_is_taken_changes_nothing() {
    let followed = Followed::start(ORDERS).await;
    let token = followed.world.token();
    let occupant = crate::support::listener();
    let moved = |address: &str, routes: &str| {
        text(&followed.world, "", routes)
            .replace("admin: {address: '127.0.0.1:0'}", &format!("admin: {{address: '{address}'}}"))
    };
    let address = occupant.local_addr().unwrap().to_string();
    let findings = followed.change_to(&moved(&address, ORDERS_AND_PAYROLL)).await.unwrap_err();
    assert!(findings[0].contains(&address), "{findings:?}");
    followed.expect("/payroll", &token, 404).await;
    assert_eq!(followed.world.proxy.admin("/readyz").await.0, 200);
    drop(occupant);
    followed.change_to(&moved(&address, ORDERS_AND_PAYROLL)).await.unwrap();
    followed.expect("/payroll", &token, 200).await;
    let answer = crate::support::client().get(format!("http://{address}/readyz")).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert!(crate::support::client().get(format!("{}/readyz", followed.world.proxy.admin)).send().await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn listeners_come_and_go_with_the_configuration() {
    let followed = Followed::start(ORDERS).await;
    let token = followed.world.token();
    let second = crate::support::listener();
    let address = second.local_addr().unwrap().to_string();
    let both = text(&followed.world, "", ORDERS).replace(
        "listen: [{address: '127.0.0.1:0'}]",
        &format!("listen: [{{address: '127.0.0.1:0'}}, {{address: '{address}'}}]"),
    );
    let findings = followed.change_to(&both).await.unwrap_err();
    assert!(findings.len() == 1 && findings[0].contains(&address), "{findings:?}");
    followed.expect("/orders", &token, 200).await;
    drop(second);
    followed.change_to(&both).await.unwrap();
    let ask = || crate::support::client().get(format!("http://{address}/orders")).bearer_auth(&token).send();
    assert_eq!(ask().await.unwrap().status(), 200);
    followed.change("", ORDERS).await.unwrap();
    crate::support::eventually("nobody listens there", async || ask().await.is_err()).await;
    followed.expect("/orders", &token, 200).await;
    assert_eq!(followed.world.token_requests(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_caller_has_used_of_a_limit_is_not_forgotten() {
    let limited = ORDERS.replace("scopes:", "rate_limit: {requests: 2, per: 1h, burst: 2, by: user}, scopes:");
    let followed = Followed::start(&limited).await;
    let token = followed.world.token();
    followed.expect("/orders", &token, 200).await;
    followed.change("", &limited.replace("'{target}'", "{url: '{target}', read_timeout: 61s}")).await.unwrap();
    followed.expect("/orders", &token, 200).await;
    followed.expect("/orders", &token, 429).await;
    followed.change("    clock_skew: 61s", &limited).await.unwrap();
    followed.expect("/orders", &token, 429).await;
    followed.change("", &limited.replace("burst: 2", "burst: 3")).await.unwrap();
    followed.expect("/orders", &token, 200).await;
}
