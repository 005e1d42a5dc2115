//! Which identity provider a registration is at, and whose callers it accepts.

use super::{findings, settings, with, with_identity};
use crate::identity::{Identity, Provider};

const ONE: &str = "11111111-2222-3333-4444-555555555555";
const TWO: &str = "22222222-2222-3333-4444-55555555aaaa";
const GUID: &str = "accepted: the tenant's GUID, such as \"11111111-2222-3333-4444-555555555555\"";

/// The valid file with the tenant of the caller and these tenants; `tenants` is line 4.
fn of_callers(tenants: &str) -> String {
    with(&format!("tenant_id: {ONE}\n"), &format!("tenant_id: caller\n    tenants: {tenants}\n"))
}

fn identity(text: &str) -> Identity {
    settings(text).identities.remove(0)
}

fn authority(identity: &Identity) -> &str {
    let Provider::Entra { authority } = &identity.provider else { panic!("not Entra") };
    authority
}

#[test]
fn a_single_tenant_stands_for_everybody() {
    let identity = identity(&with("tenant_id: 1", "tenant_id: 1"));
    let ids: Vec<_> = identity.tenants.iter().map(|tenant| tenant.id()).collect();
    assert_eq!((ids, identity.anyone.id()), (vec![ONE], ONE));
}

#[test]
fn tenants_of_callers_are_those_listed() {
    let identity = identity(&of_callers(&format!("[{ONE}, {}]", TWO.to_uppercase())));
    let ids: Vec<_> = identity.tenants.iter().map(|tenant| tenant.id()).collect();
    assert_eq!((ids, identity.anyone.id()), (vec![ONE, TWO], "organizations"));
    let discovery: Vec<_> = identity.tenants.iter().map(|tenant| tenant.discovery()).collect();
    let address = |id| format!("https://login.microsoftonline.com/{id}/v2.0/.well-known/openid-configuration");
    assert_eq!(discovery, [address(ONE), address(TWO)]);
    let endpoints = identity.anyone.endpoints().expect("known beforehand");
    assert_eq!(&*endpoints.token, "https://login.microsoftonline.com/organizations/oauth2/v2.0/token");
}

#[test]
fn tenants_of_callers_must_be_listed() {
    assert_eq!(
        findings(&with(ONE, "caller")),
        ["3:5 missing key \"tenants\"; accepted: the GUIDs of the tenants whose callers are accepted"]
    );
    assert_eq!(findings(&of_callers("[]")), ["4:14 found an empty list; accepted: at least one entry"]);
}

#[test]
fn every_listed_tenant_is_a_guid() {
    for tenant in ["*", "common", "organizations", "contoso.onmicrosoft.com", "caller"] {
        assert_eq!(
            findings(&of_callers(&format!("[{ONE}, '{tenant}']"))),
            [format!("4:53 found \"{tenant}\"; {GUID}")]
        );
    }
}

#[test]
fn no_tenant_is_listed_twice() {
    assert_eq!(
        findings(&of_callers(&format!("[{TWO}, {}]", TWO.to_uppercase()))),
        [format!("4:53 found \"{TWO}\" a second time; accepted: each entry once")]
    );
}

#[test]
fn a_list_of_tenants_beside_one_tenant_is_refused() {
    assert_eq!(
        findings(&with_identity(&format!("tenants: [{ONE}]"))),
        ["5:14 found \"tenants\" beside one tenant; accepted: it beside \"tenant_id: caller\" only"]
    );
}

#[test]
fn a_cloud_has_its_authority() {
    for (cloud, expected) in [
        ("public", "https://login.microsoftonline.com"),
        ("us_government", "https://login.microsoftonline.us"),
        ("china", "https://login.partner.microsoftonline.cn"),
    ] {
        assert_eq!(authority(&identity(&with_identity(&format!("cloud: {cloud}")))), expected);
    }
}

#[test]
fn a_cloud_takes_the_place_of_an_authority() {
    assert_eq!(
        findings(&with_identity("cloud: china\n    authority: https://login.microsoftonline.com")),
        ["5:12 found both \"cloud\" and \"authority\"; accepted: one of the two, or neither"]
    );
    assert_eq!(
        findings(&with_identity("cloud: germany")),
        ["5:12 found the text \"germany\"; accepted: \"public\", \"us_government\" or \"china\""]
    );
}

#[test]
fn issuers_are_filled_in_for_each_tenant() {
    let text = of_callers(&format!("[{ONE}, {TWO}]\n    issuers: ['https://login.contoso.com/{{tenantid}}/v2.0/']"));
    let issuers: Vec<_> = identity(&text).tenants.iter().map(|tenant| tenant.issuers().map(<[_]>::to_vec)).collect();
    let of = |id| Some(vec![format!("https://login.contoso.com/{id}/v2.0/").into()]);
    assert_eq!(issuers, [of(ONE), of(TWO)]);
    assert_eq!(identity(super::VALID).tenants[0].issuers(), None);
}

