//! The figures, printed as they come, and at the end of a full run written as Markdown and JSON.

use std::fmt::Write;
use std::path::Path;

use serde::Serialize;

use super::machine::Machine;

#[derive(Debug, Serialize)]
pub struct Report {
    machine: Machine,
    sections: Vec<Section>,
}

/// One question, how it was measured, and the answers.
#[derive(Debug, Serialize)]
pub struct Section {
    title: &'static str,
    how: &'static str,
    rows: Vec<Row>,
}

#[derive(Debug, Serialize)]
struct Row {
    what: String,
    value: f64,
    unit: &'static str,
    /// The most that it may be.
    #[serde(skip_serializing_if = "Option::is_none")]
    goal: Option<f64>,
}

impl Report {
    pub fn new(machine: Machine) -> Self {
        println!("{}", machine.describe());
        Self { machine, sections: Vec::new() }
    }

    pub fn add(&mut self, section: Section) {
        self.sections.push(section);
    }

    /// Writes `scale.md` and `scale.json` into `directory`.
    pub fn write(&self, directory: &Path) {
        std::fs::create_dir_all(directory).unwrap();
        std::fs::write(directory.join("scale.md"), self.markdown()).unwrap();
        let json = serde_json::to_string_pretty(self).unwrap();
        std::fs::write(directory.join("scale.json"), format!("{json}\n")).unwrap();
    }

    fn markdown(&self) -> String {
        let mut text = format!(
            "# Scale\n\n{}. Everything on loopback: callers, targets and identity provider share the cores with the \
             proxy.\nRepeat it with `cargo bench --bench scale`, one section of it with its first word: \
             `cargo bench --bench scale -- tokens`.\n",
            self.machine.describe()
        );
        for Section { title, how, rows } in &self.sections {
            let _ = write!(text, "\n## {title}\n\n{how}\n\n| | measured | goal | |\n|---|---:|---:|---|\n");
            for row in rows {
                let goal = row.goal.map_or_else(String::new, |goal| format!("≤ {} {}", shown(goal), row.unit));
                let _ =
                    writeln!(text, "| {} | {} {} | {goal} | {} |", row.what, shown(row.value), row.unit, row.verdict());
            }
        }
        text
    }
}

impl Section {
    pub fn new(title: &'static str, how: &'static str) -> Self {
        println!("\n{title}\n  {how}");
        Self { title, how, rows: Vec::new() }
    }

    pub fn row(&mut self, what: impl Into<String>, value: f64, unit: &'static str) {
        self.push(Row { what: what.into(), value, unit, goal: None });
    }

    /// A value that is to be at most `goal`.
    pub fn goal(&mut self, what: impl Into<String>, value: f64, unit: &'static str, goal: f64) {
        self.push(Row { what: what.into(), value, unit, goal: Some(goal) });
    }

    fn push(&mut self, row: Row) {
        let goal = row.goal.map_or_else(String::new, |goal| format!("(goal {}: {})", shown(goal), row.verdict()));
        println!("  {:<58} {:>10} {} {goal}", row.what, shown(row.value), row.unit);
        self.rows.push(row);
    }
}

impl Row {
    fn verdict(&self) -> &'static str {
        match self.goal {
            None => "",
            Some(goal) if self.value <= goal => "met",
            Some(_) => "missed",
        }
    }
}

/// Three digits or more.
fn shown(value: f64) -> String {
    match value.abs() {
        0.0..10.0 => format!("{value:.2}"),
        10.0..100.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}
