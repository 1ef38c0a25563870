//! What is known here of FUSE, whose requests the queues carry (virtio 1.2, 5.11.6; Linux, include/uapi/linux/fuse.h): the headers, to answer for a server that
//! is gone; which requests change nothing; and flags of files, which are other numbers on POWER than on most hosts.
//!
//! Numbers are in the guest's byte order, which is little-endian: servers know no other.

use rustix::fs::OFlags;

/// Bytes of a request's header.
pub(super) const IN_HEADER: usize = 40;

/// Bytes of an answer's.
pub(super) const OUT_HEADER: usize = 16;

/// Errors, as Linux counts them on POWER and on all that run pteg.
pub(super) mod errno {
    pub(in super::super) const EIO: u32 = 5;
    pub(in super::super) const EROFS: u32 = 30;
}

/// Requests.
mod opcode {
    pub(super) const LOOKUP: u32 = 1;
    pub(super) const FORGET: u32 = 2;
    pub(super) const GETATTR: u32 = 3;
    pub(super) const READLINK: u32 = 5;
    pub(super) const OPEN: u32 = 14;
    pub(super) const READ: u32 = 15;
    pub(super) const WRITE: u32 = 16;
    pub(super) const STATFS: u32 = 17;
    pub(super) const RELEASE: u32 = 18;
    pub(super) const FSYNC: u32 = 20;
    pub(super) const GETXATTR: u32 = 22;
    pub(super) const LISTXATTR: u32 = 23;
    pub(super) const FLUSH: u32 = 25;
    pub(super) const INIT: u32 = 26;
    pub(super) const OPENDIR: u32 = 27;
    pub(super) const READDIR: u32 = 28;
    pub(super) const RELEASEDIR: u32 = 29;
    pub(super) const FSYNCDIR: u32 = 30;
    pub(super) const ACCESS: u32 = 34;
    pub(super) const CREATE: u32 = 35;
    pub(super) const INTERRUPT: u32 = 36;
    pub(super) const DESTROY: u32 = 38;
    pub(super) const BATCH_FORGET: u32 = 42;
    pub(super) const READDIRPLUS: u32 = 44;
    pub(super) const LSEEK: u32 = 46;
    pub(super) const SYNCFS: u32 = 50;
    pub(super) const TMPFILE: u32 = 51;
    pub(super) const STATX: u32 = 52;
}

/// Of an OPEN's flags, on POWER as elsewhere: how it is opened, for reading alone, and what changes the file in any case.
const ACCESS_MODE: u32 = 3;
const READ_ONLY: u32 = 0;
const CREATE_OR_TRUNCATE: u32 = 0o1100;

/// Flags of a file whose numbers are not the same everywhere, as POWER has them (Linux, arch/powerpc/include/uapi/asm/fcntl.h), and the host's.
const FLAGS: [(u32, OFlags); 4] = [
    (0o040_000, OFlags::DIRECTORY),
    (0o100_000, OFlags::NOFOLLOW),
    // A host of 64 bits has all files large, and its libraries no flag.
    (0o200_000, OFlags::empty()),
    (0o400_000, OFlags::DIRECT),
];

/// A request's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    opcode: u32,
    unique: u64,
}

impl Header {
    /// The one that `request` begins with; `None`: it is shorter.
    pub(super) fn of(request: &[u8]) -> Option<Self> {
        let header = request.get(..IN_HEADER)?;
        Some(Self {
            opcode: word(header, 4)?,
            unique: u64::from(word(header, 8)?) | u64::from(word(header, 12)?) << 32,
        })
    }

    /// Whether nothing of what is shared changes by `request`, of which this is the header. Requests that nobody knows here might.
    pub(super) fn changes_nothing(self, request: &[u8]) -> bool {
        use opcode as op;
        match self.opcode {
            // Without flags it is none that a server would take.
            op::OPEN => word(request, IN_HEADER)
                .is_some_and(|flags| flags & ACCESS_MODE == READ_ONLY && flags & CREATE_OR_TRUNCATE == 0),
            op::LOOKUP | op::FORGET | op::GETATTR | op::READLINK | op::READ | op::STATFS | op::RELEASE | op::FSYNC => {
                true
            }
            op::GETXATTR | op::LISTXATTR | op::FLUSH | op::INIT | op::OPENDIR | op::READDIR | op::RELEASEDIR => true,
            op::FSYNCDIR | op::ACCESS | op::INTERRUPT | op::DESTROY | op::BATCH_FORGET | op::READDIRPLUS => true,
            op::LSEEK | op::SYNCFS | op::STATX => true,
            _ => false,
        }
    }

