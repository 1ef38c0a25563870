//! A Rust that builds for POWER: this one, where rustup has added the target's standard library to it, or else Debian's compiler
//! for x86-64 beside Debian's standard library for POWER, unpacked in the cache.
//!
//! A standard library works with the compiler of its own version alone. Debian has newer versions than its releases have in the
//! packages `rustc-web`, but of no suite for both architectures: the compiler is taken from the oldest release that is still
//! cared for, so that it runs on any later one, and the library from wherever its version is the same.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use guest_images::{Archive, Cache, PackageName, Stderr};

use super::failed::Failed;
use super::packages::{For, RUNNER, see_to};
use crate::workspace::Workspace;

/// What is built for.
pub const TARGET: &str = "powerpc64le-unknown-linux-gnu";

/// Where the compiler is looked for.
const COMPILERS: [&str; 2] = ["bookworm-security", "bookworm"];

/// Where the standard library is looked for.
const LIBRARIES: [&str; 2] = ["trixie", "bookworm"];

/// Compilers and linkers for [`TARGET`].
pub struct Toolchain {
    /// Debian's compiler; `None` if the usual one will do.
    rustc: Option<PathBuf>,
    /// Where its results go, apart from those of other compilers.
    target: PathBuf,
}

impl Toolchain {
    /// One for this machine, fetched if need be.
    pub fn new(workspace: &Workspace) -> Result<Self, Failed> {
        see_to(&needs(workspace, &[]))?;
        let target = workspace.target().join("power-host");
        if knows_target(workspace) {
            return Ok(Self { rustc: None, target });
        }
        if std::env::consts::ARCH != "x86_64" {
            return Err(Failed(format!(
                "Rust cannot build for {TARGET} here: `rustup target add {TARGET}` may bring what is missing"
            )));
        }
        let cache = Cache::from_environment()?;
        let directory = cache.made(Path::new("tools/rust-for-power"), &Stderr::new(), fetch)?;
        Ok(Self {
            rustc: Some(directory.join("rustc")),
            target,
        })
    }

    /// `cargo` with `arguments`, for [`TARGET`]; what it links needs no library at run time.
    pub fn cargo(&self, workspace: &Workspace, arguments: &[&str]) -> Command {
        let mut command = workspace.cargo(arguments);
        command
            .args(["--target", TARGET])
            .env("CARGO_TARGET_DIR", &self.target)
            .env(
                "CARGO_TARGET_POWERPC64LE_UNKNOWN_LINUX_GNU_LINKER",
                "powerpc64le-linux-gnu-gcc",
            )
            .env(
                "CARGO_TARGET_POWERPC64LE_UNKNOWN_LINUX_GNU_RUSTFLAGS",
                "-C target-feature=+crt-static",
            )
            .env("CARGO_TARGET_POWERPC64LE_UNKNOWN_LINUX_GNU_RUNNER", RUNNER)
            // An emulated host takes a root file system of 128 MiB at most, and guests' kernels are 50 each. Functions keep their names.
            .env("CARGO_PROFILE_DEV_STRIP", "debuginfo")
            .env("CC_powerpc64le_unknown_linux_gnu", "powerpc64le-linux-gnu-gcc")
            .env("AR_powerpc64le_unknown_linux_gnu", "powerpc64le-linux-gnu-ar");
        if let Some(rustc) = &self.rustc {
            command.env("RUSTC", rustc);
        }
        command
    }

    /// Where what is built with `profile` (`debug`, `release`) is.
    pub fn results(&self, profile: &str) -> PathBuf {
        self.target.join(TARGET).join(profile)
    }
}

/// What building needs of this system, beside `more`.
pub fn needs(workspace: &Workspace, more: &[For]) -> Vec<For> {
    let mut needs = vec![For::Programs];
    if !knows_target(workspace) {
        needs.push(For::DebianRust);
    }
    needs.extend_from_slice(more);
    needs
}

/// Whether the usual compiler has a standard library for [`TARGET`].
fn knows_target(workspace: &Workspace) -> bool {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let mut command = workspace.command(rustc, &["--print", "target-libdir", "--target", TARGET]);
    command
        .output()
        .is_ok_and(|output| Path::new(String::from_utf8_lossy(&output.stdout).trim()).is_dir())
}

/// Puts Debian's packages into `directory`, and what starts the compiler with its own libraries beside them.
fn fetch(archive: &Archive<'_>, directory: &Path) -> Result<(), Failed> {
    let (compiler, library) = versions(archive)?;
    let amd64 = |package| PackageName {
        suite: compiler,
        architecture: "amd64",
        package,
    };
    // The driver's name has the version in it, and its LLVM's name is among what the driver depends on.
    let driver = dependency(archive, amd64("libstd-rust-web-dev"), "libstd-rust-web-1")?;
    let llvm = dependency(archive, amd64(&driver), "libllvm")?;
    for package in ["rustc-web", &driver, &llvm, "libstd-rust-web-dev"] {
        archive.unpack(amd64(package), directory)?;
    }
    let library = PackageName {
        suite: library,
        architecture: "ppc64el",
        package: "libstd-rust-web-dev",
    };
    archive.unpack(library, directory)?;
    // Found from where it is, as the directory has another name while it is being made.
    let start = "#!/bin/sh\n\
        here=$(dirname \"$(readlink -f \"$0\")\")/usr\n\
        LD_LIBRARY_PATH=$here/lib/x86_64-linux-gnu${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH} exec \"$here/bin/rustc\" \"$@\"\n";
    let path = directory.join("rustc");
    fs::write(&path, start)?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
    Ok(())
}

/// The suites of a compiler and of a library that are of one version, the newest such.
fn versions(archive: &Archive<'_>) -> Result<(&'static str, &'static str), Failed> {
    let all = |suites: [&'static str; 2], architecture, package| {
        suites.map(|suite| {
            let name = PackageName {
                suite,
                architecture,
                package,
            };
            let version = archive.describe(name).map(|described| described.version);
            (suite, version.unwrap_or_default())
        })
    };
    let compilers = all(COMPILERS, "amd64", "rustc-web");
    let libraries = all(LIBRARIES, "ppc64el", "libstd-rust-web-dev");
    for (compiler, version) in &compilers {
        let same = libraries
            .iter()
            .find(|(_, other)| upstream(other) == upstream(version) && !version.is_empty());
        if let Some((library, _)) = same {
            return Ok((compiler, library));
        }
    }
    Err(Failed(format!(
        "Debian has no Rust compiler for x86-64 and standard library for POWER of one version now: {compilers:?}, {libraries:?}; \
         `rustup target add {TARGET}` would do instead"
    )))
}

/// The version without Debian's part of it.
fn upstream(version: &str) -> &str {
    version.split(['+', '-']).next().unwrap_or_default()
}

/// What a package depends on, by how its name begins.
fn dependency(archive: &Archive<'_>, name: PackageName<'_>, begins: &str) -> Result<String, Failed> {
    let depends = archive.describe(name)?.depends;
    let found = depends.into_iter().find(|package| package.starts_with(begins));
    found.ok_or_else(|| {
        Failed(format!(
            "Debian's package {} does not depend on {begins}…",
            name.package
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_the_same_whatever_debian_adds_to_them() {
        assert_eq!(
            upstream("1.96.0+dfsg1-1~deb12u2"),
            upstream("1.96.0+dfsg1-1~deb13u1+b1")
        );
        assert_ne!(upstream("1.85.0+dfsg3-1~deb12u3"), upstream("1.96.0+dfsg1-1~deb12u2"));
        assert_eq!(upstream("1.96.0-1"), "1.96.0");
    }
}
