//! Networks in CIDR notation.

use super::Checker;
use crate::config::document::Node;
use crate::config::findings::quoted;
use crate::network::{Network, Networks};

/// Checks a list of networks; what is wrong with one of them is reported at its place.
pub(super) fn networks(checker: &mut Checker<'_>, texts: &[String], node: &Node) -> Networks {
    checker.no_repeats(texts, node);
    let network = |(n, text): (usize, &String)| match text.parse::<Network>() {
        Ok(network) => Some(network),
        Err(_) => checker.refuse(node.item(n), quoted(text), ACCEPTED),
    };
    texts.iter().enumerate().filter_map(network).collect()
}

const ACCEPTED: &str =
    "an address or a network such as \"10.0.0.0/8\" or \"2001:db8::/32\", without bits behind its prefix";
