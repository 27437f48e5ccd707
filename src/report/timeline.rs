//! Calls over time: counted while records pass by, drawn as an inline SVG at the end.
//!
//! Nobody knows the span before the last record, so buckets grow with it: memory stays the
//! same for a minute and for a century, and a forged time costs nothing more.

use super::html;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::fmt::Write;

/// Widths of a bucket in seconds; each is a multiple of the one before. Beyond, four times more.
const WIDTHS: [i64; 7] = [60, 300, 900, 3600, 14_400, 86_400, 604_800];
/// Bars that are drawn, at most.
const BARS: i64 = 60;
/// Buckets that are kept while counting, at most.
const KEPT: i64 = 4096;
/// The drawing, in its own units.
const WIDTH: i64 = 900;
const HEIGHT: i64 = 150;

/// How many were allowed, asked about and denied.
pub(super) type Counts = [u64; 3];

/// Counts by time.
pub(super) struct Timeline {
    width: i64,
    buckets: BTreeMap<i64, Counts>,
}

impl Timeline {
    pub(super) fn new() -> Self {
        Timeline { width: WIDTHS[0], buckets: BTreeMap::new() }
    }

    /// Counts one call; `which` is its place in [`Counts`].
    pub(super) fn add(&mut self, time: Timestamp, which: usize) {
        let bucket = self.buckets.entry(time.as_second().div_euclid(self.width)).or_default();
        if let Some(count) = bucket.get_mut(which) {
            *count += 1;
        }
        self.fit(KEPT);
    }

    fn span(&self) -> i64 {
        let first = self.buckets.keys().next().copied().unwrap_or(0);
        self.buckets.keys().next_back().map_or(0, |last| last - first + 1)
    }

    /// Widens the buckets until so many hold them all.
    fn fit(&mut self, most: i64) {
        while self.span() > most {
            let wider = WIDTHS.iter().copied().find(|&width| width > self.width);
            let wider = wider.unwrap_or(self.width.saturating_mul(4));
            let times = wider / self.width;
            self.width = wider;
            for (at, counts) in std::mem::take(&mut self.buckets) {
                let bucket = self.buckets.entry(at.div_euclid(times)).or_default();
                bucket.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
            }
        }
    }

