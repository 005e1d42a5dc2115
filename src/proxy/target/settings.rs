//! What `routes.yaml` says of a target, checked.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// `target` of a route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetSettings {
    /// Whether the target is reached by TLS.
    pub tls: bool,
    /// Host name or address of the URL, without brackets: what the target is called, and its first endpoint.
    pub host: Box<str>,
    /// TCP port of the URL.
    pub port: u16,
    /// The path that takes the place of the route's prefix; begins with `/`.
    pub path: Box<str>,
    /// Where the same target is found as well.
    pub endpoints: Vec<EndpointSettings>,
    /// How a place is chosen among several.
    pub balance: Balance,
    /// The time to connect, TLS included.
    pub connect_timeout: Duration,
    /// From the moment when the target is turned to until its header section has arrived; at most `read_timeout`. None
    /// means that only `read_timeout` counts.
    pub first_byte_timeout: Option<Duration>,
    /// The longest silence of the target before and during its answer.
    pub read_timeout: Duration,
    /// The longest time that one write to the target may block.
    pub write_timeout: Duration,
    /// From the moment when the target is first turned to until the end of its answer; none means any time.
    pub timeout: Option<Duration>,
    /// How many times a request is sent again that may be, after its connection broke off without an answer.
    pub retries: u32,
    /// The most requests at once.
    pub max_requests: usize,
    /// How the target is asked whether it is well; none means that it is not.
    pub health_check: Option<HealthCheckSettings>,
    /// Speak HTTP/2 to the target (gRPC needs it).
    pub http2: bool,
    /// Certificates of the authorities that may vouch for the target, instead of the system's.
    pub ca: Option<Vec<CertificateDer<'static>>>,
    /// What we authenticate with to the target itself.
    pub client_certificate: Option<Arc<ClientCertificate>>,
    /// The name in the target's certificates, in place of the hosts of its endpoints.
    pub server_name: Option<Box<str>>,
}

/// One place where a target is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointSettings {
    /// Host name or address, without brackets.
    pub host: Box<str>,
    /// TCP port.
    pub port: u16,
}

/// How a place is chosen among several.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Balance {
    /// One after the other.
    RoundRobin,
    /// Of two at random, the one with fewer requests under way.
    LeastRequests,
}

/// `target.health_check`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthCheckSettings {
    /// What is asked for; begins with `/`.
    pub path: Box<str>,
    /// How often.
    pub interval: Duration,
    /// How long one answer may take, connection included.
    pub timeout: Duration,
    /// How many failures in a row make an address unhealthy.
    pub unhealthy_after: u32,
    /// How many successes in a row make it healthy again.
    pub healthy_after: u32,
}

/// A certificate of ours and its key.
#[derive(PartialEq, Eq)]
pub struct ClientCertificate {
    /// Our certificate first, then those that lead to its authority.
    pub chain: Vec<CertificateDer<'static>>,
    /// Its key.
    pub key: PrivateKeyDer<'static>,
    /// When it ends, in seconds since 1970.
    pub ends: i64,
}

impl TargetSettings {
    /// Whether two routes lead to the same target, though perhaps to other paths of it.
    pub(super) fn is_same_target(&self, other: &Self) -> bool {
        *self == Self { path: self.path.clone(), ..other.clone() }
    }

    /// Every place, that of the URL first.
    pub(super) fn places(&self) -> impl Iterator<Item = EndpointSettings> {
        let first = EndpointSettings { host: self.host.clone(), port: self.port };
        std::iter::once(first).chain(self.endpoints.iter().cloned())
    }
}

impl fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientCertificate").field("ends", &self.ends).finish_non_exhaustive()
    }
}
