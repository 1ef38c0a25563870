//! The programs of this system that the host is made and run with, installed by its own apt where we may.

use std::process::{Command, Stdio};

use rustix::process::geteuid;

use super::failed::Failed;
use crate::output::{Tally, run, say};
use crate::step::Outcome;

/// A package, and a program or library that tells that it is here, whoever brought it.
struct Needed {
    package: &'static str,
    /// A program, or the file of a library.
    sign: &'static str,
}

const fn needed(package: &'static str, sign: &'static str) -> Needed {
    Needed { package, sign }
}

/// What builds a program for POWER.
const COMPILERS: &[Needed] = &[
    needed("gcc-powerpc64le-linux-gnu", "powerpc64le-linux-gnu-gcc"),
    needed("libc6-dev-ppc64el-cross", "/usr/powerpc64le-linux-gnu/lib/libc.a"),
];

/// What tells the numbers of KVM's interface in either byte order, beside that.
const BIG_ENDIAN: &[Needed] = &[
    needed("gcc-powerpc64-linux-gnu", "powerpc64-linux-gnu-gcc"),
    needed("libc6-dev-ppc64-cross", "/usr/powerpc64-linux-gnu/lib/libc.a"),
];

/// What builds a kernel for POWER, beside that.
const KERNEL: &[Needed] = &[
    needed("make", "make"),
    needed("gcc", "gcc"),
    needed("flex", "flex"),
    needed("bison", "bison"),
    needed("bc", "bc"),
    needed("perl", "perl"),
    needed("xz-utils", "xz"),
];

/// What runs programs for the host by themselves. What emulates the host itself is in the cache.
const EMULATOR: &[Needed] = &[needed("qemu-user-static", RUNNER)];

/// What runs a program for POWER on another machine.
pub const RUNNER: &str = "qemu-ppc64le-static";

/// What Debian's own Rust compiler is linked with and many a system has already.
const LIBRARIES: &[Needed] = &[
    needed("libedit2", "libedit.so.2"),
    needed("libxml2", "libxml2.so.2"),
    needed("libz3-4", "libz3.so.4"),
    needed("libffi8", "libffi.so.8"),
];

/// What something is done with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum For {
    /// Building programs for POWER with a Rust that can.
    Programs,
    /// Running Debian's Rust.
    DebianRust,
    /// Building kernels.
    Kernels,
    /// Emulating.
    Emulation,
    /// Comparing the interface of KVM with C's.
    Interface,
}

/// Whether this process may install packages.
pub fn may_install() -> bool {
    geteuid().is_root()
}

/// Sees to it that what `purposes` need is there.
pub fn see_to(purposes: &[For]) -> Result<(), Failed> {
    let libraries = libraries();
    let missing: Vec<&str> = purposes
        .iter()
        .flat_map(|purpose| match purpose {
            For::Programs => [COMPILERS, &[]],
            For::DebianRust => [LIBRARIES, &[]],
            For::Kernels => [KERNEL, &[]],
            For::Emulation => [EMULATOR, &[]],
            For::Interface => [COMPILERS, BIG_ENDIAN],
        })
        .flatten()
        .filter(|needed| !is_there(needed.sign, &libraries))
        .map(|needed| needed.package)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let packages = missing.join(" ");
    if !may_install() {
        return Err(Failed(format!(
            "a POWER host needs packages that this system lacks: `sudo apt-get install --no-remove {packages}` installs them"
        )));
    }
    say(&format!("    installing {packages}"));
    let apt_get = |arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
        run(&mut command, &mut Tally::default())
    };
    // Lists that are old, or not there at all, may still do.
    let _ = apt_get(&["-qq", "update"]);
    // A cross compiler's package and one of this system's may exclude each other: better to fail than to lose the latter.
    let install = ["-y", "-qq", "--no-remove", "--no-install-recommends", "install"];
    match apt_get(&[&install[..], &missing].concat()) {
        Outcome::Passed => Ok(()),
        _ => Err(Failed(format!(
            "`apt-get install --no-remove {packages}` failed; what it said is above"
        ))),
    }
}

/// Whether a program can be found, or a library, or a file is there.
fn is_there(sign: &str, libraries: &str) -> bool {
    if sign.starts_with('/') {
        return std::path::Path::new(sign).exists();
    }
    if sign.contains(".so.") {
        return libraries.contains(sign);
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|directory| directory.join(sign).is_file())
}

/// What this system's loader knows; a user's `PATH` may lack the program that tells.
fn libraries() -> String {
    let told = Command::new("/sbin/ldconfig").arg("-p").stderr(Stdio::null()).output();
    told.map_or_else(
        |_| String::new(),
        |output| String::from_utf8_lossy(&output.stdout).into_owned(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_files_and_libraries_are_found_where_they_are() {
        let libraries = "\tlibz3.so.4 (libc6,x86-64) => /lib/libz3.so.4\n";
        for there in ["sh", "/bin/sh", "libz3.so.4"] {
            assert!(is_there(there, libraries), "{there}");
        }
        for missing in ["no-such-program", "/no/such/file", "libz3.so.5"] {
            assert!(!is_there(missing, libraries), "{missing}");
        }
    }
}
