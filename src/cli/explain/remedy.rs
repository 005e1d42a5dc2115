//! What mends a refusal: one plain sentence for each reason.

use super::Case;
use super::page::{list, quoted};
use crate::caller::{InvalidToken, Lacking};
use crate::exchange::ExchangeError;
use crate::rejection::Rejection;

/// Who has to do what.
pub(super) fn remedy(case: &Case<'_>, rejection: &Rejection) -> String {
    let fixed = match rejection {
        Rejection::NoRoute => "the caller must ask for a path (and host) of a route, or a route must be added",
        Rejection::MethodNotAllowed(_) => {
            "the caller must use a method that is served, or the route must list this one"
        }
        Rejection::Ambiguous(_) => "the caller must send the request in the one form that every server reads alike",
        Rejection::TargetTooLong | Rejection::HeadersTooLarge => {
            "the caller must send less, or \"limits\" must allow more"
        }
        Rejection::BodyTooLarge => "the caller must send less, or \"max_body\" of the route must allow more",
        Rejection::MissingToken => return token_of(case),
        Rejection::AmbiguousToken => "the caller must send one Authorization header with one Bearer token",
        Rejection::InvalidToken(invalid) => return token_remedy(case, invalid),
        Rejection::AppOnlyToken => {
            "the client must send a user's token, or the route must serve applications by \"app_only\""
        }
        Rejection::UserToken => {
            "the client must send a token of its own (client credentials), or the route must serve users"
        }
        Rejection::Lacking(lacking, _) => return lacking_remedy(lacking),
        Rejection::Exchange(error) => return exchange_remedy(error),
        Rejection::NoKeys => "the proxy must reach the identity provider's discovery document and keys",
        Rejection::TargetUnavailable | Rejection::TargetTimeout => "the target must be reachable and answer in time",
        Rejection::BrokenRequest => "the caller must send the whole request",
        Rejection::RateLimited(_) => "the caller must send fewer requests, or \"rate_limit\" of the route admit more",
        Rejection::TargetBusy => "the target has to become faster, or max_requests higher",
        Rejection::Internal => "the log of the proxy says more",
    };
    fixed.to_owned()
}

fn token_of(case: &Case<'_>) -> String {
    let audiences = case.told.route.as_ref().map(|route| list(&route.identity.audiences)).unwrap_or_default();
    format!("the client must ask for an access token of {}", audiences.replace(", ", " or "))
}

fn token_remedy(case: &Case<'_>, invalid: &InvalidToken) -> String {
    let fixed = match invalid {
        InvalidToken::Audience(_) | InvalidToken::GraphAudience => return token_of(case),
        InvalidToken::NotAccessToken => return format!("{}, and send that one", token_of(case)),
        InvalidToken::NoAudience => "the identity provider must put this API's audience into its tokens",
        InvalidToken::NotJwt | InvalidToken::NotToken68 => "the client must send the access token whole, as it got it",
        InvalidToken::TooLong => "the identity provider must leave claims out of the token, such as groups",
        InvalidToken::Encrypted => "the client must ask for a token of this API, which is not encrypted",
        InvalidToken::MalformedHeader | InvalidToken::MalformedClaims | InvalidToken::Claim(_) => {
            "the client must send an access token of this identity provider, unchanged"
        }
        InvalidToken::CriticalHeader | InvalidToken::NoKeyId => {
            "the identity provider must issue plain signed tokens whose header names the key"
        }
        InvalidToken::Algorithm => {
            "the identity provider must sign by an accepted algorithm, or \"algorithms\" must list it"
        }
        InvalidToken::UnknownKey | InvalidToken::ForeignKey | InvalidToken::Issuer(_) => {
            "the client must get its token from the identity provider and tenant that the identity names"
        }
        InvalidToken::Signature => "the client must send the token unchanged; it may have been damaged on its way",
        InvalidToken::Tenant(_) => "the user must sign in to an accepted tenant, or the identity must accept this one",
        InvalidToken::Expired => "the client must get a new token; if it is new, compare the clocks",
        InvalidToken::NotYetValid => "compare the clocks of the proxy and the identity provider",
        InvalidToken::SenderConstrained => "the client must ask for a plain bearer token",
    };
    fixed.to_owned()
}

fn lacking_remedy(lacking: &Lacking) -> String {
    match lacking {
        Lacking::Scope(scope) => format!("the client must ask for the scope {} of this API", quoted(scope)),
        Lacking::Role(role) => format!("an administrator must assign the role {} to the caller", quoted(role)),
        Lacking::Client(Some(client)) => {
            format!("\"require: clients\" of the route must list {}, or another client must be used", quoted(client))
        }
        Lacking::Client(None) => {
            "the token must name its client, which \"require: clients\" of the route lists".to_owned()
        }
    }
}

fn exchange_remedy(error: &ExchangeError) -> String {
    let fixed = match error {
        ExchangeError::ClaimsChallenge { .. } => {
            "the client must get a new token that satisfies the claims of the challenge, and repeat the request"
        }
        ExchangeError::InteractionRequired(_) => "the client must sign the user in again, and repeat the request",
        ExchangeError::ConsentRequired(_) => "an administrator must open the consent address and agree",
        ExchangeError::Refused(_) => "an administrator must admit this user; the hint says how",
        ExchangeError::BadToken(_) => "the client must get a new token A",
        ExchangeError::Misconfigured(_) => {
            "the operator must correct the registration or routes.yaml; the hint says how"
        }
        ExchangeError::NoCredential(_) => "the operator must make the credential available",
        ExchangeError::Throttled { .. } | ExchangeError::HeldBack { .. } | ExchangeError::RateLimited(_) => {
            "wait, and find out who asks so often"
        }
        ExchangeError::Unavailable { .. } | ExchangeError::Timeout => {
            "the identity provider must be reachable from here and answer in time"
        }
    };
    fixed.to_owned()
}
