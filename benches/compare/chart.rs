//! The CPU time a request as a bar chart. It follows the reader's choice of light or dark.

use std::fmt::Write as _;

use super::recipe::OBO_PROXY;
use super::results::{Results, Row};

/// An SVG with a bar for each contestant, the cheapest on top.
#[expect(clippy::cast_precision_loss, reason = "there are few bars")]
pub fn svg(results: &Results) -> String {
    let mut rows: Vec<_> = results.contestants.iter().collect();
    rows.sort_by(|one, other| one.cpu_in_all().total_cmp(&other.cpu_in_all()));
    let longest = rows.last().map_or(1.0, |row| row.cpu_in_all());
    let height = TOP + rows.len() as f64 * STEP + BOTTOM;
    let mut text = head(height, results);
    for (number, row) in rows.iter().enumerate() {
        bar(&mut text, row, TOP + number as f64 * STEP, (WIDTH - LEFT - RIGHT) / longest);
    }
    foot(&mut text, height, results);
    text
}

fn head(height: f64, results: &Results) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" \
         role=\"img\" aria-labelledby=\"title\">\n<title id=\"title\">CPU microseconds per request of {} proxies</title>\n\
         <style>{STYLE}</style>\n<text class=\"title\" x=\"0\" y=\"20\">CPU time per warm request, µs</text>\n",
        results.contestants.len()
    )
}

/// Two lines of text, then a bar whose right part is the sidecar's, then the sum.
fn bar(text: &mut String, row: &Row, top: f64, scale: f64) {
    let class = if row.name == OBO_PROXY { "ours" } else { "theirs" };
    let (own, all) = (row.cpu_micros * scale, row.cpu_in_all() * scale);
    let name = if row.name == OBO_PROXY { "name strong" } else { "name" };
    let _ = writeln!(
        text,
        "<text class=\"{name}\" x=\"{:.1}\" y=\"{:.1}\">{}</text>\n<text class=\"note\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
        LEFT - GAP,
        top + 12.0,
        row.name,
        LEFT - GAP,
        top + 26.0,
        row.does
    );
    let _ =
        writeln!(text, "<rect class=\"{class}\" x=\"{LEFT}\" y=\"{top:.1}\" width=\"{own:.1}\" height=\"{THICK}\"/>");
    if row.cpu_with_sidecar_micros.is_some() {
        let (x, width) = (LEFT + own, all - own);
        let _ = writeln!(
            text,
            "<rect class=\"sidecar\" x=\"{x:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"{THICK}\"/>"
        );
    }
    let _ = writeln!(
        text,
        "<text class=\"value\" x=\"{:.1}\" y=\"{:.1}\">{:.0}</text>",
        LEFT + all + 6.0,
        top + THICK / 2.0 + 4.5,
        row.cpu_in_all()
    );
}

fn foot(text: &mut String, height: f64, results: &Results) {
    let (swatch, line) = (height - 41.0, height - 32.0);
    let _ = writeln!(
        text,
        "<rect class=\"theirs\" x=\"{LEFT}\" y=\"{swatch}\" width=\"10\" height=\"10\"/>\
         <text class=\"legend\" x=\"{}\" y=\"{line}\">the proxy itself</text>\n\
         <rect class=\"sidecar\" x=\"{}\" y=\"{swatch}\" width=\"10\" height=\"10\"/>\
         <text class=\"legend\" x=\"{}\" y=\"{line}\">a sidecar that has its answer ready</text>\n\
         <text class=\"legend\" x=\"{LEFT}\" y=\"{}\">{}, {} cores, {}</text>\n</svg>",
        LEFT + 16.0,
        LEFT + 126.0,
        LEFT + 142.0,
        height - 10.0,
        escaped(&results.machine.processor),
        results.machine.cores,
        results.machine.date
    );
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

const WIDTH: f64 = 800.0;
const LEFT: f64 = 300.0;
/// Room for the figure behind the longest bar.
const RIGHT: f64 = 50.0;
const TOP: f64 = 40.0;
const BOTTOM: f64 = 56.0;
const STEP: f64 = 40.0;
const THICK: f64 = 26.0;
/// Between a name and its bar.
const GAP: f64 = 10.0;

/// Colours with enough contrast on white and on dark grey.
const STYLE: &str = "\
text{font-family:system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif;font-size:13px;fill:#1f2328}\
.title{font-size:15px;font-weight:600}.name,.note{text-anchor:end}.strong{font-weight:600}\
.note,.legend{font-size:11px;fill:#59636e}.value{font-variant-numeric:tabular-nums}\
.ours{fill:#1a7f4b}.theirs{fill:#6e7b8a}.sidecar{fill:#b6c0cb}\
@media(prefers-color-scheme:dark){text{fill:#e6edf3}.note,.legend{fill:#9198a1}\
.ours{fill:#3fb97a}.theirs{fill:#8b98a8}.sidecar{fill:#4b5563}}";
