//! The answer to a token request that succeeds.

use serde::Serialize;

/// A successful answer, its members in the order in which Entra sends them.
#[derive(Debug, Default, Serialize)]
pub(in crate::emulator) struct Granted {
    pub(super) token_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) scope: Option<String>,
    pub(super) expires_in: u32,
    pub(super) ext_expires_in: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) refresh_in: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) expires_on: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) resource: Option<String>,
    pub(super) access_token: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) issued_token_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) refresh_token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) id_token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) client_info: Option<String>,
}

impl Granted {
    /// An answer with a Bearer token that lives so many seconds.
    pub(super) fn bearer(access_token: String, expires_in: u32) -> Self {
        Self { token_type: "Bearer", expires_in, ext_expires_in: expires_in, access_token, ..Self::default() }
    }
}
