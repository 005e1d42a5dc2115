//! The `scope` parameter: which resource it names and what it asks of it.

use super::refusal::Refusal;

/// A well-formed request for scopes of one resource.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct RequestedScopes {
    /// The audience of the token.
    pub(super) resource: String,
    /// The scopes' names without the resource; `.default` alone if that was asked for.
    names: Vec<String>,
    /// Whether a refresh token was asked for.
    pub(super) offline_access: bool,
}

impl RequestedScopes {
    /// Reads the parameter's value.
    pub(super) fn parse(scope: &str) -> Result<Self, Refusal> {
        let (openid, of_resource): (Vec<&str>, Vec<&str>) =
            scope.split_ascii_whitespace().partition(|scope| OPENID_SCOPES.contains(scope));
        let scopes = of_resource.into_iter().map(split_scope).collect::<Result<Vec<_>, _>>()?;
        let (resource, _) = *scopes.first().ok_or(Refusal::InvalidScope("it names no resource"))?;
        if scopes.iter().any(|(other, _)| *other != resource) {
            return Err(Refusal::SeveralResources);
        }
        if scopes.len() > 1 && scopes.iter().any(|(_, name)| *name == DEFAULT) {
            return Err(Refusal::InvalidScope("'.default' stands beside named scopes"));
        }
        Ok(Self {
            resource: resource.to_owned(),
            names: scopes.iter().map(|(_, name)| (*name).to_owned()).collect(),
            offline_access: openid.contains(&"offline_access"),
        })
    }

    /// Reads what a user signs in for. Scopes of `OpenID` Connect alone mean the user's profile in Microsoft Graph.
    pub(super) fn parse_sign_in(scope: &str) -> Result<Self, Refusal> {
        if scope.split_ascii_whitespace().all(|scope| OPENID_SCOPES.contains(&scope)) {
            return Self::parse(&format!("User.Read {scope}"));
        }
        Self::parse(scope)
    }

    /// Whether all of `other` is among these scopes.
    pub(super) fn contains(&self, other: &Self) -> bool {
        self.resource == other.resource && other.names.iter().all(|name| self.names.contains(name))
    }

    /// Whether `.default` was asked for.
    pub(super) fn is_default(&self) -> bool {
        self.names.iter().any(|name| name == DEFAULT)
    }

    /// The `scp` claim. `.default` stands for `defaults`.
    pub(super) fn scp(&self, defaults: &[String]) -> String {
        if self.is_default() { defaults.join(" ") } else { self.names.join(" ") }
    }

    /// The `scope` of the answer: what was granted, with its resource, and `.default` too where that was asked for.
    pub(super) fn granted(&self, defaults: &[String]) -> String {
        let added = if self.is_default() { defaults } else { &[] };
        let granted = added.iter().chain(&self.names).map(|name| format!("{}/{name}", self.resource));
        granted.collect::<Vec<_>>().join(" ")
    }
}

/// Whether the parameter's value contains this very scope.
pub(super) fn asks_for(scope: &str, name: &str) -> bool {
    scope.split_ascii_whitespace().any(|scope| scope == name)
}

/// Resource and name. A scope without a resource is one of Microsoft Graph.
fn split_scope(scope: &str) -> Result<(&str, &str), Refusal> {
    match scope.rsplit_once('/') {
        None => Ok((GRAPH, scope)),
        Some((resource, name)) if !resource.is_empty() && !name.is_empty() => Ok((resource, name)),
        Some(_) => Err(Refusal::InvalidScope("a scope lacks its resource or its name")),
    }
}

/// Asks for all that was consented to.
const DEFAULT: &str = ".default";

/// The resource of scopes that name none.
const GRAPH: &str = "https://graph.microsoft.com";

/// Scopes of `OpenID` Connect, which belong to no resource.
const OPENID_SCOPES: [&str; 4] = ["openid", "profile", "email", "offline_access"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_named_scopes_of_one_resource() {
        let scopes = RequestedScopes::parse("api://payroll/Read api://payroll/Write offline_access").unwrap();
        assert_eq!(scopes.resource, "api://payroll");
        assert_eq!(scopes.scp(&[]), "Read Write");
        assert_eq!(scopes.granted(&[]), "api://payroll/Read api://payroll/Write");
        assert!(scopes.offline_access);
    }

    #[test]
    fn default_grants_what_was_consented_to() {
        let scopes = RequestedScopes::parse("api://payroll/.default").unwrap();
        let consented = ["Read".to_owned()];
        assert_eq!(scopes.scp(&consented), "Read");
        assert_eq!(scopes.granted(&consented), "api://payroll/Read api://payroll/.default");
    }

    #[test]
    fn refuses_two_resources() {
        let scopes = RequestedScopes::parse("api://payroll/Read api://orders/Read");
        assert_eq!(scopes, Err(Refusal::SeveralResources));
    }

    #[test]
    fn refuses_default_beside_named_scopes() {
        let scopes = RequestedScopes::parse("api://payroll/.default api://payroll/Read");
        assert_eq!(scopes.unwrap_err().code(), 70_011);
    }

    #[test]
    fn refuses_scopes_without_resource_or_name() {
        for scope in ["openid offline_access", "api://payroll/", "/Read"] {
            assert_eq!(RequestedScopes::parse(scope).unwrap_err().code(), 70_011, "{scope}");
        }
    }
}
