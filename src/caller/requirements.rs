//! What a route asks of a caller beyond a valid token.

use super::claims::Claims;

/// `require` of a route: every scope, every role, and one of the client applications.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
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
    /// Checks what a token says.
    ///
    /// # Errors
    /// The first thing that is [`Lacking`].
    pub fn check(&self, claims: &Claims) -> Result<(), Lacking> {
        self.check_scopes(claims)?;
        self.check_roles(claims)?;
        self.check_client(claims)
    }

    /// Checks the scopes alone.
    ///
    /// # Errors
    /// The first scope that is [`Lacking`].
    pub fn check_scopes(&self, claims: &Claims) -> Result<(), Lacking> {
        let lacking = self.scopes.iter().find(|scope| !claims.scopes().contains(scope));
        lacking.map_or(Ok(()), |scope| Err(Lacking::Scope(scope.clone())))
    }

    /// Checks the roles alone.
    ///
    /// # Errors
    /// The first role that is [`Lacking`].
    pub fn check_roles(&self, claims: &Claims) -> Result<(), Lacking> {
        let lacking = self.roles.iter().find(|role| !claims.roles().contains(role));
        lacking.map_or(Ok(()), |role| Err(Lacking::Role(role.clone())))
    }

    /// Checks the client application alone.
    ///
    /// # Errors
    /// That it is not among those listed.
    pub fn check_client(&self, claims: &Claims) -> Result<(), Lacking> {
        let client = claims.client();
        if self.clients.is_empty() || self.clients.iter().any(|known| Some(&**known) == client) {
            return Ok(());
        }
        Err(Lacking::Client(client.map(Into::into)))
    }
}
