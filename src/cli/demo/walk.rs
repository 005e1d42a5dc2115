//! The steps of the demo: each says what it does, does it over real sockets, and checks what came of it.

use std::io::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use http::header::WWW_AUTHENTICATE;
use serde_json::Value;

use super::super::Failure;
use crate::emulator::{Emulator, SampleTarget, TokenRequest};

/// A walk through the flow.
pub(super) struct Walk<'a> {
    emulator: &'a Emulator,
    target: &'a SampleTarget,
    proxy: String,
    admin: String,
    client: reqwest::Client,
    out: &'a mut (dyn Write + Send),
}

/// An answer of the proxy.
struct Reply {
    status: StatusCode,
    challenges: Vec<Vec<u8>>,
    body: Value,
}

impl<'a> Walk<'a> {
    pub(super) fn new(
        emulator: &'a Emulator,
        target: &'a SampleTarget,
        proxy: String,
        admin: String,
        out: &'a mut (dyn Write + Send),
    ) -> Self {
        Self { emulator, target, proxy, admin, client: reqwest::Client::new(), out }
    }

    /// Takes every step; fails with the first that does not go as told.
    pub(super) async fn take(&mut self) -> Result<(), Failure> {
        let (emulator, target) = (self.emulator.url().to_owned(), self.target.url().to_owned());
        writeln!(self.out, "identity provider (emulator)  {emulator}")?;
        writeln!(self.out, "target (sample)               {target}")?;
        writeln!(
            self.out,
            "obo-proxy                     {}\nadmin                         {}",
            self.proxy, self.admin
        )?;
        let token_a = self.emulator.mint(&TokenRequest::default());
        self.swap(&token_a).await?;
        self.cache_hit(&token_a).await?;
        self.step_up(&token_a).await?;
        self.relayed_challenge(&token_a).await?;
        self.wrong_audience().await
    }

    /// The lines to try by hand.
    pub(super) fn say_good_bye(&mut self) -> Result<(), Failure> {
        let (emulator, proxy, admin) = (self.emulator.url(), &self.proxy, &self.admin);
        writeln!(self.out, "\nEverything stays up until you press Ctrl-C. Try it:\n")?;
        writeln!(self.out, "  A=$(curl -s '{emulator}/emulator/tokens?format=text')")?;
        writeln!(self.out, "  curl -si {proxy}/orders/1 -H \"Authorization: Bearer $A\"")?;
        writeln!(self.out, "  curl -si {proxy}/payroll/me -H \"Authorization: Bearer $A\"        # step-up")?;
        writeln!(self.out, "  A=$(curl -s '{emulator}/emulator/tokens?format=text&acrs=c1')")?;
        writeln!(self.out, "  curl -si {proxy}/payroll/me -H \"Authorization: Bearer $A\"        # satisfied")?;
        writeln!(self.out, "  curl -si {proxy}/orders/challenge -H \"Authorization: Bearer $A\"  # from the target")?;
        writeln!(self.out, "  curl -s {emulator}/emulator/counters; curl -s {admin}/metrics")?;
        Ok(())
    }

    async fn swap(&mut self, token_a: &str) -> Result<(), Failure> {
        self.title("1. Swap: the caller's token A becomes a token B for the target")?;
        let reply = self.get("/orders/1", token_a).await?;
        self.expect(reply.status == StatusCode::OK, "the target answered 200")?;
        self.expect(!self.target.saw_token(token_a), "token A did not reach the target")?;
        let audience = reply.body.pointer("/authorization/claims/aud").and_then(Value::as_str).unwrap_or_default();
        self.expect(audience == "api://orders-backend", &format!("the target saw a token for {audience}"))
    }

    async fn cache_hit(&mut self, token_a: &str) -> Result<(), Failure> {
        self.title("2. Cache: the same caller again costs the identity provider nothing")?;
        let before = self.emulator.counters().token;
        let reply = self.get("/orders/2", token_a).await?;
        self.expect(reply.status == StatusCode::OK, "the target answered 200")?;
        let after = self.emulator.counters().token;
        self.expect(before == after, &format!("token requests before {before}, after {after}"))
    }

