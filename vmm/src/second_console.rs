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

/// The console that ends at `path`: a terminal, pipe or socket that is there, or else a file, which is made, or begun anew.
pub(crate) fn open(path: &Path) -> Result<Virtual, ConsoleError> {
    let console = open_end(path).map_err(|source| ConsoleError {
        path: path.to_owned(),
        source,
    })?;
    Ok(Virtual::named("console", Arc::new(console)))
}

fn open_end(path: &Path) -> io::Result<Console> {
    let kind = match path.metadata() {
        Ok(metadata) => Some(metadata.file_type()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    if kind.is_some_and(|kind| kind.is_socket()) {
        let stream = UnixStream::connect(path)?;
        stream.set_nonblocking(true)?;
        return Ok(Console::new(File::from(OwnedFd::from(stream)), Way::Both));
    }
    // It does not become this program's own terminal, and nobody waits for the other end of a pipe.
    let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed();
    let mut options = OpenOptions::new();
    options.write(true).custom_flags(flags);
    if kind.is_some_and(|kind| kind.is_char_device()) {
        return Ok(Console::new(options.read(true).open(path)?, Way::Both));
    }
    if kind.is_some_and(|kind| kind.is_fifo()) {
        // Open for reading as well, it needs nobody at its other end; but what would be read is what was written.
        return Ok(Console::new(options.read(true).open(path)?, Way::Out));
    }
    Ok(Console::new(options.create(true).truncate(true).open(path)?, Way::Out))
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
        assert!(open(&file).is_ok());
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
