//! `limits` and `listen[].proxy_protocol` as they stand in the file: what callers may take.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::values::{DurationText, SizeText};

/// What callers may take of the proxy.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct Limits {
    /// Connections of callers that are open at once, all listeners together. Beyond it a new connection is closed at
    /// once, and those that have been unused for longest are closed to make room. Each takes a file, and so does each
    /// connection to a target. Default: 20000.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub(in crate::config) connections: u32,
    /// Connections of one address that are open at once; of IPv6, of one /64 network. 0 means no bound. Many callers may
    /// share an address. Default: 0.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub(in crate::config) connections_per_address: u32,
    /// HTTP/2 requests at once on one connection. Default: 100.
    #[schemars(range(min = 1, max = 10_000))]
    pub(in crate::config) streams: u32,
    /// For a whole header section, from its first byte, for the first one from the beginning of the connection, and for
    /// the TLS handshake: 100ms to 1h. A caller that takes longer is disconnected. Default: 10s.
    pub(in crate::config) header_timeout: DurationText,
    /// How long a connection may be unused: 100ms to 24h. It should be longer than a load balancer in front keeps its
    /// connections. Default: 75s.
    pub(in crate::config) idle_timeout: DurationText,
    /// The longest silence of an HTTP/1.1 caller in the middle of a body: 100ms to 1h. Default: 30s.
    pub(in crate::config) body_timeout: DurationText,
    /// The most header fields of a request; beyond them it is answered 431. Default: 100.
    #[schemars(range(min = 1, max = 256))]
    pub(in crate::config) headers: u32,
    /// The longest header section, request line included, 1KiB to 1MiB; beyond it requests are answered 431. Over HTTP/2
    /// it counts as HTTP/1.1 would write it. Default: 64KiB.
    pub(in crate::config) header_bytes: SizeText,
    /// The longest request target, that is path and query, 1KiB to 60KiB; beyond it requests are answered 414. Default:
    /// 8KiB.
    pub(in crate::config) target_bytes: SizeText,
}

/// The PROXY protocol on a listener.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct ProxyProtocol {
    /// Addresses and networks in CIDR notation that have to send a PROXY header, version 1 or 2, on each connection. What
    /// they say of a caller's address is believed. Nobody else can connect.
    #[schemars(length(min = 1), extend("examples" = [["10.0.0.0/8"]]))]
    pub(in crate::config) from: Vec<String>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 20_000,
            connections_per_address: 0,
            streams: 100,
            header_timeout: DurationText::new("10s"),
            idle_timeout: DurationText::new("75s"),
            body_timeout: DurationText::new("30s"),
            headers: 100,
            header_bytes: SizeText::new("64KiB"),
            target_bytes: SizeText::new("8KiB"),
        }
    }
}
