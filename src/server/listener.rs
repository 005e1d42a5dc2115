//! Addresses that callers connect to. They are bound before anything starts, so that one that is taken is an error
//! and not a process that serves nothing.

use std::fmt;
use std::net::SocketAddr;
use std::os::fd::IntoRawFd;
use std::sync::Arc;

use pingora::listeners::tls::TlsSettings;
use pingora::proxy::HttpProxy;
use pingora::server::Fds;
use pingora::services::listening::Service;
use rustls::server::danger::ClientCertVerifier;
use tokio::net::{TcpListener, TcpSocket};

use super::tls::{Certificate, TlsFiles, UnusableFile, client_verifier};
use crate::proxy::{Background, Gateway};

/// One address that callers connect to.
#[derive(Debug, Clone)]
pub struct ListenerSettings {
    /// The address.
    pub address: SocketAddr,
    /// TLS, if it is spoken there.
    pub tls: Option<TlsFiles>,
}

/// An address that is bound, and ready to serve.
#[derive(Debug)]
pub struct Listener {
    socket: std::net::TcpListener,
    address: SocketAddr,
    tls: Option<Tls>,
}

/// What a TLS listener presents, and what it asks of callers.
type Tls = (Certificate, Option<Arc<dyn ClientCertVerifier>>);

/// Why a listener cannot serve.
#[derive(Debug)]
pub enum StartError {
    /// The address cannot be bound.
    Bind(SocketAddr, std::io::Error),
    /// A file of its TLS settings cannot be used.
    Tls(UnusableFile),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bind(address, cause) => write!(f, "failed to listen on {address}: {cause}"),
            Self::Tls(unusable) => unusable.fmt(f),
        }
    }
}

impl std::error::Error for StartError {}

impl Listener {
    /// Binds the address and reads the files of `settings`. Needs a tokio runtime.
    ///
    /// # Errors
    /// [`StartError`], naming the address or the file.
    pub fn bind(settings: &ListenerSettings) -> Result<Self, StartError> {
        let failed = |cause| StartError::Bind(settings.address, cause);
        let socket = listen(settings.address).and_then(TcpListener::into_std).map_err(failed)?;
        let address = socket.local_addr().map_err(failed)?;
        let tls = match &settings.tls {
            Some(files) => Some(load(files).map_err(StartError::Tls)?),
            None => None,
        };
        Ok(Self { socket, address, tls })
    }

    /// The address, with the port that the system chose where 0 was asked for.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Hands the socket to Pingora; returns the work that keeps its certificate fresh, if it has one.
    pub(super) fn attach(self, service: &mut Service<HttpProxy<Gateway>>, descriptors: &mut Fds) -> Option<Background> {
        let address = self.address.to_string();
        descriptors.add(address.clone(), self.socket.into_raw_fd());
        let Some((certificate, verifier)) = self.tls else {
            service.add_tcp(&address);
            return None;
        };
        // With a resolver set, the paths are never looked at.
        let Ok(mut settings) = TlsSettings::intermediate("", "") else { return None };
        settings.set_cert_resolver(certificate.resolver());
        if let Some(verifier) = verifier {
            settings.set_client_cert_verifier(verifier);
        }
        settings.enable_h2();
        service.add_tls_with_settings(&address, None, settings);
        Some(Box::pin(certificate.keep_fresh()))
    }
}

fn load(files: &TlsFiles) -> Result<Tls, UnusableFile> {
    Ok((Certificate::load(files)?, client_verifier(files)?))
}

fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Connections that may wait to be accepted: a thousand callers at once must not have to try again.
const BACKLOG: u32 = 4096;
