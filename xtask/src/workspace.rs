//! Where the workspace is, and cargo commands that run in it.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The workspace that this program belongs to.
pub struct Workspace {
    root: PathBuf,
    target: PathBuf,
}

impl Workspace {
    /// The workspace whose cargo started this process.
    pub fn of_process() -> Self {
        // Set by `cargo run`; without it, where this program was built.
        let manifest = env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
        let root = Path::new(&manifest).parent().map_or_else(PathBuf::new, Path::to_owned);
        // A relative one is relative to where cargo is run: the root, for all commands below.
        let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from);
        let target = root.join(target);
        Self { root, target }
    }

    /// Where its sources are.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where the build's results are.
    pub fn target(&self) -> &Path {
        &self.target
    }

    /// `program` with `arguments`, to be run in the workspace.
    pub fn command(&self, program: impl Into<PathBuf>, arguments: &[&str]) -> Command {
        let mut command = Command::new(program.into());
        command
            .args(arguments)
            .current_dir(&self.root)
            .env("CARGO_TARGET_DIR", &self.target);
        for name in env::vars_os().map(|(name, _)| name) {
            // What cargo says of this package is not true of those that are built.
            if name
                .to_str()
                .is_some_and(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_"))
            {
                command.env_remove(name);
            }
        }
        command
    }

    /// `cargo` with `arguments`.
    pub fn cargo(&self, arguments: &[&str]) -> Command {
        self.command(cargo(), arguments)
    }
}

/// The cargo that started this process, or the first in `PATH`.
fn cargo() -> PathBuf {
    env::var_os("CARGO").map_or_else(|| "cargo".into(), PathBuf::from)
}
