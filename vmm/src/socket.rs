//! A socket in the file system: made so that nobody but its user can ever reach it, in place of one that a dead run has left,
//! never in place of anything else, and taken away again.
//!
//! Linux gives a socket's file the permissions of the socket itself, less the user's mask. They are set before the socket gets
//! a name, so there is no moment at which others could connect. It gets its own name when it listens already: at no moment does it
//! look like one that a dead run has left. Until then it has a name of chance in the same folder.

use std::fs;
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use tempfile::NamedTempFile;

/// Bytes that a path may have, as the kernel keeps it with the socket.
pub(crate) const MOST_PATH_BYTES: usize = 107;

/// Connections that wait to be taken.
const BACKLOG: i32 = 128;

/// A socket cannot be made.
#[derive(Debug, thiserror::Error)]
#[error("{flag} {}", path.display())]
pub(crate) struct SocketError {
    /// The flag that asks for it.
    flag: &'static str,
    path: PathBuf,
    #[source]
    why: Why,
}

impl SocketError {
    /// The flag that asks for it.
    pub(crate) fn flag(&self) -> &'static str {
        self.flag
    }
}

/// Why not.
#[derive(Debug, thiserror::Error)]
enum Why {
    /// The kernel has no room for its path.
    #[error("the path of a Unix socket has {MOST_PATH_BYTES} bytes at most, this one {0}; give a shorter one")]
    TooLong(usize),
    /// It is somebody else's, or another one of this run.
    #[error("somebody listens at this path already; give each run, and each of its sockets, a path of its own")]
    Taken,
    /// It is a file that is not to be lost.
    #[error("there is a file already, and it is no socket; give a path where none is")]
    File,
    /// The system refuses it.
    #[error("give a path in a folder that exists and that you may write to")]
    Path(#[source] io::Error),
}

impl From<io::Error> for Why {
    fn from(error: io::Error) -> Self {
        Self::Path(error)
    }
}

impl From<Errno> for Why {
    fn from(error: Errno) -> Self {
        Self::Path(error.into())
    }
}

/// A socket that takes connections. Its file goes away when this is dropped.
#[derive(Debug)]
pub(crate) struct Socket {
    listener: UnixListener,
    path: PathBuf,
    /// The file that was made, whatever has its name by then.
    device: u64,
    inode: u64,
}

impl Socket {
    /// Makes it at `path`, as `flag` asks. Connections wait from here on.
    pub(crate) fn new(flag: &'static str, path: &Path) -> Result<Self, SocketError> {
        Self::make(path).map_err(|why| SocketError {
            flag,
            path: path.to_owned(),
            why,
        })
    }

    /// Whether one could be made at `path`; none is.
    pub(crate) fn check(flag: &'static str, path: &Path) -> Result<(), SocketError> {
        let checked = || match (address(path)?, fs::symlink_metadata(path)) {
            (_, Ok(metadata)) if !metadata.file_type().is_socket() => Err(Why::File),
            (_, Ok(_)) => Ok(()),
            (_, Err(error)) if error.kind() == io::ErrorKind::NotFound => {
                fs::metadata(folder_of(path)).map(drop).map_err(Why::Path)
            }
            (_, Err(error)) => Err(Why::Path(error)),
        };
        checked().map_err(|why| SocketError {
            flag,
            path: path.to_owned(),
            why,
        })
    }

    fn make(path: &Path) -> Result<Self, Why> {
        let address = address(path)?;
        // Two runs that find the socket of a third one dead: only one may replace it.
        let _turn = lock_folder(path);
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = rustix::fs::open(folder_of(path), flags, Mode::empty())?;
        let mut listening = listen_in(&folder)?;
        let metadata = fs::symlink_metadata(listening.path())?;
        loop {
            match listening.persist_noclobber(path) {
                Ok(socket) => {
                    return Ok(Self {
                        listener: UnixListener::from(socket),
                        path: path.to_owned(),
                        device: metadata.dev(),
                        inode: metadata.ino(),
                    });
                }
                Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => {
                    remove_dead(path, &address)?;
                    listening = error.file;
                }
                Err(error) => return Err(error.error.into()),
            }
        }
    }

