//! How other threads reach a processor of KVM: they make it leave the guest, wake it while it dozes, and move its
//! external interrupt line.
//!
//! *Leaving.* KVM looks at `immediate_exit` before it goes into the guest, and a signal gets it out. So whoever rings sets
//! the first and then sends the second; either finds the processor on its way in, inside, or out already. The processor
//! takes `immediate_exit` back when it is out, and looks for reasons after that.
//!
//! *Waking.* The protocol is [`Bed`]'s.
//!
//! *The line.* The kernel has it. If it does not take a change, the guest would wait for an interrupt without end, or get one again and again: so
//! that is noted, and the processor comes out, or wakes, and is given up.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicI32, Ordering};

use kvm_ppc::{Bed, ImmediateExit, Interrupter, Line, Thread};

use crate::accel::{Wire, choose};

/// A wire to one processor.
pub(super) struct KvmWire {
    immediate_exit: ImmediateExit,
    interrupter: Interrupter,
    /// Who presents interrupts to it.
    irqchip: choose::Irqchip,
    /// Number of the thread that runs it; 0 before there is one.
    thread: AtomicI32,
    /// Where it dozes.
    pub(super) bed: Bed,
    /// What the kernel has answered when it did not move the line, or did not reset the presenter.
    refusal: OnceLock<String>,
}

impl KvmWire {
    /// To a processor that no thread runs yet.
    pub(super) fn new(immediate_exit: ImmediateExit, interrupter: Interrupter, irqchip: choose::Irqchip) -> Self {
        Self {
            immediate_exit,
            interrupter,
            irqchip,
            thread: AtomicI32::new(0),
            bed: Bed::default(),
            refusal: OnceLock::new(),
        }
    }

    /// Why the processor cannot go on, if its interrupts are not as they should be.
    pub(super) fn refusal(&self) -> Option<&str> {
        self.refusal.get().map(String::as_str)
    }

    /// The calling thread runs it from now on.
    pub(super) fn attach(&self) {
        self.thread.store(Thread::current().number(), Ordering::SeqCst);
    }

    /// Whether it is run by the thread with this number.
    pub(super) fn is_run_by(&self, thread: i32) -> bool {
        self.thread.load(Ordering::SeqCst) == thread
    }

    /// Keeps the processor out of the guest, until [`Self::answer`].
    pub(super) fn keep_out(&self) {
        self.immediate_exit.set();
    }

    /// Takes back what rings have left. Whoever has rung has made the reason visible before.
    pub(super) fn answer(&self) {
        self.immediate_exit.clear();
    }

    /// It cannot go on, and `why`.
    fn give_up(&self, why: String) {
        self.refusal.get_or_init(|| why);
        self.ring();
        self.wake();
    }

    fn interrupt(&self) {
        match self.thread.load(Ordering::SeqCst) {
            // Whoever runs it first finds `immediate_exit` set.
            0 => {}
            number => Thread::from_number(number).interrupt(),
        }
    }
}

impl Wire for KvmWire {
    fn ring(&self) {
        self.immediate_exit.set();
        self.interrupt();
    }

    fn wake(&self) {
        self.bed.turn_out();
        self.interrupt();
    }

    fn set_external(&self, level: bool) {
        let line = if level { Line::High } else { Line::Low };
        if let Err(error) = self.interrupter.set(line) {
            self.give_up(format!("KVM: setting its external interrupt: {error}"));
        }
    }

    fn forget_interrupts(&self) {
        if self.irqchip == choose::Irqchip::Kernel
            && let Err(error) = self.interrupter.reset_presenter()
        {
            self.give_up(format!("KVM: resetting its interrupt presenter: {error}"));
        }
    }
}
