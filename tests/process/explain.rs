//! `obo-proxy explain`: what it says of a request without asking anybody.

mod online;
mod refused;

use std::io::Write;
use std::path::PathBuf;
use std::process::Stdio;

use obo_proxy::emulator::{Counters, TokenRequest};

use crate::support::program::command;
use crate::support::{CLIENT_ID, SECRET, TENANT_ID, World, file};

/// What the program said.
struct Told {
    status: Option<i32>,
    text: String,
    complaint: String,
}

/// A world, and the configuration that is asked about.
struct Desk {
    world: World,
    config: PathBuf,
}

const ROUTES: &str = concat!(
    "  - {name: strict, path: /strict, methods: [GET], target: 'https://strict.internal/v1', scopes: [api://s/S], ",
    "require: {scopes: [strict.read], roles: [Boss], clients: [someone]}}\n",
    "  - {name: hosted, path: /orders/special, hosts: ['*.contoso.com'], target: 'http://127.0.0.1:9', ",
    "scopes: [api://h/H]}\n",
    "  - {name: open, path: /open, target: 'http://127.0.0.1:9', grant: none}\n",
);

impl Desk {
    /// Some routes more than the usual ones; none of them forwards anywhere.
    async fn open() -> Self {
        Self::open_with(|text| text).await
    }

    async fn open_with(change: impl FnOnce(String) -> String) -> Self {
        let world = World::start().await;
        let config = file(&change(world.configuration("") + ROUTES));
        Self { world, config }
    }

    fn mint(&self, wish: &TokenRequest) -> String {
        self.world.emulator.mint(wish)
    }

    /// Asks with a token in a file, unless it is empty.
    fn ask(&self, method: &str, url: &str, token: &str, more: &[&str]) -> Told {
        let token_file = (!token.is_empty()).then(|| file(token));
        let mut arguments = vec!["explain", method, url, "--config", self.config.to_str().unwrap()];
        if let Some(path) = &token_file {
            arguments.extend(["--token-file", path.to_str().unwrap()]);
        }
        arguments.extend(more);
        let told = Told::by(&arguments, "");
        assert!(!told.text.contains(SECRET) && !told.complaint.contains(SECRET), "{}", told.text);
        for part in token.trim().split('.').filter(|part| part.len() >= 16) {
            assert!(!told.text.contains(part) && !told.complaint.contains(part), "{}", told.text);
        }
        told
    }

    /// How often the identity provider was asked: for documents, keys, tokens.
    fn asked(&self) -> (u64, u64, u64) {
        let Counters { discovery_v1, discovery_v2, jwks, token, .. } = self.world.emulator.counters();
        (discovery_v1 + discovery_v2, jwks, token)
    }
}

impl Told {
    fn by(arguments: &[&str], input: &str) -> Self {
        let mut child = command(arguments).stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { status: output.status.code(), text: text(output.stdout), complaint: text(output.stderr) }
    }

    /// Whether a line begins like this, however it is aligned.
    fn says(&self, begin: &str) -> bool {
        self.text.lines().any(|line| line.split_whitespace().collect::<Vec<_>>().join(" ").starts_with(begin))
    }

