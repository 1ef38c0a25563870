//! What a process may have on this machine: memory, address space, open files.

use std::fs;

use rustix::fs::{MemfdFlags, memfd_create};
use rustix::process::{Resource, getrlimit};

use super::userfaultfd::Userfaultfd;
use crate::config;
use crate::size::Size;

/// How the host promises memory (`vm.overcommit_memory`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Overcommit {
    /// More than there is, within reason.
    Guess,
    /// Whatever is asked for.
    Always,
    /// No more than there is.
    Never,
}

/// What a process may have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Memory of the machine.
    pub(crate) memory: Size,
    /// How it is promised; `None`: the host does not say.
    pub(crate) overcommit: Option<Overcommit>,
    /// Bytes of address space (`ulimit -v`, there in KiB); `None`: no limit.
    pub(crate) address_space: Option<u64>,
    /// Open files (`ulimit -n`); `None`: no limit.
    pub(crate) open_files: Option<u64>,
    /// Memory files, which guest memory is; the host's error otherwise.
    pub(crate) memory_file: Result<(), String>,
    /// Events of address spaces.
    pub(crate) userfaultfd: Userfaultfd,
}

impl Limits {
    /// Those of this process.
    pub(crate) fn look() -> Self {
        Self {
            memory: config::host_memory(),
            overcommit: fs::read_to_string("/proc/sys/vm/overcommit_memory")
                .ok()
                .and_then(|text| overcommit(&text)),
            address_space: getrlimit(Resource::As).current,
            open_files: getrlimit(Resource::Nofile).current,
            memory_file: memfd_create("pteg", MemfdFlags::CLOEXEC)
                .map(drop)
                .map_err(|error| error.to_string()),
            userfaultfd: Userfaultfd::look(),
        }
    }
}

fn overcommit(text: &str) -> Option<Overcommit> {
    match text.trim() {
        "0" => Some(Overcommit::Guess),
        "1" => Some(Overcommit::Always),
        "2" => Some(Overcommit::Never),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_says_how_it_promises_memory() {
        assert_eq!(overcommit("0\n"), Some(Overcommit::Guess));
        assert_eq!(overcommit("2\n"), Some(Overcommit::Never));
        assert_eq!(overcommit(""), None);
    }

    #[test]
    fn this_machine_has_memory_files() {
        assert_eq!(Limits::look().memory_file, Ok(()));
    }
}
