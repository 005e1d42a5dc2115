//! The figures of windows, per request.
#![expect(clippy::cast_precision_loss, reason = "numbers of instructions are far below 2^52")]

use std::collections::HashMap;

use super::callgrind::Window;

/// The windows of both proxies, of so many requests each.
pub struct Table {
    pub requests: usize,
    pub bare: Vec<Window>,
    pub obo: Vec<Window>,
}

impl Table {
    /// The sum of all functions in each window, and its median against that of the bare proxy.
    pub fn totals(&self) {
        println!("\n         median     ratio   spread   each window (instructions/request)");
        let baseline = middle(&self.sums(&self.bare));
        for (name, windows) in [("bare", &self.bare), ("obo", &self.obo)] {
            let sums = self.sums(windows);
            let median = middle(&sums);
            let spread = (sums[sums.len() - 1] - sums[0]) / median * 100.0;
            let each: Vec<_> = sums.iter().map(|sum| format!("{sum:.0}")).collect();
            println!("  {name:<5} {median:>8.0}  {:>8.3}  {spread:>5.2} %   {}", median / baseline, each.join("  "));
        }
    }

    /// What the SHA-256 of token A takes; valgrind's processor has no instructions for it.
    pub fn digests(&self) {
        let own = self
            .per_request(self.obo.iter().flat_map(|window| each(&window.functions, |cost| cost.own)), self.obo.len());
        let digests = own.iter().filter(|(name, _)| name.contains("sha256_block"));
        println!("  of obo, in blocks of SHA-256: {:.0}", digests.map(|(_, cost)| cost).sum::<f64>());
    }

    /// The functions that cost most by themselves, and what the same functions cost the bare proxy.
    pub fn functions(&self) {
        println!("\n   own/request     of bare   function (without what it calls)");
        self.rows(|window| each(&window.functions, |cost| cost.own), SHOWN);
    }

    /// The functions that cost most with what they call.
    pub fn inclusive(&self) {
        println!("\n   all/request     of bare   function (with what it calls)");
        self.rows(|window| each(&window.functions, |cost| cost.inclusive), SHOWN_MORE);
    }

    /// The functions that call the allocator most often.
    pub fn allocations(&self) {
        println!("\n calls/request     of bare   function that takes memory");
        self.rows(|window| each(&window.allocations, |calls| *calls), SHOWN_MORE);
    }

    fn rows<'a, V>(&'a self, values: impl Fn(&'a Window) -> V, count: usize)
    where
        V: Iterator<Item = (&'a str, u64)>,
    {
        let obo = self.per_request(self.obo.iter().flat_map(&values), self.obo.len());
        let bare = self.per_request(self.bare.iter().flat_map(&values), self.bare.len());
        let mut rows: Vec<_> = obo.into_iter().collect();
        rows.sort_by(|(_, a), (_, b)| b.total_cmp(a));
        for (name, value) in rows.into_iter().take(count) {
            println!("  {value:>12.1}  {:>10.1}   {name}", bare.get(name).copied().unwrap_or_default());
        }
    }

    fn per_request<'a>(&self, values: impl Iterator<Item = (&'a str, u64)>, windows: usize) -> HashMap<&'a str, f64> {
        let mut sums = HashMap::new();
        for (name, value) in values {
            *sums.entry(name).or_insert(0.0) += value as f64 / (windows * self.requests) as f64;
        }
        sums
    }

    /// Per request, in ascending order.
    fn sums(&self, windows: &[Window]) -> Vec<f64> {
        let mut sums: Vec<_> = windows.iter().map(|window| window.total() as f64 / self.requests as f64).collect();
        sums.sort_by(f64::total_cmp);
        sums
    }
}

fn each<T>(of: &HashMap<String, T>, value: fn(&T) -> u64) -> impl Iterator<Item = (&str, u64)> {
    of.iter().map(move |(name, cost)| (name.as_str(), value(cost)))
}

fn middle(sorted: &[f64]) -> f64 {
    sorted[sorted.len() / 2]
}

const SHOWN: usize = 25;
const SHOWN_MORE: usize = 60;
