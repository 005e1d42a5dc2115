//! What Entra answers with each AADSTS number: status, `error` and `suberror`.

use serde::Serialize;

/// The shape of a refusal, and what it means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) struct Row {
    pub(super) code: u32,
    pub(super) status: u16,
    pub(super) error: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) suberror: Option<&'static str>,
    /// Whether the answer usually carries `claims`.
    pub(super) claims: bool,
    pub(super) meaning: &'static str,
}

impl Row {
    /// The shape of this number's refusal; of an unknown number `invalid_request`.
    pub(super) fn of(code: u32) -> Self {
        let known = ROWS.iter().find(|row| row.code == code).copied();
        known.unwrap_or(Self { code, ..row(0, "invalid_request", "The request is refused.") })
    }

    /// All that are known.
    pub(super) fn all() -> &'static [Self] {
        ROWS
    }

    const fn with(self, suberror: &'static str) -> Self {
        Self { suberror: Some(suberror), ..self }
    }

    const fn status(self, status: u16) -> Self {
        Self { status, ..self }
    }
}

const fn row(code: u32, error: &'static str, meaning: &'static str) -> Row {
    Row { code, status: 400, error, suberror: None, claims: false, meaning }
}

/// The user has to do something, and the claims say what.
const fn step_up(code: u32, meaning: &'static str) -> Row {
    Row { claims: true, ..row(code, "interaction_required", meaning) }
}

/// A Conditional Access policy stands against it.
const fn blocked(code: u32, meaning: &'static str) -> Row {
    row(code, "invalid_grant", meaning).with("message_only")
}

/// Nobody consented.
const fn consent(code: u32, meaning: &'static str) -> Row {
    row(code, "invalid_grant", meaning).with("consent_required")
}

/// The client did not authenticate.
const fn client(code: u32, meaning: &'static str) -> Row {
    row(code, "invalid_client", meaning).status(401)
}

/// It may go better later.
const fn transient(code: u32, meaning: &'static str) -> Row {
    row(code, "temporarily_unavailable", meaning).status(503)
}

