//! What callers may take of us, connection by connection.

use std::time::Duration;

/// `limits`, as far as connections are concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Connections that are open at once, those of all listeners together.
    pub connections: usize,
    /// Those of one address; of IPv6, of one network of 64 bits.
    pub connections_per_address: Option<usize>,
    /// HTTP/2 requests at once on one connection.
    pub streams: u32,
    /// The longest header section, in bytes as HTTP/1.1 writes it.
    pub header_bytes: u32,
    /// For a whole header section, and for the TLS handshake.
    pub header_timeout: Duration,
    /// How long a connection may be unused.
    pub idle_timeout: Duration,
    /// The longest silence of a caller in the middle of a body.
    pub body_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 20_000,
            connections_per_address: None,
            streams: 100,
            header_bytes: 64 * 1024,
            header_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(75),
            body_timeout: Duration::from_secs(30),
        }
    }
}
