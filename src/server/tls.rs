//! The certificate of a listener, read again when its files change, and the check of callers' certificates.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use rustls::RootCertStore;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// `tls` of a listener: files in PEM.
#[derive(Debug, Clone)]
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

/// The certificate that a listener presents.
#[derive(Debug)]
pub(super) struct Certificate {
    files: TlsFiles,
    current: Arc<Current>,
}

/// What handshakes read.
#[derive(Debug)]
struct Current(ArcSwap<CertifiedKey>);

impl ResolvesServerCert for Current {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

impl Certificate {
    pub(super) fn load(files: &TlsFiles) -> Result<Self, UnusableFile> {
        let current = Arc::new(Current(ArcSwap::from_pointee(certified_key(files)?)));
        Ok(Self { files: files.clone(), current })
    }

    pub(super) fn resolver(&self) -> Arc<dyn ResolvesServerCert> {
        Arc::clone(&self.current) as Arc<dyn ResolvesServerCert>
    }

    /// Looks at the files from time to time; a pair that cannot be used leaves the last good one in place.
    pub(super) async fn keep_fresh(self) {
        let mut seen = self.stamps();
        loop {
            tokio::time::sleep(LOOK_INTERVAL).await;
            let stamps = self.stamps();
            if stamps == seen {
                continue;
            }
            seen = stamps;
            match certified_key(&self.files) {
                Ok(key) => {
                    self.current.0.store(Arc::new(key));
                    tracing::info!(certificate = %self.files.certificate.display(), "certificate reloaded");
                }
                Err(error) => tracing::error!(%error, "certificate not reloaded; the last good one stays"),
            }
        }
    }

    fn stamps(&self) -> [Option<SystemTime>; 2] {
        [&self.files.certificate, &self.files.private_key]
            .map(|file| std::fs::metadata(file).and_then(|metadata| metadata.modified()).ok())
    }
}

/// The check of callers' certificates, where `client_ca` asks for it.
pub(super) fn client_verifier(files: &TlsFiles) -> Result<Option<Arc<dyn ClientCertVerifier>>, UnusableFile> {
    let Some(file) = &files.client_ca else { return Ok(None) };
    let mut roots = RootCertStore::empty();
    for certificate in certificates(file)? {
        roots.add(certificate).map_err(|cause| unusable(file, &cause))?;
    }
    let verifier = WebPkiClientVerifier::builder(Arc::new(roots)).build().map_err(|cause| unusable(file, &cause))?;
    Ok(Some(verifier))
}

fn certified_key(files: &TlsFiles) -> Result<CertifiedKey, UnusableFile> {
    let chain = certificates(&files.certificate)?;
    let file = &files.private_key;
    let key = PrivateKeyDer::from_pem_file(file).map_err(|cause| unusable(file, &cause))?;
    CertifiedKey::from_der(chain, key, &rustls::crypto::aws_lc_rs::default_provider())
        .map_err(|cause| unusable(file, &cause))
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, UnusableFile> {
    let read = CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match read {
        Ok(certificates) if certificates.is_empty() => Err(unusable(file, &"no certificate in it")),
        Ok(certificates) => Ok(certificates),
        Err(cause) => Err(unusable(file, &cause)),
    }
}

fn unusable(file: &Path, cause: &dyn std::fmt::Display) -> UnusableFile {
    UnusableFile { file: file.to_owned(), cause: cause.to_string() }
}

/// How often the files are looked at.
const LOOK_INTERVAL: Duration = Duration::from_secs(10);
