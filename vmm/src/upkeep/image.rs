//! The file of a dump: it has its name only when it is complete. Until then it lies beside that under another one, and goes
//! away if it is not completed; only a host that dies leaves it.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

/// An image that is being written.
pub(super) struct Image {
    file: NamedTempFile,
    path: PathBuf,
}

impl Image {
    /// For `path`, where nothing is yet: `bytes` zeros, as a hole.
    ///
    /// # Errors
    /// `AlreadyExists`, or why no file can be made there.
    pub(super) fn new(path: &Path, bytes: u64) -> io::Result<Self> {
        if path.symlink_metadata().is_ok() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let name = path.file_name().ok_or(io::ErrorKind::IsADirectory)?;
        let directory = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let mut prefix = std::ffi::OsString::from(".");
        prefix.push(name);
        let file = tempfile::Builder::new().prefix(&prefix).tempfile_in(directory)?;
        file.as_file().set_len(bytes)?;
        Ok(Self {
            file,
            path: path.to_owned(),
        })
    }

    /// One that goes to whatever `file` is.
    #[cfg(test)]
    pub(super) fn on(file: NamedTempFile) -> Self {
        let path = file.path().to_owned();
        Self { file, path }
    }

    /// Writes `content` at `at`, but for pages of zeros, which are there already. How many bytes that were.
    pub(super) fn write(&self, content: &[u8], at: u64) -> io::Result<u64> {
        let mut written = 0;
        let mut at = at;
        for page in content.chunks(super::FRAME as usize) {
            if !is_zero(page) {
                self.file().write_all_at(page, at)?;
                written += page.len() as u64;
            }
            at += page.len() as u64;
        }
        Ok(written)
    }

    /// It is complete: it gets its name, unless something is there by now.
    pub(super) fn complete(self) -> io::Result<()> {
        self.file().sync_all()?;
        self.file.persist_noclobber(&self.path).map_err(|error| error.error)?;
        Ok(())
    }

    fn file(&self) -> &File {
        self.file.as_file()
    }
}

fn is_zero(page: &[u8]) -> bool {
    // By sixteen, which the host compares at once.
    page.chunks(16)
        .all(|bytes| bytes.iter().fold(0, |all, byte| all | byte) == 0)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_file_has_its_name_when_it_is_complete_and_zeros_are_holes() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("image");
        let image = Image::new(&path, 0x10_0000).unwrap();
        let mut content = vec![0; 0x3000];
        content[0x1fff] = 1;
        assert_eq!(image.write(&content, 0x8000).unwrap(), 0x1000);
        assert!(!path.exists());
        image.complete().unwrap();
        let whole = fs::read(&path).unwrap();
        assert_eq!(whole.len(), 0x10_0000);
        assert!(whole[..0x9fff].iter().all(|&byte| byte == 0) && whole[0x9fff] == 1);
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 1);
    }

    #[test]
    fn what_is_given_up_leaves_nothing_and_what_exists_stays() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("image");
        drop(Image::new(&path, 0x1000).unwrap());
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 0);
        let late = Image::new(&path, 0x1000).unwrap();
        fs::write(&path, "mine").unwrap();
        let exists = |result: io::Result<()>| result.unwrap_err().kind() == io::ErrorKind::AlreadyExists;
        assert!(exists(Image::new(&path, 0x1000).map(drop)) && exists(late.complete()));
        assert_eq!(fs::read(&path).unwrap(), b"mine");
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 1);
    }
}
