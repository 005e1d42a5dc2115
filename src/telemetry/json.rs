//! A log line as a JSON object: what every event has, then its own fields in their order.

use std::cell::RefCell;
use std::fmt;
use std::io::Write;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Serialize;
use tracing::Event;
use tracing::field::{Field, Visit};

/// Appends the line of an event. A field without a value is left out.
pub(super) fn append(line: &mut Vec<u8>, event: &Event<'_>) {
    line.extend_from_slice(b"{\"timestamp\":\"");
    append_time(line, SystemTime::now());
    line.extend_from_slice(b"\",\"level\":\"");
    line.extend_from_slice(event.metadata().level().as_str().as_bytes());
    line.push(b'"');
    event.record(&mut Members(line));
    line.extend_from_slice(b"}\n");
}

/// As RFC 3339 has it, in microseconds. What is the same for a second is put together once.
fn append_time(line: &mut Vec<u8>, now: SystemTime) {
    let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    let (second, micros) = (since.as_secs(), since.subsec_micros());
    SECOND.with_borrow_mut(|(known, text)| {
        if *known != Some(second) {
            text.clear();
            // Nothing that is written into memory fails.
            let _ = write!(text, "{}", humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(second)));
            // Without the Z.
            text.pop();
            *known = Some(second);
        }
        line.extend_from_slice(text);
    });
    let mut fraction = *b".000000Z";
    let mut rest = micros;
    for digit in fraction.iter_mut().skip(1).take(6).rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    line.extend_from_slice(&fraction);
}

thread_local! {
    /// The last second that this thread wrote, and how it is written.
    static SECOND: RefCell<(Option<u64>, Vec<u8>)> = const { RefCell::new((None, Vec::new())) };
}

struct Members<'a>(&'a mut Vec<u8>);

impl Members<'_> {
    fn name(&mut self, field: &Field) {
        self.0.extend_from_slice(b",\"");
        // The names are our own, and words.
        self.0.extend_from_slice(field.name().as_bytes());
        self.0.extend_from_slice(b"\":");
    }

    fn add(&mut self, field: &Field, value: &(impl Serialize + ?Sized)) {
        self.name(field);
        self.write(value);
    }

    fn write(&mut self, value: &(impl Serialize + ?Sized)) {
        let before = self.0.len();
        if serde_json::to_writer(&mut *self.0, value).is_err() {
            self.0.truncate(before);
            self.0.extend_from_slice(b"null");
        }
    }
}

impl Visit for Members<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.name(field);
        self.0.push(b'"');
        let start = self.0.len();
        // Nothing that is written into memory fails.
        let _ = write!(self.0, "{value:?}");
        if self.0.get(start..).is_some_and(stand_for_themselves) {
            self.0.push(b'"');
            return;
        }
        let text = self.0.split_off(start);
        self.0.pop();
        self.write(&String::from_utf8_lossy(&text));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.add(field, &value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field, &value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field, &value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field, &value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if !stand_for_themselves(value.as_bytes()) {
            return self.add(field, value);
        }
        self.name(field);
        self.0.push(b'"');
        self.0.extend_from_slice(value.as_bytes());
        self.0.push(b'"');
    }
}

/// Whether no byte of a text needs an escape (RFC 8259 section 7).
#[expect(clippy::needless_bitwise_bool, reason = "without branches, many bytes are looked at at once")]
fn stand_for_themselves(text: &[u8]) -> bool {
    text.iter().fold(true, |all, byte| all & (*byte >= b' ') & (*byte != b'"') & (*byte != b'\\'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_to_the_microsecond() {
        for (seconds, nanos, text) in [
            (0, 0, "1970-01-01T00:00:00.000000Z"),
            (1_700_000_000, 999_999_999, "2023-11-14T22:13:20.999999Z"),
            (1_700_000_000, 1_000, "2023-11-14T22:13:20.000001Z"),
            (1_700_000_001, 120_000_000, "2023-11-14T22:13:21.120000Z"),
        ] {
            let mut line = Vec::new();
            append_time(&mut line, UNIX_EPOCH + Duration::new(seconds, nanos));
            assert_eq!(String::from_utf8(line).unwrap(), text);
        }
    }
}
