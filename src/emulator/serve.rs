//! Runs an axum router on a socket bound beforehand.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use axum::Router;
use tokio::{net::TcpListener, sync::watch};

use super::{
    doorway::{Connection, Doorway},
    tls::Tls,
};

/// A running HTTP server. Dropping it stops it.
#[derive(Debug)]
pub(super) struct Server {
    url: String,
    stop: watch::Sender<bool>,
    listening: watch::Receiver<()>,
    tls: Option<Tls>,
}

impl Server {
    /// Serves `router` on the current tokio runtime.
    pub(super) fn start(listener: std::net::TcpListener, router: Router, tls: Option<Tls>) -> io::Result<Self> {
        let url = local_url(&listener, tls.is_some())?;
        listener.set_nonblocking(true)?;
        let (guard, listening) = watch::channel(());
        let doorway = Doorway::new(TcpListener::from_std(listener)?, tls.as_ref().map(Tls::acceptor), guard);
        let (stop, mut stopped) = watch::channel(false);
        let service = router.into_make_service_with_connect_info::<Connection>();
        tokio::spawn(async move {
            // An error means that the sender is gone, which asks for the same.
            let signal = async move { drop(stopped.wait_for(|stop| *stop).await) };
            axum::serve(doorway, service).with_graceful_shutdown(signal).await
        });
        Ok(Self { url, stop, listening, tls })
    }

    /// `http://address:port` or `https://localhost:port`, without a trailing slash.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// The certificate of the authority that vouches for the server, as PEM.
    pub(super) fn ca_pem(&self) -> Option<&str> {
        self.tls.as_ref().map(Tls::ca_pem)
    }

    /// Asks the server to stop. Answers under way are finished.
    pub(super) fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// Returns once the listening socket is closed.
    pub(super) async fn closed(&self) {
        let mut listening = self.listening.clone();
        while listening.changed().await.is_ok() {}
    }
}

/// The address at which this machine reaches `listener`.
pub(super) fn local_url(listener: &std::net::TcpListener, tls: bool) -> io::Result<String> {
    let address = listener.local_addr()?;
    let (everywhere, port) = (address.ip().is_unspecified(), address.port());
    let localhost = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)].contains(&address.ip());
    Ok(match tls {
        true if everywhere || localhost => format!("https://localhost:{port}"),
        true => format!("https://{address}"),
        false if everywhere => format!("http://127.0.0.1:{port}"),
        false => format!("http://{address}"),
    })
}
