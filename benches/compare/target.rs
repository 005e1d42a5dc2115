//! The target behind every contestant: it counts requests, looks at the token of each, and gives each the same small
//! answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use memchr::memmem::Finder;
use parking_lot::Mutex;
use tokio::net::TcpListener;

use super::answering::answer_all;

/// Runs on a thread of its own until the end of the program, so that it does not hold the callers up.
pub struct Target {
    /// `HOST:PORT`
    pub address: String,
    seen: Arc<Seen>,
}

#[derive(Default)]
struct Seen {
    requests: AtomicU64,
    /// Those of them that had another token than was expected.
    wrong: AtomicU64,
    expected: Mutex<Option<Finder<'static>>>,
    /// Whether the next request shall be kept.
    wanted: AtomicBool,
    kept: Mutex<Option<String>>,
}

impl Target {
    pub fn start() -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let seen: Arc<Seen> = Arc::default();
        let notes = Arc::clone(&seen);
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = TcpListener::from_std(listener).unwrap();
                answer_all(listener, move |request| notes.answer(request)).await;
            });
        });
        Self { address, seen }
    }

    /// How many requests arrived so far, and how many of them had another token than was expected.
    pub fn requests(&self) -> (u64, u64) {
        (self.seen.requests.load(Ordering::Relaxed), self.seen.wrong.load(Ordering::Relaxed))
    }

    /// The token that each request is to have from now on.
    pub fn expect(&self, token: &str) {
        *self.seen.expected.lock() = Some(Finder::new(token).into_owned());
    }

    /// Keeps the request that comes next.
    pub fn keep_next(&self) {
        *self.seen.kept.lock() = None;
        self.seen.wanted.store(true, Ordering::Release);
    }

    /// The bearer token of the request that was kept.
    pub fn kept_token(&self) -> Option<String> {
        let kept = self.seen.kept.lock().take()?;
        let mut credentials = kept.lines().filter_map(|line| {
            let (name, value) = line.split_once(": ")?;
            name.eq_ignore_ascii_case("authorization").then(|| value.strip_prefix("Bearer "))
        });
        // A second one would mean that a contestant added token B without taking token A away.
        credentials.next()?.filter(|_| credentials.next().is_none()).map(str::to_owned)
    }
}

impl Seen {
    fn answer(&self, request: &[u8]) -> &'static [u8] {
        self.requests.fetch_add(1, Ordering::Relaxed);
        if self.expected.lock().as_ref().is_some_and(|token| token.find(request).is_none()) {
            self.wrong.fetch_add(1, Ordering::Relaxed);
        }
        if self.wanted.load(Ordering::Acquire) && self.wanted.swap(false, Ordering::AcqRel) {
            *self.kept.lock() = Some(String::from_utf8_lossy(request).into_owned());
        }
        ANSWER.as_bytes()
    }
}

/// What every answer ends with.
pub const BODY: &str = r#"{"id":1,"state":"shipped","lines":[{"sku":"a-17","count":2}]}"#;

const ANSWER: &str = concat!(
    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 61\r\n",
    "cache-control: private\r\nx-backend: orders\r\n\r\n",
    r#"{"id":1,"state":"shipped","lines":[{"sku":"a-17","count":2}]}"#
);
