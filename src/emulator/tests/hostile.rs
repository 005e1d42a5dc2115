//! Tokens that no verifier may accept, the emulator's own included.

use super::support::{emulator, exchange, refusal};
use crate::emulator::{Signer, TokenRequest};

#[tokio::test]
async fn refuses_every_other_way_to_sign() {
    let emulator = emulator().await;
    for signer in [Signer::Foreign, Signer::PublicKeyAsSecret, Signer::Unsigned] {
        let token = emulator.mint_with(&TokenRequest::default(), signer);
        assert_eq!(refusal(&exchange(&emulator, &token).await), (400, "invalid_grant", None, 50_013), "{signer:?}");
    }
}

#[tokio::test]
async fn refuses_an_unknown_key() {
    let emulator = emulator().await;
    let mut request = TokenRequest::default();
    request.header.insert("kid".to_owned(), "unknown".into());
    assert_eq!(refusal(&exchange(&emulator, &emulator.mint(&request)).await).3, 50_013);
}

#[tokio::test]
async fn foreign_token_names_the_published_key() {
    let emulator = emulator().await;
    let token = emulator.mint_with(&TokenRequest::default(), Signer::Foreign);
    let header = jsonwebtoken::decode_header(&token).unwrap();
    assert_eq!(header.kid, Some(emulator.kid()));
}

#[tokio::test]
async fn signs_any_text_as_it_is_given() {
    let emulator = emulator().await;
    let token = emulator.sign_raw("{\"alg\":\"RS256\"", "{\"aud\":1,\"aud\":2}", Signer::Current);
    let parts: Vec<_> = token.split('.').collect();
    let decoded = base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, parts[1]).unwrap();
    assert_eq!(decoded, b"{\"aud\":1,\"aud\":2}");
    assert_eq!(refusal(&exchange(&emulator, &token).await).3, 50_027);
}
