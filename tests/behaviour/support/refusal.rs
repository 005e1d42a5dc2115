//! The one form that every refusal of the proxy has, to the letter; a test says only what is particular to its own.

use serde_json::{Value, json};

use super::{Reply, World};

/// A refusal as the table of refusals has it.
pub struct Refusal {
    status: u16,
    body: Value,
    challenge: String,
    allow: &'static str,
    retry_after: &'static str,
}

impl Refusal {
    /// A refusal without a challenge.
    pub fn new(status: u16, code: &str, title: &str) -> Self {
        let body = json!({"status": status, "code": code, "title": title});
        Self { status, body, challenge: String::new(), allow: "", retry_after: "" }
    }

    /// The refusal of a bad token A.
    pub fn invalid_token(world: &World) -> Self {
        Self::new(401, "invalid_token", "The access token is not valid here")
            .challenge(world, ", error=\"invalid_token\"")
    }

    /// The refusal while there is no answer to be had from the identity provider.
    pub fn idp_unavailable() -> Self {
        Self::new(503, "idp_unavailable", "The identity provider cannot be reached").retry_after("5")
    }

    /// With the challenge of the default identity, and these parameters after those that all challenges have.
    pub fn challenge(self, world: &World, parameters: &str) -> Self {
        Self { challenge: format!("{}{parameters}", plain_challenge(world)), ..self }
    }

    /// With `Allow`.
    pub fn allow(self, allow: &'static str) -> Self {
        Self { allow, ..self }
    }

    /// With `Retry-After`.
    pub fn retry_after(self, retry_after: &'static str) -> Self {
        Self { retry_after, ..self }
    }

    /// With one more member in the body.
    pub fn member(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.body[name] = value.into();
        self
    }

    /// With what the emulator said in its last refusal.
    pub fn said_by_emulator(self, world: &World, error: &str, suberror: Option<&str>, code: u64) -> Self {
        let recorded = world.emulator.recorded();
        let correlation_id = recorded.last().and_then(|request| request.header("client-request-id")).unwrap();
        let said =
            self.member("error", error).member("error_codes", vec![code]).member("correlation_id", correlation_id);
        match suberror {
            Some(suberror) => said.member("suberror", suberror),
            None => said,
        }
    }

    /// Checks an answer: exactly this, and nothing else.
    #[track_caller]
    pub fn check(mut self, world: &World, reply: &Reply) {
        let request_id = reply.header("x-request-id");
        assert!(!request_id.is_empty(), "{reply:?}");
        self.body["request_id"] = request_id.into();
        assert_eq!(reply.status.as_u16(), self.status, "{reply:?}");
        assert_eq!(reply.json(), self.body);
        assert_eq!(reply.challenge(), self.challenge);
        let exposed = if self.challenge.is_empty() { "" } else { "WWW-Authenticate" };
        let length = reply.text.len().to_string();
        for (name, expected) in [
            ("content-type", "application/problem+json"),
            ("content-length", &length),
            ("cache-control", "no-store"),
            ("access-control-expose-headers", exposed),
            ("allow", self.allow),
            ("retry-after", self.retry_after),
        ] {
            assert_eq!(reply.header(name), expected, "{name} of {reply:?}");
        }
        let answer = format!("{reply:?}");
        for internal in [world.target.url(), world.proxy.url.as_str(), world.proxy.admin.as_str()] {
            let address = internal.trim_start_matches("http://");
            assert!(!answer.contains(address), "{address} in {answer}");
        }
    }
}

/// The challenge that tells no error.
pub fn plain_challenge(world: &World) -> String {
    let (authority, options) = (world.emulator.public_url(), world.emulator.options());
    let (tenant, client) = (&options.tenant_id, &options.client_id);
    format!(r#"Bearer authorization_uri="{authority}/{tenant}/oauth2/v2.0/authorize", client_id="{client}""#)
}
