//! `grant_type=password`: a user signs in with a name, and any password will do.

use super::{Granted, TokenCall, sign_in::SignIn};
use crate::emulator::{challenge::ClaimsChallenge, refusal::Refusal, user::User};

/// Signs the user in.
pub(super) fn sign_in(call: &TokenCall<'_>) -> Result<Granted, Refusal> {
    let (form, tenant) = (call.form, call.sign_in_tenant()?);
    let client_id = call.sign_in_client(&tenant)?;
    let user = User::named(form.require("username")?);
    form.require("password")?;
    let sign_in = SignIn { client_id: client_id.to_owned(), tenant, user, nonce: None };
    sign_in.grant(call.authority, form.require("scope")?, &ClaimsChallenge::of_parameter(form.find("claims"))?)
}
