//! The least executable file that Linux loads: a header, three segments, no sections.

use power::insn::Endian;

use super::program::{CASES, CODE, MEMORY_PAGES, MEMORY_PAGES_BYTES};

const PAGE: u64 = 0x1_0000;
const HEADER_BYTES: u64 = 64;
const SEGMENT_BYTES: u64 = 56;
const READ_WRITE: u32 = 6;
const READ_WRITE_EXECUTE: u32 = 7;

/// A segment: where it lies in the file and in memory.
struct Segment {
    flags: u32,
    offset: u64,
    address: u64,
    file_bytes: u64,
    memory_bytes: u64,
}

/// The file in the making.
struct File {
    bytes: Vec<u8>,
    endian: Endian,
}

impl File {
    /// Appends the low `count` bytes of `value`.
    fn push(&mut self, value: u64, count: usize) {
        match self.endian {
            Endian::Big => self.bytes.extend_from_slice(&value.to_be_bytes()[8 - count..]),
            Endian::Little => self.bytes.extend_from_slice(&value.to_le_bytes()[..count]),
        }
    }

    fn segment(&mut self, segment: &Segment) {
        self.push(1, 4); // PT_LOAD
        self.push(segment.flags.into(), 4);
        for word in [
            segment.offset,
            segment.address,
            segment.address,
            segment.file_bytes,
            segment.memory_bytes,
            PAGE,
        ] {
            self.push(word, 8);
        }
    }
}

/// An ELFv2 executable that starts at the first byte of `code`.
pub fn executable(code: &[u8], cases: &[u8], endian: Endian) -> Vec<u8> {
    let code_bytes = code.len() as u64;
    let cases_bytes = cases.len() as u64;
    let cases_offset = (PAGE + code_bytes).next_multiple_of(PAGE);
    let segments = [
        Segment {
            flags: READ_WRITE_EXECUTE,
            offset: PAGE,
            address: CODE,
            file_bytes: code_bytes,
            memory_bytes: code_bytes,
        },
        Segment {
            flags: READ_WRITE,
            offset: 0,
            address: MEMORY_PAGES,
            file_bytes: 0,
            memory_bytes: MEMORY_PAGES_BYTES,
        },
        Segment {
            flags: READ_WRITE,
            offset: cases_offset,
            address: CASES,
            file_bytes: cases_bytes,
            memory_bytes: cases_bytes,
        },
    ];
    let data = match endian {
        Endian::Little => 1,
        Endian::Big => 2,
    };
    let mut file = File {
        bytes: vec![0x7f, b'E', b'L', b'F', 2, data, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        endian,
    };
    file.push(2, 2); // ET_EXEC
    file.push(21, 2); // EM_PPC64
    file.push(1, 4);
    for word in [CODE, HEADER_BYTES, 0] {
        file.push(word, 8);
    }
    file.push(2, 4); // ELFv2
    for half in [HEADER_BYTES, SEGMENT_BYTES, segments.len() as u64, 64, 0, 0] {
        file.push(half, 2);
    }
    for segment in &segments {
        file.segment(segment);
    }
    let mut file = file.bytes;
    file.resize(PAGE as usize, 0);
    file.extend_from_slice(code);
    file.resize(cases_offset as usize, 0);
    file.extend_from_slice(cases);
    file
}
