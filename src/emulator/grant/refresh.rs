//! `grant_type=refresh_token`: new tokens without the user.

use super::{Granted, TokenCall, on_behalf_of::OnBehalfOf, sign_in::SignIn};
use crate::emulator::{challenge::ClaimsChallenge, guarded::Guarded, ledger::Ledger, refusal::Refusal};

/// What a refresh token stands for.
#[derive(Debug, Clone)]
pub(in crate::emulator) enum RefreshGrant {
    /// A user who signed in to a client for these scopes, and may ask for others.
    SignedIn(SignIn, String),
    /// A user for whom the emulator's own registration acted, for the scopes in which it acted.
    OnBehalfOf(OnBehalfOf),
}

impl RefreshGrant {
    fn oid(&self) -> &str {
        match self {
            Self::SignedIn(sign_in, _) => &sign_in.user.oid,
            Self::OnBehalfOf(on_behalf_of) => on_behalf_of.user(),
        }
    }
}

/// The refresh tokens that were given out. An old one stays good when it is used, as Entra's do.
#[derive(Debug, Default)]
pub(in crate::emulator) struct RefreshTokens(Guarded<Ledger<RefreshToken>>);

#[derive(Debug, Clone)]
struct RefreshToken {
    grant: RefreshGrant,
    /// Why it is good no more.
    ended: Option<Refusal>,
}

impl RefreshTokens {
    /// A new refresh token.
    pub(super) fn issue(&self, grant: RefreshGrant) -> String {
        self.0.lock().issue("1.", RefreshToken { grant, ended: None })
    }

    /// Ends the refresh tokens of a user given so far; whoever uses one meets this refusal.
    pub(in crate::emulator) fn end(&self, oid: &str, refusal: &Refusal) {
        self.0.lock().for_each(|token| {
            if token.grant.oid() == oid {
                token.ended = Some(refusal.clone());
            }
        });
    }

    /// Makes all refresh tokens good again.
    pub(in crate::emulator) fn restore(&self) {
        self.0.lock().for_each(|token| token.ended = None);
    }

    /// The user of a refresh token.
    pub(super) fn user_of(&self, token: &str) -> Option<String> {
        self.0.lock().find(token).map(|token| token.grant.oid().to_owned())
    }

    fn find(&self, token: &str) -> Result<RefreshGrant, Refusal> {
        let token = self.0.lock().find(token).ok_or(UNKNOWN)?;
        token.ended.map_or(Ok(token.grant), Err)
    }
}

/// Gives new tokens, the refresh token among them.
pub(super) fn refresh(call: &TokenCall<'_>) -> Result<Granted, Refusal> {
    let (form, authority) = (call.form, call.authority);
    let tenant = call.sign_in_tenant()?;
    let client_id = call.sign_in_client(&tenant)?;
    let grant = authority.refresh_tokens.find(form.require("refresh_token")?)?;
    let claims = ClaimsChallenge::of_parameter(form.find("claims"))?;
    let granted = match &grant {
        RefreshGrant::SignedIn(sign_in, scope) if sign_in.client_id == client_id && sign_in.tenant == tenant => {
            sign_in.grant(authority, form.find("scope").unwrap_or(scope), &claims)?
        }
        RefreshGrant::OnBehalfOf(on_behalf_of)
            if authority.options.client_id == client_id && on_behalf_of.tenant == tenant =>
        {
            on_behalf_of.refresh(authority, form.find("scope"), &claims)?
        }
        _ => return Err(UNKNOWN),
    };
    Ok(Granted { refresh_token: Some(authority.refresh_tokens.issue(grant)), ..granted })
}

const UNKNOWN: Refusal = Refusal::UnknownGrant("the refresh token");
