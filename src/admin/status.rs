//! The status page: one JSON document that tells which configuration serves since when, what became of the last attempt
//! to replace it, and what the proxy knows of its identities, routes and targets.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Serialize;

use super::Admin;
use crate::proxy::GatewayStatus;
use crate::reload::{Attempt, Serving};
use crate::server::ListenerStatus;

/// The document.
#[derive(Debug, Serialize)]
pub(super) struct Status {
    version: &'static str,
    started: String,
    configuration: Configuration,
    listeners: Vec<Listening>,
    #[serde(flatten)]
    gateway: GatewayStatus,
}

/// A listener for callers.
#[derive(Debug, Serialize)]
struct Listening {
    address: String,
    tls: bool,
    certificate_ends: Option<String>,
}

/// The configuration that serves.
#[derive(Debug, Serialize)]
struct Configuration {
    /// None where it is not followed.
    file: Option<String>,
    /// The beginning of the SHA-256 of its text, in hexadecimal: the same for all proxies that go by the same text.
    sha256: String,
    generation: u64,
    since: String,
    last_attempt: Option<LastAttempt>,
}

/// The last attempt to replace it.
#[derive(Debug, Serialize)]
struct LastAttempt {
    at: String,
    cause: &'static str,
    successful: bool,
    findings: Vec<String>,
}

/// What `/status` says now.
pub(super) fn of(admin: &Admin) -> Status {
    Status {
        version: env!("CARGO_PKG_VERSION"),
        started: moment(admin.record.started()),
        configuration: configuration(admin.record.serving(), admin.record.last_attempt()),
        listeners: admin.listeners.status().into_iter().map(listening).collect(),
        gateway: admin.gateway.status(),
    }
}

fn listening(listener: ListenerStatus) -> Listening {
    let ends = listener.certificate_ends.and_then(|ends| u64::try_from(ends).ok());
    let ends = ends.and_then(|ends| UNIX_EPOCH.checked_add(Duration::from_secs(ends)));
    Listening { address: listener.address.to_string(), tls: listener.tls, certificate_ends: ends.map(moment) }
}

fn configuration(serving: Serving, last_attempt: Option<Attempt>) -> Configuration {
    Configuration {
        file: serving.file.map(|file| file.display().to_string()),
        sha256: format!("{:?}", serving.text),
        generation: serving.generation,
        since: moment(serving.since),
        last_attempt: last_attempt.map(|attempt| LastAttempt {
            at: moment(attempt.at),
            cause: attempt.cause.as_str(),
            successful: attempt.findings.is_empty(),
            findings: attempt.findings,
        }),
    }
}

fn moment(time: SystemTime) -> String {
    humantime::format_rfc3339_seconds(time).to_string()
}
