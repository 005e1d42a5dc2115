//! The wall clock jumps. It says which tokens A are good, and nothing else: what is remembered, waited for and limited
//! goes by a clock that only moves forward.

use std::path::PathBuf;

use obo_proxy::emulator::TokenRequest;

use super::{preloaded, shows_nothing};
use crate::support::program::Program;
use crate::support::{World, eventually, file};

/// A clock that can be set while a program reads it.
struct Clock(PathBuf);

impl Clock {
    fn set(&self, offset: &str) {
        let next = self.0.with_extension("next");
        std::fs::write(&next, format!("{offset}\n")).unwrap();
        std::fs::rename(next, &self.0).unwrap();
    }
}

async fn start(world: &World) -> (Clock, Program) {
    let clock = Clock(file(""));
    clock.set("+0");
    let library = preloaded("libfaketimeMT.so.1");
    let variables = [
        ("LD_PRELOAD", library.as_str()),
        ("FAKETIME_TIMESTAMP_FILE", clock.0.to_str().unwrap()),
        ("FAKETIME_NO_CACHE", "1"),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
        ("DONT_FAKE_MONOTONIC", "1"),
        ("NO_FAKE_STAT", "1"),
    ];
    let program = Program::serve_with(&world.configuration(""), &variables).await;
    program.wait_until_ready().await;
    (clock, program)
}

fn lasting(world: &World, seconds: i64) -> String {
    world.emulator.mint(&TokenRequest { lifetime: Some(seconds), ..TokenRequest::default() })
}

/// What the program says of a token, once it has seen that the clock has changed.
async fn becomes(program: &Program, token: &str, status: u16, code: &str) {
    eventually(&format!("{status} {code}"), async || {
        let reply = program.get("/orders/1", token).await;
        (reply.status, reply.code().as_str()) == (status, code)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_jumps_ahead_ends_tokens_and_one_that_comes_back_revives_them() {
    let world = World::start().await;
    let (clock, program) = start(&world).await;
    let (short, long) = (lasting(&world, 3_600), lasting(&world, 6 * 3_600));
    becomes(&program, &short, 200, "").await;
    becomes(&program, &long, 200, "").await;
    clock.set("+7200");
    becomes(&program, &short, 401, "invalid_token").await;
    assert_eq!(program.get("/orders/1", &long).await.status, 200);
    clock.set("+0");
    becomes(&program, &short, 200, "").await;
    assert_eq!(program.get("/orders/1", &long).await.status, 200);
    assert_eq!(world.emulator.counters().token, 2, "tokens B are not asked for again because the clock jumps");
    shows_nothing(&program, &[&short, &long]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_jumps_back_refuses_tokens_of_the_future_until_it_is_right() {
    let world = World::start().await;
    let (clock, program) = start(&world).await;
    let known = lasting(&world, 3_600);
    becomes(&program, &known, 200, "").await;
    clock.set("-7200");
    let new = lasting(&world, 3_600);
    becomes(&program, &new, 401, "invalid_token").await;
    assert_eq!(program.get("/orders/1", &known).await.status, 200, "who is known already is not judged anew");
    clock.set("+0");
    becomes(&program, &new, 200, "").await;
    assert_eq!(program.get("/orders/1", &known).await.status, 200);
    assert_eq!(world.emulator.counters().token, 2);
    shows_nothing(&program, &[&known, &new]);
}
