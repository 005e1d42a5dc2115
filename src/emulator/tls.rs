//! A private certificate authority and the certificate it gives a listener, both made anew at each start.

use std::{
    fmt, fs, io,
    net::TcpListener,
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime},
};

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{self, ServerConfig, crypto::aws_lc_rs},
};

/// What a listener needs to speak TLS, and what its clients need to trust it.
#[derive(Clone)]
pub(super) struct Tls {
    acceptor: TlsAcceptor,
    ca_pem: Arc<str>,
}

impl Tls {
    /// A certificate for `listener` under its loopback names, its address, and the host of `public_url`.
    pub(super) fn create(listener: &TcpListener, public_url: Option<&str>) -> io::Result<Self> {
        let authority = authority().map_err(io::Error::other)?;
        let key = KeyPair::generate().map_err(io::Error::other)?;
        let leaf = leaf(hosts(listener, public_url)?, &key, &authority).map_err(io::Error::other)?;
        let chain = vec![leaf.der().clone(), authority.der().clone()];
        let key = PrivateKeyDer::try_from(key.serialize_der()).map_err(io::Error::other)?;
        let config = server_config(chain, key).map_err(io::Error::other)?;
        Ok(Self { acceptor: TlsAcceptor::from(Arc::new(config)), ca_pem: authority.pem().into() })
    }

    /// Writes the authority's certificate, and no key, to `directory/name`. Readers see all of it or nothing.
    pub(super) fn publish(&self, directory: &Path, name: &str) -> io::Result<()> {
        fs::create_dir_all(directory)?;
        let unfinished = directory.join(format!(".{name}.{}", uuid::Uuid::new_v4()));
        fs::write(&unfinished, self.ca_pem())?;
        fs::rename(unfinished, directory.join(name))
    }

    /// The authority's certificate as PEM.
    pub(super) fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// What turns connections into TLS connections.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        self.acceptor.clone()
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").finish_non_exhaustive()
    }
}

/// The names under which clients may ask for the listener.
fn hosts(listener: &TcpListener, public_url: Option<&str>) -> io::Result<Vec<String>> {
    let mut hosts = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).to_vec();
    let address = listener.local_addr()?.ip();
    let listening = Some(address).filter(|address| !address.is_unspecified()).map(|address| address.to_string());
    let public = public_url.and_then(|url| url::Url::parse(url).ok());
    // A URL puts brackets around some addresses.
    let public = public.and_then(|url| url.host_str().map(|host| host.trim_matches(['[', ']']).to_owned()));
    for host in listening.into_iter().chain(public) {
        if !hosts.contains(&host) {
            hosts.push(host);
        }
    }
    Ok(hosts)
}

fn authority() -> Result<CertifiedIssuer<'static, KeyPair>, rcgen::Error> {
    let mut params = params(Vec::new(), "obo-proxy emulator CA")?;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    CertifiedIssuer::self_signed(params, KeyPair::generate()?)
}

fn leaf(
    hosts: Vec<String>,
    key: &KeyPair,
    authority: &CertifiedIssuer<'_, KeyPair>,
) -> Result<Certificate, rcgen::Error> {
    let mut params = params(hosts, "obo-proxy emulator")?;
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    params.signed_by(key, authority)
}

/// What both certificates have in common.
fn params(hosts: Vec<String>, common_name: &str) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(hosts)?;
    params.distinguished_name.push(DnType::CommonName, common_name);
    let now = SystemTime::now();
    // Clocks of other machines may be late, and an emulator may run for months.
    params.not_before = (now - VALID_BEFORE).into();
    params.not_after = (now + VALID_AFTER).into();
    Ok(params)
}

fn server_config(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<ServerConfig, rustls::Error> {
    let builder = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
    let mut config =
        builder.with_safe_default_protocol_versions()?.with_no_client_auth().with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

/// How far back the certificates reach.
const VALID_BEFORE: Duration = Duration::from_hours(24);

/// How long the certificates are good: less than the 398 days that some clients accept at most.
const VALID_AFTER: Duration = Duration::from_hours(390 * 24);
