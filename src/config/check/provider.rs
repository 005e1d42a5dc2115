//! Which identity provider a registration is at, and whose callers it accepts.

use std::sync::Arc;

use super::text::guid;
use super::{Checker, address};
use crate::config::document::Node;
use crate::config::file;
use crate::config::findings::quoted;
use crate::identity::{Cloud, Provider, Tenant};

/// A provider, and the tenants whose callers are accepted.
pub(super) struct Registered {
    pub(super) provider: Provider,
    pub(super) tenants: Vec<Arc<Tenant>>,
    /// The tenant that stands for all.
    pub(super) anyone: Arc<Tenant>,
}

/// The tenants that the file names.
enum Tenants {
    One(Box<str>),
    /// Those whose callers say so themselves, by the `tid` of their tokens.
    Listed(Vec<Box<str>>),
}

/// Checks the keys of `identity` that choose a provider; `node` is the identity.
pub(super) fn registered(
    checker: &mut Checker<'_>,
    identity: &file::Identity,
    client_id: Option<&str>,
    node: &Node,
) -> Option<Registered> {
    match &identity.issuer {
        Some(issuer) => openid(checker, identity, issuer, node),
        None => entra(checker, identity, client_id, node),
    }
}

fn openid(checker: &mut Checker<'_>, identity: &file::Identity, issuer: &str, node: &Node) -> Option<Registered> {
    report_keys_of_entra(checker, identity, node);
    let mut usable = |key: &str, text: Option<&str>| {
        text.is_none_or(|text| protected(checker, text, identity.allow_http, node.key(key)).is_some())
    };
    let usable = [
        usable("issuer", Some(issuer)),
        usable("discovery", identity.discovery.as_deref()),
        usable("token_endpoint", identity.token_endpoint.as_deref()),
    ];
    usable.iter().all(|usable| *usable).then(|| {
        let only = Arc::new(without_tenants(identity, issuer));
        Registered {
            provider: Provider::Oidc { issuer: issuer.into() },
            tenants: vec![Arc::clone(&only)],
            anyone: only,
        }
    })
}

/// Where the document is elsewhere, it may name another issuer; tokens may not.
fn without_tenants(identity: &file::Identity, issuer: &str) -> Tenant {
    let tenant = match &identity.discovery {
        Some(discovery) => Tenant::oidc(discovery).with_issuers(&[issuer.into()]),
        None => Tenant::of_issuer(issuer),
    };
    match &identity.token_endpoint {
        Some(address) => tenant.with_token_endpoint(address),
        None => tenant,
    }
}

/// What belongs to Entra has no meaning at another provider.
fn report_keys_of_entra(checker: &mut Checker<'_>, identity: &file::Identity, node: &Node) {
    for (key, given) in [
        ("tenant_id", identity.tenant_id.is_some()),
        ("tenants", identity.tenants.is_some()),
        ("cloud", identity.cloud.is_some()),
        ("authority", identity.authority.is_some()),
        ("issuers", identity.issuers.is_some()),
    ] {
        if given {
            let accepted = "\"issuer\" alone, or \"tenant_id\" with what belongs to Entra";
            checker.report(node.key(key), format!("both \"issuer\" and {}", quoted(key)), accepted);
        }
    }
}

fn entra(
    checker: &mut Checker<'_>,
    identity: &file::Identity,
    client_id: Option<&str>,
    node: &Node,
) -> Option<Registered> {
    for (key, given) in
        [("discovery", identity.discovery.is_some()), ("token_endpoint", identity.token_endpoint.is_some())]
    {
        if given {
            checker.report(node.key(key), format!("{} without \"issuer\"", quoted(key)), "it beside \"issuer\" only");
        }
    }
    let tenants = tenants(checker, identity, node);
    let authority = authority(checker, identity, node);
    let issuers = issuers(checker, identity, node.key("issuers"));
    let (tenants, authority, client_id) = (tenants?, authority?, client_id?);
    let tenant = |id: &str| {
        let tenant = Tenant::entra(&authority, id, client_id);
        Arc::new(if issuers.is_empty() { tenant } else { tenant.with_issuers(&issuers) })
    };
    let (tenants, anyone) = match tenants {
        Tenants::One(id) => {
            let only = tenant(&id);
            (vec![Arc::clone(&only)], only)
        }
        Tenants::Listed(ids) => (ids.iter().map(|id| tenant(id)).collect(), tenant(ANY_ORGANIZATION)),
    };
    Some(Registered { provider: Provider::Entra { authority }, tenants, anyone })
}

