//! `listen` and those of the `limits` that are about connections.

use std::time::Duration;

use super::{findings, settings, with_top};

fn with_listener(rest: &str) -> String {
    with_top(&format!("listen: [{{address: '127.0.0.1:8080', {rest}}}]"))
}

#[test]
fn listeners_say_what_is_spoken_on_them() {
    let listeners = settings(&with_listener("h2c: true, proxy_protocol: {from: [10.0.0.0/8, '::1']}")).listeners;
    assert!(listeners[0].h2c);
    let from = listeners[0].proxy_protocol.as_ref().unwrap();
    assert!(from.contains("10.1.2.3".parse().unwrap()) && !from.contains("127.0.0.1".parse().unwrap()));
    let plain = settings(&with_top("listen: [{address: '127.0.0.1:8080'}]")).listeners;
    assert!(!plain[0].h2c && plain[0].proxy_protocol.is_none());
}

#[test]
fn a_proxy_protocol_needs_somebody_to_speak_it() {
    assert_eq!(
        findings(&with_listener("proxy_protocol: {from: []}")),
        ["1:61 found an empty list; accepted: at least one entry"]
    );
    let network = "an address or a network such as \"10.0.0.0/8\" or \"2001:db8::/32\", without bits behind its prefix";
    assert_eq!(
        findings(&with_listener("proxy_protocol: {from: [any]}")),
        [format!("1:62 found \"any\"; accepted: {network}")]
    );
}

#[test]
fn h2c_is_refused_beside_tls() {
    let found = findings(&with_listener("h2c: true, tls: {certificate: a, private_key: b}"));
    assert!(found.iter().any(|finding| finding.contains("one of them: with TLS, HTTP/2 is negotiated")), "{found:?}");
}

#[test]
fn limits_of_connections_are_bounded_and_have_defaults() {
    let defaults = settings(&with_top("drain_timeout: 1s")).limits;
    assert_eq!(defaults, crate::connection::Limits::default());
    let limits = settings(&with_top("limits: {connections: 5, connections_per_address: 2, idle_timeout: 1m}")).limits;
    assert_eq!((limits.connections, limits.connections_per_address), (5, Some(2)));
    assert_eq!((limits.idle_timeout, limits.header_timeout), (Duration::from_mins(1), Duration::from_secs(10)));
    assert_eq!(
        findings(&with_top("limits: {connections: 0}")),
        ["1:23 found the number 0; accepted: a whole number from 1 to 1000000"]
    );
    assert_eq!(
        findings(&with_top("limits: {header_timeout: 0s, idle_timeout: 25h, body_timeout: 1ms}")),
        [
            "1:26 found \"0s\"; accepted: a duration from 100ms to 1h",
            "1:44 found \"25h\"; accepted: a duration from 100ms to 24h",
            "1:63 found \"1ms\"; accepted: a duration from 100ms to 1h",
        ]
    );
}
