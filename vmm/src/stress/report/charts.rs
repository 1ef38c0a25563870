//! The pictures of the page that are its own: how long hypercalls took, how full the table was, what went on. As in [`crate::page`], colours are
//! classes of the style sheet.

use std::fmt::Write as _;

use maud::{Markup, html};

use super::super::round::Calls;
use super::timeline::Span;
use crate::run::{duration, percent};

/// Pixels of a picture, and of its names on the left.
const WIDE: f64 = 860.0;
const LEFT: f64 = 185.0;

/// Pixels of a row of columns, and with what is between it and the next.
const TALL: f64 = 34.0;
const STEP: f64 = 44.0;

/// Pixels of a curve from top to bottom, above it and below.
const CURVE: f64 = 90.0;
const ABOVE: f64 = 10.0;
const BELOW: f64 = 24.0;

/// Pixels of a row of the map of the table.
const ROW: f64 = 7.0;

/// Strengths of colour that are told apart.
const LEVELS: usize = 12;

/// For each hypercall a row of columns, one for each power of two of nanoseconds; their heights are logarithms, so that one call in a million
/// is seen.
pub(super) fn latencies<'a>(calls: impl Iterator<Item = (&'a str, &'a Calls)> + Clone) -> Markup {
    let used = |calls: &Calls| {
        let is_used = |&count: &u64| count > 0;
        let first = calls.took_log2_ns.iter().position(is_used)?;
        Some((first, calls.took_log2_ns.iter().rposition(is_used)?))
    };
    let rows: Vec<_> = calls.filter(|(_, calls)| used(calls).is_some()).collect();
    let ranges = || rows.iter().filter_map(|(_, calls)| used(calls));
    let (Some(first), Some(last)) = (ranges().map(|it| it.0).min(), ranges().map(|it| it.1).max()) else {
        return html! { p.quiet { "None was timed." } };
    };
    let most = rows
        .iter()
        .flat_map(|(_, calls)| &calls.took_log2_ns)
        .max()
        .copied()
        .unwrap_or(1);
    let height = |count: u64| TALL * (1.0 + count as f64).ln() / (1.0 + most as f64).ln();
    let step = (WIDE - LEFT) / (last - first + 1) as f64;
    let x = |bucket: usize| LEFT + (bucket - first) as f64 * step;
    let floor = STEP * rows.len() as f64;
    html! {
        svg.wide viewBox=(format!("0 0 {WIDE} {}", floor + BELOW)) role="img" aria-label="how long hypercalls took" {
            @for bucket in (first..=last).filter(|bucket| bucket.is_multiple_of(2)) {
                @let (x, below) = (format!("{:.1}", x(bucket)), format!("{}", floor + 16.0));
                line x1=(x) y1="0" x2=(x) y2=(floor + 4.0) {}
                // In the middle: there is no room for a whole one behind the last lines.
                @if bucket < last { text.quiet.middle x=(x) y=(below) { (duration(1 << bucket)) } }
            }
            @for (n, (name, calls)) in rows.iter().enumerate() {
                @let base = STEP * (n + 1) as f64;
                text.right x=(LEFT - 10.0) y=(base - 4.0) { (name) }
                line x1=(LEFT) y1=(base) x2=(WIDE) y2=(base) {}
                @for (bucket, &count) in calls.took_log2_ns.iter().enumerate().filter(|(_, count)| **count > 0) {
                    @let high = height(count);
                    rect.column x=(format!("{:.1}", x(bucket) + 1.0)) y=(format!("{:.1}", base - high))
                        width=(format!("{:.1}", step - 2.0)) height=(format!("{high:.1}")) {
                        title { (name) ": " (count) " from " (duration(1 << bucket)) " to " (duration(2 << bucket)) }
                    }
                }
            }
        }
    }
}

/// Time on the axis of all spans.
struct Axis {
    seconds: f64,
}

impl Axis {
    fn of(spans: &[Span]) -> Self {
        Self {
            seconds: spans.iter().map(|span| span.seconds).sum(),
        }
    }

    fn x(&self, seconds: f64) -> f64 {
        LEFT + (WIDE - LEFT) * seconds / self.seconds.max(f64::MIN_POSITIVE)
    }