    /// Says flags of files in `request` as the host says them.
    pub(super) fn say_flags(self, request: &mut [u8]) {
        use opcode as op;
        let at = match self.opcode {
            op::OPEN | op::OPENDIR | op::CREATE | op::TMPFILE => IN_HEADER,
            // Behind the file, its lock's owner, an offset and how much of it.
            op::READ | op::WRITE | op::READDIR | op::READDIRPLUS => IN_HEADER + 32,
            // Behind the file.
            op::RELEASE | op::RELEASEDIR => IN_HEADER + 8,
            _ => return,
        };
        if let Some(flags) = word(request, at) {
            request[at..at + 4].copy_from_slice(&host_flags(flags).to_le_bytes());
        }
    }

    /// The answer that it has failed.
    pub(super) fn failure(self, errno: u32) -> [u8; OUT_HEADER] {
        let mut answer = [0; OUT_HEADER];
        answer[..4].copy_from_slice(&(OUT_HEADER as u32).to_le_bytes());
        answer[4..8].copy_from_slice(&errno.wrapping_neg().to_le_bytes());
        answer[8..].copy_from_slice(&self.unique.to_le_bytes());
        answer
    }
}

fn host_flags(guest: u32) -> u32 {
    let same = FLAGS.iter().fold(guest, |flags, (flag, _)| flags & !flag);
    let there = FLAGS.iter().filter(|(flag, _)| guest & flag != 0);
    there.fold(same, |flags, (_, host)| flags | host.bits())
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(opcode: u32, rest: &[u8]) -> Vec<u8> {
        let mut request = vec![0; IN_HEADER];
        request[4..8].copy_from_slice(&opcode.to_le_bytes());
        request[8..16].copy_from_slice(&0x1122_3344_5566_7788_u64.to_le_bytes());
        request.extend(rest);
        request
    }

    fn changes_nothing(request: &[u8]) -> bool {
        Header::of(request).unwrap().changes_nothing(request)
    }

    /// By Linux' list: SETATTR, SYMLINK, MKNOD, MKDIR, UNLINK, RMDIR, RENAME, LINK, WRITE, SETXATTR, REMOVEXATTR, CREATE, IOCTL, FALLOCATE, RENAME2,
    /// COPY_FILE_RANGE, SETUPMAPPING, TMPFILE, and numbers that are not in it.
    #[test]
    fn what_changes_something_is_none_that_changes_nothing() {
        let changing = [
            4,
            6,
            8,
            9,
            10,
            11,
            12,
            13,
            16,
            21,
            24,
            35,
            39,
            43,
            45,
            47,
            48,
            51,
            0,
            7,
            19,
            53,
            4096,
            u32::MAX,
        ];
        for opcode in changing {
            assert!(!changes_nothing(&request(opcode, &[0; 64])), "{opcode}");
        }
        for opcode in [1, 3, 15, 26, 44] {
            assert!(changes_nothing(&request(opcode, &[])), "{opcode}");
        }
    }

    #[test]
    fn a_file_is_opened_to_be_read() {
        for (flags, is_harmless) in [
            (0_u32, true),
            (0o100_000, true),
            (1, false),
            (2, false),
            (3, false),
            (0o1000, false),
            (0o100, false),
        ] {
            assert_eq!(
                changes_nothing(&request(14, &flags.to_le_bytes())),
                is_harmless,
                "{flags:o}"
            );
        }
        assert!(!changes_nothing(&request(14, &[])));
    }

    /// A Linux of 64 bits says of every file that it may be large, in the bit that says on x86 that it must be a directory.
    #[test]
    fn flags_are_said_as_the_host_says_them() {
        let said = |opcode, at: usize, flags: u32| {
            let mut rest = vec![0; at];
            rest.extend(flags.to_le_bytes());
            let mut request = request(opcode, &rest);
            Header::of(&request).unwrap().say_flags(&mut request);
            word(&request, IN_HEADER + at).unwrap()
        };
        for (opcode, at) in [
            (14, 0),
            (27, 0),
            (35, 0),
            (51, 0),
            (15, 32),
            (16, 32),
            (28, 32),
            (44, 32),
            (18, 8),
            (29, 8),
        ] {
            assert_eq!(said(opcode, at, 0o202_001), 0o2001, "{opcode}");
            assert_eq!(said(opcode, at, 0o040_000), OFlags::DIRECTORY.bits());
            assert_eq!(said(opcode, at, 0o100_000), OFlags::NOFOLLOW.bits());
            assert_eq!(said(opcode, at, 0o400_000), OFlags::DIRECT.bits());
        }
        assert_eq!(said(20, 0, 0o200_000), 0o200_000, "a flag of something else");
        let mut short = request(14, &[0, 0]);
        Header::of(&short).unwrap().say_flags(&mut short);
    }

    #[test]
    fn a_failure_names_its_request() {
        let header = Header::of(&request(1, &[])).unwrap();
        let answer = header.failure(errno::EIO);
        assert_eq!(answer[..8], [16, 0, 0, 0, 0xfb, 0xff, 0xff, 0xff]);
        assert_eq!(answer[8..], 0x1122_3344_5566_7788_u64.to_le_bytes());
        assert_eq!(Header::of(&[0; 39]), None);
    }
}
