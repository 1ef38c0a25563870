//! Programs for the host that tests compare with, taken from Debian's packages and not installed.

use std::env::consts::ARCH;
use std::path::{Path, PathBuf};

use crate::apt::{Repository, discard};
use crate::package::Wanted;
use crate::{Cache, Error, Progress};

/// A program of Debian's that runs from wherever it is put.
#[derive(Debug)]
pub struct Tool {
    /// The package that has it.
    package: &'static str,
    /// Where it is in there.
    file: &'static str,
}

impl Tool {
    /// QEMU's user emulation of little-endian POWER: an independent judge of what an instruction does.
    pub const QEMU_PPC64LE: Self = Self {
        package: "qemu-user-static",
        file: "usr/bin/qemu-ppc64le-static",
    };

    /// The program's path in `cache`, where it is put if it is not there yet.
    pub fn fetch(&self, cache: &Cache, progress: &dyn Progress) -> Result<PathBuf, Error> {
        let directory = Path::new("tools").join(self.package);
        let name = Path::new(self.file).file_name().expect("the file of a tool has a name");
        let finished = cache.root().join(&directory).join(name);
        if finished.exists() {
            return Ok(finished);
        }
        let architecture = host_architecture().ok_or(Error::NoHostArchitecture { architecture: ARCH })?;
        let lock = cache.lock(progress)?;
        if finished.exists() {
            return Ok(finished);
        }
        cache.make_directory(&lock, &directory, |directory| {
            let repository = Repository::open(cache, &lock, progress, "bookworm", architecture)?;
            let package = repository.fetch(self.package, None)?;
            let wanted = Wanted {
                begins: self.file,
                to: &directory.join(name),
                mode: 0o755,
            };
            package.extract(&cache.host, &wanted, progress)?;
            discard(&package);
            Ok(())
        })?;
        Ok(finished)
    }
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
