//! What must hold for any challenge of a target: see `fuzzing`.

use http::header::WWW_AUTHENTICATE;
use http::{HeaderName, HeaderValue, Version};
use pingora::http::ResponseHeader;

use super::response_headers::{has_claims_challenge, prepare};

/// Header fields, one a line, of a 401: its challenges are relayed as they came, whatever stands beside them, and one
/// with claims is never taken for a plain one.
pub(crate) fn check_relay(data: &[u8]) {
    let Ok(mut response) = ResponseHeader::build(401, None) else { return };
    for (name, value) in data.split(|byte| *byte == b'\n').filter_map(field) {
        let _ = response.append_header(name, value);
    }
    let challenges = values(&response);
    let asks = has_claims_challenge(&response);
    let says_claims = |value: &Vec<u8>| value.to_ascii_lowercase().windows(7).any(|word| word == b"claims=");
    assert!(asks || !challenges.iter().any(says_claims), "a claims challenge is told from others");
    for version in [Version::HTTP_10, Version::HTTP_11, Version::HTTP_2] {
        prepare(&mut response, version);
        assert_eq!(values(&response), challenges, "challenges stay as they came");
        assert_eq!(has_claims_challenge(&response), asks, "and mean the same");
        for gone in ["connection", "keep-alive", "proxy-connection", "proxy-authenticate", "te", "upgrade"] {
            assert!(!response.headers.contains_key(gone), "{gone} concerns the target's connection only");
        }
    }
}

fn values(response: &ResponseHeader) -> Vec<Vec<u8>> {
    response.headers.get_all(WWW_AUTHENTICATE).iter().map(|value| value.as_bytes().to_vec()).collect()
}

fn field(line: &[u8]) -> Option<(HeaderName, HeaderValue)> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    let (name, value) = line.split_at(colon);
    let value = value.get(1..).unwrap_or_default().trim_ascii();
    Some((HeaderName::from_bytes(name).ok()?, HeaderValue::from_bytes(value).ok()?))
}
