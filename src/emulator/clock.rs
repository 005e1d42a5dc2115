//! The time of day in the two forms that tokens and error answers use.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Seconds since 1970-01-01, UTC.
pub(super) fn unix_now() -> i64 {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    i64::try_from(elapsed.as_secs()).unwrap_or(i64::MAX)
}

/// The present moment as token endpoint errors spell it: `2017-05-01 22:43:20Z`.
pub(super) fn error_timestamp() -> String {
    humantime::format_rfc3339_seconds(SystemTime::now()).to_string().replace('T', " ")
}

/// A moment given in seconds since 1970 as XML spells it: `2017-05-01T22:43:20Z`.
pub(super) fn xml_timestamp(unix: i64) -> String {
    let seconds = u64::try_from(unix).unwrap_or(0).min(MAX_FORMATTED);
    humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(seconds)).to_string()
}

/// The last second of the year 9999, the latest that the formatter accepts.
const MAX_FORMATTED: u64 = 253_402_300_799;
