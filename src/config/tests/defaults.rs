//! What holds where the file says nothing, and what it says where it says everything.

use std::time::Duration;

use http::Method;
use jsonwebtoken::Algorithm;

use super::{VALID, settings, with_identity, with_route};
use crate::exchange::{Grant, OnBehalfOf};
use crate::identity::{Credential, Identity, Provider, SecretSource};
use crate::route::HostPattern;
use crate::telemetry::{LogFormat, LogLevel};

#[test]
fn a_short_file_takes_the_defaults() {
    let settings = settings(VALID);
    assert_eq!(settings.listeners.len(), 1);
    assert_eq!(settings.listeners[0].address.to_string(), "127.0.0.1:8080");
    assert!(settings.listeners[0].tls.is_none());
    assert_eq!(settings.admin, None);
    assert_eq!((settings.log.format, settings.log.level), (LogFormat::Json, LogLevel::Info));
    assert_eq!(settings.drain_timeout, Duration::from_secs(30));
    assert_eq!(settings.cache_entries, 100_000);
}

#[test]
fn an_identity_takes_the_defaults() {
    let settings = settings(VALID);
    let identity = &settings.identities[0];
    assert_eq!(&*identity.name, "default");
    assert_eq!(authority(identity), "https://login.microsoftonline.com");
    let audiences: Vec<_> = identity.audiences.iter().map(|audience| &**audience).collect();
    let client_id = "00001111-aaaa-2222-bbbb-3333cccc4444";
    assert_eq!(audiences, [client_id, &format!("api://{client_id}")]);
    assert_eq!(identity.algorithms, [Algorithm::RS256]);
    assert_eq!(identity.clock_skew, Duration::from_mins(1));
    assert_eq!(identity.timeout, Duration::from_secs(10));
    assert_eq!(identity.key_refresh, Duration::from_hours(12));
    let [Credential::SecretPost(SecretSource::Value(secret))] = &*identity.credentials else { panic!() };
    assert_eq!(secret.expose(), "sampleCredentia1s");
}

#[test]
fn a_route_takes_the_defaults() {
    let settings = settings(VALID);
    let route = &settings.routes[0];
    assert_eq!((&*route.name, route.identity), ("/payroll", 0));
    assert_eq!((route.pattern.path.as_str(), route.pattern.path.is_exact()), ("/payroll", false));
    assert!(route.pattern.hosts.is_empty() && route.pattern.methods.is_empty());
    let users = route.users.as_ref().unwrap();
    let Grant::OnBehalfOf(OnBehalfOf { scopes, claims: None, saml: None }) = &users.grant else { panic!() };
    assert_eq!(*scopes, ["api://payroll/Payroll.Read".into()]);
    assert!(users.require.scopes.is_empty() && users.require.roles.is_empty() && users.require.clients.is_empty());
    assert!(route.apps.is_none());
    let target = &route.target;
    assert_eq!((target.tls, &*target.host, target.port, &*target.path), (true, "payroll.internal", 443, "/"));
    assert_eq!(target.connect_timeout, Duration::from_secs(5));
    assert_eq!((target.read_timeout, target.write_timeout), (Duration::from_mins(1), Duration::from_mins(1)));
    assert!(!target.http2 && target.ca.is_none());
}

