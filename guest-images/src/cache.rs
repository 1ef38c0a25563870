//! The directory where images, tools and apt's private state are kept, and its lock.
//!
//! ```text
//! images/debian/    a finished image; the directory appears whole, by a rename
//! tools/…/          a finished tool, likewise
//! …/                whatever a recipe outside this crate makes ([`Cache::made`]), likewise
//! apt/…/            what apt knows, one directory a suite and architecture
//! lock              held while something is being made
//! ```
//!
//! Whoever finds a finished directory needs no lock. To have an image made anew, with newer packages,
//! delete its directory.

use std::env;
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use crate::host::Host;
use crate::{Archive, Error, Progress};

/// Where images are kept.
#[derive(Clone, Debug)]
pub struct Cache {
    root: PathBuf,
    pub(crate) host: Host,
}

impl Cache {
    /// The user's cache: `PTEG_CACHE`, or `pteg` in `XDG_CACHE_HOME`, or in `~/.cache`.
    pub fn from_environment() -> Result<Self, Error> {
        let root = locate(|name| env::var_os(name)).ok_or(Error::NoCacheDirectory)?;
        Self::at(&root)
    }

    /// A cache in the directory `root`, which need not exist yet.
    pub fn at(root: &Path) -> Result<Self, Error> {
        // apt takes a relative path as one within the system's own directories.
        let root = std::path::absolute(root).map_err(|source| Error::CreateDirectory {
            path: root.to_owned(),
            source,
        })?;
        Ok(Self {
            root,
            host: Host::of_process(),
        })
    }

    /// The directory itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Waits until no other pteg is at work in this cache, then keeps others out.
    pub(crate) fn lock(&self, progress: &dyn Progress) -> Result<Lock, Error> {
        create_directory(&self.root)?;
        let path = self.root.join("lock");
        let open = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path);
        let taken = open.and_then(|file| {
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    let _waiting = progress.begin("waiting for another pteg to finish its download", None);
                    file.lock()?;
                }
                Err(TryLockError::Error(error)) => return Err(error),
            }
            Ok(Lock { file })
        });
        taken.map_err(|source| Error::Lock { path, source })
    }

    /// Makes the directory `name` in one step: `fill` writes into an empty one beside it, which takes
    /// the name once it is complete.
    pub(crate) fn make_directory<E: From<Error>>(
        &self,
        _lock: &Lock,
        name: &Path,
        fill: impl FnOnce(&Path) -> Result<(), E>,
    ) -> Result<PathBuf, E> {
        let finished = self.root.join(name);
        let partial = finished.with_added_extension("partial");
        remove_directory(&partial)?;
        create_directory(&partial)?;
        fill(&partial)?;
        remove_directory(&finished)?;
        fs::rename(&partial, &finished).map_err(|source| Error::Write {
            path: finished.clone(),
            source,
        })?;
        Ok(finished)
    }

    /// The directory `name` of this cache; if it is not there, `fill` makes it out of Debian's packages, in an empty directory
    /// beside it that takes the name once it is complete. Meanwhile no other pteg is at work in this cache.
    pub fn made<E: From<Error>>(
        &self,
        name: &Path,
        progress: &dyn Progress,
        fill: impl FnOnce(&Archive<'_>, &Path) -> Result<(), E>,
    ) -> Result<PathBuf, E> {
        let finished = self.root.join(name);
        if finished.exists() {
            return Ok(finished);
        }
        let lock = self.lock(progress)?;
        // Whoever held the lock before may have made it.
        if finished.exists() {
            return Ok(finished);
        }
        let archive = Archive::new(self, &lock, progress);
        self.make_directory(&lock, name, |directory| fill(&archive, directory))
    }
}

/// The right to change the cache, until it is dropped.
///
/// It is the host's own lock on an open file, so nothing is left behind by a process that was killed.
pub(crate) struct Lock {
    file: File,
}

impl Lock {
    /// A handle that holds the same lock: a child process that has it on its stdin keeps others out
    /// even if it outlives us. The file is empty, so the child reads nothing from it.
    pub(crate) fn share(&self) -> io::Result<File> {
        self.file.try_clone()
    }
}

