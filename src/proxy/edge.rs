//! What is asked of every request before anything is decided about it: bounds, and bytes with one reading.

use http::HeaderMap;
use pingora::http::RequestHeader;
use pingora::proxy::Session;

use super::present::Present;
use super::{raw_header, wellformed};
use crate::network::Networks;
use crate::rejection::Rejection;

/// What is asked of every request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EdgeSettings {
    /// The networks of proxies whose `X-Forwarded-*` are believed.
    pub trusted_proxies: Networks,
    /// The most header fields of a request.
    pub headers: usize,
    /// The longest header section, in bytes as HTTP/1.1 writes it, request line included.
    pub header_bytes: usize,
    /// The longest request target (path and query), in bytes.
    pub target_bytes: usize,
}

impl EdgeSettings {
    /// Looks at a request as it came.
    ///
    /// # Errors
    /// Where it is too large, or was written so that another parser might read it differently.
    pub(super) fn inspect(&self, session: &Session, present: Present) -> Result<(), Rejection> {
        let request = session.req_header();
        let Some(http1) = session.as_ref().as_http1() else {
            return self.check_sizes(request, written_length(request));
        };
        let raw = http1.get_headers_raw_bytes();
        self.check_sizes(request, raw.len())?;
        raw_header::check(&raw, present.has(Present::TRANSFER_ENCODING))
    }

    fn check_sizes(&self, request: &RequestHeader, header_bytes: usize) -> Result<(), Rejection> {
        if wellformed::target(request).len() > self.target_bytes {
            return Err(Rejection::TargetTooLong);
        }
        if request.headers.len() > self.headers || header_bytes > self.header_bytes {
            return Err(Rejection::HeadersTooLarge);
        }
        Ok(())
    }
}

/// The length of the body that the request announces, if it does.
pub(super) fn declared_length(headers: &HeaderMap, present: Present) -> Option<u64> {
    if !present.has(Present::CONTENT_LENGTH) {
        return None;
    }
    headers.get(http::header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// The length of the header section, had it come by HTTP/1.1.
fn written_length(request: &RequestHeader) -> usize {
    let fields = request.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + ": \r\n".len());
    let line = request.method.as_str().len() + wellformed::target(request).len() + "  HTTP/1.1\r\n\r\n".len();
    line + fields.sum::<usize>()
}
