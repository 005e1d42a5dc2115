//! What libraries say through the `log` facade: warnings and errors, and the one debug line that tells of a request
//! that Pingora refused before any of our code saw it.

use std::sync::atomic::{AtomicU64, Ordering};

use log::{Level, LevelFilter, Log, Metadata, Record};

/// Hears the `log` facade from now on.
pub(super) fn install() {
    if log::set_logger(&Foreign).is_ok() {
        log::set_max_level(LevelFilter::Debug);
    }
}

/// How many requests could not be read as HTTP.
pub(super) fn unreadable_requests() -> u64 {
    UNREADABLE.load(Ordering::Relaxed)
}

struct Foreign;

impl Log for Foreign {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= Level::Warn || tells_of_refusals(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        match record.level() {
            Level::Error | Level::Warn if is_about_a_connection(record) => {
                tracing::debug!(library = record.target(), "{}", record.args());
            }
            Level::Error => tracing::error!(library = record.target(), "{}", record.args()),
            Level::Warn => tracing::warn!(library = record.target(), "{}", record.args()),
            // A message without arguments is a fixed text, and none of those tells of a refusal.
            _ if tells_of_refusals(record.metadata()) && record.args().as_str().is_none() => {
                report_refusal(&record.args().to_string());
            }
            _ => {}
        }
    }

    fn flush(&self) {}
}

/// Callers that leave, probe a port, or fail to speak TLS are no matter for whoever is on call.
fn is_about_a_connection(record: &Record<'_>) -> bool {
    let message = record.args().to_string();
    CONNECTION_MATTERS.iter().any(|start| message.starts_with(start))
}

/// How Pingora begins what it says of connections. One to a target that cannot be reused is replaced, one of a caller
/// is the caller's matter.
const CONNECTION_MATTERS: [&str; 9] = [
    "Downstream handshake",
    "Fail to proxy:",
    "failed to send error response",
    "failed to acquire reusable stream",
    "H2 handshake error",
    "Respond header is already sent",
    "Upstream h2 body send error",
    "send error, draining read buf",
    "Try to write body after end of stream",
];

fn tells_of_refusals(metadata: &Metadata<'_>) -> bool {
    metadata.level() == Level::Debug && metadata.target() == "pingora_proxy"
}

/// The message may quote the request, token included: only a cause that is known is passed on, never the text.
fn report_refusal(message: &str) {
    if message.starts_with("Fail to proxy:") {
        UNREADABLE.fetch_add(1, Ordering::Relaxed);
        tracing::warn!(status = 400, reason = refusal_reason(message), "request refused before it could be read");
    }
}

fn refusal_reason(message: &str) -> &'static str {
    let cause = message.rsplit("cause:").next().unwrap_or_default();
    match () {
        () if message.contains("Request header larger than") => "header section is larger than 1 MiB",
        () if cause.contains("too many headers") => "more than 256 header fields",
        () if message.contains("non-chunked final Transfer-Encoding") => "transfer-encoding does not end with chunked",
        () if message.contains("HTTP/1.0 requests cannot include") => "transfer-encoding in an HTTP/1.0 request",
        () if message.to_ascii_lowercase().contains("content-length") => "content-length is not one number",
        () if cause.contains("invalid header name") => "malformed header name",
        () if cause.contains("invalid header value") => "malformed header value",
        () => "not a well-formed HTTP/1.1 request",
    }
}

static UNREADABLE: AtomicU64 = AtomicU64::new(0);
