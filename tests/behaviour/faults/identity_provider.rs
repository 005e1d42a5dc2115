//! A token endpoint that misbehaves on its socket: the caller is told in time, nobody else gets our credential, and the
//! next exchange succeeds as soon as the endpoint behaves.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use obo_proxy::emulator::{Emulator, EmulatorOptions};
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::support::faulty::{Deed, Then};
use crate::support::provider::{Key, Provider, in_an_hour, jwks};
use crate::support::tls::{Authority, TlsTarget};
use crate::support::wire::WireTarget;
use crate::support::{Reply, World, listener};

const CLIENT: &str = "00001111-aaaa-2222-bbbb-3333cccc4444";

const ROUTES: &str = "
  - {name: billing, path: /billing, target: '{target}', grant: token_exchange}
";

/// A provider whose documents are in order, and whose tokens are to be had elsewhere.
struct Realm(Provider);

impl Realm {
    /// With a world whose identity gets its tokens at `token_endpoint`.
    async fn start(token_endpoint: &str, more: &str) -> (Self, World) {
        let provider = Provider::start();
        provider.publish("/keys", &jwks(&[Key::rsa(0).jwk_with("k", &json!({"alg": "RS256"}))]));
        let url = &provider.url;
        let document = json!({"issuer": url, "jwks_uri": format!("{url}/keys"), "token_endpoint": "https://unused/"});
        provider.publish("/.well-known/openid-configuration", &document);
        let emulator = Emulator::start(listener(), EmulatorOptions::default()).await.unwrap();
        let authority = format!("    authority: {}\n", emulator.public_url());
        let keys = format!("    issuer: {url}\n    token_endpoint: {token_endpoint}\n    timeout: 3s\n{more}");
        let world = World::around(emulator, "", ROUTES, |configuration| {
            let tenant = "    tenant_id: 11111111-2222-3333-4444-555555555555\n";
            configuration.replace(tenant, "").replace(&authority, &keys)
        })
        .await;
        world.proxy.wait_until_ready().await;
        (Self(provider), world)
    }

    /// A request of a user who has not been here before.
    async fn ask(&self, world: &World) -> Reply {
        let user = format!("user-{}", fastrand::u64(..));
        let claims =
            json!({"iss": self.0.url, "aud": CLIENT, "sub": user, "azp": "spa", "scope": "x", "exp": in_an_hour()});
        let token = Key::rsa(0).sign(json!({"typ": "JWT", "kid": "k"}), &claims);
        world.keep_secret(&token);
        world.get("/billing", &token).await
    }
}

