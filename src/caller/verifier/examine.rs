//! Everything that can be told of a token, for people: each check of [`Verifier::verify`] by itself, the later ones also
//! where an earlier one has failed. Nobody becomes a caller here.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::super::claims::Claims;
use super::super::invalid::InvalidToken;
use super::super::jws::{self, CompactJws};
use super::{Verifier, VerifyError, check_kind, check_signature, key};
use crate::identity::Tenant;

/// What was found out about a token.
#[derive(Debug)]
pub struct Examination {
    header: Map<String, Value>,
    payload: Map<String, Value>,
    findings: Vec<(Aspect, Finding)>,
    claims: Option<Claims>,
    tenant: Option<Arc<Tenant>>,
}

/// Something that is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aspect {
    /// That it is a signed JWT.
    Form,
    /// Its header: algorithm and key.
    Header,
    /// That its claims can be read.
    Claims,
    /// That it was issued for us.
    Audience,
    /// That it is for a tenant of ours.
    Tenant,
    /// That it is valid now.
    Times,
    /// That it grants access.
    Kind,
    /// Who issued it.
    Issuer,
    /// That it is signed.
    Signature,
}

/// What came of a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// It is as it should be.
    Good,
    /// It is the reason to refuse the token.
    Bad(InvalidToken),
    /// It was not checked: an earlier check would have to succeed first.
    Unreached,
    /// It was not checked: there are no signing keys.
    NoKeys,
}

impl Examination {
    /// The checks, in the order in which the first that fails is the verdict.
    pub fn findings(&self) -> &[(Aspect, Finding)] {
        &self.findings
    }

    /// The verdict.
    ///
    /// # Errors
    /// What the token is refused for.
    pub fn verdict(&self) -> Result<(), InvalidToken> {
        let failed = self.findings.iter().find_map(|(_, finding)| match finding {
            Finding::Bad(invalid) => Some(invalid.clone()),
            _ => None,
        });
        failed.map_or(Ok(()), Err)
    }

    /// The claims that decide, where they could be read; nobody has vouched for them.
    pub fn claims(&self) -> Option<&Claims> {
        self.claims.as_ref()
    }

    /// The tenant that the token names, where it is one of ours.
    pub fn tenant(&self) -> Option<&Arc<Tenant>> {
        self.tenant.as_ref()
    }

    /// A parameter of the header, as it stands there.
    pub fn header(&self, name: &str) -> Option<&Value> {
        self.header.get(name)
    }

    /// A claim, as it stands there.
    pub fn claim(&self, name: &str) -> Option<&Value> {
        self.payload.get(name)
    }

    fn note(&mut self, aspect: Aspect, outcome: Result<(), InvalidToken>) {
        self.findings.push((aspect, outcome.map_or_else(Finding::Bad, |()| Finding::Good)));
    }

    /// What has no finding yet was not reached.
    fn complete(mut self) -> Self {
        for aspect in ALL {
            if !self.findings.iter().any(|(found, _)| *found == aspect) {
                self.findings.push((aspect, Finding::Unreached));
            }
        }
        self
    }
}

impl Verifier {
    /// Looks at a token from all sides. Issuer and signature are looked at where the tenant's keys have been loaded.
    pub async fn examine(&self, token: &str) -> Examination {
        let (header, payload) = jws::stated(token);
        let mut seen = Examination { header, payload, findings: Vec::new(), claims: None, tenant: None };
        match CompactJws::parse(token) {
            Ok(jws) => self.examine_parts(&mut seen, &jws).await,
            Err(invalid) => match aspect_of(&invalid) {
                Aspect::Form => seen.note(Aspect::Form, Err(invalid)),
                aspect => {
                    seen.note(Aspect::Form, Ok(()));
                    seen.note(aspect, Err(invalid));
                }
            },
        }
        seen.complete()
    }

