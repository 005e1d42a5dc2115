//! What the end of a stream to an HTTP/2 target means.

use pingora::Error;

/// Whether the target refused the stream before it did anything with the request (RFC 9113 section 8.7): any request
/// can be sent again then.
pub(super) fn was_refused(error: &Error) -> bool {
    let cause = error.root_cause().downcast_ref::<h2::Error>();
    let refusal = |cause: &h2::Error| cause.reason() == Some(h2::Reason::REFUSED_STREAM);
    cause.is_some_and(|cause| cause.is_reset() && cause.is_remote() && refusal(cause))
}

#[cfg(test)]
mod tests {
    use pingora::ErrorType;

    use super::*;

    #[test]
    fn only_a_reset_of_the_target_tells_something() {
        let local = Error::because(ErrorType::H2Error, "x", h2::Error::from(h2::Reason::REFUSED_STREAM));
        assert!(!was_refused(&local) && !was_refused(&Error::new(ErrorType::H2Error)));
    }
}