    /// The socket itself.
    pub(crate) fn listener(&self) -> &UnixListener {
        &self.listener
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // Somebody may have put another file in its place.
        let is_ours = |metadata: fs::Metadata| metadata.dev() == self.device && metadata.ino() == self.inode;
        if fs::symlink_metadata(&self.path).is_ok_and(is_ours) {
            // Nobody is left to be told; a next run replaces it.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// A socket that takes connections and does not wait for them, at a name of chance in `folder`, which stays open until it has
/// another name.
fn listen_in(folder: &OwnedFd) -> io::Result<NamedTempFile<OwnedFd>> {
    // By its descriptor, as there is little room in a socket for its path, and the folder's may be long.
    let short = format!("/proc/self/fd/{}", folder.as_raw_fd());
    tempfile::Builder::new().prefix(".pteg-").make_in(short, |name| {
        let socket = new_socket()?;
        rustix::fs::fchmod(&socket, Mode::RUSR | Mode::WUSR)?;
        rustix::net::bind(&socket, &SocketAddrUnix::new(name)?)?;
        rustix::net::listen(&socket, BACKLOG)?;
        Ok(socket)
    })
}

fn new_socket() -> Result<OwnedFd, Errno> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)
}

/// The address that `path` is, if it is not too long for one.
fn address(path: &Path) -> Result<SocketAddrUnix, Why> {
    let bytes = path.as_os_str().len();
    if bytes > MOST_PATH_BYTES {
        return Err(Why::TooLong(bytes));
    }
    Ok(SocketAddrUnix::new(path)?)
}

fn folder_of(path: &Path) -> &Path {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    folder.unwrap_or(Path::new("."))
}

/// Takes away the socket at `path` that nobody listens at any more, unless that has happened meanwhile.
fn remove_dead(path: &Path, address: &SocketAddrUnix) -> Result<(), Why> {
    let unless_gone = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => Ok(()),
        _ => Err(error.into()),
    };
    match fs::symlink_metadata(path) {
        Ok(metadata) if !metadata.file_type().is_socket() => Err(Why::File),
        Ok(_) if is_alive(address) => Err(Why::Taken),
        Ok(_) => fs::remove_file(path).or_else(unless_gone),
        Err(error) => unless_gone(error),
    }
}

/// Whether somebody listens there; who cannot find out takes it that somebody does.
fn is_alive(address: &SocketAddrUnix) -> bool {
    let tried = new_socket().and_then(|socket| rustix::net::connect(&socket, address));
    !matches!(tried, Err(Errno::CONNREFUSED | Errno::NOENT))
}

/// Locks the folder of `path` against other runs, if that can be done soon: it matters only to runs that begin at the same
/// moment at the same path.
fn lock_folder(path: &Path) -> Option<OwnedFd> {
    const PATIENCE: Duration = Duration::from_millis(500);
    const PAUSE: Duration = Duration::from_millis(5);
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let folder = rustix::fs::open(folder_of(path), flags, Mode::empty()).ok()?;
    let deadline = Instant::now() + PATIENCE;
    loop {
        match rustix::fs::flock(&folder, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Some(folder),
            Err(Errno::WOULDBLOCK) if Instant::now() < deadline => std::thread::sleep(PAUSE),
            Err(_) => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    use std::os::unix::net::UnixStream;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    /// Leaves a socket that nobody listens at: not even a process that another test is just starting, which has it until it has become its
    /// program.
    fn leave_dead(path: &Path) {
        drop(UnixListener::bind(path).unwrap());
        while UnixStream::connect(path).is_ok() {
            std::thread::yield_now();
        }
    }

    #[test]
    fn only_its_user_may_connect_and_the_file_goes_away() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let socket = Socket::make(&path).unwrap();
        let metadata = fs::symlink_metadata(&path).unwrap();
        assert_eq!(metadata.permissions().mode() & 0o7777, 0o600);
        UnixStream::connect(&path).unwrap();
        drop(socket);
        assert!(fs::symlink_metadata(&path).is_err());
    }

    #[test]
    fn a_dead_socket_is_replaced_and_a_living_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        leave_dead(&path);
        assert!(fs::symlink_metadata(&path).is_ok());
        let _living = Socket::make(&path).unwrap();
        assert!(matches!(Socket::make(&path), Err(Why::Taken)));
        UnixStream::connect(&path).unwrap();
    }

    /// One whose backlog is full is alive as well.
    #[test]
    fn a_socket_that_is_busy_is_alive() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let busy = new_socket().unwrap();
        let address = SocketAddrUnix::new(&path).unwrap();
        rustix::net::bind(&busy, &address).unwrap();
        rustix::net::listen(&busy, 0).unwrap();
        let waiting: Vec<OwnedFd> = (0..3)
            .map(|_| {
                let socket = new_socket().unwrap();
                let _ = rustix::net::connect(&socket, &address);
                socket
            })
            .collect();
        assert!(matches!(Socket::make(&path), Err(Why::Taken)));
        drop(waiting);
    }

