//! A crowd of callers while target and identity provider misbehave at random: whoever is answered is answered with what
//! is his, nothing is acted on twice, and all are served once the others behave again.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use h2::client::SendRequest;
use http::Request;
use obo_proxy::emulator::{Effect, Endpoint, Fault};

use super::{ROUTES, keep_secret, note};
use crate::support::faulty::{Deed, Then, echo, whose};
use crate::support::http2;
use crate::support::wire::{End, Message, Wire, WireTarget, request};
use crate::support::{World, at_once, eventually};

const CALLERS: usize = 200;
const ROUNDS: usize = 4;

/// What a target does with its request number `number`: in six of ten cases, something is wrong with it.
fn deed(seed: u64, number: u64, request: &Message) -> Deed {
    let mut random = fastrand::Rng::with_seed(seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let (right, body) = (echo(request), whose(request));
    let stray = "HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n/evil evil!";
    let cut = random.usize(..right.len());
    match random.u8(..20) {
        0..8 => Deed::new(right, Then::Stay),
        8 => Deed::new(right, Then::Close),
        9 => Deed::new("", Then::Close),
        10 => Deed::new("", Then::Reset),
        11 => Deed::new(&right[..cut], Then::Close),
        12 => Deed::new(&right[..cut], Then::Reset),
        13 => Deed::new(right.clone() + &right, Then::Stay),
        14 | 15 => Deed::new(right + stray, Then::Stay),
        16 => Deed::new(random.alphanumeric().to_string().repeat(99) + "\r\n\r\n", Then::Stay),
        17 => Deed::new(
            format!(
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n{stray}",
                body.len()
            ),
            Then::Stay,
        ),
        18 => Deed::new(format!("HTTP/1.1 204 No Content\r\n\r\n{stray}"), Then::Stay),
        _ => Deed::new("", Then::Hang),
    }
}

struct Unruly {
    target: WireTarget,
    misbehaves: Arc<AtomicBool>,
    /// How often each POST arrived, by its path.
    orders: Arc<Mutex<HashMap<String, u32>>>,
}

impl Unruly {
    async fn start(seed: u64) -> Self {
        let (misbehaves, count) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicU64::new(0)));
        let orders = Arc::<Mutex<HashMap<String, u32>>>::default();
        let (unruly, taken) = (Arc::clone(&misbehaves), Arc::clone(&orders));
        let target = WireTarget::start(move |mut wire, _| {
            let (unruly, taken, count) = (Arc::clone(&unruly), Arc::clone(&taken), Arc::clone(&count));
            async move {
                while let Some(request) = wire.read_request().await {
                    if request.start_line().starts_with("POST") {
                        *taken.lock().unwrap().entry(request.start_line()).or_default() += 1;
                    }
                    let deed = if unruly.load(Ordering::SeqCst) {
                        deed(seed, count.fetch_add(1, Ordering::SeqCst), &request)
                    } else {
                        Deed::new(echo(&request), Then::Stay)
                    };
                    if !deed.befall(&mut wire).await {
                        return;
                    }
                }
            }
        });
        Self { target: target.await, misbehaves, orders }
    }
}

impl Unruly {
    /// Nothing that may have been acted on was sent again.
    fn check_orders(&self) {
        let orders = self.orders.lock().unwrap();
        let repeated: Vec<_> = orders.iter().filter(|(_, times)| **times > 1).collect();
        assert!(repeated.is_empty(), "acted on more than once: {repeated:?}");
    }
}

/// What came of a caller's requests.
#[derive(Debug, Default)]
struct Tally {
    served: usize,
    broken: usize,
    refused: HashMap<(u16, String), usize>,
}

/// Some were served and some were not, and those were told why.
fn check(tallies: &[Tally]) {
    let served: usize = tallies.iter().map(|tally| tally.served).sum();
    let all = tallies.len() * ROUNDS;
    assert!((all / 8..all).contains(&served), "{served} of {all} served: this was no test");
    let refusals = tallies.iter().flat_map(|tally| tally.refused.keys());
    let known = [(502, "target_unavailable"), (504, "target_timeout"), (503, "idp_unavailable"), (504, "idp_timeout")];
    let unknown: Vec<_> = refusals.filter(|(status, code)| !known.contains(&(*status, code.as_str()))).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}

