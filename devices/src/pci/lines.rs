//! Four interrupt lines that all devices share, level-triggered. The INTA of device 0 is the first, that of device 1 the second, and so on
//! round and round, as slots of real machines are wired and PCI-to-PCI bridges have it (PCI-to-PCI Bridge 1.2, 9.1).
//!
//! A line is up while any device holds it up. Who moves it says so to the interrupt controller with the line locked, so the
//! controller hears of changes in their order.

use std::sync::Arc;

use super::sync::Mutex;
use crate::interrupt::Sources;

/// How many there are.
pub const LINES: u32 = 4;

/// Which of them `pin` of `device` is wired to: 0 is INTA, 3 INTD.
pub const fn line_of(device: u8, pin: u32) -> u32 {
    (device as u32 + pin) % LINES
}

/// The lines.
pub(super) struct Lines {
    sources: Arc<dyn Sources>,
    /// Source of the first; the others follow.
    first: u32,
    /// For each a bit for each device that holds it up.
    held: [Mutex<u32>; LINES as usize],
}

impl Lines {
    /// Those whose sources are numbered from `first`.
    pub(super) fn new(sources: Arc<dyn Sources>, first: u32) -> Self {
        Self {
            sources,
            first,
            held: std::array::from_fn(|_| Mutex::new(0)),
        }
    }

    /// The source of the INTA of `device`.
    pub(super) const fn source(&self, device: u8) -> u32 {
        self.first + line_of(device, 0)
    }

    /// `device`, one of 32, holds its INTA up, or does so no longer.
    pub(super) fn set(&self, device: u8, up: bool) {
        let line = line_of(device, 0);
        let mut held = self.held[line as usize]
            .lock()
            .expect("nothing panics with a line locked");
        let before = *held != 0;
        let bit = 1 << device;
        *held = if up { *held | bit } else { *held & !bit };
        let after = *held != 0;
        if before != after {
            self.sources.set_level(self.first + line, after);
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[derive(Default)]
    struct Heard(Mutex<Vec<(u32, bool)>>);

    impl Sources for Heard {
        fn pulse(&self, number: u32) {
            panic!("{number} is no edge");
        }

        fn set_level(&self, number: u32, up: bool) {
            self.0.lock().expect("nothing panics with it locked").push((number, up));
        }
    }

    #[test]
    fn a_line_is_up_while_any_of_its_devices_holds_it() {
        let heard = Arc::new(Heard::default());
        let lines = Lines::new(Arc::clone(&heard) as Arc<_>, 0x1001);
        for (device, up) in [
            (1, true),
            (1, true),
            (5, true),
            (1, false),
            (31, true),
            (5, false),
            (5, false),
        ] {
            lines.set(device, up);
        }
        assert_eq!(
            *heard.0.lock().unwrap(),
            [(0x1002, true), (0x1004, true), (0x1002, false)]
        );
        assert_eq!(
            (lines.source(0), lines.source(7), lines.source(8)),
            (0x1001, 0x1004, 0x1001)
        );
    }
}
