//! Presenters and sources together, called by any number of threads.
//!
//! One lock per presenter, one per source; an inter-processor interrupt touches nothing but its target's
//! presenter. A thread holds at most one source, and with it at most one presenter:
//!
//! | order | lock | taken while holding |
//! |---|---|---|
//! | 1 | a source | nothing |
//! | 2 | a presenter | nothing, or one source |
//! | 3 | what [`CpuLine`] takes | a presenter |
//!
//! A presenter that lets go of a source's interrupt (displaced, accepted) cannot lock the source, so the
//! thread carries the news: it drops the presenter, locks the source and moves its state on. In
//! between, the source says `Presented` and nobody else touches its interrupt.
//!
//! No interrupt is stranded: a presenter notes a refusal in the same critical section in which
//! it refuses, so whoever relaxes CPPR or MFRR later finds the note, and whoever did so earlier made the
//! offer succeed.

use std::sync::Arc;

use power::hcall::Status;
use power::rtas::RtasStatus;

use super::presenter::{Answer, Change, Presenter};
use super::source::{Source, Trigger};
use super::sync::{Mutex, MutexGuard};
use super::{FIRST_SOURCE, IPI};

/// The external interrupt inputs of the processors.
pub trait CpuLine: Send + Sync {
    /// Puts the line of the processor with this server number up or down. Called only on changes, in their
    /// order, with that server's presenter locked: an implementation must not call the controller.
    fn set_external(&self, server: usize, level: bool);
}

/// The interrupt controller. Servers are the processors, numbered from 0; `caller` is the server
/// whose processor made a hypercall and must be one of them.
pub struct Xics {
    presenters: Box<[Mutex<Presenter>]>,
    sources: Box<[Mutex<Source>]>,
    lines: Arc<dyn CpuLine>,
}

/// What `H_IPOLL` tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Poll {
    /// The XIRR: for r4.
    pub xirr: u32,
    /// The most favoured request register: for r5.
    pub mfrr: u8,
}

/// Where a source's interrupts go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Xive {
    /// Server number.
    pub server: u32,
    /// Priority: 0 is most favoured, 255 signals nothing.
    pub priority: u8,
}

impl Xics {
    /// A controller for `servers` processors and one source for each of `triggers`, numbered from
    /// [`FIRST_SOURCE`].
    pub fn new(servers: usize, triggers: &[Trigger], lines: Arc<dyn CpuLine>) -> Self {
        Self {
            presenters: (0..servers)
                .map(|_| Mutex::new(Presenter::new(triggers.len())))
                .collect(),
            sources: triggers
                .iter()
                .map(|&trigger| Mutex::new(Source::new(trigger)))
                .collect(),
            lines,
        }
    }

    /// `H_XIRR`: accepts the caller's interrupt and returns the XIRR: the former CPPR, and the number of
    /// the interrupt or 0. (`H_XIRR_X` adds a time stamp, which is its dispatcher's to add.)
    pub fn xirr(&self, caller: usize) -> u32 {
        let (xirr, accepted) = self.present(caller, Presenter::accept);
        if let Some(index) = accepted {
            self.source(index).accepted();
        }
        xirr
    }

    /// `H_EOI`: ends the interrupt of `xirr` and sets the CPPR that it holds, which may not be more
    /// favoured than the present one.
    pub fn eoi(&self, caller: usize, xirr: u32) -> Status {
        let number = xirr & 0x00ff_ffff;
        let cppr = (xirr >> 24) as u8;
        let index = self.index(number);
        if number != IPI && index.is_none() {
            return Status::Parameter;
        }
        let change = self.present(caller, |presenter| {
            (cppr >= presenter.cppr()).then(|| presenter.set_cppr(cppr))
        });
        let Some(change) = change else {
            return Status::Parameter;
        };
        if let Some(index) = index {
            self.source(index).ended();
            self.deliver(index);
        }
        self.follow(caller, change);
        Status::Success
    }

    /// `H_CPPR`: sets the caller's current priority to the low byte of `cppr`.
    pub fn set_cppr(&self, caller: usize, cppr: u64) -> Status {
        let change = self.present(caller, |presenter| presenter.set_cppr(cppr as u8));
        self.follow(caller, change);
        Status::Success
    }

    /// `H_IPI`: sets the most favoured request register of a server to the low byte of `mfrr`.
    pub fn ipi(&self, server: u64, mfrr: u64) -> Status {
        let Some(server) = self.server(server) else {
            return Status::Parameter;
        };
        let change = self.present(server, |presenter| presenter.set_mfrr(mfrr as u8));
        self.follow(server, change);
        Status::Success
    }

    /// `H_IPOLL`: looks at a server's interrupt without accepting it.
    pub fn ipoll(&self, server: u64) -> Result<Poll, Status> {
        let server = self.server(server).ok_or(Status::Parameter)?;
        let presenter = self.presenter(server);
        Ok(Poll {
            xirr: presenter.xirr(),
            mfrr: presenter.mfrr(),
        })
    }

