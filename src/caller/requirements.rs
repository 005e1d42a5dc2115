//! What a route asks of a caller beyond a valid token.

use super::VerifiedCaller;

/// `require` of a route: every scope, every role, and one of the client applications.
#[derive(Debug, Clone, Default)]
pub struct Requirements {
    /// Scopes (`scp`) that token A must all have.
    pub scopes: Vec<Box<str>>,
    /// Roles (`roles`) that token A must all have.
    pub roles: Vec<Box<str>>,
    /// Client applications (`azp`, `appid`) of which one must have acquired token A; none means any.
    pub clients: Vec<Box<str>>,
}

/// What a caller lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lacking {
    /// A scope.
    Scope(Box<str>),
    /// A role.
    Role(Box<str>),
    /// Its client application is not among those listed; the one it used, if the token names it.
    Client(Option<Box<str>>),
}

impl Requirements {
    /// Checks a caller.
    ///
    /// # Errors
    /// The first thing that is [`Lacking`].
    pub fn check(&self, caller: &VerifiedCaller) -> Result<(), Lacking> {
        if let Some(scope) = self.scopes.iter().find(|scope| !caller.has_scope(scope)) {
            return Err(Lacking::Scope(scope.clone()));
        }
        if let Some(role) = self.roles.iter().find(|role| !caller.has_role(role)) {
            return Err(Lacking::Role(role.clone()));
        }
        let client = caller.client();
        if !self.clients.is_empty() && !self.clients.iter().any(|known| Some(&**known) == client) {
            return Err(Lacking::Client(client.map(Into::into)));
        }
        Ok(())
    }
}