#[test]
fn issuers_are_https_urls_told_once_each() {
    assert_eq!(findings(&with_identity("issuers: []")), ["5:14 found an empty list; accepted: at least one entry"]);
    assert_eq!(
        findings(&with_identity("issuers: [contoso, 'https://a/{tenantid}', http://b, 'https://a/{tenantid}']")),
        [
            "5:15 found \"contoso\"; accepted: an http or https URL with a host, without user, password, query and fragment",
            "5:48 found \"http://b\"; accepted: an https URL; http only with a loopback address or with \"allow_http: true\"",
            "5:58 found \"https://a/{tenantid}\" a second time; accepted: each entry once",
        ]
    );
}

#[test]
fn tenants_of_callers_share_no_issuer() {
    assert_eq!(
        findings(&of_callers(&format!("[{ONE}]\n    issuers: [https://login.contoso.com/v2.0]"))),
        [
            "5:15 found \"https://login.contoso.com/v2.0\"; accepted: an issuer with \"{tenantid}\", so that each tenant has its own"
        ]
    );
}

/// The valid file with an issuer in place of the tenant, on line 3, and this further line.
fn of_issuer(issuer: &str, line: &str) -> String {
    with(&format!("tenant_id: {ONE}\n"), &format!("issuer: {issuer}\n{line}"))
}

const KEYCLOAK: &str = "https://keycloak.example/realms/demo";

#[test]
fn an_issuer_takes_the_place_of_a_tenant() {
    for issuer in [KEYCLOAK, "https://x.auth0.example/", "http://127.0.0.1:8080/realms/Demo"] {
        let identity = identity(&of_issuer(issuer, ""));
        assert_eq!(identity.provider, Provider::Oidc { issuer: issuer.into() });
        assert_eq!((identity.tenants.len(), identity.anyone.id()), (1, ""));
        assert!(identity.anyone.endpoints().is_none() && identity.anyone.issuers().is_none());
        let found = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
        assert_eq!(identity.anyone.discovery(), found);
    }
}

#[test]
fn client_ids_and_audiences_elsewhere_are_as_they_are_written() {
    let client_id = "AAAA1111-aaaa-2222-bbbb-3333cccc4444";
    let text = of_issuer(KEYCLOAK, "").replace("00001111-aaaa-2222-bbbb-3333cccc4444", client_id);
    let identity = identity(&text);
    assert_eq!((&*identity.client_id, &*identity.audiences), (client_id, &[client_id.into()][..]));
}

#[test]
fn the_document_and_the_token_endpoint_may_be_told() {
    let lines = "    discovery: https://id.internal/doc\n    token_endpoint: https://id.internal/token\n";
    let identity = identity(&of_issuer(KEYCLOAK, lines));
    assert_eq!(identity.anyone.discovery(), "https://id.internal/doc");
    assert!(identity.anyone.alternatives().is_empty());
    assert_eq!(identity.anyone.issuers(), Some(&[KEYCLOAK.into()][..]));
    let endpoints = identity.anyone.endpoints().expect("known beforehand");
    assert_eq!((&*endpoints.token, &endpoints.authorization), ("https://id.internal/token", &None));
}

#[test]
fn one_of_tenant_and_issuer_is_required() {
    assert_eq!(
        findings(&with(&format!("    tenant_id: {ONE}\n"), "")),
        [
            "3:5 missing key \"tenant_id\"; accepted: the tenant's GUID, such as \"11111111-2222-3333-4444-555555555555\", or \
             \"caller\" with a list of \"tenants\"; or \"issuer\" for another provider"
        ]
    );
}

#[test]
fn keys_of_entra_beside_an_issuer_are_refused() {
    for (line, column) in [
        (format!("tenant_id: {ONE}"), 16),
        (format!("tenants: [{ONE}]"), 14),
        ("cloud: public".to_owned(), 12),
        ("authority: https://login.microsoftonline.com".to_owned(), 16),
        ("issuers: ['https://a/{tenantid}']".to_owned(), 14),
    ] {
        let key = line.split(':').next().unwrap();
        assert_eq!(
            findings(&of_issuer(KEYCLOAK, &format!("    {line}\n"))),
            [format!(
                "4:{column} found both \"issuer\" and \"{key}\"; accepted: \"issuer\" alone, or \"tenant_id\" with what \
                 belongs to Entra"
            )]
        );
    }
}

#[test]
fn keys_of_other_providers_without_an_issuer_are_refused() {
    for (key, column) in [("discovery", 16), ("token_endpoint", 21)] {
        assert_eq!(
            findings(&with_identity(&format!("{key}: https://a"))),
            [format!("5:{column} found \"{key}\" without \"issuer\"; accepted: it beside \"issuer\" only")]
        );
    }
}

#[test]
fn addresses_of_a_provider_are_https_urls() {
    let http = "accepted: an https URL; http only with a loopback address or with \"allow_http: true\"";
    assert_eq!(findings(&of_issuer("http://id.example", "")), [format!("3:13 found \"http://id.example\"; {http}")]);
    assert_eq!(
        findings(&of_issuer("id.example", "")),
        [
            "3:13 found \"id.example\"; accepted: an http or https URL with a host, without user, password, query and fragment"
        ]
    );
    assert_eq!(
        findings(&of_issuer(KEYCLOAK, "    discovery: http://a\n    token_endpoint: http://b\n")),
        [format!("4:16 found \"http://a\"; {http}"), format!("5:21 found \"http://b\"; {http}")]
    );
    settings(&of_issuer("http://id.example", "    allow_http: true\n"));
}
