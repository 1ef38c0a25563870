//! Which of two ways to flush costs less, as measured while the guest runs.
//!
//! `madvise` costs what there are shadows to look at, of all processors; an errand costs a few ways in and out of the guest. Where one
//! begins to be the better one depends on the host, on its kernel and on what the guest does just now. So each processor keeps account
//! of what flushes have cost, by their sizes, takes the cheaper way, and tries the other one now and then.

use std::time::Duration;

use hpt::Batch;

/// A way to flush.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// `madvise` on the pages.
    Discard,
    /// `tlbie` in the guest.
    Errand,
}

/// The dearer way is tried once in so many flushes.
const TRIAL: u32 = 64;
/// A new price counts this part of the old one.
const WEIGHT: u32 = 8;
/// Whatever costs so many times as much as before has met something else: the host has run another thread.
const OUTLIER: u32 = 4;

/// Sizes of batches in powers of two.
const SIZES: usize = Batch::CAPACITY.ilog2() as usize + 1;

/// What flushes of one size have cost.
#[derive(Clone, Copy, Debug, Default)]
struct Price {
    discard: Option<Duration>,
    errand: Option<Duration>,
    flushes: u32,
}

/// What flushes have cost.
#[derive(Debug, Default)]
pub(super) struct Prices([Price; SIZES]);

impl Prices {
    /// The way for a flush of `pages` pages.
    pub(super) fn choose(&mut self, pages: usize) -> Way {
        let price = &mut self.0[size(pages)];
        price.flushes = price.flushes.wrapping_add(1);
        match (price.discard, price.errand) {
            (None, _) => Way::Discard,
            (_, None) => Way::Errand,
            (Some(discard), Some(errand)) => {
                let is_trial = price.flushes.is_multiple_of(TRIAL);
                if (discard < errand) == is_trial {
                    Way::Errand
                } else {
                    Way::Discard
                }
            }
        }
    }

    /// A flush of `pages` pages took so long that `way`.
    pub(super) fn note(&mut self, way: Way, pages: usize, cost: Duration) {
        let price = &mut self.0[size(pages)];
        let known = match way {
            Way::Discard => &mut price.discard,
            Way::Errand => &mut price.errand,
        };
        *known = Some(match *known {
            None => cost,
            Some(old) => (old * (WEIGHT - 1) + cost.min(old * OUTLIER)) / WEIGHT,
        });
    }
}

fn size(pages: usize) -> usize {
    (pages.checked_ilog2().unwrap_or(0) as usize).min(SIZES - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHEAP: Duration = Duration::from_micros(10);
    const DEAR: Duration = Duration::from_micros(20);

    /// Ways of so many flushes of `pages`, each of which costs what `cost` says.
    fn ways(prices: &mut Prices, pages: usize, count: u32, cost: impl Fn(Way) -> Duration) -> [u32; 2] {
        let mut ways = [0; 2];
        for _ in 0..count {
            let way = prices.choose(pages);
            ways[usize::from(way == Way::Errand)] += 1;
            prices.note(way, pages, cost(way));
        }
        ways
    }

    #[test]
    fn the_cheaper_way_is_taken_and_the_other_tried() {
        for cheap in [Way::Discard, Way::Errand] {
            let cost = |way| if way == cheap { CHEAP } else { DEAR };
            let mut ways = ways(&mut Prices::default(), 1, 64 * 100, cost);
            if cheap == Way::Errand {
                ways.reverse();
            }
            assert!((100..=102).contains(&ways[1]), "{cheap:?}: {ways:?}");
        }
    }

    #[test]
    fn a_price_that_changes_is_noticed() {
        let mut prices = Prices::default();
        ways(
            &mut prices,
            1,
            1000,
            |way| if way == Way::Errand { DEAR } else { CHEAP },
        );
        let later = |way| if way == Way::Errand { DEAR } else { DEAR * 10 };
        ways(&mut prices, 1, 100, later);
        let [discards, errands] = ways(&mut prices, 1, 640, later);
        assert!(discards <= 10 && errands >= 630, "{discards} {errands}");
    }

    #[test]
    fn one_outlier_changes_nothing() {
        let mut prices = Prices::default();
        let cost = |way| if way == Way::Errand { DEAR } else { CHEAP };
        ways(&mut prices, 1, 100, cost);
        prices.note(Way::Discard, 1, Duration::from_secs(1));
        assert_eq!(prices.choose(1), Way::Discard);
    }

    #[test]
    fn every_size_has_prices_of_its_own() {
        let mut prices = Prices::default();
        ways(&mut prices, 1, 100, |way| if way == Way::Errand { DEAR } else { CHEAP });
        let large = |way| if way == Way::Errand { CHEAP } else { DEAR };
        for pages in [64, Batch::CAPACITY, usize::MAX] {
            let [discards, errands] = ways(&mut prices, pages, 100, large);
            assert!(errands > 90, "{pages}: {discards} {errands}");
        }
        assert_eq!(prices.choose(1), Way::Discard);
    }
}
