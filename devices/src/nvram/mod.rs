//! Non-volatile memory behind `nvram-fetch` and `nvram-store` (LoPAR, Non-Volatile Memory; RTAS Call Definition, 2.1): bytes that
//! outlive a reboot, and with a file also the run.
//!
//! What is durable: a store is one write to the file before the guest is told of it. So whatever ends this program, at any time, loses
//! no store that the guest has seen done, and leaves no other one half there but for the last. A store that the file does not take as a whole is
//! taken back. Should the *host* go down, what it had
//! not written yet is lost: [`Nvram::sync`] has it written.
//!
//! `partitions` knows how it is divided.

mod partitions;

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::{Mutex, MutexGuard};

use power::rtas::RtasStatus;

/// Bytes of one that nobody has given a size.
pub const BYTES: usize = 64 << 10;

/// The smallest: LoPAR, Non-Volatile Memory, System Requirements.
pub const LEAST_BYTES: usize = 8 << 10;

/// The largest. It is kept in memory as well.
pub const MOST_BYTES: usize = 1 << 20;

/// Why a file is no NVRAM.
#[derive(Debug, thiserror::Error)]
pub enum NvramError {
    /// It cannot be read or written.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Another size.
    #[error(
        "{0} bytes; NVRAM has {LEAST_BYTES} to {MOST_BYTES}, a multiple of 16: give such a file, or one that is not there yet"
    )]
    Size(u64),
    /// Something else is in it.
    #[error(
        "not the content of an NVRAM: it does not begin with a partition's header; give a file of zeros, or one that is not there yet"
    )]
    NotNvram,
}

/// The memory of one machine.
pub struct Nvram {
    state: Mutex<State>,
}

struct State {
    bytes: Vec<u8>,
    file: Option<File>,
    /// The file's last error, until somebody takes it.
    error: Option<io::Error>,
    has_failed: bool,
}

impl Nvram {
    /// One that is gone with the run, all of it free.
    pub fn volatile() -> Self {
        let mut bytes = vec![0; BYTES];
        partitions::repair(&mut bytes);
        Self::of(bytes, None)
    }

    /// The one in `file`, which is open for reading and writing and nobody else's. An empty file, or one of zeros, is divided anew. What comes
    /// behind a damaged header of a partition becomes free space (R1-3 of the System Requirements); how many bytes that were is the second value.
    ///
    /// # Errors
    /// The host's; or the file is something else, and stays as it is.
    pub fn in_file(file: File) -> Result<(Self, usize), NvramError> {
        let (mut bytes, is_blank) = content(&file)?;
        let size = bytes.len() as u64;
        let lost = partitions::repair(&mut bytes);
        if lost > 0 {
            // Of full size first: should this program end here, the file is one of zeros, or half divided, and mended the next time.
            file.set_len(size)?;
            file.write_all_at(&bytes, 0)?;
        }
        Ok((Self::of(bytes, Some(file)), if is_blank { 0 } else { lost }))
    }

    /// Whether [`Self::in_file`] would take `file`, which only needs to be open for reading here.
    ///
    /// # Errors
    /// The host's; or the file is something else.
    pub fn check(file: &File) -> Result<(), NvramError> {
        content(file).map(drop)
    }

    fn of(bytes: Vec<u8>, file: Option<File>) -> Self {
        Self {
            state: Mutex::new(State {
                bytes,
                file,
                error: None,
                has_failed: false,
            }),
        }
    }

    /// Its size: `#bytes` of its node.
    pub fn bytes(&self) -> usize {
        self.lock().bytes.len()
    }

    /// `nvram-fetch`: the `length` bytes at `index`.
    ///
    /// # Errors
    /// A parameter error unless all of them are there.
    pub fn fetch(&self, index: u32, length: u32) -> Result<Vec<u8>, RtasStatus> {
        let state = self.lock();
        let range = range(index, length);
        state
            .bytes
            .get(range)
            .map(<[u8]>::to_vec)
            .ok_or(RtasStatus::ParameterError)
    }

