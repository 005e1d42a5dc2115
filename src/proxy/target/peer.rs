//! What Pingora is told about reaching a target: addresses, TLS, and which connections may be shared.

use std::hash::{Hash, Hasher};
use std::net::SocketAddr;
use std::sync::{Arc, Weak};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::HeaderValue;
use pingora::protocols::ALPN;
use pingora::upstreams::peer::HttpPeer;
use pingora::utils::tls::{CertKey, WrappedX509};
use tokio::time::sleep;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

use super::backend::Backend;
use super::settings::{ClientCertificate, TargetSettings};
use crate::proxy::switching::{self, Ear};

/// The value of `Host`. A host that is no header value is no host either; the configuration has made sure of that.
pub(super) fn authority(settings: &TargetSettings) -> HeaderValue {
    let host = &settings.host;
    let host = if host.contains(':') { format!("[{host}]") } else { host.to_string() };
    let usual = if settings.tls { 443 } else { 80 };
    let authority = if settings.port == usual { host } else { format!("{host}:{}", settings.port) };
    HeaderValue::try_from(authority).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// What every peer of one endpoint has in common; the address is still missing.
pub(super) fn template(settings: &TargetSettings, host: &str) -> HttpPeer {
    let unresolved = SocketAddr::from(([0, 0, 0, 0], 0));
    // An empty name would switch verification off. A host is never empty, and the configuration refuses an empty name.
    let name = settings.server_name.as_deref().unwrap_or(host);
    let mut peer = HttpPeer::new(unresolved, settings.tls, name.to_owned());
    peer.group_key = group_key(settings);
    peer.client_cert_key = settings.client_certificate.as_deref().map(|ours| Arc::new(cert_key(ours)));
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

/// A WebSocket may be silent for much longer than an answer, and exists in HTTP/1.1 only. Its connection is its own.
pub(super) fn fit_for_websocket(peer: &mut HttpPeer, ear: &Ear, read_timeout: Duration) {
    peer.options.read_timeout = Some(read_timeout.max(WEBSOCKET_SILENCE));
    peer.options.alpn = ALPN::H1;
    peer.options.custom_l4 = Some(Arc::new(switching::Connect(ear.clone())));
    peer.group_key = !peer.group_key;
}

fn cert_key(ours: &ClientCertificate) -> CertKey {
    CertKey::new(ours.chain.iter().map(|der| der.to_vec()).collect(), ours.key.secret_der().to_vec())
}

/// Pingora's pool looks at the address, the name and the serial number of our certificate, and not at authorities and
/// keys: targets that trust others, or know us by another certificate, must not share connections.
fn group_key(settings: &TargetSettings) -> u64 {
    let mut hasher = std::hash::DefaultHasher::new();
    settings.tls.hash(&mut hasher);
    settings.http2.hash(&mut hasher);
    settings.server_name.as_ref().unwrap_or(&settings.host).hash(&mut hasher);
    for certificate in settings.ca.iter().flatten() {
        certificate.as_ref().hash(&mut hasher);
    }
    if let Some(ours) = &settings.client_certificate {
        "client certificate".hash(&mut hasher);
        ours.chain.iter().for_each(|certificate| certificate.as_ref().hash(&mut hasher));
        ours.key.secret_der().hash(&mut hasher);
    }
    hasher.finish()
}

/// Warns once a day in the last days of our certificate, as long as there is the backend.
pub(super) async fn warn_of_end(backend: Weak<Backend>, ends: i64) {
    loop {
        let Some(target) = backend.upgrade().map(|backend| backend.origin().to_owned()) else { return };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let days_left = ends.saturating_sub(i64::try_from(now).unwrap_or(i64::MAX)).div_euclid(86_400);
        if days_left < 0 {
            tracing::error!(target_name = target, "the client certificate has ended: replace its files");
        } else if days_left < WARNING_DAYS {
            tracing::warn!(
                target_name = target,
                days_left,
                "the client certificate ends soon: replace its files in time"
            );
        }
        sleep(DAY).await;
    }
}

/// How long an unused connection is kept: below the keep-alive of common servers.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// Requests at once on one HTTP/2 connection.
const MAX_H2_STREAMS: u32 = 100;
/// The bytes of one answer that may wait for a slow caller. A connection has room for as many of all its answers, so
/// that no caller holds up another's.
const STREAM_WINDOW: u32 = 512 * 1024;
/// The longest silence on a WebSocket.
const WEBSOCKET_SILENCE: Duration = Duration::from_hours(1);
/// The last days of a client certificate, in which it is warned of once a day.
const WARNING_DAYS: i64 = 30;
const DAY: Duration = Duration::from_hours(24);
