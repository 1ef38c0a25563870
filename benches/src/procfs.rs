//! What the system says of another process: its processor time and its memory.

use std::fs;
use std::path::Path;
use std::time::Duration;

use nix::sys::time::TimeValLike as _;
use nix::time::{clock_getcpuclockid, clock_gettime};
use nix::unistd::Pid;

use crate::error::{Error, Result};

/// Processor time of `process` and its threads so far, in user mode and in the kernel. A process that has ended
/// has one too, until somebody has waited for it.
pub fn cpu_time(process: Pid) -> Result<Duration> {
    let time = clock_getcpuclockid(process).and_then(clock_gettime);
    let time = time.map_err(|errno| Error::io("reading the processor clock of", &directory(process), errno.into()))?;
    Ok(Duration::from_nanos(time.num_nanoseconds().unsigned_abs()))
}

/// Resident memory of a process, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resident {
    /// Its own: heap, stacks, private mappings.
    pub private: u64,
    /// Of files: the program and its libraries.
    pub files: u64,
    /// Shared memory, which memory files are.
    pub shared: u64,
}

impl Resident {
    /// Of a process that runs.
    pub fn of(process: Pid) -> Result<Self> {
        let path = directory(process).join("status");
        let text = fs::read_to_string(&path).map_err(|source| Error::io("reading", &path, source))?;
        Self::parse(&text).ok_or(Error::Unreadable {
            what: "the status of a process",
            text,
        })
    }

    fn parse(status: &str) -> Option<Self> {
        let bytes = |name| {
            let value = status.lines().find_map(|line| line.strip_prefix(name))?;
            let kib: u64 = value.trim().strip_suffix(" kB")?.parse().ok()?;
            Some(kib << 10)
        };
        Some(Self {
            private: bytes("RssAnon:")?,
            files: bytes("RssFile:")?,
            shared: bytes("RssShmem:")?,
        })
    }

    /// All of it.
    pub fn all(&self) -> u64 {
        self.private + self.files + self.shared
    }
}

fn directory(process: Pid) -> std::path::PathBuf {
    Path::new("/proc").join(process.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_read() {
        let status = "Name:\tpteg\nVmRSS:\t  200 kB\nRssAnon:\t   100 kB\nRssFile:\t    60 kB\nRssShmem:\t    40 kB\n";
        let resident = Resident::parse(status).unwrap();
        assert_eq!(
            resident,
            Resident {
                private: 100 << 10,
                files: 60 << 10,
                shared: 40 << 10
            }
        );
        assert_eq!(resident.all(), 200 << 10);
        assert_eq!(Resident::parse("Name:\tkthreadd\n"), None);
    }

    #[test]
    fn this_process_has_time_and_memory() {
        let before = cpu_time(Pid::this()).unwrap();
        let resident = Resident::of(Pid::this()).unwrap();
        assert!(resident.private > 0 && resident.files > 0);
        assert!(cpu_time(Pid::this()).unwrap() > before);
    }
}
