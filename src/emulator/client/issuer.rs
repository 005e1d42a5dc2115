//! Subject-name/issuer authentication: a certificate that nobody registered, but that a known authority issued.

use std::{io, sync::Arc};

use rustls::{
    RootCertStore,
    server::{WebPkiClientVerifier, danger::ClientCertVerifier},
};
use rustls_pki_types::{CertificateDer, UnixTime, pem::PemObject as _};
use x509_parser::{certificate::X509Certificate, prelude::FromDer as _};

use super::certificate::Certificate;

/// An authority, and the name that it has to state in the client's certificates.
pub(super) struct CertificateIssuer {
    verifier: Arc<dyn ClientCertVerifier>,
    subject: Option<String>,
}

impl CertificateIssuer {
    /// An authority given as PEM; without a `subject` any name will do.
    pub(super) fn new(ca: &str, subject: Option<&str>) -> io::Result<Self> {
        let invalid = |cause: String| io::Error::new(io::ErrorKind::InvalidInput, cause);
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(ca.as_bytes()) {
            let certificate = certificate.map_err(|error| invalid(error.to_string()))?;
            roots.add(certificate).map_err(|error| invalid(error.to_string()))?;
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
        let verifier = verifier.map_err(|error| invalid(error.to_string()))?;
        Ok(Self { verifier, subject: subject.map(str::to_owned) })
    }

    /// The first certificate of a chain that the authority issued to the client.
    pub(super) fn vouched(&self, chain: &[Vec<u8>]) -> Result<Certificate, &'static str> {
        let (leaf, intermediates) = chain.split_first().ok_or("its x5c is empty")?;
        let certificates = |ders: &[Vec<u8>]| ders.iter().cloned().map(CertificateDer::from).collect::<Vec<_>>();
        self.verifier
            .verify_client_cert(&CertificateDer::from(leaf.clone()), &certificates(intermediates), UnixTime::now())
            .map_err(|_| "no known authority issued its certificate")?;
        if self.subject.as_deref().is_some_and(|subject| common_name(leaf).as_deref() != Some(subject)) {
            return Err("its certificate is another subject's");
        }
        Certificate::from_der(leaf.clone()).ok_or("its certificate has neither an RSA nor an EC key")
    }
}

fn common_name(der: &[u8]) -> Option<String> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let name = certificate.subject().iter_common_name().next()?;
    name.as_str().ok().map(str::to_owned)
}
