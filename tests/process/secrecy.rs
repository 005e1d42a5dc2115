//! Nothing that the program writes, at its most talkative level and whatever happens to it, holds a credential.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use obo_proxy::emulator::{Effect, Endpoint, Fault, Policy, Signer, TokenRequest};

use crate::support::program::Program;
use crate::support::raw::exchange;
use crate::support::{CLIENT_ID, SECRET, TENANT_ID, World, client};

/// What happened, and every credential that had a part in it.
struct Stage {
    world: World,
    program: Program,
    tokens: Vec<String>,
}

impl Stage {
    async fn set(variables: &[(&str, &str)]) -> Self {
        let world = World::start().await;
        let target = world.target.url();
        let configuration = world.configuration("log: {level: debug}").replace(SECRET, "'${SECRET_OF_THE_TEST}'");
        let configuration = format!(
            "{configuration}  - {{name: basic, path: /basic, target: '{target}', identity: basic, scopes: [api://b/B]}}\n  \
             - {{name: nowhere, path: /down, target: 'http://127.0.0.1:9', scopes: [api://down/D]}}\n  \
             - {{name: strict, path: /strict, target: '{target}', methods: [GET], scopes: [api://s/S], require: {{roles: [Boss]}}}}\n"
        );
        let basic = format!(
            "identities:\n  basic:\n    tenant_id: {TENANT_ID}\n    client_id: {CLIENT_ID}\n    authority: {}\n    \
             credential: {{client_secret: '${{SECRET_OF_THE_TEST}}', auth_method: client_secret_basic}}\n    timeout: 2s\n",
            world.emulator.url()
        );
        let named = configuration.replace("scopes: [api://", "identity: default, scopes: [api://");
        let named = named.replace("identity: basic, identity: default,", "identity: basic,");
        let configuration = named.replace("identities:\n", &basic);
        let variables: Vec<_> = variables.iter().copied().chain([("SECRET_OF_THE_TEST", SECRET)]).collect();
        let program = Program::serve_with(&configuration, &variables).await;
        program.wait_until_ready().await;
        Self { world, program, tokens: Vec::new() }
    }

    fn mint(&mut self, request: &TokenRequest) -> String {
        self.mint_with(request, Signer::Current)
    }

    fn mint_with(&mut self, request: &TokenRequest, signer: Signer) -> String {
        let token = self.world.emulator.mint_with(request, signer);
        self.tokens.push(token.clone());
        token
    }

    /// A token of a user that has no token B yet.
    fn stranger(&mut self) -> String {
        let oid = format!("00000000-0000-0000-0000-{:012}", self.tokens.len());
        self.mint(&TokenRequest::default().user(&oid))
    }

    async fn expect(&mut self, path: &str, token: &str, status: u16) {
        let reply = self.program.get(path, token).await;
        assert_eq!(reply.status, status, "{path}: {}", reply.text);
    }

    async fn successes_and_answers_of_the_target(&mut self) {
        let token = self.mint(&TokenRequest::default());
        for (path, status) in [
            ("/orders/1", 200),
            ("/orders/2", 200),
            ("/basic/1", 200),
            ("/orders/challenge", 401),
            ("/orders/unauthorized", 401),
            ("/orders/revocable", 200),
            ("/orders/status/500", 500),
            ("/down/1", 502),
        ] {
            self.expect(path, &token, status).await;
        }
        self.world.target.reject_next(1);
        self.expect("/orders/revocable", &token, 200).await;
        let long = self.stranger();
        client()
            .post(format!("{}/orders/1", self.program.url))
            .bearer_auth(&long)
            .body("b".repeat(100_000))
            .send()
            .await
            .unwrap();
    }