    async fn examine_parts(&self, seen: &mut Examination, jws: &CompactJws<'_>) {
        seen.note(Aspect::Form, Ok(()));
        seen.note(Aspect::Header, self.check_algorithm(jws));
        let claims = match Claims::read(&self.identity.provider, jws) {
            Ok(claims) => claims,
            Err(invalid) => return seen.note(Aspect::Claims, Err(invalid)),
        };
        seen.note(Aspect::Claims, Ok(()));
        seen.note(Aspect::Audience, self.check_audience(&claims));
        seen.note(Aspect::Tenant, self.source(&claims).map(drop));
        seen.note(Aspect::Times, self.check_time(&claims));
        seen.note(Aspect::Kind, check_kind(&claims));
        self.examine_origin(seen, jws, &claims).await;
        seen.claims = Some(claims);
    }

    async fn examine_origin(&self, seen: &mut Examination, jws: &CompactJws<'_>, claims: &Claims) {
        let Ok(source) = self.source(claims) else { return };
        seen.tenant = Some(Arc::clone(source.tenant()));
        if !source.is_loaded() {
            let issuer = self.check_known_issuer(source.tenant(), claims);
            seen.findings.push((Aspect::Issuer, issuer));
            seen.findings.push((Aspect::Signature, Finding::NoKeys));
            return;
        }
        match key(source, &jws.key_id, &claims.issuer).await {
            Ok(key) => {
                seen.note(Aspect::Issuer, Ok(()));
                seen.note(Aspect::Signature, check_signature(jws, &key));
            }
            Err(VerifyError::Invalid(invalid @ InvalidToken::Issuer(_))) => seen.note(Aspect::Issuer, Err(invalid)),
            Err(VerifyError::Invalid(invalid)) => {
                seen.note(Aspect::Issuer, Ok(()));
                seen.note(Aspect::Signature, Err(invalid));
            }
            Err(VerifyError::NoKeys) => {
                seen.note(Aspect::Issuer, Ok(()));
                seen.findings.push((Aspect::Signature, Finding::NoKeys));
            }
        }
    }

    /// An issuer that discovery has no say in can be compared without it.
    fn check_known_issuer(&self, tenant: &Tenant, claims: &Claims) -> Finding {
        match self.identity.fixed_issuers(tenant) {
            None => Finding::NoKeys,
            Some(fixed) if fixed.contains(&claims.issuer) => Finding::Good,
            Some(_) => Finding::Bad(InvalidToken::Issuer(claims.issuer.clone())),
        }
    }

    /// Downloads the keys of a tenant.
    ///
    /// # Errors
    /// Why that failed, in words.
    pub async fn load_keys(&self, tenant: &Tenant) -> Result<(), String> {
        match self.sources.get(tenant.id()) {
            Some(source) => source.download_now().await,
            None => Err("the tenant is not known".to_owned()),
        }
    }
}

/// What of a token is wrong where it cannot be taken apart.
fn aspect_of(invalid: &InvalidToken) -> Aspect {
    match invalid {
        InvalidToken::NotJwt | InvalidToken::Encrypted => Aspect::Form,
        InvalidToken::MalformedClaims => Aspect::Claims,
        _ => Aspect::Header,
    }
}

