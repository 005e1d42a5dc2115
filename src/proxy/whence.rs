//! Where a request comes from: the peer of its connection, or whom a trusted proxy there names in `X-Forwarded-For`.

use std::fmt::Write;
use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, HeaderName, HeaderValue};

use super::values::header_value;
use crate::network::Networks;
use crate::route::HostName;

/// Where a request comes from, as far as somebody whom we trust says so.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Whence {
    /// The address of the caller, for logs and limits: of all hops, ours included, the last one that is not trusted.
    pub(super) address: Option<IpAddr>,
    /// The address at the other end of the connection.
    peer: Option<IpAddr>,
    /// Whether the peer is a trusted proxy.
    by_proxy: bool,
    /// How many entries at the end of `X-Forwarded-For` a trusted proxy has written.
    vouched: usize,
}

impl Whence {
    /// Reads it off the connection and, where its peer is trusted, off the headers. The caller's own claims, further to
    /// the left than the first address that is not trusted, are never looked at.
    pub(super) fn of(peer: Option<IpAddr>, headers: &HeaderMap, trusted: &Networks) -> Self {
        let peer = peer.map(|address| address.to_canonical());
        let by_proxy = peer.is_some_and(|peer| trusted.contains(peer));
        let mut whence = Self { address: peer, peer, by_proxy, vouched: 0 };
        if !by_proxy {
            return whence;
        }
        // What is no address ends the list: nobody vouches for what stands before it.
        for hop in hops(headers).map_while(address) {
            whence.address = Some(hop);
            whence.vouched += 1;
            if !trusted.contains(hop) {
                break;
            }
        }
        whence
    }

    /// The trusted proxy between the caller and us, if there is one.
    pub(super) fn proxy(&self) -> Option<IpAddr> {
        self.peer.filter(|_| self.by_proxy)
    }

    /// `X-Forwarded-For` as the target gets it: from the caller's address to that of our peer, which is `alone` where
    /// that has been written already.
    pub(super) fn forwarded_for(&self, headers: &HeaderMap, alone: Option<&HeaderValue>) -> Option<HeaderValue> {
        let peer = self.peer?;
        if let (0, Some(alone)) = (self.vouched, alone) {
            return Some(alone.clone());
        }
        let mut chain: Vec<_> = hops(headers).map_while(address).take(self.vouched).collect();
        chain.reverse();
        header_value(|value| {
            // Nothing that is written into memory fails.
            let _ = chain.iter().try_for_each(|hop| write!(value, "{hop}, "));
            let _ = write!(value, "{peer}");
        })
    }

    /// `X-Forwarded-Proto` of a trusted proxy, if it is one scheme of HTTP.
    pub(super) fn forwarded_proto(&self, headers: &HeaderMap) -> Option<&'static str> {
        let scheme = self.believed(headers, &X_FORWARDED_PROTO)?.as_bytes();
        ["https", "http"].into_iter().find(|known| scheme.eq_ignore_ascii_case(known.as_bytes()))
    }

    /// `X-Forwarded-Host` of a trusted proxy, if it is one host. Routes are never found by it.
    pub(super) fn forwarded_host<'a>(&self, headers: &'a HeaderMap) -> Option<&'a HeaderValue> {
        self.believed(headers, &X_FORWARDED_HOST).filter(|host| HostName::parse(host.as_bytes()).is_ok())
    }

    fn believed<'a>(&self, headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a HeaderValue> {
        if !self.by_proxy {
            return None;
        }
        let mut values = headers.get_all(name).iter();
        values.next().filter(|_| values.next().is_none())
    }
}

/// The entries of `X-Forwarded-For`, the last one first.
fn hops(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    let values = headers.get_all(X_FORWARDED_FOR).iter().rev();
    values.flat_map(|value| value.as_bytes().rsplit(|byte| *byte == b','))
}

/// The address of an entry; some load balancers add the port.
fn address(entry: &[u8]) -> Option<IpAddr> {
    let entry = std::str::from_utf8(entry).ok()?.trim_matches([' ', '\t']);
    let alone = || entry.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    let with_port = || entry.parse::<SocketAddr>().ok().map(|address| address.ip());
    let address = entry.parse().ok().or_else(with_port).or_else(alone)?;
    Some(address.to_canonical())
}

