//! Which of the headers that decide something a request has: one look at all of its names, where a search for each that
//! hardly ever is there would cost more.

use http::HeaderMap;

/// The headers of one request that are there, of those that are looked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Present(u8);

impl Present {
    pub(super) const CONNECTION: Self = Self(1);
    pub(super) const CONTENT_LENGTH: Self = Self(1 << 1);
    pub(super) const EXPECT: Self = Self(1 << 2);
    pub(super) const TRACEPARENT: Self = Self(1 << 3);
    pub(super) const TRACESTATE: Self = Self(1 << 4);
    pub(super) const TRANSFER_ENCODING: Self = Self(1 << 5);
    pub(super) const UPGRADE: Self = Self(1 << 6);
    pub(super) const X_REQUEST_ID: Self = Self(1 << 7);

    /// Looks at all names.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let which = |name: &str| match name {
            "connection" => Self::CONNECTION,
            "content-length" => Self::CONTENT_LENGTH,
            "expect" => Self::EXPECT,
            "traceparent" => Self::TRACEPARENT,
            "tracestate" => Self::TRACESTATE,
            "transfer-encoding" => Self::TRANSFER_ENCODING,
            "upgrade" => Self::UPGRADE,
            "x-request-id" => Self::X_REQUEST_ID,
            _ => Self(0),
        };
        Self(headers.keys().fold(0, |all, name| all | which(name.as_str()).0))
    }

    /// These, and those.
    pub(super) const fn and(self, those: Self) -> Self {
        Self(self.0 | those.0)
    }

    /// Whether one of these is there.
    pub(super) fn has(self, of_these: Self) -> bool {
        self.0 & of_these.0 != 0
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    #[test]
    fn each_header_is_told_from_the_others() {
        let all = [
            ("connection", Present::CONNECTION),
            ("content-length", Present::CONTENT_LENGTH),
            ("expect", Present::EXPECT),
            ("traceparent", Present::TRACEPARENT),
            ("tracestate", Present::TRACESTATE),
            ("transfer-encoding", Present::TRANSFER_ENCODING),
            ("upgrade", Present::UPGRADE),
            ("x-request-id", Present::X_REQUEST_ID),
        ];
        let mut headers = HeaderMap::new();
        headers.insert("host", HeaderValue::from_static("a"));
        assert_eq!(Present::of(&headers), Present::default());
        for (name, it) in all {
            let mut headers = headers.clone();
            headers.insert(HeaderName::from_static(name), HeaderValue::from_static("v"));
            let there = all.iter().filter(|(_, other)| Present::of(&headers).has(*other));
            assert_eq!(there.collect::<Vec<_>>(), [&(name, it)]);
        }
    }
}
