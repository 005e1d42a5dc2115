//! What happens when those whom the proxy depends on misbehave: each request gets its own answer or an honest failure,
//! nothing is sent twice that may have been acted on, and afterwards all goes on by itself.
//!
//! Much of the identity provider's side is in `exchange/outage` and `refusals/identity_provider`, of the targets' in
//! `connections` and `relay_body`.

mod crowd;
mod identity_provider;
mod strays;
mod target;

use crate::support::World;
use crate::support::faulty::{Deed, FaultyTarget, Then};
use crate::support::wire::{Message, Wire, WireTarget, request};

/// Two routes to a target of the test. By the second one it has half a second to say something: for targets that hang.
const ROUTES: &str = "
  - {name: patient, path: /t, target: '{target}', scopes: [api://orders-backend/Orders.Read]}
  - {name: hasty, path: /h, target: {url: '{target}', read_timeout: 500ms}, scopes: [api://orders-backend/Orders.Read]}
";

/// The path of the route for a target that does this.
fn path_for(deed: &Deed) -> &'static str {
    if deed.then == Then::Hang { "/h/x" } else { "/t/x" }
}

/// Sends one request on a connection of its own.
async fn ask(world: &World, method: &str, path: &str, token: &str, body: &str) -> Message {
    let lines = if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
    let request = request(method, path, token, &lines) + body;
    let answer = Wire::connect(world.proxy.address()).await.ask(request).await;
    note(world, &answer);
    answer
}

/// In the end, neither the answers nor the log may show a token.
fn note(world: &World, answer: &Message) {
    world.note_answer(String::from_utf8_lossy(&[answer.head.as_slice(), &answer.body].concat()).into_owned());
}

/// Nor may they show the tokens B that the target got.
fn keep_secret(world: &World, target: &WireTarget) {
    for request in target.received() {
        world.keep_secret(request.header("authorization").trim_start_matches("Bearer "));
    }
}

/// The target behaves again: the very next request of anybody is served.
async fn recovers(world: &World, target: &FaultyTarget, path: &str) {
    target.behave();
    let token = world.token_of("somebody");
    let answer = ask(world, "GET", &format!("/t{path}"), &token, "").await;
    assert_eq!((answer.status(), answer.text()), (200, format!("{path} somebody")));
}
