//! Files that change by themselves: the configuration, links to it, and authorities that it names.

use std::os::unix::fs::symlink;

use super::{Followed, ORDERS, ORDERS_AND_PAYROLL, text};
use crate::support::tls::{Authority, TlsTarget};
use crate::support::{Proxy, World, eventually};

async fn serves(world: &World, path: &str, token: &str, status: u16) -> bool {
    world.get(path, token).await.status.as_u16() == status
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_replaced_or_written_in_place_is_gone_by_soon() {
    let followed = Followed::start(ORDERS).await;
    let (world, token) = (&followed.world, followed.world.token());
    followed.put(&text(world, "", ORDERS_AND_PAYROLL));
    eventually("the new route serves", async || serves(world, "/payroll", &token, 200).await).await;
    std::fs::write(followed.file(), text(world, "", ORDERS)).unwrap();
    eventually("the route is gone", async || serves(world, "/payroll", &token, 404).await).await;
    let attempt = followed.status().await["configuration"]["last_attempt"].take();
    assert_eq!(attempt["cause"], "change", "{attempt}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_file_is_told_once_and_a_good_one_taken_when_it_comes() {
    let followed = Followed::start(ORDERS).await;
    let (world, token) = (&followed.world, followed.world.token());
    followed.put("routes: [");
    let failures = async || world.proxy.metric("obo_proxy_config_reloads_total{outcome=\"failure\"}").await;
    eventually("it is told", async || failures().await >= 1.0).await;
    followed.expect("/orders", &token, 200).await;
    followed.put(&text(world, "", ORDERS_AND_PAYROLL));
    eventually("the new route serves", async || serves(world, "/payroll", &token, 200).await).await;
    assert_eq!(failures().await, 1.0);
}

/// As the kubelet does it: the files are links through `..data`, which is turned to another directory.
#[tokio::test(flavor = "multi_thread")]
async fn a_config_map_whose_link_is_turned_is_gone_by_soon() {
    let mut world = World::with_routes(ORDERS).await;
    let directory =
        std::path::PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("map-{:016x}", fastrand::u64(..)));
    for (name, routes) in [("..1", ORDERS), ("..2", ORDERS_AND_PAYROLL)] {
        std::fs::create_dir_all(directory.join(name)).unwrap();
        std::fs::write(directory.join(name).join("routes.yaml"), text(&world, "", routes)).unwrap();
    }
    symlink("..1", directory.join("..data")).unwrap();
    symlink("..data/routes.yaml", directory.join("routes.yaml")).unwrap();
    (world.proxy, _) = Proxy::following(&directory.join("routes.yaml")).await;
    world.proxy.wait_until_ready().await;
    let token = world.token();
    assert!(serves(&world, "/payroll", &token, 404).await);
    symlink("..2", directory.join("..data_tmp")).unwrap();
    std::fs::rename(directory.join("..data_tmp"), directory.join("..data")).unwrap();
    eventually("the new route serves", async || serves(&world, "/payroll", &token, 200).await).await;
    std::fs::remove_dir_all(directory).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn authorities_of_a_target_are_read_again_when_their_file_changes() {
    let (old, new) = (Authority::new(), Authority::new());
    let target = TlsTarget::http1(&new, "localhost", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
    let routes = format!(
        "\n  - {{name: t, path: /t, target: {{url: '{}', ca_file: ca.pem}}, scopes: [api://orders-backend/Orders.Read]}}",
        target.url
    );
    let followed = Followed::start(ORDERS).await;
    let ca = followed.directory.join("ca.pem");
    std::fs::copy(old.file(), &ca).unwrap();
    followed.change("", &routes).await.unwrap();
    let (world, token) = (&followed.world, followed.world.token());
    followed.expect("/t", &token, 502).await;
    std::fs::copy(new.file(), &ca).unwrap();
    eventually("the target is trusted", async || serves(world, "/t", &token, 200).await).await;
    assert_eq!(world.token_requests(), 1, "the exchange is the same");
}

/// What a configuration was refused for may lie in a file that it names.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_missing_is_waited_for() {
    let followed = Followed::start(ORDERS).await;
    let (world, token) = (&followed.world, followed.world.token());
    let secret = followed.directory.join("secret");
    let changed = text(world, "", ORDERS_AND_PAYROLL)
        .replace("client_secret: emulator-secret", &format!("client_secret_file: '{}'", secret.display()));
    let findings = followed.change_to(&changed).await.unwrap_err();
    assert!(findings.len() == 1 && findings[0].contains("cannot be read"), "{findings:?}");
    std::fs::write(&secret, "emulator-secret").unwrap();
    eventually("the new route serves", async || serves(world, "/payroll", &token, 200).await).await;
}
