//! Bodies of any length in memory of no length: the built program in a process of its own, whose peak memory the
//! kernel tells.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_lc_rs::digest::{Context, SHA256};
use obo_proxy::emulator::{Emulator, EmulatorOptions, TokenRequest};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::support::wire::{Wire, WireTarget, request};
use crate::support::{configuration, eventually, listener};

const ROUTES: &str = "
  - {name: wire, path: /t, target: '{target}', scopes: [api://orders-backend/Orders.Read]}
";

/// The program, serving in a process of its own.
struct Program {
    child: Child,
    address: String,
    configuration: std::path::PathBuf,
    emulator: Emulator,
}

impl Program {
    async fn start(target: &WireTarget) -> Self {
        let emulator = Emulator::start(listener(), EmulatorOptions::default()).await.unwrap();
        let name = format!("streaming-{}.yaml", target.url.rsplit(':').next().unwrap());
        let file = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::write(&file, configuration(emulator.url(), "", &ROUTES.replace("{target}", &target.url))).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_obo-proxy"))
            .args(["run", "--config"])
            .arg(&file)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let serving = lines.find_map(|line| {
            let line: serde_json::Value = serde_json::from_str(&line.unwrap()).unwrap();
            (line["message"] == "serving").then_some(line)
        });
        // Whoever stops reading stops the log; its lines are of no interest from here on.
        std::thread::spawn(move || lines.for_each(drop));
        let address = serving.unwrap()["listen"].as_str().unwrap().to_owned();
        Self { child, address, configuration: file, emulator }
    }

    /// A token, once a small request has shown that all is warm.
    async fn warm_token(&self) -> String {
        let token = self.emulator.mint(&TokenRequest::default());
        eventually("the program serves", async || {
            let mut caller = Wire::connect(&self.address).await;
            caller.ask(request("GET", "/t/warm", &token, "")).await.status() == 200
        })
        .await;
        token
    }

    /// The most memory that the process ever had, in KiB.
    fn peak(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    fn assert_flat(&self, before: u64) {
        // The kernel rounds, so that a peak may seem to sink.
        let growth = self.peak().saturating_sub(before);
        assert!(growth < MAX_GROWTH_KIB, "grew by {growth} KiB over {before} KiB");
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_file(&self.configuration);
    }
}

/// Sends `LENGTH` bytes, no two pieces alike, and returns their SHA-256.
async fn send_body(stream: &mut TcpStream) -> String {
    let (mut piece, mut hash) = (vec![b'o'; PIECE], Context::new(&SHA256));
    for number in 0..LENGTH / PIECE as u64 {
        piece[..8].copy_from_slice(&number.to_be_bytes());
        hash.update(&piece);
        stream.write_all(&piece).await.unwrap();
    }
    format!("{:?}", hash.finish())
}

/// Receives `LENGTH` bytes and returns their SHA-256.
async fn receive_body(stream: &mut TcpStream) -> String {
    let (mut piece, mut hash, mut left) = (vec![0; PIECE], Context::new(&SHA256), LENGTH);
    while left > 0 {
        let room = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
        let read = stream.read(&mut piece[..room]).await.unwrap();
        assert!(read > 0, "{left} bytes are missing");
        hash.update(&piece[..read]);
        left -= read as u64;
    }
    format!("{:?}", hash.finish())
}

/// A target that gives what it is asked for: an upload's hash to `hashes`, a download, or an empty answer.
async fn large_target(hashes: mpsc::UnboundedSender<String>) -> WireTarget {
    WireTarget::start(move |mut wire, _| {
        let hashes = hashes.clone();
        async move {
            while let Some(head) = wire.read_head().await {
                let head = String::from_utf8(head).unwrap();
                if head.starts_with("POST ") {
                    // The caller waits for this before its first byte, so that none is read with the header section.
                    wire.write("HTTP/1.1 100 Continue\r\n\r\n").await;
                    hashes.send(receive_body(&mut wire.stream).await).unwrap();
                }
                if head.contains("/large") {
                    wire.write(format!("HTTP/1.1 200 OK\r\nContent-Length: {LENGTH}\r\n\r\n")).await;
                    hashes.send(send_body(&mut wire.stream).await).unwrap();
                } else {
                    wire.write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
                }
            }
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_of_a_gibibyte_arrives_whole_and_takes_no_memory() {
    let (hashes, mut received) = mpsc::unbounded_channel();
    let target = large_target(hashes).await;
    let program = Program::start(&target).await;
    let token = program.warm_token().await;
    let before = program.peak();
    let mut caller = Wire::connect(&program.address).await;
    let lines = format!("Content-Length: {LENGTH}\r\nExpect: 100-continue\r\n");
    assert_eq!(caller.ask(request("POST", "/t/x", &token, &lines)).await.status(), 100);
    let sent = timeout(GENEROUS, send_body(&mut caller.stream)).await.unwrap();
    assert_eq!(caller.read_response().await.status(), 200);
    assert_eq!(received.recv().await.unwrap(), sent);
    program.assert_flat(before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_of_a_gibibyte_arrives_whole_and_takes_no_memory() {
    let (hashes, mut sent) = mpsc::unbounded_channel();
    let target = large_target(hashes).await;
    let program = Program::start(&target).await;
    let token = program.warm_token().await;
    let before = program.peak();
    let mut stream = TcpStream::connect(&program.address).await.unwrap();
    stream.write_all(request("GET", "/t/large", &token, "").as_bytes()).await.unwrap();
    // Byte by byte up to the body, which is then read as a whole.
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    assert!(head.starts_with(b"HTTP/1.1 200 OK\r\n"));
    let received = timeout(GENEROUS, receive_body(&mut stream)).await.unwrap();
    assert_eq!(sent.recv().await.unwrap(), received);
    program.assert_flat(before);
}

/// Waits until a count has stopped growing, and returns it.
async fn settled(count: &AtomicU64) -> u64 {
    let last = Mutex::new((0, 0));
    eventually("the sender is held back", async || {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let now = count.load(Ordering::SeqCst);
        let mut last = last.lock().unwrap();
        let unchanged = if now > 0 && now == last.0 { last.1 + 1 } else { 0 };
        *last = (now, unchanged);
        unchanged >= 10
    })
    .await;
    count.load(Ordering::SeqCst)
}

/// Writes pieces for as long as they are taken, and counts the bytes.
async fn pour(stream: &mut TcpStream, count: &AtomicU64) {
    let piece = vec![b'o'; PIECE];
    while stream.write_all(&piece).await.is_ok() {
        count.fetch_add(PIECE as u64, Ordering::SeqCst);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_does_not_read_holds_the_target_back() {
    let poured = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&poured);
    let target = WireTarget::start(move |mut wire, _| {
        let count = Arc::clone(&count);
        async move {
            while let Some(head) = wire.read_head().await {
                if head.starts_with(b"GET /warm") {
                    wire.write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
                    continue;
                }
                wire.write(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", u64::MAX / 4)).await;
                return pour(&mut wire.stream, &count).await;
            }
        }
    });
    let target = target.await;
    let program = Program::start(&target).await;
    let token = program.warm_token().await;
    let before = program.peak();
    let mut caller = Wire::connect(&program.address).await;
    caller.write(request("GET", "/t/endless", &token, "")).await;
    let held_at = settled(&poured).await;
    assert!(held_at < SOCKET_BUFFERS, "{held_at} bytes were taken");
    program.assert_flat(before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_does_not_read_holds_the_caller_back() {
    let target = WireTarget::start(|mut wire, _| async move {
        while let Some(head) = wire.read_head().await {
            if head.starts_with(b"POST ") {
                return std::future::pending().await;
            }
            wire.write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
        }
    });
    let target = target.await;
    let program = Program::start(&target).await;
    let token = program.warm_token().await;
    let before = program.peak();
    let mut caller = Wire::connect(&program.address).await;
    caller.write(request("POST", "/t/x", &token, &format!("Content-Length: {}\r\n", u64::MAX / 4))).await;
    let poured = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&poured);
    let pouring = tokio::spawn(async move { pour(&mut caller.stream, &count).await });
    let held_at = settled(&poured).await;
    pouring.abort();
    assert!(held_at < SOCKET_BUFFERS, "{held_at} bytes were taken");
    program.assert_flat(before);
}

/// A gibibyte.
const LENGTH: u64 = 1 << 30;
/// How much is sent at a time.
const PIECE: usize = 256 * 1024;
const MAX_GROWTH_KIB: u64 = 32 * 1024;
/// More than the kernel and the proxy buffer between two ends, and far less than a process could.
const SOCKET_BUFFERS: u64 = 64 << 20;
const GENEROUS: Duration = Duration::from_mins(3);
