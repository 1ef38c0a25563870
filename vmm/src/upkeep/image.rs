//! The file of a dump: it has a name only when it is complete. Until then it has none, so that nothing is left of it, however
//! the run ends. A file system without such files (`O_TMPFILE`) gets one with another name beside it, which goes away if it is not
//! completed; there a run that is killed leaves it.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Mode, OFlags};
use tempfile::NamedTempFile;

/// An image that is being written.
pub(super) struct Image {
    file: Unfinished,
    path: PathBuf,
}

/// A file that goes away unless it is completed.
enum Unfinished {
    Nameless(File),
    Named(NamedTempFile),
}

impl Image {
    /// For `path`, where nothing is yet: `bytes` zeros, as a hole.
    ///
    /// # Errors
    /// `AlreadyExists`, or why no file can be made there.
    pub(super) fn new(path: &Path, bytes: u64) -> io::Result<Self> {
        Self::make(path, bytes, nameless)
    }

    /// The same; `nameless` makes a file without a name in a folder.
    fn make(path: &Path, bytes: u64, nameless: impl FnOnce(&Path) -> io::Result<File>) -> io::Result<Self> {
        if path.symlink_metadata().is_ok() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let name = path.file_name().ok_or(io::ErrorKind::IsADirectory)?;
        let directory = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        // Says what is wrong with the folder, and not with a file in it that nobody asked for.
        fs::metadata(directory)?;
        let file = match nameless(directory) {
            Ok(file) => Unfinished::Nameless(file),
            // What is wrong with the folder as well is found again.
            Err(_) => {
                let mut prefix = std::ffi::OsString::from(".");
                prefix.push(name);
                Unfinished::Named(tempfile::Builder::new().prefix(&prefix).tempfile_in(directory)?)
            }
        };
        file.file().set_len(bytes)?;
        Ok(Self {
            file,
            path: path.to_owned(),
        })
    }

    /// One that goes to whatever `file` is.
    #[cfg(test)]
    pub(super) fn on(file: NamedTempFile) -> Self {
        let path = file.path().to_owned();
        Self {
            file: Unfinished::Named(file),
            path,
        }
    }

    /// Writes `content` at `at`, but for pages of zeros, which are there already. How many bytes that were.
    pub(super) fn write(&self, content: &[u8], at: u64) -> io::Result<u64> {
        let mut written = 0;
        let mut at = at;
        for page in content.chunks(super::FRAME as usize) {
            if !is_zero(page) {
                self.file.file().write_all_at(page, at)?;
                written += page.len() as u64;
            }
            at += page.len() as u64;
        }
        Ok(written)
    }

    /// It is complete: it gets its name, unless something is there by now.
    pub(super) fn complete(self) -> io::Result<()> {
        self.file.file().sync_all()?;
        match self.file {
            Unfinished::Nameless(file) => link(&file, &self.path),
            Unfinished::Named(file) => {
                file.persist_noclobber(&self.path).map_err(|error| error.error)?;
                Ok(())
            }
        }
    }
}

impl Unfinished {
    fn file(&self) -> &File {
        match self {
            Self::Nameless(file) => file,
            Self::Named(file) => file.as_file(),
        }
    }
}

/// A file without a name in `directory`, its owner's alone.
fn nameless(directory: &Path) -> io::Result<File> {
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    Ok(rustix::fs::open(directory, flags, Mode::RUSR | Mode::WUSR)?.into())
}

/// Gives it its first name, if nothing has that.
fn link(file: &File, path: &Path) -> io::Result<()> {
    let descriptor = format!("/proc/self/fd/{}", file.as_raw_fd());
    Ok(rustix::fs::linkat(CWD, descriptor, CWD, path, AtFlags::SYMLINK_FOLLOW)?)
}

fn is_zero(page: &[u8]) -> bool {
    // By sixteen, which the host compares at once.
    page.chunks(16)
        .all(|bytes| bytes.iter().fold(0, |all, byte| all | byte) == 0)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    type Make = fn(&Path, u64) -> io::Result<Image>;

    /// On a file system with files that have no name, and on one without.
    const MAKES: [Make; 2] = [Image::new, |path, bytes| {
        Image::make(path, bytes, |_| Err(io::ErrorKind::Unsupported.into()))
    }];

    #[test]
    fn a_file_has_its_name_when_it_is_complete_and_zeros_are_holes() {
        for make in MAKES {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("image");
            let image = make(&path, 0x10_0000).unwrap();
            let mut content = vec![0; 0x3000];
            content[0x1fff] = 1;
            assert_eq!(image.write(&content, 0x8000).unwrap(), 0x1000);
            assert!(!path.exists());
            image.complete().unwrap();
            let whole = fs::read(&path).unwrap();
            assert_eq!(whole.len(), 0x10_0000);
            assert!(whole[..0x9fff].iter().all(|&byte| byte == 0) && whole[0x9fff] == 1);
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
            assert_eq!(fs::read_dir(&directory).unwrap().count(), 1);
        }
    }

    /// As when the run is killed while it is written.
    #[test]
    fn a_file_that_is_not_complete_cannot_be_left_behind() {
        let directory = tempfile::tempdir().unwrap();
        let image = Image::new(&directory.path().join("image"), 0x1000).unwrap();
        image.write(&[1; 0x1000], 0).unwrap();
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 0);
    }

    #[test]
    fn what_is_given_up_leaves_nothing_and_what_exists_stays() {
        for make in MAKES {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("image");
            drop(make(&path, 0x1000).unwrap());
            assert_eq!(fs::read_dir(&directory).unwrap().count(), 0);
            let late = make(&path, 0x1000).unwrap();
            fs::write(&path, "mine").unwrap();
            let exists = |result: io::Result<()>| result.unwrap_err().kind() == io::ErrorKind::AlreadyExists;
            assert!(exists(make(&path, 0x1000).map(drop)) && exists(late.complete()));
            assert_eq!(fs::read(&path).unwrap(), b"mine");
            assert_eq!(fs::read_dir(&directory).unwrap().count(), 1);
        }
    }

    #[test]
    fn what_is_wrong_with_the_folder_is_said_of_the_folder() {
        let error = Image::new(Path::new("/nowhere/image"), 0x1000).err().unwrap();
        assert_eq!(error.to_string(), "No such file or directory (os error 2)");
    }
}
