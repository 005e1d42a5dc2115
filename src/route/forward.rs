//! What is forwarded of a path.

/// The request's path with the route's prefix replaced by `base`, the target's own path. `rest` is what the route did not
/// cover: empty, or beginning with `/`.
pub fn forwarded_path(base: &str, rest: &str, query: Option<&str>) -> String {
    let base = if rest.is_empty() { base } else { base.trim_end_matches('/') };
    let query_length = query.map_or(0, |query| query.len() + 1);
    let mut path = String::with_capacity(base.len() + rest.len() + query_length);
    path.push_str(base);
    path.push_str(rest);
    if let Some(query) = query {
        path.push('?');
        path.push_str(query);
    }
    path
}
