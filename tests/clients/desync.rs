//! Nothing smuggles: what has been used to make two servers disagree about where a request ends, sent byte for byte at a
//! proxy before targets with parsers of others. Each request is seen by the target at most once and as it was meant,
//! with the token of its own caller, and whoever comes next gets the answer to what it asked.

mod probes;
mod targets;

use std::collections::HashMap;
use std::time::Duration;

use obo_proxy::emulator::{Emulator, EmulatorOptions, TokenRequest};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use probes::{Outcome, PROBES, Probe};
use targets::Target;

use crate::support::eventually;
use crate::support::program::Program;

#[tokio::test(flavor = "multi_thread")]
async fn nothing_smuggles_past_nginx() {
    Scene::around(Target::nginx()).await.check().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_smuggles_past_a_server_in_python() {
    Scene::around(Target::python().await).await.check().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_smuggles_past_a_server_in_node() {
    Scene::around(Target::node().await).await.check().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_before_the_end_of_the_body_spoils_nobody_elses() {
    let scene = Scene::around(Target::node().await).await;
    let mut early = scene.connect().await;
    let (first, rest) = (format!("{}{}", "a".repeat(500), scene.smuggled()), "b".repeat(500));
    let length = first.len() + rest.len();
    let auth = auth(&scene.alice);
    let head = format!("POST /t/early HTTP/1.1\r\nHost: a\r\n{auth}X-Probe: early\r\nContent-Length: {length}\r\n\r\n");
    early.stream.write_all(format!("{head}{first}").as_bytes()).await.unwrap();
    assert_eq!(early.answer(false).await.unwrap().body, "early");
    for turn in 0..3 {
        scene.ask_as_bob(&format!("after-early-{turn}")).await;
    }
    // The rest may come or not; whoever asks next gets its own answer.
    let _ = early.stream.write_all(rest.as_bytes()).await;
    scene.ask_as_bob("after-all").await;
    let ids = || {
        let seen = scene.target.seen().into_iter().map(|request| request["id"].as_str().unwrap().to_owned());
        seen.filter(|id| id != "early").collect::<Vec<_>>()
    };
    eventually("the target has told of the last one", async || ids().iter().any(|id| id == "after-all")).await;
    assert_eq!(ids(), ["after-early-0", "after-early-1", "after-early-2", "after-all"]);
}

/// A proxy before a target, and two callers.
struct Scene {
    target: Target,
    proxy: Program,
    alice: String,
    bob: String,
    _emulator: Emulator,
}

impl Scene {
    async fn around(target: Target) -> Self {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let emulator = Emulator::start(socket, EmulatorOptions::default()).await.unwrap();
        let configuration =
            CONFIGURATION.replace("{authority}", emulator.public_url()).replace("{target}", &target.url);
        let proxy = Program::serve(&configuration).await;
        proxy.wait_until_ready().await;
        let [alice, bob] = ["alice", "bob"].map(|user| emulator.mint(&TokenRequest::default().user(user)));
        Self { target, proxy, alice, bob, _emulator: emulator }
    }

    async fn check(&self) {
        self.ask("control-alice", &self.alice).await;
        self.ask_as_bob("control-bob").await;
        let mut unexpected = Vec::new();
        for (number, probe) in PROBES.iter().enumerate() {
            unexpected.extend(self.send(probe, number).await.err());
            // Another caller, on whatever connection to the target is free now.
            self.ask_as_bob(&format!("bob-{number}")).await;
        }
        let last = format!("bob-{}", PROBES.len() - 1);
        eventually("the target has told of everything", async || {
            self.target.seen().iter().any(|request| request["id"] == *last)
        })
        .await;
        assert!(unexpected.is_empty(), "{unexpected:#?}");
        self.judge();
    }

    /// Sends a probe, reads its answers, and asks for something else on the same connection, if that is still open.
    async fn send(&self, probe: &Probe, number: usize) -> Result<(), String> {
        let mut caller = self.connect().await;
        let bytes = self.filled_in(probe.bytes, number);
        // Who refuses early may have closed already.
        let _ = caller.stream.write_all(bytes.as_bytes()).await;
        let answers = if let Outcome::Pipelined(count) = probe.outcome { count } else { 1 };
        let ids = [format!("probe-{number}"), format!("other-{number}")];
        for id in ids.iter().take(answers) {
            let Some(answer) = caller.answer(false).await else { break };
            let seen = answer.status == 200 && answer.body == *id;
            let expected = match probe.outcome {
                Outcome::Refused => (400..500).contains(&answer.status) || answer.status == 505,
                Outcome::Seen(_) | Outcome::Pipelined(_) => seen,
                Outcome::SeenOrRefused(_) => seen || (400..500).contains(&answer.status),
            };
            if !expected {
                return Err(format!("{}: {answer:?}", probe.name));
            }
        }
        let next = format!("next-{number}");
        let request = format!("GET /t/{next} HTTP/1.1\r\nHost: a\r\n{}X-Probe: {next}\r\n\r\n", auth(&self.alice));
        let _ = caller.stream.write_all(request.as_bytes()).await;
        let answer = caller.answer(false).await;
        let own = answer.as_ref().is_none_or(|answer| answer.status == 200 && answer.body == next);
        if own { Ok(()) } else { Err(format!("{}: the next request got {answer:?}", probe.name)) }
    }

    fn filled_in(&self, text: &str, number: usize) -> String {
        let smuggled = self.smuggled();
        text.replace("{smuggled length}", &smuggled.len().to_string())
            .replace("{smuggled}", &smuggled)
            .replace("{id}", &format!("probe-{number}"))
            .replace("{other}", &format!("other-{number}"))
            .replace("{auth}", &auth(&self.alice))
    }

    /// Complete, so that it would be served if it were taken for a request.
    fn smuggled(&self) -> String {
        format!("GET /t/smuggled HTTP/1.1\r\nHost: a\r\n{}X-Probe: smuggled\r\n\r\n", auth(&self.alice))
    }

    async fn ask_as_bob(&self, id: &str) {
        self.ask(id, &self.bob).await;
    }

    async fn ask(&self, id: &str, token: &str) {
        let mut caller = self.connect().await;
        let request = format!("GET /t/{id} HTTP/1.1\r\nHost: a\r\n{}X-Probe: {id}\r\n\r\n", auth(token));
        caller.stream.write_all(request.as_bytes()).await.unwrap();
        let answer = caller.answer(false).await.unwrap();
        assert_eq!((answer.status, answer.body.as_str()), (200, id));
    }

    async fn connect(&self) -> Connection {
        Connection { stream: TcpStream::connect(self.proxy.address()).await.unwrap(), pending: Vec::new() }
    }

    /// Holds what the target saw against what it should have.
    fn judge(&self) {
        let seen = self.target.seen();
        let mut by_id: HashMap<&str, Vec<&Value>> = HashMap::new();
        for request in &seen {
            by_id.entry(request["id"].as_str().unwrap()).or_default().push(request);
        }
        let token = |id: &str| by_id[id][0]["authorization"].as_str().unwrap().to_owned();
        let (alice, bob) = (token("control-alice"), token("control-bob"));
        assert!(alice != bob && alice.starts_with("Bearer ") && !alice.contains(&self.alice));
        for (id, requests) in &by_id {
            assert_eq!(requests.len(), 1, "{id} arrived more than once");
            let (request, own) = (requests[0], if id.contains("bob") { &bob } else { &alice });
            assert_eq!(request["authorization"].as_str(), Some(own.as_str()), "{id} has the token of another caller");
            assert_eq!(
                request["target"].as_str(),
                Some(format!("/in/{id}").as_str()).filter(|_| !id.is_empty()),
                "{request}"
            );
            assert_eq!((&request["forwarded_for"], &request["trailers"]), (&"127.0.0.1".into(), &0.into()), "{id}");
        }
        assert!(!by_id.contains_key("smuggled") && !by_id.contains_key(""), "{:?}", by_id.keys());
        for (number, probe) in PROBES.iter().enumerate() {
            self.judge_probe(probe, number, &by_id);
        }
    }

    fn judge_probe(&self, probe: &Probe, number: usize, seen: &HashMap<&str, Vec<&Value>>) {
        let body = |id: String| seen.get(id.as_str()).map(|requests| requests[0]["body"].as_str().unwrap().to_owned());
        let arrived = body(format!("probe-{number}"));
        let other = body(format!("other-{number}")).is_some();
        match probe.outcome {
            Outcome::Refused => assert_eq!(arrived, None, "{}", probe.name),
            Outcome::Seen(body) => assert_eq!(arrived, Some(self.filled_in(body, number)), "{}", probe.name),
            Outcome::SeenOrRefused(body) => assert!(arrived.is_none_or(|arrived| arrived == body), "{}", probe.name),
            Outcome::Pipelined(_) => assert!(arrived.is_some() && other, "{}", probe.name),
        }
        assert!(other == matches!(probe.outcome, Outcome::Pipelined(_)), "{}", probe.name);
    }
}

/// The line with a token.
fn auth(token: &str) -> String {
    format!("Authorization: Bearer {token}\r\n")
}

/// A connection to the proxy.
struct Connection {
    stream: TcpStream,
    pending: Vec<u8>,
}

#[derive(Debug)]
struct Answer {
    status: u16,
    body: String,
}

impl Connection {
    /// The next answer that is not an interim one; nothing once the connection is closed.
    async fn answer(&mut self, bodiless: bool) -> Option<Answer> {
        loop {
            let head = loop {
                if let Some(at) = self.pending.windows(4).position(|window| window == b"\r\n\r\n") {
                    break String::from_utf8(self.pending.drain(..at + 4).collect()).unwrap();
                }
                self.fill().await?;
            };
            let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
            if (100..200).contains(&status) {
                continue;
            }
            let body = if bodiless { Vec::new() } else { self.body(&head.to_ascii_lowercase()).await };
            return Some(Answer { status, body: String::from_utf8(body).unwrap() });
        }
    }

    async fn body(&mut self, head: &str) -> Vec<u8> {
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
        if let Some(length) = length {
            while self.pending.len() < length && self.fill().await.is_some() {}
            return self.pending.drain(..length.min(self.pending.len())).collect();
        }
        if !head.contains("transfer-encoding: chunked") {
            while self.fill().await.is_some() {}
            return std::mem::take(&mut self.pending);
        }
        let mut body = Vec::new();
        loop {
            let end = loop {
                if let Some(at) = self.pending.windows(2).position(|window| window == b"\r\n") {
                    break at;
                }
                if self.fill().await.is_none() {
                    return body;
                }
            };
            let line: Vec<u8> = self.pending.drain(..end + 2).collect();
            let size = usize::from_str_radix(String::from_utf8_lossy(&line).trim_end(), 16).unwrap();
            while self.pending.len() < size + 2 && self.fill().await.is_some() {}
            body.extend(self.pending.drain(..size));
            self.pending.drain(..2);
            if size == 0 {
                return body;
            }
        }
    }

    async fn fill(&mut self) -> Option<()> {
        let read = timeout(PATIENCE, self.stream.read_buf(&mut self.pending)).await.unwrap();
        matches!(read, Ok(1..)).then_some(())
    }
}

const CONFIGURATION: &str = "
listen: [{address: '127.0.0.1:0'}]
admin: {address: '127.0.0.1:0'}
identities:
  default:
    tenant_id: 11111111-2222-3333-4444-555555555555
    client_id: 00001111-aaaa-2222-bbbb-3333cccc4444
    authority: '{authority}'
    credential: {client_secret: emulator-secret}
routes:
  - {path: /t, target: '{target}/in', scopes: [api://orders-backend/Orders.Read]}
";

/// Far longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(20);
