//! What is forwarded of a path.

/// Whether [`forwarded_path`] would be `as_it_came`, path and query as the request has them.
pub fn is_forwarded_path(as_it_came: &str, base: &str, rest: &str, query: Option<&str>) -> bool {
    let base = if rest.is_empty() { base } else { base.trim_end_matches('/') };
    let behind = as_it_came.strip_prefix(base).and_then(|behind| behind.strip_prefix(rest));
    behind.is_some_and(|behind| match query {
        Some(query) => behind.strip_prefix('?') == Some(query),
        None => behind.is_empty(),
    })
}

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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_path_that_is_the_same_is_known_without_being_built(
            came in "[/a]{0,4}(\\?[a?/]{0,3})?",
            base in "[/a]{1,3}",
            rest in "(/[/a]{0,2})?",
            query in proptest::option::of("[a?]{0,2}"),
        ) {
            let query = query.as_deref();
            prop_assert_eq!(is_forwarded_path(&came, &base, &rest, query), came == forwarded_path(&base, &rest, query));
        }
    }
}
