//! How the proxy proves to be itself: each credential as it reaches the token endpoint, its replacement while the proxy
//! runs, and what happens when the identity provider does not take it.

use std::path::PathBuf;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use obo_proxy::emulator::{Emulator, EmulatorOptions, Endpoint, Fault};
use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256, SignatureAlgorithm};

use crate::support::{ROUTES, SECRET, World, eventually, listener};

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// A directory of its own for files that change.
struct Directory(PathBuf);

impl Directory {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("obo-proxy-credentials-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    /// Replaces a file as Kubernetes and careful operators do: written beside, then renamed.
    fn put(&self, name: &str, text: &str) -> String {
        let (path, fresh) = (self.0.join(name), self.0.join(format!("{name}.new")));
        std::fs::write(&fresh, text).unwrap();
        std::fs::rename(&fresh, &path).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A certificate and its key in PEM.
fn certificate(algorithm: &'static SignatureAlgorithm) -> (String, String) {
    let key = KeyPair::generate_for(algorithm).unwrap();
    let certificate = CertificateParams::new(vec!["obo-proxy".to_owned()]).unwrap().self_signed(&key).unwrap();
    (certificate.pem(), key.serialize_pem())
}

/// A world whose proxy has this credential, in YAML's flow style.
async fn world(options: EmulatorOptions, credential: &str) -> World {
    around(Emulator::start(listener(), options).await.unwrap(), credential).await
}

async fn around(emulator: Emulator, credential: &str) -> World {
    let usual = format!("credential: {{client_secret: {SECRET}}}");
    let edit = |text: String| text.replace(&usual, &format!("credential: {credential}"));
    let world = World::around(emulator, "", ROUTES, edit).await;
    world.proxy.wait_until_ready().await;
    world
}

async fn served(world: &World) {
    let reply = world.get("/orders", &world.token()).await;
    assert_eq!(reply.status, 200, "{reply:?}");
}

/// The names of the last token request's parameters, and the header of its client assertion.
fn last_request(world: &World) -> (Vec<String>, serde_json::Value) {
    let recorded = world.emulator.recorded();
    let last = recorded.last().unwrap();
    let names = last.form.iter().map(|(name, _)| name.clone()).collect();
    let header = last.field("client_assertion").map(|assertion| {
        world.keep_secret(assertion);
        let header = assertion.split('.').next().unwrap();
        serde_json::from_slice(&base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap()
    });
    (names, header.unwrap_or_default())
}

const WITH_ASSERTION: [&str; 7] = [
    "grant_type",
    "client_id",
    "client_assertion_type",
    "client_assertion",
    "assertion",
    "scope",
    "requested_token_use",
];

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_signs_each_request_anew() {
    for (algorithm, name) in [(&PKCS_RSA_SHA256, "PS256"), (&PKCS_ECDSA_P256_SHA256, "ES256")] {
        let (directory, (certificate, key)) = (Directory::new(), certificate(algorithm));
        let (c, k) = (directory.put("c.pem", &certificate), directory.put("k.pem", &key));
        let options = EmulatorOptions { client_certificate: Some(certificate), ..EmulatorOptions::default() };
        let world = world(options, &format!("{{certificate: '{c}', private_key: '{k}'}}")).await;
        // The emulator takes no jti twice.
        served(&world).await;
        served(&world).await;
        let (names, header) = last_request(&world);
        assert_eq!(names, WITH_ASSERTION);
        assert_eq!((header["alg"].as_str(), header["typ"].as_str()), (Some(name), Some("JWT")));
        assert!(header["x5t#S256"].is_string() && header.get("x5c").is_none(), "{header}");
        assert_eq!(world.emulator.recorded()[0].field("client_assertion_type"), Some(ASSERTION_TYPE));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_chain_is_sent_on_request_and_key_and_certificate_may_share_a_file() {
    let (directory, (certificate, key)) = (Directory::new(), certificate(&PKCS_RSA_SHA256));
    let both = directory.put("both.pem", &format!("{key}{certificate}"));
    let options = EmulatorOptions { client_certificate: Some(certificate.clone()), ..EmulatorOptions::default() };
    let world = world(options, &format!("{{certificate: '{both}', send_chain: true}}")).await;
    served(&world).await;
    let (_, header) = last_request(&world);
    let body: String = certificate.lines().filter(|line| !line.starts_with("-----")).collect();
    assert_eq!(header["x5c"], serde_json::json!([body]));
    assert!(STANDARD.decode(header["x5c"][0].as_str().unwrap()).is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_from_a_file_is_replaced_while_the_proxy_runs() {
    let directory = Directory::new();
    let file = directory.put("secret", "first-secret-of-all\n");
    let options = EmulatorOptions { client_secret: "first-secret-of-all".to_owned(), ..EmulatorOptions::default() };
    let world = world(options, &format!("{{client_secret_file: '{file}'}}")).await;
    world.keep_secret("first-secret-of-all");
    world.keep_secret("second-secret-of-all");
    served(&world).await;
    // The provider refuses the old one before the proxy has looked at the file: it looks, and asks again.
    world.emulator.add_secret("second-secret-of-all");
    assert!(world.emulator.withdraw_secret("first-secret-of-all", 7_000_215));
    directory.put("secret", "second-secret-of-all\n");
    served(&world).await;
    assert!(world.token_requests() <= 3);
    assert_eq!(reloads(&world, "success").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_becomes_unusable_leaves_the_last_good_secret_in_place() {
    let directory = Directory::new();
    let file = directory.put("secret", SECRET);
    let world = world(EmulatorOptions::default(), &format!("{{client_secret_file: '{file}'}}")).await;
    std::fs::remove_file(&file).unwrap();
    served(&world).await;
    eventually("the fault is told", async || reloads(&world, "failure").await == 1).await;
    served(&world).await;
    directory.put("secret", SECRET);
    served(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_reloaded_once_and_tried_once_more_where_it_is_refused() {
    let (directory, [(old, old_key), (new, new_key)]) =
        (Directory::new(), [certificate(&PKCS_RSA_SHA256), certificate(&PKCS_RSA_SHA256)]);
    let (c, k) = (directory.put("c.pem", &old), directory.put("k.pem", &old_key));
    let options = EmulatorOptions { client_certificate: Some(new.clone()), ..EmulatorOptions::default() };
    let world = world(options, &format!("{{certificate: '{c}', private_key: '{k}'}}")).await;
    // Nothing has changed yet: the same certificate is tried once more, and that is all.
    assert_eq!(world.get("/orders", &world.token()).await.code(), "misconfigured");
    assert_eq!(world.token_requests(), 2);
    directory.put("k.pem", &new_key);
    directory.put("c.pem", &new);
    served(&world).await;
    assert!(world.token_requests() <= 4, "{}", world.token_requests());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_error_code_of_certificates_leads_to_one_more_try() {
    for code in [700_027, 700_024, 7_000_214, 1_000_502, 7_000_274, 7_000_277] {
        let (directory, (certificate, key)) = (Directory::new(), certificate(&PKCS_ECDSA_P256_SHA256));
        let (c, k) = (directory.put("c.pem", &certificate), directory.put("k.pem", &key));
        let options = EmulatorOptions { client_certificate: Some(certificate), ..EmulatorOptions::default() };
        let world = world(options, &format!("{{certificate: '{c}', private_key: '{k}'}}")).await;
        world.emulator.faults().add(Fault::aadsts(code).times(1));
        served(&world).await;
        assert_eq!(world.token_requests(), 2, "{code}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_is_refused_is_not_sent_again_unchanged() {
    for code in [7_000_215, 7_000_222, 7_000_218] {
        let world = World::start().await;
        world.emulator.faults().add(Fault::aadsts(code));
        assert_eq!(world.get("/orders", &world.token()).await.code(), "misconfigured");
        assert_eq!(world.token_requests(), 1, "{code}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_credentials_the_second_serves_once_the_first_is_refused() {
    let second = "second-emulator-secret";
    let options = EmulatorOptions { client_secrets: vec![second.to_owned()], ..EmulatorOptions::default() };
    let world = world(options, &format!("[{{client_secret: {SECRET}}}, {{client_secret: {second}}}]")).await;
    world.keep_secret(second);
    served(&world).await;
    assert_eq!(world.emulator.recorded()[0].field("client_secret"), Some(SECRET));
    assert!(world.emulator.withdraw_secret(SECRET, 7_000_222));
    served(&world).await;
    assert_eq!(world.token_requests(), 3, "the first, and then the second");
    served(&world).await;
    assert_eq!(world.token_requests(), 4, "the second is kept to");
    assert!(world.emulator.withdraw_secret(second, 7_000_222));
    assert_eq!(world.get("/orders", &world.token()).await.code(), "misconfigured");
    assert_eq!(world.token_requests(), 6, "both, once each");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_of_the_caller_does_not_bring_the_second_credential_into_play() {
    let world =
        world(EmulatorOptions::default(), &format!("[{{client_secret: {SECRET}}}, {{client_secret: other}}]")).await;
    world.emulator.faults().add(Fault::aadsts(50105));
    assert_eq!(world.get("/orders", &world.token()).await.code(), "exchange_refused");
    assert_eq!(world.token_requests(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_federated_token_is_read_from_its_file_and_read_again() {
    let emulator = Emulator::start(listener(), EmulatorOptions::default()).await.unwrap();
    let workload = "system:serviceaccount:default:obo-proxy";
    let directory = Directory::new();
    let first = emulator.mint_federated(workload, 3600);
    let file = directory.put("token", &format!("{first}\n"));
    let world = around(emulator, &format!("{{workload_identity: {{token_file: '{file}'}}}}")).await;
    served(&world).await;
    assert_eq!(last_request(&world).0, WITH_ASSERTION);
    assert_eq!(world.emulator.recorded()[0].field("client_assertion"), Some(&*first));
    let second = world.emulator.mint_federated(workload, 3601);
    world.keep_secret(&second);
    directory.put("token", &second);
    eventually("the new token is used", async || {
        served(&world).await;
        world.emulator.recorded().last().unwrap().field("client_assertion") == Some(&*second)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_machines_identity_is_asked_once_for_many_exchanges() {
    let emulator = Emulator::start(listener(), EmulatorOptions::default()).await.unwrap();
    let endpoint = format!("{}/metadata/identity/oauth2/token", emulator.url());
    // Right after a start the service is not there yet.
    emulator.faults().add(Fault { effect: status(404), ..Fault::at(Endpoint::ManagedIdentity) }.times(2));
    let world = around(emulator, &format!("{{managed_identity: {{endpoint: '{endpoint}'}}}}")).await;
    for _ in 0..5 {
        served(&world).await;
    }
    assert_eq!(last_request(&world).0, WITH_ASSERTION);
    assert_eq!((world.emulator.counters().managed_identity, world.token_requests()), (3, 5));
    let asked = &world.emulator.managed_identity_requests()[0];
    assert_eq!(asked.header("metadata"), Some("true"));
    let query: Vec<_> = asked.form.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(query, [("api-version", "2018-02-01"), ("resource", "api://AzureADTokenExchange")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_without_identity_is_our_own_fault() {
    let emulator = Emulator::start(listener(), EmulatorOptions::default()).await.unwrap();
    let endpoint = format!("{}/metadata/identity/oauth2/token", emulator.url());
    emulator.faults().add(Fault { effect: status(400), ..Fault::at(Endpoint::ManagedIdentity) });
    let world = around(emulator, &format!("{{managed_identity: {{endpoint: '{endpoint}'}}}}")).await;
    assert_eq!(world.get("/orders", &world.token()).await.code(), "misconfigured");
    assert_eq!((world.emulator.counters().managed_identity, world.token_requests()), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_a_certificate_is_a_metric() {
    let (directory, (certificate, key)) = (Directory::new(), certificate(&PKCS_RSA_SHA256));
    let (c, k) = (directory.put("c.pem", &certificate), directory.put("k.pem", &key));
    let world = world(EmulatorOptions::default(), &format!("{{certificate: '{c}', private_key: '{k}'}}")).await;
    let ends = world.proxy.metric("obo_proxy_certificate_not_after_timestamp_seconds{identity=\"default\"}").await;
    // rcgen's default end is in the year 4096.
    assert!(ends > 60_000_000_000.0, "{ends}");
}

/// A certificate with this end, and both it and its key.
fn certificate_until(end: std::time::SystemTime) -> (String, String) {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let mut params = CertificateParams::new(vec!["obo-proxy".to_owned()]).unwrap();
    params.not_after = end.into();
    let certificate = params.self_signed(&key).unwrap().pem();
    (certificate.clone(), format!("{certificate}{}", key.serialize_pem()))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_has_ended_does_not_replace_a_good_one() {
    let (directory, now) = (Directory::new(), std::time::SystemTime::now());
    let (certificate, good) = certificate_until(now + Duration::from_hours(24 * 90));
    let both = directory.put("both.pem", &good);
    let options = EmulatorOptions { client_certificate: Some(certificate), ..EmulatorOptions::default() };
    let world = world(options, &format!("{{certificate: '{both}'}}")).await;
    served(&world).await;
    let (_, good) = last_request(&world);
    directory.put("both.pem", &certificate_until(now - Duration::from_hours(1)).1);
    eventually("the file was looked at", async || reloads(&world, "failure").await == 1).await;
    served(&world).await;
    assert_eq!(last_request(&world).1["x5t#S256"], good["x5t#S256"]);
    assert_eq!(reloads(&world, "success").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_ends_soon_is_warned_of() {
    let end = std::time::SystemTime::now() + Duration::from_hours(24 * 10 + 12);
    let directory = Directory::new();
    let both = directory.put("both.pem", &certificate_until(end).1);
    let _world = world(EmulatorOptions::default(), &format!("{{certificate: '{both}'}}")).await;
    let warning = crate::support::log::lines_with("the certificate ends soon");
    assert!(warning.iter().any(|line| line["level"] == "WARN" && line["days_left"] == 10), "{warning:?}");
}

fn status(status: u16) -> obo_proxy::emulator::Effect {
    Fault::token_answer(status, &[], "").effect
}

async fn reloads(world: &World, outcome: &str) -> u64 {
    let name = format!("obo_proxy_credential_reloads_total{{identity=\"default\",outcome=\"{outcome}\"}}");
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count")]
    let count = world.proxy.metric(&name).await as u64;
    count
}