const ALL: [Aspect; 9] = [
    Aspect::Form,
    Aspect::Header,
    Aspect::Claims,
    Aspect::Audience,
    Aspect::Tenant,
    Aspect::Times,
    Aspect::Kind,
    Aspect::Issuer,
    Aspect::Signature,
];

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use serde_json::json;

    use super::*;
    use crate::digest::Digest;
    use crate::identity::{Identity, Provider};
    use crate::idp::IdpClient;
    use crate::telemetry::Metrics;

    const TENANT: &str = "11111111-2222-3333-4444-555555555555";

    fn verifier() -> Verifier {
        let authority = "https://login.microsoftonline.com";
        let tenant = Arc::new(Tenant::entra(authority, TENANT, "client"));
        let identity = Identity {
            name: "default".into(),
            provider: Provider::Entra { authority: authority.into() },
            tenants: vec![Arc::clone(&tenant)],
            anyone: tenant,
            client_id: "client".into(),
            credentials: Vec::new(),
            ca: None,
            audiences: vec!["client".into()],
            algorithms: vec![jsonwebtoken::Algorithm::RS256],
            clock_skew: std::time::Duration::ZERO,
            timeout: std::time::Duration::from_secs(1),
            key_refresh: std::time::Duration::from_hours(1),
            exchange_limit: None,
        };
        let metrics = Arc::new(Metrics::new().unwrap());
        Verifier::new(Arc::new(identity), &IdpClient::new(None).unwrap(), 10, metrics, None)
    }

    fn token(header: &Value, change: &Value) -> String {
        let mut claims = json!({
            "iss": "i", "aud": "client", "tid": TENANT, "oid": "o", "exp": 9_999_999_999_u64, "scp": "x", "azp": "c",
        });
        for (name, value) in change.as_object().unwrap() {
            claims[name] = value.clone();
        }
        let [header, claims] = [header, &claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
        format!("{header}.{claims}.c2ln")
    }

    fn tokens() -> Vec<String> {
        let header = json!({"alg": "RS256", "kid": "k"});
        let of_header = |header: Value| token(&header, &json!({}));
        let mut tokens = vec![
            "opaque".to_owned(),
            "a.b.c.d.e".to_owned(),
            "a.b.c".to_owned(),
            of_header(json!({"alg": "none", "kid": "k"})),
            of_header(json!({"alg": "RS512", "kid": "k"})),
            of_header(json!({"alg": "RS256"})),
            of_header(json!({"alg": "RS256", "kid": "k", "crit": ["x"]})),
            format!("{}.e30x.c2ln", URL_SAFE_NO_PAD.encode(header.to_string())),
        ];
        tokens.extend(
            [
                json!({}),
                json!({"aud": "other"}),
                json!({"aud": "https://graph.microsoft.com", "exp": 1}),
                json!({"aud": 5}),
                json!({"tid": "other", "exp": 1}),
                json!({"exp": 1}),
                json!({"exp": 1, "scp": "", "nonce": "n"}),
                json!({"nbf": 9_999_999_990_u64}),
                json!({"scp": "", "nonce": "n"}),
            ]
            .iter()
            .map(|change| token(&header, change)),
        );
        tokens
    }

    #[tokio::test]
    async fn the_verdict_is_the_one_by_which_requests_are_refused() {
        let verifier = verifier();
        for token in tokens() {
            let verdict =
                verifier.verify(&token, &Digest::of(token.as_bytes()), tokio::time::Instant::now()).await.unwrap_err();
            match verifier.examine(&token).await.verdict() {
                Err(invalid) => assert_eq!(verdict, VerifyError::Invalid(invalid), "{token}"),
                Ok(()) => assert_eq!(verdict, VerifyError::NoKeys, "{token}"),
            }
        }
    }

    #[tokio::test]
    async fn every_aspect_has_one_finding() {
        for token in tokens() {
            let seen = verifier().examine(&token).await;
            for aspect in ALL {
                assert_eq!(seen.findings().iter().filter(|(found, _)| *found == aspect).count(), 1, "{aspect:?}");
            }
        }
    }

    #[tokio::test]
    async fn what_follows_a_failure_is_looked_at_all_the_same() {
        let header = json!({"alg": "RS512", "kid": "k"});
        let seen = verifier().examine(&token(&header, &json!({"aud": "other", "exp": 1}))).await;
        for (aspect, expected) in [
            (Aspect::Header, Finding::Bad(InvalidToken::Algorithm)),
            (Aspect::Audience, Finding::Bad(InvalidToken::Audience("other".into()))),
            (Aspect::Tenant, Finding::Good),
            (Aspect::Times, Finding::Bad(InvalidToken::Expired)),
            (Aspect::Signature, Finding::NoKeys),
        ] {
            assert!(seen.findings().contains(&(aspect, expected)), "{aspect:?}");
        }
    }
}
