//! Values of identities and of listeners.

use super::{findings, with, with_identity, with_top};

const URL: &str = "accepted: an http or https URL with a host, without user, password, query and fragment";

#[test]
fn the_tenant_is_a_guid_or_that_of_the_caller() {
    for tenant in
        ["common", "organizations", "Caller", "contoso.onmicrosoft.com", "{11111111-2222-3333-4444-555555555555}"]
    {
        assert_eq!(
            findings(&with("11111111-2222-3333-4444-555555555555", &format!("'{tenant}'"))),
            [format!(
                "3:16 found \"{tenant}\"; accepted: the tenant's GUID, such as \"11111111-2222-3333-4444-555555555555\", \
                 or \"caller\" with a list of \"tenants\""
            )]
        );
    }
}

#[test]
fn the_client_id_fits_into_a_quoted_header_parameter() {
    for (client_id, found) in [("'a\"b'", r#""a\"b""#), ("a b", "\"a b\""), ("''", "\"\""), ("a,b", "\"a,b\"")] {
        assert_eq!(
            findings(&with("00001111-aaaa-2222-bbbb-3333cccc4444", client_id)),
            [format!(
                "4:16 found {found}; accepted: one or more of A-Z, a-z, 0-9, \".\", \"_\", \"~\", \":\", \"/\" and \"-\""
            )]
        );
    }
}

#[test]
fn the_authority_is_an_https_url() {
    for (authority, found) in [
        ("login.microsoftonline.com", "\"login.microsoftonline.com\""),
        ("ftp://h", "\"ftp://h\""),
        ("https:h", "\"https:h\""),
        ("https:///h", "\"https:///h\""),
        ("https://h:99999", "\"https://h:99999\""),
        ("https://h/a b", "\"https://h/a b\""),
        ("https://h\\a", "\"https://h\\\\a\""),
        ("https://u:p@h", "a user name or password in a URL"),
        ("https://@h", "a user name or password in a URL"),
        ("https://h?q", "a query or fragment in a URL"),
        ("https://h?", "a query or fragment in a URL"),
        ("https://u:p@h:x", "a URL"),
    ] {
        assert_eq!(
            findings(&with_identity(&format!("authority: {authority}"))),
            [format!("5:16 found {found}; {URL}")]
        );
    }
}

#[test]
fn the_authority_is_http_only_by_request() {
    assert_eq!(
        findings(&with_identity("authority: http://localhost.contoso.com:8400")),
        [
            "5:16 found \"http://localhost.contoso.com:8400\"; accepted: an https URL; http only with a loopback address or \
         with \"allow_http: true\""
        ]
    );
}

#[test]
fn the_path_of_an_authority_has_one_reading() {
    for (path, fault) in
        [("/a/../b", "has a dot segment"), ("/a//b", "has an empty segment"), ("//", "has an empty segment")]
    {
        assert_eq!(
            findings(&with_identity(&format!("authority: https://h{path}"))),
            [format!(
                "5:16 found the path \"{path}\", which {fault}; accepted: a path in the form in which requests have it"
            )]
        );
    }
}

#[test]
fn durations_have_a_form_and_a_range() {
    let form = "accepted: a duration such as \"500ms\", \"2s\" or \"1m\"";
    for (line, expected) in [
        ("clock_skew: 6m", "5:17 found \"6m\"; accepted: a duration from 0s to 5m".to_owned()),
        ("timeout: 99ms", "5:14 found \"99ms\"; accepted: a duration from 100ms to 60s".to_owned()),
        ("timeout: 1m1s", "5:14 found \"1m1s\"; accepted: a duration from 100ms to 60s".to_owned()),
        ("key_refresh: 59s", "5:18 found \"59s\"; accepted: a duration from 1m to 24h".to_owned()),
        ("clock_skew: 1 day", format!("5:17 found \"1 day\"; {form}")),
        ("clock_skew: -1s", format!("5:17 found \"-1s\"; {form}")),
        ("clock_skew: 1.5s", format!("5:17 found \"1.5s\"; {form}")),
        ("clock_skew: s", format!("5:17 found \"s\"; {form}")),
        ("clock_skew: '1'", format!("5:17 found \"1\"; {form}")),
        ("clock_skew: ''", format!("5:17 found \"\"; {form}")),
        ("clock_skew: 99999999999999999999h", format!("5:17 found \"99999999999999999999h\"; {form}")),
    ] {
        assert_eq!(findings(&with_identity(line)), [expected]);
    }
    assert_eq!(findings(&with_top("drain_timeout: 2h")), ["1:16 found \"2h\"; accepted: a duration from 0s to 1h"]);
}

#[test]
fn audiences_are_told_once_each() {
    assert_eq!(findings(&with_identity("audiences: []")), ["5:16 found an empty list; accepted: at least one entry"]);
    assert_eq!(
        findings(&with_identity("audiences: [a, '', a, b c]")),
        [
            "5:20 found \"\"; accepted: text without blanks, as \"aud\" has it",
            "5:24 found \"a\" a second time; accepted: each entry once",
            "5:27 found \"b c\"; accepted: text without blanks, as \"aud\" has it",
        ]
    );
    assert_eq!(
        findings(&with_identity("algorithms: [RS256, RS256]")),
        ["5:25 found \"RS256\" a second time; accepted: each entry once"]
    );
}

#[test]
fn the_name_of_an_identity_is_a_label() {
    assert_eq!(
        findings(&with("  default:", "  a b:")),
        ["2:3 found the name \"a b\"; accepted: 1 to 64 of A-Z, a-z, 0-9, \".\", \"_\", \"/\" and \"-\""]
    );
}

#[test]
fn listeners_have_an_address_and_a_port() {
    for address in ["localhost:8080", "127.0.0.1", ":8080", "::1:8080", "127.0.0.1:99999", "http://127.0.0.1:8080"] {
        assert_eq!(
            findings(&with_top(&format!("listen: [{{address: '{address}'}}]"))),
            [format!(
                "1:20 found \"{address}\"; accepted: an IP address and a port such as \"127.0.0.1:8080\" or \"[::1]:8080\""
            )]
        );
    }
}

#[test]
fn no_two_listeners_share_an_address() {
    let text = with_top("listen:\n  - address: 127.0.0.1:1\n  - address: 127.0.0.1:1\nadmin: {address: 0.0.0.0:1}");
    assert_eq!(
        findings(&text),
        [
            "3:14 found \"127.0.0.1:1\", which the listener on line 2 takes; accepted: an address of its own",
            "4:18 found \"0.0.0.0:1\", which the listener on line 2 takes; accepted: an address of its own",
        ]
    );
    super::settings(&with_top("listen:\n  - address: 127.0.0.1:0\n  - address: 127.0.0.1:0"));
    super::settings(&with_top("listen:\n  - address: 127.0.0.1:1\n  - address: 127.0.0.2:1"));
}
