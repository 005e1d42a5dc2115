//! `grant_type=authorization_code`: a code that the authorization endpoint gave, with its proof of possession.

use aws_lc_rs::digest::{SHA256, digest};

use super::{Granted, TokenCall, sign_in::SignIn};
use crate::emulator::{
    challenge::ClaimsChallenge, clock::unix_now, guarded::Guarded, jwt::base64url, ledger::Ledger, refusal::Refusal,
};

/// What a code stands for.
#[derive(Debug, Clone)]
pub(in crate::emulator) struct Code {
    pub(in crate::emulator) sign_in: SignIn,
    pub(in crate::emulator) scope: String,
    pub(in crate::emulator) claims: ClaimsChallenge,
    pub(in crate::emulator) redirect_uri: String,
    pub(in crate::emulator) challenge: Option<CodeChallenge>,
    pub(in crate::emulator) expires: i64,
    pub(in crate::emulator) redeemed: bool,
}

/// What the code's verifier has to match (RFC 7636).
#[derive(Debug, Clone)]
pub(in crate::emulator) enum CodeChallenge {
    Plain(String),
    Sha256(String),
}

impl CodeChallenge {
    /// The challenge in the parameters of an authorization request.
    pub(in crate::emulator) fn read(challenge: Option<&str>, method: Option<&str>) -> Result<Option<Self>, Refusal> {
        match (challenge, method) {
            (None, None) => Ok(None),
            (Some(challenge), Some("S256")) => Ok(Some(Self::Sha256(challenge.to_owned()))),
            (Some(challenge), None | Some("plain")) => Ok(Some(Self::Plain(challenge.to_owned()))),
            (Some(_), Some(_)) => Err(Refusal::Malformed("the code_challenge_method is unknown")),
            (None, Some(_)) => Err(Refusal::MissingParameter("code_challenge")),
        }
    }

    fn is_met_by(&self, verifier: &str) -> bool {
        match self {
            Self::Plain(challenge) => challenge == verifier,
            Self::Sha256(challenge) => *challenge == base64url(digest(&SHA256, verifier.as_bytes()).as_ref()),
        }
    }
}

/// The codes that were given out.
#[derive(Debug, Default)]
pub(in crate::emulator) struct Codes(Guarded<Ledger<Code>>);

impl Codes {
    /// A new code.
    pub(in crate::emulator) fn issue(&self, code: Code) -> String {
        self.0.lock().issue("1.", code)
    }

    /// The user who signed in for a code.
    pub(super) fn user_of(&self, code: &str) -> Option<String> {
        self.0.lock().find(code).map(|code| code.sign_in.user.oid)
    }

    /// Forgets all codes.
    pub(in crate::emulator) fn clear(&self) {
        self.0.lock().clear();
    }

    fn redeem(&self, code: &str) -> Result<Code, Refusal> {
        let found =
            self.0.lock().replace(code, |code| code.redeemed = true).ok_or(Refusal::UnknownGrant("the code"))?;
        if found.redeemed {
            return Err(Refusal::RedeemedCode);
        }
        if found.expires <= unix_now() { Err(Refusal::ExpiredCode) } else { Ok(found) }
    }
}

/// Gives the tokens for a code, once.
pub(super) fn redeem(call: &TokenCall<'_>) -> Result<Granted, Refusal> {
    let (form, tenant) = (call.form, call.sign_in_tenant()?);
    let client_id = call.sign_in_client(&tenant)?;
    let code = call.authority.codes.redeem(form.require("code")?)?;
    if code.sign_in.client_id != client_id || code.sign_in.tenant != tenant {
        return Err(Refusal::UnknownGrant("the code"));
    }
    if form.require("redirect_uri")? != code.redirect_uri {
        return Err(Refusal::OtherRedirect);
    }
    match &code.challenge {
        Some(challenge) if !challenge.is_met_by(form.require("code_verifier")?) => Err(Refusal::WrongVerifier),
        _ => code.sign_in.grant(call.authority, form.find("scope").unwrap_or(&code.scope), &claims(call, &code)?),
    }
}

/// The claims that the client asked for when the user signed in, and those that it asks for now: libraries state a
/// challenge there and their capabilities here.
fn claims(call: &TokenCall<'_>, code: &Code) -> Result<ClaimsChallenge, Refusal> {
    Ok(code.claims.clone().and(ClaimsChallenge::of_parameter(call.form.find("claims"))?))
}
