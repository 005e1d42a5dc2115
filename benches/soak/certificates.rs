//! Certificates of a listener, one after the other from the same authority, and a look at which one it shows.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

pub struct Certificates {
    authority: CertifiedIssuer<'static, KeyPair>,
    directory: PathBuf,
}

impl Certificates {
    /// An authority of its own, with a first certificate in `directory`.
    pub fn new(directory: &Path) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let certificates = Self { authority, directory: directory.to_owned() };
        certificates.renew();
        certificates
    }

    /// Puts another certificate and key in place of those that are there.
    pub fn renew(&self) -> CertificateDer<'static> {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.authority).unwrap();
        self.put("tls.key", &key.serialize_pem());
        self.put("tls.pem", &certificate.pem());
        certificate.der().clone()
    }

    fn put(&self, name: &str, text: &str) {
        let aside = self.directory.join(format!("{name}.new"));
        fs::write(&aside, text).unwrap();
        fs::rename(&aside, self.directory.join(name)).unwrap();
    }

    /// For callers that trust the authority.
    pub fn connector(&self) -> TlsConnector {
        let mut roots = RootCertStore::empty();
        roots.add(self.authority.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        TlsConnector::from(Arc::new(builder.with_root_certificates(roots).with_no_client_auth()))
    }

    /// Whether a new connection is shown this certificate.
    pub async fn is_shown(&self, address: &str, certificate: &CertificateDer<'_>) -> bool {
        let Ok(stream) = TcpStream::connect(address).await else { return false };
        let stream = self.connector().connect("localhost".try_into().unwrap(), stream).await;
        stream.is_ok_and(|stream| stream.get_ref().1.peer_certificates().and_then(<[_]>::first) == Some(certificate))
    }
}
