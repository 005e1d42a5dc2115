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
