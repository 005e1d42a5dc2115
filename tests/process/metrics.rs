//! What the admin listener counts after known traffic.

use std::collections::BTreeMap;

use crate::support::raw::exchange;
use crate::support::{World, eventually, get};
use obo_proxy::emulator::{Fault, TokenRequest};

/// The samples of the exposition, by name with labels.
type Samples = BTreeMap<String, f64>;

async fn samples(admin: &str) -> (String, Samples) {
    let reply = get(&format!("{admin}/metrics"), "").await.unwrap();
    assert_eq!(reply.status, 200);
    assert!(reply.header("content-type").starts_with("text/plain"));
    let lines = reply.text.lines().filter(|line| !line.starts_with('#'));
    let samples = lines.map(|line| line.rsplit_once(' ').unwrap());
    let samples = samples.map(|(name, value)| (name.to_owned(), value.parse().unwrap())).collect();
    (reply.text, samples)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_metric_counts_what_happened() {
    let world = World::start().await;
    let program = world.serve("").await;
    let token = world.token();
    // Answered by the target: one exchange, then the cache.
    for path in ["/orders/1", "/orders/2", "/orders/status/404"] {
        program.get(path, &token).await;
    }
    // Refused: no route, no token, a step-up, a token of nobody, an outage that is tried twice.
    program.get("/nowhere", &token).await;
    program.get("/orders/1", "").await;
    program.get("/payroll/1", &token).await;
    program.get("/orders/1", "not.a.token").await;
    world.emulator.faults().add(Fault::token_answer(503, &[], "{}"));
    let other = world.emulator.mint(&TokenRequest::default().user("99999999-0000-1111-2222-bbbbbbbbbbbb"));
    assert_eq!(program.get("/orders/1", &other).await.status, 503);
    // Not even HTTP.
    exchange(program.address(), "GET / HTTP/1.1\r\nHost : a\r\nbad header\r\n\r\n").await;

    let eight = async || {
        samples(&program.admin)
            .await
            .1
            .iter()
            .filter(|(name, _)| name.starts_with("obo_proxy_requests_total"))
            .map(|(_, count)| count)
            .sum::<f64>()
            >= 8.0
    };
    eventually("every request is counted", eight).await;
    let (text, samples) = samples(&program.admin).await;
    for (name, expected) in [
        ("obo_proxy_requests_total{code=\"\",route=\"orders\",status=\"200\"}", 2.0),
        ("obo_proxy_requests_total{code=\"\",route=\"orders\",status=\"404\"}", 1.0),
        ("obo_proxy_requests_total{code=\"no_route\",route=\"\",status=\"404\"}", 1.0),
        ("obo_proxy_requests_total{code=\"missing_token\",route=\"orders\",status=\"401\"}", 1.0),
        ("obo_proxy_requests_total{code=\"invalid_token\",route=\"orders\",status=\"401\"}", 1.0),
        ("obo_proxy_requests_total{code=\"claims_challenge\",route=\"payroll\",status=\"401\"}", 1.0),
        ("obo_proxy_requests_total{code=\"idp_unavailable\",route=\"orders\",status=\"503\"}", 1.0),
        ("obo_proxy_request_duration_seconds_count{route=\"orders\"}", 6.0),
        ("obo_proxy_request_duration_seconds_bucket{route=\"orders\",le=\"+Inf\"}", 6.0),
        ("obo_proxy_requests_in_flight", 0.0),
        ("obo_proxy_exchanges_total{identity=\"default\",outcome=\"success\"}", 1.0),
        ("obo_proxy_exchanges_total{identity=\"default\",outcome=\"claims_challenge\"}", 1.0),
        ("obo_proxy_exchanges_total{identity=\"default\",outcome=\"unavailable\"}", 1.0),
        ("obo_proxy_exchange_duration_seconds_count{identity=\"default\",outcome=\"success\"}", 1.0),
        ("obo_proxy_cache_lookups_total{cache=\"token\",result=\"hit\"}", 2.0),
        ("obo_proxy_cache_lookups_total{cache=\"token\",result=\"miss\"}", 3.0),
        ("obo_proxy_cache_lookups_total{cache=\"caller\",result=\"hit\"}", 3.0),
        ("obo_proxy_cache_lookups_total{cache=\"caller\",result=\"miss\"}", 3.0),
        ("obo_proxy_cache_entries{cache=\"token\"}", 1.0),
        ("obo_proxy_cache_entries{cache=\"caller\"}", 2.0),
        ("obo_proxy_key_refreshes_total{identity=\"default\",outcome=\"success\"}", 1.0),
        ("obo_proxy_signing_keys{identity=\"default\"}", 1.0),
        ("obo_proxy_log_lines_dropped_total", 0.0),
        ("obo_proxy_unreadable_requests_total", 1.0),
        ("obo_proxy_build_info{version=\"0.1.0\"}", 1.0),
    ] {
        assert_eq!(samples.get(name), Some(&expected), "{name} in\n{text}");
    }
    let loaded = samples["obo_proxy_signing_keys_loaded_timestamp_seconds{identity=\"default\"}"];
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs_f64();
    assert!((now - 600.0..=now).contains(&loaded), "{loaded} {now}");
    for name in [
        "process_cpu_seconds_total",
        "process_open_fds",
        "process_max_fds",
        "process_resident_memory_bytes",
        "process_virtual_memory_bytes",
        "process_start_time_seconds",
        "process_threads",
    ] {
        assert!(samples.contains_key(name), "{name} in\n{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_metric_has_help_and_a_type_and_no_label_holds_a_user() {
    let world = World::start().await;
    let program = world.serve("").await;
    program.get("/orders/1", &world.token()).await;
    let (text, samples) = samples(&program.admin).await;
    for name in samples.keys() {
        let family = name.split('{').next().unwrap();
        let family = ["_bucket", "_sum", "_count"].iter().find_map(|end| family.strip_suffix(end)).unwrap_or(family);
        assert!(text.contains(&format!("# HELP {family} ")), "{family}");
        assert!(text.contains(&format!("# TYPE {family} ")), "{family}");
    }
    assert!(!text.contains(obo_proxy::emulator::DEFAULT_USER_OID), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_in_flight_until_it_is_answered() {
    let world = World::start().await;
    let program = world.serve("").await;
    let (url, token) = (format!("{}/orders/slow/1000", program.url), world.token());
    let request = tokio::spawn(async move { get(&url, &token).await });
    eventually("the target has it", async || world.target.total_hits() == 1).await;
    assert_eq!(program.metric("obo_proxy_requests_in_flight").await, Some(1.0));
    assert_eq!(request.await.unwrap().unwrap().status, 200);
    eventually("none is", async || program.metric("obo_proxy_requests_in_flight").await == Some(0.0)).await;
}
