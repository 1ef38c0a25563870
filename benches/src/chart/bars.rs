//! Bars from left to right in groups, each with a darker part and the spread of its rounds.

use plotters::prelude::{Color as _, PathElement, Rectangle, Text};
use plotters::style::text_anchor::HPos;

use super::{COLOURS, INK, LINES, NAMES, WIDTH, picture, text};
use crate::error::Result;
use crate::statistics::{Figure, Spread};

/// A picture of bars.
pub struct Chart {
    /// Its heading.
    pub title: &'static str,
    /// What the darker part of a bar is.
    pub part: &'static str,
    /// The groups, the first on top.
    pub groups: Vec<Group>,
}

/// Bars that belong together.
pub struct Group {
    /// Its name.
    pub name: String,
    /// The bars; those at the same place in their groups have the same name.
    pub bars: Vec<Bar>,
}

/// A bar.
pub struct Bar {
    /// What it is of.
    pub name: &'static str,
    /// Where its darker part ends.
    pub part: f64,
    /// Where it ends, with the spread.
    pub whole: Spread,
}

/// Pixels of a bar from top to bottom, of a bar with what is between it and the next, and between two groups.
const THICK: i32 = 14;
const STEP: i32 = 17;
const GAP: i32 = 16;

/// Pixels above and below the bars.
const HEAD: i32 = 84;
const FOOT: i32 = 34;

/// Pixels on the right for the figure behind the longest bar.
const FIGURES: i32 = 60;

impl Chart {
    /// The picture.
    pub fn svg(&self) -> Result<String> {
        let bars: usize = self.groups.iter().map(|group| group.bars.len()).sum();
        let height = HEAD + bars as i32 * STEP + self.groups.len() as i32 * GAP + FOOT;
        let most = self
            .groups
            .iter()
            .flat_map(|group| &group.bars)
            .map(|bar| bar.whole.max)
            .fold(0.0, f64::max);
        let step = tick(most);
        let decimals = (-step.log10().floor()).max(0.0) as usize;
        let (left, right) = (NAMES as i32, WIDTH as i32 - FIGURES);
        let x = |value: f64| left + (f64::from(right - left) * value / most.max(step)) as i32;
        picture(height.unsigned_abs(), |area| {
            area.draw(&Text::new(self.title, (16, 22), text(18.0, HPos::Left)))?;
            for n in 0..=(most / step) as i32 {
                let at = x(f64::from(n) * step);
                area.draw(&PathElement::new([(at, HEAD - 6), (at, height - FOOT)], LINES))?;
                let label = format!("{:.decimals$} s", f64::from(n) * step);
                area.draw(&Text::new(label, (at, height - FOOT + 14), text(12.0, HPos::Center)))?;
            }
            let mut legend = 16;
            for (bar, colour) in self.groups.iter().flat_map(|group| &group.bars).zip(COLOURS) {
                if self.groups[0].bars.iter().any(|first| first.name == bar.name) {
                    area.draw(&Rectangle::new([(legend, 44), (legend + 12, 56)], colour.filled()))?;
                    area.draw(&Text::new(bar.name, (legend + 18, 50), text(13.0, HPos::Left)))?;
                    legend += 34 + 8 * bar.name.len() as i32;
                }
            }
            area.draw(&Text::new(
                format!("darker: {}; line: least to most", self.part),
                (legend, 50),
                text(13.0, HPos::Left),
            ))?;

            let mut y = HEAD;
            for group in &self.groups {
                let middle = y + group.bars.len() as i32 * STEP / 2;
                area.draw(&Text::new(&*group.name, (left - 10, middle), text(14.0, HPos::Right)))?;
                for (bar, colour) in group.bars.iter().zip(COLOURS) {
                    let Spread { min, median, max } = bar.whole;
                    let rectangle =
                        |from, to| Rectangle::new([(x(from), y), (x(to), y + THICK)], colour.mix(1.0).filled());
                    area.draw(&Rectangle::new(
                        [(left, y), (x(median), y + THICK)],
                        colour.mix(0.5).filled(),
                    ))?;
                    area.draw(&rectangle(0.0, bar.part))?;
                    area.draw(&PathElement::new(
                        [(x(min), y + THICK / 2), (x(max), y + THICK / 2)],
                        INK,
                    ))?;
                    let figure = Figure(median).to_string();
                    area.draw(&Text::new(
                        figure,
                        (x(max).max(x(median)) + 6, y + THICK / 2),
                        text(12.0, HPos::Left),
                    ))?;
                    y += STEP;
                }
                y += GAP;
            }
            Ok::<_, plotters::drawing::DrawingAreaErrorKind<std::io::Error>>(())
        })
    }
}

/// The distance of the axis' numbers: 1, 2 or 5 times a power of ten, so that there are four to ten of them.
fn tick(most: f64) -> f64 {
    let decade = 10_f64.powf(most.max(1e-9).log10().floor() - 1.0);
    let steps = [1.0, 2.0, 5.0, 10.0, 20.0];
    steps
        .map(|step| step * decade)
        .into_iter()
        .find(|step| most / step <= 10.0)
        .unwrap_or(most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_axis_has_a_few_round_numbers() {
        assert_eq!([0.9, 1.0, 7.4, 12.0, 60.0].map(tick), [0.1, 0.1, 1.0, 2.0, 10.0]);
    }

    #[test]
    fn a_picture_names_its_groups_and_bars() {
        let bar = |name, median| Bar {
            name,
            part: median / 2.0,
            whole: Spread {
                min: median,
                median,
                max: median + 1.0,
            },
        };
        let group = |name: &str| Group {
            name: name.to_owned(),
            bars: vec![bar("pteg", 4.0), bar("QEMU", 8.25)],
        };
        let chart = Chart {
            title: "A title",
            part: "first part",
            groups: vec![group("one"), group("two")],
        };
        let svg = chart.svg().unwrap();
        for text in [
            "<svg ",
            "A title",
            "first part",
            "one",
            "two",
            "pteg",
            "QEMU",
            "8.25",
            "prefers-color-scheme",
        ] {
            assert!(svg.contains(text), "{text}");
        }
        assert_eq!(svg.matches("QEMU").count(), 1, "once, in the legend");
    }
}
