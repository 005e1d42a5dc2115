//! Protected resource metadata (RFC 9728): the document that tells a client where to get a token for a route, and the
//! address of it that challenges name.

use bytes::Bytes;
use http::Method;
use serde::Serialize;

use crate::rejection::Rejection;
use crate::route::RoutePath;

/// `resource_metadata` of a route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceMetadataSettings {
    /// What clients ask tokens for (RFC 8707), and what they know the route by.
    pub resource: Box<str>,
    /// The issuers of tokens for it; at least one.
    pub authorization_servers: Vec<Box<str>>,
    /// The scopes that a client asks for; may be none.
    pub scopes: Vec<Box<str>>,
    /// What it is called, for people.
    pub name: Option<Box<str>>,
    /// Where developers read about it.
    pub documentation: Option<Box<str>>,
    /// Scheme and host by which callers reach the proxy; none means that each request says so.
    pub public_url: Option<Box<str>>,
}

/// The metadata of a route, ready.
#[derive(Debug)]
pub(super) struct ResourceMetadata {
    pub(super) scopes: Vec<Box<str>>,
    document: Bytes,
    /// The path of the document, as a URL has it.
    path: Box<str>,
    public_url: Option<Box<str>>,
}

/// What a request for metadata gets.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Description {
    /// The document.
    Document(Bytes),
    /// Leave to ask for it from a page of any origin.
    Leave,
}

/// The document (RFC 9728 section 2).
#[derive(Serialize)]
struct Document<'a> {
    resource: &'a str,
    authorization_servers: &'a [Box<str>],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    scopes_supported: &'a [Box<str>],
    bearer_methods_supported: [&'static str; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    resource_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource_documentation: Option<&'a str>,
}

impl ResourceMetadata {
    /// The metadata of a route with this path.
    pub(super) fn new(settings: ResourceMetadataSettings, path: &RoutePath) -> Self {
        let document = Document {
            resource: &settings.resource,
            authorization_servers: &settings.authorization_servers,
            scopes_supported: &settings.scopes,
            bearer_methods_supported: ["header"],
            resource_name: settings.name.as_deref(),
            resource_documentation: settings.documentation.as_deref(),
        };
        Self {
            document: serde_json::to_vec(&document).unwrap_or_default().into(),
            path: path.metadata_path().into(),
            scopes: settings.scopes,
            public_url: settings.public_url,
        }
    }

    /// What a request with this method gets.
    ///
    /// # Errors
    /// Where the method asks for something else than to read.
    pub(super) fn describe(&self, method: &Method) -> Result<Description, Rejection> {
        match *method {
            Method::GET | Method::HEAD => Ok(Description::Document(self.document.clone())),
            Method::OPTIONS => Ok(Description::Leave),
            _ => Err(Rejection::MethodNotAllowed(METHODS.into())),
        }
    }

    /// The URL of the document. `origin` is how the caller reached us, where it said so.
    pub(super) fn address(&self, origin: Option<&str>) -> Option<String> {
        Some(format!("{}{}", self.public_url.as_deref().or(origin)?, self.path))
    }
}

/// The methods of metadata.
pub(super) const METHODS: &str = "GET, HEAD, OPTIONS";

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata(public_url: Option<&str>) -> ResourceMetadata {
        let settings = ResourceMetadataSettings {
            resource: "https://api.contoso.com/mcp".into(),
            authorization_servers: vec!["https://idp.example".into()],
            scopes: Vec::new(),
            name: None,
            documentation: None,
            public_url: public_url.map(Into::into),
        };
        ResourceMetadata::new(settings, &RoutePath::prefix("/mcp").unwrap())
    }

    #[test]
    fn what_is_not_known_is_not_in_the_document() {
        let document = r#"{"resource":"https://api.contoso.com/mcp","authorization_servers":["https://idp.example"],"bearer_methods_supported":["header"]}"#;
        let expected = Ok(Description::Document(Bytes::from_static(document.as_bytes())));
        assert_eq!(metadata(None).describe(&Method::GET), expected);
    }

    #[test]
    fn the_public_url_outranks_the_request() {
        let address = |public_url, origin| metadata(public_url).address(origin);
        let path = "/.well-known/oauth-protected-resource/mcp";
        assert_eq!(address(Some("https://public"), Some("http://h")), Some(format!("https://public{path}")));
        assert_eq!(address(Some("https://public"), None), Some(format!("https://public{path}")));
        assert_eq!(address(None, Some("http://h")), Some(format!("http://h{path}")));
        assert_eq!(address(None, None), None);
    }
}
