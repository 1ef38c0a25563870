//! The checks that a user may ask for, and what they say: pages that the guest maps twice (its mistake), and translations
//! that a processor holds and the table does not say (ours).
//!
//! Who finds something is inside the guest or in the middle of a hypercall, and others may wait for it. So it only hands
//! its sentence over, to a thread that has nothing else to do than to wait for stderr.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Sender};
use std::thread::{self, JoinHandle};

use emulator::{Stale, StaleReport};
use hpt::{Duplicate, DuplicateReport, Hpte, PteIndex};
use power::page::Vpn;

use crate::terminal::say;

/// How many of a kind are said at once; the others are only counted.
const MOST_SAID: u64 = 16;

/// What one check has found so far. Counted by any processor; the order of lines does not matter.
pub(super) struct Findings {
    count: AtomicU64,
    /// To the thread that says them.
    speaker: Sender<Message>,
}

/// What the speaking thread is told.
enum Message {
    Say(String),
    /// There is no more to come.
    End,
}

impl Findings {
    /// Counts one, and has it said unless many were.
    fn add(&self, sentence: impl FnOnce() -> String) {
        if self.count.fetch_add(1, Ordering::Relaxed) < MOST_SAID {
            // Somebody who was left behind at the end is heard no more.
            let _ = self.speaker.send(Message::Say(sentence()));
        }
    }

    /// How many there are.
    pub(super) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }
}

/// The checks of one run: those that were not asked for are `None`.
pub(super) struct Checks {
    /// Pages that the guest maps twice.
    pub(super) duplicates: Option<Arc<Findings>>,
    /// Translations that a processor holds and the table does not say.
    pub(super) stale: Option<Arc<Findings>>,
    /// The thread that says what they find, if there is a check.
    speaker: Option<(Sender<Message>, JoinHandle<()>)>,
}

impl Checks {
    /// With or without each.
    ///
    /// # Errors
    /// The thread that says what they find cannot be started.
    pub(super) fn new(duplicates: bool, walkers: bool) -> io::Result<Self> {
        let (sender, receiver) = mpsc::channel();
        let findings = || {
            Arc::new(Findings {
                count: AtomicU64::new(0),
                speaker: sender.clone(),
            })
        };
        let speak = move || {
            while let Ok(Message::Say(sentence)) = receiver.recv() {
                say(&sentence);
            }
        };
        let speaker = if duplicates || walkers {
            Some(thread::Builder::new().name("findings".into()).spawn(speak)?)
        } else {
            None
        };
        Ok(Self {
            duplicates: duplicates.then(findings),
            stale: walkers.then(findings),
            speaker: speaker.map(|thread| (sender, thread)),
        })
    }

    /// Whom the table tells of duplicates.
    pub(super) fn duplicate_report(&self) -> Option<DuplicateReport> {
        let findings = Arc::clone(self.duplicates.as_ref()?);
        Some(Box::new(move |duplicate| {
            findings.add(|| duplicate_sentence(duplicate));
        }))
    }

    /// Whom processors tell of stale translations.
    pub(super) fn stale_report(&self) -> Option<StaleReport> {
        let findings = Arc::clone(self.stale.as_ref()?);
        Some(Arc::new(move |stale| findings.add(|| stale_sentence(stale))))
    }

    /// Says what they have found in all; whether pteg has made a mistake.
    pub(super) fn conclude(&mut self) -> bool {
        if let Some((sender, thread)) = self.speaker.take() {
            // Neither fails: the thread ends by this message only, and does not panic.
            let _ = sender.send(Message::End);
            let _ = thread.join();
        }
        if let Some(found) = &self.duplicates {
            say(&format!(
                "pteg: the guest mapped a page twice: {}",
                times(found.count())
            ));
        }
        let stale = self.stale.as_ref().map(|found| found.count());
        if let Some(stale) = stale {
            say(&format!(
                "pteg: a processor held what the table does not say: {}",
                times(stale)
            ));
        }
        stale.is_some_and(|stale| stale > 0)
    }
}

fn times(count: u64) -> String {
    match count {
        0 => "never".to_owned(),
        1 => "once".to_owned(),
        more => format!("{more} times"),
    }
}

fn duplicate_sentence(duplicate: &Duplicate) -> String {
    let slot = |(at, entry): (PteIndex, Hpte)| {
        let (v, r) = (entry.v.raw(), entry.r.raw());
        format!("{:#x} ({v:016x} {r:016x})", at.to_register())
    };
    let [first, second] = [0, 1].map(|n| slot((duplicate.at[n], duplicate.entries[n])));
    format!(
        "pteg: the guest maps {} twice: at {first} and at {second}",
        page(duplicate.page)
    )
}

fn stale_sentence(stale: &Stale) -> String {
    let held = &stale.held;
    format!(
        "pteg: processor {} holds a translation of {} that the table does not say: to {:#x}, {:?}{}{}; please report it",
        stale.server,
        page(stale.page),
        held.real,
        held.protection,
        if held.no_execute { ", no execute" } else { "" },
        if held.changed { ", changed" } else { "" },
    )
}

fn page(page: Vpn) -> String {
    format!(
        "the page at {:#x} of the segment {:#x} (2^{} bytes of pages of 2^{})",
        page.offset(),
        page.vsid(),
        page.segment().shift(),
        page.base().shift()
    )
}

#[cfg(test)]
mod tests {
    use power::hpte::{HpteR, HpteV};
    use power::page::{PageSize, SegmentSize};

    use super::*;

    fn some_page() -> Vpn {
        Vpn::new(0x123, SegmentSize::Size1T, PageSize::Size64K, 0x45_0000)
    }

    #[test]
    fn a_duplicate_is_told_with_both_slots() {
        let table = hpt::Table::new(hpt::Order::MIN).unwrap();
        let entry = |r| Hpte {
            v: HpteV::from_raw(0x4000_0000_0000_0005),
            r: HpteR::from_raw(r),
        };
        let said = duplicate_sentence(&Duplicate {
            page: some_page(),
            at: [table.index(16).unwrap(), table.index(255).unwrap()],
            entries: [entry(0x10_1190), entry(0x20_1190)],
        });
        assert_eq!(
            said,
            "pteg: the guest maps the page at 0x450000 of the segment 0x123 (2^40 bytes of pages of 2^16) twice: at 0x10 \
             (4000000000000005 0000000000101190) and at 0xff (4000000000000005 0000000000201190)"
        );
    }

    #[test]
    fn only_a_translation_that_we_kept_too_long_is_our_mistake() {
        let mut checks = Checks::new(true, true).unwrap();
        checks.duplicates.as_ref().unwrap().add(String::new);
        assert!(!checks.conclude());
        let held = hpt::Held {
            real: 0x5000,
            protection: HpteR::default().protection(),
            no_execute: false,
            changed: true,
            key: 0,
        };
        let stale = Stale {
            server: 3,
            page: some_page(),
            held,
        };
        checks.stale_report().unwrap()(&stale);
        assert!(checks.conclude());
        assert!(!Checks::new(false, false).unwrap().conclude());
    }
}
