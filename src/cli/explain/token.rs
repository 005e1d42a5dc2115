//! Token A: each verdict on a line of its own, or what a token would need.

use super::Case;
use super::page::{Mark, Page, claim, list, moment, quoted};
use crate::caller::{Aspect, Claims, Examination, Finding, InvalidToken, Kind, Lacking, MAX_TOKEN, Requirements};
use crate::identity::{Identity, Provider};
use crate::proxy::{ExplainedRoute, ExplainedToken};
use crate::rejection::Rejection;

pub(super) fn token(page: &mut Page, case: &Case<'_>) {
    let Some(route) = &case.told.route else {
        page.section("3. Token A");
        return page.check(Mark::NotChecked, "token", "no route takes the request");
    };
    match (&case.told.token, &case.told.rejection) {
        (Some(token), _) => {
            page.section(&format!("3. Token A ({} bytes, SHA-256 {:?}...)", token.length, token.digest));
            View { page, route, token, seen: &token.examination, online: case.online }.print();
        }
        (None, Some(Rejection::MissingToken)) => needed(page, route),
        (None, rejection) => {
            page.section("3. Token A");
            page.check(Mark::Failed, "form", &rejection.as_ref().map(Rejection::reason).unwrap_or_default());
        }
    }
}

struct View<'a> {
    page: &'a mut Page,
    route: &'a ExplainedRoute,
    token: &'a ExplainedToken,
    seen: &'a Examination,
    online: bool,
}

impl View<'_> {
    fn print(mut self) {
        for (aspect, finding) in self.seen.findings() {
            self.finding(*aspect, finding);
        }
        if let Some(claims) = self.seen.claims() {
            self.requirements(claims);
        }
    }

    fn finding(&mut self, aspect: Aspect, finding: &Finding) {
        let identity = &self.route.identity;
        let name = name(aspect);
        let detail = match aspect {
            Aspect::Form => format!("a signed JWT of three parts; {} of at most {MAX_TOKEN} bytes", self.token.length),
            Aspect::Header => self.stated_header(finding),
            // Readable claims are seen by what follows.
            Aspect::Claims if *finding == Finding::Good => return,
            Aspect::Claims => "header and claims are read one after the other".to_owned(),
            Aspect::Audience => format!("found {}; accepted: {}", self.stated("aud"), list(&identity.audiences)),
            Aspect::Tenant if !has_tenants(identity) => return,
            Aspect::Tenant => format!("found {}; accepted: {}", self.stated("tid"), tenants(identity)),
            Aspect::Times => self.times(),
            Aspect::Kind => self.kind(),
            Aspect::Issuer => self.issuer(finding),
            Aspect::Signature => self.signature(finding),
        };
        let (mark, text) = match finding {
            Finding::Good => (self.mark_of(aspect), detail),
            Finding::Bad(invalid) => (Mark::Failed, failed(aspect, invalid, &detail)),
            Finding::NoKeys => (Mark::NotChecked, detail),
            Finding::Unreached => (Mark::NotChecked, unreached(aspect, detail)),
        };
        self.page.check(mark, name, &text);
    }

    /// A token of the wrong kind for this route is good otherwise.
    fn mark_of(&self, aspect: Aspect) -> Mark {
        let misplaced = matches!(self.token.service, Some(Err(Rejection::AppOnlyToken | Rejection::UserToken)));
        if aspect == Aspect::Kind && misplaced { Mark::Failed } else { Mark::Ok }
    }

    fn stated(&self, name: &str) -> String {
        self.seen.claim(name).map_or_else(|| "none".to_owned(), claim)
    }

    fn stated_header(&self, finding: &Finding) -> String {
        let stated = ["alg", "kid", "typ"]
            .map(|name| format!("{name} {}", self.seen.header(name).map_or_else(|| "none".to_owned(), claim)));
        let stated = stated.join(", ");
        if *finding != Finding::Bad(InvalidToken::Algorithm) {
            return stated;
        }
        let accepted: Vec<_> =
            self.route.identity.algorithms.iter().map(|algorithm| format!("{algorithm:?}")).collect();
        format!("{stated}; accepted: {}", accepted.join(", "))
    }

    fn times(&self) -> String {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_secs();
        let Some(claims) = self.seen.claims() else { return String::new() };
        let end = claims.expires();
        let distance = match end.checked_sub(now) {
            Some(left) => format!("{left} s left"),
            None => format!("{} s ago", now.abs_diff(end)),
        };
        let begin = claims.not_before().map(|begin| format!(", begins {} (nbf)", moment(begin))).unwrap_or_default();
        let skew = self.route.identity.clock_skew.as_secs();
        format!("ends {} (exp, {distance}){begin}; our clock {}, tolerance {skew} s", moment(end), moment(now))
    }

    fn kind(&self) -> String {
        let Some(claims) = self.seen.claims() else { return String::new() };
        let kind = match claims.kind() {
            Kind::User => "a user's token",
            Kind::App => "an application's own token (app-only)",
            Kind::Neither => "no access token: an ID, refresh or logout token, or without scopes and client",
        };
        let stated = ["oid", "sub", "idtyp", "ver"].iter().filter_map(|name| {
            let value = self.seen.claim(name)?;
            // At Entra `sub` says less than `oid`.
            (*name != "sub" || self.seen.claim("oid").is_none()).then(|| format!("; {name} {}", claim(value)))
        });
        let unserved = match self.token.service {
            Some(Err(Rejection::AppOnlyToken)) => "; the route serves users only",
            Some(Err(Rejection::UserToken)) => "; the route serves applications on their own only",
            _ => "",
        };
        format!("{kind}{}{unserved}", stated.collect::<String>())
    }

    fn issuer(&self, finding: &Finding) -> String {
        let identity = &self.route.identity;
        let tenant = self.seen.tenant().unwrap_or(&identity.anyone);
        let likely = identity.likely_issuers(tenant);
        let found = self.seen.claim("iss").and_then(serde_json::Value::as_str);
        let is_strange = !likely.is_empty() && !likely.iter().any(|known| Some(&**known) == found);
        let expected = match &*likely {
            [] => format!("those that {} names", tenant.discovery()),
            known => list(known),
        };
        let unchecked = matches!(finding, Finding::NoKeys | Finding::Unreached);
        let offline = if unchecked && !self.online { "offline; " } else { "" };
        let warning = if unchecked && is_strange { "; this is none of them" } else { "" };
        format!("{offline}found {}; expected: {expected}{warning}", self.stated("iss"))
    }

    fn signature(&self, finding: &Finding) -> String {
        match (finding, &self.token.keys) {
            (Finding::Good, _) => "verified with a key that the identity provider publishes".to_owned(),
            (_, Some(Err(cause))) => format!("the keys could not be downloaded: {cause}"),
            (_, None) => "offline; --online downloads the keys".to_owned(),
            _ => "no key could be had that is as new as the token may be".to_owned(),
        }
    }

    fn requirements(&mut self, claims: &Claims) {
        let require = if claims.kind() == Kind::App { &self.route.apps } else { &self.route.users };
        let require = require.clone().unwrap_or_default();
        let page = &mut *self.page;
        let required = |items: &[Box<str>]| if items.is_empty() { "none".to_owned() } else { list(items) };
        let text = format!("found {}; required: {}", list(claims.scopes()), required(&require.scopes));
        page.check(mark(&require.check_scopes(claims)), "scopes", &text);
        let text = format!("found {}; required: {}", list(claims.roles()), required(&require.roles));
        page.check(mark(&require.check_roles(claims)), "roles", &text);
        let client = claims.client().map_or_else(|| "none".to_owned(), quoted);
        let text = format!("found {client}; accepted: {}", any_or(&require.clients));
        page.check(mark(&require.check_client(claims)), "client", &text);
        let declared = if claims.handles_claims_challenges() { "declared (xms_cc)" } else { "not declared (xms_cc)" };
        page.check(Mark::Note, "cp1", &format!("{declared}: whether the client can answer claims challenges"));
    }
}

