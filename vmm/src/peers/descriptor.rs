//! What a process has passed for a userfaultfd, looked at before anything is read from it.
//!
//! Whoever reads the event of a fork gets a file descriptor by that, which the process could have us collect without end. And what is not told
//! is not known here. So the kernel is asked which events it was opened for; that is settled once and cannot be changed later.

use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd as _};

/// What a userfaultfd was opened for (`UFFD_FEATURE_EVENT_…`).
const FORK: u64 = 1 << 1;
const REMAP: u64 = 1 << 2;
const REMOVE: u64 = 1 << 3;
const UNMAP: u64 = 1 << 6;

/// Why it is of no use.
#[derive(Debug, thiserror::Error)]
pub(super) enum BadDescriptor {
    /// The kernel does not say.
    #[error("looking at its userfaultfd: {0}")]
    Unknown(#[from] io::Error),
    /// It is something else.
    #[error("what comes with its first mapping is no userfaultfd")]
    Other,
    /// It does not tell what is to be known, or more than that.
    #[error(
        "its userfaultfd was opened with features {0:#x}; the events remove, unmap and remap are needed ({needed:#x}), and fork ({FORK:#x}) is not allowed",
        needed = REMAP | REMOVE | UNMAP
    )]
    Features(u64),
}

/// Whether `descriptor` is a userfaultfd that tells what is to be known and no more.
pub(super) fn check(descriptor: &impl AsFd) -> Result<(), BadDescriptor> {
    let number = descriptor.as_fd().as_raw_fd();
    judge(&fs::read_to_string(format!("/proc/self/fdinfo/{number}"))?)
}

/// The same by what the kernel says of a descriptor (`userfaultfd_show_fdinfo`): a line `API:` with version, features and requests in hex.
fn judge(said: &str) -> Result<(), BadDescriptor> {
    let api = said.lines().find_map(|line| line.strip_prefix("API:"));
    let features = api.and_then(|api| api.trim().split(':').nth(1));
    let features = features.and_then(|features| u64::from_str_radix(features, 16).ok());
    let features = features.ok_or(BadDescriptor::Other)?;
    let needed = REMAP | REMOVE | UNMAP;
    if features & needed == needed && features & FORK == 0 {
        Ok(())
    } else {
        Err(BadDescriptor::Features(features))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(features: u64) -> String {
        format!(
            "pos:\t0\nflags:\t02004002\nmnt_id:\t15\nino:\t11\npending:\t0\ntotal:\t0\nAPI:\taa:{features:x}:8000000000000049\n"
        )
    }

    #[test]
    fn a_descriptor_tells_of_what_is_done_to_mappings_and_of_no_forks() {
        let right = REMAP | REMOVE | UNMAP;
        // With what the kernel adds for itself.
        for features in [right, right | 1 << 12, right | 1 << 31] {
            judge(&said(features)).unwrap();
        }
        for features in [0, right | FORK, right & !REMOVE, right & !UNMAP, right & !REMAP] {
            let error = judge(&said(features)).unwrap_err();
            assert!(matches!(error, BadDescriptor::Features(_)), "{error}");
            assert!(error.to_string().contains("(0x4c)"), "{error}");
        }
    }

    #[test]
    fn what_is_no_userfaultfd_is_told_as_such() {
        for other in ["", "pos:\t0\n", "API:\t", "API:\taa", "API:\taa:xyz:1"] {
            assert!(matches!(judge(other), Err(BadDescriptor::Other)), "{other}");
        }
        let file = fs::File::open("/dev/null").unwrap();
        assert!(matches!(check(&file), Err(BadDescriptor::Other)));
    }
}
