//! Users: whoever signs in exists, and is the same user whenever that name signs in.

use aws_lc_rs::digest::{SHA256, digest};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{
    jwt,
    mint::{DEFAULT_USER_OID, members},
};

/// Somebody who signed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct User {
    pub(super) oid: String,
    /// The name they signed in with.
    account: String,
}

impl User {
    /// The user who signs in with this name.
    pub(super) fn named(account: &str) -> Self {
        Self { oid: user_oid(account), account: account.trim().to_owned() }
    }

    /// The user that a token's claims are about.
    pub(super) fn of(claims: &Map<String, Value>) -> Self {
        let oid = jwt::text(claims, "oid").or_else(|| jwt::text(claims, "sub")).unwrap_or("").to_owned();
        let account = jwt::text(claims, "preferred_username").unwrap_or(&oid).to_owned();
        Self { oid, account }
    }

    /// The claims that describe the user.
    pub(super) fn claims(&self) -> Map<String, Value> {
        let name = if self.account.eq_ignore_ascii_case(DEFAULT_ACCOUNT) {
            DEFAULT_NAME
        } else {
            self.account.split('@').next().unwrap_or(&self.account)
        };
        members(json!({"name": name, "preferred_username": self.account}))
    }
}

impl Default for User {
    fn default() -> Self {
        Self::named(DEFAULT_ACCOUNT)
    }
}

/// The `oid` of the user who signs in with this name: of `user@contoso.example` the default one, of a GUID the GUID
/// itself, of any other name one derived from it. Upper and lower case are the same.
pub fn user_oid(account: &str) -> String {
    let account = account.trim().to_ascii_lowercase();
    if account == DEFAULT_ACCOUNT {
        return DEFAULT_USER_OID.to_owned();
    }
    let derived = || {
        let digest = digest(&SHA256, account.as_bytes());
        let bytes = digest.as_ref().first_chunk().copied().unwrap_or_default();
        uuid::Builder::from_random_bytes(bytes).into_uuid()
    };
    Uuid::try_parse(&account).unwrap_or_else(|_| derived()).to_string()
}

/// The account of the default user.
pub(super) const DEFAULT_ACCOUNT: &str = "user@contoso.example";

/// The display name of the default user.
pub(super) const DEFAULT_NAME: &str = "Sample User";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_is_the_same_user_in_any_case() {
        assert_eq!(user_oid("Carol@contoso.example"), user_oid(" carol@contoso.example"));
        assert_ne!(user_oid("carol@contoso.example"), user_oid("dave@contoso.example"));
    }

    #[test]
    fn guid_is_its_own_user() {
        let oid = "0e0e0e0e-1111-4222-8333-444444444444";
        assert_eq!(user_oid(oid), oid);
        assert_eq!(User::default().oid, DEFAULT_USER_OID);
    }
}
