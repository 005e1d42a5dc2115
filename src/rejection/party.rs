//! For whom a refusal speaks, and where it sends the caller.

use crate::identity::{Identity, Tenant};

/// What a refusal says of us: where a route was found, its identity, and the caller's tenant as far as it is known.
#[derive(Debug, Clone, Copy)]
pub struct Party<'a> {
    /// What names us in challenges.
    pub identity: &'a Identity,
    /// Where the caller signs in, and its administrator consents.
    pub tenant: &'a Tenant,
    /// What the route tells clients about getting tokens, if it does.
    pub resource: Option<Resource<'a>>,
}

/// What challenges say of a route that has metadata (RFC 9728 section 5.1).
#[derive(Debug, Clone, Copy)]
pub struct Resource<'a> {
    /// The URL of its metadata, where it is known by which name the caller reached us.
    pub metadata: Option<&'a str>,
    /// The scopes that a client without a good token asks for.
    pub scopes: &'a [Box<str>],
}
