//! Targets: what a mapping may say, and what of it goes together.

use std::time::Duration;

use super::{findings, settings, with};
use crate::proxy::{Balance, TargetSettings};

/// The target of a route whose mapping has these further keys.
fn target(keys: &str) -> TargetSettings {
    settings(&with("https://payroll.internal", &format!("{{url: https://payroll.internal{keys}}}")))
        .routes
        .remove(0)
        .target
}

/// The findings of such a route, without their positions.
fn faults(target: &str) -> Vec<String> {
    let found = findings(&with("https://payroll.internal", &format!("{{{target}}}")));
    found.iter().map(|finding| finding.split_once(' ').unwrap().1.to_owned()).collect()
}

#[test]
fn a_target_takes_the_defaults() {
    let target = target("");
    assert_eq!((target.retries, target.max_requests, target.balance), (1, 1024, Balance::RoundRobin));
    assert!(target.timeout.is_none() && target.health_check.is_none() && target.endpoints.is_empty());
    assert!(target.client_certificate.is_none() && target.server_name.is_none());
}

#[test]
fn what_is_written_of_a_target_holds() {
    let target = target(
        ", endpoints: ['https://B.internal:8443', 'https://[::1]'], balance: least_requests, timeout: 5m, retries: 0, \
         max_requests: 7, server_name: Payroll.contoso.com, health_check: {path: /healthz}",
    );
    let places: Vec<_> = target.endpoints.iter().map(|place| (&*place.host, place.port)).collect();
    assert_eq!(places, [("b.internal", 8443), ("::1", 443)]);
    assert_eq!((target.balance, target.timeout), (Balance::LeastRequests, Some(Duration::from_mins(5))));
    assert_eq!((target.retries, target.max_requests), (0, 7));
    assert_eq!(target.server_name.as_deref(), Some("payroll.contoso.com"));
    let check = target.health_check.unwrap();
    assert_eq!(
        (&*check.path, check.interval, check.timeout),
        ("/healthz", Duration::from_secs(10), Duration::from_secs(2))
    );
    assert_eq!((check.unhealthy_after, check.healthy_after), (3, 2));
}

#[test]
fn endpoints_are_other_places_of_the_same_target() {
    let accepted = "accepted: a URL with the scheme of \"url\", and without a path";
    for (endpoint, expected) in [
        ("http://b", format!("found \"http://b\"; {accepted}")),
        ("https://b/x", format!("found \"https://b/x\"; {accepted}")),
        ("https://b/", format!("found \"https://b/\"; {accepted}")),
        ("https://a:443", "found \"https://a:443\" a second time; accepted: each place once".to_owned()),
    ] {
        assert_eq!(faults(&format!("url: https://a, endpoints: ['{endpoint}']")), [expected]);
    }
}

#[test]
fn health_checks_have_a_path_and_sensible_times() {
    assert_eq!(
        faults("url: https://a, health_check: {path: x, interval: 1ms, timeout: 2m}"),
        [
            "found the path \"x\", which does not begin with \"/\"; accepted: a path such as \"/healthz\"",
            "found \"1ms\"; accepted: a duration from 100ms to 1h",
            "found \"2m\"; accepted: a duration from 1ms to 1m",
        ]
    );
}

#[test]
fn the_time_for_the_first_byte_is_one_that_can_be_kept() {
    assert_eq!(target(", first_byte_timeout: 20s").first_byte_timeout, Some(Duration::from_secs(20)));
    assert_eq!(
        faults("url: https://a, first_byte_timeout: 61s"),
        ["found \"61s\"; accepted: at most \"read_timeout\", which ends every silence"]
    );
    assert_eq!(
        faults("url: https://a, first_byte_timeout: 1s, http2: true"),
        ["found a time for the first byte over HTTP/2; accepted: \"read_timeout\" or \"timeout\""]
    );
}

#[test]
fn what_concerns_tls_belongs_to_https_targets() {
    assert_eq!(
        faults("url: http://a, server_name: b"),
        ["found a name in certificates for a target without TLS; accepted: an https target"]
    );
    assert_eq!(
        faults("url: https://a, client_key: x"),
        ["missing key \"client_certificate\"; accepted: the file with the certificate"]
    );
    assert_eq!(
        faults("url: https://a, client_certificate: x"),
        ["missing key \"client_key\"; accepted: the file with the key of the certificate"]
    );
}

#[test]
fn names_that_no_certificate_can_be_for_are_refused() {
    let accepted = "accepted: a host name such as \"payroll.contoso.com\"";
    for name in ["''", "a_b.example", "'[::1]'", "'*.a'", "a:443"] {
        let found = faults(&format!("url: https://a, server_name: {name}"));
        assert_eq!(found, [format!("found \"{}\"; {accepted}", name.trim_matches('\''))]);
    }
    assert_eq!(
        faults("url: https://a_b.example"),
        [
            "found the host \"a_b.example\", for which there are no certificates; accepted: a host name or address for an \
             https target, or the key \"server_name\""
        ]
    );
    assert!(faults_free("url: https://a_b.example, server_name: b.example"));
    assert!(faults_free("url: 'https://10.0.0.1', endpoints: ['https://[::1]:8443']"));
}

fn faults_free(target: &str) -> bool {
    super::parsed(&with("https://payroll.internal", &format!("{{{target}}}"))).is_ok()
}
