//! What is known of the configuration that serves, and of the last attempt to replace it; the status page tells it.

use std::path::PathBuf;
use std::time::SystemTime;

use parking_lot::Mutex;

use crate::digest::Digest;

/// The history of a proxy's configuration, as far as anybody asks for it.
#[derive(Debug)]
pub struct Record {
    started: SystemTime,
    state: Mutex<State>,
}

#[derive(Debug, Clone)]
struct State {
    serving: Serving,
    last_attempt: Option<Attempt>,
}

/// The configuration that serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Serving {
    /// Its file; none where it came from elsewhere and is not followed.
    pub file: Option<PathBuf>,
    /// The SHA-256 of the file's text.
    pub text: Digest,
    /// Counts configurations since the start, from 1.
    pub generation: u64,
    /// Since when it serves.
    pub since: SystemTime,
}

/// An attempt to replace the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// When it ended.
    pub at: SystemTime,
    /// Why it was made.
    pub cause: Cause,
    /// What stood in the way, a line each; none where it succeeded.
    pub findings: Vec<String>,
}

/// Why a configuration is read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// Somebody asked for it, by SIGHUP.
    Request,
    /// A file has changed.
    Change,
    /// The last attempt failed for a reason that is not in any file.
    Retry,
}

impl Cause {
    /// The word for it in logs and on the status page.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Change => "change",
            Self::Retry => "retry",
        }
    }
}

impl Record {
    /// The record of a proxy that begins to serve the configuration with this text.
    pub fn new(text: Digest) -> Self {
        let now = SystemTime::now();
        let serving = Serving { file: None, text, generation: 1, since: now };
        Self { started: now, state: Mutex::new(State { serving, last_attempt: None }) }
    }

    /// From now on the configuration is followed in this file.
    pub fn follows(&self, file: PathBuf) {
        self.state.lock().serving.file = Some(file);
    }

    /// Another configuration serves from now on.
    pub fn replaced(&self, cause: Cause, text: Digest, generation: u64) {
        let now = SystemTime::now();
        let mut state = self.state.lock();
        let file = state.serving.file.take();
        state.serving = Serving { file, text, generation, since: now };
        state.last_attempt = Some(Attempt { at: now, cause, findings: Vec::new() });
    }

    /// An attempt failed; the configuration is what it was.
    pub fn failed(&self, cause: Cause, findings: Vec<String>) {
        self.state.lock().last_attempt = Some(Attempt { at: SystemTime::now(), cause, findings });
    }

    /// When the proxy was put together.
    pub fn started(&self) -> SystemTime {
        self.started
    }

    /// The configuration that serves.
    pub fn serving(&self) -> Serving {
        self.state.lock().serving.clone()
    }

    /// The last attempt to replace it, if there was one.
    pub fn last_attempt(&self) -> Option<Attempt> {
        self.state.lock().last_attempt.clone()
    }
}
