//! What a run comes to: a row for each contestant, the duel, and the goals.

use serde::Serialize;

use super::caller::Paced;
use super::contestant::Contestant;
use super::machine::Machine;
use super::measure::{Saturated, capacity};
use super::recipe::{BARE, ENVOY, NGINX, NGINX_WITH_SIDECAR, OBO_PROXY};
use super::statistics::{median, micros, quantile, sorted};

/// All figures of a run.
#[derive(Serialize)]
pub struct Results {
    pub machine: Machine,
    pub workers: usize,
    pub connections: usize,
    pub rounds: usize,
    pub round_seconds: f64,
    /// Requests a second at which latencies were taken.
    pub rate: u64,
    /// Bytes.
    pub token_a: usize,
    pub token_b: usize,
    pub contestants: Vec<Row>,
    /// Who could not take part, and why.
    pub absent: Vec<(String, String)>,
    pub duel: Option<Duel>,
    pub goals: Vec<Goal>,
}

/// The medians of a contestant.
#[derive(Serialize)]
pub struct Row {
    pub name: &'static str,
    pub version: String,
    pub does: &'static str,
    pub cpu_micros: f64,
    pub cpu_micros_least: f64,
    pub cpu_micros_most: f64,
    /// Where it asks a sidecar.
    pub cpu_with_sidecar_micros: Option<f64>,
    pub requests_per_second: f64,
    /// Where it bears the rate.
    pub latency: Option<Latency>,
    pub memory_kib: u64,
    pub peak_memory_kib: u64,
    /// Where it has a log.
    pub log_lines_lost: Option<i64>,
}

/// In microseconds.
#[derive(Serialize, Clone, Copy)]
pub struct Latency {
    pub p50: f64,
    pub p99: f64,
    pub p999: f64,
}

/// obo-proxy against bare Pingora, each alone on half of the cores, at half of the rate that saturates the slower one.
#[derive(Serialize)]
pub struct Duel {
    /// Requests a second at saturation.
    pub obo_saturation: f64,
    pub bare_saturation: f64,
    pub rate: u64,
    pub rounds: usize,
    /// The medians of the rounds' p99, so that one hiccup of the machine does not decide.
    pub obo_p99: f64,
    pub bare_p99: f64,
    /// Over the latencies of all rounds.
    pub obo_pooled: Latency,
    pub bare_pooled: Latency,
}

/// A ratio that should not be exceeded.
#[derive(Serialize)]
pub struct Goal {
    pub what: &'static str,
    pub most: f64,
    pub measured: f64,
}

impl Row {
    pub fn of(contestant: &mut Contestant, saturated: &[Saturated], paced: Option<Paced>) -> Self {
        let cpu = sorted(saturated.iter().map(Saturated::cpu_micros));
        let with_sidecar = || median(saturated.iter().map(Saturated::cpu_with_sidecar_micros));
        let memory = contestant.process.memory();
        Self {
            name: contestant.recipe.name,
            version: contestant.version.clone(),
            does: contestant.recipe.does,
            cpu_micros: quantile(&cpu, 0.5),
            cpu_micros_least: quantile(&cpu, 0.0),
            cpu_micros_most: quantile(&cpu, 1.0),
            cpu_with_sidecar_micros: contestant.recipe.asks_sidecar.then(with_sidecar),
            requests_per_second: capacity(saturated),
            latency: paced.map(|paced| Latency::of(paced.latencies.into_iter().map(micros))),
            memory_kib: memory.now,
            peak_memory_kib: memory.peak,
            log_lines_lost: contestant.lines_lost(),
        }
    }

    /// All that it takes to serve a request.
    pub fn cpu_in_all(&self) -> f64 {
        self.cpu_with_sidecar_micros.unwrap_or(self.cpu_micros)
    }
}

impl Latency {
    pub fn of(micros: impl IntoIterator<Item = f64>) -> Self {
        let values = sorted(micros);
        Self { p50: quantile(&values, 0.5), p99: quantile(&values, 0.99), p999: quantile(&values, 0.999) }
    }
}

impl Duel {
    pub fn of([obo_saturation, bare_saturation]: [f64; 2], rate: u64, [obo, bare]: [Vec<Vec<f64>>; 2]) -> Self {
        let p99 = |rounds: &[Vec<f64>]| median(rounds.iter().map(|round| Latency::of(round.iter().copied()).p99));
        Self {
            obo_saturation,
            bare_saturation,
            rate,
            rounds: obo.len(),
            obo_p99: p99(&obo),
            bare_p99: p99(&bare),
            obo_pooled: Latency::of(obo.concat()),
            bare_pooled: Latency::of(bare.concat()),
        }
    }
}

/// What obo-proxy is to cost next to the others, where they took part.
pub fn goals(rows: &[Row], duel: Option<&Duel>) -> Vec<Goal> {
    let cpu = |name: &str| rows.iter().find(|row| row.name == name).map(Row::cpu_in_all);
    let of = |what, most, than: &str| Some(Goal { what, most, measured: cpu(OBO_PROXY)? / cpu(than)? });
    let all = [
        of("CPU, next to bare Pingora", 1.10, BARE),
        duel.map(|duel| Goal {
            what: "p99 at half of saturation, next to bare Pingora",
            most: 1.10,
            measured: duel.obo_p99 / duel.bare_p99,
        }),
        of("CPU, next to nginx auth_request with its sidecar", 0.80, NGINX_WITH_SIDECAR),
        of("CPU, next to Envoy with its sidecar", 0.25, ENVOY),
        of("CPU, next to nginx proxy_pass", 1.60, NGINX),
    ];
    all.into_iter().flatten().collect()
}
