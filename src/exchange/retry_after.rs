//! How long an answer asks to wait.

use std::time::{Duration, SystemTime};

use http::HeaderMap;
use http::header::RETRY_AFTER;

/// The `Retry-After` of an answer: seconds or a date (RFC 9110 section 10.2.3), at most [`LONGEST_WAIT`].
pub(super) fn read(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let wait = if is_number {
        // More digits than fit mean a very long time as well.
        Duration::from_secs(text.parse().unwrap_or(u64::MAX))
    } else {
        httpdate::parse_http_date(text).ok()?.duration_since(SystemTime::now()).unwrap_or_default()
    };
    Some(wait.min(LONGEST_WAIT))
}

/// The longest wait that is believed.
pub(super) const LONGEST_WAIT: Duration = Duration::from_mins(5);

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn waiting(text: &str) -> Option<u64> {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, HeaderValue::from_str(text).unwrap());
        read(&headers).map(|wait| wait.as_secs())
    }

    #[test]
    fn a_wait_is_seconds_or_a_date_and_has_a_bound() {
        for (text, expected) in [
            ("17", Some(17)),
            (" 0 ", Some(0)),
            ("301", Some(300)),
            ("99999999999999999999999", Some(300)),
            ("-1", None),
            ("1.5", None),
            ("soon", None),
            ("", None),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(0)),
            ("Sunday, 06-Nov-94 08:49:37 GMT", Some(0)),
            ("Fri, 31 Dec 9999 23:59:59 GMT", Some(300)),
        ] {
            assert_eq!(waiting(text), expected, "{text}");
        }
        assert_eq!(read(&HeaderMap::new()), None);
    }

    proptest! {
        #[test]
        fn any_number_of_seconds_is_believed_up_to_the_bound(seconds: u64) {
            prop_assert_eq!(waiting(&seconds.to_string()), Some(seconds.min(300)));
        }

        #[test]
        fn any_date_is_believed_up_to_the_bound(ahead in 0_u64..100_000) {
            let date = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(ahead));
            let wait = waiting(&date).unwrap();
            // A date is a whole second, and a moment has passed.
            prop_assert!(wait <= ahead.min(300) && wait + 3 >= ahead.min(300), "{} {}", ahead, wait);
        }

        #[test]
        fn any_wait_is_read_without_panic(text in "[ -~]{0,40}") {
            prop_assert!(waiting(&text).is_none_or(|wait| wait <= 300));
        }
    }
}
