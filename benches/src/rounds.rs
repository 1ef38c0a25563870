//! Rounds: each contender, or whatever is compared, in turn, then all of them again, so that what changes on the
//! machine meets all alike.

use std::time::Instant;

use crate::contender::Contender;
use crate::error::Result;

/// What each contender, or whatever else takes turns, did: one result a round.
pub struct Results<T, K = Contender>(Vec<(K, Vec<T>)>);

impl<T, K: Copy + PartialEq> Results<T, K> {
    /// Runs `rounds` rounds of `what`. Every other round goes through the contenders backwards.
    pub fn measure(what: &str, rounds: usize, contenders: &[K], mut run: impl FnMut(K) -> Result<T>) -> Result<Self> {
        let mut results: Vec<(K, Vec<T>)> = contenders.iter().map(|&it| (it, Vec::new())).collect();
        for round in 0..rounds {
            let began = Instant::now();
            let mut turn = |(contender, results): &mut (K, Vec<T>)| run(*contender).map(|result| results.push(result));
            if round % 2 == 0 {
                results.iter_mut().try_for_each(&mut turn)?;
            } else {
                results.iter_mut().rev().try_for_each(&mut turn)?;
            }
            eprintln!(
                "benches: {what}: round {} of {rounds}, {:.1} s",
                round + 1,
                began.elapsed().as_secs_f64()
            );
        }
        Ok(Self(results))
    }

    /// The results of `contender`, round by round; none if it was not measured.
    pub fn of(&self, contender: K) -> &[T] {
        self.0
            .iter()
            .find(|(it, _)| *it == contender)
            .map_or(&[], |(_, results)| results)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_contenders_take_turns() {
        let mut order = Vec::new();
        let contenders = [Contender::Pteg, Contender::Qemu];
        let results = Results::measure("a test", 2, &contenders, |contender| {
            order.push(contender);
            Ok(order.len())
        });
        let results = results.unwrap();
        assert_eq!(
            order,
            [Contender::Pteg, Contender::Qemu, Contender::Qemu, Contender::Pteg]
        );
        assert_eq!(results.of(Contender::Pteg), [1, 4]);
        assert_eq!(results.of(Contender::Qemu), [2, 3]);
        assert!(results.of(Contender::QemuWithoutSlof).is_empty());
    }
}
