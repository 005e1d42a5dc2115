//! How the program follows its configuration: by itself, and when it is told to by SIGHUP.

use std::path::Path;

use crate::support::program::{Program, command};
use crate::support::{World, eventually, file, get};

/// The program with this configuration in a file that can change.
async fn serve(path: &Path) -> Program {
    let mut program = Program::start(command(&["run", "--config", path.to_str().unwrap()]));
    let serving = program.line_with("message", "serving").await;
    program.url = format!("http://{}", serving["listen"].as_str().unwrap());
    program.admin = format!("http://{}", serving["admin"].as_str().unwrap());
    program.wait_until_ready().await;
    program
}

#[tokio::test(flavor = "multi_thread")]
async fn sighup_has_the_configuration_read_at_once_and_ends_nothing() {
    let world = World::start().await;
    let path = file(&world.configuration(""));
    let program = serve(&path).await;
    let token = world.token();
    assert_eq!(program.get("/orders/1", &token).await.status, 200);
    std::fs::write(&path, world.configuration("").replace("path: /orders", "path: /elsewhere")).unwrap();
    program.signal("HUP");
    let line = program.line_with("message", "configuration reloaded").await;
    assert_eq!((line["generation"].as_u64(), line["level"].as_str()), (Some(2), Some("INFO")), "{line}");
    assert!(line["took_ms"].is_u64(), "{line}");
    assert_eq!(program.get("/elsewhere/1", &token).await.status, 200);
    assert_eq!(program.get("/orders/1", &token).await.status, 404);
    assert_eq!(world.emulator.counters().token, 1);
    assert_eq!(program.metric("obo_proxy_config_reloads_total{outcome=\"success\"}").await, Some(1.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_file_is_refused_finding_by_finding_and_the_program_serves_on() {
    let world = World::start().await;
    let path = file(&world.configuration(""));
    let program = serve(&path).await;
    std::fs::write(&path, world.configuration("").replace("scopes:", "scope:")).unwrap();
    program.signal("HUP");
    program.line_with("message", "configuration not reloaded; the last good one stays").await;
    eventually("both routes have a finding", async || {
        program.lines_with("message", "configuration not reloaded; the last good one stays").len() == 2
    })
    .await;
    assert_eq!(program.get("/orders/1", &world.token()).await.status, 200);
    let status = get(&format!("{}/status", program.admin), "").await.unwrap();
    let status: serde_json::Value = serde_json::from_str(&status.text).unwrap();
    let attempt = &status["configuration"]["last_attempt"];
    assert_eq!(attempt["findings"].as_array().unwrap().len(), 2, "{status:#}");
    assert_eq!(status["configuration"]["generation"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn level_and_format_of_the_log_follow_the_configuration() {
    let world = World::start().await;
    let path = file(&world.configuration(""));
    let program = serve(&path).await;
    let change = async |log: &str, successes: f64| {
        std::fs::write(&path, world.configuration(log)).unwrap();
        program.signal("HUP");
        let metric = "obo_proxy_config_reloads_total{outcome=\"success\"}";
        eventually("it is reloaded", async || program.metric(metric).await >= Some(successes)).await;
    };
    change("log: {level: warn}", 1.0).await;
    assert_eq!(program.get("/orders/1", &world.token()).await.status, 200);
    change("log: {level: info, format: text}", 2.0).await;
    assert_eq!(program.get("/orders/2", &world.token()).await.status, 200);
    eventually("the second request is logged as text", async || {
        program.stdout().lines().any(|line| line.contains("/orders/2") && !line.starts_with('{'))
    })
    .await;
    assert!(!program.stdout().contains("/orders/1"), "{}", program.stdout());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_page_tells_what_serves_and_nothing_secret() {
    let world = World::start().await;
    let program = world.serve("").await;
    let token = world.token();
    assert_eq!(program.get("/orders/1", &token).await.status, 200);
    let status = get(&format!("{}/status", program.admin), "").await.unwrap();
    assert_eq!((status.status, status.header("content-type")), (200, "application/json"));
    for secret in [crate::support::SECRET, token.as_str(), token.rsplit('.').next().unwrap()] {
        assert!(!status.text.contains(secret), "{}", status.text);
    }
    let status: serde_json::Value = serde_json::from_str(&status.text).unwrap();
    assert_eq!(status["listeners"][0]["address"].as_str(), Some(program.address()), "{status:#}");
    assert_eq!((status["ready"].as_bool(), status["caches"]["tokens"].as_u64()), (Some(true), Some(1)));
    assert_eq!(status["routes"].as_array().map(Vec::len), Some(2));
    assert_eq!(status["targets"][0]["addresses"][0]["healthy"].as_bool(), Some(true));
    let identity = &status["identities"][0];
    assert!(identity["tenants"][0]["keys"].as_u64() > Some(0) && identity["tenants"][0]["keys_loaded"].is_string());
}
