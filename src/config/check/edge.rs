//! What is asked of every request: the proxies that are believed, and bounds.

use super::Checker;
use super::network::networks;
use super::size::SizeRange;
use crate::config::document::Node;
use crate::config::file::File;
use crate::proxy::EdgeSettings;

/// Checks `trusted_proxies` and those of the `limits` that are about single requests.
pub(super) fn edge(checker: &mut Checker<'_>, file: &File, document: &Node) -> Option<EdgeSettings> {
    let limits = document.key("limits");
    let header_bytes = checker.size(&file.limits.header_bytes, limits.key("header_bytes"), &HEADER_BYTES);
    let target_bytes = checker.size(&file.limits.target_bytes, limits.key("target_bytes"), &TARGET_BYTES);
    Some(EdgeSettings {
        trusted_proxies: networks(checker, &file.trusted_proxies, document.key("trusted_proxies")),
        headers: usize::try_from(file.limits.headers).ok()?,
        header_bytes: usize::try_from(header_bytes?).ok()?,
        target_bytes: usize::try_from(target_bytes?).ok()?,
    })
}

const HEADER_BYTES: SizeRange = SizeRange { least: 1024, most: 1024 * 1024, text: "1KiB to 1MiB" };
const TARGET_BYTES: SizeRange = SizeRange { least: 1024, most: 60 * 1024, text: "1KiB to 60KiB" };
