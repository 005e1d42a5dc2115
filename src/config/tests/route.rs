//! Values of routes, and routes together.

use super::{VALID, findings, settings, with, with_route, with_second_route};

const SCOPES: &str = "[api://payroll/Payroll.Read]";

#[test]
fn paths_have_one_reading() {
    for (path, fault) in [
        ("payroll", "does not begin with \"/\""),
        ("/payroll/", "ends with \"/\""),
        ("/a?b", "has a query"),
        ("/a/../b", "has a dot segment"),
        ("/a;b", "has a path parameter"),
        ("/é", "has bytes outside ASCII"),
    ] {
        assert_eq!(
            findings(&with("path: /payroll", &format!("path: {path}"))),
            [format!(
                "8:11 found the path \"{path}\", which {fault}; accepted: a path such as \"/payroll\", in the form in which \
             requests have it"
            )]
        );
    }
}

#[test]
fn names_are_labels_and_unique() {
    let label = "1 to 64 of A-Z, a-z, 0-9, \".\", \"_\", \"/\" and \"-\"";
    assert_eq!(
        findings(&with_route("name: a b")),
        [format!("8:11 found the name \"a b\", which cannot be one; accepted: {label}")]
    );
    assert_eq!(
        findings(&with("path: /payroll", "path: /a%20b")),
        [format!("8:11 found no name, and the path \"/a%20b\" cannot be one; accepted: the key \"name\" with {label}")]
    );
    assert_eq!(
        findings(&with_second_route(&["path: /payroll", "hosts: [a]", "target: https://b", "grant: none"])),
        [
            "11:11 found no name, and the path \"/payroll\" is that of the route on line 8; accepted: the key \"name\" with a \
         name of its own"
        ]
    );
    assert_eq!(
        findings(&with_second_route(&["path: /b", "name: /payroll", "target: https://b", "grant: none"])),
        ["12:11 found the name \"/payroll\", which is that of the route on line 8; accepted: a name of its own"]
    );
}

#[test]
fn hosts_are_names_or_everything_below_one() {
    let accepted = "accepted: a host name without port such as \"api.contoso.com\", or \"*.contoso.com\"";
    assert_eq!(
        findings(&with_route("hosts: [a:80, '*', A, a]")),
        [
            format!("8:13 found \"a:80\"; {accepted}"),
            format!("8:19 found \"*\"; {accepted}"),
            "8:27 found \"a\" a second time; accepted: each entry once".to_owned(),
        ]
    );
    assert_eq!(
        findings(&with_route("hosts: [*.contoso.com]")),
        ["8:13 found an alias; accepted: the value itself; text that begins with \"*\" needs quotes"]
    );
}

#[test]
fn methods_are_tokens_in_capitals() {
    assert_eq!(
        findings(&with_route("methods: [get, TRACE, CONNECT, 'a b', GET, GET]")),
        [
            "8:15 found \"get\"; accepted: a method in capitals; did you mean \"GET\"?",
            "8:20 found the method TRACE, which is not forwarded; accepted: another method",
            "8:27 found the method CONNECT, which is not forwarded; accepted: another method",
            "8:36 found \"a b\"; accepted: a method such as \"GET\"",
            "8:48 found \"GET\" a second time; accepted: each entry once",
        ]
    );
}

#[test]
fn targets_are_urls_with_a_path_of_one_reading() {
    let url = "accepted: an http or https URL with a host, without user, password, query and fragment";
    let path = "accepted: a path in the form in which requests have it";
    for (target, expected) in [
        ("https://", format!("found \"https://\"; {url}")),
        ("payroll.internal:443", format!("found \"payroll.internal:443\"; {url}")),
        ("https://*.h", format!("found \"https://*.h\", which has no valid host name; {url}")),
        ("https://h?q=1", format!("found a query or fragment in a URL; {url}")),
        ("https://u@h", format!("found a user name or password in a URL; {url}")),
        ("https://h:0", "found port 0; accepted: a port from 1 to 65535".to_owned()),
        ("https://h/a/./b", format!("found the path \"/a/./b\", which has a dot segment; {path}")),
        ("https://h/a%2fb", format!("found the path \"/a%2fb\", which has an encoded slash; {path}")),
        ("https://h/%", format!("found the path \"/%\", which has a malformed percent-encoding; {path}")),
    ] {
        assert_eq!(findings(&with("https://payroll.internal", target)), [format!("9:13 {expected}")]);
    }
}

#[test]
fn a_target_in_full_is_checked_key_by_key() {
    let target = "{url: http://h, connect_timeout: 0s, read_timeout: 25h, ca_file: no.pem}";
    assert_eq!(
        findings(&with("https://payroll.internal", target)),
        [
            "9:46 found \"0s\"; accepted: a duration from 1ms to 24h",
            "9:64 found \"25h\"; accepted: a duration from 1ms to 24h",
            "9:78 found \"no.pem\", a file that cannot be read: No such file or directory (os error 2); accepted: a readable \
         file with one or more certificates in PEM",
        ]
    );
}

#[test]
fn the_identity_exists_and_is_named_where_there_are_several() {
    assert_eq!(
        findings(&with_route("identity: defualt")),
        ["8:15 found the unknown identity \"defualt\"; accepted: \"default\"; did you mean \"default\"?"]
    );
    let second =
        "  second: {tenant_id: 11111111-2222-3333-4444-555555555555, client_id: x, credential: {client_secret: y}}";
    assert_eq!(
        findings(&with("routes:\n", &format!("{second}\nroutes:\n"))),
        ["9:5 missing key \"identity\"; accepted: \"default\" or \"second\""]
    );
}

