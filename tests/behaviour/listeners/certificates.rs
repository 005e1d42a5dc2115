//! The certificate of a listener, and the authorities of its callers, as they are in their files now.

use std::path::Path;
use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::{assert_counted, end_of, metric, say, world};
use crate::support::tls::{Authority, Issued, NAME};
use crate::support::{World, eventually};

const RELOADS: &str = "obo_proxy_certificate_reloads_total";

async fn tls_world(issued: &Issued, client_ca: &str, more: &str) -> World {
    let (certificate, key) = (issued.certificate.display(), issued.private_key.display());
    let listener =
        format!("[{{address: '127.0.0.1:0', tls: {{certificate: '{certificate}', private_key: '{key}'{client_ca}}}}}]");
    world(&listener, more).await
}

fn certificate(file: &Path) -> CertificateDer<'static> {
    CertificateDer::from_pem_file(file).unwrap()
}

fn client(authority: &Authority) -> rustls::ConfigBuilder<ClientConfig, rustls::client::WantsClientCert> {
    let mut roots = RootCertStore::empty();
    roots.add(certificate(Path::new(&authority.file()))).unwrap();
    ClientConfig::builder().with_root_certificates(roots)
}

/// The certificate that the proxy presents to a new caller, once it has answered a request on that connection.
async fn presented(world: &World, config: ClientConfig) -> std::io::Result<CertificateDer<'static>> {
    let stream = TcpStream::connect(world.proxy.address()).await?;
    let name = ServerName::try_from(NAME).unwrap();
    let mut stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    assert!(answer.starts_with(b"HTTP/1.1 404"), "{}", String::from_utf8_lossy(&answer));
    Ok(stream.get_ref().1.peer_certificates().unwrap()[0].clone().into_owned())
}

