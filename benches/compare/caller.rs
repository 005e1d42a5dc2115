//! Callers that cost little: keep-alive connections on bare sockets that send one request again and again. All of them
//! run on one thread.

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::unix::pipe;

use super::target::BODY;

/// A connection of a caller, kept from request to request.
pub struct Caller {
    stream: TcpStream,
    buffer: Box<[u8; 8 * 1024]>,
}

impl Caller {
    pub async fn connect(address: &str) -> std::io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Box::new([0; 8 * 1024]) })
    }

    /// Sends a request and reads its answer, which must be the whole of that of the target.
    pub async fn call(&mut self, request: &[u8]) -> Result<(), String> {
        self.stream.write_all(request).await.map_err(|error| error.to_string())?;
        let mut filled = 0;
        while !self.buffer[..filled].ends_with(BODY.as_bytes()) {
            let read = self.stream.read(&mut self.buffer[filled..]).await.map_err(|error| error.to_string())?;
            filled += read;
            if read == 0 || !self.buffer.starts_with(b"HTTP/1.1 200 ") {
                let so_far = String::from_utf8_lossy(&self.buffer[..filled]).into_owned();
                return Err(format!("this is no whole answer with 200: {so_far:?}"));
            }
        }
        Ok(())
    }
}

/// Connections to the same contestant.
pub async fn connect(address: &str, count: usize) -> Vec<Caller> {
    let callers = join_all((0..count).map(|_| Caller::connect(address))).await;
    callers.into_iter().collect::<Result<_, _>>().unwrap()
}

/// Has every caller send its next request as soon as it has the answer to the last one. Returns how many were answered.
pub async fn saturate(callers: &mut [Caller], request: &[u8], time: Duration) -> Result<u64, String> {
    let end = Instant::now() + time;
    let runs = callers.iter_mut().map(async |caller| {
        let mut answered = 0;
        while Instant::now() < end {
            caller.call(request).await?;
            answered += 1;
        }
        Ok(answered)
    });
    join_all(runs).await.into_iter().sum()
}

/// Latencies under a load that does not wait for answers.
#[derive(Debug, Default)]
pub struct Paced {
    /// Of all requests; of one that was not sent, how long it had waited by then.
    pub latencies: Vec<Duration>,
    /// Requests whose time came, but not their turn: the contestant was too slow for the rate.
    pub unsent: u64,
}

/// Sends so many requests a second, evenly spaced and shared out among the callers. A latency counts from the moment that
/// a request was scheduled for, so that a contestant that holds one caller up answers for all requests that it delayed.
pub async fn pace(callers: &mut [Caller], request: &[u8], rate: u64, time: Duration) -> Result<Paced, String> {
    let spacing = Duration::from_secs(1) / u32::try_from(rate).unwrap();
    let interval = spacing * u32::try_from(callers.len()).unwrap();
    let begin = Instant::now() + LEAD;
    let runs = callers.iter_mut().zip(0..).map(async |(caller, turn)| {
        let clock = Clock::start(begin + spacing * turn, interval);
        pace_one(caller, request, clock, begin + time).await
    });
    let mut all = Paced::default();
    for one in join_all(runs).await {
        let one = one?;
        all.latencies.extend(one.latencies);
        all.unsent += one.unsent;
    }
    Ok(all)
}

async fn pace_one(caller: &mut Caller, request: &[u8], mut clock: Clock, end: Instant) -> Result<Paced, String> {
    let mut paced = Paced::default();
    while clock.next < end {
        clock.wait().await;
        if Instant::now() > end + GRACE {
            paced.unsent += 1;
        } else {
            caller.call(request).await?;
        }
        paced.latencies.push(clock.next.elapsed());
        clock.next += clock.interval;
    }
    Ok(paced)
}

/// A timer of the kernel that rings at regular times: those of tokio are a millisecond coarse, and one that spins would
/// take a core from the contestants.
struct Clock {
    /// Reading a timer is like reading a pipe: it waits for the next ring, and tells how many there were.
    rings: pipe::Receiver,
    next: Instant,
    interval: Duration,
}

impl Clock {
    fn start(first: Instant, interval: Duration) -> Self {
        let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, TimerFlags::TFD_NONBLOCK).unwrap();
        let delay = first.saturating_duration_since(Instant::now()).max(Duration::from_nanos(1));
        let schedule = Expiration::IntervalDelayed(TimeSpec::from(delay), TimeSpec::from(interval));
        timer.set(schedule, TimerSetTimeFlags::empty()).unwrap();
        let rings = pipe::Receiver::from_owned_fd_unchecked(OwnedFd::from(timer)).unwrap();
        Self { rings, next: first, interval }
    }

    /// Returns when the next moment has come, at once if it is over.
    async fn wait(&mut self) {
        while Instant::now() < self.next {
            self.rings.read_u64_le().await.unwrap();
        }
    }
}

/// What a load balancer sends on for a client library.
pub fn request(token: &str) -> Vec<u8> {
    format!(
        "GET /orders/1?expand=lines HTTP/1.1\r\nHost: api.contoso.com\r\nUser-Agent: bench/1.0\r\n\
         Accept: application/json\r\nAccept-Encoding: gzip, deflate, br\r\nAccept-Language: en\r\n\
         X-Forwarded-For: 203.0.113.7\r\nX-Forwarded-Proto: https\r\nAuthorization: Bearer {token}\r\n\r\n"
    )
    .into_bytes()
}

/// How long before its first request a paced load is set up.
const LEAD: Duration = Duration::from_millis(2);
/// How long after the end requests are sent that were due before: enough to recover from a hiccup of the machine.
const GRACE: Duration = Duration::from_secs(1);
