//! Credentials in files: read and tried, at load and again when they change.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::identity::{CertificateFiles, SecretSource};
use crate::secret::Secret;

/// A credential that cannot be used. The path of the file is not told: under the wrong key it may be the secret itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unusable {
    /// The part of the credential that is wrong.
    pub part: CredentialPart,
    /// What is wrong with it, as a predicate: "is not UTF-8".
    pub fault: String,
}

impl Unusable {
    /// Whether time alone has made it unusable.
    pub fn has_ended(&self) -> bool {
        self.fault == ENDED
    }
}

/// The parts that credentials are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CredentialPart {
    /// The client secret, or the file with it.
    ClientSecret,
    /// The file with the certificate.
    Certificate,
    /// The file with the private key.
    PrivateKey,
    /// The file with the federated token.
    FederatedToken,
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = match self.part {
            CredentialPart::ClientSecret => "client secret",
            CredentialPart::Certificate => "certificate",
            CredentialPart::PrivateKey => "private key",
            CredentialPart::FederatedToken => "federated token",
        };
        write!(f, "{part}: a file that {}", self.fault)
    }
}

/// The secret, without the line break at the end of its file.
pub(super) fn secret(source: &SecretSource) -> Result<Secret, Unusable> {
    let secret = match source {
        SecretSource::Value(secret) => secret.clone(),
        SecretSource::File(path) => line(path, CredentialPart::ClientSecret)?,
    };
    if secret.expose().trim().is_empty() {
        return Err(unusable(CredentialPart::ClientSecret, "is empty"));
    }
    Ok(secret)
}

/// A token that another issuer made for us; what it says is for the identity provider to judge.
pub(super) fn federated_token(path: &Path) -> Result<Secret, Unusable> {
    let token = line(path, CredentialPart::FederatedToken)?;
    let is_jwt = token.expose().split('.').count() == 3
        && token.expose().bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'));
    if is_jwt { Ok(token) } else { Err(unusable(CredentialPart::FederatedToken, "is not one signed JWT")) }
}

/// The files of a certificate.
pub(super) fn certificate_files(files: &CertificateFiles) -> Result<(Vec<u8>, Secret), Unusable> {
    let certificate = bytes(&files.certificate, CredentialPart::Certificate)?;
    Ok((certificate, text(&files.private_key, CredentialPart::PrivateKey)?))
}

pub(super) fn unusable(part: CredentialPart, fault: impl Into<String>) -> Unusable {
    Unusable { part, fault: fault.into() }
}

fn line(path: &Path, part: CredentialPart) -> Result<Secret, Unusable> {
    let text = text(path, part)?;
    let line = text.expose().strip_suffix('\n').map_or(text.expose(), |line| line.strip_suffix('\r').unwrap_or(line));
    Ok(Secret::new(line.to_owned()))
}

fn text(path: &Path, part: CredentialPart) -> Result<Secret, Unusable> {
    String::from_utf8(bytes(path, part)?).map(Secret::new).map_err(|_| unusable(part, "is not UTF-8"))
}

fn bytes(path: &Path, part: CredentialPart) -> Result<Vec<u8>, Unusable> {
    let read = || {
        let mut bytes = Vec::new();
        File::open(path)?.take(FILE_LIMIT + 1).read_to_end(&mut bytes)?;
        Ok::<_, std::io::Error>(bytes)
    };
    match read() {
        Ok(bytes) if bytes.len() as u64 <= FILE_LIMIT => Ok(bytes),
        Ok(_) => Err(unusable(part, "is longer than 1 MiB")),
        Err(error) => Err(unusable(part, format!("cannot be read: {error}"))),
    }
}

/// The fault of a certificate whose time is over.
pub(super) const ENDED: &str = "has a certificate whose validity has ended";

/// The longest file that is read, in bytes.
const FILE_LIMIT: u64 = 1024 * 1024;