#[test]
fn what_is_written_is_what_holds() {
    let settings = settings(
        r#"
listen:
  - address: 127.0.0.1:8081
  - address: "[::1]:8081"
admin: {address: 127.0.0.1:9901}
log: {format: text, level: debug}
drain_timeout: 1m30s
cache: {max_entries: 1e3}
identities:
  one:
    tenant_id: "${TENANT}"
    client_id: AAAA1111-aaaa-2222-bbbb-3333cccc4444
    authority: https://Login.Example/base/
    credential: {client_secret: a$$b, auth_method: client_secret_basic}
    audiences: [api://orders]
    algorithms: [PS256, ES384]
    clock_skew: 0s
    timeout: 100ms
    key_refresh: 24h
  two:
    tenant_id: 11111111-2222-3333-4444-555555555555
    client_id: other
    credential: {client_secret: "${SECRET}"}
routes:
  - name: all
    path: /a/
    match: exact
    hosts: [API.contoso.com, "*.contoso.com"]
    methods: [GET, PROPFIND]
    target: {url: "http://[::1]:9000/b/", connect_timeout: 1ms, read_timeout: 24h, write_timeout: 2s, http2: true}
    identity: two
    grant: none
    require: {scopes: [s], roles: [a role], clients: [BBBB1111-aaaa-2222-bbbb-3333cccc4444]}
"#,
    );
    assert_eq!(settings.listeners[1].address.to_string(), "[::1]:8081");
    assert_eq!(settings.admin.map(|address| address.port()), Some(9901));
    assert_eq!((settings.log.format, settings.log.level), (LogFormat::Text, LogLevel::Debug));
    assert_eq!((settings.drain_timeout, settings.cache_entries), (Duration::from_secs(90), 1_000));
    let identity = &settings.identities[0];
    assert_eq!(identity.tenants[0].id(), "99999999-2222-3333-4444-555555555555");
    assert_eq!(&*identity.client_id, "aaaa1111-aaaa-2222-bbbb-3333cccc4444");
    assert_eq!(authority(identity), "https://login.example/base");
    let [Credential::SecretBasic(SecretSource::Value(secret))] = &*identity.credentials else { panic!() };
    assert_eq!(secret.expose(), "a$b");
    assert_eq!(identity.audiences, ["api://orders".into()]);
    assert_eq!(identity.algorithms, [Algorithm::PS256, Algorithm::ES384]);
    let route = &settings.routes[0];
    assert_eq!((&*route.name, route.identity), ("all", 1));
    let (users, apps) = (route.users.as_ref().unwrap(), route.apps.as_ref().unwrap());
    assert!(matches!((&users.grant, &apps.grant), (Grant::None, Grant::None)));
    assert_eq!((route.pattern.path.as_str(), route.pattern.path.is_exact()), ("/a/", true));
    let hosts = [HostPattern::Exact("api.contoso.com".into()), HostPattern::Below("contoso.com".into())];
    assert_eq!(route.pattern.hosts, hosts);
    assert_eq!(route.pattern.methods, [Method::GET, Method::from_bytes(b"PROPFIND").unwrap()]);
    let target = &route.target;
    assert_eq!((target.tls, &*target.host, target.port, &*target.path), (false, "::1", 9000, "/b/"));
    assert!(target.http2);
    assert_eq!(&*apps.require.clients[0], "bbbb1111-aaaa-2222-bbbb-3333cccc4444");
}

#[test]
fn international_host_names_are_written_in_ascii() {
    let settings = settings(&super::with("https://payroll.internal", "https://Bücher.example:8443/%c3%a9"));
    let target = &settings.routes[0].target;
    assert_eq!((&*target.host, target.port, &*target.path), ("xn--bcher-kva.example", 8443, "/%C3%A9"));
}

#[test]
fn http_authorities_are_accepted_on_loopback_or_by_request() {
    for address in ["http://127.0.0.1:8400", "http://localhost:8400", "http://[::1]:8400"] {
        let settings = settings(&with_identity(&format!("authority: {address}")));
        assert_eq!(authority(&settings.identities[0]), address);
    }
    let requested = settings(&with_identity("authority: http://idp:8400/\n    allow_http: true"));
    assert_eq!(authority(&requested.identities[0]), "http://idp:8400");
}

#[test]
fn scopes_of_one_resource_are_accepted_with_those_of_openid() {
    for scopes in [
        "[api://payroll/.default]",
        "[openid, profile, api://payroll/A, api://payroll/B]",
        "[User.Read, https://graph.microsoft.com/Mail.Read]",
        "[00000003-0000-0000-c000-000000000000/User.Read]",
        "[https://api.contoso.com//.default]",
    ] {
        settings(&super::with("[api://payroll/Payroll.Read]", scopes));
    }
}

#[test]
fn the_only_identity_may_be_named() {
    assert_eq!(settings(&with_route("identity: default")).routes[0].identity, 0);
}

fn authority(identity: &Identity) -> &str {
    let Provider::Entra { authority } = &identity.provider else { panic!("not Entra") };
    authority
}
