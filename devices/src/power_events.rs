//! Events of the environment and of the power supply (EPOW; LoPAR, RTAS Call Definition, 3): the one that there is here asks the guest
//! to shut down. It interrupts the guest, which fetches what has happened with `check-exception`.

use std::sync::Mutex;

use power::error_log::{EPOW_SHUTDOWN, ErrorLog};

use crate::interrupt::Interrupt;
use crate::reset::Reset;

/// How far a wish that the guest shut down has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Shutdown {
    #[default]
    NotWanted,
    /// The guest has not fetched it.
    Waits,
    /// It has.
    Told,
}

/// The events of one machine.
pub struct PowerEvents {
    pin: Box<dyn Interrupt>,
    shutdown: Mutex<Shutdown>,
}

impl PowerEvents {
    /// None yet; they raise `pin`.
    pub fn new(pin: Box<dyn Interrupt>) -> Self {
        Self {
            pin,
            shutdown: Mutex::default(),
        }
    }

    /// Asks the guest to shut down. One that does not listen yet hears of it when it does; one that was told is told again.
    pub fn request_shutdown(&self) {
        *self.lock() = Shutdown::Waits;
        // Only now: who is interrupted finds the event.
        self.pin.raise();
    }

    /// `check-exception` for events of power: what has happened, once, as of `now` in the clock's words.
    pub fn check(&self, now: [u32; 7]) -> Option<ErrorLog> {
        let mut shutdown = self.lock();
        let waits = *shutdown == Shutdown::Waits;
        waits.then(|| {
            *shutdown = Shutdown::Told;
            ErrorLog::of_shutdown(now)
        })
    }

    /// What the sensor of environment and power reads (`get-sensor-state`, sensor 9).
    pub fn sensor(&self) -> u32 {
        match *self.lock() {
            Shutdown::NotWanted => 0,
            Shutdown::Waits | Shutdown::Told => EPOW_SHUTDOWN.into(),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Shutdown> {
        self.shutdown.lock().expect("nothing panics with it locked")
    }
}

impl Reset for PowerEvents {
    fn reset(&self) {
        *self.lock() = Shutdown::NotWanted;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    const NOW: [u32; 7] = [2026, 1, 2, 3, 4, 5, 6];

    #[test]
    fn a_wish_interrupts_and_is_told_once() {
        let raised = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&raised);
        let pin = move || {
            count.fetch_add(1, Ordering::Relaxed);
        };
        let events = PowerEvents::new(Box::new(pin));
        assert!(events.check(NOW).is_none() && events.sensor() == 0);
        events.request_shutdown();
        assert_eq!((raised.load(Ordering::Relaxed), events.sensor()), (1, 3));
        assert!(events.check(NOW).is_some() && events.check(NOW).is_none());
        assert_eq!(events.sensor(), 3);
        events.request_shutdown();
        assert!(events.check(NOW).is_some());
        events.request_shutdown();
        events.reset();
        assert!(events.check(NOW).is_none() && events.sensor() == 0);
        assert_eq!(raised.load(Ordering::Relaxed), 3);
    }
}
