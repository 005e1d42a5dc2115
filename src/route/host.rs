//! Host names, as requests name them and as routes ask for them.

use std::borrow::Cow;
use std::fmt;

use memchr::memrchr;

/// The host of a request: lower case, without port and without a final dot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostName<'a>(Cow<'a, str>);

impl<'a> HostName<'a> {
    /// Reads the value of a `Host` header or an `:authority` (RFC 9110 section 7.2).
    ///
    /// # Errors
    /// [`HostError`] where it is not a host with an optional port.
    pub fn parse(authority: &'a [u8]) -> Result<Self, HostError> {
        let text = std::str::from_utf8(authority).map_err(|_| HostError)?;
        let name = without_port(text)?;
        let name = name.strip_suffix('.').unwrap_or(name);
        if !is_host(name) {
            return Err(HostError);
        }
        Ok(Self(if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
            Cow::Owned(name.to_ascii_lowercase())
        } else {
            Cow::Borrowed(name)
        }))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The text is not a host name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HostError;

/// What a route says of the host.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum HostPattern {
    /// This host and no other.
    Exact(Box<str>),
    /// Every host below this suffix, at any depth; written `*.suffix`.
    Below(Box<str>),
}

impl HostPattern {
    /// Reads `api.contoso.com` or `*.contoso.com`; capitals are accepted, a port is not.
    ///
    /// # Errors
    /// [`HostError`] for anything else.
    pub fn parse(text: &str) -> Result<Self, HostError> {
        let (below, name) = match text.strip_prefix("*.") {
            Some(suffix) => (true, suffix),
            None => (false, text),
        };
        let host = HostName::parse(name.as_bytes())?;
        if host.as_str().len() != name.strip_suffix('.').unwrap_or(name).len() {
            return Err(HostError);
        }
        let name = host.as_str().into();
        Ok(if below { Self::Below(name) } else { Self::Exact(name) })
    }
}

impl HostPattern {
    /// Whether there is a host that both stand for.
    pub(super) fn overlaps(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Exact(one), Self::Exact(other)) => one == other,
            (Self::Exact(name), Self::Below(suffix)) | (Self::Below(suffix), Self::Exact(name)) => {
                is_below(name, suffix)
            }
            (Self::Below(one), Self::Below(other)) => one == other || is_below(one, other) || is_below(other, one),
        }
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(name) => f.write_str(name),
            Self::Below(suffix) => write!(f, "*.{suffix}"),
        }
    }
}

fn is_below(name: &str, suffix: &str) -> bool {
    name.strip_suffix(suffix).is_some_and(|labels| labels.ends_with('.'))
}

fn without_port(text: &str) -> Result<&str, HostError> {
    // The colons of an address are no matter; where there are brackets and no address, it is no host either.
    let after_address = if text.starts_with('[') { text.rfind(']').map_or(0, |at| at + 1) } else { 0 };
    let colon = memrchr(b':', text.as_bytes()).filter(|at| *at >= after_address);
    let Some((name, port)) = colon.map(|at| text.split_at(at)) else { return Ok(text) };
    let valid = port.bytes().skip(1).all(|byte| byte.is_ascii_digit());
    if valid { Ok(name) } else { Err(HostError) }
}

fn is_host(name: &str) -> bool {
    if let Some(address) = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return address.parse::<std::net::Ipv6Addr>().is_ok();
    }
    // The length of the label so far; nothing once the name is none.
    let label = name.bytes().try_fold(0, |length, byte| match byte {
        b'.' => is_label(length).then_some(0),
        b'-' | b'_' => Some(length + 1),
        _ => byte.is_ascii_alphanumeric().then_some(length + 1),
    });
    name.len() <= 253 && label.is_some_and(is_label)
}

fn is_label(length: usize) -> bool {
    (1..=63).contains(&length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Option<String> {
        HostName::parse(text.as_bytes()).ok().map(|host| host.as_str().to_owned())
    }

    #[test]
    fn reads_hosts_without_port_case_and_final_dot() {
        for (text, expected) in [
            ("api.contoso.com", "api.contoso.com"),
            ("API.Contoso.com:8443", "api.contoso.com"),
            ("api.contoso.com.", "api.contoso.com"),
            ("127.0.0.1:8080", "127.0.0.1"),
            ("[::1]:8080", "[::1]"),
            ("localhost:", "localhost"),
            ("localhost.:80", "localhost"),
        ] {
            assert_eq!(name(text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn refuses_what_is_not_a_host() {
        let long = [format!("{}.a", "x".repeat(64)), format!("{}a", "x.".repeat(127))];
        for text in long.iter().map(|text| &**text).chain(["a]:80", "[a]b:80", "[::1]x", ":80", ".a", "a..:"]) {
            assert_eq!(name(text), None, "{text}");
        }
        for text in ["", "a b", "a,b", "user@host", "a..b", "host:80:80", "host:x", "[::1", "::1", "a/b", "*.a", "[a]"]
        {
            assert_eq!(name(text), None, "{text}");
        }
        assert_eq!(HostName::parse(b"\xff"), Err(HostError));
    }

    #[test]
    fn patterns_overlap_where_one_host_takes_both() {
        let overlaps = |one, other| {
            let [one, other] = [one, other].map(|text| HostPattern::parse(text).unwrap());
            assert_eq!(one.overlaps(&other), other.overlaps(&one));
            one.overlaps(&other)
        };
        for (one, other) in [("a.b", "a.b"), ("a.b", "*.b"), ("x.a.b", "*.b"), ("*.a.b", "*.b"), ("*.b", "*.b")] {
            assert!(overlaps(one, other), "{one} {other}");
        }
        for (one, other) in [("a.b", "c.b"), ("b", "*.b"), ("ab", "*.b"), ("*.ab", "*.b"), ("*.a.b", "*.c.b")] {
            assert!(!overlaps(one, other), "{one} {other}");
        }
    }

    #[test]
    fn patterns_are_exact_or_below_a_suffix() {
        assert_eq!(HostPattern::parse("API.contoso.com"), Ok(HostPattern::Exact("api.contoso.com".into())));
        assert_eq!(HostPattern::parse("*.contoso.com"), Ok(HostPattern::Below("contoso.com".into())));
        for text in ["*", "*.", "a.*.com", "contoso.com:443", "https://contoso.com"] {
            assert_eq!(HostPattern::parse(text), Err(HostError), "{text}");
        }
    }
}
