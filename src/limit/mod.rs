//! Rate limits: how often one user, client application or address may do something, counted in bounded memory.
//!
//! `rate` is the arithmetic (the generic cell rate algorithm: one moment per key), `limiter` keeps that moment for many
//! keys. A key that is new when all room is taken begins with at least the debt of every key that was forgotten: whoever
//! can invent keys gains nothing by it, and the limit holds for each key whatever others do.

mod limiter;
mod rate;

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use crate::digest::Digest;

pub use limiter::Limiter;

/// A rate limit, as it was configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    /// So many are admitted in each `per`, in the long run; 1 to 100,000.
    pub requests: u32,
    /// The time that `requests` is about; 1 s to 24 h.
    pub per: Duration,
    /// So many are admitted at once after a pause; 1 to 100,000.
    pub burst: u32,
    /// Who is counted on its own.
    pub by: CountedBy,
}

/// Who is counted on its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CountedBy {
    /// Each user or, where an application acts on its own, each application.
    User,
    /// Each client application, over all its users.
    Client,
    /// Each IPv4 address and each IPv6 network of 64 bits.
    Address,
}

/// Something that has been refused, and how long to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exceeded {
    /// Who was counted.
    pub by: CountedBy,
    /// After so long one more would be admitted.
    pub retry_after: Duration,
}

/// One that is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Counted(Key);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Key {
    Caller(Digest),
    Address(IpAddr),
    /// All that cannot be told apart, together.
    Unknown,
}

impl Counted {
    /// A user or a client application, by the digest of its name; all without a name count as one.
    pub fn caller(name: Option<Digest>) -> Self {
        Self(name.map_or(Key::Unknown, Key::Caller))
    }

    /// An address. An IPv6 caller has at least the 64 bits of its network's hosts to itself, so that single addresses
    /// would tell nothing; an IPv4 address in IPv6 form is what it stands for.
    pub fn address(address: Option<IpAddr>) -> Self {
        Self(match address.map(|address| address.to_canonical()) {
            Some(IpAddr::V6(address)) => Key::Address(IpAddr::V6((address.to_bits() & NETWORK).into())),
            Some(address) => Key::Address(address),
            None => Key::Unknown,
        })
    }
}

impl CountedBy {
    /// The word of the configuration, of metrics and of logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Client => "client",
            Self::Address => "address",
        }
    }
}

impl fmt::Display for CountedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The bits of an IPv6 address that name a network.
const NETWORK: u128 = !(u64::MAX as u128);

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Counted {
        Counted::address(Some(text.parse().unwrap()))
    }

    #[test]
    fn an_ipv6_network_counts_as_one_and_an_ipv4_address_as_itself() {
        assert_eq!(address("2001:db8:1:2::1"), address("2001:db8:1:2:ffff:ffff:ffff:ffff"));
        assert_ne!(address("2001:db8:1:2::1"), address("2001:db8:1:3::1"));
        assert_eq!(address("::ffff:192.0.2.1"), address("192.0.2.1"));
        assert_ne!(address("::ffff:192.0.2.1"), address("::ffff:192.0.2.2"));
        assert_ne!(address("192.0.2.1"), Counted::address(None));
    }

    #[test]
    fn callers_without_a_name_count_as_one() {
        assert_eq!(Counted::caller(None), Counted::caller(None));
        assert_ne!(Counted::caller(Some(Digest::of(b"a"))), Counted::caller(Some(Digest::of(b"b"))));
    }
}
