//! The properties, held against the seeds of the fuzzers and against mutations of them. The choice of mutations is
//! fixed: what fails once fails again.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use fastrand::Rng;

use super::{TARGETS, Target};

/// Mutations of each seed. Fuzzers do millions, guided by what they reach; these few are a net for everyday changes.
const MUTATIONS: usize = 150;

fn directory(of: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz").join(of)
}

fn seeds(target: &Target) -> Vec<Vec<u8>> {
    let files = fs::read_dir(directory("seeds").join(target.name)).unwrap();
    let mut paths: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

/// The words of a dictionary: one a line, in quotes, with `\xHH`, `\\` and `\"`.
fn words(target: &Target) -> Vec<Vec<u8>> {
    let text = fs::read_to_string(directory("dictionaries").join(format!("{}.dict", target.name))).unwrap();
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| unquoted(line.strip_prefix('"').unwrap().strip_suffix('"').unwrap())).collect()
}

fn unquoted(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        rest = &rest[character.len_utf8()..];
        if character != '\\' {
            bytes.extend(character.to_string().bytes());
        } else if let Some(digits) = rest.strip_prefix('x') {
            bytes.push(u8::from_str_radix(&digits[..2], 16).unwrap());
            rest = &digits[2..];
        } else {
            bytes.push(rest.as_bytes()[0]);
            rest = &rest[1..];
        }
    }
    bytes
}

/// Changes a seed in one to four places: bytes, words, pieces of itself and of another seed.
fn mutated(seed: &[u8], other: &[u8], words: &[Vec<u8>], random: &mut Rng) -> Vec<u8> {
    let mut data = seed.to_vec();
    for _ in 0..random.usize(1..=4) {
        let at = random.usize(0..=data.len());
        let end = (at + random.usize(0..16)).min(data.len());
        let piece = |from: &[u8], random: &mut Rng| {
            let start = random.usize(0..=from.len());
            from[start..(start + random.usize(0..32)).min(from.len())].to_vec()
        };
        let replacement = match random.u8(0..5) {
            0 => vec![random.u8(..)],
            1 => random.choice(words).cloned().unwrap_or_default(),
            2 => piece(seed, random),
            3 => piece(other, random),
            _ => Vec::new(),
        };
        data.splice(at..if random.bool() { end } else { at }, replacement);
    }
    data
}

fn hold(target: &Target, data: &[u8]) {
    let held = catch_unwind(AssertUnwindSafe(|| (target.check)(data)));
    assert!(held.is_ok(), "{} does not hold for b\"{}\"", target.name, data.escape_ascii());
}

fn hold_all(name: &str) {
    let target = TARGETS.iter().find(|target| target.name == name).unwrap();
    let (seeds, words) = (seeds(target), words(target));
    assert!(seeds.len() >= 8 && words.len() >= 8, "{name}: seeds and words are there");
    let mut random = Rng::with_seed(4);
    for seed in &seeds {
        hold(target, seed);
        for _ in 0..MUTATIONS {
            let other = random.choice(&seeds).unwrap();
            hold(target, &mutated(seed, other, &words, &mut random));
        }
    }
}

#[test]
fn every_target_is_fuzzed_and_tested() {
    let manifest = fs::read_to_string(directory("Cargo.toml")).unwrap();
    for Target { name, .. } in TARGETS {
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name} is a fuzz target");
        assert!(include_str!("tests.rs").contains(&format!("hold_all(\"{name}\")")), "{name} is tested");
    }
}

#[test]
fn paths_hold() {
    hold_all("path");
}

#[test]
fn bearer_headers_hold() {
    hold_all("bearer");
}

#[test]
fn tokens_hold() {
    hold_all("jwt");
}

#[test]
fn challenges_hold() {
    hold_all("challenge");
}

#[test]
fn answers_of_identity_providers_hold() {
    hold_all("idp_answer");
}

#[test]
fn configurations_hold() {
    hold_all("routes_yaml");
}
