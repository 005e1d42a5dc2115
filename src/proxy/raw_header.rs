//! The header section of an HTTP/1.1 request byte for byte: what its parser tolerates or mends is refused here, because
//! whoever stands before or behind us may read it differently.

use http::header::TRANSFER_ENCODING;
use memchr::{memchr, memchr2_iter};
use pingora::http::RequestHeader;

use crate::rejection::Rejection;
use crate::route::PathError;

/// Looks at the bytes that `request` was read from. One pass; a request with chunks is looked at by line.
///
/// # Errors
/// A carriage return or a line feed without the other, a fragment, and a `Content-Length` beside `Transfer-Encoding`,
/// which Pingora removes as RFC 9112 section 6.1 lets it.
pub(super) fn check(raw: &[u8], request: &RequestHeader) -> Result<(), Rejection> {
    let request_line = check_line_ends(raw)?;
    if memchr(b'#', raw.get(..request_line).unwrap_or_default()).is_some() {
        return Err(Rejection::Ambiguous(PathError::Fragment.reason()));
    }
    if request.headers.contains_key(TRANSFER_ENCODING) && raw.split(|byte| *byte == b'\n').any(is_content_length) {
        return Err(Rejection::Ambiguous("content-length beside transfer-encoding"));
    }
    Ok(())
}

/// Returns where the request line ends. A server may skip empty lines before it (RFC 9112 section 2.2).
fn check_line_ends(raw: &[u8]) -> Result<usize, Rejection> {
    let mut request_line = None;
    let mut line_start = 0;
    let mut ends = memchr2_iter(b'\r', b'\n', raw);
    while let Some(at) = ends.next() {
        let is_pair = raw.get(at..at + 2) == Some(b"\r\n") && ends.next() == Some(at + 1);
        if !is_pair {
            return Err(Rejection::Ambiguous("a line of the header section does not end with CR LF"));
        }
        if at > line_start && request_line.is_none() {
            request_line = Some(at);
        }
        line_start = at + 2;
    }
    Ok(request_line.unwrap_or(raw.len()))
}

fn is_content_length(line: &[u8]) -> bool {
    let name = line.split(|byte| *byte == b':').next().unwrap_or_default();
    name.trim_ascii().eq_ignore_ascii_case(b"content-length")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_raw(raw: &str, chunked: bool) -> bool {
        let mut request = RequestHeader::build("POST", b"/", None).unwrap();
        if chunked {
            request.insert_header(TRANSFER_ENCODING, "chunked").unwrap();
        }
        check(raw.as_bytes(), &request).is_ok()
    }

    #[test]
    fn lines_end_with_both() {
        assert!(check_raw("GET / HTTP/1.1\r\nHost: a\r\n\r\n", false));
        assert!(check_raw("\r\n\r\nGET / HTTP/1.1\r\nX: #\r\n\r\n", false));
        for raw in [
            "GET / HTTP/1.1\nHost: a\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\n\n",
            "GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\r\n\r\n",
            "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET / HTTP/1.1\r",
        ] {
            assert!(!check_raw(raw, false), "{raw:?}");
        }
    }

    #[test]
    fn a_fragment_and_a_second_length_are_seen() {
        assert!(!check_raw("GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", false));
        assert!(!check_raw("\r\nGET /a?#b HTTP/1.1\r\nHost: a\r\n\r\n", false));
        let both = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nCONTENT-Length: 4\r\n\r\n";
        assert!(!check_raw(both, true));
        assert!(check_raw("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nX: content-length: 4\r\n\r\n", true));
    }
}
