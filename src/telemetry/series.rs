//! Series of what there is no more: a configuration that changes often must not leave ever more of them.

use std::collections::HashMap;

use prometheus::core::{Collector, MetricVec, MetricVecBuilder};

/// Removes every series of `metric` whose `label` has a value that is not to be kept.
pub(super) fn retain<T: MetricVecBuilder>(metric: &MetricVec<T>, label: &str, keep: &dyn Fn(&str) -> bool) {
    for family in metric.collect() {
        for series in family.get_metric() {
            let labels: HashMap<_, _> = series.get_label().iter().map(|pair| (pair.name(), pair.value())).collect();
            if labels.get(label).is_some_and(|value| !keep(value)) {
                // An error means that somebody else has removed it.
                let _ = metric.remove(&labels);
            }
        }
    }
}
