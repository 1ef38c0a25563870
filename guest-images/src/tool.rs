//! Programs for the host that tests compare with, taken from Debian's packages and not installed.

use std::env::consts::ARCH;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::apt::{Repository, discard};
use crate::package::Wanted;
use crate::{Cache, Error, Progress};

/// Programs of Debian's that run from wherever they are put, side by side.
#[derive(Debug)]
pub struct Tool {
    /// Their directory.
    name: &'static str,
    /// The suite of the package.
    suite: &'static str,
    /// The package that has them, statically linked.
    package: &'static str,
    /// Where they are in there; the first is the one that is asked for.
    files: &'static [&'static str],
}

impl Tool {
    /// QEMU's user emulation of POWER, an independent judge of what an instruction does: little-endian, and the
    /// big-endian one beside it.
    pub const QEMU_PPC64: Self = Self {
        // Of version 10: the vector conversions of bookworm's own 7.2 let one element's NaN spoil the next.
        name: "qemu-user-10",
        suite: "bookworm-backports",
        package: "qemu-user",
        files: &["usr/bin/qemu-ppc64le", "usr/bin/qemu-ppc64"],
    };

    /// The first program's path in `cache`, where all are put if they are not there yet.
    pub fn fetch(&self, cache: &Cache, progress: &dyn Progress) -> Result<PathBuf, Error> {
        let directory = Path::new("tools").join(self.name);
        let finished = cache.root().join(&directory).join(file_name(self.files[0]));
        if finished.exists() {
            return Ok(finished);
        }
        let architecture = host_architecture().ok_or(Error::NoHostArchitecture { architecture: ARCH })?;
        let lock = cache.lock(progress)?;
        if finished.exists() {
            return Ok(finished);
        }
        cache.make_directory(&lock, &directory, |directory| {
            let repository = Repository::open(cache, &lock, progress, self.suite, architecture)?;
            let package = repository.fetch(self.package, None)?;
            for file in self.files {
                let wanted = Wanted {
                    begins: file,
                    to: &directory.join(file_name(file)),
                    mode: 0o755,
                };
                package.extract(&cache.host, &wanted, progress)?;
            }
            discard(&package);
            Ok(())
        })?;
        Ok(finished)
    }
}

fn file_name(file: &'static str) -> &'static OsStr {
    Path::new(file).file_name().expect("the file of a tool has a name")
}

/// Debian's name for the architecture that this program runs on, if bookworm has it.
fn host_architecture() -> Option<&'static str> {
    Some(match ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "powerpc64" if cfg!(target_endian = "little") => "ppc64el",
        "s390x" => "s390x",
        _ => return None,
    })
}
