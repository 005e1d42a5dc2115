//! TLS to targets: never without verification, by the name that is configured, and with a certificate of ours.

use std::sync::Arc;

use rcgen::{CertificateParams, KeyPair};
use rustls::ServerConfig;
use rustls::server::WebPkiClientVerifier;

use super::{OK, route};
use crate::support::tls::{Authority, TlsTarget};
use crate::support::wire::Wire;
use crate::support::{Reply, World};

/// The answer by way of a target with these settings.
async fn asked(target: &TlsTarget, settings: &str) -> Reply {
    let world = World::with_routes(&route(&format!("url: '{}'{settings}", target.url))).await;
    world.get("/t", &world.token()).await
}

fn assert_unreached(reply: &Reply, target: &TlsTarget, case: &str) {
    assert_eq!((reply.status.as_u16(), reply.code().as_str()), (502, "target_unavailable"), "{case}");
    assert!(target.requests().is_empty(), "{case}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_name_is_the_one_that_certificates_must_be_for() {
    let authority = Authority::new();
    let target = TlsTarget::http1(&authority, "payroll.example", OK).await;
    let ca = format!(", ca_file: '{}'", authority.file());
    let named = asked(&target, &format!("{ca}, server_name: Payroll.example")).await;
    assert_eq!((named.status.as_u16(), target.requests().len()), (200, 1));
    assert_eq!(target.requests()[0]["host"], target.url.trim_start_matches("https://"));
    let target = TlsTarget::http1(&authority, "localhost", OK).await;
    assert_unreached(&asked(&target, &format!("{ca}, server_name: payroll.example")).await, &target, "another name");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_nobody_vouches_for_or_that_has_ended_reaches_no_request() {
    let authority = Authority::new();
    let ended = |params: &mut CertificateParams| params.not_after = rcgen::date_time_ymd(2020, 1, 1);
    let early = |params: &mut CertificateParams| params.not_before = rcgen::date_time_ymd(2999, 1, 1);
    for (case, config) in [
        ("ended", authority.server_config_with("localhost", b"http/1.1", ended)),
        ("not begun", authority.server_config_with("localhost", b"http/1.1", early)),
        ("self-signed", self_signed()),
    ] {
        let target = TlsTarget::start(config, |stream, log| async move {
            if Wire::new(stream).read_request().await.is_some() {
                log.lock().unwrap().push(http::HeaderMap::new());
            }
        })
        .await;
        assert_unreached(&asked(&target, &format!(", ca_file: '{}'", authority.file())).await, &target, case);
    }
}

fn self_signed() -> ServerConfig {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
    let key = rustls_pki_types::PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate.der().clone()], key).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_by_its_address_is_verified_by_its_address() {
    let authority = Authority::new();
    for (name, is_reached) in [("127.0.0.1", true), ("localhost", false)] {
        let mut target = TlsTarget::http1(&authority, name, OK).await;
        target.url = target.url.replace("localhost", "127.0.0.1");
        let reply = asked(&target, &format!(", ca_file: '{}'", authority.file())).await;
        if is_reached {
            assert_eq!((reply.status.as_u16(), target.requests().len()), (200, 1));
        } else {
            assert_unreached(&reply, &target, name);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_endpoint_is_verified_by_its_own_host_unless_a_name_is_given() {
    let authority = Authority::new();
    let (first, mut second) =
        (TlsTarget::http1(&authority, "localhost", OK).await, TlsTarget::http1(&authority, "127.0.0.1", OK).await);
    second.url = second.url.replace("localhost", "127.0.0.1");
    let settings = format!("url: '{}', endpoints: ['{}'], ca_file: '{}'", first.url, second.url, authority.file());
    let world = World::with_routes(&route(&settings)).await;
    let token = world.token();
    for _ in 0..4 {
        assert_eq!(world.get("/t", &token).await.status, 200);
    }
    assert_eq!((first.requests().len(), second.requests().len()), (2, 2));
}

/// A target that serves only those with a certificate of this authority.
async fn asking_for_certificates(authority: &Authority, ours: &Authority) -> TlsTarget {
    let verifier = WebPkiClientVerifier::builder(Arc::new(ours.roots())).build().unwrap();
    let issued = authority.issue("localhost");
    let (chain, key) = issued.chain_and_key();
    let config = ServerConfig::builder().with_client_cert_verifier(verifier).with_single_cert(chain, key).unwrap();
    TlsTarget::start(config, |stream, log| async move {
        let mut wire = Wire::new(stream);
        while wire.read_request().await.is_some() {
            log.lock().unwrap().push(http::HeaderMap::new());
            wire.write(OK).await;
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_certificate_opens_a_target_that_asks_for_one_and_shares_no_connection_with_others() {
    let (authority, ours, others) = (Authority::new(), Authority::new(), Authority::new());
    let target = asking_for_certificates(&authority, &ours).await;
    let ca = format!("ca_file: '{}'", authority.file());
    let with = |issuer: &Authority| {
        let issued = issuer.issue("proxy");
        let [certificate, key] = [issued.certificate, issued.private_key].map(|path| path.display().to_string());
        format!("{ca}, client_certificate: '{certificate}', client_key: '{key}'")
    };
    let second = |path: &str, settings: &str| {
        route(&format!("url: '{}', {settings}", target.url)).replace("wire", path).replace("/t,", &format!("/{path},"))
    };
    let routes = second("known", &with(&ours)) + &second("unknown", &with(&others)) + &second("without", &ca);
    let world = World::with_routes(&routes).await;
    let token = world.token();
    for (path, status) in [("/known", 200), ("/unknown", 502), ("/without", 502), ("/known", 200)] {
        assert_eq!(world.get(path, &token).await.status, status, "{path}");
    }
    assert_eq!(target.requests().len(), 2);
    let ends = format!("obo_proxy_target_certificate_not_after_timestamp_seconds{{target=\"{}\"}}", target.url);
    assert!(world.proxy.metric(&ends).await > 0.0);
}
