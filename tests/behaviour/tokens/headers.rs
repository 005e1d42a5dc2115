//! Token A as it stands in the header section: one header, one scheme, one token of a sensible length.

use std::time::Duration;

use http::Method;
use tokio::time::timeout;

use super::world;
use crate::support::log::access_line;
use crate::support::{World, raw};

/// Sends these `Authorization` headers; tells the code of the refusal and the reason in the log.
async fn refusal(world: &World, values: &[&str]) -> (String, String) {
    let headers: Vec<_> = values.iter().map(|value| ("authorization", *value)).collect();
    let reply = world.send(Method::GET, "/orders", &headers, "").await;
    let line = access_line(reply.header("x-request-id")).await;
    assert_eq!((world.token_requests(), world.target.total_hits()), (0, 0), "{reply:?}");
    (reply.code(), line["reason"].as_str().unwrap().to_owned())
}

/// Sends bytes and reads the answer; a proxy that needs more than ten seconds for a refusal can be held up.
async fn answer_to(world: &World, request: &[u8]) -> String {
    let answer = timeout(Duration::from_secs(10), raw::exchange(world.proxy.address(), request)).await;
    String::from_utf8(answer.expect("an answer in time")).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn several_credentials_are_ambiguous_whichever_is_good() {
    let world = world().await;
    let good = format!("Bearer {}", world.token());
    let (list, mixed) = (format!("{good}, {good}"), format!("Basic dXNlcjpwYXNz, {good}"));
    let reason = "more than one credential in authorization";
    for values in [&[good.as_str(), good.as_str()][..], &[&good, "Basic dXNlcjpwYXNz"], &[&list], &[&mixed]] {
        assert_eq!(refusal(&world, values).await, ("ambiguous_request".to_owned(), reason.to_owned()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_scheme_is_no_token() {
    let world = world().await;
    for value in ["Basic dXNlcjpwYXNz", "Digest username=\"a\", realm=\"b\"", "Bearerx abc", ""] {
        let expected = ("missing_token".to_owned(), "no bearer token".to_owned());
        assert_eq!(refusal(&world, &[value]).await, expected, "{value}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bearer_without_a_token_is_malformed() {
    let world = world().await;
    for value in ["Bearer", "Bearer =", "Bearer a b"] {
        let expected = ("invalid_token".to_owned(), "token has characters that no bearer token may have".to_owned());
        assert_eq!(refusal(&world, &[value]).await, expected, "{value}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_scheme_is_read_in_any_case() {
    let world = world().await;
    let token = world.token();
    for scheme in ["bearer", "BEARER", "Bearer "] {
        let value = format!("{scheme} {token}");
        assert_eq!(world.send(Method::GET, "/orders", &[("authorization", &value)], "").await.status, 200);
    }
    assert_eq!(world.token_requests(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_oversized_token_is_refused_without_being_read() {
    let world = world().await;
    let [header, payload, signature] = super::parts(&world.token());
    for length in [33_000, 60_000] {
        let value = format!("Bearer {header}.{}.{signature}", payload.repeat(length / payload.len() + 1));
        let request = format!(
            "GET /orders HTTP/1.1\r\nhost: h\r\nx-request-id: oversized-{length}\r\nconnection: close\r\n\
             authorization: {value}\r\n\r\n"
        );
        let answer = answer_to(&world, request.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 401 ") && answer.contains("\"invalid_token\""), "{length}: {answer}");
        let line = access_line(&format!("oversized-{length}")).await;
        assert_eq!(line["reason"], "token is longer than 32768 bytes");
    }
    assert_eq!((world.token_requests(), world.target.total_hits()), (0, 0));
    assert_eq!(world.get("/orders", &world.token()).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_headers_are_refused() {
    let world = world().await;
    let headers = "x-more: 1\r\n".repeat(10_000);
    let token = world.token();
    let request = format!("GET /orders HTTP/1.1\r\nhost: h\r\nauthorization: Bearer {token}\r\n{headers}\r\n");
    let answer = answer_to(&world, request.as_bytes()).await;
    // The peer closes with bytes of ours unread, so its answer may be lost on the way.
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert_eq!((world.token_requests(), world.target.total_hits()), (0, 0));
    assert_eq!(world.get("/orders", &token).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_section_without_end_is_refused() {
    let world = world().await;
    let request = [b"GET /orders HTTP/1.1\r\nhost: h\r\nauthorization: Bearer ".to_vec(), vec![b'a'; 3_000_000]];
    let answer = answer_to(&world, &request.concat()).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert_eq!((world.token_requests(), world.target.total_hits()), (0, 0));
    assert_eq!(world.get("/orders", &world.token()).await.status, 200);
}
