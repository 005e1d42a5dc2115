//! Standard output takes nothing: a disk that is full, a pipe whose reader has left. No request notices.

use std::fs::File;
use std::process::Stdio;

use super::Addresses;
use crate::support::program::{Program, command};
use crate::support::{World, eventually, file, get};

/// Enough for more lines than are kept.
const REQUESTS: u64 = 200;

/// Serves hundreds of requests with its log going to `stdout`; returns how many lines it says it has lost.
async fn serves_with_log_to(stdout: Stdio) -> f64 {
    let (world, addresses) = (World::start().await, Addresses::take());
    let path = file(&world.configuration(&addresses.configuration()));
    let mut command = command(&["run", "--config", path.to_str().unwrap()]);
    command.stdout(stdout);
    let mut program = Program::start(command);
    (program.url, program.admin) = addresses.urls();
    program.wait_until_ready().await;
    let token = world.token();
    for _ in 0..REQUESTS {
        assert_eq!(program.get("/orders/1", &token).await.status, 200);
    }
    assert_eq!(get(&format!("{}/healthz", program.admin), "").await.unwrap().status, 200);
    let mut lost = 0.0;
    eventually("lost lines are counted", async || {
        lost = program.metric("obo_proxy_log_lines_dropped_total").await.unwrap_or_default();
        lost > 0.0
    })
    .await;
    assert_eq!((world.target.total_hits(), world.emulator.counters().token), (REQUESTS, 1));
    program.signal("TERM");
    assert_eq!(program.ended().await.code(), Some(0), "{}", program.stderr());
    lost
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_costs_lines_and_no_requests() {
    let full = File::options().write(true).open("/dev/full").unwrap();
    assert!(serves_with_log_to(full.into()).await < 200.0, "some lines are kept for better times");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_leaves_costs_lines_and_no_requests() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    serves_with_log_to(writer.into()).await;
}
