//! The target of a route.

use std::time::Duration;

use super::address;
use super::{Checker, Range, pem};
use crate::config::document::Node;
use crate::config::values::TargetMapping;
use crate::proxy::TargetSettings;

/// Checks `target` of a route.
pub(super) fn target(checker: &mut Checker<'_>, target: &TargetMapping, node: &Node) -> Option<TargetSettings> {
    let mut timeout = |text, key| checker.duration(text, node.key(key), &TIMEOUT);
    let connect_timeout = timeout(&target.connect_timeout, "connect_timeout");
    let read_timeout = timeout(&target.read_timeout, "read_timeout");
    let write_timeout = timeout(&target.write_timeout, "write_timeout");
    let address = address::parse(checker, &target.url, node.key("url"));
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

const TIMEOUT: Range = Range::new(Duration::from_millis(1), Duration::from_hours(24), "1ms to 24h");
