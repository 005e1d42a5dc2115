//! Routes: what a warm request costs among many.

use std::fmt::Write;

use super::load;
use super::program::Program;
use super::report::Section;
use super::scene::{LANES, SCOPE, Scene, steps};

pub async fn measure(scene: &Scene) -> Section {
    let mut section = Section::new(
        "Routes",
        "CPU of the proxy for a warm request with so many routes, asked for in a random order by one caller.",
    );
    for count in steps(&[1, 100, 10_000], scene.plan.routes) {
        let program = Program::start("routes", &scene.provider, &many(scene, count), &[]).await;
        let token = scene.provider.mint("caller");
        let mut requests: Vec<_> = (0..count).map(|n| load::request_to(&path(n), &token)).collect();
        fastrand::shuffle(&mut requests);
        let mut callers = load::connect(&program.proxy.address, LANES).await;
        callers[0].call(&requests[0]).await;
        let cost = scene.plan.rounds.run(&program.proxy, &mut callers, &requests, LANES).await;
        section.row(format!("CPU per request, {count} routes"), cost.cpu, "µs");
    }
    section
}

/// `routes:` with so many of them, as short as they can be: a file of more than 1 MiB is refused.
pub fn many(scene: &Scene, count: usize) -> String {
    let target = &scene.target;
    let mut text = "routes:\n".to_owned();
    for n in 0..count {
        let _ = writeln!(text, "  - {{path: {}, target: 'http://{target}', scopes: [{SCOPE}]}}", path(n));
    }
    text
}

/// A hundred services with a hundred resources each.
pub fn path(route: usize) -> String {
    format!("/api/service-{:02}/resource-{:02}", route / 100, route % 100)
}
