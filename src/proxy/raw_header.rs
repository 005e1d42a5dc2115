//! The header section of an HTTP/1.1 request byte for byte: what its parser tolerates or mends is refused here, because
//! whoever stands before or behind us may read it differently.

use memchr::{memchr, memchr_iter};

use crate::rejection::Rejection;
use crate::route::PathError;

/// Looks at the bytes that a request was read from. One pass; one with a `Transfer-Encoding` is looked at by line.
///
/// # Errors
/// A carriage return or a line feed without the other, a fragment, and a `Content-Length` beside `Transfer-Encoding`,
/// which Pingora removes as RFC 9112 section 6.1 lets it.
pub(super) fn check(raw: &[u8], has_coding: bool) -> Result<(), Rejection> {
    let request_line = check_line_ends(raw)?;
    if memchr(b'#', raw.get(..request_line).unwrap_or_default()).is_some() {
        return Err(Rejection::Ambiguous(PathError::Fragment.reason()));
    }
    if has_coding && raw.split(|byte| *byte == b'\n').any(is_content_length) {
        return Err(Rejection::Ambiguous("content-length beside transfer-encoding"));
    }
    Ok(())
}

/// Returns where the request line ends. A server may skip empty lines before it (RFC 9112 section 2.2).
fn check_line_ends(raw: &[u8]) -> Result<usize, Rejection> {
    let (mut request_line, mut line_start, mut lines) = (None, 0, 0);
    let mut all_paired = true;
    for at in memchr_iter(b'\n', raw) {
        all_paired &= raw.get(line_start..at).is_some_and(|line| line.ends_with(b"\r"));
        if request_line.is_none() && at > line_start + 1 {
            request_line = Some(at.saturating_sub(1));
        }
        line_start = at + 1;
        lines += 1;
    }
    // With a carriage return before each line feed, and as many of them, there is none that stands alone.
    if all_paired && memchr_iter(b'\r', raw).count() == lines {
        Ok(request_line.unwrap_or(raw.len()))
    } else {
        Err(Rejection::Ambiguous("a line of the header section does not end with CR LF"))
    }
}

fn is_content_length(line: &[u8]) -> bool {
    let name = line.split(|byte| *byte == b':').next().unwrap_or_default();
    name.trim_ascii().eq_ignore_ascii_case(b"content-length")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_raw(raw: &str, has_coding: bool) -> bool {
        check(raw.as_bytes(), has_coding).is_ok()
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
