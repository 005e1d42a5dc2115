//! The results as Markdown, for people at the terminal and for `benches/results/compare.md`.

use std::fmt::Write as _;

use super::results::{Duel, Goal, Results, Row};

/// The whole report.
pub fn markdown(results: &Results) -> String {
    let mut text = String::from("# What a request costs\n\n");
    let _ = writeln!(text, "{}.\n", results.machine.describe());
    let _ = writeln!(
        text,
        "Warm requests on {} connections over loopback, {} workers each; token A of {} bytes, token B of {}. CPU and \
         requests/s at saturation: medians of {} rounds of {} s, with callers and target on the same cores. Latency at {} \
         requests/s, counted from the moment that a request was due. Memory: resident after the load, and its peak.\n",
        results.connections,
        results.workers,
        results.token_a,
        results.token_b,
        results.rounds,
        results.round_seconds,
        results.rate
    );
    text += &table(&contestants(results));
    if let Some(duel) = &results.duel {
        text += &duelled(duel);
    }
    if !results.goals.is_empty() {
        text += "\n";
        text += &table(&goals(&results.goals));
    }
    text += &losses(&results.contestants);
    text += REPEAT;
    text
}

fn contestants(results: &Results) -> Vec<Vec<String>> {
    let mut lines = vec![words(&[
        "",
        "version",
        "does",
        "CPU µs/request",
        "with sidecar",
        "requests/s",
        "p50 µs",
        "p99 µs",
        "p99.9 µs",
        "memory MiB",
        "peak MiB",
    ])];
    lines.extend(results.contestants.iter().map(contestant));
    lines.extend(results.absent.iter().map(|(name, why)| {
        let why = why.lines().next().unwrap_or_default();
        words(&[name, why, "", "–", "–", "–", "–", "–", "–", "–", "–"])
    }));
    lines
}

fn contestant(row: &Row) -> Vec<String> {
    let latency = |part: fn(&super::results::Latency) -> f64| {
        row.latency.as_ref().map_or_else(|| "too slow".to_owned(), |latency| format!("{:.0}", part(latency)))
    };
    vec![
        row.name.to_owned(),
        row.version.clone(),
        row.does.to_owned(),
        format!("{:.1}", row.cpu_micros),
        row.cpu_with_sidecar_micros.map_or_else(|| "–".to_owned(), |micros| format!("{micros:.1}")),
        format!("{:.0}", row.requests_per_second),
        latency(|latency| latency.p50),
        latency(|latency| latency.p99),
        latency(|latency| latency.p999),
        mebibytes(row.memory_kib),
        mebibytes(row.peak_memory_kib),
    ]
}

fn duelled(duel: &Duel) -> String {
    let Duel { obo_saturation, bare_saturation, rate, rounds, obo_p99, bare_p99, obo_pooled, bare_pooled } = duel;
    format!(
        "\nobo-proxy and bare Pingora in turn, on half of the cores, with callers and target on the others, the log in memory that has been touched before: \
         {obo_saturation:.0} and {bare_saturation:.0} requests/s at saturation; at {rate} requests/s, half of the lower, \
         p99 of {obo_p99:.0} µs and {bare_p99:.0} µs (median of {rounds} rounds each); over all rounds p50 {:.0} and {:.0} \
         µs, p99 {:.0} and {:.0} µs, p99.9 {:.0} and {:.0} µs.\n",
        obo_pooled.p50, bare_pooled.p50, obo_pooled.p99, bare_pooled.p99, obo_pooled.p999, bare_pooled.p999
    )
}

fn goals(goals: &[Goal]) -> Vec<Vec<String>> {
    let mut lines = vec![words(&["obo-proxy's share", "goal", "measured", ""])];
    lines.extend(goals.iter().map(|goal| {
        let met = if goal.measured <= goal.most { "met" } else { "missed" };
        words(&[goal.what, &format!("≤ {:.2}", goal.most), &format!("{:.2}", goal.measured), met])
    }));
    lines
}

/// A log that loses lines is cheaper than one that does not, so it is told. One that has more of them also tells of
/// requests that were refused while the contestant started.
fn losses(rows: &[Row]) -> String {
    let mut text = String::new();
    for row in rows {
        if let Some(lost @ 1..) = row.log_lines_lost {
            let _ = writeln!(text, "\nMissing in the access log of {}: {lost} lines.", row.name);
        }
    }
    text
}

/// Columns are as wide as their longest entry; numbers stand to the right.
fn table(lines: &[Vec<String>]) -> String {
    let columns = lines.first().map_or(0, Vec::len);
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or_default().max(2);
    let widths: Vec<_> = (0..columns).map(width).collect();
    let numeric: Vec<_> = (0..columns).map(|column| lines[1..].iter().all(|line| is_figure(&line[column]))).collect();
    let mut text = String::new();
    for (number, line) in lines.iter().enumerate() {
        for ((entry, width), numeric) in line.iter().zip(&widths).zip(&numeric) {
            let _ = if *numeric { write!(text, "| {entry:>width$} ") } else { write!(text, "| {entry:<width$} ") };
        }
        text += "|\n";
        if number == 0 {
            for (width, numeric) in widths.iter().zip(&numeric) {
                let _ = if *numeric {
                    write!(text, "|{:->1$}:", "", width + 1)
                } else {
                    write!(text, "|{:-<1$}", "", width + 2)
                };
            }
            text += "|\n";
        }
    }
    text
}

fn is_figure(entry: &str) -> bool {
    entry.starts_with(|first: char| first.is_ascii_digit()) && entry.matches('.').nth(1).is_none()
        || ["–", "too slow"].contains(&entry)
}

#[expect(clippy::cast_precision_loss, reason = "memory is far below 2^52 KiB")]
fn mebibytes(kib: u64) -> String {
    format!("{:.1}", kib as f64 / 1024.0)
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

/// Told with the figures.
const REPEAT: &str = "\nRepeat it with `make bench`, or with `cargo bench --locked --bench compare` once nginx and \
                      HAProxy are installed; `benches/compare/templates` has the configurations and why they are so. \
                      CPU is user and system time of all processes of a contestant. Bare Pingora writes no log.\n";
