//! Certificates and private keys in PEM files: read and tried, so that a listener or a target cannot fail for them.

use rustls::RootCertStore;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::Checker;
use crate::config::document::Node;
use crate::config::findings::quoted;

/// The certificates in a file; at least one.
pub(super) fn certificates(checker: &mut Checker<'_>, path: &str, node: &Node) -> Option<Vec<CertificateDer<'static>>> {
    let bytes = checker.read(path, node, CERTIFICATES)?;
    match CertificateDer::pem_slice_iter(&bytes).collect::<Result<Vec<_>, _>>() {
        Ok(list) if !list.is_empty() => Some(list),
        _ => checker.refuse(node, format!("{}, a file without a certificate in PEM", quoted(path)), CERTIFICATES),
    }
}

/// The certificates of authorities in a file; at least one, and each fit for the purpose.
pub(super) fn authorities(checker: &mut Checker<'_>, path: &str, node: &Node) -> Option<Vec<CertificateDer<'static>>> {
    let list = certificates(checker, path, node)?;
    let mut store = RootCertStore::empty();
    match list.iter().try_for_each(|certificate| store.add(certificate.clone())) {
        Ok(()) => Some(list),
        Err(_) => checker.refuse(node, format!("{}, with a damaged certificate", quoted(path)), CERTIFICATES),
    }
}

/// The private key in a file.
pub(super) fn private_key(checker: &mut Checker<'_>, path: &str, node: &Node) -> Option<PrivateKeyDer<'static>> {
    let bytes = checker.read(path, node, PRIVATE_KEY)?;
    match PrivateKeyDer::from_pem_slice(&bytes) {
        Ok(key) => Some(key),
        Err(_) => checker.refuse(node, format!("{}, a file without a private key in PEM", quoted(path)), PRIVATE_KEY),
    }
}

/// Reports a key that cannot be used with the first certificate of `chain`, which is reported at the key.
pub(super) fn check_pair(
    checker: &mut Checker<'_>,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    node: &Node,
) {
    if CertifiedKey::from_der(chain, key, &default_provider()).is_err() {
        checker.report(node, "a key and a certificate that do not work together", "the key of the first certificate");
    }
}

const CERTIFICATES: &str = "a readable file with one or more certificates in PEM";
const PRIVATE_KEY: &str = "a readable file with a private key in PEM";
