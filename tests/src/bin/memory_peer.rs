//! A process that shares the memory of a guest, for tests: it maps all of it, lets `pteg` watch its address space, and does to
//! it what stdin says, a line a deed: `remove`, `unmap`, `move`, each with offset and length in bytes, and `load` and `store` of a
//! doubleword at an offset. It answers each with a line. A number behind the path of the socket is features more that its userfaultfd is opened for.

#![expect(
    unsafe_code,
    reason = "mappings that come and go, and a userfaultfd, have no safe form"
)]

use std::io::{self, BufRead as _, IoSlice, IoSliceMut, Write as _};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::ioctl::{Updater, ioctl, opcode};
use rustix::mm::{Advice, MapFlags, MremapFlags, ProtFlags, UserfaultfdFlags};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
};
use rustix::{mm, net};

type Message = [u64; 3];

fn main() -> io::Result<()> {
    let path = std::env::args().nth(1).expect("the path of the socket");
    let socket = UnixStream::connect(path)?;
    let ([_, bytes, _], memory) = receive(&socket)?;
    let memory = memory.expect("guest memory comes with the greeting");
    let mut guest = Mapping::new(&memory, bytes as usize)?;
    let more = std::env::args()
        .nth(2)
        .map_or(0, |more| more.parse().expect("a number"));
    let Ok(watched) = watch(&guest, more) else {
        return say("no userfaultfd");
    };
    send(&socket, [guest.at() as u64, bytes, 0], Some(&watched))?;
    // Whoever waits for a page goes on when pteg has hung up.
    drop(watched);
    let ([answer, ..], _) = receive(&socket)?;
    say(format_args!("answer {answer}"))?;
    for line in io::stdin().lock().lines() {
        let line = line?;
        let mut words = line.split_whitespace();
        let deed = words.next().unwrap_or_default();
        let mut number = || words.next().and_then(|word| word.parse().ok()).unwrap_or(0);
        let (offset, argument): (usize, usize) = (number(), number());
        match deed {
            "remove" => guest.remove(offset, argument)?,
            "unmap" => guest.unmap(offset, argument)?,
            "move" => guest.relocate(offset, argument)?,
            "load" => say(guest.word(offset).load(Ordering::Relaxed))?,
            "store" => guest.word(offset).store(argument as u64, Ordering::Relaxed),
            _ => panic!("{line:?} is no deed"),
        }
        // What processors have learnt of the memory before it was gone is void from here on.
        send(&socket, [0; 3], None)?;
        let ([answer, ..], _) = receive(&socket)?;
        assert_eq!(answer, 0, "it is done");
        say("done")?;
    }
    Ok(())
}

fn say(what: impl std::fmt::Display) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{what}")?;
    out.flush()
}

/// Guest memory in this process, which ends before anything else is mapped.
struct Mapping {
    start: NonNull<u8>,
    bytes: usize,
}

impl Mapping {
    fn new(memory: &OwnedFd, bytes: usize) -> io::Result<Self> {
        let rights = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a new mapping where the kernel wants it.
        let start = unsafe { mm::mmap(ptr::null_mut(), bytes, rights, MapFlags::SHARED, memory, 0) }?;
        let start = NonNull::new(start.cast()).expect("a mapping is not at address 0");
        Ok(Self { start, bytes })
    }

    fn at(&self) -> usize {
        self.start.as_ptr().addr()
    }

    fn place(&self, offset: usize, bytes: usize) -> *mut u8 {
        assert!(offset + bytes <= self.bytes, "inside guest memory");
        self.start.as_ptr().wrapping_add(offset)
    }

    /// Gives the memory back to the host, for everybody.
    fn remove(&mut self, offset: usize, bytes: usize) -> io::Result<()> {
        let start = self.place(offset, bytes);
        // SAFETY: the memory reads as zero then, which is a value like another to atomics.
        Ok(unsafe { mm::madvise(start.cast(), bytes, Advice::LinuxRemove) }?)
    }

    /// Whoever asks for this does not touch the range again.
    fn unmap(&mut self, offset: usize, bytes: usize) -> io::Result<()> {
        let start = self.place(offset, bytes);
        // SAFETY: the tests do not name it again.
        Ok(unsafe { mm::munmap(start.cast(), bytes) }?)
    }

