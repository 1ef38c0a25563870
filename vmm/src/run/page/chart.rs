//! The pictures of the page: SVG whose colours are classes of the page's style sheet. Each part says in a `title` what it
//! stands for, which browsers show under the pointer.

use std::fmt::Write as _;

use super::super::statistics::percent;
use super::grouped;

/// A map of the table.
pub(super) struct HeatMap<'a> {
    cells: &'a [f32],
    across: usize,
    entries: u64,
}

/// Pixels of a cell with the gap behind it.
const CELL: usize = 13;

impl<'a> HeatMap<'a> {
    /// The shares of valid entries of equal parts of a table of `entries`, in rows of `across`.
    pub(super) fn new(cells: &'a [f32], across: usize, entries: u64) -> Self {
        Self { cells, across, entries }
    }

    pub(super) fn svg(&self) -> String {
        let rows = self.cells.len().div_ceil(self.across);
        let (width, height) = (self.across * CELL, rows * CELL);
        let most = self.cells.iter().copied().fold(0.0, f32::max);
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
                    relative(share, most),
                    first + entries.max(1) - 1,
                    percent(share.into()),
                ),
            );
        }
        self.legend(&mut svg, width, height + 12, most);
        svg.push_str("</svg>\n");
        svg
    }

    /// A row of cells from empty to the fullest.
    fn legend(&self, svg: &mut String, width: usize, y: usize, most: f32) {
        const STEPS: usize = 9;
        let x = width - 90 - STEPS * CELL;
        for step in 0..STEPS {
            let at = x + step * CELL;
            let opacity = step as f32 / (STEPS - 1) as f32;
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
            format_args!(
                "<text x=\"{}\" y=\"{text}\" class=\"right\">empty</text><text x=\"{}\" y=\"{text}\">{} valid</text>\n",
                x - 6,
                x + STEPS * CELL + 5,
                percent(most.into())
            ),
        );
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

fn relative(share: f32, most: f32) -> f32 {
    if most > 0.0 { share / most } else { 0.0 }
}

/// Columns that stand beside one another, each with its number on top.
pub(super) struct Columns {
    /// What the labels below are.
    pub(super) axis: &'static str,
    /// From the left.
    pub(super) columns: Vec<Column>,
}

/// One of them.
pub(super) struct Column {
    pub(super) label: String,
    pub(super) value: u64,
    /// A sentence about it.
    pub(super) title: String,
}

/// Pixels from a column to the next, of the tallest, and around them.
const STEP: usize = 62;
const TALL: usize = 150;
const HEAD: usize = 22;
const FOOT: usize = 46;

impl Columns {
    /// A column for each power of two from the first that is not empty to the last; `label` names one by its least and its
    /// most.
    pub(super) fn by_powers(counts: &[u64], axis: &'static str, label: impl Fn(u64, u64) -> String) -> Self {
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

    pub(super) fn svg(&self) -> String {
        if self.columns.is_empty() {
            return "<p class=\"quiet\">None.</p>\n".to_owned();
        }
        let (width, height) = (self.columns.len().max(6) * STEP, HEAD + TALL + FOOT);
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
            let middle = n * STEP + STEP / 2;
            // One of many is still seen.
            let tall = match column.value {
                0 => 0.0,
                value => (TALL as f64 * value as f64 / most as f64).max(1.0),
            };
            put(
                &mut svg,
                format_args!(
                    "<g><title>{}</title><rect class=\"column\" x=\"{}\" y=\"{:.1}\" width=\"{}\" height=\"{tall:.1}\"/>\
                     <text x=\"{middle}\" y=\"{:.1}\" class=\"middle\">{}</text>\
                     <text x=\"{middle}\" y=\"{}\" class=\"middle quiet\">{}</text></g>\n",
                    column.title,
                    n * STEP + 6,
                    floor as f64 - tall,
                    STEP - 12,
                    floor as f64 - tall - 6.0,
                    grouped(column.value),
                    floor + 17,
                    column.label,
                ),
            );
        }
        put(
            &mut svg,
            format_args!("<text x=\"0\" y=\"{}\" class=\"quiet\">{}</text>\n</svg>\n", height - 6, self.axis),
        );
        svg
    }
}

fn put(text: &mut String, what: std::fmt::Arguments<'_>) {
    text.write_fmt(what).expect("a string takes everything");
}
