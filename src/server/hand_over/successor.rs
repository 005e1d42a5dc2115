//! The side of the old process: it starts the new one, and waits for its word.

use std::env;
use std::ffi::OsString;
use std::fmt;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::io::AsyncReadExt;
use tokio::time::timeout;

use super::{READY, VARIABLE, channel};
use crate::server::Listeners;
use crate::telemetry::ConnectionMetrics;

/// How this process was started: how to start another one like it.
#[derive(Debug, Clone)]
pub struct Program {
    path: PathBuf,
    arguments: Vec<OsString>,
}

/// The socket of the admin listener, wherever that is now: it can move.
pub type AdminSocket = Arc<Mutex<Option<OwnedFd>>>;

/// What is handed over.
#[derive(Debug)]
pub struct HandOver {
    /// How to start the new process.
    pub program: Program,
    /// The sockets of callers.
    pub listeners: Arc<Listeners>,
    /// The socket of the admin listener.
    pub admin: AdminSocket,
    /// Where attempts are counted.
    pub metrics: ConnectionMetrics,
    /// Whether another process has taken over.
    pub has_succeeded: Arc<AtomicBool>,
}

/// Why a new process did not take over.
#[derive(Debug)]
pub enum HandOverError {
    /// It cannot be started.
    Start(io::Error),
    /// The sockets cannot be passed to it.
    Sockets(io::Error),
    /// It ended, or closed the channel, before it was ready.
    Ended(Option<std::process::ExitStatus>),
    /// It was not ready in time.
    Late,
}

impl fmt::Display for HandOverError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start(cause) => write!(f, "failed to start the new program: {cause}"),
            Self::Sockets(cause) => write!(f, "failed to pass the sockets on: {cause}"),
            Self::Ended(Some(status)) => write!(f, "the new program ended before it was ready: {status}"),
            Self::Ended(None) => f.write_str("the new program gave up before it was ready"),
            Self::Late => write!(f, "the new program was not ready within {} s", LONGEST.as_secs()),
        }
    }
}

impl std::error::Error for HandOverError {}

impl Program {
    /// This process, as it was started. Call it early: relative paths begin where it was started.
    ///
    /// # Errors
    /// Where the program's own path cannot be found out.
    pub fn current() -> io::Result<Self> {
        let mut arguments = env::args_os();
        let path = match arguments.next().map(PathBuf::from) {
            // A link that leads to another version tomorrow is followed then.
            Some(path) if path.components().count() > 1 => std::path::absolute(path)?,
            _ => env::current_exe()?,
        };
        Ok(Self { path, arguments: arguments.collect() })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl HandOver {
    /// Starts a new process and lets it take over. `true` once it accepts connections: from then on this process only
    /// drains. `false` where it did not, of which log and metric tell; then nothing has changed.
    pub async fn attempt(&self) -> bool {
        tracing::info!(program = %self.program.path().display(), "starting a new program to take over");
        let outcome = self.try_to().await;
        self.metrics.handed_over(outcome.is_ok());
        match outcome {
            Ok(pid) => {
                tracing::info!(pid, "the new program has taken over");
                self.has_succeeded.store(true, Ordering::Release);
                true
            }
            Err(error) => {
                tracing::error!(%error, "not handed over; this program goes on");
                false
            }
        }
    }

    async fn try_to(&self) -> Result<u32, HandOverError> {
        let (ours, theirs) = UnixStream::pair().map_err(HandOverError::Start)?;
        let mut started = Started(Some(self.start(theirs)?));
        self.pass_sockets(&ours).map_err(HandOverError::Sockets)?;
        match timeout(LONGEST, is_ready(ours)).await {
            Ok(true) => started.let_go().ok_or(HandOverError::Ended(None)),
            Ok(false) => Err(HandOverError::Ended(started.status())),
            Err(_) => Err(HandOverError::Late),
        }
    }

    fn start(&self, channel: UnixStream) -> Result<Child, HandOverError> {
        let mut command = Command::new(&self.program.path);
        command.args(&self.program.arguments).env(VARIABLE, "1").stdin(Stdio::from(OwnedFd::from(channel)));
        command.spawn().map_err(HandOverError::Start)
    }

    fn pass_sockets(&self, channel: &UnixStream) -> io::Result<()> {
        let sockets = self.listeners.sockets();
        let callers = sockets.iter().map(|socket| socket.as_fd());
        let admin = self.admin.lock();
        let descriptors: Vec<_> = callers.chain(admin.as_ref().map(AsFd::as_fd)).collect();
        channel::send(channel, &descriptors)
    }
}

/// Whether the new process says that it is ready; it may also end.
async fn is_ready(channel: UnixStream) -> bool {
    let stream = channel.set_nonblocking(true).and_then(|()| tokio::net::UnixStream::from_std(channel));
    let Ok(mut stream) = stream else { return false };
    let mut said = [0; READY.len()];
    stream.read_exact(&mut said).await.is_ok() && said == READY
}

/// A process that is ended, and not forgotten, unless it takes over.
struct Started(Option<Child>);

impl Started {
    fn let_go(&mut self) -> Option<u32> {
        self.0.take().map(|child| child.id())
    }

    /// How it ended, if it did by itself.
    fn status(&mut self) -> Option<std::process::ExitStatus> {
        let child = self.0.as_mut()?;
        for _ in 0..20 {
            if let Ok(Some(status)) = child.try_wait() {
                self.0 = None;
                return Some(status);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        None
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        if let Some(mut child) = self.0.take() {
            // An error means that it has ended already. Once killed, it is not waited for long.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// How long a new process may take until it is ready: its keys have to be loaded.
const LONGEST: Duration = Duration::from_mins(1);
