//! The target of a route: where requests go, and how Pingora reaches it.
//!
//! Routes that lead to the same target, though to other paths of it, share its [`Backend`]: the addresses and what is
//! known of their health, the connections, and the bound of requests at once.

mod attempts;
mod backend;
mod destination;
mod endpoint;
mod load;
mod peer;
mod probe;
mod settings;

use std::sync::Arc;

use bytes::Bytes;
use http::HeaderValue;

use crate::proxy::values;
use crate::route::{RequestTarget, forwarded_parts, is_forwarded_path};

pub(super) use attempts::{Attempts, Deadline, Repeatable};
pub(super) use backend::{Backend, Backends};
pub(super) use load::Permit;
pub use settings::{Balance, ClientCertificate, EndpointSettings, HealthCheckSettings, TargetSettings};

/// A target as one route reaches it.
#[derive(Debug)]
pub(super) struct Target {
    /// The path that takes the place of the route's prefix.
    path: Box<str>,
    backend: Arc<Backend>,
}

impl Target {
    pub(super) fn new(path: Box<str>, backend: Arc<Backend>) -> Self {
        Self { path, backend }
    }

    /// What it shares with other routes to the same target.
    pub(super) fn backend(&self) -> &Arc<Backend> {
        &self.backend
    }

    /// The value of `Host`: the port is left out where it is the scheme's own.
    pub(super) fn authority(&self) -> &HeaderValue {
        self.backend.authority()
    }

    /// Its scheme, host and port.
    pub(super) fn origin(&self) -> &str {
        self.backend.origin()
    }

    /// The path and query of a request, with the first `covered` bytes of its path replaced by the target's own path;
    /// nothing where that makes no difference to `as_it_came`.
    pub(super) fn path_for(&self, request: &RequestTarget<'_>, covered: usize, as_it_came: &str) -> Option<Bytes> {
        let (rest, query) = (request.rest(covered), request.query());
        let is_same = is_forwarded_path(as_it_came, &self.path, rest, query);
        let parts = || forwarded_parts(&self.path, rest, query);
        (!is_same)
            .then(|| values::bytes(|path| parts().iter().for_each(|part| path.extend_from_slice(part.as_bytes()))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::Metrics;

    fn target(host: &str, port: u16, tls: bool, path: &str) -> Target {
        let settings = TargetSettings { tls, host: host.into(), port, ..backend::tests::settings() };
        let metrics = Metrics::new().unwrap();
        Target::new(path.into(), Backends::default().backend(&settings, &metrics))
    }

    #[test]
    fn the_prefix_is_replaced_by_the_targets_path() {
        for (base, request, expected) in [
            ("/v1.0", "/api/me", Some("/v1.0/me")),
            ("/v1.0/", "/api/me?$top=1", Some("/v1.0/me?$top=1")),
            ("/v1.0", "/api?", Some("/v1.0?")),
            ("/v1.0/", "/api", Some("/v1.0/")),
            ("/v1.0", "/api/", Some("/v1.0/")),
            ("/", "/api/me", Some("/me")),
            ("/", "/api", Some("/")),
            ("/", "/api/", Some("/")),
            ("/api", "/api/me?a=b", None),
            ("/api/", "/api/me", None),
            ("/api", "/api", None),
            ("/api/", "/api", Some("/api/")),
        ] {
            let parsed = RequestTarget::parse(request.as_bytes()).unwrap();
            let path = target("h", 80, false, base).path_for(&parsed, "/api".len(), request);
            assert_eq!(path.as_deref(), expected.map(str::as_bytes), "{base} {request}");
        }
    }

    #[test]
    fn the_authority_leaves_out_the_usual_port() {
        assert_eq!(target("h", 443, true, "/").authority(), "h");
        assert_eq!(target("h", 443, false, "/").authority(), "h:443");
        assert_eq!(target("::1", 80, false, "/").authority(), "[::1]");
        assert_eq!(target("::1", 81, false, "/").authority(), "[::1]:81");
    }
}
