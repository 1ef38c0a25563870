//! How NVRAM is divided (LoPAR, Non-Volatile Memory, Structure): partitions one after the other to its end, each behind a header of
//! its own.
//!
//! ```text
//!      0          1         2 3                4                16
//!     | signature | checksum | length in blocks | name, 12 bytes | data …
//! ```

/// Bytes of a block, and of a header.
const BLOCK: usize = 16;

/// A partition for configuration variables.
const SYSTEM: u8 = 0x70;
/// Nobody's.
const FREE: u8 = 0x7f;

/// The partition that each NVRAM must have (R1-1 of the System NVRAM partitions).
const COMMON: &[u8; 12] = b"common\0\0\0\0\0\0";
/// Its blocks: half a KiB is what a guest's own variables take at most.
const COMMON_BLOCKS: usize = 64;
/// The name of free space (R1-2 of Free Space).
const FREE_NAME: &[u8; 12] = &[0x77; 12];

/// Whether `bytes` begin with the header of a partition that lies in them.
pub(super) fn is_header(bytes: &[u8]) -> bool {
    length(bytes).is_some()
}

/// The bytes of the partition whose header `bytes` begin with; `None` if that is none, or has not all of them.
fn length(bytes: &[u8]) -> Option<usize> {
    let header = bytes.get(..BLOCK)?;
    let length = usize::from(u16::from_be_bytes([header[2], header[3]])) * BLOCK;
    let is_whole = length > 0 && length <= bytes.len();
    (is_whole && header[1] == checksum(header)).then_some(length)
}

/// The sum of all bytes of a header but its checksum, each carry added again.
fn checksum(header: &[u8]) -> u8 {
    let others = header[..1].iter().chain(&header[2..BLOCK]);
    others.fold(0_u8, |sum, &byte| {
        let (sum, carry) = sum.overflowing_add(byte);
        sum + u8::from(carry)
    })
}

/// Makes a partition of all of `bytes`, whose data it leaves as they are.
fn put_header(bytes: &mut [u8], signature: u8, name: &[u8; 12]) {
    let blocks =
        u16::try_from(bytes.len() / BLOCK).expect("NVRAM has 65536 blocks at most, and more than one partition");
    bytes[0] = signature;
    bytes[2..4].copy_from_slice(&blocks.to_be_bytes());
    bytes[4..BLOCK].copy_from_slice(name);
    bytes[1] = checksum(&bytes[..BLOCK]);
}

/// Makes free space of what comes behind the last partition of those that follow each other from the start on; without one, gives it
/// the partition that it must have, first. Returns how many bytes were in no partition: 0 if nothing was to be done.
pub(super) fn repair(bytes: &mut [u8]) -> usize {
    let mut at = 0;
    while at < bytes.len() {
        match length(&bytes[at..]) {
            Some(length) => at += length,
            None => break,
        }
    }
    let lost = bytes.len() - at;
    if lost == 0 {
        return 0;
    }
    bytes[at..].fill(0);
    if at == 0 {
        let common = COMMON_BLOCKS * BLOCK;
        put_header(&mut bytes[..common], SYSTEM, COMMON);
        at = common;
    }
    put_header(&mut bytes[at..], FREE, FREE_NAME);
    lost
}

#[cfg(test)]
mod tests {
    use super::*;

    /// LoPAR's own listing: sums are made of bytes, and a sum that is smaller than before had a carry.
    fn sumcheck(bytes: &[u8]) -> u8 {
        let mut sum = 0_u32;
        for &byte in bytes {
            let next = (sum + u32::from(byte)) & 0xff;
            sum = if next < sum { next + 1 } else { next };
        }
        sum as u8
    }

    #[test]
    fn a_checksum_is_that_of_the_manuals_listing() {
        for seed in 0..200_u32 {
            let header: Vec<u8> = (0..16).map(|n| (seed.wrapping_mul(2_654_435_761) >> n) as u8).collect();
            let others = [&header[..1], &header[2..]].concat();
            assert_eq!(checksum(&header), sumcheck(&others), "{header:?}");
        }
    }

    /// Signature, name and length of each partition.
    fn list(bytes: &[u8]) -> Vec<(u8, Vec<u8>, usize)> {
        let mut at = 0;
        let mut all = Vec::new();
        while at < bytes.len() {
            let bytes_of_it = length(&bytes[at..]).expect("a header");
            all.push((bytes[at], bytes[at + 4..at + 16].to_vec(), bytes_of_it));
            at += bytes_of_it;
        }
        all
    }

    #[test]
    fn zeros_become_the_common_partition_and_free_space() {
        for size in [8 << 10, 64 << 10, 1 << 20] {
            let mut bytes = vec![0; size];
            assert_eq!(repair(&mut bytes), size);
            let parts = list(&bytes);
            assert_eq!(parts[0], (SYSTEM, b"common\0\0\0\0\0\0".to_vec(), 1024));
            assert_eq!(parts[1], (FREE, vec![0x77; 12], size - 1024));
            assert_eq!(parts.len(), 2);
            assert_eq!(repair(&mut bytes), 0);
        }
    }

    #[test]
    fn what_comes_before_damage_stays() {
        let mut bytes = vec![0; 8192];
        repair(&mut bytes);
        put_header(&mut bytes[1024..2048], 0xa0, b"lnx,oops-log");
        bytes[1040..1044].copy_from_slice(b"oops");
        put_header(&mut bytes[2048..], FREE, FREE_NAME);
        let whole = bytes.clone();
        assert_eq!(repair(&mut bytes), 0);
        assert_eq!(bytes, whole);
        for damage in [2048, 2049, 2050, 2055] {
            let mut damaged = whole.clone();
            damaged[damage] ^= 0x21;
            assert_eq!(repair(&mut damaged), 8192 - 2048, "byte {damage}");
            assert_eq!(damaged, whole);
        }
        // A length that reaches over the end, with the checksum that belongs to it.
        let mut damaged = whole.clone();
        damaged[2050] = 0xff;
        damaged[2049] = checksum(&damaged[2048..2064]);
        assert_eq!(repair(&mut damaged), 8192 - 2048);
        assert_eq!(damaged, whole);
    }
}
