//! Interrupt sources for messages: which are free, and what the calls that hand them out say (LoPAR, RTAS Call Definition,
//! "MSI Support").

/// Number of an interrupt source that a function has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceNumber {
    /// Level-triggered: its INTA.
    Level(u32),
    /// Edge-triggered: a message's.
    Edge(u32),
}

/// What `ibm,change-msi` asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Function 0: nothing but what there is.
    Query,
    /// Function 1, 3, 4 or 5: so many, which may be none.
    Set(MessageKind, u32),
    /// Function 2: as at the start, which is INTA.
    Default,
}

/// Which messages a caller wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageKind {
    /// MSI, of 32 or 64 bits.
    Msi,
    /// MSI-X.
    MsiX,
    /// Whatever there is.
    Any,
}

/// What a function has after `ibm,change-msi`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Assigned {
    /// How many messages: they are MSI-X.
    pub count: u32,
}

/// The sources of messages, numbered from `first`.
#[derive(Debug)]
pub(super) struct Pool {
    first: u32,
    taken: Box<[bool]>,
}

impl Pool {
    /// `count` of them.
    pub(super) fn new(first: u32, count: u32) -> Self {
        Self {
            first,
            taken: vec![false; count as usize].into(),
        }
    }

    /// Takes the lowest `count` that are free, or as many as there are.
    pub(super) fn take(&mut self, count: u32) -> Vec<u32> {
        let free = (self.first..).zip(&mut self.taken).filter(|(_, taken)| !**taken);
        free.take(count as usize)
            .map(|(number, taken)| {
                *taken = true;
                number
            })
            .collect()
    }

    /// Gives back what was taken.
    pub(super) fn give(&mut self, numbers: &[u32]) {
        for number in numbers {
            self.taken[(number - self.first) as usize] = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn who_wants_too_many_gets_what_there_is() {
        let mut pool = Pool::new(0x1005, 3);
        assert_eq!(pool.take(2), [0x1005, 0x1006]);
        assert_eq!(pool.take(2), [0x1007]);
        assert_eq!(pool.take(1), [0_u32; 0]);
        pool.give(&[0x1006]);
        assert_eq!(pool.take(u32::MAX), [0x1006]);
    }

    proptest! {
        #[test]
        fn no_source_has_two_owners_and_none_is_lost(
            steps in proptest::collection::vec((any::<bool>(), 0_u32..20), 0..60),
        ) {
            let mut pool = Pool::new(100, 40);
            let mut owners: Vec<Vec<u32>> = Vec::new();
            for (take, count) in steps {
                if take {
                    owners.push(pool.take(count));
                } else if !owners.is_empty() {
                    pool.give(&owners.swap_remove(count as usize % owners.len()));
                }
                let mut all: Vec<u32> = owners.concat();
                let owned = all.len();
                all.sort_unstable();
                all.dedup();
                prop_assert_eq!(all.len(), owned);
                prop_assert!(all.iter().all(|number| (100..140).contains(number)));
            }
            for owner in &owners {
                pool.give(owner);
            }
            prop_assert_eq!(pool.take(u32::MAX).len(), 40);
        }
    }
}
