//! What warm requests cost: rounds of them, and the median of the rounds.
#![expect(clippy::cast_precision_loss, reason = "counts of requests are far below 2^52")]

use std::time::{Duration, Instant};

use super::load::{self, Caller};
use super::proxy::Proxy;
use super::statistics::{median, micros, quantile, sorted};

/// The median over rounds.
#[derive(Debug, Clone, Copy)]
pub struct Cost {
    /// CPU time of the proxy for each request, in µs.
    pub cpu: f64,
    pub per_second: f64,
    /// Latency in µs: of half of the requests, and of all but one in a hundred.
    pub p50: f64,
    pub p99: f64,
}

/// How long is measured, and how often.
#[derive(Debug, Clone, Copy)]
pub struct Rounds {
    pub count: usize,
    pub time: Duration,
}

impl Rounds {
    /// Has all callers and all requests take their turns, as many at once as there are `lanes`, after a round that does
    /// not count.
    pub async fn run(self, proxy: &Proxy, callers: &mut [Caller], requests: &[Vec<u8>], lanes: usize) -> Cost {
        load::run_in_turn(callers, requests, lanes, self.time / 2).await;
        let mut costs = Vec::new();
        for _ in 0..self.count {
            let (cpu, started) = (proxy.cpu(), Instant::now());
            let latencies = load::run_in_turn(callers, requests, lanes, self.time).await;
            costs.push(Cost::of(proxy.cpu().saturating_sub(cpu), started.elapsed(), &latencies));
        }
        let middle = |of: fn(&Cost) -> f64| median(costs.iter().map(of));
        Cost {
            cpu: middle(|cost| cost.cpu),
            per_second: middle(|cost| cost.per_second),
            p50: middle(|cost| cost.p50),
            p99: middle(|cost| cost.p99),
        }
    }
}

impl Cost {
    fn of(cpu: Duration, took: Duration, latencies: &[Duration]) -> Self {
        let count = latencies.len().max(1) as f64;
        let sorted = sorted(latencies.iter().map(|latency| micros(*latency)));
        Self {
            cpu: micros(cpu) / count,
            per_second: count / took.as_secs_f64(),
            p50: quantile(&sorted, 0.5),
            p99: quantile(&sorted, 0.99),
        }
    }
}

pub fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

pub fn most(values: impl Iterator<Item = f64>) -> f64 {
    values.fold(0.0, f64::max)
}
