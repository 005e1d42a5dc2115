//! What a route asks of a request: hosts, a path, methods.

use http::Method;

use super::canonical::canonical_path;
use super::host::HostPattern;
use super::path::PathError;

/// The part of a route that decides which requests take it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    /// The hosts it serves; none means every host.
    pub hosts: Vec<HostPattern>,
    /// The path.
    pub path: RoutePath,
    /// The methods it serves; none means every method.
    pub methods: Vec<Method>,
    /// Whether it takes paths with an encoded `/` within a segment.
    pub encoded_slashes: bool,
}

/// The path of a route: canonical, and either a prefix on segment boundaries or one exact path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoutePath {
    text: Box<str>,
    exact: bool,
}

impl RoutePath {
    /// A path that matches itself and everything below it.
    ///
    /// # Errors
    /// [`PatternError`] where no request could take it or where it is not canonical.
    pub fn prefix(text: &str) -> Result<Self, PatternError> {
        if text.len() > 1 && text.ends_with('/') {
            return Err(PatternError::TrailingSlash);
        }
        Self::checked(text, false)
    }

    /// A path that matches itself only.
    ///
    /// # Errors
    /// As [`RoutePath::prefix`]; a trailing slash is fine here.
    pub fn exact(text: &str) -> Result<Self, PatternError> {
        Self::checked(text, true)
    }

    /// The path, decoded as far as requests are when their route is looked for.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether only this very path matches.
    pub fn is_exact(&self) -> bool {
        self.exact
    }

    fn checked(text: &str, exact: bool) -> Result<Self, PatternError> {
        if !text.starts_with('/') {
            return Err(PatternError::NoLeadingSlash);
        }
        if text.contains('?') {
            return Err(PatternError::Query);
        }
        let path = canonical_path(text).map_err(PatternError::Path)?;
        match (path.has_encoded_slash, path.further_keys.is_empty()) {
            (true, _) => Err(PatternError::Path(PathError::EncodedSlash)),
            (false, false) => Err(PatternError::Path(PathError::OtherReading)),
            (false, true) => Ok(Self { text: path.key.as_deref().unwrap_or(&path.text).into(), exact }),
        }
    }
}

/// Why a route's path was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PatternError {
    /// It does not begin with `/`.
    NoLeadingSlash,
    /// A prefix ends with `/`.
    TrailingSlash,
    /// It has a query.
    Query,
    /// A request with this path would be refused.
    Path(PathError),
}
