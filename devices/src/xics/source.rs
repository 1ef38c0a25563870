//! One interrupt source: where its interrupts go, and how far the present one has come.
//!
//! ```text
//!             edge, or level up            taken by a presenter            H_XIRR
//!     Idle ---------------------> Pending ----------------------> Presented -----> InService
//!      ^  <--- level down -------   ^ <------- displaced -----------                   |
//!      |                            |                                                  |
//!      +----------------------------+---- H_EOI: Pending if up or edged again ---------+
//! ```
//!
//! So at any time one place holds the interrupt, and it can be neither lost nor doubled.

use super::LEAST_FAVORED;

/// How a device signals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// Each signal is an interrupt (MSI, virtual devices).
    Edge,
    /// An interrupt for as long as the line is up (LSI).
    Level,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nothing has happened.
    Idle,
    /// The interrupt waits for its presenter to take it: masked, or refused.
    Pending,
    /// A presenter holds the interrupt out to its processor.
    Presented,
    /// The processor has accepted the interrupt and not ended it.
    InService,
}

/// An interrupt source.
#[derive(Debug)]
pub(super) struct Source {
    trigger: Trigger,
    server: usize,
    /// As the guest set it; what counts is [`Self::offer`].
    priority: u8,
    /// By `ibm,int-off`, or `ibm,int-on` was never called: the manual's saved priority is
    /// `priority` while this is set.
    masked: bool,
    state: State,
    /// Level: the line is up. Edge: there was an edge since the interrupt was accepted.
    again: bool,
}

impl Source {
    /// A source as the guest finds it (LoPAR, Interrupt Controller, 2.1-13): masked.
    pub(super) fn new(trigger: Trigger) -> Self {
        Self {
            trigger,
            server: 0,
            priority: LEAST_FAVORED,
            masked: true,
            state: State::Idle,
            again: false,
        }
    }

    /// As after power-on, but for the level of its line, which is the device's.
    pub(super) fn reset(&mut self) {
        let is_up = self.trigger == Trigger::Level && self.again;
        *self = Self::new(self.trigger);
        if is_up {
            self.set_level(true);
        }
    }

    pub(super) fn trigger(&self) -> Trigger {
        self.trigger
    }

    /// Server and priority as the guest set them.
    pub(super) fn xive(&self) -> (usize, u8) {
        (self.server, self.priority)
    }

    pub(super) fn set_xive(&mut self, server: usize, priority: u8) {
        self.server = server;
        self.priority = priority;
    }

    pub(super) fn set_masked(&mut self, masked: bool) {
        self.masked = masked;
    }

    /// The edge of an edge-triggered source.
    pub(super) fn pulse(&mut self) {
        match self.state {
            State::Idle => self.state = State::Pending,
            // The guest has not looked at the device yet: one look will do for both.
            State::Pending | State::Presented => {}
            State::InService => self.again = true,
        }
    }

    /// The line of a level-triggered source.
    pub(super) fn set_level(&mut self, up: bool) {
        self.again = up;
        match self.state {
            State::Idle if up => self.state = State::Pending,
            State::Pending if !up => self.state = State::Idle,
            // What is presented stays: the processor may be about to accept it.
            _ => {}
        }
    }

    /// The server and priority to offer the interrupt to, if there is one to be offered.
    pub(super) fn offer(&self) -> Option<(usize, u8)> {
        let wanted = self.state == State::Pending && !self.masked && self.priority != LEAST_FAVORED;
        wanted.then_some((self.server, self.priority))
    }

    /// A presenter has taken what [`Self::offer`] gave.
    pub(super) fn taken(&mut self) {
        debug_assert_eq!(self.state, State::Pending);
        self.state = State::Presented;
    }

    /// The presenter that had taken the interrupt gives it back. After a reset of the source that is no news.
    pub(super) fn displaced(&mut self) {
        if self.state != State::Presented {
            return;
        }
        let gone = self.trigger == Trigger::Level && !self.again;
        self.state = if gone { State::Idle } else { State::Pending };
    }

    /// The processor has accepted the interrupt from the presenter.
    pub(super) fn accepted(&mut self) {
        debug_assert_eq!(self.state, State::Presented);
        self.state = State::InService;
    }

    /// The processor has ended the interrupt. A guest that ends what it has not accepted changes
    /// nothing.
    pub(super) fn ended(&mut self) {
        if self.state != State::InService {
            return;
        }
        self.state = if self.again { State::Pending } else { State::Idle };
        if self.trigger == Trigger::Edge {
            self.again = false;
        }
    }
}
