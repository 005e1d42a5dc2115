//! The form of a token request, read as strictly as Entra reads it.

use std::collections::HashSet;

use axum::http::{HeaderMap, header};
use url::form_urlencoded;

use super::refusal::Refusal;

/// Form parameters in the order in which they arrived.
#[derive(Debug)]
pub(super) struct Form {
    parameters: Vec<(String, String)>,
}

impl Form {
    /// Reads a body. One that is not declared to be a form has no parameters.
    pub(super) fn parse(headers: &HeaderMap, body: &[u8]) -> Self {
        let parameters =
            if is_form(headers) { form_urlencoded::parse(body).into_owned().collect() } else { Vec::new() };
        Self { parameters }
    }

    /// Reads a query.
    pub(super) fn of_query(query: &str) -> Self {
        Self { parameters: form_urlencoded::parse(query.as_bytes()).into_owned().collect() }
    }

    /// All parameters.
    pub(super) fn parameters(&self) -> &[(String, String)] {
        &self.parameters
    }

    /// The first parameter of this name, unless it is empty.
    pub(super) fn find(&self, name: &str) -> Option<&str> {
        let parameter = self.parameters.iter().find(|(candidate, _)| candidate == name);
        parameter.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// A parameter that the request must have.
    pub(super) fn require(&self, name: &'static str) -> Result<&str, Refusal> {
        self.find(name).ok_or(Refusal::MissingParameter(name))
    }

    /// All parameters of this name, except for empty ones.
    pub(super) fn find_all(&self, name: &str) -> Vec<&str> {
        let parameters = self.parameters.iter().filter(|(candidate, value)| candidate == name && !value.is_empty());
        parameters.map(|(_, value)| value.as_str()).collect()
    }

    /// Refuses a parameter that occurs twice (RFC 6749, section 3.2).
    pub(super) fn refuse_repetition(&self) -> Result<(), Refusal> {
        self.refuse_repetition_except(&[])
    }

    /// Refuses a parameter that occurs twice, except for those of which there may be several.
    pub(super) fn refuse_repetition_except(&self, repeatable: &[&str]) -> Result<(), Refusal> {
        let mut seen = HashSet::new();
        let once = self.parameters.iter().filter(|(name, _)| !repeatable.contains(&name.as_str()));
        match once.map(|(name, value)| (name, value)).find(|(name, _)| !seen.insert(*name)) {
            Some((name, _)) => Err(Refusal::RepeatedParameter(name.clone())),
            None => Ok(()),
        }
    }
}

fn is_form(headers: &HeaderMap) -> bool {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    let essence = content_type.split(';').next().unwrap_or("").trim();
    essence.eq_ignore_ascii_case("application/x-www-form-urlencoded")
}
