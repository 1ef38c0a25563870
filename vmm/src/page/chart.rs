//! Pictures that pages share: SVG whose colours are classes of the style sheet. Each part says in a `title` what it
//! stands for, which browsers show under the pointer.

use std::fmt::Write as _;

use super::grouped;
use crate::run::percent;

/// A map of the table.
pub(crate) struct HeatMap<'a> {
    cells: &'a [f32],
    across: usize,
    entries: u64,
}

/// Pixels of a cell with the gap behind it.
const CELL: usize = 13;

impl<'a> HeatMap<'a> {
    /// The shares of valid entries of equal parts of a table of `entries`, in rows of `across`.
    pub(crate) fn new(cells: &'a [f32], across: usize, entries: u64) -> Self {
        Self { cells, across, entries }
    }

    pub(crate) fn svg(&self) -> String {
        let rows = self.cells.len().div_ceil(self.across);
        let (width, height) = (self.across * CELL, rows * CELL);
        let scale = Scale::of(self.cells);
        let mut svg = format!(
            "<svg viewBox=\"0 0 {width} {}\" role=\"img\" aria-label=\"map of the table\">\n",
            height + 34
        );
        let entries = self.entries / self.cells.len().max(1) as u64;
        for (n, &share) in self.cells.iter().enumerate() {
            let (x, y) = (n % self.across * CELL, n / self.across * CELL);
            let first = n as u64 * entries;
            put(
                &mut svg,
                format_args!(
                    "<rect class=\"cell\" x=\"{x}\" y=\"{y}\" width=\"{0}\" height=\"{0}\"/>",
                    CELL - 1
                ),
            );
            put(
                &mut svg,
                format_args!(
                    "<rect class=\"heat\" x=\"{x}\" y=\"{y}\" width=\"{0}\" height=\"{0}\" opacity=\"{1:.2}\">\
                     <title>entries {first} to {2}: {3} valid</title></rect>\n",
                    CELL - 1,
                    scale.opacity(share),
                    first + entries.max(1) - 1,
                    percent(share.into()),
                ),
            );
        }
        self.legend(&mut svg, width, height + 12, scale);
        svg.push_str("</svg>\n");
        svg
    }

    /// An empty cell, and a row of cells from the emptiest of the others to the fullest.
    fn legend(&self, svg: &mut String, width: usize, y: usize, scale: Scale) {
        const STEPS: usize = 8;
        let x = width - 95 - STEPS * CELL;
        let step = |step: usize| scale.least + scale.range() * step as f32 / (STEPS - 1) as f32;
        let empty = std::iter::once((x - 70, 0.0));
        let others = (0..STEPS).map(|n| (x + n * CELL, scale.opacity(step(n))));
        for (at, opacity) in empty.chain(others).take(if scale.most > 0.0 { usize::MAX } else { 1 }) {
            put(
                svg,
                format_args!(
                    "<rect class=\"cell\" x=\"{at}\" y=\"{y}\" width=\"{0}\" height=\"{0}\"/>\
                     <rect class=\"heat\" x=\"{at}\" y=\"{y}\" width=\"{0}\" height=\"{0}\" opacity=\"{opacity:.2}\"/>\n",
                    CELL - 1
                ),
            );
        }
        let text = y + CELL - 3;
        put(
            svg,
            format_args!("<text x=\"{}\" y=\"{text}\" class=\"right\">empty</text>\n", x - 70 - 6),
        );
        if scale.most > 0.0 {
            put(
                svg,
                format_args!(
                    "<text x=\"{}\" y=\"{text}\" class=\"right\">{}</text><text x=\"{}\" y=\"{text}\">{} valid</text>\n",
                    x - 6,
                    percent(scale.least.into()),
                    x + STEPS * CELL + 5,
                    percent(scale.most.into())
                ),
            );
        }
        let part = self.entries / self.cells.len().max(1) as u64 / 8;
        put(
            svg,
            format_args!(
                "<text x=\"0\" y=\"{text}\">{} {} in a square</text>\n",
                grouped(part),
                if part == 1 { "group" } else { "groups" }
            ),
        );
    }
}

/// The shares that are not empty: what is between the least and the most of them is told apart.
#[derive(Clone, Copy)]
struct Scale {
    least: f32,
    most: f32,
}

