//! Sizes in bytes.

use super::Checker;
use crate::config::document::Node;
use crate::config::findings::quoted;
use crate::config::values::SizeText;

/// The sizes that make sense somewhere, in bytes.
pub(super) struct SizeRange {
    pub(super) least: u64,
    pub(super) most: u64,
    pub(super) text: &'static str,
}

impl Checker<'_> {
    /// The bytes that a text such as `10MiB` says.
    pub(super) fn size(&mut self, text: &SizeText, node: &Node, range: &SizeRange) -> Option<u64> {
        let text = text.as_str();
        match bytes(text) {
            Some(bytes) if (range.least..=range.most).contains(&bytes) => Some(bytes),
            Some(_) => self.refuse(node, quoted(text), format!("a size from {}", range.text)),
            None => self.refuse(node, quoted(text), "a size such as \"512B\", \"64KiB\", \"10MiB\" or \"1GiB\""),
        }
    }
}

/// A whole number and its unit, as the schema has it. What is too large for a `u64` counts as the largest.
fn bytes(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let (_, factor) = UNITS.iter().find(|(unit, _)| text.strip_prefix(digits) == Some(unit))?;
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| digits.parse::<u64>().unwrap_or(u64::MAX).saturating_mul(*factor))
}

const UNITS: [(&str, u64); 4] = [("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)];

#[cfg(test)]
mod tests {
    use super::bytes;

    #[test]
    fn a_size_is_a_number_with_a_unit() {
        for (text, expected) in
            [("0B", 0), ("512B", 512), ("64KiB", 65_536), ("10MiB", 10_485_760), ("2GiB", 2_147_483_648)]
        {
            assert_eq!(bytes(text), Some(expected), "{text}");
        }
        assert_eq!(bytes("99999999999999999999GiB"), Some(u64::MAX));
        for text in ["", "1", "KiB", "1 KiB", "1kib", "1KB", "1.5MiB", "-1B", "+1B", "1KiB1B", "0x1B", "1B "] {
            assert_eq!(bytes(text), None, "{text}");
        }
    }
}