    /// `nvram-store`: puts `bytes` at `index`. A hardware error means that the file did not take them: nothing has changed, and
    /// [`Self::take_error`] says why.
    pub fn store(&self, index: u32, bytes: &[u8]) -> RtasStatus {
        let mut state = self.lock();
        let State {
            bytes: all,
            file,
            error,
            has_failed,
        } = &mut *state;
        let place = u32::try_from(bytes.len())
            .ok()
            .and_then(|length| all.get_mut(range(index, length)));
        let Some(place) = place else {
            return RtasStatus::ParameterError;
        };
        if let Some(Err(refused)) = file.as_ref().map(|file| replace(file, place, bytes, index.into())) {
            if !std::mem::replace(has_failed, true) {
                *error = Some(refused);
            }
            return RtasStatus::HardwareError;
        }
        place.copy_from_slice(bytes);
        RtasStatus::Success
    }

    /// The first error of the file, once.
    pub fn take_error(&self) -> Option<io::Error> {
        self.lock().error.take()
    }

    /// Has the host write what it has of the file: from then on it outlives the host's end, too.
    ///
    /// # Errors
    /// The host's.
    pub fn sync(&self) -> io::Result<()> {
        self.lock().file.as_ref().map_or(Ok(()), File::sync_data)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics with the memory locked")
    }
}

/// What is in a file that may be an NVRAM's, and whether that is nothing: all zeros, as many as there are to be.
fn content(file: &File) -> Result<(Vec<u8>, bool), NvramError> {
    let length = file.metadata()?.len();
    let size = if length == 0 { BYTES as u64 } else { length };
    let fits = size.is_multiple_of(16) && (LEAST_BYTES as u64..=MOST_BYTES as u64).contains(&size);
    if !fits {
        return Err(NvramError::Size(length));
    }
    let mut bytes = vec![0; size as usize];
    file.read_exact_at(&mut bytes[..length as usize], 0)?;
    let is_blank = bytes.iter().all(|&byte| byte == 0);
    if !is_blank && !partitions::is_header(&bytes) {
        return Err(NvramError::NotNvram);
    }
    Ok((bytes, is_blank))
}

/// Writes `new` over `old` at `offset` of the file: all of it, or nothing if the file does not take all.
///
/// # Errors
/// The file's. Should it refuse even what it had before, the error says so: then a part of `new` is there.
fn replace(file: &impl FileExt, old: &[u8], new: &[u8], offset: u64) -> io::Result<()> {
    let mut done = 0;
    let refused = loop {
        if done == new.len() {
            return Ok(());
        }
        match file.write_at(&new[done..], offset + done as u64) {
            Ok(0) => break io::ErrorKind::WriteZero.into(),
            Ok(count) => done += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => break error,
        }
    };
    // What was written has its space in the file, so a file that is full takes this.
    file.write_all_at(&old[..done], offset).map_err(|again| {
        io::Error::other(format!(
            "{refused}; and what was there could not be put back, so the file has a part of the new: {again}"
        ))
    })?;
    Err(refused)
}

