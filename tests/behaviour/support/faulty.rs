//! A target that misbehaves on its socket while a test says so, and otherwise answers with what tells whose request it
//! got.

use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use tokio::net::TcpStream;

use super::wire::{Message, Wire, WireTarget};

/// What a target does once it has read a request.
#[derive(Debug, Clone)]
pub struct Deed {
    /// What it writes.
    pub bytes: Vec<u8>,
    /// What it does then.
    pub then: Then,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// Waits for the next request.
    Stay,
    /// Ends the connection.
    Close,
    /// Ends it with a reset.
    Reset,
    /// Does nothing more, until the other end leaves.
    Hang,
}

impl Deed {
    pub fn new(bytes: impl AsRef<[u8]>, then: Then) -> Self {
        Self { bytes: bytes.as_ref().to_vec(), then }
    }

    /// Does it; whether the connection goes on.
    pub async fn befall(&self, wire: &mut Wire<TcpStream>) -> bool {
        wire.write(&self.bytes).await;
        match self.then {
            Then::Stay => return true,
            Then::Close => {}
            Then::Reset => wire.stream.set_zero_linger().unwrap(),
            Then::Hang => drop(wire.read_through(b"\0never\0").await),
        }
        false
    }
}

/// The target. It leaves with its test.
pub struct FaultyTarget {
    pub wire: WireTarget,
    deed: Arc<Mutex<Option<Deed>>>,
}

impl FaultyTarget {
    /// A target that behaves so far.
    pub async fn start() -> Self {
        let deed = Arc::<Mutex<Option<Deed>>>::default();
        let shared = Arc::clone(&deed);
        let wire = WireTarget::start(move |mut wire, _| {
            let deed = Arc::clone(&shared);
            async move {
                while let Some(request) = wire.read_request().await {
                    let deed = deed.lock().unwrap().clone().unwrap_or_else(|| Deed::new(echo(&request), Then::Stay));
                    if !deed.befall(&mut wire).await {
                        return;
                    }
                }
            }
        });
        Self { wire: wire.await, deed }
    }

    /// From now on.
    pub fn misbehave(&self, deed: Deed) {
        *self.deed.lock().unwrap() = Some(deed);
    }

    /// From now on.
    pub fn behave(&self) {
        *self.deed.lock().unwrap() = None;
    }
}

/// The answer of a target that behaves.
pub fn echo(request: &Message) -> String {
    let body = whose(request);
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

/// The path of a request, and the user whose token B it carries.
pub fn whose(request: &Message) -> String {
    let line = request.start_line();
    let path = line.split(' ').nth(1).unwrap_or_default();
    let authorization = request.header("authorization");
    let claims = authorization.split('.').nth(1).and_then(|claims| URL_SAFE_NO_PAD.decode(claims).ok());
    let claims: Value = claims.and_then(|claims| serde_json::from_slice(&claims).ok()).unwrap_or_default();
    format!("{path} {}", claims["oid"].as_str().unwrap_or("nobody"))
}
