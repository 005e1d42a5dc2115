//! The start of the program.
#![expect(clippy::cast_precision_loss, reason = "counts and bytes are far below 2^52")]

use super::cost::{millis, most};
use super::program::Program;
use super::report::Section;
use super::scene::Scene;
use super::statistics::median;

pub async fn measure(scene: &Scene) -> Section {
    let mut section = Section::new(
        "Start",
        "From the start of the process until `/readyz` says 200, asked every millisecond, with the identity provider on \
         the same machine; resident memory then, with one route.",
    );
    let (mut times, mut memory) = (Vec::new(), Vec::new());
    for _ in 0..scene.plan.repetitions {
        let program = Program::start("start", &scene.provider, &scene.route(), &[]).await;
        times.push(millis(program.ready_after));
        memory.push(program.proxy.memory() as f64 / 1e6);
    }
    section.goal("ready after, median", median(times.iter().copied()), "ms", 100.0);
    section.row("ready after, slowest", most(times.iter().copied()), "ms");
    section.goal("resident memory", median(memory), "MB", 25.0);
    section
}