fn granted() -> String {
    let body = json!({
        "access_token": "token-b-of-the-test", "token_type": "Bearer", "expires_in": 3600,
        "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
    });
    let body = body.to_string();
    format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_misbehaves_is_told_in_time_and_asked_again_by_the_next_caller() {
    let deed = Arc::<Mutex<Option<Deed>>>::default();
    let shared = Arc::clone(&deed);
    let endpoint = WireTarget::start(move |mut wire, _| {
        let deed = Arc::clone(&shared);
        async move {
            while wire.read_request().await.is_some() {
                let deed = deed.lock().unwrap().clone().unwrap_or_else(|| Deed::new(granted(), Then::Stay));
                if !deed.befall(&mut wire).await {
                    return;
                }
            }
        }
    })
    .await;
    let (realm, world) = Realm::start(&endpoint.url, "").await;
    let elsewhere = WireTarget::answering(&[granted().as_bytes()]).await;
    let redirect = format!("HTTP/1.1 307 Over There\r\nLocation: {}/token\r\nContent-Length: 0\r\n\r\n", elsewhere.url);
    let (half, whole) = (&granted()[..120], granted());
    let length = whole.find("Content-Length: ").unwrap();
    let endless = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned()
        + &format!("10000\r\n{}\r\n", " ".repeat(65536)).repeat(64);
    for (name, bad, code) in [
        ("closes", Deed::new("", Then::Close), "idp_unavailable"),
        ("resets", Deed::new("", Then::Reset), "idp_unavailable"),
        ("hangs", Deed::new("", Then::Hang), "idp_timeout"),
        ("closes midway", Deed::new(half, Then::Close), "idp_unavailable"),
        ("resets midway", Deed::new(half, Then::Reset), "idp_unavailable"),
        ("hangs midway", Deed::new(half, Then::Hang), "idp_timeout"),
        ("speaks another protocol", Deed::new("SSH-2.0-OpenSSH_9.2\r\n\r\n", Then::Hang), "idp_unavailable"),
        ("sends zeros", Deed::new([0; 4096], Then::Close), "idp_unavailable"),
        (
            "says it is longer",
            Deed::new(whole[..length].to_owned() + "Content-Length: 9999\r\n\r\n{", Then::Close),
            "idp_unavailable",
        ),
        (
            "has an endless header",
            Deed::new("HTTP/1.1 200 OK\r\nX: ".to_owned() + &"x".repeat(2 << 20), Then::Hang),
            "idp_unavailable",
        ),
        ("has an endless body", Deed::new(endless, Then::Hang), "idp_unavailable"),
        ("sends elsewhere", Deed::new(redirect, Then::Stay), "idp_unavailable"),
    ] {
        println!("an endpoint that {name}");
        *deed.lock().unwrap() = Some(bad);
        let (started, before) = (Instant::now(), endpoint.requests());
        let reply = realm.ask(&world).await;
        assert_eq!(reply.code(), code, "an endpoint that {name}: {reply:?}");
        assert!(reply.header("retry-after").parse::<u64>().unwrap() >= 1);
        assert!(started.elapsed() < Duration::from_secs(20), "an endpoint that {name} was waited for");
        assert!((1..=2).contains(&(endpoint.requests() - before)), "an endpoint that {name}");
        *deed.lock().unwrap() = None;
        assert_eq!(realm.ask(&world).await.status, 200, "after an endpoint that {name}");
    }
    assert_eq!(elsewhere.requests(), 0, "our credential went elsewhere");
    assert!(
        world
            .target
            .requests()
            .iter()
            .all(|request| request.header("authorization") == Some("Bearer token-b-of-the-test"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_drips_is_given_up_in_time() {
    let endpoint = WireTarget::start(|mut wire, _| async move {
        wire.read_request().await;
        for byte in granted().as_bytes() {
            wire.write([*byte]).await;
            sleep(Duration::from_millis(100)).await;
        }
    })
    .await;
    let (realm, world) = Realm::start(&endpoint.url, "").await;
    let started = Instant::now();
    let reply = realm.ask(&world).await;
    assert_eq!((reply.status.as_u16(), reply.code().as_str()), (504, "idp_timeout"));
    assert!(started.elapsed() < Duration::from_secs(20), "far less than it takes to drip");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_with_a_wrong_certificate_gets_nothing() {
    let (trusted, other) = (Authority::new(), Authority::new());
    for (authority, name) in [(&other, "localhost"), (&trusted, "elsewhere.example")] {
        let endpoint = TlsTarget::http1(authority, name, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
        let (realm, world) = Realm::start(&endpoint.url, &format!("    ca_file: '{}'\n", trusted.file())).await;
        let reply = realm.ask(&world).await;
        assert_eq!((reply.status.as_u16(), reply.code().as_str()), (503, "idp_unavailable"));
        assert!(endpoint.requests().is_empty(), "our credential went to somebody else");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_whose_name_does_not_resolve_is_unavailable() {
    let (realm, world) = Realm::start("https://nowhere.invalid/token", "").await;
    let reply = realm.ask(&world).await;
    assert!(matches!(reply.code().as_str(), "idp_unavailable" | "idp_timeout"), "{reply:?}");
    assert_eq!(world.target.total_hits(), 0);
}
