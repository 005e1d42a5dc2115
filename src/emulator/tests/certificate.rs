//! Clients that authenticate with an assertion signed by their certificate.

use jsonwebtoken::Algorithm;
use serde_json::json;

use super::{
    client_support::{Signatory, authority, claims, exchange},
    support::{listener, refusal},
};
use crate::emulator::{Emulator, EmulatorOptions};

const REFUSED: (u16, &str, Option<&str>, u64) = (401, "invalid_client", None, 700_027);

async fn start(signatory: &Signatory) -> Emulator {
    with_options(EmulatorOptions { client_certificate: Some(signatory.pem.clone()), ..Default::default() }).await
}

async fn with_options(options: EmulatorOptions) -> Emulator {
    Emulator::start(listener(), options).await.unwrap()
}

#[tokio::test]
async fn accepts_each_algorithm_that_suits_the_key() {
    let mut rsa = Signatory::rsa();
    let emulator = start(&rsa).await;
    for algorithm in [Algorithm::PS256, Algorithm::RS256] {
        rsa.algorithm = algorithm;
        let (status, answer) = rsa.exchange(&emulator).await;
        assert_eq!(status, 200, "{algorithm:?} {answer}");
    }
    let ec = Signatory::ec();
    assert_eq!(ec.exchange(&start(&ec).await).await.0, 200);
}

#[tokio::test]
async fn refuses_other_algorithms() {
    let mut rsa = Signatory::rsa();
    let emulator = start(&rsa).await;
    rsa.algorithm = Algorithm::PS384;
    assert_eq!(refusal(&rsa.exchange(&emulator).await), REFUSED);
}

#[tokio::test]
async fn refuses_an_assertion_for_another_endpoint() {
    let signatory = Signatory::ec();
    let emulator = start(&signatory).await;
    let mut claims = claims(&emulator);
    for audience in ["https://login.microsoftonline.com/", emulator.url()] {
        claims["aud"] = audience.into();
        let answer = exchange(&emulator, &signatory.sign(&signatory.header(), &claims)).await;
        assert_eq!(refusal(&answer), REFUSED, "{audience}");
    }
}

#[tokio::test]
async fn refuses_an_assertion_used_before() {
    let signatory = Signatory::ec();
    let emulator = start(&signatory).await;
    let assertion = signatory.sign(&signatory.header(), &claims(&emulator));
    assert_eq!(exchange(&emulator, &assertion).await.0, 200);
    assert_eq!(refusal(&exchange(&emulator, &assertion).await), REFUSED);
}

#[tokio::test]
async fn assertion_may_be_used_again_where_the_option_says_so() {
    let signatory = Signatory::ec();
    let client_certificate = Some(signatory.pem.clone());
    let emulator = with_options(EmulatorOptions { client_certificate, unique_jti: false, ..Default::default() }).await;
    let mut claims = claims(&emulator);
    claims.as_object_mut().unwrap().remove("jti");
    let assertion = signatory.sign(&signatory.header(), &claims);
    assert_eq!([exchange(&emulator, &assertion).await.0, exchange(&emulator, &assertion).await.0], [200, 200]);
}

#[tokio::test]
async fn refuses_an_assertion_that_names_another_certificate() {
    let (signatory, other) = (Signatory::ec(), Signatory::ec());
    let emulator = start(&signatory).await;
    for header in [other.header(), other.header_with_certificate(), jsonwebtoken::Header::new(Algorithm::ES256)] {
        let answer = exchange(&emulator, &signatory.sign(&header, &claims(&emulator))).await;
        assert_eq!(refusal(&answer), REFUSED);
    }
}

#[tokio::test]
async fn refuses_an_assertion_that_another_key_signed() {
    let (signatory, other) = (Signatory::ec(), Signatory::ec());
    let emulator = start(&signatory).await;
    let answer = exchange(&emulator, &other.sign(&signatory.header(), &claims(&emulator))).await;
    assert_eq!(refusal(&answer), REFUSED);
}

