//! A copy of the workspace's sources below the target directory, where files may be changed.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::workspace::Workspace;

/// The copy.
pub struct Scratch<'w> {
    workspace: &'w Workspace,
    directory: PathBuf,
}

impl<'w> Scratch<'w> {
    /// Brings the copy called `name` up to date.
    pub fn new(workspace: &'w Workspace, name: &str) -> Result<Self, String> {
        let directory = workspace.target().join(name);
        copy(workspace.root(), &directory.join("sources"), workspace.target())
            .map_err(|error| format!("copying the sources to {}: {error}", directory.display()))?;
        Ok(Self { workspace, directory })
    }

    /// `cargo` with `arguments` in the copy; what it builds for `use` is kept apart.
    pub fn cargo(&self, purpose: &str, arguments: &[&str]) -> Command {
        let mut command = self.workspace.cargo(arguments);
        command
            .current_dir(self.directory.join("sources"))
            .env("CARGO_TARGET_DIR", self.directory.join(purpose));
        command
    }

    /// Where `file` is that cargo has built for `purpose`.
    pub fn built(&self, purpose: &str, file: &str) -> PathBuf {
        self.directory.join(purpose).join(file)
    }

    /// The text of `file`, from the root of the workspace.
    pub fn read(&self, file: &str) -> Result<String, String> {
        let path = self.path(file);
        fs::read_to_string(&path).map_err(|error| format!("reading {}: {error}", path.display()))
    }

    /// Makes `text` the text of `file`.
    pub fn write(&self, file: &str, text: &str) -> Result<(), String> {
        let path = self.path(file);
        fs::write(&path, text).map_err(|error| format!("writing {}: {error}", path.display()))
    }

    fn path(&self, file: &str) -> PathBuf {
        self.directory.join("sources").join(file)
    }
}

/// Makes `to` the same as `from`, but for hidden files and the directory `without`. A file that is the same already is
/// not touched, so that cargo builds only what is new.
fn copy(from: &Path, to: &Path, without: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    let mut kept = Vec::new();
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (path, name) = (entry.path(), entry.file_name());
        if name.as_encoded_bytes().starts_with(b".") || path == without || name == "target" {
            continue;
        }
        let copied = to.join(&name);
        if entry.file_type()?.is_dir() {
            copy(&path, &copied, without)?;
        } else {
            let contents = fs::read(&path)?;
            if fs::read(&copied).ok().as_ref() != Some(&contents) {
                fs::write(&copied, contents)?;
            }
        }
        kept.push(name);
    }
    for entry in fs::read_dir(to)? {
        let entry = entry?;
        if kept.contains(&entry.file_name()) {
            continue;
        }
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        } else {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}