    /// `ibm,set-xive`: directs a source's interrupts. While it is masked, the priority waits for `ibm,int-on`.
    pub fn set_xive(&self, number: u32, server: u32, priority: u32) -> RtasStatus {
        let index = self.index(number);
        let server = self.server(u64::from(server));
        let (Some(index), Some(server), Ok(priority)) = (index, server, u8::try_from(priority)) else {
            return RtasStatus::ParameterError;
        };
        self.source(index).set_xive(server, priority);
        self.deliver(index);
        RtasStatus::Success
    }

    /// `ibm,get-xive`: what [`Self::set_xive`] set, masked or not.
    pub fn xive(&self, number: u32) -> Result<Xive, RtasStatus> {
        let index = self.index(number).ok_or(RtasStatus::ParameterError)?;
        let (server, priority) = self.source(index).xive();
        Ok(Xive {
            server: server as u32,
            priority,
        })
    }

    /// `ibm,int-on`: lets a source's interrupts through.
    pub fn int_on(&self, number: u32) -> RtasStatus {
        self.set_masked(number, false)
    }

    /// `ibm,int-off`: holds a source's interrupts back; one that is already presented stays.
    pub fn int_off(&self, number: u32) -> RtasStatus {
        self.set_masked(number, true)
    }

    /// Makes all of it as after power-on (LoPAR, Interrupt Controller, 2.1-13). No processor calls it meanwhile; devices may: an
    /// interrupt of theirs waits for a guest that lets it through, or is gone with those before it.
    pub fn reset(&self) {
        // First the sources: masked, none of them makes a presenter another offer.
        for index in 0..self.sources.len() {
            self.source(index).reset();
        }
        for server in 0..self.presenters.len() {
            self.present(server, Presenter::reset);
        }
    }

    /// Index of the source `number`.
    pub(super) fn index(&self, number: u32) -> Option<usize> {
        let index = number.checked_sub(FIRST_SOURCE)? as usize;
        (index < self.sources.len()).then_some(index)
    }

    pub(super) fn trigger(&self, index: usize) -> Trigger {
        self.source(index).trigger()
    }

    /// An edge of the source at `index`.
    pub(super) fn pulse(&self, index: usize) {
        self.source(index).pulse();
        self.deliver(index);
    }

    /// The line of the source at `index`.
    pub(super) fn set_level(&self, index: usize, up: bool) {
        self.source(index).set_level(up);
        self.deliver(index);
    }

    fn set_masked(&self, number: u32, masked: bool) -> RtasStatus {
        let Some(index) = self.index(number) else {
            return RtasStatus::ParameterError;
        };
        self.source(index).set_masked(masked);
        self.deliver(index);
        RtasStatus::Success
    }

    /// Offers a source's interrupt, if there is one, to its presenter; then those that are displaced in turn.
    fn deliver(&self, index: usize) {
        let mut next = self.offer(index);
        while let Some(displaced) = next {
            self.source(displaced).displaced();
            next = self.offer(displaced);
        }
    }

    /// One offer; returns the source whose interrupt had to make room.
    fn offer(&self, index: usize) -> Option<usize> {
        let mut source = self.source(index);
        let (server, priority) = source.offer()?;
        match self.present(server, |presenter| presenter.offer(index, priority)) {
            Answer::Taken { displaced } => {
                source.taken();
                displaced
            }
            Answer::Refused => None,
        }
    }

    /// Does what a change of a server's priorities asks for.
    fn follow(&self, server: usize, change: Change) {
        if let Some(displaced) = change.displaced {
            self.source(displaced).displaced();
            self.deliver(displaced);
        }
        if change.reoffer {
            // Word by word: what is refused again goes into a word that has been dealt with.
            for word in 0..self.sources.len().div_ceil(64) {
                let mut bits = self.presenter(server).take_refused(word);
                while bits != 0 {
                    self.deliver(word * 64 + bits.trailing_zeros() as usize);
                    bits &= bits - 1;
                }
            }
        }
    }

    /// Acts on a server's presenter and lets its processor's line follow.
    fn present<R>(&self, server: usize, act: impl FnOnce(&mut Presenter) -> R) -> R {
        let mut presenter = self.presenter(server);
        let before = presenter.is_presenting();
        let result = act(&mut presenter);
        let after = presenter.is_presenting();
        if before != after {
            self.lines.set_external(server, after);
        }
        result
    }

    fn server(&self, number: u64) -> Option<usize> {
        usize::try_from(number)
            .ok()
            .filter(|&server| server < self.presenters.len())
    }

    fn presenter(&self, server: usize) -> MutexGuard<'_, Presenter> {
        self.presenters[server]
            .lock()
            .expect("nothing panics with a presenter locked")
    }

    fn source(&self, index: usize) -> MutexGuard<'_, Source> {
        self.sources[index].lock().expect("nothing panics with a source locked")
    }
}
