//! The target of a route: its address, its name resolved in the background, and how Pingora reaches it.

use std::hash::{Hash, Hasher};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use pingora::protocols::ALPN;
use pingora::upstreams::peer::HttpPeer;
use pingora::utils::tls::WrappedX509;
use rustls_pki_types::CertificateDer;
use tokio::time::{sleep, timeout};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

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
    authority: Box<str>,
    /// The addresses that its name last resolved to; a failed resolution keeps them.
    addresses: ArcSwap<Vec<SocketAddr>>,
    next: AtomicUsize,
    /// What every peer of this target has in common.
    template: HttpPeer,
}

impl Target {
    pub(super) fn new(settings: TargetSettings) -> Self {
        let addresses = settings.host.parse().map(|ip: IpAddr| vec![SocketAddr::new(ip, settings.port)]);
        Self {
            authority: authority(&settings),
            addresses: ArcSwap::from_pointee(addresses.unwrap_or_default()),
            next: AtomicUsize::new(0),
            template: template(&settings),
            settings,
        }
    }

    /// The value of `Host`: the port is left out where it is the scheme's own.
    pub(super) fn authority(&self) -> &str {
        &self.authority
    }

    /// How many addresses there are to try.
    pub(super) fn address_count(&self) -> usize {
        self.addresses.load().len()
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

    /// The next address in turn, ready for Pingora; `None` while the name has never resolved.
    pub(super) async fn peer(&self, upgrade: bool) -> Option<Box<HttpPeer>> {
        if self.address_count() == 0 {
            self.resolve().await;
        }
        let addresses = self.addresses.load();
        let turn = self.next.fetch_add(1, Ordering::Relaxed).checked_rem(addresses.len())?;
        let mut peer = Box::new(self.template.clone());
        peer._address = pingora::protocols::l4::socket::SocketAddr::Inet(*addresses.get(turn)?);
        if upgrade {
            // A WebSocket may be silent for as long as its ends like, and exists in HTTP/1.1 only.
            peer.options.read_timeout = None;
            peer.options.alpn = ALPN::H1;
        }
        Some(peer)
    }

    /// Resolves the name again and again; ends at once for an address.
    pub(super) async fn keep_resolved(self: Arc<Self>) {
        if self.settings.host.parse::<IpAddr>().is_ok() {
            return;
        }
        loop {
            let found = self.resolve().await;
            sleep(if found { RESOLVE_INTERVAL } else { RESOLVE_RETRY }).await;
        }
    }

    async fn resolve(&self) -> bool {
        let (host, port) = (&*self.settings.host, self.settings.port);
        match timeout(RESOLVE_TIMEOUT, tokio::net::lookup_host((host, port))).await {
            Ok(Ok(found)) => {
                let found: Vec<_> = found.collect();
                if found.is_empty() {
                    return false;
                }
                self.addresses.store(Arc::new(found));
                true
            }
            failed => {
                let reason = failed.map_or_else(
                    |_| "no answer in time".to_owned(),
                    |outcome| match outcome {
                        Ok(_) => String::new(),
                        Err(error) => error.to_string(),
                    },
                );
                tracing::warn!(host, kept = self.address_count(), reason, "failed to resolve the target's name");
                false
            }
        }
    }
}

fn authority(settings: &TargetSettings) -> Box<str> {
    let host = &settings.host;
    let host = if host.contains(':') { format!("[{host}]") } else { host.to_string() };
    let usual = if settings.tls { 443 } else { 80 };
    if settings.port == usual { host.into() } else { format!("{host}:{}", settings.port).into() }
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
        options.max_h2_streams = MAX_H2_STREAMS;
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

/// How often names are resolved.
const RESOLVE_INTERVAL: Duration = Duration::from_secs(30);
/// How soon after a failure.
const RESOLVE_RETRY: Duration = Duration::from_secs(2);
/// The time that one resolution may take.
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long an unused connection is kept: below the keep-alive of common servers.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// Requests at once on one HTTP/2 connection.
const MAX_H2_STREAMS: usize = 100;

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
