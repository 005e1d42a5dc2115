//! Authenticates the client of a token request: by secret in the form or in HTTP Basic, or by a signed assertion.

mod assertion;
mod certificate;
mod federation;
mod issuer;
mod registry;

use axum::http::{HeaderMap, header};
use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{authority::Authority, form::Form, refusal::Refusal};

pub use self::federation::FederatedCredential;
pub(super) use self::{federation::TOKEN_EXCHANGE_AUDIENCE, registry::Registry};

/// What a client assertion has to be like.
pub(super) struct Expected {
    /// Its audience is one of these.
    pub(super) audiences: Vec<String>,
    /// Whether the header may leave open which certificate signed it.
    pub(super) certificate_may_be_unnamed: bool,
    /// Whether another issuer may speak for the client.
    pub(super) may_be_federated: bool,
}

/// Accepts the emulator's own registration with exactly one credential.
pub(super) fn authenticate(
    authority: &Authority,
    expected: &Expected,
    form: &Form,
    headers: &HeaderMap,
) -> Result<(), Refusal> {
    let basic = BasicCredentials::read(headers)?;
    let client_id = client_id(form, basic.as_ref())?;
    if client_id != authority.options.client_id {
        return Err(Refusal::UnknownClient(client_id.to_owned()));
    }
    let basic_secret = basic.as_ref().map(|basic| basic.secret.as_str());
    match (basic_secret, form.find("client_secret"), form.find("client_assertion")) {
        (Some(secret), None, None) | (None, Some(secret), None) => authority.registry.check_secret(secret),
        (None, None, Some(assertion)) => {
            check_assertion_type(form)?;
            assertion::verify(authority, expected, assertion)
        }
        (None, None, None) => Err(Refusal::NoClientCredential),
        _ => Err(Refusal::Malformed("it carries more than one client credential")),
    }
}

/// Whether the request carries any credential of a client.
pub(super) fn has_credential(form: &Form, headers: &HeaderMap) -> bool {
    let in_form = ["client_secret", "client_assertion"].iter().any(|name| form.find(name).is_some());
    in_form || headers.contains_key(header::AUTHORIZATION)
}

/// The client's name and secret, from the form or from HTTP Basic.
pub(super) fn presented_secret(form: &Form, headers: &HeaderMap) -> Result<Option<(String, String)>, Refusal> {
    if let Some(basic) = BasicCredentials::read(headers)? {
        return Ok(Some((basic.client_id, basic.secret)));
    }
    let in_form = form.find("client_id").zip(form.find("client_secret"));
    Ok(in_form.map(|(client_id, secret)| (client_id.to_owned(), secret.to_owned())))
}

/// The client's name, stated in the form, in HTTP Basic, or equally in both.
fn client_id<'r>(form: &'r Form, basic: Option<&'r BasicCredentials>) -> Result<&'r str, Refusal> {
    match (basic, form.find("client_id")) {
        (Some(basic), None) => Ok(&basic.client_id),
        (Some(basic), Some(stated)) if basic.client_id != stated => {
            Err(Refusal::Malformed("the form and the Authorization header name different clients"))
        }
        _ => form.require("client_id"),
    }
}

fn check_assertion_type(form: &Form) -> Result<(), Refusal> {
    match form.require("client_assertion_type")? {
        ASSERTION_TYPE => Ok(()),
        _ => Err(Refusal::Malformed("the client_assertion_type is unknown")),
    }
}

/// Name and secret from an `Authorization: Basic` header.
struct BasicCredentials {
    client_id: String,
    secret: String,
}

impl BasicCredentials {
    fn read(headers: &HeaderMap) -> Result<Option<Self>, Refusal> {
        let mut values = headers.get_all(header::AUTHORIZATION).iter();
        match (values.next(), values.next()) {
            (None, _) => Ok(None),
            (Some(value), None) => {
                let parsed = value.to_str().ok().and_then(Self::parse);
                parsed.map(Some).ok_or(Refusal::Malformed("the Authorization header is not HTTP Basic"))
            }
            _ => Err(Refusal::Malformed("it has more than one Authorization header")),
        }
    }

    fn parse(value: &str) -> Option<Self> {
        let (scheme, encoded) = value.split_once(' ')?;
        let decoded = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
        let (client_id, secret) = decoded.split_once(':')?;
        scheme
            .eq_ignore_ascii_case("basic")
            .then(|| Self { client_id: form_decoded(client_id), secret: form_decoded(secret) })
    }
}

/// Both parts are form-urlencoded before they are joined (RFC 6749, section 2.3.1).
fn form_decoded(part: &str) -> String {
    // Parsed as the name of a parameter; the separators cannot occur in an encoded part.
    url::form_urlencoded::parse(part.as_bytes()).map(|(name, _)| name.into_owned()).next().unwrap_or_default()
}

/// The type of a client assertion that is a JWT (RFC 7523, section 2.2).
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