#[test]
fn scopes_belong_to_the_grant() {
    assert_eq!(
        findings(&with(&format!("    scopes: {SCOPES}\n"), "")),
        ["8:5 missing key \"scopes\"; accepted: scopes of the target's API, or \"grant: none\""]
    );
    assert_eq!(
        findings(&with_route("grant: none")),
        ["11:13 found scopes beside \"grant: none\"; accepted: no scopes, or another grant"]
    );
}

#[test]
fn scopes_are_single_permissions_of_an_api() {
    let token = "accepted: one scope per entry, without blanks, quotes and backslashes";
    let permission = "which is not a permission of a resource; accepted: the resource, a slash, and a permission or \
                      \".default\"";
    for (scope, expected) in [
        ("'a b'", format!("10:14 found \"a b\"; {token}")),
        ("'a\"'", format!("10:14 found \"a\\\"\"; {token}")),
        ("'a\\'", format!("10:14 found \"a\\\\\"; {token}")),
        ("''", format!("10:14 found \"\"; {token}")),
        ("api://x", format!("10:14 found \"api://x\", {permission}")),
        ("https://x/", format!("10:14 found \"https://x/\", {permission}")),
        ("/x", format!("10:14 found \"/x\", {permission}")),
        (
            "openid, email",
            "10:13 found only scopes of OpenID Connect; accepted: at least one scope of the target's API".to_owned(),
        ),
    ] {
        assert_eq!(findings(&with(SCOPES, &format!("[{scope}]"))), [expected]);
    }
}

#[test]
fn the_scopes_of_the_article_and_those_of_openid_connect_beside_default_are_fine() {
    for scopes in
        ["[https://graph.microsoft.com/user.read, offline_access]", "[api://a/.default, offline_access, openid]"]
    {
        assert_eq!(settings(&with(SCOPES, scopes)).routes.len(), 1, "{scopes}");
    }
}

#[test]
fn scopes_are_of_one_resource_and_told_once() {
    for (scopes, expected) in [
        (
            "[openid, api://a/x, api://b/y]",
            "10:33 found a scope of \"api://b\"; accepted: scopes of one resource; the first here is \"api://a\"",
        ),
        (
            "[api://a/x, User.Read]",
            "10:25 found a scope of \"https://graph.microsoft.com\"; accepted: scopes of one resource; the first here is \
             \"api://a\"",
        ),
        (
            "[api://a/x, api://a/.default]",
            "10:25 found \".default\" beside named scopes; accepted: either \".default\" or named scopes",
        ),
        ("[api://a/x, api://a/x]", "10:25 found \"api://a/x\" a second time; accepted: each entry once"),
    ] {
        let found = findings(&with(SCOPES, scopes));
        assert_eq!(found, [expected]);
    }
}

#[test]
fn requirements_are_values_that_a_token_can_have() {
    assert_eq!(
        findings(&with_route("require: {scopes: ['a b', a, a], roles: [''], clients: ['a b']}")),
        [
            "8:24 found \"a b\"; accepted: one value per entry, without blanks, quotes and backslashes",
            "8:34 found \"a\" a second time; accepted: each entry once",
            "8:46 found \"\"; accepted: the value of a role",
            "8:61 found \"a b\"; accepted: one or more of A-Z, a-z, 0-9, \".\", \"_\", \"~\", \":\", \"/\" and \"-\"",
        ]
    );
}

#[test]
fn two_routes_for_the_same_requests_are_refused() {
    assert_eq!(
        findings(&with_second_route(&["name: second", "path: /payroll", "target: https://b", "grant: none"])),
        [
            "12:11 found the same requests as the route \"/payroll\" on line 8; accepted: another path, other hosts or other \
         methods"
        ]
    );
    let apart = ["name: second", "path: /payroll", "methods: [GET]", "target: https://b", "grant: none"];
    assert_eq!(settings(&with_second_route(&apart)).routes.len(), 2);
    assert_eq!(settings(VALID).routes.len(), 1);
}

#[test]
fn sizes_and_networks_are_checked() {
    let size = "a size such as \"512B\", \"64KiB\", \"10MiB\" or \"1GiB\"";
    assert_eq!(findings(&with_route("max_body: 10MB")), [format!("8:15 found \"10MB\"; accepted: {size}")]);
    assert_eq!(
        findings(&with_route("max_body: 1025GiB")),
        ["8:15 found \"1025GiB\"; accepted: a size from 0B to 1024GiB"]
    );
    assert_eq!(settings(&with_route("max_body: 10MiB")).routes[0].max_body, Some(10 << 20));
    let network = "an address or a network such as \"10.0.0.0/8\" or \"2001:db8::/32\", without bits behind its prefix";
    let text =
        format!("trusted_proxies: [10.0.0.0/8, 10.0.0.1/8, host]\nlimits: {{headers: 0, target_bytes: 1B}}\n{VALID}");
    assert_eq!(
        findings(&text),
        [
            format!("1:31 found \"10.0.0.1/8\"; accepted: {network}"),
            format!("1:43 found \"host\"; accepted: {network}"),
            "2:19 found the number 0; accepted: a whole number from 1 to 256".to_owned(),
        ]
    );
    let bytes = format!("limits: {{header_bytes: 1B, target_bytes: 61KiB}}\n{VALID}");
    assert_eq!(
        findings(&bytes),
        [
            "1:24 found \"1B\"; accepted: a size from 1KiB to 1MiB",
            "1:42 found \"61KiB\"; accepted: a size from 1KiB to 60KiB",
        ]
    );
}
