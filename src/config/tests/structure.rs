//! Names of keys and types of values.

use super::{VALID, findings, with, with_identity, with_route, with_top};

const TOP: &str = "admin, cache, drain_timeout, identities, limits, listen, log, routes, trusted_proxies";
const ROUTE: &str = "app_only, claims, encoded_slashes, grant, hosts, identity, match, max_body, methods, name, path, rate_limit, \
    require, resource_metadata, saml, scopes, target, token_exchange";

#[test]
fn unknown_keys_are_told_with_those_that_are_known() {
    assert_eq!(findings(&with_top("foo: 1")), [format!("1:1 unknown key \"foo\"; accepted: {TOP}")]);
    assert_eq!(
        findings(&with_route("hots: [a]")),
        [format!("8:5 unknown key \"hots\"; accepted: {ROUTE}; did you mean \"hosts\"?")]
    );
    assert_eq!(
        findings(&with_route("require: {role: []}")),
        ["8:15 unknown key \"role\"; accepted: clients, roles, scopes; did you mean \"roles\"?"]
    );
}

#[test]
fn missing_keys_are_told_at_their_mapping() {
    assert_eq!(
        findings(&with("    client_id: 00001111-aaaa-2222-bbbb-3333cccc4444\n", "")),
        ["3:5 missing key \"client_id\"; accepted: the application (client) ID"]
    );
    assert_eq!(
        findings(&with("    target: https://payroll.internal\n", "")),
        ["8:5 missing key \"target\"; accepted: text such as \"https://payroll.internal\" or a mapping"]
    );
    assert_eq!(
        findings("log: {}\n"),
        ["1:1 missing key \"identities\"; accepted: a mapping", "1:1 missing key \"routes\"; accepted: a list"]
    );
}

#[test]
fn a_wrong_type_is_told_with_the_right_one() {
    for (text, expected) in [
        ("just text".to_owned(), "1:1 found text; accepted: a mapping"),
        ("- a".to_owned(), "1:1 found a list; accepted: a mapping"),
        (with_top("listen:"), "1:7 found no value; accepted: a list"),
        (with_top("admin: ~"), "1:8 found no value; accepted: a mapping"),
        (with_top("drain_timeout: 5"), "1:16 found the number 5; accepted: text such as \"500ms\", \"2s\" or \"1m\""),
        (
            with_top("drain_timeout: 1.5"),
            "1:16 found the number 1.5; accepted: text such as \"500ms\", \"2s\" or \"1m\"",
        ),
        (with_route("name: 5"), "8:11 found the number 5; accepted: text; put it in quotes"),
        (with_route("name: true"), "8:11 found true; accepted: text; put it in quotes"),
        (with_route("hosts: api.contoso.com"), "8:12 found text; accepted: a list"),
        (with_route("match: 1"), "8:12 found the number 1; accepted: \"prefix\" or \"exact\""),
        (with_route("require: []"), "8:14 found a list; accepted: a mapping"),
        (with_identity("allow_http: on"), "5:17 found the text \"on\"; accepted: true or false"),
        (with_identity("allow_http: 1"), "5:17 found the number 1; accepted: true or false"),
        (
            with("https://payroll.internal", "[https://payroll.internal]"),
            "9:13 found a list; accepted: text such as \"https://payroll.internal\" or a mapping",
        ),
        (
            with("00001111-aaaa-2222-bbbb-3333cccc4444", "12345"),
            "4:16 found the number 12345; accepted: text; put it in quotes",
        ),
    ] {
        assert_eq!(findings(&text), [expected], "{text}");
    }
}

#[test]
fn numbers_have_a_range() {
    let range = "accepted: a whole number from 1 to 10000000";
    for (value, found) in [
        ("0", "the number 0"),
        ("-1", "the number -1"),
        ("10000001", "the number 10000001"),
        ("12345678901234567890123", "the number 1.2345678901234568e+22"),
        ("1.5", "the number 1.5"),
        (".inf", "the text \".inf\""),
        ("\"5\"", "the text \"5\""),
        ("1_000", "the text \"1_000\""),
        ("0123", "the text \"0123\""),
    ] {
        let text = with_top(&format!("cache: {{max_entries: {value}}}"));
        assert_eq!(findings(&text), [format!("1:22 found {found}; {range}")]);
    }
}

