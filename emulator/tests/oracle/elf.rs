//! The least executable file that Linux loads: a header, three segments, no sections.

use super::program::{CASES, CODE, MEMORY_PAGE};

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

impl Segment {
    fn push(&self, file: &mut Vec<u8>) {
        push32(file, 1); // PT_LOAD
        push32(file, self.flags);
        for word in [
            self.offset,
            self.address,
            self.address,
            self.file_bytes,
            self.memory_bytes,
            PAGE,
        ] {
            push64(file, word);
        }
    }
}

fn push16(file: &mut Vec<u8>, value: u16) {
    file.extend_from_slice(&value.to_le_bytes());
}

fn push32(file: &mut Vec<u8>, value: u32) {
    file.extend_from_slice(&value.to_le_bytes());
}

fn push64(file: &mut Vec<u8>, value: u64) {
    file.extend_from_slice(&value.to_le_bytes());
}

/// A little-endian ELFv2 executable that starts at the first byte of `code`.
pub fn executable(code: &[u8], cases: &[u8]) -> Vec<u8> {
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
            address: MEMORY_PAGE,
            file_bytes: 0,
            memory_bytes: PAGE,
        },
        Segment {
            flags: READ_WRITE,
            offset: cases_offset,
            address: CASES,
            file_bytes: cases_bytes,
            memory_bytes: cases_bytes,
        },
    ];
    let mut file = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    push16(&mut file, 2); // ET_EXEC
    push16(&mut file, 21); // EM_PPC64
    push32(&mut file, 1);
    for word in [CODE, HEADER_BYTES, 0] {
        push64(&mut file, word);
    }
    push32(&mut file, 2); // ELFv2
    for half in [HEADER_BYTES, SEGMENT_BYTES, segments.len() as u64, 64, 0, 0] {
        push16(&mut file, half as u16);
    }
    for segment in segments {
        segment.push(&mut file);
    }
    file.resize(PAGE as usize, 0);
    file.extend_from_slice(code);
    file.resize(cases_offset as usize, 0);
    file.extend_from_slice(cases);
    file
}
