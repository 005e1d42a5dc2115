//! Our registrations at the identity provider, and the names by which routes call them.

use std::time::Duration;

use super::text::{CLIENT_ID, LABEL, is_client_id, is_label, with_lower_case_guid};
use super::{Checker, Range, Refused, credential, pem, provider, rate_limit};
use crate::config::document::Node;
use crate::config::file;
use crate::config::findings::{quoted, quoted_choice, suggestion};
use crate::identity::Identity;

/// Checks the identity `name`; `identities` is the mapping that it is in.
pub(super) fn identity(
    checker: &mut Checker<'_>,
    name: &str,
    identity: file::Identity,
    identities: &Node,
) -> Option<Identity> {
    if !is_label(name) {
        checker.findings.add(identities.key_position(name), format!("found the name {}", quoted(name)), LABEL);
    }
    let node = identities.key(name);
    let identity = with_variables(checker, identity);
    let is_entra = identity.issuer.is_none();
    let client_id = match &identity.client_id {
        Some(text) => client_id(checker, text, is_entra, node.key("client_id")),
        None => checker.missing(node, "client_id", "the application (client) ID"),
    };
    let registered = provider::registered(checker, &identity, client_id.as_deref(), node);
    let credentials = credential::credentials(checker, identity.credential.0, node.key("credential"));
    let ca =
        identity.ca_file.map(|path| pem::authorities(checker, &path, node.key("ca_file")).ok_or(Refused)).transpose();
    let audiences = audiences(checker, identity.audiences, node.key("audiences"))
        .unwrap_or_else(|| default_audiences(client_id.as_deref().unwrap_or_default(), is_entra));
    let algorithms = algorithms(checker, &identity.algorithms, node.key("algorithms"));
    let clock_skew = checker.duration(&identity.clock_skew, node.key("clock_skew"), &CLOCK_SKEW);
    let timeout = checker.duration(&identity.timeout, node.key("timeout"), &TIMEOUT);
    let key_refresh = checker.duration(&identity.key_refresh, node.key("key_refresh"), &KEY_REFRESH);
    let exchange_limit = identity
        .exchange_limit
        .map(|limit| rate_limit::exchange_limit(checker, &limit, node.key("exchange_limit")).ok_or(Refused));
    let exchange_limit = exchange_limit.transpose();
    let registered = registered?;
    Some(Identity {
        name: name.into(),
        provider: registered.provider,
        tenants: registered.tenants,
        anyone: registered.anyone,
        client_id: client_id?,
        credentials: credentials?,
        ca: ca.ok()?,
        audiences,
        algorithms,
        clock_skew: clock_skew?,
        timeout: timeout?,
        key_refresh: key_refresh?,
        exchange_limit: exchange_limit.ok()?,
    })
}

/// Workload identity leaves what the file does not say to the variables that its webhook sets.
fn with_variables(checker: &Checker<'_>, mut identity: file::Identity) -> file::Identity {
    let is_workload = identity.credential.0.iter().any(|credential| credential.workload_identity.is_some());
    if is_workload && identity.issuer.is_none() {
        identity.client_id = identity.client_id.or_else(|| checker.variable("AZURE_CLIENT_ID"));
        identity.tenant_id = identity.tenant_id.or_else(|| checker.variable("AZURE_TENANT_ID"));
        if identity.cloud.is_none() {
            identity.authority = identity.authority.or_else(|| checker.variable("AZURE_AUTHORITY_HOST"));
        }
    }
    identity
}

/// The identities that routes can name.
pub(super) struct Names<'a> {
    /// All names in the file.
    pub(super) declared: &'a [&'a str],
    /// The identities without findings, in the order of `Settings::identities`.
    pub(super) checked: &'a [Identity],
}

impl Names<'_> {
    /// The position of an identity, by name or because it is the only one. None without a finding where there is one
    /// about that identity, or about there being none.
    pub(super) fn position(&self, checker: &mut Checker<'_>, name: Option<&str>, route: &Node) -> Option<usize> {
        let all = || self.declared.iter().copied();
        let name = match (name, self.declared) {
            (_, []) => return None,
            (Some(name), _) if self.declared.contains(&name) => name,
            (Some(name), _) => {
                let accepted = format!("{}{}", quoted_choice(all()), suggestion(name, all()));
                return checker.refuse(
                    route.key("identity"),
                    format!("the unknown identity {}", quoted(name)),
                    accepted,
                );
            }
            (None, [only]) => only,
            (None, _) => return checker.missing(route, "identity", quoted_choice(all())),
        };
        self.checked.iter().position(|checked| &*checked.name == name)
    }
}

fn client_id(checker: &mut Checker<'_>, text: &str, is_entra: bool, node: &Node) -> Option<Box<str>> {
    match is_client_id(text) {
        true if is_entra => Some(with_lower_case_guid(text.to_owned())),
        true => Some(text.into()),
        false => checker.refuse(node, quoted(text), CLIENT_ID),
    }
}

fn audiences(checker: &mut Checker<'_>, audiences: Option<Vec<String>>, node: &Node) -> Option<Vec<Box<str>>> {
    let audiences = audiences?;
    for (n, audience) in audiences.iter().enumerate() {
        if audience.is_empty() || audience.contains(|c: char| c.is_whitespace() || c.is_control()) {
            checker.report(node.item(n), quoted(audience), "text without blanks, as \"aud\" has it");
        }
    }
    checker.no_repeats(&audiences, node);
    Some(audiences.into_iter().map(Into::into).collect())
}

fn default_audiences(client_id: &str, is_entra: bool) -> Vec<Box<str>> {
    let mut audiences = vec![client_id.into()];
    if is_entra {
        audiences.push(format!("api://{client_id}").into());
    }
    audiences
}

fn algorithms(checker: &mut Checker<'_>, algorithms: &[file::Algorithm], node: &Node) -> Vec<jsonwebtoken::Algorithm> {
    let names: Vec<_> = algorithms.iter().map(|algorithm| format!("{algorithm:?}")).collect();
    checker.no_repeats(&names, node);
    algorithms.iter().copied().map(Into::into).collect()
}

impl From<file::Algorithm> for jsonwebtoken::Algorithm {
    fn from(algorithm: file::Algorithm) -> Self {
        match algorithm {
            file::Algorithm::RS256 => Self::RS256,
            file::Algorithm::RS384 => Self::RS384,
            file::Algorithm::RS512 => Self::RS512,
            file::Algorithm::PS256 => Self::PS256,
            file::Algorithm::PS384 => Self::PS384,
            file::Algorithm::PS512 => Self::PS512,
            file::Algorithm::ES256 => Self::ES256,
            file::Algorithm::ES384 => Self::ES384,
            file::Algorithm::EdDSA => Self::EdDSA,
        }
    }
}

const CLOCK_SKEW: Range = Range::new(Duration::ZERO, Duration::from_mins(5), "0s to 5m");
const TIMEOUT: Range = Range::new(Duration::from_millis(100), Duration::from_mins(1), "100ms to 60s");
const KEY_REFRESH: Range = Range::new(Duration::from_mins(1), Duration::from_hours(24), "1m to 24h");
