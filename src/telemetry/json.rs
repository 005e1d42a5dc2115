//! A log line as a JSON object: what every event has, then its own fields in their order.

use std::fmt;
use std::io::Write;
use std::time::SystemTime;

use serde::Serialize;
use tracing::Event;
use tracing::field::{Field, Visit};

/// Appends the line of an event. A field without a value is left out.
pub(super) fn append(line: &mut Vec<u8>, event: &Event<'_>) {
    let (now, level) = (humantime::format_rfc3339_micros(SystemTime::now()), event.metadata().level());
    // Nothing that is written into memory fails.
    let _ = write!(line, r#"{{"timestamp":"{now}","level":"{level}""#);
    event.record(&mut Members(line));
    line.extend_from_slice(b"}\n");
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
        let before = self.0.len();
        if serde_json::to_writer(&mut *self.0, value).is_err() {
            self.0.truncate(before);
            self.0.extend_from_slice(b"null");
        }
    }
}

impl Visit for Members<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add(field, &format_args!("{value:?}"));
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
        if !value.bytes().fold(true, |all, byte| all & stands_for_itself(byte)) {
            return self.add(field, value);
        }
        self.name(field);
        self.0.push(b'"');
        self.0.extend_from_slice(value.as_bytes());
        self.0.push(b'"');
    }
}

/// Whether a byte of a text needs no escape (RFC 8259 section 7).
#[expect(clippy::needless_bitwise_bool, reason = "without branches, many bytes are looked at at once")]
fn stands_for_itself(byte: u8) -> bool {
    (byte >= b' ') & (byte != b'"') & (byte != b'\\')
}
