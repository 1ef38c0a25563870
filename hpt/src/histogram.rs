//! Counts of values by their order of magnitude.

use std::ops::AddAssign;

/// How often values were how large, in powers of two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Histogram {
    /// Bucket n counts values from 2^n up to 2^(n + 1); 0 counts with 1, what is beyond the last bucket with it.
    pub buckets: [u64; Histogram::BUCKETS],
}

impl Default for Histogram {
    fn default() -> Self {
        Self {
            buckets: [0; Self::BUCKETS],
        }
    }
}

impl Histogram {
    /// Number of buckets.
    pub const BUCKETS: usize = 40;

    /// The bucket that counts `value`.
    pub fn bucket_of(value: u64) -> usize {
        (value.max(1).ilog2() as usize).min(Self::BUCKETS - 1)
    }

    /// Counts one more value.
    pub fn add(&mut self, value: u64) {
        self.buckets[Self::bucket_of(value)] += 1;
    }

    /// How many values were counted.
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// A bound that the share `quantile` (0 to 1) of the values does not exceed: the largest value of a bucket. `None`
    /// without values.
    pub fn quantile(&self, quantile: f64) -> Option<u64> {
        let count = self.count();
        let wanted = ((quantile.clamp(0.0, 1.0) * count as f64).ceil() as u64).max(1);
        let mut below = 0;
        let bucket = self.buckets.iter().position(|&more| {
            below += more;
            below >= wanted
        });
        bucket.filter(|_| count > 0).map(|bucket| (2 << bucket) - 1)
    }
}

impl AddAssign for Histogram {
    fn add_assign(&mut self, other: Self) {
        for (bucket, more) in self.buckets.iter_mut().zip(other.buckets) {
            *bucket += more;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_counts_with_its_order_of_magnitude() {
        for (value, bucket) in [(0, 0), (1, 0), (2, 1), (3, 1), (4, 2), (1 << 39, 39), (u64::MAX, 39)] {
            let mut histogram = Histogram::default();
            histogram.add(value);
            assert_eq!(histogram.buckets[bucket], 1, "{value}");
        }
    }

    #[test]
    fn a_quantile_is_the_upper_edge_of_its_bucket() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.quantile(0.5), None);
        (0..90).for_each(|_| histogram.add(5));
        (0..10).for_each(|_| histogram.add(1000));
        let edges = [0.0, 0.5, 0.9, 0.91, 1.0].map(|share| histogram.quantile(share).expect("values"));
        assert_eq!(edges, [7, 7, 7, 1023, 1023]);
    }

    #[test]
    fn sums_are_by_bucket() {
        let (mut one, mut other) = (Histogram::default(), Histogram::default());
        one.add(4);
        other.add(4);
        other.add(9);
        one += other;
        assert_eq!((one.buckets[2], one.buckets[3], one.count()), (2, 1, 3));
    }
}
