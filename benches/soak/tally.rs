//! What became of the requests, and how long they took.
#![expect(clippy::cast_precision_loss, reason = "counts of requests are far below 2^52")]

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Counts of one phase.
#[derive(Default)]
pub struct Tally {
    served: AtomicU64,
    resent: AtomicU64,
    failed: AtomicU64,
    wrong: AtomicU64,
    latencies: Mutex<Latencies>,
    examples: Mutex<Vec<String>>,
}

/// A histogram whose steps grow by a twentieth: it does not grow however long a phase lasts.
#[derive(Default)]
struct Latencies {
    counts: Vec<u64>,
}

impl Tally {
    /// A request that was answered as it had to be.
    pub fn served(&self, took: Duration) {
        self.served.fetch_add(1, Ordering::Relaxed);
        self.latencies.lock().unwrap().add(took);
    }

    /// A request that met the end of a kept connection before anything came back, and was sent on a new one.
    pub fn resent(&self) {
        self.resent.fetch_add(1, Ordering::Relaxed);
    }

    /// A request that was not answered, or not as it had to be.
    pub fn failed(&self, what: &str) {
        self.failed.fetch_add(1, Ordering::Relaxed);
        self.example(what);
    }

    /// A request that was served as somebody else's, or that must not have been served.
    pub fn wrong(&self, what: &str) {
        self.wrong.fetch_add(1, Ordering::Relaxed);
        self.example(what);
    }

    fn example(&self, what: &str) {
        let mut examples = self.examples.lock().unwrap();
        if examples.len() < 10 {
            examples.push(what.chars().take(300).collect());
        }
    }

    pub fn served_so_far(&self) -> u64 {
        self.served.load(Ordering::Relaxed)
    }

    /// The median and the 99th percentile since the last call, in milliseconds.
    pub fn percentiles(&self) -> (f64, f64) {
        let latencies = std::mem::take(&mut *self.latencies.lock().unwrap());
        (latencies.percentile(0.5), latencies.percentile(0.99))
    }

    /// Prints the counts; whether all went well.
    pub fn verdict(&self, name: &str, took: Duration, wrong_at_target: u64) -> bool {
        let [served, resent, failed, wrong] =
            [&self.served, &self.resent, &self.failed, &self.wrong].map(|count| count.load(Ordering::Relaxed));
        let wrong = wrong + wrong_at_target;
        println!(
            "  {name}: {served} served ({:.0}/s), {failed} failed, {wrong} wrongly authorised; {resent} sent again after the end of a kept connection",
            served as f64 / took.as_secs_f64()
        );
        for example in self.examples.lock().unwrap().iter() {
            println!("    e.g. {example}");
        }
        failed == 0 && wrong == 0 && served > 0
    }
}

impl Latencies {
    fn add(&mut self, took: Duration) {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a logarithm of microseconds")]
        let step = (took.as_secs_f64().max(1e-6) * 1e6).log(STEP) as usize;
        if self.counts.len() <= step {
            self.counts.resize(step + 1, 0);
        }
        self.counts[step] += 1;
    }

    fn percentile(&self, share: f64) -> f64 {
        let wanted = share * self.counts.iter().sum::<u64>() as f64;
        let mut seen = 0;
        let step = self.counts.iter().position(|count| {
            seen += count;
            seen as f64 >= wanted
        });
        STEP.powf(step.unwrap_or_default() as f64 + 0.5) / 1e3
    }
}

const STEP: f64 = 1.05;
