//! When a processor that writers of the table kick again and again drops everything: its footprint starts afresh then, and names what it
//! uses now. To fill its caches costs it less than two more kicks; and it may be one that waits in a loop while another changes
//! thousands of pages that it has met long ago.
//!
//! For whoever runs a [`Cpu`](crate::Cpu) in its seat; the seat and the kicks themselves are `hpt`'s.

/// Kicks after which everything is dropped.
const MOST: u32 = 16;

/// Visits of one processor to the guest that a writer of the table has ended.
#[derive(Debug, Default)]
pub struct Kicks {
    /// Since everything was dropped because of them.
    count: u32,
    /// The last visit ended because somebody rang.
    was_disturbed: bool,
}

impl Kicks {
    /// A visit has ended; `was_disturbed` if because somebody rang.
    pub fn left(&mut self, was_disturbed: bool) {
        self.was_disturbed = was_disturbed;
    }

    /// The next one begins; `is_told` if something was posted to its seat meanwhile. Whether it is to drop everything.
    #[must_use = "the footprint grows without end if nothing is dropped"]
    pub fn are_enough(&mut self, is_told: bool) -> bool {
        if !(is_told && std::mem::take(&mut self.was_disturbed)) {
            return false;
        }
        self.count += 1;
        let is_enough = self.count == MOST;
        if is_enough {
            self.count = 0;
        }
        is_enough
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_sixteenth_kick_that_brings_something_drops_everything() {
        let mut kicks = Kicks::default();
        for n in 1..=64 {
            kicks.left(true);
            assert_eq!(kicks.are_enough(true), n % 16 == 0, "{n}");
        }
    }

    #[test]
    fn rings_of_others_and_hypercalls_are_no_kicks() {
        let mut kicks = Kicks::default();
        for _ in 0..100 {
            kicks.left(true);
            assert!(!kicks.are_enough(false), "nothing was posted");
            kicks.left(false);
            assert!(!kicks.are_enough(true), "it left by itself");
        }
    }
}