/// Sends requests one after the other, on one connection for as long as it goes on.
async fn call(world: &World, route: &str, name: &str, token: &str) -> Tally {
    let (mut tally, mut caller) = (Tally::default(), Wire::connect(world.proxy.address()).await);
    for round in 0..ROUNDS {
        let method = if round % 2 == 0 { "GET" } else { "POST" };
        caller.write(request(method, &format!("{route}/{name}/{round}"), token, "Content-Length: 0\r\n")).await;
        let Some(answer) = caller.read_whole_response().await else {
            tally.broken += 1;
            caller = Wire::connect(world.proxy.address()).await;
            continue;
        };
        note(world, &answer);
        match (answer.status(), answer.end) {
            (200, End::Length | End::Chunked) => {
                assert_eq!(answer.text(), format!("/{name}/{round} {name}"), "what is another's");
                tally.served += 1;
            }
            (200, _) => {
                assert!(format!("/{name}/{round} {name}").starts_with(&answer.text()), "{answer:?}");
                tally.broken += 1;
            }
            (204, _) => tally.served += 1,
            (status, _) => *tally.refused.entry((status, answer.code())).or_default() += 1,
        }
        if answer.header("connection") == "close" || answer.end == End::Broken || answer.end == End::Closed {
            caller = Wire::connect(world.proxy.address()).await;
        }
    }
    tally
}

async fn crowd(world: &Arc<World>, route: &'static str, tokens: &Arc<Vec<String>>) -> Vec<Tally> {
    at_once(CALLERS, move |n| {
        let (world, tokens) = (Arc::clone(world), Arc::clone(tokens));
        async move { call(&world, route, &format!("user-{n}"), &tokens[n]).await }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_gets_what_is_anothers_while_everything_misbehaves() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let unruly = Unruly::start(seed).await;
    let world = Arc::new(unruly.target.world(ROUTES).await);
    let token = |n| world.token_of(&format!("user-{n}"));
    let tokens = Arc::new((0..CALLERS).map(token).collect::<Vec<_>>());
    let faults = world.emulator.faults();
    faults.add(Fault::at(Endpoint::Token).effect(Effect::Cut).for_share(15));
    faults.add(Fault::at(Endpoint::Token).effect(Effect::Drop).for_share(15));
    let tallies = crowd(&world, "/h", &tokens).await;
    check(&tallies);
    unruly.check_orders();
    keep_secret(&world, &unruly.target);

    unruly.misbehaves.store(false, Ordering::SeqCst);
    faults.clear();
    let (name, token) = ("user-0", tokens[0].clone());
    eventually("the first is served", async || call(&world, "/t", name, &token).await.served == ROUNDS).await;
    eventually("all are served", async || {
        crowd(&world, "/t", &tokens).await.iter().all(|tally| tally.served == ROUNDS)
    })
    .await;
}

/// The same on streams of one HTTP/2 connection, which goes on whatever happens to single ones.
async fn call_by_http2(mut sender: SendRequest<Bytes>, name: String, token: String) -> Tally {
    let mut tally = Tally::default();
    for round in 0..ROUNDS {
        let method = if round % 2 == 0 { "GET" } else { "POST" };
        let url = format!("http://proxy.example/h/{name}/{round}");
        let request = Request::builder().method(method).uri(url).header("authorization", format!("Bearer {token}"));
        sender = sender.ready().await.expect("the connection goes on");
        let answer = http2::try_ask(&mut sender, request).await;
        match answer.map(|answer| (answer.status, answer.body.map(|body| String::from_utf8(body).unwrap()))) {
            Some((200, Some(body))) => {
                assert_eq!(body, format!("/{name}/{round} {name}"), "what is another's");
                tally.served += 1;
            }
            Some((204, Some(_))) => tally.served += 1,
            Some((200 | 204, None)) | None => tally.broken += 1,
            Some((status, body)) => {
                let problem: serde_json::Value = serde_json::from_str(&body.unwrap_or_default()).unwrap_or_default();
                let code = problem["code"].as_str().unwrap_or_default().to_owned();
                *tally.refused.entry((status, code)).or_default() += 1;
            }
        }
    }
    tally
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_of_one_connection_are_not_mixed_up_while_their_target_misbehaves() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let unruly = Unruly::start(seed).await;
    let world = unruly.target.world(ROUTES).await;
    let proxy = http2::proxy(&world, &ROUTES.replace("{target}", &unruly.target.url)).await;
    let mut callers = Vec::new();
    for connection in 0..2 {
        let sender = http2::caller(&proxy).await;
        for stream in 0..50 {
            let name = format!("user-{connection}-{stream}");
            let token = world.token_of(&name);
            callers.push(tokio::spawn(call_by_http2(sender.clone(), name, token)));
        }
    }
    let mut tallies = Vec::new();
    for caller in callers {
        tallies.push(caller.await.unwrap());
    }
    check(&tallies);
    unruly.check_orders();
    keep_secret(&world, &unruly.target);
}
