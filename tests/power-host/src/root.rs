//! What stands in an emulated host: BusyBox, `pteg` and what else is built for it, the scripts, and the files that they need.

use std::fs;
use std::path::{Path, PathBuf};

use guest_images::{Cache, ExtraFile, Image, ImageOptions, Init, Prepared, Progress};

use crate::host::Error;
use crate::{File, Run};

/// The host's first process.
const INIT: &str = include_str!("init.sh");

/// The programs that are built for a host: `pteg`, and another process that shares a guest's memory.
pub const PROGRAMS: [&str; 2] = ["pteg", "memory_peer"];

/// The root file system of a host, to be packed.
#[derive(Debug, Default)]
pub struct Root {
    files: Vec<ExtraFile>,
}

/// A root file system in an initramfs, which is gone when this is dropped.
#[derive(Debug)]
pub struct Packed(Prepared);

impl Root {
    /// One in which `pteg` is the program in the file `pteg`, with the rest of [`PROGRAMS`], which are beside it.
    pub fn new(pteg: &Path) -> Result<Self, Error> {
        let mut root = Self::default();
        for program in PROGRAMS {
            root.copy(&pteg.with_file_name(program), &format!("bin/{program}"))?;
        }
        Ok(root)
    }

    /// Adds a copy of a file of this machine, with its permission to be executed.
    pub fn copy(&mut self, from: &Path, to: &str) -> Result<(), Error> {
        use std::os::unix::fs::PermissionsExt as _;
        let unreadable = |source| Error::Read {
            path: from.to_owned(),
            source,
        };
        let contents = fs::read(from).map_err(unreadable)?;
        let mode = fs::metadata(from).map_err(unreadable)?.permissions().mode();
        self.add(to, if mode & 0o100 == 0 { 0o644 } else { 0o755 }, contents);
        Ok(())
    }

    /// Adds a script that can be run by its name, in the directory `/root`.
    pub fn script(&mut self, name: &str, text: &str) {
        self.add(&format!("scripts/{name}"), 0o644, format!("{text}\n").into_bytes());
    }

    /// Adds the scripts of cases and their files.
    pub fn runs(&mut self, runs: &[Run], cache: &Cache, progress: &dyn Progress) -> Result<(), Error> {
        let mut there: Vec<File> = Vec::new();
        for run in runs {
            self.script(&run.to_string(), &run.script());
            for file in run.case.files {
                if !there.contains(file) {
                    self.needed(file, cache, progress)?;
                    there.push(*file);
                }
            }
        }
        Ok(())
    }

    /// Adds what a case calls `file`.
    pub fn needed(&mut self, file: &File, cache: &Cache, progress: &dyn Progress) -> Result<(), Error> {
        for (path, contents) in file.contents(cache, progress)? {
            self.add(&format!("root/{path}"), 0o644, contents);
        }
        Ok(())
    }

    /// Lets the host give its console a shell instead of running scripts.
    pub fn interactive(&mut self) {
        self.add("interactive", 0o644, Vec::new());
    }

    /// The initramfs.
    pub fn pack(self, cache: &Cache, progress: &dyn Progress) -> Result<Packed, Error> {
        // A guest of ours and this host are of one architecture: what starts the one starts the other.
        let options = ImageOptions {
            init: Init::Replace(INIT.to_owned()),
            extra_files: self.files,
            ..ImageOptions::default()
        };
        Ok(Packed(Image::ALL[0].prepare(cache, progress, &options)?))
    }

    fn add(&mut self, path: &str, permissions: u32, contents: Vec<u8>) {
        self.files.push(ExtraFile {
            path: path.to_owned(),
            permissions,
            contents,
        });
    }
}

impl Packed {
    /// Where it is.
    pub fn path(&self) -> &PathBuf {
        &self.0.initrd
    }
}
