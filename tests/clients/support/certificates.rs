//! Certificates of the test's own: for the listener of the proxy, and for its registration at the identity provider.

use std::path::Path;
use std::sync::OnceLock;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256,
};

/// An authority, and what it issued, in PEM.
pub struct Certificates {
    pub authority: String,
    /// For `localhost`.
    pub listener: Issued,
    /// With an RSA key.
    pub rsa: Issued,
    /// With a key on the curve P-256.
    pub ec: Issued,
}

/// A certificate with its key.
pub struct Issued {
    pub certificate: String,
    pub private_key: String,
}

impl Certificates {
    /// The same ones for all tests: RSA keys take their time.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Certificates> = OnceLock::new();
        SHARED.get_or_init(Self::create)
    }

    fn create() -> Self {
        let mut params = params(Vec::new(), "authority of the clients' tests");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let issue = |names: &[&str], common_name: &str, key: KeyPair| {
            let names = names.iter().map(|name| (*name).to_owned()).collect();
            let mut params = self::params(names, common_name);
            params.is_ca = IsCa::ExplicitNoCa;
            params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
            params.use_authority_key_identifier_extension = true;
            let certificate = params.signed_by(&key, &authority).unwrap();
            Issued { certificate: certificate.pem(), private_key: key.serialize_pem() }
        };
        Self {
            authority: authority.pem(),
            listener: issue(&["localhost"], "proxy", KeyPair::generate().unwrap()),
            rsa: issue(&[], "registration with RSA", KeyPair::generate_for(&PKCS_RSA_SHA256).unwrap()),
            ec: issue(&[], "registration with P-256", KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap()),
        }
    }

    /// Writes all of them into a directory: `authority.pem`, and of each certificate `NAME.pem`, `NAME.key` and, with
    /// its authority behind it, `NAME-chain.pem`.
    pub fn write(&self, directory: &Path) {
        let write = |name: String, text: &str| std::fs::write(directory.join(name), text).unwrap();
        write("authority.pem".to_owned(), &self.authority);
        for (name, issued) in [("listener", &self.listener), ("rsa", &self.rsa), ("ec", &self.ec)] {
            write(format!("{name}.pem"), &issued.certificate);
            write(format!("{name}.key"), &issued.private_key);
            write(format!("{name}-chain.pem"), &format!("{}{}", issued.certificate, self.authority));
        }
    }
}

fn params(names: Vec<String>, common_name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(names).unwrap();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params
}
