//! Samples of one figure, one a round, and what is said of them.

use std::fmt;

/// A figure, once a round.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Samples(Vec<f64>);

/// The least, the middle and the most of some samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// The least.
    pub min: f64,
    /// The middle one, or the mean of the two in the middle.
    pub median: f64,
    /// The most.
    pub max: f64,
}

/// How two figures of the same rounds compare.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ratio {
    /// The one's median by the other's.
    pub of_medians: f64,
    /// The ratios of each round.
    pub by_round: Spread,
}

impl Samples {
    /// What they are like; `None` of none.
    pub fn spread(&self) -> Option<Spread> {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let (min, max) = (*sorted.first()?, *sorted.last()?);
        let (half, count) = (sorted.len() / 2, sorted.len());
        let median = if count % 2 == 1 {
            sorted[half]
        } else {
            f64::midpoint(sorted[half - 1], sorted[half])
        };
        Some(Spread { min, median, max })
    }

    /// These by `other`, whose rounds are the same; `None` without a round, or of other rounds.
    pub fn ratio(&self, other: &Self) -> Option<Ratio> {
        if self.0.len() != other.0.len() {
            return None;
        }
        let by_round = Self(self.0.iter().zip(&other.0).map(|(one, other)| one / other).collect());
        Some(Ratio {
            of_medians: self.spread()?.median / other.spread()?.median,
            by_round: by_round.spread()?,
        })
    }
}

impl FromIterator<f64> for Samples {
    fn from_iter<T: IntoIterator<Item = f64>>(samples: T) -> Self {
        Self(samples.into_iter().collect())
    }
}

/// `4.31 (4.20–4.55)`
impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [min, median, max] = [self.min, self.median, self.max].map(Figure);
        write!(f, "{median} ({min}–{max})")
    }
}

/// `0.52 (0.50–0.54)`: of the medians, and what the rounds had.
impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            of_medians,
            by_round: Spread { min, max, .. },
        } = self;
        // A hundredth matters, except beside very little.
        let digits = if *of_medians < 0.1 { 4 } else { 2 };
        write!(f, "{of_medians:.digits$} ({min:.digits$}–{max:.digits$})")
    }
}

/// A number with three digits that count, or its whole part; from a million on, in millions.
#[derive(Clone, Copy)]
pub struct Figure(pub f64);

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 >= 1e6 {
            return write!(f, "{} M", Self(self.0 / 1e6));
        }
        let digits = match self.0.abs() {
            0.0 => 0,
            ..0.995 => 3,
            ..9.995 => 2,
            ..99.95 => 1,
            _ => 0,
        };
        write!(f, "{:.digits$}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(values: &[f64]) -> Samples {
        values.iter().copied().collect()
    }

    #[test]
    fn the_median_of_an_odd_and_of_an_even_number() {
        let spread = samples(&[3.0, 1.0, 2.0]).spread().unwrap();
        assert_eq!(
            spread,
            Spread {
                min: 1.0,
                median: 2.0,
                max: 3.0
            }
        );
        assert_eq!(samples(&[4.0, 1.0, 2.0, 3.0]).spread().unwrap().median, 2.5);
        assert_eq!(samples(&[]).spread(), None);
    }

    #[test]
    fn a_ratio_pairs_the_rounds() {
        let ratio = samples(&[1.0, 4.0, 3.0]).ratio(&samples(&[2.0, 4.0, 4.0])).unwrap();
        assert_eq!(ratio.of_medians, 0.75);
        assert_eq!(
            (ratio.by_round.min, ratio.by_round.median, ratio.by_round.max),
            (0.5, 0.75, 1.0)
        );
        assert_eq!(samples(&[1.0]).ratio(&samples(&[])), None);
        assert_eq!(samples(&[]).ratio(&samples(&[])), None);
    }

    #[test]
    fn figures_have_three_digits_that_count() {
        let text = |value| Figure(value).to_string();
        assert_eq!(
            [0.0, 0.0123, 0.996, 1.0, 9.99, 12.34, 99.97, 1234.5].map(text),
            ["0", "0.012", "1.00", "1.00", "9.99", "12.3", "100", "1234"]
        );
        assert_eq!(
            samples(&[4.0, 4.5, 10.25]).spread().unwrap().to_string(),
            "4.50 (4.00–10.2)"
        );
    }
}
