//! How the program leaves: at once where nothing is in flight, after the last answer where something is, and never
//! later than `drain_timeout`.

use std::time::{Duration, Instant};

use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use crate::support::program::{PROMPTLY, Program};
use crate::support::raw::Connection;
use crate::support::{Reply, World, eventually, get};

/// Starts a request that the target takes its time for, and returns once it has reached the target.
async fn slow_request(
    world: &World,
    program: &Program,
    milliseconds: u32,
) -> JoinHandle<Result<Reply, reqwest::Error>> {
    let (url, token) = (format!("{}/orders/slow/{milliseconds}", program.url), world.token());
    let request = tokio::spawn(async move { get(&url, &token).await });
    eventually("the target has the request", async || world.target.total_hits() > 0).await;
    request
}

async fn leaves_at_once(signal: &str) {
    let world = World::start().await;
    let mut program = world.serve("").await;
    assert_eq!(program.get("/orders/1", &world.token()).await.status, 200);
    let asked = Instant::now();
    program.signal(signal);
    let status = program.ended().await;
    assert!(asked.elapsed() < PROMPTLY, "{:?}", asked.elapsed());
    assert_eq!(status.code(), Some(0));
    assert_eq!(program.lines_with("message", "left with nothing in flight").len(), 1, "{}", program.stdout());
    assert_eq!(program.stderr(), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_with_nothing_in_flight_ends_it_at_once() {
    leaves_at_once("TERM").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sigint_with_nothing_in_flight_ends_it_at_once() {
    leaves_at_once("INT").await;
}

async fn finishes_what_is_in_flight(signal: &str) {
    let world = World::start().await;
    let mut program = world.serve("").await;
    let request = slow_request(&world, &program, 1_500).await;
    program.signal(signal);
    program.line_with("message", "draining").await;
    eventually("new connections are refused", async || TcpStream::connect(program.address()).await.is_err()).await;
    let readiness = get(&format!("{}/readyz", program.admin), "").await.unwrap();
    assert_eq!((readiness.status, readiness.text.as_str()), (503, "draining\n"));
    assert!(program.is_running());
    assert_eq!(request.await.unwrap().unwrap().status, 200);
    let answered = Instant::now();
    assert_eq!(program.ended().await.code(), Some(0));
    assert!(answered.elapsed() < PROMPTLY, "{:?}", answered.elapsed());
    assert_eq!(program.lines_with("message", "left with nothing in flight").len(), 1, "{}", program.stdout());
    let lines = program.lines_with("message", "request");
    assert_eq!((lines.len(), lines[0]["status"].as_u64()), (1, Some(200)), "the last access line was lost");
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_lets_the_request_in_flight_finish() {
    finishes_what_is_in_flight("TERM").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sigint_lets_the_request_in_flight_finish() {
    finishes_what_is_in_flight("INT").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_longer_than_the_drain_time_is_broken_off_and_counted() {
    let world = World::start().await;
    let mut program = world.serve("drain_timeout: 1s").await;
    let request = slow_request(&world, &program, 60_000).await;
    let asked = Instant::now();
    program.signal("TERM");
    assert_eq!(program.ended().await.code(), Some(0));
    let took = asked.elapsed();
    assert!(took >= Duration::from_secs(1) && took < Duration::from_secs(1) + PROMPTLY, "{took:?}");
    let line = &program.lines_with("message", "left with requests broken off")[0];
    assert_eq!((line["level"].as_str(), line["requests"].as_u64()), (Some("WARN"), Some(1)), "{line}");
    assert!(request.await.unwrap().is_err(), "the request was answered");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_connection_does_not_hold_it_up() {
    let world = World::start().await;
    let mut program = world.serve("").await;
    let mut idle = Connection::open(program.address()).await;
    idle.send_get("/orders/1", &world.token()).await;
    let answer = idle.rest().await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let silent = Connection::open(program.address()).await;
    let asked = Instant::now();
    program.signal("TERM");
    assert_eq!(program.ended().await.code(), Some(0));
    assert!(asked.elapsed() < PROMPTLY, "{:?}", asked.elapsed());
    drop((idle, silent));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_in_flight_is_told_that_its_connection_closes() {
    let world = World::start().await;
    let mut program = world.serve("").await;
    let mut connection = Connection::open(program.address()).await;
    connection.send_get("/orders/slow/1500", &world.token()).await;
    eventually("the target has the request", async || world.target.total_hits() == 1).await;
    program.signal("TERM");
    program.line_with("message", "draining").await;
    let header = connection.header_section().await.to_ascii_lowercase();
    assert!(header.starts_with("http/1.1 200"), "{header}");
    assert!(header.contains("\r\nconnection: close\r\n"), "{header}");
    assert_eq!(program.ended().await.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_does_not_cut_the_drain_short() {
    let world = World::start().await;
    let mut program = world.serve("").await;
    let request = slow_request(&world, &program, 1_000).await;
    program.signal("TERM");
    program.line_with("message", "draining").await;
    program.signal("TERM");
    assert_eq!(request.await.unwrap().unwrap().status, 200);
    assert_eq!(program.ended().await.code(), Some(0));
}
