//! `limits` of `routes.yaml`: what callers may take.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::values::SizeText;

/// What callers may take before they are refused.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct Limits {
    /// The most header fields of a request; beyond them it is answered 431. Default: 100.
    #[schemars(range(min = 1, max = 256))]
    pub(in crate::config) headers: u32,
    /// The longest header section, request line included, 1KiB to 1MiB; beyond it requests are answered 431. Over HTTP/2
    /// it counts as HTTP/1.1 would write it. Default: 64KiB.
    pub(in crate::config) header_bytes: SizeText,
    /// The longest request target, that is path and query, 1KiB to 60KiB; beyond it requests are answered 414. Default:
    /// 8KiB.
    pub(in crate::config) target_bytes: SizeText,
}

impl Default for Limits {
    fn default() -> Self {
        Self { headers: 100, header_bytes: SizeText::new("64KiB"), target_bytes: SizeText::new("8KiB") }
    }
}