    async fn refusals(&mut self) {
        let wishes = [
            TokenRequest { lifetime: Some(-600), ..TokenRequest::default() },
            TokenRequest { nbf: Some(6_000), ..TokenRequest::default() },
            TokenRequest { aud: Some("api://other".to_owned()), ..TokenRequest::default() },
            TokenRequest { aud: Some("https://graph.microsoft.com".to_owned()), ..TokenRequest::default() },
            TokenRequest { tenant: Some("22222222-2222-3333-4444-555555555555".to_owned()), ..TokenRequest::default() },
            TokenRequest::id_token(),
        ];
        for wish in &wishes {
            let token = self.mint(wish);
            self.expect("/orders/1", &token, 401).await;
        }
        let unsigned = self.mint(&TokenRequest::default());
        let (start, end) = unsigned.split_at(unsigned.len() - 20);
        let other = if end.starts_with('A') { "B" } else { "A" };
        let broken = format!("{start}{other}{}", &end[1..]);
        self.tokens.push(broken.clone());
        self.expect("/orders/1", &broken, 401).await;
        let app = self.mint(&TokenRequest::app_only());
        self.expect("/orders/1", &app, 403).await;
        let token = self.mint(&TokenRequest::default());
        for (path, status) in [("/strict/1", 403), ("/payroll/1", 401), ("/nowhere", 404), ("/orders/a%2fb", 400)] {
            self.expect(path, &token, status).await;
        }
        client().post(format!("{}/strict/1", self.program.url)).bearer_auth(&token).send().await.unwrap();
        self.expect(&format!("/orders/{token}"), "", 401).await;
        self.expect(&format!("/orders/{token}"), &token, 400).await;
        self.expect(&format!("/orders/1?access_token={token}"), &token, 400).await;
        self.expect(&format!("/{token}"), "", 404).await;
    }

    async fn faults_of_the_identity_provider(&mut self) {
        self.world.emulator.set_policy(Policy { unconsented_scopes: vec!["Orders".to_owned()], ..Policy::default() });
        let token = self.stranger();
        self.expect("/orders/1", &token, 403).await;
        self.world.emulator.set_policy(Policy::default());
        let repeated = self.stranger();
        let quoting = serde_json::json!({
            "error": "invalid_grant", "error_description": format!("assertion {repeated} secret {SECRET}"),
            "suberror": repeated, "correlation_id": repeated, "error_codes": [50013],
        });
        let faults = [
            Fault::token_answer(400, &[], &quoting.to_string()),
            Fault::token_answer(400, &[], &format!("{{\"error\":\"{repeated}\"}}")),
            Fault::token_answer(500, &[], &format!("oops {repeated} {SECRET}")),
            Fault::token_answer(
                200,
                &[],
                &format!("{{\"token_type\":\"{repeated}\",\"access_token\":\"{repeated}\"}}"),
            ),
            Fault::token_answer(429, &[], &quoting.to_string()),
            Fault::token_answer(302, &[("location", &format!("http://127.0.0.1:9/{repeated}"))], ""),
            Fault::token_member("access_token", format!("{repeated}\r\n")),
            Fault::token_without("token_type"),
            Fault::at(Endpoint::Token).effect(Effect::Drop),
            Fault::at(Endpoint::Token).effect(Effect::Truncate),
            Fault::at(Endpoint::Token).effect(Effect::Cut),
            Fault { delay_ms: 5_000, ..Fault::at(Endpoint::Token) },
        ];
        for (turn, fault) in faults.into_iter().enumerate() {
            let path = if turn % 2 == 0 { "/orders/1" } else { "/basic/1" };
            let token = if turn == 0 { repeated.clone() } else { self.stranger() };
            self.world.emulator.faults().add(fault);
            let reply = self.program.get(path, &token).await;
            assert!(reply.status >= 400, "fault {turn}: {}", reply.status);
            self.world.emulator.faults().clear();
        }
    }

