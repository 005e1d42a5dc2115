//! How an identity proves to be itself at a token endpoint: which credential it is, and that it can be used.

use super::text::{CLIENT_ID, is_client_id, with_lower_case_guid};
use super::{Checker, address};
use crate::config::document::Node;
use crate::config::file;
use crate::config::findings::quoted;
use crate::exchange::{CredentialPart, Unusable, check_credential};
use crate::identity::{CertificateFiles, Credential, ManagedIdentity, SecretSource};

/// Checks `credential` of an identity: one, or a list of two.
pub(super) fn credentials(
    checker: &mut Checker<'_>,
    credentials: Vec<file::Credential>,
    node: &Node,
) -> Option<Vec<Credential>> {
    let count = credentials.len();
    let mut read_ones = Vec::new();
    let mut ended = Vec::new();
    for (n, credential) in credentials.into_iter().enumerate() {
        let node = if node.is_list() { node.item(n) } else { node };
        let Some(credential) = read(checker, credential, node) else { continue };
        match check_credential(&credential) {
            Ok(()) => {}
            Err(unusable) if unusable.has_ended() => ended.push((node, unusable)),
            Err(unusable) => report(checker, &credential, &unusable, node),
        }
        read_ones.push(credential);
    }
    // While one of two serves, a certificate that has ended must not keep the proxy from starting.
    if ended.len() == count {
        for (node, unusable) in ended {
            report_at(checker, node.key("certificate"), &unusable, CERTIFICATE);
        }
    }
    (read_ones.len() == count).then_some(read_ones)
}

/// Checks the credential of a client at a target's token endpoint.
pub(super) fn credential(checker: &mut Checker<'_>, credential: file::Credential, node: &Node) -> Option<Credential> {
    let credential = read(checker, credential, node)?;
    if let Err(unusable) = check_credential(&credential) {
        report(checker, &credential, &unusable, node);
    }
    Some(credential)
}

fn read(checker: &mut Checker<'_>, credential: file::Credential, node: &Node) -> Option<Credential> {
    let present = [
        ("client_secret", credential.client_secret.is_some()),
        ("client_secret_file", credential.client_secret_file.is_some()),
        ("certificate", credential.certificate.is_some()),
        ("workload_identity", credential.workload_identity.is_some()),
        ("managed_identity", credential.managed_identity.is_some()),
    ];
    let named: Vec<_> = present.iter().filter(|(_, present)| *present).map(|(name, _)| quoted(name)).collect();
    match &*named {
        [] => return checker.refuse(node, "no credential", EXACTLY_ONE),
        [_] => {}
        several => {
            let both = if several.len() == 2 { "both " } else { "" };
            return checker.refuse(node, format!("{both}{}", several.join(" and ")), EXACTLY_ONE);
        }
    }
    check_companions(checker, &credential, node);
    if let Some(secret) = credential.client_secret {
        return Some(with_method(credential.auth_method, SecretSource::Value(secret.0)));
    }
    if let Some(path) = credential.client_secret_file {
        return Some(with_method(credential.auth_method, SecretSource::File(checker.path(&path))));
    }
    if let Some(certificate) = credential.certificate {
        return Some(Credential::Certificate(CertificateFiles {
            private_key: checker.path(credential.private_key.as_ref().unwrap_or(&certificate)),
            certificate: checker.path(&certificate),
            send_chain: credential.send_chain.unwrap_or(false),
        }));
    }
    match (credential.workload_identity, credential.managed_identity) {
        (Some(workload), _) => workload_identity(checker, workload, node.key("workload_identity")),
        (None, Some(managed)) => managed_identity(checker, managed, node.key("managed_identity")),
        (None, None) => None,
    }
}

/// Keys that say something of one kind of credential only.
fn check_companions(checker: &mut Checker<'_>, credential: &file::Credential, node: &Node) {
    let secret = credential.client_secret.is_some() || credential.client_secret_file.is_some();
    let certificate = credential.certificate.is_some();
    for (key, present, fits, accepted) in [
        ("auth_method", credential.auth_method.is_some(), secret, "it beside a client secret only"),
        ("private_key", credential.private_key.is_some(), certificate, "it beside \"certificate\" only"),
        ("send_chain", credential.send_chain.is_some(), certificate, "it beside \"certificate\" only"),
    ] {
        if present && !fits {
            let at = node.key_position(key);
            checker.findings.add(at, format!("found the key {}", quoted(key)), accepted);
        }
    }
}