/// Changes to the times of a valid assertion, in seconds from now, each with the AADSTS number that it meets.
#[tokio::test]
async fn assertion_is_good_for_ten_minutes_at_most() {
    let signatory = Signatory::ec();
    let emulator = start(&signatory).await;
    let now = crate::emulator::clock::unix_now();
    for (start, end, status) in [(0, 600, 200), (0, 601, 401), (-7200, -3600, 401), (3600, 3900, 401)] {
        let mut claims = claims(&emulator);
        (claims["nbf"], claims["exp"]) = (json!(now + start), json!(now + end));
        let answer = exchange(&emulator, &signatory.sign(&signatory.header(), &claims)).await;
        assert_eq!(answer.0, status, "{start} {end}: {}", answer.1);
        if status == 401 {
            assert_eq!(refusal(&answer).3, 700_024);
        }
    }
}

/// As msal for Python writes it.
#[tokio::test]
async fn accepts_fractions_of_seconds_and_line_breaks_in_the_certificate() {
    let signatory = Signatory::rsa();
    let emulator = start(&signatory).await;
    let mut claims = claims(&emulator);
    let now = f64::from(u32::try_from(crate::emulator::clock::unix_now()).unwrap());
    claims.as_object_mut().unwrap().remove("nbf");
    (claims["iat"], claims["exp"]) = (json!(now + 0.69), json!(now + 600.69));
    let mut header = signatory.header_with_certificate();
    header.x5c.as_mut().unwrap()[0].insert(64, '\n');
    let answer = exchange(&emulator, &signatory.sign(&header, &claims)).await;
    assert_eq!(answer.0, 200, "{}", answer.1);
}

#[tokio::test]
async fn old_and_new_certificate_are_good_at_once() {
    let (old, new) = (Signatory::rsa(), Signatory::ec());
    let options = EmulatorOptions {
        client_certificate: Some(old.pem.clone()),
        client_certificates: vec![new.pem.clone()],
        ..Default::default()
    };
    let emulator = with_options(options).await;
    assert_eq!([old.exchange(&emulator).await.0, new.exchange(&emulator).await.0], [200, 200]);
}

#[tokio::test]
async fn withdrawn_certificate_meets_the_chosen_number() {
    let (old, new) = (Signatory::ec(), Signatory::ec());
    let emulator = start(&old).await;
    assert_eq!(refusal(&new.exchange(&emulator).await), REFUSED);
    assert_eq!(emulator.add_certificate(&new.pem).unwrap(), new.thumbprint());
    assert!(emulator.withdraw_certificate(&old.thumbprint(), 1_000_502));
    assert_eq!(refusal(&old.exchange(&emulator).await), (401, "invalid_client", None, 1_000_502));
    assert_eq!(new.exchange(&emulator).await.0, 200);
    assert_eq!((emulator.counters().exchanged(), emulator.counters().code(1_000_502)), (1, 1));
}

#[tokio::test]
async fn certificate_of_the_named_authority_needs_no_registration() {
    let (authority, stranger) = (authority(), authority());
    let options = EmulatorOptions {
        client_ca: Some(authority.pem()),
        client_subject: Some("gateway".to_owned()),
        ..Default::default()
    };
    let emulator = with_options(options).await;
    for (issuer, name, status) in
        [(&authority, "gateway", 200), (&authority, "another", 401), (&stranger, "gateway", 401)]
    {
        let signatory = Signatory::issued_by(issuer, name);
        let assertion = signatory.sign(&signatory.header_with_certificate(), &claims(&emulator));
        assert_eq!(exchange(&emulator, &assertion).await.0, status, "{name}");
        assert_eq!(refusal(&signatory.exchange(&emulator).await), REFUSED);
    }
}

#[tokio::test]
async fn certificate_without_a_usable_key_is_refused_at_the_start() {
    let options = EmulatorOptions { client_certificates: vec!["no certificate".to_owned()], ..Default::default() };
    assert!(Emulator::start(listener(), options).await.is_err());
}
