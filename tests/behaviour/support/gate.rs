//! A gate in front of the identity provider: while it is shut, token requests wait, and a test can bring about what it
//! wants to happen meanwhile. Everything else passes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use obo_proxy::emulator::{Emulator, EmulatorOptions};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// A gate; open at first.
pub struct Gate {
    is_open: watch::Sender<bool>,
    waiting: Arc<AtomicUsize>,
}

impl Gate {
    /// An identity provider that is reached through a gate only.
    pub async fn before(options: EmulatorOptions) -> (Self, Emulator) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let public_url = Some(format!("http://{}", listener.local_addr().unwrap()));
        let emulator = Emulator::start(super::listener(), EmulatorOptions { public_url, ..options }).await.unwrap();
        let inner = emulator.url().trim_start_matches("http://").to_owned();
        let gate = Self { is_open: watch::channel(true).0, waiting: Arc::default() };
        let (open, waiting) = (gate.is_open.subscribe(), Arc::clone(&gate.waiting));
        tokio::spawn(async move {
            while let Ok((outside, _)) = listener.accept().await {
                let Ok(inside) = TcpStream::connect(&inner).await else { return };
                let (from_outside, mut to_outside) = outside.into_split();
                let (mut from_inside, to_inside) = inside.into_split();
                tokio::spawn(pass(from_outside, to_inside, open.clone(), Arc::clone(&waiting)));
                tokio::spawn(async move { copy(&mut from_inside, &mut to_outside).await });
            }
        });
        (gate, emulator)
    }

    /// Token requests that arrive from now on wait.
    pub fn shut(&self) {
        self.is_open.send_replace(false);
    }

    /// Lets all that wait go on.
    pub fn open(&self) {
        self.is_open.send_replace(true);
    }

    /// How many token requests wait.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::SeqCst)
    }
}

async fn pass(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut open: watch::Receiver<bool>,
    waiting: Arc<AtomicUsize>,
) {
    let mut buffer = [0; 16 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        if buffer.starts_with(b"POST ") && !*open.borrow() {
            waiting.fetch_add(1, Ordering::SeqCst);
            let released = open.wait_for(|open| *open).await.is_ok();
            waiting.fetch_sub(1, Ordering::SeqCst);
            if !released {
                return;
            }
        }
        if to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}