async fn presented_to(world: &World, authority: &Authority) -> CertificateDer<'static> {
    presented(world, client(authority).with_no_client_auth()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_certificate_is_presented_by_itself_after_a_moment() {
    let authority = Authority::new();
    let issued = authority.issue(NAME);
    let world = tls_world(&issued, "", "").await;
    let before = certificate(&issued.certificate);
    assert_eq!(presented_to(&world, &authority).await, before);
    authority.issue(NAME);
    let after = certificate(&issued.certificate);
    assert_ne!(before, after);
    eventually("the new one is presented", async || presented_to(&world, &authority).await == after).await;
    // It is counted after it is in use.
    eventually("it is counted", async || metric(&world, RELOADS, "outcome=\"success\"").await >= 1).await;
    let ends = metric(&world, "obo_proxy_listener_certificate_not_after_timestamp_seconds", "").await;
    assert!(ends > 1_000_000_000, "{ends}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_is_replaced_by_swapping_a_link_is_followed() {
    let (authority, directory) = (Authority::new(), tempfile("links"));
    let (one, two) = (directory.join("one"), directory.join("two"));
    for version in [&one, &two] {
        let issued = authority.issue(NAME);
        std::fs::create_dir_all(version).unwrap();
        std::fs::copy(&issued.certificate, version.join("tls.crt")).unwrap();
        std::fs::copy(&issued.private_key, version.join("tls.key")).unwrap();
    }
    // As a volume of Kubernetes has it: the files are links through a link that is replaced.
    let current = directory.join("..data");
    std::os::unix::fs::symlink(&one, &current).unwrap();
    let issued = Issued { certificate: directory.join("tls.crt"), private_key: directory.join("tls.key") };
    std::os::unix::fs::symlink("..data/tls.crt", &issued.certificate).unwrap();
    std::os::unix::fs::symlink("..data/tls.key", &issued.private_key).unwrap();
    let world = tls_world(&issued, "", "").await;
    assert_eq!(presented_to(&world, &authority).await, certificate(&one.join("tls.crt")));
    let next = directory.join("..next");
    std::os::unix::fs::symlink(&two, &next).unwrap();
    std::fs::rename(&next, &current).unwrap();
    world.proxy.listeners.refresh_certificates(false);
    assert_eq!(presented_to(&world, &authority).await, certificate(&two.join("tls.crt")));
    std::fs::remove_dir_all(directory).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_pair_leaves_the_last_good_one() {
    let authority = Authority::new();
    let issued = authority.issue(NAME);
    let good = certificate(&issued.certificate);
    let world = tls_world(&issued, "", "").await;
    for (file, text) in [(&issued.certificate, "junk"), (&issued.private_key, "")] {
        let before = std::fs::read(file).unwrap();
        std::fs::write(file, text).unwrap();
        world.proxy.listeners.refresh_certificates(false);
        assert_eq!(presented_to(&world, &authority).await, good);
        std::fs::write(file, before).unwrap();
    }
    // A key of another certificate.
    let stranger = Authority::new();
    std::fs::copy(&stranger.issue(NAME).private_key, &issued.private_key).unwrap();
    world.proxy.listeners.refresh_certificates(true);
    assert_eq!(presented_to(&world, &authority).await, good);
    assert!(metric(&world, RELOADS, "outcome=\"failure\"").await >= 3);
    authority.issue(NAME);
    world.proxy.listeners.refresh_certificates(false);
    assert_eq!(presented_to(&world, &authority).await, certificate(&issued.certificate));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_authorities_of_callers_are_followed() {
    let (authority, old, new) = (Authority::new(), Authority::new(), Authority::new());
    let accepted = tempfile("callers").with_extension("pem");
    std::fs::copy(old.file(), &accepted).unwrap();
    let world = tls_world(&authority.issue(NAME), &format!(", client_ca: '{}'", accepted.display()), "").await;
    let with = |issuer: &Authority| {
        let issued = issuer.issue("caller");
        let key = PrivateKeyDer::from_pem_file(&issued.private_key).unwrap();
        client(&authority).with_client_auth_cert(vec![certificate(&issued.certificate)], key).unwrap()
    };
    // The same configuration each time, as a caller that would resume its session.
    let (of_old, of_new) = (with(&old), with(&new));
    assert!(presented(&world, of_old.clone()).await.is_ok() && presented(&world, of_new.clone()).await.is_err());
    std::fs::copy(new.file(), &accepted).unwrap();
    world.proxy.listeners.refresh_certificates(false);
    assert!(presented(&world, of_old).await.is_err() && presented(&world, of_new).await.is_ok());
    assert!(presented(&world, client(&authority).with_no_client_auth()).await.is_err());
    std::fs::remove_file(accepted).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_speaks_no_tls_or_does_not_go_on_is_counted_and_gone() {
    let authority = Authority::new();
    let world = tls_world(&authority.issue(NAME), "", "limits: {header_timeout: 300ms}").await;
    let refused = "obo_proxy_connections_refused_total";
    end_of(&mut say(&world, "GET / HTTP/1.1\r\nHost: a\r\n\r\n").await).await;
    assert_counted(&world, refused, "reason=\"tls\"", 1).await;
    end_of(&mut say(&world, "\x16\x03\x01").await).await;
    let slow = || async { metric(&world, refused, "reason=\"tls_timeout\"").await };
    let swept = || async { metric(&world, "obo_proxy_connections_ended_total", "reason=\"header_timeout\"").await };
    eventually("it is counted", async || slow().await + swept().await >= 1).await;
    presented_to(&world, &authority).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_before_tls_1_2_are_not_spoken() {
    let authority = Authority::new();
    let world = tls_world(&authority.issue(NAME), "", "").await;
    // A hello of TLS 1.1, with one suite of its time.
    let body = [b"\x03\x02".as_slice(), &[7; 32], b"\0\0\x02\0\x2f\x01\0"].concat();
    let hello = [b"\x16\x03\x01\0\x2d\x01\0\0\x29".as_slice(), &body].concat();
    let (said, _) = end_of(&mut say(&world, hello).await).await;
    assert!(said.is_empty() || said[0] == 0x15, "an alert at most: {said:?}");
}

fn tempfile(kind: &str) -> std::path::PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{kind}-{:016x}", fastrand::u64(..)));
    if kind == "links" {
        std::fs::create_dir_all(&path).unwrap();
    }
    path
}
