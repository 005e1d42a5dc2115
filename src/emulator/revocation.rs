//! The order in which tokens were issued, and which users' earlier tokens were revoked.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicU64, Ordering},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value};

use super::{clock::unix_now, guarded::Guarded, jwt};

/// Numbers tokens through their `uti` claim, so that a revocation is exact where `iat`, in seconds, would not be.
#[derive(Debug, Default)]
pub(super) struct Issuance {
    issued: AtomicU64,
    grants: Guarded<Marks>,
    downstream: Guarded<Marks>,
}

impl Issuance {
    /// A `uti` claim for the next token: unique, and later than all before.
    pub(super) fn next_uti(&self) -> String {
        let number = self.issued.fetch_add(1, Ordering::Relaxed);
        let bytes = [fastrand::u64(..).to_be_bytes(), number.to_be_bytes()].concat();
        jwt::base64url(&bytes)
    }

    /// Revokes all tokens of a user issued so far, callers' tokens and those of targets.
    pub(super) fn revoke_all(&self, oid: &str) {
        self.grants.lock().set(oid, self.mark());
        self.revoke_downstream(oid);
    }

    /// Revokes only the tokens for targets that a user's exchanges gave so far.
    pub(super) fn revoke_downstream(&self, oid: &str) {
        self.downstream.lock().set(oid, self.mark());
    }

    /// Whether a caller's token with these claims was revoked.
    pub(super) fn is_grant_revoked(&self, claims: &Map<String, Value>) -> bool {
        self.grants.lock().covers(claims)
    }

    /// Whether a token for a target with these claims was revoked.
    pub(super) fn is_downstream_revoked(&self, claims: &Map<String, Value>) -> bool {
        self.downstream.lock().covers(claims)
    }

    /// Takes every revocation back.
    pub(super) fn clear(&self) {
        self.grants.lock().0.clear();
        self.downstream.lock().0.clear();
    }

    fn mark(&self) -> Mark {
        Mark { issued: self.issued.load(Ordering::Relaxed), second: unix_now() }
    }
}

/// The moment of a revocation, as a count of tokens and as a time.
#[derive(Debug, Clone, Copy)]
struct Mark {
    issued: u64,
    second: i64,
}

/// The latest revocation of each user.
#[derive(Debug, Default)]
struct Marks(HashMap<String, Mark>);

impl Marks {
    fn set(&mut self, oid: &str, mark: Mark) {
        if self.0.len() >= MAX_USERS && !self.0.contains_key(oid) {
            let oldest = self.0.iter().min_by_key(|(_, mark)| mark.issued).map(|(oid, _)| oid.clone());
            oldest.map(|oldest| self.0.remove(&oldest));
        }
        self.0.insert(oid.to_owned(), mark);
    }

    fn covers(&self, claims: &Map<String, Value>) -> bool {
        let Some(mark) = jwt::text(claims, "oid").and_then(|oid| self.0.get(oid)) else { return false };
        match jwt::text(claims, "uti").and_then(issue_number) {
            Some(number) => number < mark.issued,
            // A token with claims of its own making: `iat` is all there is.
            None => claims.get("iat").and_then(Value::as_i64).is_none_or(|iat| iat <= mark.second),
        }
    }
}

/// The number that [`Issuance::next_uti`] put into a `uti` claim.
fn issue_number(uti: &str) -> Option<u64> {
    let bytes = URL_SAFE_NO_PAD.decode(uti).ok().filter(|bytes| bytes.len() == 16)?;
    bytes.last_chunk().copied().map(u64::from_be_bytes)
}

/// How many revoked users are remembered; the oldest make room.
const MAX_USERS: usize = 10_000;
