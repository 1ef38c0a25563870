//! Against a mapping that knows of each page what it is, and refuses what a kernel would not be asked for.

#![expect(clippy::single_range_in_vec_init, reason = "lists of ranges, some with one")]

use std::cell::Cell;

use hpt::{Endless, Notifier, Protection, Right};

use super::*;

const PAGE: u64 = 0x1_0000;
const PAGES: usize = 16;
const END: u64 = PAGE * PAGES as u64;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Is {
    #[default]
    Present,
    Absent,
    Refused,
}

#[derive(Default)]
struct Mapping {
    pages: Mutex<[Is; PAGES]>,
    /// Calls that change something.
    calls: Mutex<Vec<(Is, Range<u64>)>>,
    is_full: Mutex<bool>,
}

impl Mapping {
    fn set(&self, range: Range<u64>, from: &[Is], to: Is) -> io::Result<()> {
        assert!(
            range.start.is_multiple_of(PAGE) && range.end.is_multiple_of(PAGE) && range.start < range.end,
            "{range:x?}"
        );
        if *self.is_full.lock().unwrap() {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        let mut pages = self.pages.lock().unwrap();
        for page in &mut pages[(range.start / PAGE) as usize..(range.end / PAGE) as usize] {
            assert!(from.contains(page), "{page:?} becomes {to:?}");
            *page = to;
        }
        self.calls.lock().unwrap().push((to, range));
        Ok(())
    }

    fn is(&self, page: usize) -> Is {
        self.pages.lock().unwrap()[page]
    }
}

impl Pages for Mapping {
    fn page(&self) -> u64 {
        PAGE
    }

    fn take_away(&self, range: Range<u64>) -> io::Result<()> {
        self.set(range, &[Is::Present], Is::Absent)
    }

    fn put_back(&self, range: Range<u64>) -> io::Result<()> {
        self.set(range, &[Is::Absent, Is::Refused], Is::Present)
    }

    fn refuse(&self, range: Range<u64>) -> io::Result<()> {
        self.set(range, &[Is::Absent, Is::Refused], Is::Refused)
    }

