//! Error logs, as RTAS hands them out (LoPAR, Error and Event Notification, RTAS Error/Event Return Format): version 6, with the platform
//! event log as its extended part.
//!
//! ```text
//!     fixed part, 8 bytes    version; severity, disposition, "extended part follows"; initiator, target; type; length of the rest
//!     extended part          16 bytes about the log, then sections, each behind a header of 8:
//!         PH, 48 bytes       who made it, when, how many sections there are
//!         UH, 24 bytes       how severe it is
//!         EP, 20 bytes       what became of power and environment
//! ```

/// The class of events of power in an event mask.
pub const EVENT_CLASS_EPOW: u32 = 1 << 30;

/// The most bytes of a log: `rtas-error-log-max`.
pub const MOST_BYTES: u32 = 2048;

/// The sensor of the environment and the power supply (`get-sensor-state`).
pub const EPOW_SENSOR: u32 = 9;

/// EPOW action code, and state of the sensor: the system is to shut down.
pub const EPOW_SHUTDOWN: u8 = 3;

const FIXED: usize = 8;
const ABOUT: usize = 16;
const PH: usize = 48;
const UH: usize = 24;
const EP: usize = 20;
const BYTES: usize = FIXED + ABOUT + PH + UH + EP;

/// A log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorLog([u8; BYTES]);

impl ErrorLog {
    /// Somebody wants the system to shut down, in good order; it was at `now`: year, month, day, hour, minute, second, nanoseconds.
    pub fn of_shutdown(now: [u32; 7]) -> Self {
        /// Type of the log.
        const EPOW: u8 = 0x40;
        let mut log = Self([0; BYTES]);
        // Severity 1: an event. Disposition 2: nothing was done about it. The extended part follows.
        log.put(0, &[6, 1 << 5 | 2 << 3 | 1 << 2, 0, EPOW]);
        log.put(4, &((BYTES - FIXED) as u32).to_be_bytes());
        // Valid, new, big-endian; in PowerPC's format, a platform event log; whose sections they are.
        log.put(FIXED, &[0x80 | 0x04 | 0x02, 0, 0x80 | 0x0e]);
        log.put(FIXED + 12, b"IBM\0");

        let mut at = FIXED + ABOUT;
        let [year, month, day, hour, minute, second, _] = now;
        let two = |number: u32| ((number / 10 % 10) << 4) | (number % 10);
        let date = two(year / 100) << 24 | two(year) << 16 | two(month) << 8 | two(day);
        let time = two(hour) << 24 | two(minute) << 16 | two(second) << 8;
        log.section(at, *b"PH", PH);
        log.put(at + 8, &date.to_be_bytes());
        log.put(at + 12, &time.to_be_bytes());
        // Made by the hypervisor; of three sections.
        log.put(at + 24, b"H\0\0\x03");
        at += PH;
        log.section(at, *b"UH", UH);
        // From the environment; informational; a normal shutdown.
        log.put(at + 8, &[0xa0, 0, 0, 0xd0]);
        at += UH;
        log.section(at, *b"EP", EP);
        // A normal shutdown, of this partition.
        log.put(at + 8, &[EPOW_SHUTDOWN, 1, 1, 0]);
        log
    }

    /// As it lies in the guest's memory, which has room for so many bytes: cut off there.
    pub fn cut_to(&self, bytes: usize) -> &[u8] {
        &self.0[..bytes.min(BYTES)]
    }

    /// The header of a section: its name, its bytes, version 1.
    fn section(&mut self, at: usize, name: [u8; 2], bytes: usize) {
        self.put(at, &name);
        self.put(at + 2, &(bytes as u16).to_be_bytes());
        self.put(at + 4, &[1]);
    }

    fn put(&mut self, at: usize, bytes: &[u8]) {
        self.0[at..at + bytes.len()].copy_from_slice(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a reader finds that goes from section to section: as Linux looks for the one of a name.
    fn section<'a>(log: &'a [u8], name: &[u8; 2]) -> Option<&'a [u8]> {
        let extended = u32::from_be_bytes(log[4..8].try_into().unwrap()) as usize;
        assert_eq!(log.len(), 8 + extended);
        assert_eq!((log[8 + 2] & 0xf, &log[8 + 12..8 + 16]), (14, &b"IBM\0"[..]));
        let mut at = 8 + 16;
        while at < log.len() {
            let bytes = usize::from(u16::from_be_bytes([log[at + 2], log[at + 3]]));
            if &log[at..at + 2] == name {
                return Some(&log[at + 8..at + bytes]);
            }
            at += bytes;
        }
        assert_eq!(at, log.len(), "the sections are all there is");
        None
    }

    #[test]
    fn a_reader_of_sections_finds_the_wish_to_shut_down() {
        let log = ErrorLog::of_shutdown([2026, 11, 21, 20, 5, 9, 7]);
        let log = log.cut_to(usize::MAX);
        assert_eq!((log[0], log[3]), (6, 0x40));
        let epow = section(log, b"EP").unwrap();
        assert_eq!((epow[0] & 0xf, epow[1] & 0xf), (3, 1));
        let who = section(log, b"PH").unwrap();
        assert_eq!(who[..8], [0x20, 0x26, 0x11, 0x21, 0x20, 0x05, 0x09, 0]);
        assert!(section(log, b"XX").is_none());
        assert!(log.len() <= MOST_BYTES as usize);
    }

    #[test]
    fn a_log_is_cut_off_where_its_buffer_ends() {
        let log = ErrorLog::of_shutdown([2026, 1, 1, 0, 0, 0, 0]);
        assert_eq!(log.cut_to(4), [6, 0x34, 0, 0x40]);
        assert!(log.cut_to(0).is_empty());
    }
}
