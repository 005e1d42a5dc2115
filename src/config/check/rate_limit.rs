//! Rate limits of routes and identities.

use std::time::Duration;

use super::{Checker, Range};
use crate::config::document::Node;
use crate::config::file;
use crate::limit::{CountedBy, RateLimit};

/// Checks `rate_limit` of a route: one, or a list.
pub(super) fn rate_limits(
    checker: &mut Checker<'_>,
    limits: &[file::RateLimit],
    node: &Node,
) -> Option<Vec<RateLimit>> {
    let mut accepted = Vec::new();
    for (n, limit) in limits.iter().enumerate() {
        let node = if node.is_list() { node.item(n) } else { node };
        accepted.extend(rate_limit(checker, limit, node));
    }
    (accepted.len() == limits.len()).then_some(accepted)
}

/// Checks `exchange_limit` of an identity: where exchanges are made, nothing is known of addresses.
pub(super) fn exchange_limit(checker: &mut Checker<'_>, limit: &file::RateLimit, node: &Node) -> Option<RateLimit> {
    if let file::CountedBy::Address = limit.by {
        checker.report(node.key("by"), "\"address\" for exchanges", "\"user\" or \"client\"");
    }
    rate_limit(checker, limit, node)
}

fn rate_limit(checker: &mut Checker<'_>, limit: &file::RateLimit, node: &Node) -> Option<RateLimit> {
    Some(RateLimit {
        requests: limit.requests,
        per: checker.duration(&limit.per, node.key("per"), &PER)?,
        burst: limit.burst.unwrap_or(limit.requests),
        by: match limit.by {
            file::CountedBy::User => CountedBy::User,
            file::CountedBy::Client => CountedBy::Client,
            file::CountedBy::Address => CountedBy::Address,
        },
    })
}

const PER: Range = Range::new(Duration::from_secs(1), Duration::from_hours(24), "1s to 24h");
