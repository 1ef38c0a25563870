//! Pages of KVM's mapping of guest memory that are not there: a vCPU that needs one is told of.
//!
//! In the place of such a page is memory of nobody's, which a userfaultfd watches (userfaultfd(2)). The guest's memory stays in its file.
//! Kernels for POWER can watch for missing pages alone, so a page that is in the file cannot be withheld in its own place.
//!
//! | page | in the mapping | a vCPU that needs it |
//! |---|---|---|
//! | present | the file's | has it |
//! | absent | nothing, watched | waits in the kernel, and [`Faults::next`] tells of it |
//! | refused | nothing, no access | goes back to its instruction again and again, until it has a signal |
//!
//! A signal does not end the wait for a page that is absent. So who is to have a vCPU back refuses the page for a moment, with a signal sent to
//! the vCPU's thread first. KVM-PR of Linux 6.12 writes "Couldn't get guest page" to the kernel's log each time.

use std::io;
use std::ops::Range;
use std::os::fd::OwnedFd;

use rustix::ioctl::{Setter, Updater, ioctl, opcode};
use rustix::mm::{MapFlags, MprotectFlags, ProtFlags, UserfaultfdFlags, mmap, mmap_anonymous, mprotect, userfaultfd};

use super::KvmMemory;

/// `struct uffdio_api`: version, features, ioctls.
type Api = [u64; 3];
/// `struct uffdio_range`: start, length.
type Place = [u64; 2];
/// `struct uffdio_register`: start, length, mode, ioctls.
type Register = [u64; 4];

const API_VERSION: u64 = 0xaa;
/// `UFFD_FEATURE_THREAD_ID`: a message names the thread.
const THREAD_ID: u64 = 1 << 8;
/// `UFFDIO_REGISTER_MODE_MISSING`.
const MISSING: u64 = 1;
/// `UFFD_EVENT_PAGEFAULT`.
const PAGE_FAULT: u8 = 0x12;
/// `UFFD_PAGEFAULT_FLAG_WRITE`.
const WRITE: u64 = 1;

/// Tells which absent pages are needed, and by whom.
#[derive(Debug)]
pub struct Faults {
    descriptor: OwnedFd,
}

/// Somebody waits for an absent page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageFault {
    /// Where in this process: the first byte of a page.
    pub address: u64,
    /// It would store there.
    pub store: bool,
    /// The number of its thread, as [`Thread::number`](crate::Thread::number) gives it.
    pub thread: i32,
}

impl Faults {
    /// One that watches nothing yet.
    ///
    /// # Errors
    /// The kernel has no userfaultfd, or this process may have none for faults in the kernel: it needs `CAP_SYS_PTRACE`, or
    /// `vm.unprivileged_userfaultfd` set.
    pub fn new() -> io::Result<Self> {
        // SAFETY: it watches nothing until `KvmMemory::take_away` asks it to.
        let descriptor = unsafe { userfaultfd(UserfaultfdFlags::CLOEXEC) }?;
        let mut api: Api = [API_VERSION, THREAD_ID, 0];
        // SAFETY: the number is that of UFFDIO_API, whose argument is this structure.
        let ask = unsafe { Updater::<{ opcode::read_write::<Api>(0xaa, 0x3f) }, Api>::new(&mut api) };
        // SAFETY: the kernel writes to `api` and to nothing else.
        unsafe { ioctl(&descriptor, ask) }?;
        Ok(Self { descriptor })
    }