    /// The plot with its axes and legend.
    pub(super) fn draw(mut self) -> String {
        self.fit(BARS);
        let Some(first) = self.buckets.keys().next().copied() else {
            return "<p>No calls were judged in this period.</p>".to_owned();
        };
        let (left, top, bars) = (44, 12, self.span());
        let step = ((WIDTH - left) / bars.max(12)).max(1);
        let highest =
            self.buckets.values().map(|c| c.iter().sum::<u64>()).max().unwrap_or(1).max(1);
        let base = top + HEIGHT;
        let long = span_name(self.width);
        let mut svg = format!(
            "<svg viewBox=\"0 0 {WIDTH} {}\" role=\"img\" aria-label=\"Calls by time, {long} a bar\">\
             <defs><pattern id=\"h\" width=\"5\" height=\"5\" patternUnits=\"userSpaceOnUse\">\
             <path class=\"hatch\" d=\"M0 5L5 0\"/></pattern></defs>\
             <text x=\"{x}\" y=\"{}\" text-anchor=\"end\">{highest}</text>\
             <text x=\"{x}\" y=\"{base}\" text-anchor=\"end\">0</text>\
             <path class=\"ax\" fill=\"none\" d=\"M{left} {top}V{base}H{WIDTH}\"/>",
            base + 50,
            top + 8,
            x = left - 6,
        );
        for (at, counts) in &self.buckets {
            let x = left + (at - first) * step + 1;
            let [allow, ask, deny] = counts;
            let start = when(at.saturating_mul(self.width));
            let _ = write!(
                svg,
                "<g><title>{start} UTC: {allow} allowed, {ask} asked, {deny} denied</title>"
            );
            let mut y = base;
            for (count, class) in counts.iter().zip(["sa", "sk", "sd"]).filter(|(n, _)| **n > 0) {
                // One denial among thousands must still be seen.
                let high = (HEIGHT as u64 * count / highest).max(3) as i64;
                y -= high;
                let bar = format!(
                    "x=\"{x}\" y=\"{y}\" width=\"{}\" height=\"{high}\"",
                    (step - 2).max(1)
                );
                let _ = write!(svg, "<rect class=\"{class}\" {bar}/>");
                if class == "sd" {
                    let _ = write!(svg, "<rect fill=\"url(#h)\" {bar}/>");
                }
            }
            svg.push_str("</g>");
        }
        // About six labels, each under the start of its bar.
        let every = (bars / 6).max(1).max(110 / step);
        for n in (0..bars).step_by(usize::try_from(every).unwrap_or(1)) {
            let (x, start) = (left + n * step, when((first + n).saturating_mul(self.width)));
            // A label that would leave the drawing says nothing.
            if x + 110 > WIDTH {
                break;
            }
            let _ = write!(
                svg,
                "<path class=\"ax\" d=\"M{x} {base}v5\"/><text x=\"{x}\" y=\"{}\">{start}</text>",
                base + 18
            );
        }
        let y = base + 36;
        for (n, (class, name)) in
            [("sa", "allowed"), ("sk", "asked"), ("sd", "denied (hatched)")].iter().enumerate()
        {
            let x = left + n as i64 * 110;
            let mark = format!("x=\"{x}\" y=\"{}\" width=\"10\" height=\"10\"", y - 9);
            let _ = write!(svg, "<rect class=\"{class}\" {mark}/>");
            if *class == "sd" {
                let _ = write!(svg, "<rect fill=\"url(#h)\" {mark}/>");
            }
            let _ = write!(svg, "<text x=\"{}\" y=\"{y}\">{name}</text>", x + 15);
        }
        let _ = write!(
            svg,
            "<text x=\"{}\" y=\"{y}\">one bar: {long}, times in UTC</text></svg>",
            left + 370
        );
        svg
    }
}

fn when(seconds: i64) -> String {
    let text = Timestamp::from_second(seconds).map(|time| time.to_string()).unwrap_or_default();
    html::escaped(&text.get(..16).unwrap_or(&text).replace('T', " "))
}

fn span_name(width: i64) -> String {
    let (number, unit) = match width {
        86_400.. => (width / 86_400, "day"),
        3600.. => (width / 3600, "hour"),
        _ => (width / 60, "minute"),
    };
    format!("{number} {unit}{}", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn no_call_is_lost_whatever_the_span_and_the_bars_are_few() {
        for far in [1, 3_600, 86_400 * 30, 86_400 * 365 * 200] {
            let mut timeline = Timeline::new();
            for n in 0..1000 {
                timeline.add(at(n * far / 1000), usize::try_from(n % 3).unwrap());
            }
            timeline.fit(BARS);
            let sums = timeline.buckets.values().fold([0; 3], |sum: Counts, counts| {
                [sum[0] + counts[0], sum[1] + counts[1], sum[2] + counts[2]]
            });
            assert_eq!(sums, [334, 333, 333]);
            assert!(timeline.span() <= BARS);
        }
    }

    #[test]
    fn forged_times_at_both_ends_of_the_calendar_are_drawn() {
        let mut timeline = Timeline::new();
        timeline.add(Timestamp::MIN, 0);
        timeline.add(Timestamp::MAX, 2);
        let svg = timeline.draw();
        assert_eq!(svg.matches("<g>").count(), 2, "{svg}");
    }

    #[test]
    fn one_denial_among_thousands_is_seen() {
        let mut timeline = Timeline::new();
        (0..10_000).for_each(|_| timeline.add(at(5), 0));
        timeline.add(at(5), 2);
        assert!(timeline.draw().contains("class=\"sd\" x=\"45\""));
    }
}
