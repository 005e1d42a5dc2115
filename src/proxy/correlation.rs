//! The two names of a request across systems: its request ID and its trace ID (W3C Trace Context).

use http::{HeaderMap, HeaderName, HeaderValue};

use super::present::Present;
use super::values::{append_hex, header_value};

/// The names of one request.
#[derive(Debug, Clone)]
pub(super) struct Correlation {
    /// The caller's `X-Request-Id` where it is short and plain, or a new one.
    pub(super) request_id: HeaderValue,
    /// The caller's `traceparent` where it is well-formed, or a new one that asks nobody to sample.
    pub(super) traceparent: HeaderValue,
    /// Whether there is a `tracestate` that belongs to no trace: `traceparent` is not the caller's.
    pub(super) has_foreign_state: bool,
}

impl Correlation {
    /// Takes over what the caller sent, or invents it.
    pub(super) fn of(headers: &HeaderMap, present: Present) -> Self {
        let sent = |name: &HeaderName, bit| if present.has(bit) { only(headers, name) } else { None };
        let request_id = sent(&X_REQUEST_ID, Present::X_REQUEST_ID).filter(|value| is_plain_id(value.as_bytes()));
        let traceparent = sent(&TRACEPARENT, Present::TRACEPARENT).filter(|value| is_traceparent(value.as_bytes()));
        Self {
            request_id: request_id.cloned().unwrap_or_else(new_request_id),
            has_foreign_state: traceparent.is_none() && present.has(Present::TRACESTATE),
            traceparent: traceparent.cloned().unwrap_or_else(new_traceparent),
        }
    }

    /// The request ID.
    pub(super) fn request_id(&self) -> &str {
        self.request_id.to_str().unwrap_or_default()
    }

    /// The trace ID, 32 hexadecimal digits.
    pub(super) fn trace_id(&self) -> &str {
        self.traceparent.to_str().ok().and_then(|text| text.get(3..35)).unwrap_or_default()
    }
}

fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a HeaderValue> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    values.next().is_none().then_some(value)
}

/// No dots: a token must not get into the log by this door.
fn is_plain_id(bytes: &[u8]) -> bool {
    (1..=64).contains(&bytes.len())
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

/// Version 00 only; later versions may be longer and are not ours to judge.
fn is_traceparent(bytes: &[u8]) -> bool {
    let well_formed = bytes.len() == 55
        && bytes.iter().enumerate().all(|(at, byte)| match at {
            2 | 35 | 52 => *byte == b'-',
            0 | 1 => *byte == b'0',
            _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
        });
    let is_zero = |range: std::ops::Range<usize>| bytes.get(range).is_none_or(|id| id.iter().all(|byte| *byte == b'0'));
    well_formed && !is_zero(3..35) && !is_zero(36..52)
}

fn new_request_id() -> HeaderValue {
    let mut buffer = uuid::Uuid::encode_buffer();
    let id = uuid::Uuid::from_u128(fastrand::u128(..));
    let id = uuid::Builder::from_bytes(*id.as_bytes())
        .with_variant(uuid::Variant::RFC4122)
        .with_version(uuid::Version::Random);
    let text = id.into_uuid().hyphenated().encode_lower(&mut buffer);
    header_value(|value| value.extend_from_slice(text.as_bytes())).unwrap_or(HeaderValue::from_static("unknown"))
}

fn new_traceparent() -> HeaderValue {
    let (trace_id, span_id) = (fastrand::u128(1..), fastrand::u64(1..));
    let value = header_value(|value| {
        value.extend_from_slice(b"00-");
        append_hex::<32>(value, trace_id);
        value.extend_from_slice(b"-");
        append_hex::<16>(value, span_id.into());
        value.extend_from_slice(b"-00");
    });
    value.unwrap_or(HeaderValue::from_static("00-00000000000000000000000000000001-0000000000000001-00"))
}

pub(super) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
pub(super) const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

#[cfg(test)]
mod tests {
    use super::*;

    fn correlation(name: &'static str, value: &str) -> Correlation {
        let mut headers = HeaderMap::new();
        headers.insert(name, HeaderValue::from_str(value).unwrap());
        Correlation::of(&headers, Present::of(&headers))
    }

    #[test]
    fn takes_over_what_is_well_formed() {
        assert_eq!(correlation("x-request-id", "abc-123_X").request_id(), "abc-123_X");
        let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let taken = correlation("traceparent", parent);
        assert_eq!(
            (taken.traceparent.to_str().unwrap(), taken.trace_id()),
            (parent, "4bf92f3577b34da6a3ce929d0e0e4736")
        );
    }

    #[test]
    fn invents_the_rest() {
        for id in ["", "a b", "eyJ.eyJ.sig", &"x".repeat(65)] {
            assert_ne!(correlation("x-request-id", id).request_id(), id);
            assert_eq!(correlation("x-request-id", id).request_id().len(), 36);
        }
        for parent in [
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "junk",
        ] {
            let invented = correlation("traceparent", parent);
            assert_ne!(invented.traceparent, parent);
            assert!(is_traceparent(invented.traceparent.as_bytes()));
        }
    }
}
