//! Addresses of other servers: http or https URLs with exactly one reading.

use url::{Host, Url};

use super::Checker;
use crate::config::document::Node;
use crate::config::findings::quoted;
use crate::route::{HostName, PatternError, RoutePath};

/// The address of a server and a path on it.
#[derive(Debug)]
pub(super) struct Address {
    pub(super) url: Url,
    /// Host name in lower case, or IP address without brackets.
    pub(super) host: Box<str>,
    pub(super) port: u16,
    /// Begins with `/`.
    pub(super) path: Box<str>,
}

impl Address {
    pub(super) fn is_https(&self) -> bool {
        self.url.scheme() == "https"
    }

    /// Whether the host is this machine, so that nobody else is on the way to it.
    pub(super) fn is_loopback(&self) -> bool {
        match self.url.host() {
            Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        }
    }

    /// Whether the host is an address that no router forwards to.
    pub(super) fn is_link_local(&self) -> bool {
        match self.url.host() {
            Some(Host::Ipv4(address)) => address.is_link_local(),
            Some(Host::Ipv6(address)) => address.is_unicast_link_local(),
            _ => false,
        }
    }
}

/// Reads an http or https URL without user, password, query and fragment.
///
/// Where these may be in it, the text is not repeated in the finding: they may be credentials.
pub(super) fn parse(checker: &mut Checker<'_>, text: &str, node: &Node) -> Option<Address> {
    let shown = if text.contains(['@', '?', '#']) { "a URL".to_owned() } else { quoted(text) };
    let Some((raw_path, url)) = split(text).and_then(|path| Some((path, Url::parse(text).ok()?))) else {
        return checker.refuse(node, shown, ACCEPTED);
    };
    if !url.username().is_empty() || url.password().is_some() || text.contains("://@") {
        return checker.refuse(node, "a user name or password in a URL", ACCEPTED);
    }
    if url.query().is_some() || url.fragment().is_some() {
        return checker.refuse(node, "a query or fragment in a URL", ACCEPTED);
    }
    if url.port() == Some(0) {
        return checker.refuse(node, "port 0", "a port from 1 to 65535");
    }
    let Some(host) = host(&url) else {
        return checker.refuse(node, format!("{shown}, which has no valid host name"), ACCEPTED);
    };
    let path = path(checker, raw_path, &url, node)?;
    let port = url.port_or_known_default()?;
    Some(Address { url, host, port, path })
}

/// The path as written. The rest is left to `url`, which would repair much: what it would repair is refused here.
fn split(text: &str) -> Option<&str> {
    let (scheme, rest) = text.split_once("://")?;
    let valid = scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https");
    let repaired = |c: char| c == '\\' || c.is_whitespace() || c.is_control();
    if !valid || rest.starts_with('/') || text.contains(repaired) {
        return None;
    }
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    Some(rest.find('/').and_then(|at| rest.get(at..)).unwrap_or("/"))
}

fn host(url: &Url) -> Option<Box<str>> {
    match url.host()? {
        Host::Domain(name) => HostName::parse(name.as_bytes()).ok().map(|name| name.as_str().into()),
        Host::Ipv4(address) => Some(address.to_string().into()),
        Host::Ipv6(address) => Some(address.to_string().into()),
    }
}

fn path(checker: &mut Checker<'_>, raw: &str, url: &Url, node: &Node) -> Option<Box<str>> {
    match RoutePath::exact(raw) {
        Ok(path) if url.path() == raw => Some(path.as_str().into()),
        Ok(_) => checker.refuse(node, format!("the path {}", quoted(raw)), PATH),
        Err(error) => checker.refuse(node, format!("the path {}, which {}", quoted(raw), path_fault(error)), PATH),
    }
}

/// What is wrong with the path of a route or of a target, after "which".
pub(super) fn path_fault(error: PatternError) -> &'static str {
    match error {
        PatternError::NoLeadingSlash => "does not begin with \"/\"",
        PatternError::TrailingSlash => "ends with \"/\"",
        PatternError::Query => "has a query",
        PatternError::Path(error) => {
            let reason = error.reason();
            reason.strip_prefix("request target ").or_else(|| reason.strip_prefix("path ")).unwrap_or(reason)
        }
    }
}

const ACCEPTED: &str = "an http or https URL with a host, without user, password, query and fragment";
const PATH: &str = "a path in the form in which requests have it";