    fn expect(&self, status: i32, lines: &[&str]) {
        assert_eq!((self.status, &*self.complaint), (Some(status), ""), "{}", self.text);
        for line in lines {
            assert!(self.says(line), "no line {line:?} in\n{}", self.text);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_request_is_explained_from_its_path_to_its_outcome() {
    let desk = Desk::open().await;
    let told = desk.ask("GET", "https://api.contoso.com:8443/orders/1?x=%c3%a9", &desk.world.token(), &[]);
    let target = desk.world.target.url();
    told.expect(
        0,
        &[
            "1. Request",
            "method GET",
            "host api.contoso.com:8443",
            "path /orders/1?x=%c3%a9",
            "canonical path /orders/1",
            "2. Route",
            "route orders (line ",
            "matched by every host, path prefix /orders, every method",
            &format!("target {target}"),
            "sent there GET /1?x=%c3%a9",
            &format!("identity default (client ID {CLIENT_ID})"),
            "3. Token A (",
            "ok form a signed JWT of three parts; ",
            "ok header alg \"RS256\", kid \"",
            &format!("ok audience found \"{CLIENT_ID}\"; accepted: \"{CLIENT_ID}\", \"api://{CLIENT_ID}\""),
            &format!("ok tenant found \"{TENANT_ID}\""),
            "ok times ends ",
            "ok kind a user's token; oid \"",
            "not checked issuer offline; found \"",
            "not checked signature offline; --online downloads the keys",
            "ok scopes found \"access_as_user\"; required: none",
            "ok roles found none; required: none",
            "ok client found \"",
            "- cp1 not declared",
            "4. Exchange",
            "for users",
            "grant urn:ietf:params:oauth:grant-type:jwt-bearer",
            &format!("token endpoint {}/{TENANT_ID}/oauth2/v2.0/token", desk.world.emulator.url()),
            "credential client secret, in the form (client_secret_post)",
            "client_secret=****",
            "assertion=<token A, ",
            "scope=api://orders-backend/Orders.Read",
            "requested_token_use=on_behalf_of",
            "goes to authorization: Bearer <the token>",
            "cache key ",
            "answer not asked offline",
            "5. Outcome",
            &format!("forwarded GET {target}/1?x=%c3%a9"),
        ],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn offline_nobody_is_asked() {
    let desk = Desk::open().await;
    for (url, token) in [("/orders/1", desk.world.token()), ("/orders/1", String::new()), ("/nowhere", String::new())] {
        desk.ask("GET", url, &token, &[]);
    }
    assert_eq!(desk.asked(), (0, 0, 0));
    assert_eq!(desk.world.target.requests().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn routes_that_did_not_win_are_told_with_the_reason() {
    let desk = Desk::open().await;
    let told = desk.ask("GET", "https://api.contoso.com/orders/special/1", "", &[]);
    told.expect(1, &["route hosted (line ", "matched by host *.contoso.com", "not taken orders (line "]);
    assert!(told.text.contains("its host is less specific"), "{}", told.text);
    let told = desk.ask("GET", "/orders/special/1", "", &[]);
    told.expect(1, &["host none given: only routes without hosts can take it", "route orders (line "]);
    assert!(told.text.contains("other host: serves *.contoso.com"), "{}", told.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_route_without_a_grant_forwards_without_a_credential() {
    let desk = Desk::open().await;
    let told = desk.ask("GET", "/open/1", &desk.world.token(), &[]);
    told.expect(
        0,
        &["grant none: the request is forwarded without any credential", "forwarded GET http://127.0.0.1:9/1"],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_for_the_metadata_of_a_route_is_answered_by_the_proxy_itself() {
    let metadata = "resource_metadata: {resource: 'https://api.contoso.com/strict', scopes: [api://gateway/access]}, ";
    let desk = Desk::open_with(|text| text).await;
    let text = std::fs::read_to_string(&desk.config).unwrap();
    let config = file(&text.replace("{name: strict, ", &format!("{{name: strict, {metadata}")));
    let desk = Desk { config, ..desk };
    let told = desk.ask("GET", "https://api.contoso.com/.well-known/oauth-protected-resource/strict", "", &[]);
    told.expect(0, &["metadata the request asks what the route strict is", "answered 200 by the proxy itself"]);
    let told = desk.ask("GET", "https://api.contoso.com/strict", "", &[]);
    told.expect(1, &["refused 401 missing_token"]);
    let address = "resource_metadata=\"https://api.contoso.com/.well-known/oauth-protected-resource/strict\"";
    assert!(told.text.contains("scope=\"api://gateway/access\"") && told.text.contains(address), "{}", told.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_capability_of_the_client_is_passed_on() {
    let desk = Desk::open().await;
    let token = desk.mint(&TokenRequest { xms_cc: vec!["cp1".to_owned()], ..TokenRequest::default() });
    let told = desk.ask("GET", "/orders/1", &token, &[]);
    told.expect(0, &["- cp1 declared", "claims={\"access_token\":{\"xms_cc\":{\"values\":[\"cp1\"]}}}"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_issuers_of_entra_are_known_offline() {
    let desk = Desk::open_with(|text| text.replace("    authority:", "    cloud: public # ")).await;
    let told = desk.ask("GET", "/orders/1", &desk.world.token(), &[]);
    told.expect(0, &["not checked issuer offline; found \"http://127.0.0.1:"]);
    let expected = format!(
        "expected: \"https://login.microsoftonline.com/{TENANT_ID}/v2.0\", \"https://sts.windows.net/{TENANT_ID}/\"; this is none of them"
    );
    assert!(told.text.contains(&expected), "{}", told.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_told_by_its_thumbprint_and_end() {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut parameters = rcgen::CertificateParams::new(vec!["obo".to_owned()]).unwrap();
    parameters.not_after = rcgen::date_time_ymd(2999, 12, 31);
    let certificate = parameters.self_signed(&key).unwrap();
    let (private, pem) = (key.serialize_pem(), file(&format!("{}{}", certificate.pem(), key.serialize_pem())));
    let credential = format!("credential: {{certificate: '{}'}}", pem.display());
    let desk =
        Desk::open_with(|text| text.replace(&format!("credential: {{client_secret: {SECRET}}}"), &credential)).await;
    let told = desk.ask("GET", "/orders/1", &desk.world.token(), &[]);
    told.expect(
        0,
        &[
            "credential certificate (private_key_jwt)",
            "thumbprint ",
            "client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            "client_assertion=<signed with certificate ",
        ],
    );
    assert!(told.text.contains("(x5t#S256), ends 2999-12-31T00:00:00Z"), "{}", told.text);
    assert!(private.lines().filter(|line| line.len() > 40).all(|line| !told.text.contains(line)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_may_come_by_standard_input_and_behind_its_scheme() {
    let desk = Desk::open().await;
    let token = desk.world.token();
    let config = desk.config.to_str().unwrap();
    let arguments = ["explain", "GET", "/orders/1", "--config", config, "--token-file", "-"];
    for input in [format!("Bearer {token}\r\n"), format!("{token}\n"), token.clone()] {
        Told::by(&arguments, &input).expect(0, &["ok form a signed JWT", "forwarded GET "]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_token_is_hidden_wherever_it_stands() {
    let desk = Desk::open().await;
    let token = desk.world.token();
    let told = desk.ask("GET", &format!("/orders/1?access_token={token}"), &token, &[]);
    told.expect(
        1,
        &[
            "path /orders/1?access_token=<token A>",
            "refused 400 ambiguous_request: token A occurs outside authorization",
        ],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn claims_cannot_steer_a_terminal() {
    let desk = Desk::open().await;
    let evil = "\u{1b}]0;owned\u{7}\u{1b}[2J\u{202e}\r\n";
    let mut wish = TokenRequest {
        aud: Some(evil.to_owned()),
        azp: Some(evil.to_owned()),
        roles: vec![evil.to_owned(); 20],
        scp: Some(format!("x{evil}")),
        oid: Some(evil.repeat(100)),
        ..TokenRequest::default()
    };
    wish.header.insert("kid".to_owned(), evil.into());
    wish.header.insert("typ".to_owned(), evil.into());
    let told = desk.ask("GET", "/orders/1", &desk.mint(&wish), &[]);
    told.expect(1, &["FAILED audience ", "ok header alg \"RS256\", kid \"\\u{1b}]0;owned\\u{7}"]);
    let strange = |c: &char| *c != '\n' && (c.is_control() || !c.is_ascii());
    assert_eq!(told.text.chars().find(strange), None, "{:?}", told.text);
    assert!(told.text.lines().all(|line| line.len() < 2_000) && told.text.contains("and 12 more"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_with_findings_is_told_with_all_of_them() {
    let desk =
        Desk::open_with(|text| text.replace("path: /payroll", "path: payroll").replace("timeout: 2s", "timeout: 2h"))
            .await;
    let told = desk.ask("GET", "/orders/1", &desk.world.token(), &[]);
    assert_eq!((told.status, &*told.text, told.complaint.lines().count()), (Some(2), "", 2), "{}", told.complaint);
    assert!(told.complaint.lines().all(|line| line.contains(".yaml:") && line.contains("; accepted: ")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_question_has_a_status_of_its_own() {
    let desk = Desk::open().await;
    let config = desk.config.to_str().unwrap();
    for (arguments, complaint) in [
        (&["explain", "GET", "orders"][..], "accepted: an http or https URL, or a path that begins with /"),
        (&["explain", "GET", "ftp://a/b"], "accepted: an http or https URL"),
        (&["explain", "G T", "/orders"], "invalid HTTP method"),
        (&["explain", "GET"], "<URL>"),
        (&["explain", "GET", "/orders", "--token-file", "no-such-file"], "token file no-such-file: cannot be read"),
    ] {
        let told = Told::by(&[arguments, &["--config", config]].concat(), "");
        assert_eq!((told.status, &*told.text), (Some(2), ""), "{arguments:?}");
        assert!(told.complaint.contains(complaint), "{arguments:?}: {}", told.complaint);
    }
    for (content, complaint) in [
        ("\r\n", "is empty"),
        ("a\r\nb\r\n", "has characters that no header can carry"),
        ("a\u{1b}[2Jb", "has characters that no header can carry"),
    ] {
        let told = desk.ask("GET", "/orders/1", content, &[]);
        assert_eq!((told.status, &*told.text), (Some(2), ""), "{content:?}");
        assert!(told.complaint.contains(complaint) && !told.complaint.contains('\u{1b}'), "{}", told.complaint);
    }
}