fn with_method(method: Option<file::AuthMethod>, secret: SecretSource) -> Credential {
    match method.unwrap_or_default() {
        file::AuthMethod::ClientSecretPost => Credential::SecretPost(secret),
        file::AuthMethod::ClientSecretBasic => Credential::SecretBasic(secret),
    }
}

fn workload_identity(checker: &mut Checker<'_>, workload: file::WorkloadIdentity, node: &Node) -> Option<Credential> {
    let path = workload.token_file.or_else(|| checker.variable("AZURE_FEDERATED_TOKEN_FILE"));
    match path {
        Some(path) => Some(Credential::FederatedToken(checker.path(&path))),
        None => {
            checker.missing(node, "token_file", "the file with the token, or the variable AZURE_FEDERATED_TOKEN_FILE")
        }
    }
}

/// Instance metadata is plain http on an address that does not leave the machine. Whoever else answers gets to know
/// nothing, but decides who we are.
fn managed_identity(checker: &mut Checker<'_>, managed: file::ManagedIdentity, node: &Node) -> Option<Credential> {
    let address = address::parse(checker, &managed.endpoint, node.key("endpoint"))?;
    if !address.is_https() && !address.is_loopback() && !address.is_link_local() {
        let accepted = "an https URL; http only with a loopback or a link-local address";
        return checker.refuse(node.key("endpoint"), quoted(&managed.endpoint), accepted);
    }
    if let Some(client_id) = managed.client_id.as_deref().filter(|id| !is_client_id(id)) {
        return checker.refuse(node.key("client_id"), quoted(client_id), CLIENT_ID);
    }
    Some(Credential::ManagedIdentity(ManagedIdentity {
        client_id: managed.client_id.map(with_lower_case_guid),
        endpoint: managed.endpoint.into(),
        resource: managed.resource.into(),
    }))
}

fn report(checker: &mut Checker<'_>, credential: &Credential, unusable: &Unusable, node: &Node) {
    let inline = matches!(
        credential,
        Credential::SecretPost(SecretSource::Value(_)) | Credential::SecretBasic(SecretSource::Value(_))
    );
    match unusable.part {
        CredentialPart::ClientSecret if inline => {
            checker.report(node.key("client_secret"), "an empty client secret", SECRET);
        }
        CredentialPart::ClientSecret => report_at(checker, node.key("client_secret_file"), unusable, SECRET_FILE),
        CredentialPart::Certificate => report_at(checker, node.key("certificate"), unusable, CERTIFICATE),
        CredentialPart::PrivateKey if node.key("private_key").at == node.at => {
            report_at(checker, node.key("certificate"), unusable, PRIVATE_KEY);
        }
        CredentialPart::PrivateKey => report_at(checker, node.key("private_key"), unusable, PRIVATE_KEY),
        CredentialPart::FederatedToken => {
            report_at(checker, node.key("workload_identity").key("token_file"), unusable, TOKEN_FILE);
        }
    }
}

/// The path is not told: it may be the secret itself, under the wrong key.
fn report_at(checker: &mut Checker<'_>, node: &Node, unusable: &Unusable, accepted: &str) {
    checker.report(node, format!("a file that {}", unusable.fault), accepted);
}

const EXACTLY_ONE: &str = "exactly one of \"client_secret\", \"client_secret_file\", \"certificate\", \
    \"workload_identity\" and \"managed_identity\"";
const SECRET: &str = "the secret that the identity provider issued";
const SECRET_FILE: &str = "a readable file with the client secret in UTF-8";
const CERTIFICATE: &str = "a readable file with a certificate in PEM that has not ended";
const PRIVATE_KEY: &str = "a readable file with the private key of the certificate in PEM, unencrypted";
const TOKEN_FILE: &str = "a readable file with the federated token, a signed JWT";