pub(super) const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
pub(super) const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
pub(super) const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::Network;

    fn headers(lines: &[&str]) -> HeaderMap {
        lines.iter().map(|value| (X_FORWARDED_FOR, HeaderValue::from_str(value).unwrap())).collect()
    }

    /// The caller's address, and what the target is told, for a connection from `peer`.
    fn told(peer: &str, lines: &[&str]) -> (String, String) {
        let trusted: Networks =
            ["10.0.0.0/8", "fd00::/8"].iter().map(|text| text.parse::<Network>().unwrap()).collect();
        let headers = headers(lines);
        let whence = Whence::of(Some(peer.parse().unwrap()), &headers, &trusted);
        let chain = whence.forwarded_for(&headers, None).unwrap();
        (whence.address.unwrap().to_string(), chain.to_str().unwrap().to_owned())
    }

    #[test]
    fn the_caller_is_the_last_hop_that_is_not_trusted() {
        for (peer, lines, caller, chain) in [
            ("192.0.2.1", &["10.0.0.7, 6.6.6.6"][..], "192.0.2.1", "192.0.2.1"),
            ("10.0.0.1", &[], "10.0.0.1", "10.0.0.1"),
            ("10.0.0.1", &["192.0.2.9"], "192.0.2.9", "192.0.2.9, 10.0.0.1"),
            ("10.0.0.1", &["6.6.6.6, 192.0.2.9"], "192.0.2.9", "192.0.2.9, 10.0.0.1"),
            ("10.0.0.1", &["6.6.6.6, 192.0.2.9, 10.0.0.2"], "192.0.2.9", "192.0.2.9, 10.0.0.2, 10.0.0.1"),
            ("10.0.0.1", &["6.6.6.6", "192.0.2.9 ,\t10.0.0.2"], "192.0.2.9", "192.0.2.9, 10.0.0.2, 10.0.0.1"),
            ("10.0.0.1", &["10.0.0.3, 10.0.0.2"], "10.0.0.3", "10.0.0.3, 10.0.0.2, 10.0.0.1"),
            ("::ffff:10.0.0.1", &["::ffff:192.0.2.9"], "192.0.2.9", "192.0.2.9, 10.0.0.1"),
            ("fd00::1", &["2001:db8::1"], "2001:db8::1", "2001:db8::1, fd00::1"),
        ] {
            assert_eq!(told(peer, lines), (caller.to_owned(), chain.to_owned()), "{peer} {lines:?}");
        }
    }

    #[test]
    fn an_entry_may_have_a_port() {
        for entry in ["192.0.2.9:4711", "[2001:db8::1]:443", "[2001:db8::1]"] {
            let (caller, _) = told("10.0.0.1", &[entry]);
            assert!(["192.0.2.9", "2001:db8::1"].contains(&caller.as_str()), "{entry}: {caller}");
        }
    }

    #[test]
    fn what_is_no_address_ends_the_list() {
        for entry in ["unknown", "", "_hidden", "192.0.2.9 10.0.0.2", "192.0.2.999", "a.example", "192.0.2.9:x"] {
            let (caller, chain) = told("10.0.0.1", &[&format!("6.6.6.6, {entry}, 10.0.0.2")]);
            assert_eq!((caller.as_str(), chain.as_str()), ("10.0.0.2", "10.0.0.2, 10.0.0.1"), "{entry}");
        }
    }

    #[test]
    fn scheme_and_host_are_believed_of_a_trusted_proxy_where_they_are_one() {
        let trusted: Networks = [("10.0.0.0/8").parse::<Network>().unwrap()].into_iter().collect();
        let mut headers = HeaderMap::new();
        headers.insert(X_FORWARDED_PROTO, HeaderValue::from_static("HTTPS"));
        headers.insert(X_FORWARDED_HOST, HeaderValue::from_static("api.example:8443"));
        let of = |peer: &str, headers: &HeaderMap| {
            let whence = Whence::of(Some(peer.parse().unwrap()), headers, &trusted);
            (whence.forwarded_proto(headers), whence.forwarded_host(headers).cloned())
        };
        assert_eq!(of("10.0.0.1", &headers), (Some("https"), Some(HeaderValue::from_static("api.example:8443"))));
        assert_eq!(of("192.0.2.1", &headers), (None, None));
        headers.append(X_FORWARDED_PROTO, HeaderValue::from_static("http"));
        headers.insert(X_FORWARDED_HOST, HeaderValue::from_static("a/b"));
        assert_eq!(of("10.0.0.1", &headers), (None, None));
    }
}
