//! Programs that the steps need and that a machine with Rust, git and apt does not have.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use guest_images::{Cache, Stderr, Tool};

use crate::output::{Tally, run, say};
use crate::step::Outcome;
use crate::workspace::Workspace;

/// The version of cargo-deny that is built; a later one on the machine is as good.
const CARGO_DENY: Version = Version(0, 20, 2);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Version(u32, u32, u32);

impl Version {
    /// Reads `cargo-deny 0.20.2`.
    fn parse(text: &str) -> Option<Self> {
        let mut numbers = text
            .split_whitespace()
            .nth(1)?
            .split('.')
            .map(|number| number.parse().ok());
        Some(Self(numbers.next()??, numbers.next()??, numbers.next()??))
    }
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

/// cargo-deny: the machine's own if it is new enough, or one that is built once and kept in the cache.
pub fn cargo_deny(workspace: &Workspace, tally: &mut Tally) -> Result<PathBuf, String> {
    if is_new_enough(Path::new("cargo-deny")) {
        return Ok("cargo-deny".into());
    }
    let cache = Cache::from_environment().map_err(|error| sentence(&error))?;
    let root = cache.root().join("tools").join(format!("cargo-deny-{CARGO_DENY}"));
    let program = root.join("bin/cargo-deny");
    if is_new_enough(&program) {
        return Ok(program);
    }
    say(&format!(
        "    building cargo-deny {CARGO_DENY} into {}, once: some minutes",
        root.display()
    ));
    let version = CARGO_DENY.to_string();
    // Unoptimised: it builds in a third of the time and checks in under a second all the same.
    let mut install = workspace.cargo(&["install", "cargo-deny", "--version", &version, "--locked", "--debug"]);
    let target = workspace.target().join("cargo-deny");
    install
        .args(["--config", "profile.dev.debug=false", "--root"])
        .arg(&root)
        .env("CARGO_TARGET_DIR", &target);
    match run(&mut install, tally) {
        Outcome::Passed => {
            // Half a gigabyte that nobody needs again.
            let _ = fs::remove_dir_all(target);
            Ok(program)
        }
        _ => Err("cargo-deny could not be built, so nothing was checked; its output is above".to_owned()),
    }
}

fn is_new_enough(program: &Path) -> bool {
    let Ok(output) = Command::new(program).arg("--version").output() else {
        return false;
    };
    Version::parse(&String::from_utf8_lossy(&output.stdout)).is_some_and(|version| version >= CARGO_DENY)
}

/// QEMU's user emulation: the user's choice, or Debian's, which is fetched once and kept in the cache.
pub fn qemu_user() -> Result<PathBuf, String> {
    if let Some(path) = env::var_os("PTEG_QEMU_USER") {
        return Ok(path.into());
    }
    let cache = Cache::from_environment().map_err(|error| sentence(&error))?;
    Tool::QEMU_PPC64
        .fetch(&cache, &Stderr::new())
        .map_err(|error| sentence(&error))
}

/// An error and its causes in one line.
fn sentence(error: &dyn std::error::Error) -> String {
    let mut sentence = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        sentence += &format!(": {error}");
        cause = error.source();
    }
    sentence
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_compared_by_its_numbers() {
        assert_eq!(Version::parse("cargo-deny 0.20.2"), Some(Version(0, 20, 2)));
        assert!(Version::parse("cargo-deny 0.9.12").is_some_and(|version| version < CARGO_DENY));
        assert_eq!(Version::parse(""), None);
        assert_eq!(Version::parse("something else"), None);
    }
}
