//! The target of a route: its address, its names resolved in the background, and how Pingora reaches it.

use std::time::Duration;

use rustls_pki_types::CertificateDer;

/// `target` of a route.
#[derive(Debug, Clone)]
pub struct TargetSettings {
    /// Whether the target is reached by TLS.
    pub tls: bool,
    /// Host name or address, without brackets.
    pub host: Box<str>,
    /// TCP port.
    pub port: u16,
    /// The path that takes the place of the route's prefix; begins with `/`.
    pub path: Box<str>,
    /// The time to connect, TLS included.
    pub connect_timeout: Duration,
    /// The longest silence of the target before and during its answer.
    pub read_timeout: Duration,
    /// The longest time that one write to the target may block.
    pub write_timeout: Duration,
    /// Speak HTTP/2 to the target (gRPC needs it).
    pub http2: bool,
    /// Certificates of the authorities that may vouch for the target, instead of the system's.
    pub ca: Option<Vec<CertificateDer<'static>>>,
}
