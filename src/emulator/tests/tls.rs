//! Emulator and sample target over TLS.

use std::{
    fs,
    path::{Path, PathBuf},
};

use reqwest::{Certificate, Client, ClientBuilder, Version};
use x509_parser::{
    extensions::{GeneralName, ParsedExtension},
    pem::parse_x509_pem,
};

use super::support::{emulator, exchange, json, listener, target_with};
use crate::emulator::{Effect, Emulator, EmulatorOptions, Endpoint, Fault, SampleTargetOptions, TokenRequest};

/// A directory of its own, removed in the end.
struct Directory(PathBuf);

impl Directory {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("obo-proxy-emulator-{}", uuid::Uuid::new_v4()));
        Self(path)
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.0.join(name)).unwrap()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

async fn emulator_in(directory: &Path) -> Emulator {
    let options = EmulatorOptions { tls: Some(directory.to_owned()), ..EmulatorOptions::default() };
    Emulator::start(listener(), options).await.unwrap()
}

fn trusting(ca: &str) -> ClientBuilder {
    Client::builder().tls_certs_only([Certificate::from_pem(ca.as_bytes()).unwrap()])
}

#[tokio::test]
async fn serves_https_to_who_trusts_the_written_certificate() {
    let directory = Directory::new();
    let emulator = emulator_in(&directory.0).await;
    let client = trusting(&directory.text("ca.pem")).build().unwrap();
    let tenant = &emulator.options().tenant_id;
    let url = format!("{}/{tenant}/v2.0/.well-known/openid-configuration", emulator.url());
    let (status, document) = json(client.get(url).send().await.unwrap()).await;
    assert_eq!((status, emulator.counters().discovery_v2), (200, 1));
    assert!(emulator.url().starts_with("https://localhost:"), "{}", emulator.url());
    assert_eq!(document["issuer"], format!("{}/{tenant}/v2.0", emulator.url()));
}

#[tokio::test]
async fn address_is_as_good_as_the_name() {
    let directory = Directory::new();
    let emulator = emulator_in(&directory.0).await;
    let client = trusting(emulator.ca_pem().unwrap()).build().unwrap();
    let url = emulator.url().replace("localhost", "127.0.0.1");
    assert_eq!(client.get(url).send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn speaks_both_versions_of_http() {
    let directory = Directory::new();
    let emulator = emulator_in(&directory.0).await;
    for (builder, version) in [
        (trusting(emulator.ca_pem().unwrap()), Version::HTTP_2),
        (trusting(emulator.ca_pem().unwrap()).http1_only(), Version::HTTP_11),
    ] {
        let response = builder.build().unwrap().get(emulator.url()).send().await.unwrap();
        assert_eq!((response.status().as_u16(), response.version()), (200, version));
    }
}

#[tokio::test]
async fn who_does_not_trust_it_is_not_served() {
    let directory = Directory::new();
    let (trusted, other) = (emulator_in(&directory.0).await, emulator_in(&directory.0).await);
    let client = trusting(trusted.ca_pem().unwrap()).build().unwrap();
    assert!(client.get(other.url()).send().await.unwrap_err().is_connect());
}

#[tokio::test]
async fn leaves_no_key_and_no_other_file() {
    let directory = Directory::new();
    let emulator = emulator_in(&directory.0).await;
    let names: Vec<_> = fs::read_dir(&directory.0).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["ca.pem"]);
    assert_eq!(Some(directory.text("ca.pem").as_str()), emulator.ca_pem());
    assert!(!directory.text("ca.pem").contains("KEY"));
}

#[tokio::test]
async fn authority_is_marked_as_strict_verifiers_want() {
    let directory = Directory::new();
    let emulator = emulator_in(&directory.0).await;
    let (_, pem) = parse_x509_pem(emulator.ca_pem().unwrap().as_bytes()).unwrap();
    let certificate = pem.parse_x509().unwrap();
    let basic = certificate.basic_constraints().unwrap().unwrap();
    let usage = certificate.key_usage().unwrap().unwrap();
    assert!(basic.critical && basic.value.ca && usage.critical && usage.value.key_cert_sign());
    let has_key_id = |extension: &ParsedExtension<'_>| matches!(extension, ParsedExtension::SubjectKeyIdentifier(_));
    assert!(certificate.extensions().iter().any(|extension| has_key_id(extension.parsed_extension())));
}

#[tokio::test]
async fn certificate_names_the_public_host_too() {
    let directory = Directory::new();
    let public_url = Some("https://identity.example:8400".to_owned());
    let options = EmulatorOptions { tls: Some(directory.0.clone()), public_url, ..EmulatorOptions::default() };
    let emulator = Emulator::start(listener(), options).await.unwrap();
    let client = trusting(emulator.ca_pem().unwrap()).tls_info(true).build().unwrap();
    let response = client.get(emulator.url()).send().await.unwrap();
    let der = response.extensions().get::<reqwest::tls::TlsInfo>().unwrap().peer_certificate().unwrap().to_vec();
    let (_, leaf) = x509_parser::parse_x509_certificate(&der).unwrap();
    let names = &leaf.subject_alternative_name().unwrap().unwrap().value.general_names;
    assert!(names.contains(&GeneralName::DNSName("identity.example")), "{names:?}");
    assert_eq!(emulator.public_url(), "https://identity.example:8400");
}

#[tokio::test]
async fn dropped_connection_has_no_answer_in_either_version() {
    let directory = Directory::new();
    let emulator = emulator_in(&directory.0).await;
    let ca = emulator.ca_pem().unwrap();
    for builder in [trusting(ca), trusting(ca).http1_only()] {
        let client = builder.build().unwrap();
        let keys = format!("{}/{}/discovery/v2.0/keys", emulator.url(), emulator.options().tenant_id);
        emulator.faults().add(Fault::at(Endpoint::Jwks).effect(Effect::Drop).times(1));
        assert!(client.get(&keys).send().await.is_err());
        assert_eq!(client.get(&keys).send().await.unwrap().status(), 200);
    }
    assert_eq!(emulator.counters().jwks, 4);
}

#[tokio::test]
async fn target_serves_https_and_says_so() {
    let directory = Directory::new();
    let target = target_with(SampleTargetOptions { tls: Some(directory.0.clone()), ..Default::default() }).await;
    let client = trusting(&directory.text("target-ca.pem")).build().unwrap();
    let (status, echo) = json(client.get(format!("{}/me", target.url())).send().await.unwrap()).await;
    assert_eq!((status, &echo["tls"], target.total_hits()), (200, &true.into(), 1));
}

#[tokio::test]
async fn without_a_directory_it_is_plain_http() {
    let emulator = emulator().await;
    assert_eq!(emulator.ca_pem(), None);
    assert!(emulator.url().starts_with("http://127.0.0.1:"));
    assert_eq!(exchange(&emulator, &emulator.mint(&TokenRequest::default())).await.0, 200);
}