    /// Where each span begins and ends, in pixels.
    fn places<'a>(&'a self, spans: &'a [Span]) -> impl Iterator<Item = (f64, f64, &'a Span)> {
        let mut at = 0.0;
        spans.iter().map(move |span| {
            let from = at;
            at += span.seconds;
            (self.x(from), self.x(at), span)
        })
    }

    /// Its numbers, at `y`.
    fn numbers(&self, y: f64) -> Markup {
        let step = tick(self.seconds);
        let last = (self.seconds / step) as u64;
        html! {
            @for n in 0..=last {
                @let seconds = n as f64 * step;
                @let x = self.x(seconds);
                // The last has no room behind it.
                @let anchor = if n == 0 { "" } else if x > WIDE - 30.0 { "right" } else { "middle" };
                text class=(format!("quiet {anchor}")) x=(format!("{x:.1}")) y=(y) {
                    (time(seconds))
                }
            }
        }
    }
}

/// What `rate` says of each span, divided by its seconds, over time.
pub(super) fn curve(name: &str, spans: &[Span], of: impl Fn(&Span) -> u64) -> Markup {
    let axis = Axis::of(spans);
    let rate = |span: &Span| of(span) as f64 / span.seconds.max(f64::MIN_POSITIVE);
    let fastest = spans
        .iter()
        .filter(|span| span.seconds > 0.0)
        .map(rate)
        .fold(0.0, f64::max);
    let most = if fastest > 0.0 { round_up(fastest) } else { 0.0 };
    let floor = ABOVE + CURVE;
    let y = |rate: f64| floor - CURVE * rate / most.max(f64::MIN_POSITIVE);
    let mut path = format!("M{LEFT} {floor}");
    for (_, to, span) in axis.places(spans).filter(|(_, _, span)| span.seconds > 0.0) {
        write!(path, "V{:.1}H{to:.1}", y(rate(span))).expect("a text takes everything");
    }
    write!(path, "V{floor}").expect("a text takes everything");
    html! {
        svg.wide viewBox=(format!("0 0 {WIDE} {}", floor + BELOW)) role="img" aria-label=(name) {
            @for (share, label) in [(0.0, 0.0), (0.5, most / 2.0), (1.0, most)].into_iter().take(if most > 0.0 { 3 } else { 1 }) {
                @let at = format!("{:.1}", floor - CURVE * share);
                line x1=(LEFT) y1=(at) x2=(WIDE) y2=(at) {}
                text.right.quiet x=(LEFT - 10.0) y=(format!("{:.1}", floor - CURVE * share + 4.0)) { (short(label)) }
            }
            path.curve d=(path) {}
            (axis.numbers(floor + 16.0))
        }
    }
}

/// How full each part of the table was, over time: the first part on top.
pub(super) fn heat(spans: &[Span]) -> Markup {
    let axis = Axis::of(spans);
    let rows = spans.iter().map(|span| span.heat().count()).max().unwrap_or(0);
    let most = spans.iter().flat_map(Span::heat).fold(0.0, f32::max);
    if rows == 0 || most <= 0.0 {
        return html! { p.quiet { "Nobody has looked." } };
    }
    // A path for each strength: a rectangle for each place would be a hundred times as much text.
    let mut paths = vec![String::new(); LEVELS];
    for (from, to, span) in axis.places(spans) {
        for (row, share) in span.heat().enumerate().filter(|&(_, share)| share > 0.0) {
            let level = ((share / most * LEVELS as f32).ceil() as usize).clamp(1, LEVELS);
            let (y, wide, high) = (row as f64 * ROW, to - from + 0.3, ROW - 0.5);
            write!(paths[level - 1], "M{from:.1} {y:.1}h{wide:.1}v{high}h-{wide:.1}z")
                .expect("a text takes everything");
        }
    }
    let opacity = |level: usize| format!("{:.2}", (level + 1) as f32 / LEVELS as f32);
    let floor = rows as f64 * ROW;
    let legend = floor + 32.0;
    html! {
        svg.wide viewBox=(format!("0 0 {WIDE} {}", legend + 16.0)) role="img" aria-label="how full the table was" {
            rect.cell x=(LEFT) y="0" width=(WIDE - LEFT) height=(floor - 0.5) {}
            @for (level, path) in paths.iter().enumerate().filter(|(_, path)| !path.is_empty()) {
                path.heat d=(path) opacity=(opacity(level)) {}
            }
            text.right.quiet x=(LEFT - 10.0) y="10" { "first groups" }
            text.right.quiet x=(LEFT - 10.0) y=(floor - 2.0) { "last groups" }
            (axis.numbers(floor + 16.0))
            text.right.quiet x=(WIDE - 12.0 * LEVELS as f64 - 120.0) y=(legend + 10.0) { "empty" }
            @for level in 0..LEVELS {
                rect.heat x=(WIDE - 12.0 * (LEVELS - level) as f64 - 110.0) y=(legend) width="12" height="12" opacity=(opacity(level)) {}
            }
            text.quiet x=(WIDE - 104.0) y=(legend + 10.0) { (percent(most.into())) " valid" }
        }
    }
}

