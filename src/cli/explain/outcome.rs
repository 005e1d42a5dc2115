//! What becomes of the request: where it goes, or what its caller gets instead and how that is mended.

use super::Case;
use super::page::{Page, plain};
use super::remedy::remedy;
use crate::proxy::NIL_REQUEST_ID;
use crate::rejection::{Refusal, Rejection};

pub(super) fn outcome(page: &mut Page, case: &Case<'_>) {
    page.section("5. Outcome");
    match (&case.told.rejection, &case.told.refusal) {
        (Some(rejection), Some(refusal)) => refused(page, case, rejection, refusal),
        _ if case.told.described.is_some() => {
            page.line(
                "answered",
                "200 by the proxy itself: the metadata of the route, for everybody and without a token",
            );
        }
        _ => forwarded(page, case),
    }
}

fn forwarded(page: &mut Page, case: &Case<'_>) {
    let Some(route) = &case.told.route else { return };
    page.line("forwarded", &format!("{} {}{}", case.method, route.origin, plain(&route.path)));
    if case.online {
        page.more("the target was not asked, and nothing of this is remembered");
    } else {
        page.more("as far as can be told offline: neither the signature was verified nor the identity provider asked");
    }
}

fn refused(page: &mut Page, case: &Case<'_>, rejection: &Rejection, refusal: &Refusal) {
    page.line("refused", &format!("{} {}: {}", refusal.status.as_u16(), refusal.code, plain(&rejection.reason())));
    page.line("to mend it", &remedy(case, rejection));
    page.line("the caller gets", "");
    page.verbatim(&format!("{} {}", refusal.status.as_u16(), refusal.status.canonical_reason().unwrap_or_default()));
    for (name, value) in &refusal.headers {
        page.verbatim(&format!("{name}: {}", value.to_str().unwrap_or_default()));
    }
    page.verbatim("");
    page.verbatim(&String::from_utf8_lossy(&refusal.body));
    page.line("", &format!("(each request has an ID of its own in place of {NIL_REQUEST_ID})"));
}
