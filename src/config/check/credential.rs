//! How an identity proves to be itself at the token endpoint.

use super::Checker;
use crate::config::document::Node;
use crate::config::file;
use crate::identity::Credential;
use crate::secret::Secret;

/// Checks `credential` of an identity.
pub(super) fn credential(checker: &mut Checker<'_>, credential: file::Credential, node: &Node) -> Option<Credential> {
    let secret = match (credential.client_secret, credential.client_secret_file) {
        (Some(secret), None) => not_empty(checker, secret.0, node.key("client_secret")),
        (None, Some(path)) => secret_from_file(checker, &path, node.key("client_secret_file")),
        (Some(_), Some(_)) => checker.refuse(node, "both \"client_secret\" and \"client_secret_file\"", EXACTLY_ONE),
        (None, None) => checker.refuse(node, "no credential", EXACTLY_ONE),
    };
    Some(match credential.auth_method {
        file::AuthMethod::ClientSecretPost => Credential::SecretPost(secret?),
        file::AuthMethod::ClientSecretBasic => Credential::SecretBasic(secret?),
    })
}

/// The path is not told in findings: it may be the secret itself, under the wrong key.
fn secret_from_file(checker: &mut Checker<'_>, path: &str, node: &Node) -> Option<Secret> {
    let text = match checker.bytes(path).map(String::from_utf8) {
        Ok(Ok(text)) => Secret::new(text),
        Ok(Err(_)) => return checker.refuse(node, "a file that is not UTF-8", SECRET_FILE),
        Err(fault) => return checker.refuse(node, format!("a file that {fault}"), SECRET_FILE),
    };
    let line = text.expose().strip_suffix('\n').map_or(text.expose(), |line| line.strip_suffix('\r').unwrap_or(line));
    not_empty(checker, Secret::new(line.to_owned()), node)
}

fn not_empty(checker: &mut Checker<'_>, secret: Secret, node: &Node) -> Option<Secret> {
    if secret.expose().trim().is_empty() {
        return checker.refuse(node, "an empty client secret", "the secret that the identity provider issued");
    }
    Some(secret)
}

const EXACTLY_ONE: &str = "exactly one of \"client_secret\" and \"client_secret_file\"";
const SECRET_FILE: &str = "a readable file with the client secret in UTF-8";
