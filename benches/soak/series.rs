//! Memory and descriptors over time: a table, a CSV file, and a verdict.
#![expect(clippy::cast_precision_loss, reason = "KiB and seconds are far below 2^52")]

use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

/// One look at the proxy.
pub struct Sample {
    pub at: Duration,
    pub memory_kib: u64,
    pub descriptors: u64,
    pub served: u64,
    pub tokens: u64,
}

#[derive(Default)]
pub struct Series {
    samples: Vec<Sample>,
}

impl Series {
    pub fn head() {
        println!("      time   memory MiB   descriptors       served   distinct tokens");
    }

    pub fn add(&mut self, sample: Sample, print: bool) {
        if print {
            println!(
                "  {:>5.0} s   {:>10.1}   {:>11}   {:>10}   {:>15}",
                sample.at.as_secs_f64(),
                sample.memory_kib as f64 / 1024.0,
                sample.descriptors,
                sample.served,
                sample.tokens
            );
        }
        self.samples.push(sample);
    }

    pub fn write(&self, file: &Path) {
        let mut text = "seconds,memory_kib,descriptors,served,tokens\n".to_owned();
        for Sample { at, memory_kib, descriptors, served, tokens } in &self.samples {
            let _ = writeln!(text, "{:.1},{memory_kib},{descriptors},{served},{tokens}", at.as_secs_f64());
        }
        std::fs::write(file, text).unwrap();
        println!("  every sample: {}", file.display());
    }

    /// Judges what came after `warm`: memory that grows by less than a twentieth over as long a time again is flat, and
    /// so are descriptors that grow by less than a twentieth.
    pub fn verdict(&self, warm: Duration) -> bool {
        let after: Vec<_> = self.samples.iter().filter(|sample| sample.at >= warm).collect();
        let memory = Trend::of(&after, |sample| sample.memory_kib as f64 / 1024.0);
        let descriptors = Trend::of(&after, |sample| sample.descriptors as f64);
        println!("  after {:.0} s of warm-up, by the line that fits best:", warm.as_secs_f64());
        memory.print("memory", "MiB");
        descriptors.print("descriptors", "");
        memory.is_flat() && descriptors.is_flat()
    }
}

/// The line that fits best (least squares).
struct Trend {
    mean: f64,
    /// Per minute.
    slope: f64,
    minutes: f64,
}

impl Trend {
    fn of(samples: &[&Sample], value: impl Fn(&Sample) -> f64) -> Self {
        let count = samples.len().max(1) as f64;
        let minutes = |sample: &Sample| sample.at.as_secs_f64() / 60.0;
        let middle = samples.iter().map(|sample| minutes(sample)).sum::<f64>() / count;
        let mean = samples.iter().map(|sample| value(sample)).sum::<f64>() / count;
        let (mut covariance, mut variance) = (0.0, 0.0);
        for sample in samples {
            let distance = minutes(sample) - middle;
            covariance += distance * (value(sample) - mean);
            variance += distance * distance;
        }
        let (first, last) = (samples.first().map_or(0.0, |s| minutes(s)), samples.last().map_or(0.0, |s| minutes(s)));
        Self { mean, slope: if variance > 0.0 { covariance / variance } else { 0.0 }, minutes: last - first }
    }

    fn is_flat(&self) -> bool {
        self.slope * self.minutes < self.mean / 20.0
    }

    fn print(&self, name: &str, unit: &str) {
        let verdict = if self.is_flat() { "flat" } else { "GROWS" };
        println!(
            "    {name}: {:.1} {unit} on average, {:+.3} {unit} a minute, {:+.1} {unit} in {:.0} minutes: {verdict}",
            self.mean,
            self.slope,
            self.slope * self.minutes,
            self.minutes
        );
    }
}
