//! Tables of figures, as people read them in a terminal and on a page.

use std::fmt::Write as _;

use crate::statistics::Samples;

/// Rows of figures, and ratios of columns.
pub struct Table {
    /// What the rows are.
    pub of: &'static str,
    /// What the columns are.
    pub columns: Vec<String>,
    /// Pairs of columns whose ratio is shown: the first by the second.
    pub ratios: Vec<(usize, usize)>,
    /// The rows: name, and the samples of each column.
    pub rows: Vec<(String, Vec<Samples>)>,
}

impl Table {
    /// A table of `columns` whose first one is compared with each of the others.
    pub fn comparing_first(of: &'static str, columns: Vec<String>) -> Self {
        let ratios = (1..columns.len()).map(|other| (0, other)).collect();
        Self {
            of,
            columns,
            ratios,
            rows: Vec::new(),
        }
    }

    /// A table of `columns` that are not compared.
    pub fn of_figures(of: &'static str, columns: Vec<String>) -> Self {
        Self {
            of,
            columns,
            ratios: Vec::new(),
            rows: Vec::new(),
        }
    }

    /// The table in Markdown, its columns aligned.
    pub fn markdown(&self) -> String {
        let mut lines = vec![self.head()];
        lines.extend(self.rows.iter().map(|(name, samples)| self.cells(name, samples)));
        let widths: Vec<usize> = (0..lines[0].len())
            .map(|column| {
                lines
                    .iter()
                    .map(|cells| cells[column].chars().count())
                    .max()
                    .unwrap_or(0)
            })
            .collect();
        let mut text = String::new();
        for (n, cells) in lines.iter().enumerate() {
            for (cell, width) in cells.iter().zip(&widths) {
                let _ = write!(text, "| {cell:width$} ");
            }
            text.push_str("|\n");
            if n == 0 {
                for width in &widths {
                    let _ = write!(text, "|{}", "-".repeat(width + 2));
                }
                text.push_str("|\n");
            }
        }
        text
    }

    fn head(&self) -> Vec<String> {
        let ratios = self
            .ratios
            .iter()
            .map(|&(one, other)| format!("{} / {}", self.columns[one], self.columns[other]));
        [self.of.to_owned()]
            .into_iter()
            .chain(self.columns.iter().cloned())
            .chain(ratios)
            .collect()
    }

    fn cells(&self, name: &str, samples: &[Samples]) -> Vec<String> {
        let figures = samples
            .iter()
            .map(|samples| samples.spread().map_or(NOTHING.to_owned(), |it| it.to_string()));
        let ratios = self.ratios.iter().map(|&(one, other)| {
            samples[one]
                .ratio(&samples[other])
                .map_or(NOTHING.to_owned(), |ratio| ratio.to_string())
        });
        [name.to_owned()].into_iter().chain(figures).chain(ratios).collect()
    }
}

/// Stands where nothing was measured.
const NOTHING: &str = "–";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_its_figures_and_their_ratios() {
        let mut table = Table::comparing_first("guest", vec!["pteg".to_owned(), "QEMU".to_owned()]);
        let samples = |values: [f64; 3]| values.into_iter().collect();
        table.rows.push((
            "one".to_owned(),
            vec![samples([1.0, 2.0, 3.0]), samples([4.0, 4.0, 4.0])],
        ));
        table
            .rows
            .push(("two".to_owned(), vec![samples([1.0, 2.0, 3.0]), Samples::default()]));
        assert_eq!(
            table.markdown(),
            "\
| guest | pteg             | QEMU             | pteg / QEMU      |
|-------|------------------|------------------|------------------|
| one   | 2.00 (1.00–3.00) | 4.00 (4.00–4.00) | 0.50 (0.25–0.75) |
| two   | 2.00 (1.00–3.00) | –                | –                |
"
        );
    }
}