fn range(index: u32, length: u32) -> std::ops::Range<usize> {
    let start = index as usize;
    start..start.saturating_add(length as usize)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn file(content: &[u8]) -> (tempfile::NamedTempFile, File) {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(content).unwrap();
        let again = File::options().read(true).write(true).open(file.path()).unwrap();
        (file, again)
    }

    #[test]
    fn what_is_stored_is_fetched_and_nothing_beside_it_changes() {
        let nvram = Nvram::volatile();
        let before = nvram.fetch(0, BYTES as u32).unwrap();
        assert_eq!(nvram.store(0x1001, b"some bytes"), RtasStatus::Success);
        assert_eq!(nvram.fetch(0x1001, 10).unwrap(), b"some bytes");
        let after = nvram.fetch(0, BYTES as u32).unwrap();
        let differing = before.iter().zip(&after).filter(|(one, other)| one != other);
        assert_eq!(differing.count(), 10);
    }

    #[test]
    fn what_reaches_over_the_end_is_a_parameter_error_and_changes_nothing() {
        let nvram = Nvram::volatile();
        let end = BYTES as u32;
        for (index, length) in [(end, 1), (end - 1, 2), (u32::MAX, 1), (1, u32::MAX), (0, end + 1)] {
            assert_eq!(
                nvram.fetch(index, length),
                Err(RtasStatus::ParameterError),
                "{index} {length}"
            );
        }
        assert_eq!(nvram.store(end - 1, b"ab"), RtasStatus::ParameterError);
        assert_eq!(nvram.store(u32::MAX, b"ab"), RtasStatus::ParameterError);
        assert_eq!(nvram.fetch(end, 0), Ok(vec![]));
    }

    #[test]
    fn a_store_is_in_the_file_when_it_is_answered() {
        let (path, open) = file(b"");
        let (nvram, lost) = Nvram::in_file(open).unwrap();
        assert_eq!((lost, nvram.bytes()), (0, BYTES));
        assert_eq!(nvram.store(0x2000, b"kept"), RtasStatus::Success);
        let bytes = std::fs::read(path.path()).unwrap();
        assert_eq!((bytes.len(), &bytes[0x2000..0x2004]), (BYTES, &b"kept"[..]));
        let again = File::options().read(true).write(true).open(path.path()).unwrap();
        let (again, lost) = Nvram::in_file(again).unwrap();
        assert_eq!((lost, again.fetch(0x2000, 4).unwrap()), (0, b"kept".to_vec()));
    }

    #[test]
    fn a_file_that_is_no_nvram_is_refused_and_stays_as_it_is() {
        for content in [&b"text"[..], &[1; 8192], &[0; 8200], &[0; 16]] {
            let (path, open) = file(content);
            assert!(Nvram::in_file(open).is_err(), "{} bytes", content.len());
            assert_eq!(std::fs::read(path.path()).unwrap(), content);
        }
        let (_path, open) = file(&[0; 8192]);
        assert_eq!(Nvram::in_file(open).unwrap().0.bytes(), 8192);
    }

    /// A file on a host that has room for so many writes of 4 bytes.
    struct Full {
        bytes: Mutex<[u8; 16]>,
        room: Mutex<usize>,
    }

    impl FileExt for Full {
        fn read_at(&self, _into: &mut [u8], _offset: u64) -> io::Result<usize> {
            unreachable!("nobody reads")
        }

        fn write_at(&self, from: &[u8], offset: u64) -> io::Result<usize> {
            let (mut room, mut bytes) = (self.room.lock().unwrap(), self.bytes.lock().unwrap());
            let count = from.len().min(4);
            let place = offset as usize..offset as usize + count;
            // As a file system that is full: what has its space already is written.
            if bytes[place.clone()].contains(&0) {
                *room = room.checked_sub(1).ok_or(io::ErrorKind::StorageFull)?;
            }
            bytes[place].copy_from_slice(&from[..count]);
            Ok(count)
        }
    }

    #[test]
    fn a_store_that_the_file_takes_a_part_of_leaves_what_was_there() {
        let new = *b"newer words ....";
        for room in 0..5 {
            let file = Full {
                bytes: Mutex::new([0; 16]),
                room: Mutex::new(room),
            };
            let done = replace(&file, &[0; 16], &new, 0).map_err(|error| error.kind());
            let bytes = *file.bytes.lock().unwrap();
            match room {
                4 => assert_eq!((done, bytes), (Ok(()), new)),
                _ => assert_eq!((done, bytes), (Err(io::ErrorKind::StorageFull), [0; 16]), "{room}"),
            }
        }
    }

    #[test]
    fn a_file_that_takes_no_more_is_a_hardware_error_and_told_once() {
        let (path, _) = file(b"");
        let (_, open) = (
            path.path(),
            File::options().read(true).write(true).open(path.path()).unwrap(),
        );
        let (nvram, _) = Nvram::in_file(open).unwrap();
        nvram.lock().file = Some(File::open(path.path()).unwrap());
        assert_eq!(nvram.store(0x2000, b"lost"), RtasStatus::HardwareError);
        assert_eq!(nvram.store(0x2000, b"lost"), RtasStatus::HardwareError);
        assert_eq!(nvram.fetch(0x2000, 4).unwrap(), [0; 4]);
        assert!(nvram.take_error().is_some() && nvram.take_error().is_none());
    }
}
