//! No file can be opened any more.

use std::time::Duration;

use tokio::net::TcpStream;

use super::{run_below, shows_nothing};
use crate::support::program::Program;
use crate::support::raw::Connection;
use crate::support::{World, eventually};

/// Enough for the program itself and a few requests.
const LIMIT: usize = 64;

fn open_files(program: &Program) -> usize {
    std::fs::read_dir(format!("/proc/{}/fd", program.id())).map_or(0, Iterator::count)
}

/// The processor time that the program has used, in hundredths of a second.
fn ticks(program: &Program) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", program.id())).unwrap();
    let fields: Vec<_> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn it_waits_for_descriptors_without_turning_in_circles_and_then_goes_on() {
    let world = World::start().await;
    let limit = format!("ulimit -n {LIMIT}");
    let mut program = Program::serve_by(run_below(&limit, &world.configuration(""))).await;
    program.wait_until_ready().await;
    let token = world.token();
    let mut early = Connection::open(program.address()).await;
    early.send_get("/orders/1", &token).await;
    assert!(early.rest().await.starts_with("HTTP/1.1 200 "));
    let mut crowd = Vec::new();
    for _ in 0..2 * LIMIT {
        crowd.push(TcpStream::connect(program.address()).await.unwrap());
    }
    eventually("nothing can be opened", async || open_files(&program) + 1 >= LIMIT).await;
    let (used, written) = (ticks(&program), program.stdout().len());
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(ticks(&program) - used < 60, "it turns in circles");
    assert!(program.stdout().len() - written < 50_000, "it fills the log");
    assert!(program.is_running());
    drop(crowd);
    eventually("descriptors are free again", async || open_files(&program) < LIMIT / 2 + 16).await;
    for _ in 0..20 {
        assert_eq!(program.get("/orders/1", &token).await.status, 200);
    }
    // An unused connection may have been ended for others; one that goes on works.
    early.send_get("/orders/1", &token).await;
    let answer = early.rest().await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert_eq!(world.emulator.counters().token, 1);
    program.signal("TERM");
    assert_eq!(program.ended().await.code(), Some(0));
    shows_nothing(&program, &[&token]);
}
