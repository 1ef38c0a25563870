//! One server's presentation controller: what it holds out to its processor. Pure state: locks,
//! sources and the processor's line are the controller's.

use super::{FIRST_SOURCE, IPI, LEAST_FAVORED};

/// An interrupt that is held out to the processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Presented {
    origin: Origin,
    priority: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    Ipi,
    Source(usize),
}

/// What came of an offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// The interrupt is held out now, and the source of this index must be told that its one is not any more.
    Taken { displaced: Option<usize> },
    /// The processor has better to do. The source is remembered in [`Presenter::take_refused`].
    Refused,
}

/// What a change of priorities leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(super) struct Change {
    /// The source of this index must be told that its interrupt is not held out any more.
    pub(super) displaced: Option<usize>,
    /// Sources that were refused may have a chance now.
    pub(super) reoffer: bool,
}

/// A presentation controller.
#[derive(Debug)]
pub(super) struct Presenter {
    /// Current processor priority: only more favoured (lower) interrupts are held out.
    cppr: u8,
    /// Most favoured request: the priority at which an inter-processor interrupt is wanted.
    mfrr: u8,
    presented: Option<Presented>,
    /// One bit per source that was refused and not offered again since.
    refused: Box<[u64]>,
}

impl Presenter {
    /// The state at power on (LoPAR, Interrupt Controller, 2.1-13): nothing is let through.
    pub(super) fn new(sources: usize) -> Self {
        Self {
            cppr: 0,
            mfrr: LEAST_FAVORED,
            presented: None,
            refused: vec![0; sources.div_ceil(64)].into(),
        }
    }

    /// Back to that state.
    pub(super) fn reset(&mut self) {
        (self.cppr, self.mfrr, self.presented) = (0, LEAST_FAVORED, None);
        self.refused.fill(0);
    }

    /// Whether the processor's external interrupt line is up.
    pub(super) fn is_presenting(&self) -> bool {
        self.presented.is_some()
    }

    pub(super) fn cppr(&self) -> u8 {
        self.cppr
    }

    pub(super) fn mfrr(&self) -> u8 {
        self.mfrr
    }

    /// The external interrupt request register: CPPR, and the number of the interrupt held out or 0.
    pub(super) fn xirr(&self) -> u32 {
        let number = match self.presented {
            None => 0,
            Some(Presented {
                origin: Origin::Ipi, ..
            }) => IPI,
            Some(Presented {
                origin: Origin::Source(index),
                ..
            }) => FIRST_SOURCE + index as u32,
        };
        (u32::from(self.cppr) << 24) | number
    }

    /// Accepts the interrupt held out: the processor's priority becomes the interrupt's. Returns the XIRR as
    /// it was, and the index of the source that must be told.
    pub(super) fn accept(&mut self) -> (u32, Option<usize>) {
        let xirr = self.xirr();
        let Some(Presented { origin, priority }) = self.presented.take() else {
            return (xirr, None);
        };
        self.cppr = priority;
        match origin {
            Origin::Ipi => (xirr, None),
            Origin::Source(index) => (xirr, Some(index)),
        }
    }

    /// Offers the interrupt of a source.
    pub(super) fn offer(&mut self, index: usize, priority: u8) -> Answer {
        if priority >= self.bar() {
            self.refused[index / 64] |= 1 << (index % 64);
            return Answer::Refused;
        }
        let displaced = self.source_presented();
        self.presented = Some(Presented {
            origin: Origin::Source(index),
            priority,
        });
        Answer::Taken { displaced }
    }

    /// Sets the current processor priority.
    pub(super) fn set_cppr(&mut self, cppr: u8) -> Change {
        self.change(|presenter| presenter.cppr = cppr)
    }

    /// Sets the priority of the inter-processor interrupt. The register is a level: an interrupt that
    /// it asked for and that is not accepted yet is taken back when it asks no longer, or for less.
    /// (The manual is silent; the peers leave it there, which costs the guest a spurious interrupt.)
    pub(super) fn set_mfrr(&mut self, mfrr: u8) -> Change {
        self.change(|presenter| presenter.mfrr = mfrr)
    }

