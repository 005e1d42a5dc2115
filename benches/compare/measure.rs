//! The rounds of a run. They are interleaved, contestant by contestant, so that whatever else the machine does meets all
//! of them alike.

use std::time::{Duration, Instant};

use super::caller::{Paced, pace, request, saturate};
use super::contestant::Contestant;
use super::setting::Setting;
use super::statistics::{median, micros};

/// How much is measured.
pub struct Plan {
    /// Rounds of each kind for each contestant.
    pub rounds: usize,
    pub round: Duration,
    /// Rounds of obo-proxy against bare Pingora at the same rate: many and short.
    pub duel_rounds: usize,
    pub duel_round: Duration,
}

/// One round at saturation.
pub struct Saturated {
    /// CPU time of the contestant's own processes, and of the sidecar.
    cpu: Duration,
    sidecar_cpu: Duration,
    requests: u64,
    took: Duration,
}

#[expect(clippy::cast_precision_loss, reason = "counts of requests are far below 2^52")]
impl Saturated {
    /// CPU microseconds a request of the contestant's own.
    pub fn cpu_micros(&self) -> f64 {
        micros(self.cpu) / self.requests as f64
    }

    /// CPU microseconds a request, the sidecar's included.
    pub fn cpu_with_sidecar_micros(&self) -> f64 {
        micros(self.cpu + self.sidecar_cpu) / self.requests as f64
    }

    pub fn per_second(&self) -> f64 {
        self.requests as f64 / self.took.as_secs_f64()
    }
}

/// Requests per second at saturation, in the middle of all rounds.
pub fn capacity(rounds: &[Saturated]) -> f64 {
    median(rounds.iter().map(Saturated::per_second))
}

/// As many requests as the connections can bring. The callers and the target take their share of the same cores.
pub async fn at_saturation(lineup: &mut [Contestant], setting: &Setting, plan: &Plan) -> Vec<Vec<Saturated>> {
    let mut rounds: Vec<Vec<_>> = lineup.iter().map(|_| Vec::new()).collect();
    for contestant in &mut *lineup {
        saturated(contestant, setting, plan.round / 2).await;
    }
    for _ in 0..plan.rounds {
        for (contestant, rounds) in lineup.iter_mut().zip(&mut rounds) {
            rounds.push(saturated(contestant, setting, plan.round).await);
        }
    }
    rounds
}

async fn saturated(contestant: &mut Contestant, setting: &Setting, time: Duration) -> Saturated {
    let request = request(&setting.token_a);
    let arrivals = Arrivals::begin(contestant, setting);
    let cpu = |contestant: &Contestant| {
        let of_sidecar = setting.sidecar.as_ref().filter(|_| contestant.recipe.asks_sidecar);
        (contestant.process.cpu(), of_sidecar.map_or(Duration::ZERO, |(_, sidecar)| sidecar.process.cpu()))
    };
    let (before, sidecar_before) = cpu(contestant);
    let started = Instant::now();
    let answered = saturate(&mut contestant.callers, &request, time).await;
    let took = started.elapsed();
    // What is done beside requests, as writing the log, belongs to them.
    tokio::time::sleep(SETTLING).await;
    let (after, sidecar_after) = cpu(contestant);
    let requests = answered.unwrap_or_else(|error| panic!("{}: {error}", contestant.recipe.name));
    arrivals.end(contestant, setting, requests);
    let (cpu, sidecar_cpu) = (after.saturating_sub(before), sidecar_after.saturating_sub(sidecar_before));
    Saturated { cpu, sidecar_cpu, requests, took }
}

/// The same rate for all who can bear it; none of the others.
pub async fn at_rate(lineup: &mut [Contestant], setting: &Setting, plan: &Plan, rate: u64) -> Vec<Option<Paced>> {
    let mut sums: Vec<Option<Paced>> = lineup.iter().map(|_| Some(Paced::default())).collect();
    for _ in 0..plan.rounds {
        for (contestant, sum) in lineup.iter_mut().zip(&mut sums) {
            let round = paced(contestant, setting, rate, plan.round).await;
            match sum {
                Some(sum) if round.unsent == 0 => sum.latencies.extend(round.latencies),
                _ => *sum = None,
            }
        }
    }
    sums
}

async fn paced(contestant: &mut Contestant, setting: &Setting, rate: u64, time: Duration) -> Paced {
    let arrivals = Arrivals::begin(contestant, setting);
    let round = pace(&mut contestant.callers, &request(&setting.token_a), rate, time).await;
    let round = round.unwrap_or_else(|error| panic!("{}: {error}", contestant.recipe.name));
    arrivals.end(contestant, setting, round.latencies.len() as u64 - round.unsent);
    tokio::time::sleep(SETTLING).await;
    round
}

/// Two contestants in turn at the same rate; the latencies of each round in microseconds.
pub async fn duel(pair: &mut [Contestant], setting: &Setting, plan: &Plan, rate: u64) -> [Vec<Vec<f64>>; 2] {
    let mut rounds = [Vec::new(), Vec::new()];
    for turn in 0..2 * plan.duel_rounds {
        // One, other, other, one, …: who goes first is no advantage.
        let whose = (turn / 2 + turn) % 2;
        let round = paced(&mut pair[whose], setting, rate, plan.duel_round).await;
        rounds[whose].push(round.latencies.into_iter().map(micros).collect());
    }
    rounds
}

/// What has arrived at the target before a round.
struct Arrivals {
    requests: u64,
    wrong: u64,
}

impl Arrivals {
    fn begin(contestant: &Contestant, setting: &Setting) -> Self {
        setting.target.expect(contestant.token_expected(setting));
        let (requests, wrong) = setting.target.requests();
        Self { requests, wrong }
    }

    /// Asserts that each request that was answered has been at the target once, with the right token.
    fn end(self, contestant: &mut Contestant, setting: &Setting, answered: u64) {
        let (requests, wrong) = setting.target.requests();
        let name = contestant.recipe.name;
        assert_eq!(requests - self.requests, answered, "requests to the target by {name}");
        assert_eq!(wrong - self.wrong, 0, "requests with another token by {name}");
        contestant.answered += answered;
    }
}

/// How long a contestant has for what is left to do when a round is over.
const SETTLING: Duration = Duration::from_millis(30);