    #[test]
    fn no_other_file_is_ever_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("file"), "precious").unwrap();
        fs::create_dir(path("folder")).unwrap();
        symlink("file", path("link")).unwrap();
        symlink("nothing", path("dangling")).unwrap();
        for name in ["file", "folder", "link", "dangling"] {
            let refused = Socket::make(&path(name));
            assert!(matches!(refused, Err(Why::File)), "{name}: {refused:?}");
        }
        assert_eq!(fs::read_to_string(path("link")).unwrap(), "precious");
        assert!(fs::symlink_metadata(path("nothing")).is_err());
    }

    /// Somebody who looks all the time sees no name but its own that could be taken for a dead run's, and nothing is left.
    #[test]
    fn a_socket_is_alive_from_the_moment_it_has_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let address = SocketAddrUnix::new(&path).unwrap();
        let is_over = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            let looking = scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    let tried = new_socket().and_then(|socket| rustix::net::connect(&socket, &address));
                    if let Err(Errno::CONNREFUSED) = tried {
                        return false;
                    }
                }
                true
            });
            let make = || {
                let socket = Socket::make(&path).unwrap();
                fs::remove_file(&path).unwrap();
                socket
            };
            // They listen to the end, also at a name that was looked up just before it went.
            let _sockets: Vec<Socket> = (0..200).map(|_| make()).collect();
            is_over.store(true, Ordering::Relaxed);
            assert!(looking.join().unwrap());
        });
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_path_may_be_as_long_as_the_kernel_lets_it_be() {
        let folder = tempfile::tempdir().unwrap();
        let room = MOST_PATH_BYTES - folder.path().as_os_str().len() - 1;
        let path = folder
            .path()
            .join("x".repeat(room / 2))
            .join("y".repeat(room - room / 2 - 1));
        fs::create_dir(path.parent().unwrap()).unwrap();
        assert_eq!(path.as_os_str().len(), MOST_PATH_BYTES);
        let _socket = Socket::make(&path).unwrap();
        UnixStream::connect(&path).unwrap();
    }

    #[test]
    fn what_took_its_name_since_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let socket = Socket::make(&path).unwrap();
        fs::rename(&path, folder.path().join("moved")).unwrap();
        fs::write(&path, "another").unwrap();
        drop(socket);
        assert_eq!(fs::read_to_string(&path).unwrap(), "another");
    }

    #[test]
    fn a_path_that_cannot_be_is_told_what_is_right() {
        let long = format!("/nowhere/{}", "x".repeat(99));
        for (path, words) in [
            (long.as_str(), "107 bytes at most, this one 108"),
            ("/nowhere/socket", "a folder that exists"),
            ("", "give a path"),
        ] {
            let refused = Socket::new("--control", Path::new(path)).unwrap_err();
            let said = format!("{refused}: {}", refused.why);
            assert!(said.starts_with("--control ") && said.contains(words), "{said}");
        }
    }

    /// Whoever ends takes its socket away without asking those who begin.
    #[test]
    fn a_run_that_begins_while_another_ends_never_takes_its_socket_for_another_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        // Found there, and gone when it is looked at.
        remove_dead(&path, &SocketAddrUnix::new(&path).unwrap()).unwrap();
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    for _ in 0..2000 {
                        let made = Socket::make(&path);
                        assert!(matches!(made, Ok(_) | Err(Why::Taken)), "{made:?}");
                    }
                });
            }
        });
    }

    #[test]
    fn of_many_runs_that_find_a_dead_socket_one_gets_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        leave_dead(&path);
        let taken = AtomicU32::new(0);
        let begin = std::sync::Barrier::new(8);
        let sockets: Vec<Socket> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| {
                        begin.wait();
                        match Socket::make(&path) {
                            Ok(socket) => Some(socket),
                            Err(Why::Taken) => {
                                taken.fetch_add(1, Ordering::Relaxed);
                                None
                            }
                            Err(other) => panic!("{other}"),
                        }
                    })
                })
                .collect();
            threads
                .into_iter()
                .filter_map(|thread| thread.join().unwrap())
                .collect()
        });
        assert_eq!((sockets.len(), taken.into_inner()), (1, 7));
        UnixStream::connect(&path).unwrap();
    }
}
