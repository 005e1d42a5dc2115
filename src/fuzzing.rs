//! What must hold for any bytes at all, one function for each kind of input that strangers send. Fuzzers call these
//! (`make fuzz`), and so do the tests, with the seeds in `fuzz/seeds` and mutations of them.
//!
//! Compiled for tests and with `--cfg fuzzing` only. A property that does not hold panics.

use crate::rejection::Rejection;
use crate::{caller, config, exchange, proxy, rejection, route};

/// A property, and the name of its seeds, its dictionary and its fuzz target.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name.
    pub name: &'static str,
    /// The property.
    pub check: fn(&[u8]),
}

/// All of them.
pub const TARGETS: [Target; 6] = [
    Target { name: "path", check: path },
    Target { name: "bearer", check: bearer },
    Target { name: "jwt", check: jwt },
    Target { name: "challenge", check: challenge },
    Target { name: "idp_answer", check: idp_answer },
    Target { name: "routes_yaml", check: routes_yaml },
];

/// A request target: what is matched is what is forwarded, however a server reads it.
pub fn path(data: &[u8]) {
    route::fuzzing::check(data);
}

/// The values of `Authorization` headers, one a line: at most one token, and only where there is one way to read them.
pub fn bearer(data: &[u8]) {
    caller::fuzzing::check_bearer(data);
}

/// A token, or after an `S` header and claims (one line, the rest) that are then signed: only a signature makes a
/// caller, and only of claims that say what they must.
pub fn jwt(data: &[u8]) {
    caller::fuzzing::check_jwt(data);
}

/// After a byte that chooses: claims to be challenged with, or a challenge to be relayed. What we build is read by a
/// strict parser as it was meant; what is relayed stays as it came.
pub fn challenge(data: &[u8]) {
    let Some((choice, data)) = data.split_first() else { return };
    match choice {
        b'R' => proxy::fuzzing::check_relay(data),
        _ => rejection::fuzzing::check_challenge(*choice, data),
    }
}

/// After a byte that chooses: an answer of a token endpoint, a key set, or a discovery document. Whatever it says, the
/// outcome is one that a caller can be told.
pub fn idp_answer(data: &[u8]) {
    let Some((choice, data)) = data.split_first() else { return };
    match choice {
        b'K' => caller::fuzzing::check_key_set(data),
        b'D' => caller::fuzzing::endpoints(data).into_iter().for_each(rejection::fuzzing::check_endpoints),
        _ => {
            for error in exchange::fuzzing::errors(data) {
                rejection::fuzzing::check_response(&Rejection::Exchange(error));
            }
        }
    }
}

/// The text of a `routes.yaml`: settings, or findings that say where.
pub fn routes_yaml(data: &[u8]) {
    config::fuzzing::check(data);
}

#[cfg(test)]
mod tests;
