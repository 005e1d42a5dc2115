//! Rate limits of routes and identities.

use std::time::Duration;

use super::{VALID, findings, settings, with_identity, with_route};
use crate::limit::{CountedBy, RateLimit};

fn limits(text: &str) -> Vec<RateLimit> {
    settings(&with_route(&format!("rate_limit: {text}"))).routes[0].rate_limits.clone()
}

#[test]
fn there_are_no_limits_unless_they_are_asked_for() {
    let settings = settings(VALID);
    assert!(settings.routes[0].rate_limits.is_empty());
    assert_eq!(settings.identities[0].exchange_limit, None);
}

#[test]
fn a_limit_is_one_or_several() {
    let by_user = RateLimit { requests: 100, per: Duration::from_secs(1), burst: 100, by: CountedBy::User };
    assert_eq!(limits("{requests: 100, per: 1s, by: user}"), [by_user]);
    assert_eq!(
        limits("[{requests: 1, per: 1m30s, burst: 7, by: address}, {requests: 5, per: 24h, by: client}]"),
        [
            RateLimit { requests: 1, per: Duration::from_secs(90), burst: 7, by: CountedBy::Address },
            RateLimit { requests: 5, per: Duration::from_hours(24), burst: 5, by: CountedBy::Client },
        ]
    );
    let identity = settings(&with_identity("exchange_limit: {requests: 100, per: 1s, by: user}"));
    assert_eq!(identity.identities[0].exchange_limit, Some(by_user));
}

#[test]
fn a_limit_says_what_is_admitted_and_who_is_counted() {
    let range = "accepted: a whole number from 1 to 100000";
    for (text, expected) in [
        ("{requests: 0, per: 1s, by: user}", format!("8:28 found the number 0; {range}")),
        ("{requests: 1, per: 1s, burst: 100001, by: user}", format!("8:47 found the number 100001; {range}")),
        ("{requests: 1, per: 999ms, by: user}", "8:36 found \"999ms\"; accepted: a duration from 1s to 24h".to_owned()),
        (
            "[{requests: 1, per: 1s, by: user}, {requests: 1, per: 25h, by: user}]",
            "8:71 found \"25h\"; accepted: a duration from 1s to 24h".to_owned(),
        ),
        (
            "{requests: 1, per: 1s, by: tenant}",
            "8:44 found the text \"tenant\"; accepted: \"user\", \"client\" or \"address\"".to_owned(),
        ),
        ("{requests: 1, per: 1s}", "8:17 missing key \"by\"; accepted: \"user\", \"client\" or \"address\"".to_owned()),
        ("[]", "8:17 found an empty list; accepted: at least one entry".to_owned()),
    ] {
        assert_eq!(findings(&with_route(&format!("rate_limit: {text}"))), [expected], "{text}");
    }
}

#[test]
fn exchanges_have_no_address() {
    assert_eq!(
        findings(&with_identity("exchange_limit: {requests: 1, per: 1s, by: address}")),
        ["5:48 found \"address\" for exchanges; accepted: \"user\" or \"client\""]
    );
}
