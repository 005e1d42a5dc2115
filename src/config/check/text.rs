//! Forms of text that several keys share.

/// Whether `text` may stand in a quoted header parameter and in a URL without further ado.
pub(super) fn is_client_id(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'~' | b':' | b'/' | b'-'))
}

/// Whether `text` may be a label of a metric.
pub(super) fn is_label(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'/' | b'-'))
}

/// `scope-token` of RFC 6749 section 3.3: visible ASCII without `"` and `\`.
pub(super) fn is_scope_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e))
}

/// A GUID in its usual writing, in lower case.
pub(super) fn guid(text: &str) -> Option<String> {
    let usual = text.len() == 36 && uuid::Uuid::try_parse(text).is_ok();
    usual.then(|| text.to_ascii_lowercase())
}

/// Identity providers write GUIDs in lower case, and what is compared with them must too.
pub(super) fn with_lower_case_guid(text: String) -> Box<str> {
    guid(&text).unwrap_or(text).into()
}

/// What [`is_label`] wants.
pub(super) const LABEL: &str = "1 to 64 of A-Z, a-z, 0-9, \".\", \"_\", \"/\" and \"-\"";

/// What [`is_client_id`] wants.
pub(super) const CLIENT_ID: &str = "one or more of A-Z, a-z, 0-9, \".\", \"_\", \"~\", \":\", \"/\" and \"-\"";
