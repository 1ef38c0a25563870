//! Ratios as bars to the left (less) or the right (more) of a line at one, on a scale of powers of two.

use plotters::prelude::{Color as _, PathElement, Rectangle, Text};
use plotters::style::text_anchor::HPos;

use super::{COLOURS, INK, LINES, NAMES, WIDTH, picture, text};
use crate::error::Result;
use crate::statistics::Ratio;

/// A picture of ratios.
pub struct Ratios {
    /// Its heading.
    pub title: &'static str,
    /// The rows, the first on top.
    pub rows: Vec<(String, Ratio)>,
}

/// Pixels of a bar from top to bottom, and of a bar with what is between it and the next.
const THICK: i32 = 11;
const STEP: i32 = 15;

/// Pixels above and below the bars, and on the right.
const HEAD: i32 = 50;
const FOOT: i32 = 30;
const MARGIN: i32 = 60;

impl Ratios {
    /// The picture.
    pub fn svg(&self) -> Result<String> {
        let height = HEAD + self.rows.len() as i32 * STEP + FOOT;
        let powers = |ratio: &Ratio| [ratio.by_round.min.log2(), ratio.by_round.max.log2()];
        let all = || self.rows.iter().flat_map(|(_, ratio)| powers(ratio));
        let least = all().fold(-1.0, f64::min).floor() as i32;
        let most = all().fold(1.0, f64::max).ceil() as i32;
        let (left, right) = (NAMES as i32, WIDTH as i32 - MARGIN);
        let x = |ratio: f64| {
            let share = (ratio.log2() - f64::from(least)) / f64::from(most - least);
            left + (f64::from(right - left) * share) as i32
        };
        picture(height.unsigned_abs(), |area| {
            area.draw(&Text::new(self.title, (16, 22), text(18.0, HPos::Left)))?;
            for power in least..=most {
                let ratio = 2_f64.powi(power);
                let colour = if power == 0 { INK } else { LINES };
                area.draw(&PathElement::new(
                    [(x(ratio), HEAD - 6), (x(ratio), height - FOOT)],
                    colour,
                ))?;
                let label = if power < 0 {
                    format!("1/{}", 1_u64 << -power)
                } else {
                    format!("{}", 1_u64 << power)
                };
                area.draw(&Text::new(
                    label,
                    (x(ratio), height - FOOT + 14),
                    text(12.0, HPos::Center),
                ))?;
            }
            for (n, (name, ratio)) in self.rows.iter().enumerate() {
                let y = HEAD + n as i32 * STEP;
                let middle = y + THICK / 2;
                let at = x(ratio.of_medians);
                let colour = COLOURS[usize::from(ratio.of_medians > 1.0)];
                area.draw(&Text::new(&**name, (left - 10, middle), text(12.0, HPos::Right)))?;
                let (from, to) = (at.min(x(1.0)), at.max(x(1.0)));
                area.draw(&Rectangle::new([(from, y), (to, y + THICK)], colour.filled()))?;
                let spread = [(x(ratio.by_round.min), middle), (x(ratio.by_round.max), middle)];
                area.draw(&PathElement::new(spread, INK))?;
                let digits = if ratio.of_medians < 0.1 { 4 } else { 2 };
                let figure = format!("{:.digits$}", ratio.of_medians);
                area.draw(&Text::new(figure, (right + 8, middle), text(11.0, HPos::Left)))?;
            }
            Ok::<_, plotters::drawing::DrawingAreaErrorKind<std::io::Error>>(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statistics::Samples;

    #[test]
    fn every_row_has_its_name_and_figure() {
        let ratio = |value: f64| {
            let one: Samples = [value].into_iter().collect();
            one.ratio(&[1.0].into_iter().collect()).unwrap()
        };
        let rows = vec![("h_enter".to_owned(), ratio(0.25)), ("h_read".to_owned(), ratio(3.5))];
        let svg = Ratios { title: "A title", rows }.svg().unwrap();
        for text in [
            "A title",
            "h_enter",
            "0.25",
            "h_read",
            "3.50",
            "1/4",
            "prefers-color-scheme",
        ] {
            assert!(svg.contains(text), "{text}");
        }
    }
}
