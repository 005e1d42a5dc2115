//! What many figures come to.

use std::time::Duration;

/// The middle one; `NaN` of none.
pub fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    quantile(&sorted(values), 0.5)
}

/// Values in the order that [`quantile`] needs.
pub fn sorted(values: impl IntoIterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<_> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    values
}

/// The value that this share of sorted values does not exceed; `NaN` of none.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a length")]
#[expect(clippy::cast_precision_loss, reason = "lengths are far below 2^52")]
pub fn quantile(sorted: &[f64], share: f64) -> f64 {
    let place = (sorted.len() as f64 * share) as usize;
    sorted.get(place.min(sorted.len().saturating_sub(1))).copied().unwrap_or(f64::NAN)
}

pub fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}
