//! The target of a route: where requests go, and how Pingora reaches it.

use std::hash::{Hash, Hasher};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use pingora::protocols::ALPN;
use pingora::upstreams::peer::HttpPeer;
use pingora::utils::tls::WrappedX509;
use rustls_pki_types::CertificateDer;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

use super::addresses::Addresses;
use super::switching::{self, Ear};

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

/// A target that can be reached.
#[derive(Debug)]
pub(super) struct Target {
    settings: TargetSettings,
    /// The value of `Host` that it gets.
    authority: HeaderValue,
    addresses: Addresses,
    /// What every peer of this target has in common.
    template: HttpPeer,
}

impl Target {
    pub(super) fn new(settings: TargetSettings) -> Self {
        Self {
            authority: authority(&settings),
            addresses: Addresses::new(&settings.host, settings.port),
            template: template(&settings),
            settings,
        }
    }

    /// The value of `Host`: the port is left out where it is the scheme's own.
    pub(super) fn authority(&self) -> &HeaderValue {
        &self.authority
    }

    /// Its scheme, host and port.
    pub(super) fn origin(&self) -> String {
        let scheme = if self.settings.tls { "https" } else { "http" };
        format!("{scheme}://{}", self.authority.to_str().unwrap_or_default())
    }

    /// Where it is.
    pub(super) fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// The request's path with the route's prefix replaced by the target's own path. `rest` is what the route did not
    /// cover: empty, or beginning with `/`.
    pub(super) fn path_for(&self, rest: &str, query: Option<&str>) -> String {
        let base = &*self.settings.path;
        let base = if rest.is_empty() { base } else { base.trim_end_matches('/') };
        let query_length = query.map_or(0, |query| query.len() + 1);
        let mut path = String::with_capacity(base.len() + rest.len() + query_length);
        path.push_str(base);
        path.push_str(rest);
        if let Some(query) = query {
            path.push('?');
            path.push_str(query);
        }
        path
    }

    /// The next address in turn, ready for Pingora; `None` while the name has never resolved. A request for a WebSocket
    /// comes with the ear that is to listen to the target.
    pub(super) async fn peer(&self, websocket: Option<&Ear>) -> Option<Box<HttpPeer>> {
        let address = self.addresses.next().await?;
        let mut peer = Box::new(self.template.clone());
        peer._address = pingora::protocols::l4::socket::SocketAddr::Inet(address);
        if let Some(ear) = websocket {
            for_websocket(&mut peer, ear, self.settings.read_timeout);
        }
        Some(peer)
    }
}

/// A WebSocket may be silent for much longer than an answer, and exists in HTTP/1.1 only. Its connection is its own.
fn for_websocket(peer: &mut HttpPeer, ear: &Ear, read_timeout: Duration) {
    peer.options.read_timeout = Some(read_timeout.max(WEBSOCKET_SILENCE));
    peer.options.alpn = ALPN::H1;
    peer.options.custom_l4 = Some(Arc::new(switching::Connect(ear.clone())));
    peer.group_key = !peer.group_key;
}

/// A host that is no header value is no host either; the configuration has made sure of that.
fn authority(settings: &TargetSettings) -> HeaderValue {
    let host = &settings.host;
    let host = if host.contains(':') { format!("[{host}]") } else { host.to_string() };
    let usual = if settings.tls { 443 } else { 80 };
    let authority = if settings.port == usual { host } else { format!("{host}:{}", settings.port) };
    HeaderValue::try_from(authority).unwrap_or_else(|_| HeaderValue::from_static(""))
}

fn template(settings: &TargetSettings) -> HttpPeer {
    let unresolved = SocketAddr::from(([0, 0, 0, 0], settings.port));
    let mut peer = HttpPeer::new(unresolved, settings.tls, settings.host.to_string());
    peer.group_key = group_key(settings);
    let options = &mut peer.options;
    options.connection_timeout = Some(settings.connect_timeout);
    options.total_connection_timeout = Some(settings.connect_timeout);
    options.read_timeout = Some(settings.read_timeout);
    options.write_timeout = Some(settings.write_timeout);
    options.idle_timeout = Some(IDLE_TIMEOUT);
    if settings.http2 {
        options.alpn = ALPN::H2;
        options.max_h2_streams = MAX_H2_STREAMS as usize;
        options.h2_stream_window_size = Some(STREAM_WINDOW);
        options.h2_connection_window_size = Some(STREAM_WINDOW * MAX_H2_STREAMS);
    }
    if let Some(certificates) = &settings.ca {
        // A certificate that cannot be parsed vouches for nobody; with none left, Pingora refuses to connect.
        let parsed = certificates.iter().filter_map(|der| {
            WrappedX509::try_new(der.to_vec(), |der| X509Certificate::from_der(der).map(|(_, certificate)| certificate))
                .ok()
        });
        options.ca = Some(Arc::from(parsed.collect::<Vec<_>>().into_boxed_slice()));
    }
    peer
}

/// Pingora's pool does not look at the authorities: targets that trust others must not share connections.
fn group_key(settings: &TargetSettings) -> u64 {
    let mut hasher = std::hash::DefaultHasher::new();
    settings.tls.hash(&mut hasher);
    settings.http2.hash(&mut hasher);
    settings.host.hash(&mut hasher);
    for certificate in settings.ca.iter().flatten() {
        certificate.as_ref().hash(&mut hasher);
    }
    hasher.finish()
}

/// The longest silence on a WebSocket.
const WEBSOCKET_SILENCE: Duration = Duration::from_hours(1);
/// How long an unused connection is kept: below the keep-alive of common servers.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// Requests at once on one HTTP/2 connection.
const MAX_H2_STREAMS: u32 = 100;
/// The bytes of one answer that may wait for a slow caller. A connection has room for as many of all its answers, so
/// that no caller holds up another's.
const STREAM_WINDOW: u32 = 512 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn target(host: &str, port: u16, tls: bool, path: &str) -> Target {
        Target::new(TargetSettings {
            tls,
            host: host.into(),
            port,
            path: path.into(),
            connect_timeout: Duration::from_secs(1),
            read_timeout: Duration::from_secs(1),
            write_timeout: Duration::from_secs(1),
            http2: false,
            ca: None,
        })
    }

    #[test]
    fn the_prefix_is_replaced_by_the_targets_path() {
        for (base, rest, query, expected) in [
            ("/v1.0", "/me", None, "/v1.0/me"),
            ("/v1.0/", "/me", Some("$top=1"), "/v1.0/me?$top=1"),
            ("/v1.0", "", Some(""), "/v1.0?"),
            ("/v1.0/", "", None, "/v1.0/"),
            ("/v1.0", "/", None, "/v1.0/"),
            ("/", "/me", None, "/me"),
            ("/", "", None, "/"),
            ("/", "/", None, "/"),
        ] {
            assert_eq!(target("h", 80, false, base).path_for(rest, query), expected);
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
