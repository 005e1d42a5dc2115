//! `resource_metadata` of routes: what holds where it says little, and what is refused.

use super::{VALID, findings, settings, with_identity, with_route, with_second_route};
use crate::proxy::ResourceMetadataSettings;

const RESOURCE: &str = "https://api.contoso.com/payroll";
const MISSING: &str = "missing key \"resource\"; accepted: the URL by which clients call the route, such as \
                       \"https://api.contoso.com/orders\"; or the same among the \"audiences\" of the identity";

/// The valid file with this metadata, a mapping that begins at column 24 of line 8.
fn with_metadata(keys: &str) -> String {
    with_route(&format!("resource_metadata: {{{keys}}}"))
}

/// With a resource, and another key at the beginning of line 10.
fn with_further(key: &str) -> String {
    with_route(&format!("resource_metadata:\n      resource: {RESOURCE}\n      {key}"))
}

fn metadata(text: &str) -> ResourceMetadataSettings {
    settings(text).routes.remove(0).metadata.expect("metadata")
}

fn texts(boxes: &[Box<str>]) -> Vec<&str> {
    boxes.iter().map(|text| &**text).collect()
}

#[test]
fn there_are_none_by_default() {
    assert!(settings(VALID).routes[0].metadata.is_none());
}

#[test]
fn little_is_said_where_little_is_asked() {
    let metadata = metadata(&with_metadata(&format!("resource: '{RESOURCE}'")));
    assert_eq!(&*metadata.resource, RESOURCE);
    let issuer = "https://login.microsoftonline.com/11111111-2222-3333-4444-555555555555/v2.0";
    assert_eq!(texts(&metadata.authorization_servers), [issuer]);
    assert!(metadata.scopes.is_empty());
    assert_eq!((metadata.name, metadata.documentation, metadata.public_url), (None, None, None));
}

#[test]
fn what_is_said_holds() {
    let metadata = metadata(&with_metadata(
        "resource: 'api://orders', scopes: ['api://orders/a', openid], authorization_servers: \
         ['https://one/', 'http://localhost:1/two'], name: 'Löhne', documentation: 'https://docs/a?b#c', \
         public_url: 'https://API.contoso.com:443/'",
    ));
    assert_eq!(&*metadata.resource, "api://orders");
    assert_eq!(texts(&metadata.scopes), ["api://orders/a", "openid"]);
    assert_eq!(texts(&metadata.authorization_servers), ["https://one/", "http://localhost:1/two"]);
    assert_eq!(metadata.name.as_deref(), Some("Löhne"));
    assert_eq!(metadata.documentation.as_deref(), Some("https://docs/a?b#c"));
    assert_eq!(metadata.public_url.as_deref(), Some("https://api.contoso.com"));
}

#[test]
fn the_resource_is_by_default_the_audience_that_is_the_address_of_the_route() {
    for (audiences, expected) in [
        (
            "x, 'api://x', 'https://a/payrolls', 'https://a/payroll/x', 'https://a/payroll', 'https://b'",
            "https://a/payroll",
        ),
        ("'https://a/payroll/'", "https://a/payroll/"),
        ("'http://a'", "http://a"),
    ] {
        let text =
            with_metadata("").replace("    credential:\n", &format!("    audiences: [{audiences}]\n    credential:\n"));
        assert_eq!(&*metadata(&text).resource, expected);
    }
}

#[test]
fn a_resource_is_wanted_where_no_audience_is_an_address() {
    assert_eq!(findings(&with_metadata("")), [format!("8:24 {MISSING}")]);
    let other =
        with_metadata("").replace("    credential:\n", "    audiences: [x, 'https://a/other']\n    credential:\n");
    assert_eq!(findings(&other), [format!("9:24 {MISSING}")]);
}

#[test]
fn a_resource_is_a_uri() {
    let accepted = "accepted: a URI with a scheme, without user, password and fragment";
    for (resource, found) in [
        ("orders", "\"orders\""),
        ("https://a b", "\"https://a b\""),
        ("https://a#b", "\"https://a#b\""),
        ("https://u:p@a", "a URI"),
    ] {
        assert_eq!(
            findings(&with_metadata(&format!("resource: '{resource}'"))),
            [format!("8:35 found {found}; {accepted}")]
        );
    }
}

#[test]
fn callers_of_several_tenants_are_sent_to_organizations() {
    let text = with_metadata(&format!("resource: '{RESOURCE}'")).replace(
        "tenant_id: 11111111-2222-3333-4444-555555555555",
        "tenant_id: caller\n    tenants: [11111111-2222-3333-4444-555555555555]\n    cloud: us_government",
    );
    assert_eq!(texts(&metadata(&text).authorization_servers), ["https://login.microsoftonline.us/organizations/v2.0"]);
}

#[test]
fn callers_of_another_provider_are_sent_to_its_issuer_and_its_scopes_need_no_resource() {
    let text = with_further("scopes: [orders.read]")
        .replace("tenant_id: 11111111-2222-3333-4444-555555555555", "issuer: https://id.example/realms/demo/");
    let metadata = metadata(&text);
    assert_eq!(texts(&metadata.authorization_servers), ["https://id.example/realms/demo/"]);
    assert_eq!(texts(&metadata.scopes), ["orders.read"]);
}

