//! The error codes of Entra (`AADSTSnnnnn`): who can act on each, and what an operator can do about it.
//!
//! The hints are for the log only; callers never see them.

/// Who can act on an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    /// The caller, by signing in again in the way that is asked for.
    StepUp,
    /// Whoever administers the tenant, by consenting.
    Consent,
    /// The caller, by another token A.
    NewToken,
    /// Nobody here: the user is refused.
    Refused,
    /// Our operator.
    Operator,
    /// Everybody, by waiting.
    Wait,
    /// Nobody; it passes.
    Passing,
}

/// One row of the table.
struct Row {
    act: Act,
    hint: &'static str,
}

/// Who can act on the first of these codes that is known.
pub(super) fn act(codes: &[u64]) -> Option<Act> {
    known(codes).map(|(_, row)| row.act)
}

/// The hint for the first of these codes that is known.
pub(super) fn hint(codes: &[u64]) -> Option<&'static str> {
    known(codes).map(|(_, row)| row.hint)
}

/// The first code as a label of metrics; one that is not in the table is `other`, so that labels stay few.
pub(super) fn label(codes: &[u64]) -> String {
    let unknown = || if codes.is_empty() { String::new() } else { "other".to_owned() };
    known(codes).map_or_else(unknown, |(code, _)| code.to_string())
}

/// Whether [`VALIDATION`] is all that these codes say, if they say it.
pub(super) fn is_alone(code: u64, codes: &[u64]) -> bool {
    code != VALIDATION || codes.iter().all(|other| *other == VALIDATION)
}

fn known(codes: &[u64]) -> Option<(u64, Row)> {
    let told = codes.iter().filter(|code| is_alone(**code, codes));
    told.copied().find_map(|code| Some((code, row(code)?)))
}

/// "Error validating credentials", be they ours or the caller's: where another code follows, that one says which.
const VALIDATION: u64 = 70002;

fn row(code: u64) -> Option<Row> {
    step_up(code).or_else(|| token(code)).or_else(|| user(code)).or_else(|| ours(code)).or_else(|| weather(code))
}

fn step_up(code: u64) -> Option<Row> {
    Some(match code {
        50076 | 50079 | 50072 | 50074 | 50078 | 50158 => {
            with(Act::StepUp, "the user has to sign in with a further factor; the client must answer claims challenges")
        }
        53000 | 53001 => with(Act::Refused, "Conditional Access: the device is not compliant or not joined"),
        53002 | 53010 | 53011 => {
            with(Act::Refused, "Conditional Access: the client application or its set-up is not approved")
        }
        53003 | 530_032 | 530_034 | 530_035 => with(
            Act::Refused,
            "Conditional Access blocks this: read the user's sign-in log for the policy by its correlation ID",
        ),
        53004 => with(
            Act::Refused,
            "the user has to register for multifactor authentication first, in an interactive sign-in",
        ),
        _ => return None,
    })
}

fn token(code: u64) -> Option<Row> {
    Some(match code {
        50013 => with(
            Act::NewToken,
            "token A is not signed for us: it is for Microsoft Graph, from another cloud or tenant, or the app has a custom signing key",
        ),
        500_131 => with(Act::NewToken, "aud of token A is not this client; mind the case of the application ID URI"),
        500_133 => with(Act::NewToken, "token A had expired when it was exchanged; compare the clocks"),
        50027 | 240_002 => {
            with(Act::NewToken, "the assertion is not an access token; the client sends an ID token or a damaged one")
        }
        50173 => with(Act::NewToken, "the user's sessions were revoked; the client has to sign the user in again"),
        70043 | 70008 | 700_082 | 70000 => {
            with(Act::NewToken, "the grant has ended; the client has to sign the user in again")
        }
        _ => return None,
    })
}

fn user(code: u64) -> Option<Row> {
    Some(match code {
        65001 => with(Act::Consent, CONSENT),
        90094 | 650_056 | 650_057 | 650_052 => with(Act::Consent, PERMISSION),
        7_000_114 => with(
            Act::Refused,
            "token A is app-only; give the route app_only with client_credentials, or let the client send a user's token",
        ),
        50105 => with(Act::Refused, "assign the user or a group to the enterprise application"),
        50020 | 50034 | 51004 | 90072 | 16000 => {
            with(Act::Refused, "the user is not known in this tenant: invite the user as a guest, or compare tenant_id")
        }
        500_212 | 500_213 => with(Act::Refused, "the cross-tenant access settings do not admit this user"),
        _ => return None,
    })
}

fn ours(code: u64) -> Option<Row> {
    let hint = match code {
        7_000_215 => "the client secret is wrong: use the secret's value, not its ID",
        7_000_222 => "the client secret has expired: create another one and replace it",
        VALIDATION | 7_000_218 | 700_025 => {
            "the client authentication is missing or of the wrong kind for this application"
        }
        700_027 => "the certificate is not registered with the application: upload it, or correct the files",
        700_024 => "the client assertion is not valid now: compare the clocks",
        7_000_214 | 1_000_502 | 7_000_274 | 7_000_277 => {
            "the certificate is not accepted: it has ended, or its key or chain is not what is registered"
        }
        700_016 | 7_000_229 => {
            "the application is not present in this tenant: compare client_id and tenant_id, or have it provisioned there"
        }
        70021 | 700_229 => {
            "no federated credential of the application fits the token: compare its issuer, subject and audience"
        }
        70011 | 28002 | 28003 | 700_022 | 700_023 | 1_002_012 => {
            "correct the scopes of the route: one resource, spelled as it is exposed"
        }
        500_011 | 50001 => "the target's application is not present in this tenant: compare the resource in the scopes",
        90002 => "the tenant is unknown here: compare tenant_id and authority",
        70003 => "the identity provider does not know this grant; Entra does not know token_exchange",
        900_144 => "a parameter of the request is missing",
        _ => return None,
    };
    Some(with(Act::Operator, hint))
}

fn weather(code: u64) -> Option<Row> {
    Some(match code {
        90055 => with(Act::Wait, "the identity provider throttles this application"),
        50196 => with(Act::Wait, "the same request was repeated too often; look for a client that loops"),
        50033 | 90006 | 90024 | 90033 | 90090 => with(Act::Passing, "the identity provider has a passing fault"),
        _ => return None,
    })
}

fn with(act: Act, hint: &'static str) -> Row {
    Row { act, hint }
}

const CONSENT: &str = "open consent_uri as an administrator of the tenant, or add the client to knownClientApplications or preAuthorizedApplications";
const PERMISSION: &str =
    "declare the target's permission on this application, then open consent_uri as an administrator of the tenant";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_known_code_decides() {
        assert_eq!(act(&[1, 65001, 50013]), Some(Act::Consent));
        assert_eq!(act(&[1]), None);
        assert!(hint(&[7_000_222]).unwrap().contains("expired"));
    }

    #[test]
    fn a_failed_validation_is_what_the_code_behind_it_says() {
        assert_eq!(act(&[70002, 50013]), Some(Act::NewToken));
        assert_eq!(act(&[70002, 50173]), Some(Act::NewToken));
        assert_eq!(act(&[70002, 50012]), None, "the word decides");
        assert_eq!((act(&[70002]), &*label(&[70002, 50013])), (Some(Act::Operator), "50013"));
    }

    #[test]
    fn labels_stay_few() {
        assert_eq!(label(&[999, 50013]), "50013");
        assert_eq!(label(&[999]), "other");
        assert_eq!(label(&[]), "");
    }
}