impl Scale {
    fn of(shares: &[f32]) -> Self {
        let used = || shares.iter().copied().filter(|&share| share > 0.0);
        let most = used().fold(0.0, f32::max);
        Self {
            least: used().fold(most, f32::min),
            most,
        }
    }

    fn range(self) -> f32 {
        self.most - self.least
    }

    fn opacity(self, share: f32) -> f32 {
        /// Of what is nearly empty.
        const FAINT: f32 = 0.15;
        if share <= 0.0 {
            0.0
        } else if self.range() <= 0.0 {
            1.0
        } else {
            FAINT + (1.0 - FAINT) * (share - self.least) / self.range()
        }
    }
}

/// Columns that stand beside one another, each with its number on top.
pub(crate) struct Columns {
    /// What the labels below are.
    pub(crate) axis: &'static str,
    /// From the left.
    pub(crate) columns: Vec<Column>,
}

/// One of them.
pub(crate) struct Column {
    pub(crate) label: String,
    pub(crate) value: u64,
    /// A sentence about it.
    pub(crate) title: String,
}

/// Pixels of all columns, and from one to the next, at most.
const WIDE: usize = 850;
const STEP: usize = 62;

/// Pixels of the tallest, and above and below.
const TALL: usize = 150;
const HEAD: usize = 22;
const FOOT: usize = 46;

impl Columns {
    /// A column for each power of two from the first that is not empty to the last; `label` names one by its least and its
    /// most.
    pub(crate) fn by_powers(counts: &[u64], axis: &'static str, label: impl Fn(u64, u64) -> String) -> Self {
        let first = counts.iter().position(|&count| count > 0).unwrap_or(counts.len());
        let column = |(n, &value): (usize, &u64)| {
            let label = label(1 << n, (2 << n) - 1);
            Column {
                title: format!("{} of {label}", grouped(value)),
                label,
                value,
            }
        };
        let columns = counts.iter().enumerate().skip(first).map(column).collect();
        Self { axis, columns }
    }

    pub(crate) fn svg(&self) -> String {
        if self.columns.is_empty() {
            return "<p class=\"quiet\">None.</p>\n".to_owned();
        }
        let step = STEP.min(WIDE / self.columns.len());
        let (width, height) = (self.columns.len().max(6) * step, HEAD + TALL + FOOT);
        let most = self.columns.iter().map(|column| column.value).max().unwrap_or(0).max(1);
        let mut svg = format!(
            "<svg class=\"columns\" viewBox=\"0 0 {width} {height}\" style=\"max-width:{width}px\" role=\"img\" aria-label=\"{}\">\n",
            self.axis
        );
        let floor = HEAD + TALL;
        put(
            &mut svg,
            format_args!("<line x1=\"0\" y1=\"{floor}\" x2=\"{width}\" y2=\"{floor}\"/>\n"),
        );
        for (n, column) in self.columns.iter().enumerate() {
            let middle = n * step + step / 2;
            // One of many is still seen.
            let tall = match column.value {
                0 => 0.0,
                value => (TALL as f64 * value as f64 / most as f64).max(1.0),
            };
            put(
                &mut svg,
                format_args!(
                    "<g><title>{}</title><rect class=\"column\" x=\"{}\" y=\"{:.1}\" width=\"{}\" height=\"{tall:.1}\"/>\
                     <text x=\"{middle}\" y=\"{:.1}\" class=\"middle{}\">{}</text>\
                     <text x=\"{middle}\" y=\"{}\" class=\"middle quiet\">{}</text></g>\n",
                    column.title,
                    n * step + step / 10,
                    floor as f64 - tall,
                    step - step / 5,
                    floor as f64 - tall - 6.0,
                    if column.value == 0 { " quiet" } else { "" },
                    grouped(column.value),
                    floor + 17,
                    column.label,
                ),
            );
        }
        put(
            &mut svg,
            format_args!(
                "<text x=\"0\" y=\"{}\" class=\"quiet\">{}</text>\n</svg>\n",
                height - 6,
                self.axis
            ),
        );
        svg
    }
}

fn put(text: &mut String, what: std::fmt::Arguments<'_>) {
    text.write_fmt(what).expect("a string takes everything");
}