fn tenants(checker: &mut Checker<'_>, identity: &file::Identity, node: &Node) -> Option<Tenants> {
    match (identity.tenant_id.as_deref(), &identity.tenants) {
        (Some(CALLER), Some(tenants)) => listed(checker, tenants, node.key("tenants")).map(Tenants::Listed),
        (Some(CALLER), None) => checker.missing(node, "tenants", "the GUIDs of the tenants whose callers are accepted"),
        (None, _) => checker.missing(node, "tenant_id", format!("{TENANT_ID}; or \"issuer\" for another provider")),
        (Some(text), tenants) => {
            if tenants.is_some() {
                let accepted = "it beside \"tenant_id: caller\" only";
                checker.report(node.key("tenants"), "\"tenants\" beside one tenant", accepted);
            }
            match guid(text) {
                Some(guid) => Some(Tenants::One(guid.into())),
                None => checker.refuse(node.key("tenant_id"), quoted(text), TENANT_ID),
            }
        }
    }
}

fn is_by_caller(identity: &file::Identity) -> bool {
    identity.tenant_id.as_deref() == Some(CALLER)
}

/// An entry that is not a GUID has its finding; one that stands for several tenants is none.
fn listed(checker: &mut Checker<'_>, tenants: &[String], node: &Node) -> Option<Vec<Box<str>>> {
    let mut ids = Vec::new();
    for (n, tenant) in tenants.iter().enumerate() {
        match guid(tenant) {
            Some(id) => ids.push(id.into()),
            None => checker.report(node.item(n), quoted(tenant), GUID),
        }
    }
    let spelt: Vec<_> = tenants.iter().map(|tenant| tenant.to_ascii_lowercase()).collect();
    checker.no_repeats(&spelt, node);
    (ids.len() == tenants.len()).then_some(ids)
}

fn authority(checker: &mut Checker<'_>, identity: &file::Identity, node: &Node) -> Option<Box<str>> {
    match (&identity.authority, identity.cloud) {
        (Some(_), Some(_)) => {
            checker.refuse(node.key("cloud"), "both \"cloud\" and \"authority\"", "one of the two, or neither")
        }
        (Some(text), None) => base_address(checker, text, identity.allow_http, node.key("authority")),
        (None, cloud) => Some(Cloud::from(cloud.unwrap_or_default()).authority().into()),
    }
}

/// The issuers that were given in place of those of discovery. They are kept as they are written, because that is how
/// they are compared.
fn issuers(checker: &mut Checker<'_>, identity: &file::Identity, node: &Node) -> Vec<Box<str>> {
    let issuers = identity.issuers.as_deref().unwrap_or_default();
    for (n, issuer) in issuers.iter().enumerate() {
        let of_one = issuer.replace(PLACEHOLDER, EXAMPLE_TENANT);
        let usable = protected(checker, &of_one, identity.allow_http, node.item(n)).is_some();
        if usable && is_by_caller(identity) && !issuer.contains(PLACEHOLDER) {
            checker.report(
                node.item(n),
                quoted(issuer),
                "an issuer with \"{tenantid}\", so that each tenant has its own",
            );
        }
    }
    checker.no_repeats(issuers, node);
    issuers.iter().map(|issuer| issuer.as_str().into()).collect()
}

/// An address of the provider to which more is appended.
fn base_address(checker: &mut Checker<'_>, text: &str, allow_http: bool, node: &Node) -> Option<Box<str>> {
    let address = protected(checker, text, allow_http, node)?;
    let origin = address.url.origin().ascii_serialization();
    Some(format!("{origin}{}", address.path.trim_end_matches('/')).into())
}

/// An address that nobody on the way can read or change, unless that was asked for.
fn protected(checker: &mut Checker<'_>, text: &str, allow_http: bool, node: &Node) -> Option<address::Address> {
    let address = address::parse(checker, text, node)?;
    if address.is_https() || address.is_loopback() || allow_http {
        return Some(address);
    }
    let accepted = "an https URL; http only with a loopback address or with \"allow_http: true\"";
    checker.refuse(node, quoted(text), accepted)
}

impl From<file::Cloud> for Cloud {
    fn from(cloud: file::Cloud) -> Self {
        match cloud {
            file::Cloud::Public => Self::Public,
            file::Cloud::UsGovernment => Self::UsGovernment,
            file::Cloud::China => Self::China,
        }
    }
}

/// What `tenant_id` says where the tenant is that of the caller.
const CALLER: &str = "caller";

/// What Entra calls the tenant of a user whose own is not known.
const ANY_ORGANIZATION: &str = "organizations";

/// What stands for the GUID of a tenant in an issuer, and a GUID to try it with.
const PLACEHOLDER: &str = "{tenantid}";
const EXAMPLE_TENANT: &str = "11111111-2222-3333-4444-555555555555";

const GUID: &str = "the tenant's GUID, such as \"11111111-2222-3333-4444-555555555555\"";
const TENANT_ID: &str =
    "the tenant's GUID, such as \"11111111-2222-3333-4444-555555555555\", or \"caller\" with a list of \"tenants\"";