#[test]
fn scopes_are_what_clients_ask_for() {
    let token = "accepted: one scope per entry, without blanks, commas, quotes and backslashes";
    for (scopes, expected) in [
        ("'a b'", format!("10:16 found \"a b\"; {token}")),
        ("'api://a/b,c'", format!("10:16 found \"api://a/b,c\"; {token}")),
        ("'api://a/\"'", format!("10:16 found \"api://a/\\\"\"; {token}")),
        (
            "api://a/x, offline_access",
            "10:27 found \"offline_access\"; accepted: scopes of this route; whether it wants refresh tokens is the client's \
             own affair"
                .to_owned(),
        ),
        (
            "access_as_user",
            "10:16 found \"access_as_user\", which Entra takes for a permission of Microsoft Graph; accepted: the scope in \
             full, such as \"api://orders/access_as_user\""
                .to_owned(),
        ),
        ("api://a/x, api://a/x", "10:27 found \"api://a/x\" a second time; accepted: each entry once".to_owned()),
        ("", "10:15 found an empty list; accepted: at least one entry".to_owned()),
    ] {
        assert_eq!(findings(&with_further(&format!("scopes: [{scopes}]"))), [expected]);
    }
}

#[test]
fn addresses_are_those_of_servers() {
    let url = "accepted: an http or https URL with a host, without user, password, query and fragment";
    for (keys, expected) in [
        (
            "authorization_servers: ['http://idp']",
            "10:31 found \"http://idp\"; accepted: an https URL; http only with a loopback address".to_owned(),
        ),
        ("authorization_servers: [idp]", format!("10:31 found \"idp\"; {url}")),
        (
            "authorization_servers: ['https://a', 'https://a']",
            "10:44 found \"https://a\" a second time; accepted: each entry once".to_owned(),
        ),
        ("documentation: 'javascript:alert(1)'", format!("10:22 found \"javascript:alert(1)\"; {url}")),
        (
            "documentation: 'https://a#b c'",
            "10:22 found \"https://a#b c\"; accepted: an http or https URL without blanks".to_owned(),
        ),
        ("public_url: api.contoso.com", format!("10:19 found \"api.contoso.com\"; {url}")),
        (
            "public_url: 'https://a/b'",
            "10:19 found \"https://a/b\"; accepted: scheme and host alone, such as \"https://api.contoso.com\""
                .to_owned(),
        ),
        ("name: ' '", "10:13 found \" \"; accepted: a name for people, on one line".to_owned()),
    ] {
        assert_eq!(findings(&with_further(keys)), [expected]);
    }
}

#[test]
fn everything_wrong_is_told_together() {
    let identity = with_identity("algorithms: [RS256, RS256]");
    let metadata = "  - resource_metadata: {resource: x, scopes: [offline_access], public_url: y}\n    path:";
    assert_eq!(findings(&identity.replace("  - path:", metadata)).len(), 4);
}

#[test]
fn a_route_at_the_address_of_metadata_is_refused() {
    let first = with_metadata(&format!("resource: '{RESOURCE}'"));
    for (route, refused) in [
        (
            "{name: b, path: /.well-known/oauth-protected-resource/payroll, match: exact, target: 'https://b', grant: none}",
            true,
        ),
        ("{name: b, path: /.well-known, hosts: [a], target: 'https://b', grant: none}", true),
        ("{name: b, path: /.well-known/oauth-protected-resource/other, target: 'https://b', grant: none}", false),
        ("{name: b, path: /, target: 'https://b', grant: none}", false),
    ] {
        let text = format!("{first}  - {route}\n");
        if refused {
            assert_eq!(
                findings(&text),
                [
                    "12:21 found requests for the resource metadata of the route \"/payroll\" on line 9; accepted: another path \
                     or other hosts"
                ]
            );
        } else {
            assert_eq!(settings(&text).routes.len(), 2);
        }
    }
}

#[test]
fn an_exact_route_at_the_path_of_metadata_is_refused() {
    let second = ["name: b", "path: /payroll", "match: exact", "target: https://b", "grant: none"];
    let text = with_second_route(&second)
        .replace("  - path: /payroll", "  - resource_metadata: {resource: 'api://x'}\n    path: /payroll");
    assert_eq!(
        findings(&text),
        [
            "13:11 found a part of the route \"/payroll\" on line 9, whose resource metadata speak for all of it; accepted: \
             another path or other hosts"
        ]
    );
}

#[test]
fn routes_that_only_methods_tell_apart_have_metadata_once() {
    let second = ["name: b", "path: /payroll", "methods: [GET]", "target: https://b", "grant: none"];
    let told = "resource_metadata: {resource: 'api://x'}";
    let once = with_second_route(&second).replace("  - path: /payroll", &format!("  - {told}\n    path: /payroll"));
    assert_eq!(settings(&once).routes.len(), 2);
    assert_eq!(
        findings(&once.replace("    methods:", &format!("    {told}\n    methods:"))),
        [
            "14:24 found the same address as that of the resource metadata of the route \"/payroll\" on line 9; accepted: \
             \"resource_metadata\" with one of the routes for a path"
        ]
    );
}
