//! What a warm request costs: the program with all that production has, next to a bare Pingora proxy, and next to what
//! people would use in its place (`recipe.rs`), with a sidecar where they need one for token B.
//!
//! `cargo bench --bench compare -- [--quick] [--only obo-proxy,bare,…] [--against PROGRAM]`. A full run writes
//! `benches/results/compare.md`, `.json` and `.svg`; what is shorter or has other contestants only prints. `--against` adds
//! another build of the program, so that a change can be measured in one run with what was before it; `--train` is for
//! `make profile`. Everything is on loopback: callers and target
//! are in the parent, each on a thread of its own, contestants and sidecar are child processes. What counts most is the CPU
//! time of the contestants as the kernel accounts for it, so that neighbours on the machine disturb little.
//! Nothing here passes or fails by time, but every answer must be right.
#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a benchmark ends where it cannot go on")]
#![expect(clippy::indexing_slicing, reason = "lengths are fixed here")]
#![expect(unreachable_pub, reason = "nothing is exported; `pub` marks what other files here use")]

#[path = "compare/answering.rs"]
mod answering;
#[path = "common/bare.rs"]
#[expect(dead_code, reason = "another benchmark tells the number of workers in words")]
mod bare;
#[path = "compare/caller.rs"]
mod caller;
#[path = "compare/chart.rs"]
mod chart;
#[path = "compare/contestant.rs"]
mod contestant;
#[path = "compare/cores.rs"]
mod cores;
#[path = "compare/installation.rs"]
mod installation;
#[path = "common/machine.rs"]
mod machine;
#[path = "compare/measure.rs"]
mod measure;
#[path = "common/process.rs"]
mod process;
#[path = "compare/recipe.rs"]
mod recipe;
#[path = "compare/report.rs"]
mod report;
#[path = "compare/results.rs"]
mod results;
#[path = "compare/setting.rs"]
mod setting;
#[path = "compare/sidecar.rs"]
mod sidecar;
#[path = "common/statistics.rs"]
mod statistics;
#[path = "common/system.rs"]
#[expect(dead_code, reason = "crowds need more open files, and there is none here")]
mod system;
#[path = "compare/target.rs"]
mod target;
#[path = "compare/training.rs"]
mod training;

use std::path::Path;
use std::time::Duration;

use self::contestant::Contestant;
use self::cores::Halves;
use self::machine::Machine;
use self::measure::Plan;
use self::recipe::{BARE, Recipe};
use self::results::{Duel, Results, Row};
use self::setting::Setting;

/// As in the program itself.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--serve", "bare", address, target] => bare::serve(address, target),
        ["--serve", "bare-pingora-server", address, target] => bare::serve_as_pingora_does(address, target),
        ["--serve", "sidecar", address, least, file] => sidecar::serve(address, least, file),
        _ => compare(&arguments),
    }
}

fn compare(arguments: &[String]) {
    let has = |name: &str| arguments.iter().any(|argument| argument == name);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    if has("--train") {
        return runtime.block_on(training::train(CONNECTIONS));
    }
    // Without `--bench` (cargo test --benches) it is enough to see that everything works.
    let full = has("--bench") && !has("--quick");
    let value_of = |name: &str| arguments.iter().skip_while(|argument| *argument != name).nth(1).map(String::as_str);
    let (only, against) = (value_of("--only"), value_of("--against"));
    if let Some(why) = has("--bench").then(installation::install).and_then(Result::err) {
        println!("what PyPI has cannot be installed: {why}");
    }
    let recipes = chosen(only, against);
    let results = runtime.block_on(run(if full { &FULL } else { &QUICK }, recipes));
    println!("{}", report::markdown(&results));
    if full && only.is_none() && against.is_none() && !cfg!(debug_assertions) {
        write(&results);
    }
}

/// Who takes part beside obo-proxy.
fn chosen(only: Option<&str>, against: Option<&str>) -> Vec<Recipe> {
    let is_wanted = |recipe: &Recipe| only.is_none_or(|only| only.split(',').any(|slug| slug == recipe.slug));
    against.map(recipe::other_build).into_iter().chain(recipe::others().into_iter().filter(is_wanted)).collect()
}

