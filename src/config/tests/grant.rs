//! What a target receives: what each grant needs, and what it has no use for.

use super::{findings, settings, with, with_route};
use crate::exchange::{Delivery, Grant, SamlVersion};

const SCOPES: &str = "    scopes: [api://payroll/Payroll.Read]\n";

/// The file with these lines in place of the route's scopes; they begin on line 10.
fn with_lines(lines: &[&str]) -> String {
    with(SCOPES, &format!("    {}\n", lines.join("\n    ")))
}

fn grants(text: &str) -> (Option<Grant>, Option<Grant>) {
    let mut settings = settings(text);
    let route = settings.routes.remove(0);
    (route.users.map(|service| service.grant), route.apps.map(|service| service.grant))
}

#[test]
fn each_grant_serves_its_callers() {
    let apps_only = ["grant: client_credentials", "scopes: [api://b/.default]", "require: {roles: [R]}"];
    assert!(matches!(grants(&with_lines(&apps_only)), (None, Some(Grant::ClientCredentials { .. }))));
    assert!(matches!(grants(&with_lines(&["grant: none"])), (Some(Grant::None), Some(Grant::None))));
    assert!(matches!(grants(&with_lines(&["grant: token_exchange"])), (Some(Grant::TokenExchange(_)), None)));
    let both = ["scopes: [a/b]", "app_only: {scopes: [a/.default], require: {clients: [c]}}"];
    assert!(matches!(grants(&with_lines(&both)), (Some(Grant::OnBehalfOf(_)), Some(Grant::ClientCredentials { .. }))));
    let none = ["grant: none", "app_only: {grant: token_exchange}"];
    assert!(matches!(grants(&with_lines(&none)), (Some(Grant::None), Some(Grant::TokenExchange(_)))));
}

#[test]
fn our_own_token_is_given_to_named_callers_only() {
    let accepted = "accepted: \"roles\" or \"clients\": any application of the tenant can get a token for this API";
    assert_eq!(
        findings(&with_lines(&["grant: client_credentials", "scopes: [api://b/.default]"])),
        [format!("8:5 found neither roles nor clients for \"client_credentials\"; {accepted}")]
    );
    assert_eq!(
        findings(&with_lines(&["scopes: [a/b]", "app_only:", "  scopes: [a/.default]", "  require: {scopes: [s]}"])),
        [format!("13:16 found neither roles nor clients for \"client_credentials\"; {accepted}")]
    );
}

#[test]
fn default_stands_alone_in_a_token_of_our_own() {
    let with = |scopes: &str| {
        findings(&with_lines(&["grant: client_credentials", &format!("scopes: {scopes}"), "require: {roles: [R]}"]))
    };
    let found =
        |at: &str| format!("{at} found \".default\" beside other scopes; accepted: \".default\" of one resource alone");
    assert_eq!(with("[api://a/.default, api://b/.default]"), [found("11:14")]);
    assert_eq!(with("[api://a/Read, api://a/.default]"), [found("11:28")]);
    let several = ["grant: client_credentials", "scopes: [orders.read, orders.write]", "require: {roles: [R]}"];
    assert!(matches!(grants(&with_lines(&several)), (None, Some(_))));
}

#[test]
fn no_route_declares_the_capability_of_its_callers() {
    let claims = r#"claims: '{"access_token":{"xms_cc":{"values":["cp1"]}}}'"#;
    let accepted = "claims without it: the capability is declared for callers who have it, and for no others";
    assert_eq!(
        findings(&with_lines(&["scopes: [a/b]", claims])),
        [format!("11:13 found \"xms_cc\" among the claims; accepted: {accepted}")]
    );
}

#[test]
fn what_a_grant_needs_is_asked_for() {
    assert_eq!(
        findings(&with_lines(&["grant: client_credentials", "require: {roles: [R]}"])),
        ["8:5 missing key \"scopes\"; accepted: the scope of the target's API, such as \"api://payroll/.default\""]
    );
    assert_eq!(
        findings(&with_lines(&["scopes: [a/b]", "app_only: {grant: on_behalf_of}"])),
        ["11:23 found the grant \"on_behalf_of\" for applications on their own; accepted: \"client_credentials\", \
          \"token_exchange\" or \"none\": there is no user on whose behalf"]
    );
    let twice =
        ["grant: client_credentials", "scopes: [a/.default]", "require: {roles: [R]}", "app_only: {grant: none}"];
    assert_eq!(
        findings(&with_lines(&twice)),
        [
            "13:15 found \"app_only\" beside \"grant: client_credentials\", which is for applications already; accepted: one of \
          them"
        ]
    );
}