#[test]
fn words_are_told_with_those_that_are_known() {
    for (text, expected) in [
        (
            with_top("log: {level: trace}"),
            "1:14 found the text \"trace\"; accepted: \"error\", \"warn\", \"info\" or \"debug\"",
        ),
        (
            with_top("log: {format: jsn}"),
            "1:15 found the text \"jsn\"; accepted: \"json\" or \"text\"; did you mean \"json\"?",
        ),
        (
            with_identity("algorithms: [RS256, none]"),
            "5:25 found the text \"none\"; accepted: \"RS256\", \"RS384\", \"RS512\", \"PS256\", \"PS384\", \"PS512\", \
             \"ES256\", \"ES384\" or \"EdDSA\"",
        ),
        (
            with_route("grant: token_exchang"),
            "8:12 found the text \"token_exchang\"; accepted: \"on_behalf_of\", \"client_credentials\", \
             \"token_exchange\" or \"none\"; did you mean \"token_exchange\"?",
        ),
    ] {
        assert_eq!(findings(&text), [expected], "{text}");
    }
}

#[test]
fn empty_lists_and_mappings_are_refused_where_they_mean_nothing() {
    for text in ["hosts: []", "methods: []"] {
        let at = text.find('[').unwrap() + 5;
        assert_eq!(findings(&with_route(text)), [format!("8:{at} found an empty list; accepted: at least one entry")]);
    }
    assert_eq!(
        findings(&with("[api://payroll/Payroll.Read]", "[]")),
        ["10:13 found an empty list; accepted: at least one entry"]
    );
    assert_eq!(
        findings("identities: {}\nroutes: []\n"),
        [
            "1:13 found an empty mapping; accepted: at least one entry",
            "2:9 found an empty list; accepted: at least one entry"
        ]
    );
}

#[test]
fn a_misspelt_key_hides_nothing_that_is_wrong_beside_it() {
    let text = VALID.replace("tenant_id: 1", "tenant_id: x1").replace("client_id:", "clientid:");
    let text = text.replace("target: https", "target: ftp").replace("scopes:", "scope:");
    let found = findings(&text);
    let at: Vec<_> = found.iter().map(|finding| finding.split(' ').next().unwrap()).collect();
    assert!(found.iter().any(|finding| finding.contains("tenant's GUID")), "{found:?}");
    assert!(found.iter().any(|finding| finding.contains("\"ftp://")), "{found:?}");
    assert!(!found.iter().any(|finding| finding.contains("missing key \"scopes\"")), "{found:?}");
    assert_eq!(at.len(), 4, "two misspelt keys and two values: {found:?}");
}

#[test]
fn all_findings_are_told_at_once_in_the_order_of_the_file() {
    let text = with_top("foo: 1\nadmin: {}\nlog: {level: ${UNSET}}\nlisten: [{address: nowhere}]")
        .replace("tenant_id: 1", "tenant_id: x1")
        .replace("{level: ${UNSET}}", "{level: \"${UNSET}\"}")
        .replace("scopes:", "scope:");
    let route = "  - path: //a\n    target: a\n    grant: none\n    identity: other\n";
    assert_eq!(findings(&format!("{text}{route}")), [
        format!("1:1 unknown key \"foo\"; accepted: {TOP}"),
        "2:8 missing key \"address\"; accepted: text such as \"127.0.0.1:9901\"".to_owned(),
        "3:14 the variable UNSET is not set; accepted: a variable that is set, or one with a default: ${UNSET:-default}"
            .to_owned(),
        "4:20 found \"nowhere\"; accepted: an IP address and a port such as \"127.0.0.1:8080\" or \"[::1]:8080\""
            .to_owned(),
        "7:16 found \"x11111111-2222-3333-4444-555555555555\"; accepted: the tenant's GUID, such as \
         \"11111111-2222-3333-4444-555555555555\", or \"caller\" with a list of \"tenants\""
            .to_owned(),
        format!("14:5 unknown key \"scope\"; accepted: {ROUTE}; did you mean \"scopes\"?"),
        "15:11 found the path \"//a\", which has an empty segment; accepted: a path such as \"/payroll\", in the form in \
         which requests have it"
            .to_owned(),
        "16:13 found \"a\"; accepted: an http or https URL with a host, without user, password, query and fragment"
            .to_owned(),
        "18:15 found the unknown identity \"other\"; accepted: \"default\"".to_owned(),
    ]);
}

#[test]
fn a_part_with_a_finding_causes_no_further_ones_elsewhere() {
    let text = with("    client_id", "    client").replace("    target", "    targets");
    let found = findings(&text);
    assert_eq!(found.len(), 3, "{found:?}");
    assert!(found.iter().all(|line| line.contains("unknown key") || line.contains("missing key")), "{found:?}");
}

#[test]
fn a_finding_begins_with_the_file_and_the_position() {
    let error = super::parsed(&VALID.replace("routes:", "route:")).unwrap_err();
    assert_eq!(error.count(), 2);
    assert_eq!(
        error.to_string(),
        format!(
            "routes.yaml:1:1: error: missing key \"routes\"; accepted: a list\n\
             routes.yaml:7:1: error: unknown key \"route\"; accepted: {TOP}; did you mean \"routes\"?"
        )
    );
}
