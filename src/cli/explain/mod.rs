//! `obo-proxy explain`: what the proxy would do with a request, and why.

mod exchange;
mod inputs;
mod outcome;
mod page;
mod remedy;
mod route;
mod token;

use std::io::Write;
use std::path::{Path, PathBuf};

use http::Method;

use self::inputs::{Address, Authorization};
use self::page::Page;
use super::{Ending, Failure, load};
use crate::config::Settings;
use crate::instance;
use crate::proxy::{Explanation, Inquiry, RouteSettings};

/// Arguments of `obo-proxy explain`.
#[derive(Debug, clap::Args)]
pub(super) struct ExplainArguments {
    /// The method, such as GET
    method: Method,
    /// The address that the caller asks for, or a path; a path alone has no host
    url: Address,
    /// The file with the caller's token; - is standard input
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Download the signing keys, and exchange the token once in earnest; the target gets nothing in any case
    #[arg(long)]
    online: bool,
}

/// What was asked, and what is known about it.
struct Case<'a> {
    method: &'a Method,
    address: &'a Address,
    online: bool,
    routes: &'a [RouteSettings],
    told: &'a Explanation,
}

/// Prints the explanation; the ending says whether the request would be forwarded.
pub(super) async fn explain(
    config: &Path,
    arguments: ExplainArguments,
    out: &mut (dyn Write + Send),
) -> Result<Ending, Failure> {
    let settings = load(config).map_err(Failure::of_usage)?;
    let authorization = arguments.token_file.as_deref().map(Authorization::read).transpose()?;
    let routes = settings.routes.clone();
    let told = told(settings, &arguments, authorization.as_ref()).await?;
    let ExplainArguments { method, url: address, online, .. } = &arguments;
    let page = page(&Case { method, address, online: *online, routes: &routes, told: &told });
    let text = authorization.iter().fold(page.finish(), |text, authorization| authorization.hide_in(&text));
    out.write_all(text.as_bytes())?;
    Ok(if told.rejection.is_none() { Ending::Well } else { Ending::Refused })
}

async fn told(
    settings: Settings,
    arguments: &ExplainArguments,
    authorization: Option<&Authorization>,
) -> Result<Explanation, Failure> {
    let gateway = instance::gateway(settings).map_err(|error| Failure::of_usage(Failure::new(error)))?;
    let inquiry = Inquiry {
        method: arguments.method.clone(),
        host: arguments.url.host.clone(),
        target: &arguments.url.target,
        authorization: authorization.map(|authorization| authorization.header.clone()),
    };
    Ok(gateway.explain(&inquiry, arguments.online).await)
}

fn page(case: &Case<'_>) -> Page {
    let mut page = Page::default();
    route::request(&mut page, case);
    route::route(&mut page, case);
    token::token(&mut page, case);
    exchange::exchange(&mut page, case);
    outcome::outcome(&mut page, case);
    page
}
