//! What an operator can do about an error code of Entra (`AADSTSnnnnn`). For the log only; callers never see it.

/// The first hint that there is for one of these codes.
pub(super) fn hint(codes: &[u64]) -> Option<&'static str> {
    codes.iter().find_map(|code| hint_for(*code))
}

fn hint_for(code: u64) -> Option<&'static str> {
    Some(match code {
        65001 => CONSENT,
        90094 | 650_056 | 650_057 | 650_052 => PERMISSION,
        50013 => {
            "token A is not signed for us: it is for Microsoft Graph, from another cloud or tenant, or the app has a custom signing key"
        }
        500_131 => "aud of token A is not this client; mind the case of the application ID URI",
        500_133 => "token A had expired when it was exchanged; compare the clocks",
        50027 | 240_002 => "the assertion is not an access token; the client sends an ID token or a damaged one",
        50173 => "the user's sessions were revoked; the client has to sign the user in again",
        7_000_114 => "token A is app-only; only a user's token can be exchanged on behalf of someone",
        50105 => "assign the user or a group to the enterprise application",
        50020 | 50034 | 51004 | 90072 | 500_212 | 500_213 | 16000 => {
            "the user is not known or not admitted in this tenant"
        }
        7_000_215 => "the client secret is wrong: use the secret's value, not its ID",
        7_000_222 => "the client secret has expired: create another one and replace it in the configuration",
        70002 | 7_000_218 | 700_025 => "the client authentication is missing or of the wrong kind",
        700_027 | 700_024 | 7_000_214 | 1_000_502 | 7_000_274 | 7_000_277 => {
            "the certificate of the client is not accepted"
        }
        700_016 | 7_000_229 => "the application is not present in this tenant; compare client_id and tenant_id",
        70021 | 700_229 => "the federated credential does not match the application's configuration",
        70011 | 28002 | 28003 | 700_022 | 700_023 => {
            "correct the scopes of the route: one resource, spelled as it is exposed"
        }
        500_011 | 50001 => "the target's application is not present in this tenant; compare the resource in the scopes",
        90002 => "the tenant is unknown here; compare tenant_id and authority",
        70003 => "the identity provider does not know the grant type",
        900_144 => "a parameter of the request is missing",
        50196 => "the same request was repeated too often; look for a client that loops",
        _ => return None,
    })
}

const CONSENT: &str = "grant admin consent for the permissions of this application, or add the client to knownClientApplications or preAuthorizedApplications";
const PERMISSION: &str = "declare the target's permission on this application and grant admin consent";
