//! The system has no more files to give: requests under way go on, and everybody is served once there are files again.

use std::process::Command;

use tokio::net::TcpStream;

use crate::support::program::{Program, command};
use crate::support::raw::Connection;
use crate::support::{World, eventually, file};

/// Enough for what the program needs by itself, and for far fewer connections than this test opens.
const FILES: u32 = 64;

#[tokio::test(flavor = "multi_thread")]
async fn running_out_of_files_ends_no_request_and_passes() {
    let world = World::start().await;
    let configuration = file(&world.configuration("limits: {header_timeout: 1h}"));
    let plain = command(&[]);
    let mut limited = Command::new("sh");
    limited.args(["-c", &format!("ulimit -n {FILES}; exec \"$0\" run --config \"$1\"")]);
    limited.arg(plain.get_program()).arg(&configuration);
    limited
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped());
    let mut program = Program::start(limited);
    let serving = program.line_with("message", "serving").await;
    program.url = format!("http://{}", serving["listen"].as_str().unwrap());
    program.admin = format!("http://{}", serving["admin"].as_str().unwrap());
    program.wait_until_ready().await;
    let token = world.token();
    let mut busy = Connection::open(program.address()).await;
    busy.send_get("/orders/slow/1500", &token).await;
    eventually("the target has the request", async || world.target.total_hits() == 1).await;
    let mut crowd = Vec::new();
    for _ in 0..2 * FILES {
        crowd.push(TcpStream::connect(program.address()).await.unwrap());
    }
    program.line_with("reason", "system").await;
    assert!(busy.header_section().await.starts_with("HTTP/1.1 200"));
    drop(crowd);
    eventually("everybody is served again", async || {
        let reply = crate::support::get(&format!("{}/orders/1", program.url), &token).await;
        reply.is_ok_and(|reply| reply.status == 200)
    })
    .await;
    assert!(program.is_running());
    let refused =
        format!("obo_proxy_connections_refused_total{{listener=\"{}\",reason=\"system\"}}", program.address());
    assert!(program.metric(&refused).await.is_some_and(|refused| refused >= 1.0));
    assert!(program.lines_with("reason", "system").len() <= 3, "a line now and then, not each time");
}
