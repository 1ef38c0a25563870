//! The file of a dump: it has its name only when it is complete. Until then it has none at all, so that the kernel takes it back
//! however this program ends. Where the file system has no files without a name, it lies beside that under another one
//! (`.dump` and some letters), which goes away if the dump is given up; if the program ends before that, it stays.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Mode, OFlags};
use rustix::io::Errno;
use tempfile::NamedTempFile;

/// An image that is being written.
pub(super) struct Image {
    file: Unfinished,
    path: PathBuf,
}

enum Unfinished {
    /// In no folder.
    Unnamed(File),
    /// Under a name of its own.
    Named(NamedTempFile),
}

impl Image {
    /// For `path`, where nothing is yet: `bytes` zeros, as a hole. Only its owner may read it.
    ///
    /// # Errors
    /// `AlreadyExists`, or why no file can be made there.
    pub(super) fn new(path: &Path, bytes: u64) -> io::Result<Self> {
        let folder = folder_of(path)?;
        let file = match unnamed(folder)? {
            Some(file) => Unfinished::Unnamed(file),
            None => Unfinished::Named(named(folder)?),
        };
        Self::with(file, path, bytes)
    }

    fn with(file: Unfinished, path: &Path, bytes: u64) -> io::Result<Self> {
        let path = path.to_owned();
        let image = Self { file, path };
        image.file().set_len(bytes)?;
        Ok(image)
    }

    /// One that goes to whatever `file` is.
    #[cfg(test)]
    pub(super) fn on(file: File, path: &Path) -> Self {
        Self {
            file: Unfinished::Unnamed(file),
            path: path.to_owned(),
        }
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
        match self.file {
            // A link never takes the place of what is there.
            Unfinished::Unnamed(file) => {
                rustix::fs::linkat(CWD, in_proc(&file), CWD, &self.path, AtFlags::SYMLINK_FOLLOW)?;
            }
            Unfinished::Named(file) => drop(file.persist_noclobber(&self.path).map_err(|error| error.error)?),
        }
        Ok(())
    }

    fn file(&self) -> &File {
        match &self.file {
            Unfinished::Unnamed(file) => file,
            Unfinished::Named(file) => file.as_file(),
        }
    }
}

/// The folder of `path`, which may be the name of a new file: said before memory is copied, not after it.
fn folder_of(path: &Path) -> io::Result<&Path> {
    match path.symlink_metadata() {
        Ok(_) => return Err(io::ErrorKind::AlreadyExists.into()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    // Of `a/` and `a/.` the name is `a`, but only a folder is called so.
    let name = path.file_name().map_or(&[][..], |name| name.as_bytes());
    if name.is_empty() || !path.as_os_str().as_bytes().ends_with(name) {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => Ok(parent),
        _ => Ok(Path::new(".")),
    }
}

/// A file in no folder, on the file system of `folder`. `None`: it has no such files, or they could not get a name later.
fn unnamed(folder: &Path) -> io::Result<Option<File>> {
    let flags = OFlags::RDWR | OFlags::TMPFILE | OFlags::CLOEXEC;
    match rustix::fs::open(folder, flags, Mode::RUSR | Mode::WUSR) {
        Ok(file) => Ok(Some(File::from(file)).filter(|file| in_proc(file).exists())),
        Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// A file of another name in `folder`.
fn named(folder: &Path) -> io::Result<NamedTempFile> {
    tempfile::Builder::new().prefix(".dump").tempfile_in(folder)
}

/// Where the kernel shows `file`, whatever it is called.
fn in_proc(file: &File) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()))
}

fn is_zero(page: &[u8]) -> bool {
    // By sixteen, which the host compares at once.
    page.chunks(16)
        .all(|bytes| bytes.iter().fold(0, |all, byte| all | byte) == 0)
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    /// For `path`, of each kind.
    fn images(path: &Path, bytes: u64) -> [Image; 2] {
        let folder = path.parent().unwrap();
        let unnamed = Image::new(path, bytes).unwrap();
        assert!(
            matches!(unnamed.file, Unfinished::Unnamed(_)),
            "the tests' file system has them"
        );
        let named = Unfinished::Named(named(folder).unwrap());
        [unnamed, Image::with(named, path, bytes).unwrap()]
    }

    #[test]
    fn a_file_has_its_name_when_it_is_complete_and_zeros_are_holes() {
        let directory = tempfile::tempdir().unwrap();
        // As long as a name may be.
        let path = directory.path().join("i".repeat(255));
        for image in images(&path, 0x10_0000) {
            let mut content = vec![0; 0x3000];
            content[0x1fff] = 1;
            assert_eq!(image.write(&content, 0x8000).unwrap(), 0x1000);
            assert!(!path.exists());
            image.complete().unwrap();
            let whole = fs::read(&path).unwrap();
            assert_eq!(whole.len(), 0x10_0000);
            assert!(whole[..0x9fff].iter().all(|&byte| byte == 0) && whole[0x9fff] == 1);
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
            fs::remove_file(&path).unwrap();
        }
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 0);
    }

    /// Whatever happens to this program then.
    #[test]
    fn what_is_not_complete_is_in_no_folder() {
        let directory = tempfile::tempdir().unwrap();
        let image = Image::new(&directory.path().join("image"), 0x1000).unwrap();
        image.write(&[7; 0x1000], 0).unwrap();
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 0);
    }

    #[test]
    fn what_is_given_up_leaves_nothing_and_what_exists_stays() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("image");
        drop(images(&path, 0x1000));
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 0);
        let late = images(&path, 0x1000);
        fs::write(&path, "mine").unwrap();
        let exists = |result: io::Result<()>| result.unwrap_err().kind() == io::ErrorKind::AlreadyExists;
        assert!(exists(Image::new(&path, 0x1000).map(drop)));
        assert!(late.into_iter().all(|image| exists(image.complete())));
        assert_eq!(fs::read(&path).unwrap(), b"mine");
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 1);
    }

    #[test]
    fn what_cannot_be_the_name_of_a_file_is_refused_at_once() {
        let directory = tempfile::tempdir().unwrap();
        let refused = |name: OsString| {
            Image::new(&directory.path().join(name), 0x1000)
                .err()
                .map(|error| error.kind())
        };
        for folder in ["zz/", "zz/.", "zz//"] {
            assert_eq!(refused(folder.into()), Some(io::ErrorKind::IsADirectory), "{folder}");
        }
        assert_eq!(refused("..".into()), Some(io::ErrorKind::AlreadyExists));
        assert_eq!(refused("zz/image".into()), Some(io::ErrorKind::NotFound));
        assert_eq!(refused("i".repeat(256).into()), Some(io::ErrorKind::InvalidFilename));
        assert_eq!(refused(".".repeat(3).into()), None);
    }
}
