//! What a client may authenticate with: secrets, certificates and federated credentials, changeable while the emulator runs.

use std::{collections::HashSet, io};

use serde::Serialize;

use super::{certificate::Certificate, federation::FederatedCredential, issuer::CertificateIssuer};
use crate::emulator::{guarded::Guarded, options::EmulatorOptions, refusal::Refusal};

/// The credentials of the emulator's own registration.
pub(in crate::emulator) struct Registry {
    registered: Guarded<Registered>,
    /// Who may issue further certificates of the client.
    pub(super) issuer: Option<CertificateIssuer>,
    seen: Guarded<HashSet<String>>,
}

/// The credentials in force, and those that were.
#[derive(Clone, Default)]
struct Registered {
    secrets: Vec<(String, Standing)>,
    certificates: Vec<(Certificate, Standing)>,
    federated: Vec<FederatedCredential>,
}

/// Whether a credential is in force; if not, the AADSTS number that meets who uses it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Good,
    Withdrawn(u32),
}

/// A list of the credentials, as the control API shows it.
#[derive(Debug, Serialize)]
pub(in crate::emulator) struct Inventory {
    secrets: Vec<Entry>,
    certificates: Vec<Entry>,
    federated: Vec<FederatedCredential>,
}

#[derive(Debug, Serialize)]
struct Entry {
    /// A secret, or the thumbprint of a certificate.
    credential: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    withdrawn: Option<u32>,
}

impl Registry {
    /// The credentials in the options.
    pub(in crate::emulator) fn new(options: &EmulatorOptions) -> io::Result<Self> {
        let issuer =
            options.client_ca.as_deref().map(|ca| CertificateIssuer::new(ca, options.client_subject.as_deref()));
        Ok(Self {
            registered: Guarded::new(Registered::of(options)?),
            issuer: issuer.transpose()?,
            seen: Guarded::default(),
        })
    }

    /// Back to the credentials in the options.
    pub(in crate::emulator) fn reset(&self, options: &EmulatorOptions) {
        // They were read once before.
        *self.registered.lock() = Registered::of(options).unwrap_or_default();
    }

    /// Puts a secret in force.
    pub(in crate::emulator) fn add_secret(&self, secret: &str) {
        let mut registered = self.registered.lock();
        registered.secrets.retain(|(other, _)| other != secret);
        registered.secrets.push((secret.to_owned(), Standing::Good));
    }

    /// Withdraws a secret; whoever uses it is refused with this AADSTS number. Tells whether it was known.
    pub(in crate::emulator) fn withdraw_secret(&self, secret: &str, code: u32) -> bool {
        let mut registered = self.registered.lock();
        withdraw(&mut registered.secrets, |other| other == secret, code)
    }

    /// Puts the first certificate of a PEM file in force, and returns its thumbprint (`x5t#S256`).
    pub(in crate::emulator) fn add_certificate(&self, pem: &str) -> io::Result<String> {
        let certificate = Certificate::from_pem(pem)?;
        let thumbprint = certificate.thumbprint();
        let mut registered = self.registered.lock();
        registered.certificates.retain(|(other, _)| other.der() != certificate.der());
        registered.certificates.push((certificate, Standing::Good));
        Ok(thumbprint)
    }

    /// Withdraws the certificate with this thumbprint (`x5t#S256`), as [`Self::withdraw_secret`] withdraws a secret.
    pub(in crate::emulator) fn withdraw_certificate(&self, thumbprint: &str, code: u32) -> bool {
        let mut registered = self.registered.lock();
        withdraw(&mut registered.certificates, |other| other.thumbprint() == thumbprint, code)
    }

    /// Trusts a federated credential.
    pub(in crate::emulator) fn add_federated(&self, credential: FederatedCredential) {
        self.registered.lock().federated.push(credential);
    }

    /// Trusts a federated credential no more. Tells whether it was trusted.
    pub(in crate::emulator) fn withdraw_federated(&self, credential: &FederatedCredential) -> bool {
        let mut registered = self.registered.lock();
        let before = registered.federated.len();
        registered.federated.retain(|other| other != credential);
        registered.federated.len() < before
    }

    /// All credentials.
    pub(in crate::emulator) fn inventory(&self) -> Inventory {
        let registered = self.registered.lock().clone();
        let certificates = registered.certificates.iter();
        Inventory {
            secrets: registered.secrets.into_iter().map(|(secret, standing)| Entry::new(secret, standing)).collect(),
            certificates: certificates.map(|(one, standing)| Entry::new(one.thumbprint(), *standing)).collect(),
            federated: registered.federated,
        }
    }

    /// Accepts a secret in force.
    pub(super) fn check_secret(&self, secret: &str) -> Result<(), Refusal> {
        let registered = self.registered.lock();
        let found = registered.secrets.iter().find(|(other, _)| other == secret);
        found.ok_or(Refusal::WrongSecret)?.1.check()
    }

    /// The certificate in force that has this property.
    pub(super) fn certificate(&self, is_it: impl Fn(&Certificate) -> bool) -> Result<Option<Certificate>, Refusal> {
        let registered = self.registered.lock();
        let Some((found, standing)) = registered.certificates.iter().find(|(one, _)| is_it(one)) else {
            return Ok(None);
        };
        standing.check().map(|()| Some(found.clone()))
    }

    /// The certificates in force.
    pub(super) fn certificates(&self) -> Vec<Certificate> {
        let registered = self.registered.lock();
        let good = registered.certificates.iter().filter(|(_, standing)| *standing == Standing::Good);
        good.map(|(certificate, _)| certificate.clone()).collect()
    }

    /// Whether a federated credential is trusted for a token of this issuer, subject and audience.
    pub(super) fn trusts(&self, matches: impl Fn(&FederatedCredential) -> bool) -> bool {
        self.registered.lock().federated.iter().any(matches)
    }

    /// Whether this identifier of an assertion has not been seen before.
    pub(super) fn is_new(&self, jti: String) -> bool {
        let mut seen = self.seen.lock();
        if seen.len() >= MAX_SEEN {
            seen.clear();
        }
        seen.insert(jti)
    }
}

impl Registered {
    fn of(options: &EmulatorOptions) -> io::Result<Self> {
        let secrets = std::iter::once(&options.client_secret).chain(&options.client_secrets);
        let certificates = options.client_certificate.iter().chain(&options.client_certificates);
        let certificates = certificates.map(|pem| Ok((Certificate::from_pem(pem)?, Standing::Good)));
        Ok(Self {
            secrets: secrets.map(|secret| (secret.clone(), Standing::Good)).collect(),
            certificates: certificates.collect::<io::Result<_>>()?,
            federated: options.federated_credentials.clone(),
        })
    }
}

impl Standing {
    fn check(self) -> Result<(), Refusal> {
        match self {
            Self::Good => Ok(()),
            Self::Withdrawn(code) => Err(Refusal::WithdrawnCredential(code)),
        }
    }
}

impl Entry {
    fn new(credential: String, standing: Standing) -> Self {
        let withdrawn = match standing {
            Standing::Good => None,
            Standing::Withdrawn(code) => Some(code),
        };
        Self { credential, withdrawn }
    }
}

fn withdraw<T>(credentials: &mut [(T, Standing)], is_it: impl Fn(&T) -> bool, code: u32) -> bool {
    let found = credentials.iter_mut().find(|(one, _)| is_it(one));
    found.map(|(_, standing)| *standing = Standing::Withdrawn(code)).is_some()
}

/// How many identifiers are remembered before all are forgotten.
const MAX_SEEN: usize = 10_000;
