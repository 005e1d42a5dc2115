//! The TLS side of a listener: its certificate, and the check of callers' certificates, both as they are in their
//! files now. What cannot be used leaves the last good ones in place.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use pingora::listeners::tls::Acceptor;
use pingora::protocols::IO;
use pingora::protocols::tls::TlsStream;
use rustls::crypto::aws_lc_rs;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::version::{TLS12, TLS13};
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::digest::Digest;
use crate::telemetry::ListenerMetrics;

/// `tls` of a listener: files in PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate chain, the listener's own certificate first.
    pub certificate: PathBuf,
    /// Its private key.
    pub private_key: PathBuf,
    /// Certificates of the authorities whose clients may connect; none means that no client certificate is asked for.
    pub client_ca: Option<PathBuf>,
}

/// A file of the TLS settings that cannot be used.
#[derive(Debug)]
pub struct UnusableFile {
    file: PathBuf,
    cause: String,
}

impl fmt::Display for UnusableFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "failed to use {}: {}", self.file.display(), self.cause)
    }
}

/// What handshakes are made with, followed as its files change.
pub(super) struct Tls {
    files: TlsFiles,
    current: ArcSwap<Loaded>,
    /// The files as they were when they were last read.
    seen: Mutex<Vec<Stamp>>,
}

/// The content of the files, ready for use.
struct Loaded {
    acceptor: Acceptor,
    /// To know it from other content.
    digest: Digest,
    /// When the certificate ends, in seconds since 1970.
    ends: Option<i64>,
}

/// What changes when a file is written or replaced, a link to it included.
type Stamp = Option<(SystemTime, u64, u64)>;

impl Tls {
    pub(super) fn load(files: &TlsFiles) -> Result<Self, UnusableFile> {
        let seen = Mutex::new(files.stamps());
        let current = ArcSwap::from_pointee(load(files)?);
        Ok(Self { files: files.clone(), current, seen })
    }

    /// Makes a handshake by what is in the files now.
    pub(super) async fn handshake<S: IO + 'static>(&self, stream: S) -> pingora::Result<TlsStream<S>> {
        let current = self.current.load_full();
        current.acceptor.tls_handshake(stream).await
    }

    /// Reads the files if they have changed, or in any case where `forced`. Reads files: not for a thread that serves.
    pub(super) fn refresh(&self, forced: bool, metrics: &ListenerMetrics) {
        let mut seen = self.seen.lock();
        let stamps = self.files.stamps();
        if !forced && *seen == stamps {
            return;
        }
        *seen = stamps;
        let listener = metrics.listener();
        match load(&self.files) {
            Ok(loaded) if loaded.digest == self.current.load().digest => return,
            Ok(loaded) => {
                self.current.store(Arc::new(loaded));
                tracing::info!(listener, certificate = %self.files.certificate.display(), "certificate reloaded");
                metrics.certificate_reloaded(true);
            }
            Err(error) => {
                tracing::error!(listener, %error, "certificate not reloaded; the last good one stays");
                metrics.certificate_reloaded(false);
            }
        }
        self.report(metrics);
    }

    /// When the certificate ends, in seconds since 1970.
    pub(super) fn ends(&self) -> Option<i64> {
        self.current.load().ends
    }

    /// Tells when the certificate ends.
    pub(super) fn report(&self, metrics: &ListenerMetrics) {
        if let Some(ends) = self.current.load().ends {
            metrics.certificate_ends(ends);
        }
    }
}

impl TlsFiles {
    fn all(&self) -> impl Iterator<Item = &PathBuf> {
        [&self.certificate, &self.private_key].into_iter().chain(&self.client_ca)
    }

    fn stamps(&self) -> Vec<Stamp> {
        self.all().map(|file| stamp(file)).collect()
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("files", &self.files).finish_non_exhaustive()
    }
}

fn stamp(file: &Path) -> Stamp {
    let metadata = std::fs::metadata(file).ok()?;
    Some((metadata.modified().ok()?, metadata.len(), std::os::unix::fs::MetadataExt::ino(&metadata)))
}

fn load(files: &TlsFiles) -> Result<Loaded, UnusableFile> {
    let content = files.all().map(|file| read(file)).collect::<Result<Vec<_>, _>>()?;
    let [certificate, private_key, client_ca @ ..] = content.as_slice() else {
        return Err(unusable(&files.certificate, &"no content"));
    };
    let chain = certificates(&files.certificate, certificate)?;
    let ends = chain.first().and_then(|certificate| ends(certificate));
    let key = certified_key(files, chain, private_key)?;
    let client_ca = files.client_ca.as_deref().zip(client_ca.first());
    let config = server_config(files, key, client_ca)?;
    let digest = Digest::of_parts(content.iter().map(Vec::as_slice));
    Ok(Loaded { acceptor: Acceptor::from_server_config(Arc::new(config)), digest, ends })
}

fn certified_key(
    files: &TlsFiles,
    chain: Vec<CertificateDer<'static>>,
    private_key: &[u8],
) -> Result<CertifiedKey, UnusableFile> {
    let file = &files.private_key;
    let key = PrivateKeyDer::from_pem_slice(private_key).map_err(|cause| unusable(file, &cause))?;
    CertifiedKey::from_der(chain, key, &aws_lc_rs::default_provider()).map_err(|cause| unusable(file, &cause))
}

fn server_config(
    files: &TlsFiles,
    key: CertifiedKey,
    client_ca: Option<(&Path, &Vec<u8>)>,
) -> Result<ServerConfig, UnusableFile> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&TLS13, &TLS12])
        .map_err(|cause| unusable(&files.certificate, &cause))?;
    let builder = match client_ca {
        None => builder.with_no_client_auth(),
        Some((file, authorities)) => {
            let mut roots = RootCertStore::empty();
            for certificate in certificates(file, authorities)? {
                roots.add(certificate).map_err(|cause| unusable(file, &cause))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            builder.with_client_cert_verifier(verifier.build().map_err(|cause| unusable(file, &cause))?)
        }
    };
    let mut config = builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(key)));
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    if client_ca.is_some() {
        // A session that is resumed would not have its certificate checked again.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
    }
    Ok(config)
}

/// When a certificate ends, in seconds since 1970.
fn ends(certificate: &CertificateDer<'_>) -> Option<i64> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    Some(certificate.validity().not_after.timestamp())
}

fn certificates(file: &Path, content: &[u8]) -> Result<Vec<CertificateDer<'static>>, UnusableFile> {
    match CertificateDer::pem_slice_iter(content).collect::<Result<Vec<_>, _>>() {
        Ok(certificates) if certificates.is_empty() => Err(unusable(file, &"no certificate in it")),
        Ok(certificates) => Ok(certificates),
        Err(cause) => Err(unusable(file, &cause)),
    }
}

fn read(file: &Path) -> Result<Vec<u8>, UnusableFile> {
    std::fs::read(file).map_err(|cause| unusable(file, &cause))
}

fn unusable(file: &Path, cause: &dyn fmt::Display) -> UnusableFile {
    UnusableFile { file: file.to_owned(), cause: cause.to_string() }
}