/// The rows, by what they are about.
const ROWS: &[Row] = &[
    step_up(50_072, "The user has to enrol for multifactor authentication."),
    step_up(50_074, "Strong authentication is required."),
    step_up(50_076, "The user has to use multifactor authentication for this resource."),
    step_up(50_078, "The user's multifactor authentication has expired."),
    step_up(50_079, "The resource demands multifactor authentication of the user."),
    step_up(50_158, "An external security challenge was not met."),
    row(16_000, "interaction_required", "The user has to choose an account."),
    blocked(53_000, "A compliant device is required."),
    blocked(53_001, "A device of the domain is required."),
    blocked(53_002, "An approved application is required."),
    blocked(53_003, "Conditional Access policies block the access."),
    blocked(53_004, "The user has to prove who they are before they enrol."),
    blocked(53_010, "Multifactor authentication cannot be set up from here."),
    blocked(53_011, "The user is blocked for risk in their home tenant."),
    blocked(530_032, "A security policy of the tenant blocks the access."),
    blocked(530_034, "A delegated administrator is blocked for risk."),
    blocked(530_035, "Security defaults block the access."),
    consent(65_001, "Neither the user nor an administrator has consented to the scope."),
    consent(90_094, "An administrator has to consent."),
    consent(650_052, "The tenant has no service principal of the resource."),
    consent(650_056, "The application does not declare the permission."),
    consent(650_057, "The application does not declare the resource."),
    row(50_013, "invalid_grant", "The assertion's signature is not accepted."),
    row(50_173, "invalid_grant", "The user's sign-in was revoked after the assertion was issued."),
    row(500_131, "invalid_grant", "The assertion was issued for another application."),
    row(500_133, "invalid_grant", "The assertion has expired or is not yet valid."),
    row(50_027, "invalid_request", "The assertion is not a JWT."),
    row(240_002, "invalid_request", "The assertion is an id_token where an access token belongs."),
    row(7_000_114, "unauthorized_client", "Nobody can act on behalf of an application."),
    row(50_020, "invalid_grant", "The user is no guest of the tenant."),
    row(50_034, "invalid_grant", "The user does not exist in the tenant."),
    row(50_057, "invalid_grant", "The user's account is disabled."),
    row(50_105, "invalid_grant", "The user is not assigned to the application."),
    row(50_126, "invalid_grant", "The user's name or password is wrong."),
    row(51_004, "invalid_grant", "The user's account does not exist in the directory."),
    row(90_072, "invalid_grant", "The user's account is external and not a guest."),
    row(500_212, "invalid_grant", "The user's tenant forbids the access."),
    row(500_213, "invalid_grant", "The resource's tenant forbids the access."),
    client(70_002, "The client's credentials are wrong."),
    client(700_025, "A public client presented a secret."),
    client(7_000_215, "The client secret is wrong."),
    client(7_000_218, "The client did not authenticate."),
    client(7_000_222, "The client secret has expired."),
    client(700_024, "The client assertion is not within its time."),
    client(700_027, "The client assertion is not accepted."),
    client(1_000_502, "The client's certificate has expired."),
    client(7_000_214, "The client's certificate is revoked."),
    client(7_000_274, "The client's certificate is not trusted."),
    client(7_000_277, "The client's certificate cannot be verified."),
    client(7_000_229, "The application has no service principal in the tenant."),
    row(700_016, "unauthorized_client", "The application does not exist in the tenant."),
    client(70_021, "No federated credential matches the client assertion."),
    client(700_211, "No federated credential has the issuer of the client assertion."),
    client(700_212, "No federated credential has the audience of the client assertion."),
    client(700_213, "No federated credential has the subject of the client assertion."),
    client(700_229, "Only an application's token can stand for the client."),
    row(28_002, "invalid_scope", "A scope is invalid for the client."),
    row(28_003, "invalid_scope", "The scope is empty."),
    row(70_011, "invalid_scope", "The scope is invalid."),
    row(700_022, "invalid_scope", "The scope names more than one resource."),
    row(700_023, "invalid_scope", "The scope's resource is invalid."),
    row(1_002_012, "invalid_scope", "An application's own scope ends in '/.default', and there is one."),
    row(50_001, "invalid_resource", "The resource is disabled or does not exist."),
    row(500_011, "invalid_resource", "The resource does not exist in the tenant."),
    row(90_002, "invalid_request", "The tenant does not exist."),
    row(900_144, "invalid_request", "A parameter is missing."),
    row(9_000_411, "invalid_request", "A parameter occurs more than once."),
    row(9_002_313, "invalid_request", "The request is malformed."),
    row(9_010_010, "invalid_request", "The resource does not match the scope."),
    row(70_003, "unsupported_grant_type", "The grant type is not supported."),
    row(54_005, "invalid_grant", "The code was redeemed before."),
    row(500_112, "invalid_grant", "The redirect_uri is not the one that the code was sent to."),
    row(501_481, "invalid_grant", "The code_verifier does not match the code_challenge."),
    row(70_000, "invalid_grant", "The grant is invalid.").with("bad_token"),
    row(70_008, "invalid_grant", "The code or refresh token has expired.").with("token_expired"),
    row(70_043, "invalid_grant", "The refresh token has expired or was ended.").with("bad_token"),
    row(700_082, "invalid_grant", "The refresh token has expired, as it was not used.").with("token_expired"),
    row(50_196, "invalid_grant", "The client sends the same request over and over."),
    row(90_055, "temporarily_unavailable", "There are too many requests.").status(429),
    transient(50_033, "A transient error occurred."),
    transient(90_006, "Another service answered with a transient error."),
    transient(90_024, "The request took too long inside."),
    transient(90_033, "The directory is not available."),
    transient(90_090, "The directory answered with a transient error."),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_stands_once() {
        let mut codes: Vec<_> = ROWS.iter().map(|row| row.code).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), ROWS.len());
    }

    #[test]
    fn unknown_number_is_an_invalid_request() {
        let row = Row::of(12_345);
        assert_eq!((row.code, row.error, row.status), (12_345, "invalid_request", 400));
    }
}
