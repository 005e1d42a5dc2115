//! What callers may take of the proxy.

use std::time::Duration;

use super::{Checker, Range};
use crate::config::document::Node;
use crate::config::file;
use crate::connection::Limits;

/// Checks those of `limits` that are about connections; `header_bytes` has been checked among those about requests.
pub(super) fn limits(
    checker: &mut Checker<'_>,
    limits: &file::Limits,
    node: &Node,
    header_bytes: Option<usize>,
) -> Option<Limits> {
    let header_timeout = checker.duration(&limits.header_timeout, node.key("header_timeout"), &TO_AN_HOUR);
    let idle_timeout = checker.duration(&limits.idle_timeout, node.key("idle_timeout"), &TO_A_DAY);
    let body_timeout = checker.duration(&limits.body_timeout, node.key("body_timeout"), &TO_AN_HOUR);
    let per_address = usize::try_from(limits.connections_per_address).ok()?;
    Some(Limits {
        connections: usize::try_from(limits.connections).ok()?,
        connections_per_address: Some(per_address).filter(|most| *most > 0),
        streams: limits.streams,
        header_bytes: u32::try_from(header_bytes?).ok()?,
        header_timeout: header_timeout?,
        idle_timeout: idle_timeout?,
        body_timeout: body_timeout?,
    })
}

const LEAST: Duration = Duration::from_millis(100);
const TO_AN_HOUR: Range = Range::new(LEAST, Duration::from_hours(1), "100ms to 1h");
const TO_A_DAY: Range = Range::new(LEAST, Duration::from_hours(24), "100ms to 24h");