    async fn requests_that_no_library_sends(&mut self) {
        let token = self.stranger();
        let bearer = format!("Authorization: Bearer {token}\r\n");
        let headers = (0..10_000).map(|n| format!("X-{n}: {token}\r\n")).collect::<Vec<_>>().concat();
        for request in [
            format!("GET /orders/1 HTTP/1.1\r\nHost: a\r\n{bearer}{headers}\r\n"),
            format!("GET /orders/1 HTTP/1.1\r\nHost: a\r\n{bearer}X: {}\r\n\r\n", token.repeat(1_000)),
            format!("GET /orders/1 HTTP/1.1\r\nHost: a\r\n{bearer}{bearer}\r\n"),
            format!(
                "GET /orders/1 HTTP/1.1\r\nHost: a\r\n{bearer}Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            ),
            format!("GET /orders/1 HTTP/1.1\r\nHost: a\r\n{bearer}X Y: {token}\r\n\r\n"),
            format!("GET /orders/1 HTTP/1.1\r\nHost: a\r\n{bearer}X: {token}\u{0}\r\n\r\n"),
            format!("GET /orders/1 HTTP/1.1\r\nHost: {token}\r\n{bearer}\r\n"),
            format!("GET /orders/{token} {token} HTTP/1.1\r\nHost: a\r\n{bearer}\r\n"),
            format!("{token} /orders/1 HTTP/1.1\r\nHost: a\r\n{bearer}\r\n"),
            format!("GET /orders/1 HTTP/1.1\r\nHost: a\r\n{bearer}{token}: x\r\n\r\n"),
            format!("CONNECT {token}:443 HTTP/1.1\r\nHost: a\r\n{bearer}\r\n"),
            format!("GET http://{token}/orders HTTP/1.1\r\nHost: a\r\n{bearer}\r\n"),
            format!("GET /orders/1 HTTP/9.9\r\nHost: a\r\n{bearer}\r\n"),
            format!("POST /orders/1 HTTP/1.1\r\nHost: a\r\n{bearer}Content-Length: {token}\r\n\r\n"),
            format!("POST /orders/1 HTTP/1.1\r\nHost: a\r\n{bearer}Transfer-Encoding: {token}\r\n\r\n"),
            format!(
                "POST /orders/1 HTTP/1.1\r\nHost: a\r\n{bearer}Transfer-Encoding: chunked\r\n\r\n{token}\r\n{token}"
            ),
            format!("POST /orders/1 HTTP/1.1\r\nHost: a\r\n{bearer}Content-Length: 10\r\n\r\nshort"),
            format!("GET /orders/1 HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer\t{token}\r\n\r\n"),
            format!("GET /orders/1 HTTP/1.1\r\nHost: a\r\nAuthorization: {token}\r\n\r\n"),
            format!(
                "GET /orders/1 HTTP/1.1\r\nHost: a\r\n{bearer}X-Request-Id: {token}\r\nTraceparent: {token}\r\n\r\n"
            ),
            format!("GET /orders/1 HTTP/1.1\r\nHost: a\r\n{bearer}Connection: {token}\r\n\r\n"),
            format!("GET /orders/1 HTTP/1.1\r\n {bearer}"),
            token.clone(),
        ] {
            exchange(self.program.address(), &request).await;
        }
    }

    /// Ends the program and searches everything that it ever wrote.
    async fn search(mut self) {
        self.program.signal("TERM");
        assert!(self.program.ended().await.success());
        let written = self.program.stdout() + &self.program.stderr();
        assert!(self.program.lines_with("message", "request").len() > 50, "{written}");
        assert!(!written.contains("panicked"), "{written}");
        let requests = self.world.target.requests();
        let tokens_b = requests.iter().filter_map(|request| request.header("authorization")?.split(' ').nth(1));
        let tokens: Vec<_> = self.tokens.iter().map(String::as_str).chain(tokens_b).collect();
        assert!(self.tokens.iter().all(|token| requests.iter().all(|request| !format!("{request:?}").contains(token))));
        assert!(tokens.len() > 40 && requests.len() > 10);
        for token in tokens {
            // Payload and signature are what is worth stealing, and what tells two tokens apart.
            for part in token.split('.').skip(1).filter(|part| part.len() >= 16) {
                assert!(!written.contains(part), "a token was written: {}", excerpt(&written, part));
            }
        }
        assert!(!written.contains("eyJ"), "a part of a token was written: {}", excerpt(&written, "eyJ"));
        let encoded: String = url::form_urlencoded::byte_serialize(SECRET.as_bytes()).collect();
        for secret in [SECRET, &encoded] {
            let basic = format!("{CLIENT_ID}:{secret}");
            for form in [secret.to_owned(), STANDARD.encode(&basic), URL_SAFE_NO_PAD.encode(&basic)] {
                assert!(!written.contains(&form), "the secret was written: {}", excerpt(&written, &form));
            }
        }
    }
}

/// The line that holds `part`.
fn excerpt<'a>(written: &'a str, part: &str) -> &'a str {
    written.lines().find(|line| line.contains(part)).unwrap_or_default()
}

async fn plays_everything(variables: &[(&str, &str)]) {
    let mut stage = Stage::set(variables).await;
    stage.successes_and_answers_of_the_target().await;
    stage.refusals().await;
    stage.faults_of_the_identity_provider().await;
    stage.requests_that_no_library_sends().await;
    stage.search().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn level_debug_writes_no_credential() {
    plays_everything(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn variables_for_other_logs_make_no_difference() {
    plays_everything(&[("RUST_LOG", "trace"), ("RUST_BACKTRACE", "full"), ("RUST_LOG_STYLE", "always")]).await;
}