/// The distance of the numbers on an axis up to `most` seconds: so that there are three to eight of them.
fn tick(most: f64) -> f64 {
    const STEPS: [f64; 16] = [
        0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 7200.0, 14_400.0,
    ];
    let fits = |step: &f64| most / step <= 8.0;
    STEPS
        .into_iter()
        .find(fits)
        .unwrap_or((most / 8.0 / 14_400.0).ceil() * 14_400.0)
}

/// The next of 1, 2, 4, 6 or 8 times a power of ten: it and its half are short to write.
fn round_up(number: f64) -> f64 {
    let decade = 10_f64.powf(number.max(f64::MIN_POSITIVE).log10().floor());
    let steps = [1.0, 2.0, 4.0, 6.0, 8.0, 10.0].map(|step| step * decade);
    steps.into_iter().find(|step| *step >= number).unwrap_or(number)
}

/// Seconds for an axis.
fn time(seconds: f64) -> String {
    match seconds {
        s if s >= 7200.0 => format!("{:.3} h", s / 3600.0).replace(".000", "").replace(".500", ".5"),
        s if s >= 120.0 => format!("{} min", s / 60.0),
        // Multiples of a step are off by their last bits.
        s => format!("{} s", (s * 100.0).round() / 100.0),
    }
}

/// A number in a unit that suits it.
pub(super) fn short(number: f64) -> String {
    let (value, unit) = match number {
        n if n >= 1e9 => (n / 1e9, " G"),
        n if n >= 1e6 => (n / 1e6, " M"),
        n if n >= 1e3 => (n / 1e3, " k"),
        n => (n, ""),
    };
    let digits = match value {
        value if value >= 100.0 || value == value.trunc() => 0,
        value if value >= 10.0 => 1,
        _ => 2,
    };
    format!("{value:.digits$}{unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_of_time_has_a_few_round_numbers() {
        assert_eq!(
            [1.0, 3.1, 60.0, 3600.0, 36_000.0].map(tick),
            [0.25, 0.5, 10.0, 600.0, 7200.0]
        );
        assert!(1e7 / tick(1e7) <= 8.0);
        let times = [0.25, 3.0 * 0.1, 60.0, 1800.0, 7200.0, 9000.0].map(time);
        assert_eq!(times, ["0.25 s", "0.3 s", "60 s", "30 min", "2 h", "2.5 h"]);
    }

    #[test]
    fn an_axis_of_counts_ends_with_a_round_number() {
        let ends = [0.9, 1.0, 21.0, 98_300.0, 50_000.0].map(round_up);
        assert_eq!(ends, [1.0, 1.0, 40.0, 100_000.0, 60_000.0]);
    }

    #[test]
    fn numbers_are_short() {
        let numbers = [0.0, 0.5, 12.34, 999.0, 1500.0, 123_456.0, 2.5e6, 3e9].map(short);
        assert_eq!(
            numbers,
            ["0", "0.50", "12.3", "999", "1.50 k", "123 k", "2.50 M", "3 G"]
        );
    }
}
