//! The figures of rounds, as a table.
#![expect(clippy::cast_precision_loss, reason = "counts of requests are far below 2^52")]

use std::time::Duration;

/// What one round cost.
pub struct Round {
    /// CPU time of the proxy.
    pub cpu: Duration,
    /// Wall-clock time.
    pub took: Duration,
    /// How long each request took.
    pub latencies: Vec<Duration>,
}

impl Round {
    fn cpu_micros(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / self.latencies.len().max(1) as f64
    }

    fn per_second(&self) -> f64 {
        self.latencies.len() as f64 / self.took.as_secs_f64()
    }
}

pub fn head() {
    println!("              CPU µs/request                 requests/s   latency µs");
    println!("              median     min     max  ratio      median      p50     p99");
}

pub fn row(name: &str, rounds: &[Round], baseline: Option<f64>) {
    let cpu = sorted(rounds.iter().map(Round::cpu_micros));
    let ratio = baseline.map_or_else(|| "-".to_owned(), |baseline| format!("{:.2}", middle(&cpu) / baseline));
    let rate = middle(&sorted(rounds.iter().map(Round::per_second)));
    let latencies = sorted(rounds.iter().flat_map(|round| &round.latencies).map(|took| took.as_secs_f64() * 1e6));
    let (p50, p99) = (middle(&latencies), latencies[latencies.len() * 99 / 100]);
    let (least, most) = (cpu[0], cpu[cpu.len() - 1]);
    println!(
        "  {name:<11} {:>6.1}  {least:>6.1}  {most:>6.1}  {ratio:>5}  {rate:>10.0}   {p50:>6.0}  {p99:>6.0}",
        middle(&cpu)
    );
}

pub fn median_cpu(rounds: &[Round]) -> f64 {
    middle(&sorted(rounds.iter().map(Round::cpu_micros)))
}

fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    values
}

fn middle(sorted: &[f64]) -> f64 {
    sorted[sorted.len() / 2]
}
