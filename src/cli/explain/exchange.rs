//! The exchange: what is asked for, with what, where the result goes, and what came of it where it was tried.

use super::Case;
use super::page::{Page, moment, plain, quoted};
use crate::exchange::{CredentialDescription, Description, ExchangeError, Probe, Receipt, TokenRequest};
use crate::proxy::ExplainedExchange;
use crate::rejection::Rejection;

pub(super) fn exchange(page: &mut Page, case: &Case<'_>) {
    page.section("4. Exchange");
    let Some(exchange) = &case.told.exchange else {
        return page.line("none", "the request is refused before a token is looked at");
    };
    page.line("for", if exchange.for_apps { "applications on their own" } else { "users" });
    let Some(description) = &exchange.description else {
        return page.line("grant", "none: the request is forwarded without any credential");
    };
    for (n, request) in description.requests.iter().enumerate() {
        if n > 0 {
            page.line("then", "what the first request brings is presented to the target's own token endpoint");
        }
        token_request(page, case, request);
    }
    destination(page, description);
    match &exchange.probe {
        Some(probe) => answer(page, case, probe),
        None => page.line("answer", unasked(case, exchange)),
    }
}

fn token_request(page: &mut Page, case: &Case<'_>, request: &TokenRequest) {
    let grant = request.form.iter().find(|(name, _)| name == "grant_type").map(|(_, value)| &**value);
    page.line("grant", grant.unwrap_or_default());
    match &request.endpoint {
        Some(endpoint) => page.line("token endpoint", endpoint),
        None => page.line("token endpoint", &unknown_endpoint(case)),
    }
    credentials(page, &request.credentials);
    if let Some(value) = &request.authorization {
        page.line("authorization", value);
    }
    for (n, (name, value)) in request.form.iter().enumerate() {
        page.line(if n == 0 { "form" } else { "" }, &format!("{name}={}", plain(value)));
    }
}

fn unknown_endpoint(case: &Case<'_>) -> String {
    let Some(route) = &case.told.route else { return String::new() };
    match &*route.identity.tenants {
        [only] => format!("not known yet; {} names it", only.discovery()),
        _ => "that of the caller's tenant".to_owned(),
    }
}

fn credentials(page: &mut Page, credentials: &[CredentialDescription]) {
    if credentials.is_empty() {
        page.line("credential", "none");
    }
    for (n, credential) in credentials.iter().enumerate() {
        page.line(if n == 0 { "credential" } else { "or, if refused" }, credential.kind);
        if let Some((thumbprint, ends)) = &credential.certificate {
            let ends = moment(u64::try_from(*ends).unwrap_or_default());
            page.more(&format!("thumbprint {thumbprint} (x5t#S256), ends {ends}"));
        }
    }
}

fn destination(page: &mut Page, description: &Description) {
    let scheme = description.scheme.as_deref().map(|scheme| format!("{scheme} ")).unwrap_or_default();
    page.line("goes to", &format!("{}: {scheme}<the token>", description.header));
    let (caller, exchange) = &description.key;
    let caller = caller.map_or_else(|| "<of token A>".to_owned(), |digest| format!("{digest:?}"));
    page.line("cache key", &format!("{caller} {exchange:?} (whom it is for, exchange)"));
}

fn unasked(case: &Case<'_>, exchange: &ExplainedExchange) -> &'static str {
    if case.online && exchange.probe.is_none() {
        "not asked: the request is refused before"
    } else {
        "not asked offline; --online exchanges the token once"
    }
}

fn answer(page: &mut Page, case: &Case<'_>, probe: &Probe) {
    let took = probe.took.as_millis();
    match &probe.outcome {
        Ok(receipt) => granted(page, receipt, took),
        Err(error) => refused(page, case, error, took),
    }
    page.line("request ID", &format!("{} (client-request-id)", probe.request_id));
}

fn granted(page: &mut Page, receipt: &Receipt, took: u128) {
    page.line("answer", &format!("a token, in {took} ms"));
    page.line("token_type", &quoted(&receipt.token_type));
    page.line("expires_in", &format!("{} s", receipt.expires_in.as_secs()));
    if let Some(refresh_in) = receipt.refresh_in {
        page.line("refresh_in", &format!("{} s", refresh_in.as_secs()));
    }
    if let Some(scope) = &receipt.scope {
        page.line("scope", &quoted(scope));
    }
    if receipt.has_refresh_token {
        page.line("refresh_token", "given");
    }
}

fn refused(page: &mut Page, case: &Case<'_>, error: &ExchangeError, took: u128) {
    page.line("answer", &format!("{} after {took} ms", error.outcome().0));
    if let Some(refusal) = error.refusal() {
        page.line("error", &refusal.error);
        if let Some(suberror) = &refusal.suberror {
            page.line("suberror", suberror);
        }
        if !refusal.error_codes.is_empty() {
            let codes: Vec<_> = refusal.error_codes.iter().map(|code| format!("AADSTS{code}")).collect();
            page.line("error_codes", &codes.join(", "));
        }
        if let Some(correlation_id) = &refusal.correlation_id {
            page.line("correlation_id", correlation_id);
        }
    } else {
        page.line("cause", &plain(&Rejection::Exchange(error.clone()).reason()));
    }
    if let ExchangeError::ClaimsChallenge { claims, .. } = error {
        page.line("claims", &plain(claims));
    }
    if let Some(remedy) = error.remedy() {
        page.line("hint", remedy);
    }
    if let (ExchangeError::ConsentRequired(_), Some(address)) = (error, consent_address(case)) {
        page.line("consent", &format!("{address} (to be opened by an administrator)"));
    }
}

fn consent_address(case: &Case<'_>) -> Option<String> {
    let tenant = case.told.token.as_ref()?.examination.tenant()?;
    tenant.consent_uri().map(str::to_owned)
}