    fn report(&self, range: Range<u64>) -> io::Result<()> {
        self.set(range, &[Is::Refused], Is::Absent)
    }
}

/// Memory of which `ranges` may not be touched.
fn withheld(ranges: &[Range<u64>]) -> (Absent<Mapping>, Protection) {
    let frames = Arc::new(Frames::new(END, Notifier::new(std::iter::once(0..END).collect())));
    let protection = frames.protect(None).unwrap();
    for range in ranges {
        protection.take(range.clone(), Right::Nothing, &Endless).unwrap();
    }
    let absent = Absent::new(Mapping::default(), frames, 8);
    absent.take_away(ranges).unwrap();
    (absent, protection)
}

fn fault(absent: &Absent<Mapping>, real: u64, server: usize) -> bool {
    let rung = Cell::new(false);
    let ring = |rings| {
        assert_eq!(rings, server);
        assert_ne!(
            absent.pages().is((real / PAGE) as usize),
            Is::Refused,
            "it would not hear the ring"
        );
        rung.set(true);
    };
    absent.fault(real, Access::Store, Some(server), ring).unwrap();
    rung.get()
}

#[test]
fn whole_pages_of_the_host_are_absent_in_as_few_pieces_as_they_make() {
    let (absent, _protection) = withheld(&[0x1_f000..0x3_1000, 0x4_0000..0x4_1000, 0x9_5000..0x9_6000]);
    let calls = absent.pages().calls.lock().unwrap();
    assert_eq!(
        *calls,
        [(Is::Absent, 0x1_0000..0x5_0000), (Is::Absent, 0x9_0000..0xa_0000)]
    );
}

#[test]
fn what_is_absent_already_is_not_taken_again_and_too_much_is_refused() {
    let (absent, _protection) = withheld(&[0..4 * PAGE]);
    absent.take_away(&[PAGE..6 * PAGE]).unwrap();
    let error = absent.take_away(&[4 * PAGE..9 * PAGE]).unwrap_err();
    assert!(matches!(error, NotWithheld::TooMany { wanted: 9, most: 8 }));
    assert_eq!(absent.count(), 6);
}

#[test]
fn who_needs_a_page_comes_out_and_waits_for_each_frame_that_is_lacking() {
    let (absent, protection) = withheld(&[0x2_3000..0x2_5000]);
    assert!(fault(&absent, 0x2_0000, 3));
    assert_eq!(absent.pages().is(2), Is::Refused);
    let held = absent.take_out(3).unwrap().unwrap();
    assert_eq!(absent.pages().is(2), Is::Absent);
    assert_eq!((absent.take_out(3).unwrap(), held.access), (None, Access::Store));
    for frame in [0x2_3000, 0x2_4000] {
        assert_eq!(absent.lacks(&held).unwrap(), Some(frame));
        protection.give(frame..frame + 1, Right::Store);
    }
    assert_eq!(absent.lacks(&held).unwrap(), None);
    assert_eq!((absent.pages().is(2), absent.count()), (Is::Present, 0));
}

#[test]
fn who_needs_a_page_that_was_given_meanwhile_goes_on() {
    let (absent, protection) = withheld(&[0..2 * PAGE]);
    protection.give(PAGE..2 * PAGE, Right::Store);
    assert!(!fault(&absent, PAGE, 0));
    assert_eq!((absent.pages().is(0), absent.pages().is(1)), (Is::Absent, Is::Present));
    // What was told before the page came back.
    assert!(!fault(&absent, PAGE, 0));
    assert_eq!(absent.take_out(0).unwrap(), None);
}

#[test]
fn a_page_is_refused_until_the_last_of_those_that_need_it_is_out() {
    let (absent, _protection) = withheld(&[0..2 * PAGE]);
    assert!(fault(&absent, 0, 0));
    // Both had been waiting.
    absent.fault(0, Access::Load, Some(1), |_| ()).unwrap();
    absent.take_out(0).unwrap().unwrap();
    assert_eq!(absent.pages().is(0), Is::Refused);
    absent.take_out(1).unwrap().unwrap();
    assert_eq!(absent.pages().is(0), Is::Absent);
}

#[test]
fn what_is_over_brings_all_back_but_what_others_withhold() {
    let (absent, protection) = withheld(&[0..4 * PAGE]);
    let other = absent.frames.protect(None).unwrap();
    other.take(2 * PAGE..2 * PAGE + 1, Right::Nothing, &Endless).unwrap();
    assert!(fault(&absent, 0, 0));
    drop(protection);
    absent.settle(&[0..4 * PAGE]).unwrap();
    let is: Vec<_> = (0..4).map(|page| absent.pages().is(page)).collect();
    assert_eq!(is, [Is::Present, Is::Present, Is::Absent, Is::Present]);
    // Its page came back while it was on its way out.
    let held = absent.take_out(0).unwrap().unwrap();
    assert_eq!(absent.lacks(&held).unwrap(), None);
    assert_eq!(absent.pages().is(0), Is::Present);
}

#[test]
fn who_is_no_processor_waits_until_the_page_is_back() {
    let (absent, protection) = withheld(&[0..PAGE]);
    absent.fault(0, Access::Load, None, |_| unreachable!()).unwrap();
    assert_eq!(absent.pages().is(0), Is::Absent);
    drop(protection);
    absent.fault(0, Access::Load, None, |_| unreachable!()).unwrap();
    assert_eq!(absent.pages().is(0), Is::Present);
}

/// It tries again when it enters, and says what the host has against it.
#[test]
fn a_page_that_the_host_does_not_bring_back_keeps_no_processor_in_the_kernel() {
    let (absent, protection) = withheld(&[0..PAGE]);
    drop(protection);
    let full = |is| *absent.pages().is_full.lock().unwrap() = is;
    full(true);
    // The host has nothing for the one, but something for the other.
    absent.fault(0, Access::Load, Some(0), |_| full(false)).unwrap();
    let held = absent.take_out(0).unwrap().unwrap();
    full(true);
    assert_eq!(absent.lacks(&held).unwrap_err().kind(), io::ErrorKind::OutOfMemory);
    assert_eq!(absent.count(), 1);
    full(false);
    assert_eq!(absent.lacks(&held).unwrap(), None);
}