    async fn step_up(&mut self, token_a: &str) -> Result<(), Failure> {
        self.title("3. Step-up: Conditional Access wants more of the user for /payroll")?;
        let reply = self.get("/payroll/me", token_a).await?;
        self.expect(reply.status == StatusCode::UNAUTHORIZED, "the caller got 401 with a claims challenge:")?;
        let challenge = reply.challenges.first().cloned().unwrap_or_default();
        let challenge = String::from_utf8_lossy(&challenge).into_owned();
        writeln!(self.out, "     WWW-Authenticate: {challenge}")?;
        let claims = decoded_claims(&challenge).ok_or_else(|| Failure::new("the challenge carries no claims"))?;
        writeln!(self.out, "     claims: {claims}")?;
        let satisfied = TokenRequest { claims_challenge: claims.parse().ok(), ..TokenRequest::default() };
        let token_a = self.emulator.mint(&satisfied);
        let reply = self.get("/payroll/me", &token_a).await?;
        self.expect(reply.status == StatusCode::OK, "with a new token A that satisfies them: 200")
    }

    async fn relayed_challenge(&mut self, token_a: &str) -> Result<(), Failure> {
        self.title("4. Relay: a challenge of the target reaches the caller byte for byte")?;
        let relayed = self.get("/orders/challenge", token_a).await?;
        let direct = self.send(&format!("{}/challenge", self.target.url()), token_a).await?;
        self.expect(relayed.status == StatusCode::UNAUTHORIZED, "the caller got the target's 401")?;
        let same = !relayed.challenges.is_empty() && relayed.challenges == direct.challenges;
        self.expect(same, "its WWW-Authenticate is the target's, unchanged")
    }

    async fn wrong_audience(&mut self) -> Result<(), Failure> {
        self.title("5. Refusal: a token for another audience is not even exchanged")?;
        let before = self.emulator.counters().token;
        let audience = Some("https://graph.microsoft.com".to_owned());
        let token = self.emulator.mint(&TokenRequest { aud: audience, ..TokenRequest::default() });
        let reply = self.get("/orders/1", &token).await?;
        let code = reply.body.get("code").and_then(Value::as_str).unwrap_or_default().to_owned();
        let refused = reply.status == StatusCode::UNAUTHORIZED && code == "invalid_token";
        self.expect(refused, &format!("the caller got {} {code}", reply.status.as_u16()))?;
        self.expect(before == self.emulator.counters().token, "the identity provider was not asked")
    }

    async fn get(&mut self, path: &str, token: &str) -> Result<Reply, Failure> {
        writeln!(self.out, "   GET {path}")?;
        self.send(&format!("{}{path}", self.proxy), token).await
    }

    async fn send(&self, address: &str, token: &str) -> Result<Reply, Failure> {
        let response = self.client.get(address).bearer_auth(token).send().await.map_err(Failure::new)?;
        let challenges = response.headers().get_all(WWW_AUTHENTICATE).iter();
        let challenges = challenges.map(|value| value.as_bytes().to_vec()).collect();
        let status = response.status();
        let text = response.text().await.map_err(Failure::new)?;
        Ok(Reply { status, challenges, body: serde_json::from_str(&text).unwrap_or_default() })
    }

    fn title(&mut self, title: &str) -> Result<(), Failure> {
        Ok(writeln!(self.out, "\n{title}")?)
    }

    fn expect(&mut self, holds: bool, what: &str) -> Result<(), Failure> {
        writeln!(self.out, "   {} {what}", if holds { "ok" } else { "FAILED" })?;
        if holds { Ok(()) } else { Err(Failure::new(format!("a step did not go as told: {what}"))) }
    }
}

fn decoded_claims(challenge: &str) -> Option<String> {
    let (_, rest) = challenge.split_once("claims=\"")?;
    let (encoded, _) = rest.split_once('"')?;
    String::from_utf8(STANDARD.decode(encoded).ok()?).ok()
}