    /// Takes 64 sources' worth of refused offers: bit 0, the least significant, is that of source
    /// `word * 64`. Whoever takes them must offer them again.
    pub(super) fn take_refused(&mut self, word: usize) -> u64 {
        std::mem::take(&mut self.refused[word])
    }

    /// Only what is more favoured (lower) than this can be held out.
    fn bar(&self) -> u8 {
        self.presented
            .map_or(self.cppr, |presented| presented.priority.min(self.cppr))
    }

    fn source_presented(&self) -> Option<usize> {
        match self.presented?.origin {
            Origin::Source(index) => Some(index),
            Origin::Ipi => None,
        }
    }

    /// Changes CPPR or MFRR and makes what is held out agree with them.
    fn change(&mut self, set: impl FnOnce(&mut Self)) -> Change {
        let (held, bar) = (self.source_presented(), self.bar());
        set(self);
        let keeps = |presented: &Presented| presented.origin != Origin::Ipi && presented.priority < self.cppr;
        self.presented = self.presented.filter(keeps);
        if self.mfrr < self.bar() {
            self.presented = Some(Presented {
                origin: Origin::Ipi,
                priority: self.mfrr,
            });
        }
        Change {
            displaced: held.filter(|_| self.source_presented().is_none()),
            reoffer: self.bar() > bar && self.refused.iter().any(|&word| word != 0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open() -> Presenter {
        let mut presenter = Presenter::new(70);
        let _ = presenter.set_cppr(LEAST_FAVORED);
        presenter
    }

    #[test]
    fn nothing_passes_at_power_on() {
        let mut presenter = Presenter::new(1);
        assert_eq!(presenter.offer(0, 0), Answer::Refused);
        let _ = presenter.set_mfrr(0);
        assert_eq!(presenter.xirr(), 0);
    }

    #[test]
    fn accepting_raises_the_priority_to_the_interrupts() {
        let mut presenter = open();
        assert_eq!(presenter.offer(3, 5), Answer::Taken { displaced: None });
        assert_eq!(presenter.accept(), (0xff00_1003, Some(3)));
        assert_eq!(presenter.accept(), (0x0500_0000, None));
        assert_eq!(presenter.offer(4, 5), Answer::Refused);
        assert_eq!(presenter.offer(4, 4), Answer::Taken { displaced: None });
    }

    #[test]
    fn a_more_favored_interrupt_displaces_and_an_equal_one_does_not() {
        let mut presenter = open();
        assert_eq!(presenter.offer(0, 5), Answer::Taken { displaced: None });
        assert_eq!(presenter.offer(69, 5), Answer::Refused);
        assert_eq!(presenter.offer(2, 4), Answer::Taken { displaced: Some(0) });
        assert_eq!(
            presenter.set_mfrr(4),
            Change {
                displaced: None,
                reoffer: false
            }
        );
        assert_eq!(
            presenter.set_mfrr(3),
            Change {
                displaced: Some(2),
                reoffer: false
            }
        );
        assert_eq!(
            presenter.set_mfrr(4),
            Change {
                displaced: None,
                reoffer: true
            }
        );
        assert_eq!(presenter.take_refused(1), 1 << 5);
        assert_eq!(presenter.accept(), (0xff00_0002, None));
    }

    #[test]
    fn an_equal_cppr_takes_the_interrupt_back() {
        let mut presenter = open();
        assert_eq!(presenter.offer(0, 5), Answer::Taken { displaced: None });
        assert_eq!(presenter.set_cppr(6).displaced, None);
        assert_eq!(presenter.set_cppr(5).displaced, Some(0));
        assert!(!presenter.is_presenting());
    }

    #[test]
    fn an_ipi_lasts_as_long_as_its_request() {
        let mut presenter = open();
        let _ = presenter.set_mfrr(4);
        assert_eq!(presenter.accept(), (0xff00_0002, None));
        let _ = presenter.set_cppr(LEAST_FAVORED);
        assert!(presenter.is_presenting(), "not answered by a change of MFRR");
        let _ = presenter.set_mfrr(LEAST_FAVORED);
        assert!(!presenter.is_presenting());
    }
}