#[test]
fn what_a_grant_has_no_use_for_is_refused() {
    for (grant, line, key) in [
        ("none", "scopes: [a/b]", "scopes"),
        ("none", "claims: '{}'", "claims"),
        ("none", "saml: {header: {}}", "saml"),
        ("token_exchange", "claims: '{}'", "claims"),
        ("token_exchange", "saml: {header: {}}", "saml"),
        ("on_behalf_of", "token_exchange: {}", "token_exchange"),
    ] {
        let mut lines = vec![format!("grant: {grant}"), line.to_owned()];
        if grant == "on_behalf_of" {
            lines.push("scopes: [a/b]".to_owned());
        }
        let lines: Vec<_> = lines.iter().map(String::as_str).collect();
        let column = line.find(": ").unwrap() + 7;
        let expected =
            format!("11:{column} found {key} beside \"grant: {grant}\"; accepted: no {key}, or another grant");
        assert_eq!(findings(&with_lines(&lines)), [expected]);
    }
}

#[test]
fn claims_are_a_json_object() {
    for text in ["'[]'", "'{'", "'text'", "''"] {
        let found = findings(&with_route(&format!("claims: {text}")));
        assert!(found.len() == 1 && found[0].contains("a JSON object such as"), "{found:?}");
    }
    let (users, _) = grants(&with_route("claims: '{\"access_token\":{\"acrs\":null}}'"));
    let Some(Grant::OnBehalfOf(asked)) = users else { panic!("another grant") };
    assert_eq!(asked.claims.unwrap().len(), 1);
}

#[test]
fn parameters_that_are_ours_cannot_be_set() {
    for name in ["client_secret", "subject_token", "scope", "grant_type", "audience"] {
        let lines = ["grant: token_exchange", "token_exchange:", "  parameters:", &format!("    {name}: x")];
        assert_eq!(
            findings(&with_lines(&lines)),
            [format!("13:9 found the parameter \"{name}\", which is ours; accepted: other parameters")]
        );
    }
    let odd = ["grant: token_exchange", "token_exchange: {subject_token_type: jwt, audience: [a, a, '']}"];
    assert_eq!(findings(&with_lines(&odd)).len(), 3);
}

#[test]
fn an_assertion_goes_to_one_place() {
    const ENTITY: &str = "scopes: ['spn:payroll/.default']";
    let accepted = "accepted: exactly one of \"header\" and \"token_endpoint\"";
    assert_eq!(
        findings(&with_lines(&[ENTITY, "saml: {}"])),
        [format!("11:11 found nowhere for the assertion to go; {accepted}")]
    );
    assert_eq!(
        findings(&with_lines(&[ENTITY, "saml: {header: {}, token_endpoint: {url: 'https://t/token'}}"])),
        [format!("11:11 found both \"header\" and \"token_endpoint\"; {accepted}")]
    );
    assert_eq!(
        findings(&with_lines(&[ENTITY, "saml: {version: saml1, token_endpoint: {url: 'https://t/token'}}"])),
        ["11:44 found a token endpoint for SAML 1.1; accepted: \"version: saml2\" (RFC 7522)"]
    );
    for name in ["host", "Content-Length", "x y", "traceparent", "cookie"] {
        let found = findings(&with_lines(&[ENTITY, &format!("saml: {{header: {{name: '{name}'}}}}")]));
        assert!(found.len() == 1 && found[0].contains("the name of a header"), "{found:?}");
    }
    let (users, _) = grants(&with_lines(&[ENTITY, "saml: {header: {name: X-Assertion, scheme: SAML}}"]));
    let Some(Grant::OnBehalfOf(asked)) = users else { panic!("another grant") };
    let saml = asked.saml.unwrap();
    assert_eq!(saml.version, SamlVersion::Saml2);
    let Delivery::Header { name, scheme } = saml.delivery else { panic!("another delivery") };
    assert_eq!((name.as_str(), scheme.as_deref()), ("x-assertion", Some("SAML")));
}

#[test]
fn an_assertion_is_asked_for_by_entity_id() {
    let found = findings(&with_lines(&["scopes: [api://payroll/Payroll.Read]", "saml: {header: {}}"]));
    assert!(found.len() == 1 && found[0].contains("for a SAML assertion; accepted: the Entity ID"), "{found:?}");
}

#[test]
fn a_credential_at_the_target_needs_a_client() {
    let endpoint = "saml: {token_endpoint: {url: 'https://t/token', credential: {client_secret: sampleCredentia1s}}}";
    let found = findings(&with_lines(&["scopes: ['spn:payroll/.default']", endpoint]));
    assert_eq!(found, ["11:28 missing key \"client_id\"; accepted: our client ID there, which the credential proves"]);
}
