//! What the proxy knows of itself, for people and their tools: no token, no secret, nothing of any caller.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Serialize;

use super::gateway::Gateway;
use super::generation::Generation;
use super::party::Party;
use super::route::Route;
use super::target::Backend;
use crate::caller::KeysKnown;
use crate::exchange::CredentialDescription;
use crate::identity::Provider;

/// The proxy at this moment.
#[derive(Debug, Serialize)]
pub struct GatewayStatus {
    /// Whether it wants requests, and is able to judge them.
    pub ready: bool,
    /// Whether it is leaving.
    pub draining: bool,
    /// Requests that have begun and not ended.
    pub in_flight: i64,
    /// What is remembered.
    pub caches: CachesStatus,
    /// Our registrations.
    pub identities: Vec<IdentityStatus>,
    /// Their targets.
    pub targets: Vec<TargetStatus>,
    /// The routes, in the order of the configuration.
    pub routes: Vec<RouteStatus>,
}

/// Entries of the caches.
#[derive(Debug, Serialize)]
pub struct CachesStatus {
    /// The bound of each.
    pub max_entries: usize,
    /// Verified tokens A, of all identities.
    pub callers: usize,
    /// Tokens B.
    pub tokens: usize,
    /// Refusals of exchanges.
    pub refusals: usize,
}

/// A registration.
#[derive(Debug, Serialize)]
pub struct IdentityStatus {
    /// Its name.
    pub name: Box<str>,
    /// `entra` or `openid`.
    pub provider: &'static str,
    /// The authority, or the issuer.
    pub address: Box<str>,
    /// The application (client) ID.
    pub client_id: Box<str>,
    /// Verified tokens A that are remembered.
    pub callers: usize,
    /// Its tenants; a provider without tenants has one with an empty `id`.
    pub tenants: Vec<TenantStatus>,
    /// Its credentials, in the order in which they are tried.
    pub credentials: Vec<CredentialStatus>,
}

/// The signing keys of a tenant.
#[derive(Debug, Serialize)]
pub struct TenantStatus {
    /// Its GUID.
    pub id: Box<str>,
    /// How many keys are accepted.
    pub keys: usize,
    /// When they were loaded.
    pub keys_loaded: Option<String>,
    /// Whether the last download failed.
    pub last_download_failed: bool,
}

/// A credential, without what is secret of it.
#[derive(Debug, Serialize)]
pub struct CredentialStatus {
    /// What it is.
    pub kind: &'static str,
    /// The thumbprint (`x5t#S256`) of its certificate.
    pub thumbprint: Option<String>,
    /// When its certificate ends.
    pub ends: Option<String>,
}

/// A route.
#[derive(Debug, Serialize)]
pub struct RouteStatus {
    /// Its name.
    pub name: Box<str>,
    /// Its identity.
    pub identity: Box<str>,
    /// Its target, by name.
    pub target: Box<str>,
}

/// A target, which several routes may share.
#[derive(Debug, Serialize)]
pub struct TargetStatus {
    /// Scheme, host and port: what logs and metrics call it.
    pub name: Box<str>,
    /// Requests under way there.
    pub in_flight: usize,
    /// Its addresses; none while its name has never resolved.
    pub addresses: Vec<AddressStatus>,
}

/// An address of a target.
#[derive(Debug, Serialize)]
pub struct AddressStatus {
    /// IP address and port.
    pub address: String,
    /// Whether nothing speaks against it: neither its health check nor what became of requests.
    pub healthy: bool,
    /// Requests under way there.
    pub in_flight: usize,
}

impl Gateway {
    /// What the proxy knows of itself.
    pub fn status(&self) -> GatewayStatus {
        let generation = self.generation();
        GatewayStatus {
            ready: self.is_ready() && !self.is_leaving(),
            draining: self.is_leaving(),
            in_flight: self.in_flight(),
            caches: caches(&generation),
            identities: generation.parties.iter().map(identity).collect(),
            targets: generation.backends.iter().map(target).collect(),
            routes: generation.gate.routes.iter().map(route).collect(),
        }
    }
}

fn caches(generation: &Generation) -> CachesStatus {
    CachesStatus {
        max_entries: generation.cache_entries,
        callers: generation.verifiers().map(|verifier| verifier.remembered()).sum(),
        tokens: generation.gate.exchanger.remembered(),
        refusals: generation.gate.exchanger.remembered_refusals(),
    }
}

fn identity(party: &Party) -> IdentityStatus {
    let identity = &party.identity;
    IdentityStatus {
        name: (&*identity.name).into(),
        provider: if let Provider::Entra { .. } = identity.provider { "entra" } else { "openid" },
        address: identity.provider.address().into(),
        client_id: identity.client_id.clone(),
        callers: party.verifier.remembered(),
        tenants: party.verifier.keys().iter().map(tenant).collect(),
        credentials: party.authenticator.describe().into_iter().map(credential).collect(),
    }
}

fn tenant(known: &KeysKnown) -> TenantStatus {
    TenantStatus {
        id: known.tenant.id().into(),
        keys: known.keys,
        keys_loaded: known.loaded.map(moment),
        last_download_failed: known.is_stale,
    }
}

fn credential(described: CredentialDescription) -> CredentialStatus {
    let (thumbprint, ends) = described.certificate.unzip();
    let ends = ends.and_then(|ends| u64::try_from(ends).ok());
    let ends = ends.and_then(|ends| UNIX_EPOCH.checked_add(Duration::from_secs(ends)));
    CredentialStatus { kind: described.kind, thumbprint, ends: ends.map(moment) }
}

fn target(backend: &Arc<Backend>) -> TargetStatus {
    let addresses = backend.addresses().into_iter();
    let address = |(address, healthy, in_flight): (SocketAddr, bool, usize)| AddressStatus {
        address: address.to_string(),
        healthy,
        in_flight,
    };
    TargetStatus {
        name: backend.origin().into(),
        in_flight: backend.under_way(),
        addresses: addresses.map(address).collect(),
    }
}

fn route(route: &Arc<Route>) -> RouteStatus {
    RouteStatus {
        name: (&*route.name).into(),
        identity: (&*route.identity.name).into(),
        target: route.target.origin().into(),
    }
}

fn moment(time: SystemTime) -> String {
    humantime::format_rfc3339_seconds(time).to_string()
}