async fn run(plan: &Plan, recipes: Vec<Recipe>) -> Results {
    let mut setting = Setting::arrange().await;
    let (mut lineup, absent) = assemble(&mut setting, recipes).await;
    for contestant in &mut lineup {
        contestant.prepare(&setting, CONNECTIONS).await;
    }
    let saturated = measure::at_saturation(&mut lineup, &setting, plan).await;
    let rate = common_rate(saturated.iter().map(|rounds| measure::capacity(rounds)));
    let paced = measure::at_rate(&mut lineup, &setting, plan, rate).await;
    let duel = if lineup.iter().any(|it| it.recipe.name == BARE) { duel(&setting, plan).await } else { None };
    // By now whoever gathers lines for a second has written them.
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let figures = lineup.iter_mut().zip(&saturated).zip(paced);
    let rows: Vec<_> = figures.map(|((contestant, saturated), paced)| Row::of(contestant, saturated, paced)).collect();
    Results {
        machine: Machine::here(),
        workers: setting.workers,
        connections: CONNECTIONS,
        rounds: plan.rounds,
        round_seconds: plan.round.as_secs_f64(),
        rate,
        token_a: setting.token_a.len(),
        token_b: setting.token_b().len(),
        goals: results::goals(&rows, duel.as_ref()),
        contestants: rows,
        absent,
        duel,
    }
}

/// Starts all who take part, obo-proxy first: the token B that it acquires is what the sidecar hands out.
async fn assemble(setting: &mut Setting, recipes: Vec<Recipe>) -> (Vec<Contestant>, Vec<(String, String)>) {
    let mut obo = Contestant::start(recipe::obo_proxy(), setting).await.unwrap_or_else(|why| panic!("obo-proxy {why}"));
    let token_b = obo.token_sent(setting).await;
    assert_eq!(setting::claims(&token_b)["aud"], "api://orders-backend", "token B is for the target");
    assert_eq!(setting.emulator.counters().exchanged(), 1, "token B is remembered");
    setting.hand_out(token_b);
    let (mut lineup, mut absent) = (vec![obo], Vec::new());
    for recipe in recipes {
        let name = recipe.name.to_owned();
        match Contestant::start(recipe, setting).await {
            Ok(contestant) => lineup.push(contestant),
            Err(why) => {
                println!("{name}: {why}");
                absent.push((name, why));
            }
        }
    }
    (lineup, absent)
}

/// obo-proxy and bare Pingora alone on half of the cores, at half of what the slower one can do there.
async fn duel(setting: &Setting, plan: &Plan) -> Option<Duel> {
    let halves = Halves::here()?;
    let mut pair = Vec::new();
    cores::keep_thread_on(&halves.contestants);
    for recipe in [recipe::confined(recipe::obo_proxy()), recipe::confined(recipe::bare())] {
        let name = recipe.name;
        let started = Contestant::start(recipe, setting).await;
        pair.push(started.unwrap_or_else(|why| panic!("{name} {why}")));
    }
    cores::keep_process_on(&halves.callers);
    for contestant in &mut pair {
        contestant.prepare(setting, CONNECTIONS).await;
    }
    let saturated = measure::at_saturation(&mut pair, setting, plan).await;
    let capacities = [0, 1].map(|whose: usize| measure::capacity(&saturated[whose]));
    let rate = common_rate(capacities.into_iter());
    let rounds = measure::duel(&mut pair, setting, plan, rate).await;
    cores::keep_process_on(&halves.all);
    Some(Duel::of(capacities, rate, rounds))
}

/// Half of what the slowest can do, so that all of them can bear it.
fn common_rate(capacities: impl Iterator<Item = f64>) -> u64 {
    hundreds(capacities.fold(f64::INFINITY, f64::min) / 2.0)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "rates are positive and small")]
fn hundreds(rate: f64) -> u64 {
    ((rate / 100.0) as u64).max(1) * 100
}

fn write(results: &Results) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/results");
    std::fs::create_dir_all(&directory).unwrap();
    let json = serde_json::to_string_pretty(results).unwrap() + "\n";
    let files =
        [("compare.md", report::markdown(results)), ("compare.svg", chart::svg(results)), ("compare.json", json)];
    for (name, text) in files {
        std::fs::write(directory.join(name), text).unwrap();
    }
    println!("written to {}", directory.display());
}

const FULL: Plan =
    Plan { rounds: 7, round: Duration::from_secs(1), duel_rounds: 40, duel_round: Duration::from_millis(500) };
const QUICK: Plan =
    Plan { rounds: 1, round: Duration::from_millis(200), duel_rounds: 2, duel_round: Duration::from_millis(100) };
/// Of callers to each contestant.
const CONNECTIONS: usize = 16;