/// What a token for this route needs.
fn needed(page: &mut Page, route: &ExplainedRoute) {
    page.section("3. Token A (none given; this is what it needs)");
    let identity = &route.identity;
    page.line("audience", &format!("one of {}", list(&identity.audiences)));
    if has_tenants(identity) {
        page.line("tenant", &tenants(identity));
    }
    for tenant in identity.tenants.iter().take(1) {
        let issuers = identity.likely_issuers(tenant);
        if !issuers.is_empty() {
            page.line("issuer", &list(&issuers));
        }
    }
    for (who, require) in [("a user", &route.users), ("an application", &route.apps)] {
        if let Some(Requirements { scopes, roles, clients }) = require {
            let (scopes, roles, clients) = (list(scopes), list(roles), any_or(clients));
            page.line(who, &format!("with scopes: {scopes}; roles: {roles}; client: {clients}"));
        }
    }
}

fn name(aspect: Aspect) -> &'static str {
    match aspect {
        Aspect::Form => "form",
        Aspect::Header => "header",
        Aspect::Claims => "claims",
        Aspect::Audience => "audience",
        Aspect::Tenant => "tenant",
        Aspect::Times => "times",
        Aspect::Kind => "kind",
        Aspect::Issuer => "issuer",
        Aspect::Signature => "signature",
    }
}

/// The reason; with what was found where that says more.
fn failed(aspect: Aspect, invalid: &InvalidToken, detail: &str) -> String {
    match aspect {
        Aspect::Form | Aspect::Claims | Aspect::Signature => invalid.reason().to_owned(),
        Aspect::Kind => detail.to_owned(),
        _ => format!("{}: {detail}", invalid.reason()),
    }
}

/// Where nothing could be read, what is expected is of no use.
fn unreached(aspect: Aspect, detail: String) -> String {
    match aspect {
        Aspect::Audience | Aspect::Tenant | Aspect::Header | Aspect::Issuer => detail,
        _ => "something before it has failed".to_owned(),
    }
}

fn mark(outcome: &Result<(), Lacking>) -> Mark {
    if outcome.is_ok() { Mark::Ok } else { Mark::Failed }
}

fn any_or(clients: &[Box<str>]) -> String {
    if clients.is_empty() { "any".to_owned() } else { list(clients) }
}

fn has_tenants(identity: &Identity) -> bool {
    matches!(identity.provider, Provider::Entra { .. })
}

fn tenants(identity: &Identity) -> String {
    list(&identity.tenants.iter().map(|tenant| tenant.id()).collect::<Vec<_>>())
}
