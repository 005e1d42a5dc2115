//! What is forwarded of a path.

/// Whether [`forwarded_path`] would be `as_it_came`, path and query as the request has them.
pub fn is_forwarded_path(as_it_came: &str, base: &str, rest: &str, query: Option<&str>) -> bool {
    let parts = forwarded_parts(base, rest, query);
    parts.iter().try_fold(as_it_came, |behind, part| behind.strip_prefix(part)) == Some("")
}

/// What [`forwarded_path`] is put together from.
pub fn forwarded_parts<'a>(base: &'a str, rest: &'a str, query: Option<&'a str>) -> [&'a str; 4] {
    let base = if rest.is_empty() { base } else { base.trim_end_matches('/') };
    [base, rest, query.map_or("", |_| "?"), query.unwrap_or_default()]
}

/// The request's path with the route's prefix replaced by `base`, the target's own path. `rest` is what the route did not
/// cover: empty, or beginning with `/`.
pub fn forwarded_path(base: &str, rest: &str, query: Option<&str>) -> String {
    forwarded_parts(base, rest, query).concat()
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