    /// Waits until somebody needs a page that is absent. By then it may be there again.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn next(&self) -> io::Result<PageFault> {
        /// Bytes of `struct uffd_msg`.
        const MESSAGE: usize = 32;
        let mut message = [0; MESSAGE];
        loop {
            match rustix::io::read(&self.descriptor, &mut message) {
                Ok(MESSAGE) if message[0] == PAGE_FAULT => return Ok(page_fault(&message)),
                Ok(_) => return Err(io::ErrorKind::InvalidData.into()),
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// The pages of `place` tell when they are missing.
    fn watch(&self, [start, bytes]: Place) -> io::Result<()> {
        let mut register: Register = [start, bytes, MISSING, 0];
        // SAFETY: the number is that of UFFDIO_REGISTER, whose argument is this structure.
        let ask = unsafe { Updater::<{ opcode::read_write::<Register>(0xaa, 0) }, Register>::new(&mut register) };
        // SAFETY: the kernel writes to `register`; the pages keep what they hold, which is nothing.
        Ok(unsafe { ioctl(&self.descriptor, ask) }?)
    }

    /// Whoever waits for a page of `place` looks again.
    fn wake(&self, place: Place) -> io::Result<()> {
        // SAFETY: the number is that of UFFDIO_WAKE, whose argument is this structure.
        let ask = unsafe { Setter::<{ opcode::read::<Place>(0xaa, 2) }, Place>::new(place) };
        // SAFETY: it touches no memory.
        Ok(unsafe { ioctl(&self.descriptor, ask) }?)
    }
}

/// `struct uffd_msg` of a page fault: flags at 8, address at 16, thread at 24.
fn page_fault(message: &[u8; 32]) -> PageFault {
    let word = |at: usize| u64::from_ne_bytes(message[at..at + 8].try_into().expect("eight bytes are eight"));
    let thread = message[24..28].try_into().expect("four bytes are four");
    PageFault {
        address: word(16),
        store: word(8) & WRITE != 0,
        thread: i32::from_ne_bytes(thread),
    }
}

impl KvmMemory {
    /// Bytes of a page: what is absent or not.
    pub fn page(&self) -> u64 {
        self.page
    }

    /// The pages of `range` are absent from here on, and `faults`, the same for all pages of this mapping, tells who needs them. Translations of them are gone when this
    /// returns. `range` is counted from the beginning; it is made whole, and what lies past the end is left out.
    ///
    /// # Errors
    /// What the kernel says; too many pieces of the mapping are `ENOMEM` (`vm.max_map_count`). Some of the pages may be absent, or refused.
    pub fn take_away(&self, range: Range<u64>, faults: &Faults) -> io::Result<()> {
        let Some((start, bytes)) = self.place(&self.whole_pages(&range)) else {
            return Ok(());
        };
        let flags = MapFlags::PRIVATE | MapFlags::FIXED | MapFlags::NORESERVE;
        // No access until it is watched: a page that came before that would not be missing.
        // SAFETY: the range has whole pages and lies inside the mapping, which `self` keeps and nobody in this process uses. The file
        // keeps its content.
        unsafe { mmap_anonymous(start.cast(), bytes, ProtFlags::empty(), flags) }?;
        faults.watch([start.addr() as u64, bytes as u64])?;
        self.report(range)
    }

    /// The pages of `range`, absent, refused or not, are present from here on; whoever waits for one has it.
    ///
    /// # Errors
    /// As for [`Self::take_away`].
    pub fn put_back(&self, range: Range<u64>, faults: &Faults) -> io::Result<()> {
        let range = self.whole_pages(&range);
        let Some((start, bytes)) = self.place(&range) else {
            return Ok(());
        };
        let file = self
            .region
            .file_offset()
            .expect("guest memory is a file's: `new` has looked");
        let protection = ProtFlags::from_bits_retain(self.region.prot().cast_unsigned());
        let flags = MapFlags::from_bits_retain(self.region.flags().cast_unsigned()) | MapFlags::FIXED;
        let offset = file.start() + range.start;
        // SAFETY: as in `take_away`; it becomes what the whole mapping was made as.
        unsafe { mmap(start.cast(), bytes, protection, flags, file.file(), offset) }?;
        faults.wake([start.addr() as u64, bytes as u64])
    }

    /// The pages of `range`, which are absent, are refused from here on; whoever waits for one goes on without.
    ///
    /// # Errors
    /// As for [`Self::take_away`].
    pub fn refuse(&self, range: Range<u64>, faults: &Faults) -> io::Result<()> {
        let Some((start, bytes)) = self.place(&self.whole_pages(&range)) else {
            return Ok(());
        };
        // SAFETY: as in `take_away`; nothing is there.
        unsafe { mprotect(start.cast(), bytes, MprotectFlags::empty()) }?;
        faults.wake([start.addr() as u64, bytes as u64])
    }

    /// The pages of `range`, which are refused, are absent again.
    ///
    /// # Errors
    /// As for [`Self::take_away`].
    pub fn report(&self, range: Range<u64>) -> io::Result<()> {
        let Some((start, bytes)) = self.place(&self.whole_pages(&range)) else {
            return Ok(());
        };
        let rights = MprotectFlags::READ | MprotectFlags::WRITE;
        // SAFETY: as in `take_away`; nothing is there, and who looks for it is told of.
        Ok(unsafe { mprotect(start.cast(), bytes, rights) }?)
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::thread;

    use rustix::io::Errno;
    use vm_memory::{VolatileMemory as _, WriteVolatile as _};

    use super::*;
    use crate::Thread;
    use crate::memory::tests::memory;

    /// What the kernel finds at the beginning of page `page` on behalf of a thread, as it would for a vCPU.
    fn look(memory: &KvmMemory, page: u64) -> Result<u64, Errno> {
        let mut file = File::from(rustix::fs::memfd_create("copy", rustix::fs::MemfdFlags::CLOEXEC).expect("a file"));
        let place = memory
            .region
            .get_slice((page * memory.page) as usize, 8)
            .expect("inside");
        let written = file.write_all_volatile(&place);
        let mut bytes = [0; 8];
        match written {
            Ok(()) => std::os::unix::fs::FileExt::read_exact_at(&file, &mut bytes, 0).expect("it was written"),
            Err(_) => return Err(Errno::FAULT),
        }
        Ok(u64::from_ne_bytes(bytes))
    }

    fn store(memory: &KvmMemory, page: u64, value: u64) {
        let place = memory
            .region
            .get_ref::<u64>((page * memory.page) as usize)
            .expect("inside");
        place.store(value);
    }

    /// `None`, and a word about it, where nobody can be told: QEMU's user mode has no userfaultfd.
    fn faults() -> Option<Faults> {
        match Faults::new() {
            Ok(faults) => Some(faults),
            Err(error) => {
                eprintln!("NOT TRIED: no userfaultfd for faults in the kernel: {error}");
                None
            }
        }
    }

    #[test]
    fn who_needs_an_absent_page_waits_until_it_is_there_and_finds_what_it_held() {
        let Some(faults) = faults() else { return };
        let memory = memory();
        (0..3).for_each(|page| store(&memory, page, page + 7));
        let pages = |range: Range<u64>| range.start * memory.page..range.end * memory.page;
        memory.take_away(pages(1..3), &faults).expect("nothing is refused");
        assert_eq!(look(&memory, 0), Ok(7));
        thread::scope(|scope| {
            let (memory, faults) = (&memory, &faults);
            let looks = scope.spawn(|| (Thread::current().number(), look(memory, 2)));
            let fault = faults.next().expect("it is needed");
            assert_eq!(
                (fault.address, fault.store),
                (memory.host_address() + 2 * memory.page, false)
            );
            memory.put_back(pages(2..3), faults).expect("nothing is refused");
            assert_eq!(looks.join().expect("it does not panic"), (fault.thread, Ok(9)));
        });
        memory.put_back(pages(0..4), &faults).expect("nothing is refused");
        assert_eq!(look(&memory, 1), Ok(8));
    }

    #[test]
    fn who_waits_for_a_page_that_is_refused_goes_on_without_and_is_told_of_when_it_comes_again() {
        let Some(faults) = faults() else { return };
        let memory = memory();
        store(&memory, 1, 8);
        let page = memory.page..2 * memory.page;
        memory.take_away(page.clone(), &faults).expect("nothing is refused");
        thread::scope(|scope| {
            let (memory, faults) = (&memory, &faults);
            let looks = scope.spawn(|| look(memory, 1));
            faults.next().expect("it is needed");
            memory.refuse(page.clone(), faults).expect("nothing is refused");
            assert_eq!(looks.join().expect("it does not panic"), Err(Errno::FAULT));
            memory.report(page.clone()).expect("nothing is refused");
            let looks = scope.spawn(|| look(memory, 1));
            assert_eq!(
                faults.next().expect("it is needed").address,
                memory.host_address() + memory.page
            );
            memory.put_back(page.clone(), faults).expect("nothing is refused");
            assert_eq!(looks.join().expect("it does not panic"), Ok(8));
        });
    }

    #[test]
    fn a_message_is_what_the_kernels_header_says() {
        let mut message = [0; 32];
        message[0] = PAGE_FAULT;
        message[8..16].copy_from_slice(&1_u64.to_ne_bytes());
        message[16..24].copy_from_slice(&0x7000_0000_u64.to_ne_bytes());
        message[24..28].copy_from_slice(&77_i32.to_ne_bytes());
        let expected = PageFault {
            address: 0x7000_0000,
            store: true,
            thread: 77,
        };
        assert_eq!(page_fault(&message), expected);
        message[8..16].copy_from_slice(&6_u64.to_ne_bytes());
        assert!(!page_fault(&message).store);
    }
}
