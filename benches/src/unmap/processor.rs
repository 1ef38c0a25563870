//! One emulated processor and its seat.

use emulator::{Cpu, Exit, Kicks};
use hpt::{Invalidation, Seat};

/// One processor, run as `pteg run` does.
pub(super) struct Processor<'g> {
    pub(super) cpu: Cpu,
    seat: &'g Seat,
    kicks: Kicks,
}

impl<'g> Processor<'g> {
    /// That of `seat`.
    pub(super) fn new(cpu: Cpu, seat: &'g Seat) -> Self {
        Self {
            cpu,
            seat,
            kicks: Kicks::default(),
        }
    }

    /// Runs until something needs the caller.
    pub(super) fn visit(&mut self) -> Exit {
        self.enter();
        let exit = self.cpu.run();
        self.seat.leave();
        self.kicks.left(exit == Exit::Attention);
        exit
    }

    fn enter(&mut self) {
        let mut told = false;
        self.seat.enter(|invalidation| {
            self.cpu.invalidate(invalidation);
            told = true;
        });
        if self.kicks.are_enough(told) {
            self.cpu.invalidate(&Invalidation::All);
        }
    }

    /// Applies what was posted, as after a kick.
    pub(super) fn apply(&mut self) {
        self.kicks.left(true);
        self.enter();
        self.seat.leave();
    }

    /// Goes so many rounds, after the one that it is in.
    pub(super) fn go(&mut self, rounds: u64) {
        self.cpu.set_gpr(7, rounds + 1);
        self.visit_until_hypercall();
    }

    /// Others may ring meanwhile: who decodes an instruction takes the right to store there from all.
    pub(super) fn visit_until_hypercall(&mut self) {
        let mut exit = self.visit();
        while exit == Exit::Attention {
            exit = self.visit();
        }
        assert_eq!(exit, Exit::Hypercall);
    }
}
