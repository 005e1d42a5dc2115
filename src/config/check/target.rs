//! The target of a route.

use std::time::Duration;

use super::address::{self, Address};
use super::{Checker, Range, pem};
use crate::config::document::Node;
use crate::config::findings::quoted;
use crate::config::values::TargetMapping;
use crate::proxy::TargetSettings;

/// Checks `target` of a route; `prefix` says whether what follows the route's path is appended to that of the target.
pub(super) fn target(
    checker: &mut Checker<'_>,
    target: &TargetMapping,
    prefix: bool,
    node: &Node,
) -> Option<TargetSettings> {
    let mut timeout = |text, key| checker.duration(text, node.key(key), &TIMEOUT);
    let connect_timeout = timeout(&target.connect_timeout, "connect_timeout");
    let read_timeout = timeout(&target.read_timeout, "read_timeout");
    let write_timeout = timeout(&target.write_timeout, "write_timeout");
    let address = address(checker, &target.url, prefix, node.key("url"));
    let ca = match &target.ca_file {
        Some(path) => Some(pem::authorities(checker, path, node.key("ca_file"))?),
        None => None,
    };
    let address = address?;
    if ca.is_some() && !address.is_https() {
        return checker.refuse(node.key("ca_file"), "authorities for a target without TLS", "an https target");
    }
    Some(TargetSettings {
        tls: address.is_https(),
        host: address.host,
        port: address.port,
        path: address.path,
        connect_timeout: connect_timeout?,
        read_timeout: read_timeout?,
        write_timeout: write_timeout?,
        http2: target.http2,
        ca,
    })
}

/// A final slash and the rest of a request's path would make two slashes in a row.
fn address(checker: &mut Checker<'_>, url: &str, prefix: bool, node: &Node) -> Option<Address> {
    let address = address::parse(checker, url, node)?;
    if prefix && address.path.len() > 1 && address.path.ends_with('/') {
        let found = format!("the path {}, which ends with \"/\"", quoted(&address.path));
        return checker.refuse(node, found, "the path without the final slash, or a route with \"match: exact\"");
    }
    Some(address)
}

const TIMEOUT: Range = Range::new(Duration::from_millis(1), Duration::from_hours(24), "1ms to 24h");
