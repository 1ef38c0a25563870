//! `--virtio-console`: where the guest's second console ends.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use devices::virtio::console::{Console, Way};
use rustix::fs::OFlags;

use crate::virtio::Virtual;

/// Why there is no console there.
#[derive(Debug, thiserror::Error)]
#[error("--virtio-console {}: give a terminal, a pipe, a socket where somebody listens, or a file that can be written", path.display())]
pub(crate) struct ConsoleError {
    path: PathBuf,
    #[source]
    source: io::Error,
}

impl ConsoleError {
    fn at(path: &Path) -> impl Fn(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self {
            path: path.clone(),
            source,
        }
    }
}

/// A file that a console ends in, with what it held before the run.
pub(crate) struct Log {
    path: PathBuf,
    file: File,
}

impl Log {
    /// Begins it anew. For a run that starts: what ends before that, as wrong use does, loses nothing.
    pub(crate) fn begin(&self) -> Result<(), ConsoleError> {
        self.file.set_len(0).map_err(ConsoleError::at(&self.path))
    }
}

/// Whether a console could end at `path`; nobody is connected to, and no file made.
pub(crate) fn check(path: &Path) -> Result<(), ConsoleError> {
    let checked = match path.metadata() {
        Ok(metadata) if metadata.is_file() => OpenOptions::new().write(true).open(path).map(drop),
        Ok(metadata) if metadata.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
            folder.map_or(Ok(()), |folder| folder.metadata().map(drop))
        }
        Err(error) => Err(error),
    };
    checked.map_err(ConsoleError::at(path))
}

/// The console that ends at `path`: a terminal, pipe or socket that is there, or else a file, which is made, and is to be begun.
pub(crate) fn open(path: &Path) -> Result<(Virtual, Option<Log>), ConsoleError> {
    let (console, file) = open_end(path).map_err(ConsoleError::at(path))?;
    let log = file.map(|file| Log {
        path: path.to_owned(),
        file,
    });
    Ok((Virtual::named("console", Arc::new(console)), log))
}

fn open_end(path: &Path) -> io::Result<(Console, Option<File>)> {
    let kind = match path.metadata() {
        Ok(metadata) => Some(metadata.file_type()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    if kind.is_some_and(|kind| kind.is_socket()) {
        let stream = UnixStream::connect(path)?;
        stream.set_nonblocking(true)?;
        return Ok((Console::new(File::from(OwnedFd::from(stream)), Way::Both), None));
    }
    // It does not become this program's own terminal, and nobody waits for the other end of a pipe.
    let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed();
    let mut options = OpenOptions::new();
    options.write(true).custom_flags(flags);
    if kind.is_some_and(|kind| kind.is_char_device()) {
        return Ok((Console::new(options.read(true).open(path)?, Way::Both), None));
    }
    if kind.is_some_and(|kind| kind.is_fifo()) {
        // Open for reading as well, it needs nobody at its other end; but what would be read is what was written.
        return Ok((Console::new(options.read(true).open(path)?, Way::Out), None));
    }
    let file = options.create(true).truncate(false).open(path)?;
    let log = file.metadata()?.is_file().then(|| file.try_clone()).transpose()?;
    Ok((Console::new(file, Way::Out), log))
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn a_console_ends_where_one_can() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "old").unwrap();
        let (_console, log) = open(&file).unwrap();
        assert_eq!(std::fs::read(&file).unwrap(), b"old", "the run may not start");
        log.unwrap().begin().unwrap();
        assert_eq!(std::fs::read(&file).unwrap(), b"");
        let new = folder.path().join("new");
        assert!(open(&new).is_ok() && new.exists());
        let socket = folder.path().join("socket");
        let listener = UnixListener::bind(&socket).unwrap();
        assert!(open(&socket).is_ok());
        drop(listener);
        // A process that another test is just starting has it until it has become its program.
        while UnixStream::connect(&socket).is_ok() {
            std::thread::yield_now();
        }
        for wrong in [socket, folder.path().to_owned(), folder.path().join("none/file")] {
            let said = open(&wrong).map(drop).unwrap_err().to_string();
            assert!(said.contains(wrong.to_str().unwrap()), "{said}");
        }
    }
}