/// Makes a directory and what leads to it, unless it is there.
pub(crate) fn create_directory(path: &Path) -> Result<(), Error> {
    fs::create_dir_all(path).map_err(|source| Error::CreateDirectory {
        path: path.to_owned(),
        source,
    })
}

fn remove_directory(path: &Path) -> Result<(), Error> {
    match fs::remove_dir_all(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => Err(Error::Write {
            path: path.to_owned(),
            source,
        }),
        _ => Ok(()),
    }
}

/// Where the variables of the environment say that the cache is.
fn locate(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let directory = |name| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    directory("PTEG_CACHE").or_else(|| {
        // The XDG Base Directory Specification: a relative path is invalid and is ignored.
        directory("XDG_CACHE_HOME")
            .filter(|path| path.is_absolute())
            .or_else(|| directory("HOME").map(|home| home.join(".cache")))
            .map(|base| base.join("pteg"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Silent;

    fn locate_in(variables: &[(&str, &str)]) -> Option<PathBuf> {
        locate(|name| {
            variables
                .iter()
                .find(|(n, _)| *n == name)
                .map(|(_, value)| value.into())
        })
    }

    #[test]
    fn the_most_special_variable_decides() {
        let all = [("HOME", "/h"), ("XDG_CACHE_HOME", "/x"), ("PTEG_CACHE", "/p")];
        assert_eq!(locate_in(&all), Some("/p".into()));
        assert_eq!(locate_in(&all[..2]), Some("/x/pteg".into()));
        assert_eq!(locate_in(&all[..1]), Some("/h/.cache/pteg".into()));
        assert_eq!(locate_in(&[]), None);
    }

    #[test]
    fn empty_and_relative_xdg_directories_are_ignored() {
        assert_eq!(
            locate_in(&[("HOME", "/h"), ("XDG_CACHE_HOME", "")]),
            Some("/h/.cache/pteg".into())
        );
        assert_eq!(
            locate_in(&[("HOME", "/h"), ("XDG_CACHE_HOME", "x")]),
            Some("/h/.cache/pteg".into())
        );
    }

    #[test]
    fn a_lock_keeps_others_out_until_its_last_handle_is_gone() {
        let directory = tempfile::tempdir().unwrap();
        let cache = Cache::at(directory.path()).unwrap();
        let lock = cache.lock(&Silent).unwrap();
        let other = File::open(directory.path().join("lock")).unwrap();
        let child = lock.share().unwrap();
        drop(lock);
        assert!(matches!(other.try_lock(), Err(TryLockError::WouldBlock)));
        drop(child);
        // It waits for a process that another test is just starting, which has the file until it has become its program.
        other.lock().unwrap();
    }

    #[test]
    fn a_directory_that_was_left_half_done_is_done_again() {
        let directory = tempfile::tempdir().unwrap();
        let cache = Cache::at(directory.path()).unwrap();
        let lock = cache.lock(&Silent).unwrap();
        let name = Path::new("images/some");
        let interrupted = cache.make_directory(&lock, name, |path| {
            fs::write(path.join("one"), "half").unwrap();
            Err(Error::NoCacheDirectory)
        });
        assert!(interrupted.is_err());
        assert!(!cache.root().join(name).exists());
        let made = cache.make_directory(&lock, name, |path| {
            assert_eq!(fs::read_dir(path).unwrap().count(), 0);
            Ok::<_, Error>(())
        });
        drop(lock);
        let made = made.unwrap();
        assert!(made.exists());
        let again = cache.made(name, &Silent, |_, _| -> Result<(), Error> { panic!("it is there") });
        assert_eq!(again.unwrap(), made);
    }

    #[test]
    fn a_cache_that_cannot_be_written_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("file");
        fs::write(&file, "").unwrap();
        let error = Cache::at(&file.join("cache")).unwrap().lock(&Silent).err().unwrap();
        let message = error.to_string();
        assert!(message.contains(&*file.to_string_lossy()), "{message}");
        assert!(message.contains("PTEG_CACHE"), "{message}");
    }
}
