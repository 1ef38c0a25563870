//! Who has an image locked. The kernel does not say whose a lock on an open file is, but each process says which files it has open, and which
//! of those are locked: those of the same user at least.

use std::fmt;
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// Processes that have a file locked, as far as this one may know.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Holders(Vec<Holder>);

/// A process.
#[derive(Debug, PartialEq, Eq)]
struct Holder {
    process: u32,
    name: String,
}

/// Who has `file` locked, this process with another open file among them.
pub(crate) fn holders(file: &File) -> Holders {
    let Ok(wanted) = file.metadata() else {
        return Holders::default();
    };
    let wanted = (wanted.dev(), wanted.ino());
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(process) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        if has_locked(&entry.path(), wanted, process == std::process::id()) {
            let name = fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
            let name = name.trim_end().to_owned();
            found.push(Holder { process, name });
        }
    }
    Holders(found)
}

/// Whether the process of this directory has the file locked; our own once more than by the open file that asks.
fn has_locked(process: &Path, file: (u64, u64), is_own: bool) -> bool {
    let descriptors = fs::read_dir(process.join("fd")).into_iter().flatten().flatten();
    let locked = descriptors.filter(|descriptor| {
        let is_same = fs::metadata(descriptor.path()).is_ok_and(|open| (open.dev(), open.ino()) == file);
        let about = process.join("fdinfo").join(descriptor.file_name());
        is_same && fs::read_to_string(about).is_ok_and(|about| about.contains("OFDLCK"))
    });
    locked.count() > usize::from(is_own)
}

impl fmt::Display for Holders {
    /// As ` by qemu-img (process 7)`, or nothing.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, Holder { process, name }) in self.0.iter().enumerate() {
            let joint = if number == 0 { " by" } else { " and" };
            if *process == std::process::id() {
                write!(f, "{joint} this run itself")?;
            } else {
                write!(f, "{joint} {name} (process {process})")?;
            }
        }
        Ok(())
    }
}