    /// Moves the range, behind which is more of the mapping, to another address; whoever asks for this does not touch it again.
    fn relocate(&mut self, offset: usize, bytes: usize) -> io::Result<()> {
        let start = self.place(offset, bytes);
        // It grows, where its neighbour is in the way: rustix's `mremap_fixed` passes a wrong flag where it goes through libc (POWER).
        let grown = bytes + rustix::param::page_size();
        // SAFETY: as for `unmap`; the kernel finds a place where nothing is.
        let to = unsafe { mm::mremap(start.cast(), bytes, grown, MremapFlags::MAYMOVE) }?;
        assert_ne!(to, start.cast(), "it has moved");
        Ok(())
    }

    fn word(&self, offset: usize) -> &AtomicU64 {
        let at = self.place(offset & !7, 8).cast();
        // SAFETY: mapped, aligned, and shared with others who use atomics.
        unsafe { AtomicU64::from_ptr(at) }
    }
}

/// `struct uffdio_api`: version, features, ioctls.
type Api = [u64; 3];
/// `struct uffdio_register`: start, length, mode, ioctls.
type Register = [u64; 4];

const API_VERSION: u64 = 0xaa;
/// Remap, remove and unmap are told.
const EVENTS: u64 = (1 << 2) | (1 << 3) | (1 << 6);
/// What is asked for, and what the mapping is watched for. Where memory files can be watched for writes, nobody waits. Kernels for
/// POWER can watch for missing pages alone: who touches a page that the file does not have waits until nobody has the userfaultfd open.
const FEATURES_AND_MODE: (u64, u64) = if cfg!(target_arch = "powerpc64") {
    (EVENTS, 1)
} else {
    (EVENTS | (1 << 12), 2)
};

/// What tells of all that this process does to the mapping.
fn watch(mapping: &Mapping, more: u64) -> io::Result<OwnedFd> {
    let (features, mode) = FEATURES_AND_MODE;
    /// UFFD_USER_MODE_ONLY.
    const USER_MODE_ONLY: UserfaultfdFlags = UserfaultfdFlags::from_bits_retain(1);
    // For faults of the kernel on behalf of a process it takes a privilege, and nobody here waits for any.
    let flags = UserfaultfdFlags::CLOEXEC | UserfaultfdFlags::NONBLOCK | USER_MODE_ONLY;
    // SAFETY: nothing is done with it but what this function does.
    let watched = unsafe { mm::userfaultfd(flags) }?;
    let mut api: Api = [API_VERSION, features | more, 0];
    // SAFETY: the number is that of UFFDIO_API, whose argument is this structure.
    let ask = unsafe { Updater::<{ opcode::read_write::<Api>(0xaa, 0x3f) }, Api>::new(&mut api) };
    // SAFETY: it changes what the next ones may ask for.
    unsafe { ioctl(&watched, ask) }?;
    let mut register: Register = [mapping.at() as u64, mapping.bytes as u64, mode, 0];
    // SAFETY: the number is that of UFFDIO_REGISTER, whose argument is this structure.
    let ask = unsafe { Updater::<{ opcode::read_write::<Register>(0xaa, 0) }, Register>::new(&mut register) };
    // SAFETY: no memory becomes other memory by it: accesses to pages that the file does not have may wait, no more.
    unsafe { ioctl(&watched, ask) }?;
    Ok(watched)
}

fn send(socket: &UnixStream, message: Message, fd: Option<&OwnedFd>) -> io::Result<()> {
    let bytes: Vec<u8> = message.iter().flat_map(|word| word.to_ne_bytes()).collect();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    let fds: Vec<_> = fd.iter().map(|fd| fd.as_fd()).collect();
    if !fds.is_empty() {
        ancillary.push(SendAncillaryMessage::ScmRights(&fds));
    }
    net::sendmsg(socket, &[IoSlice::new(&bytes)], &mut ancillary, SendFlags::empty())?;
    Ok(())
}

fn receive(socket: &UnixStream) -> io::Result<(Message, Option<OwnedFd>)> {
    let mut bytes = [0; 24];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let received = net::recvmsg(
        socket,
        &mut [IoSliceMut::new(&mut bytes)],
        &mut ancillary,
        RecvFlags::WAITALL,
    )?;
    assert_eq!(received.bytes, bytes.len(), "a message is whole");
    let fd = ancillary.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
        _ => None,
    });
    let word = |n: usize| u64::from_ne_bytes(bytes[n * 8..n * 8 + 8].try_into().expect("eight bytes are eight"));
    Ok(([word(0), word(1), word(2)], fd))
}
