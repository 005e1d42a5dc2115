//! The proxy's challenges as parsers of others read them: one Bearer challenge, every parameter once and with the very
//! value, and claims that both alphabets of base64 decode to what the identity provider said.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use serde_json::{Map, Value};

use crate::support::challenges::{Challenge, collected};
use crate::support::script::claims;

mod python {
    use super::claims;

    claims!(read_in_python, "challenge_parsers":
        azure_core_hands_the_claims_to_its_credential,
        azure_core_reads_every_challenge,
        requests_reads_every_challenge,
        the_standard_library_reads_every_challenge,
        werkzeug_reads_every_challenge,
        www_authenticate_reads_every_challenge,
    );
}

mod node {
    use super::claims;

    claims!(read_in_node, "challenge_parsers":
        auth_header_reads_every_challenge,
        azure_core_client_reads_the_claims,
        azure_core_rest_pipeline_reads_the_claims,
        http_auth_utils_reads_every_challenge,
        www_authenticate_reads_every_challenge,
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_crate_http_auth_reads_every_challenge() {
    for challenge in collected().await {
        let parsed = http_auth::parser::ChallengeParser::new(&challenge.header).collect::<Result<Vec<_>, _>>();
        let parsed = parsed.unwrap_or_else(|error| panic!("{error}: {challenge:?}"));
        let [only] = &parsed[..] else { panic!("{parsed:?}") };
        assert_eq!(only.scheme, "Bearer");
        let parameters: Vec<_> = only.params.iter().map(|(name, value)| (*name, value.to_unescaped())).collect();
        assert_says(challenge, &parameters);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_challenge_is_among_those_that_are_read() {
    let challenges = collected().await;
    let of = |error: &str| challenges.iter().filter(|one| one.parameters.get("error") == Some(&error.into())).count();
    let errors = ["invalid_token", "invalid_request", "insufficient_scope", "insufficient_user_authentication"];
    assert_eq!(errors.map(of), [3, 1, 2, 1]);
    assert!(of("insufficient_claims") >= 10);
    assert_eq!(challenges.iter().filter(|one| !one.parameters.contains_key("error")).count(), 3);
    assert_eq!(challenges.iter().filter(|one| one.parameters.contains_key("resource_metadata")).count(), 3);
    assert!(challenges.iter().all(|one| one.claims.is_some() == one.header.contains("insufficient_claims")));
}

fn assert_says(challenge: &Challenge, found: &[(&str, String)]) {
    let mut parameters = Map::new();
    for (name, value) in found {
        assert!(parameters.insert((*name).to_owned(), value.as_str().into()).is_none(), "{name} twice");
    }
    let claims = parameters.remove("claims");
    assert_eq!(parameters, challenge.parameters);
    let decoded = claims.map(|claims| both_decode(claims.as_str().unwrap()));
    let json = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    assert_eq!(decoded.as_deref().map(json), challenge.claims.as_deref().map(json));
}

/// What both alphabets decode a text to.
fn both_decode(claims: &str) -> String {
    let decoded = STANDARD.decode(claims).unwrap();
    assert_eq!(decoded, URL_SAFE.decode(claims).unwrap());
    String::from_utf8(decoded).unwrap()
}
