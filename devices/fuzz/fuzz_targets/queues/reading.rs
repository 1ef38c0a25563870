//! A reading of the specification (virtio 1.2, 2.7) that shares nothing with the device's.

use devices::virtio::Layout;
use devices_fuzz::memory::Memory;

/// Buffers of a chain with an indirect table at most.
const LONGEST: usize = 1024;

/// The buffers of a chain: those to be read, those to be written; bus address and bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Buffers {
    pub readable: Vec<(u64, u32)>,
    pub writable: Vec<(u64, u32)>,
}

/// What a device finds in a ring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    Nothing,
    /// A chain, with its head.
    Chain(u16, Buffers),
    /// What no driver may do.
    Mistake,
}

/// What a device finds that has taken `taken` chains, modulo 2^16, and has `held` of them.
pub fn find(memory: &Memory, layout: &Layout, taken: u16, held: usize) -> Found {
    found(memory, layout, taken, held).unwrap_or(Found::Mistake)
}

/// `None`: what is needed is not there.
fn found(memory: &Memory, layout: &Layout, taken: u16, held: usize) -> Option<Found> {
    let word = |at| Some(u16::from_le_bytes(memory.get(at)?));
    match word(layout.available + 2)?.wrapping_sub(taken) {
        0 => return Some(Found::Nothing),
        more if more > layout.size => return None,
        _ => {}
    }
    let head = word(layout.available + 4 + 2 * u64::from(taken % layout.size))?;
    if held == usize::from(layout.size) {
        return None;
    }
    Some(Found::Chain(head, chain(memory, layout, head)?))
}

/// The chain of `head`; `None`: it is none.
fn chain(memory: &Memory, layout: &Layout, head: u16) -> Option<Buffers> {
    let (mut table, mut count, mut is_indirect) = (layout.descriptors, u32::from(layout.size), false);
    let (mut index, mut visited, mut total) = (u32::from(head), 0, 0_u64);
    let mut buffers = Buffers::default();
    loop {
        if index >= count || visited == count {
            return None;
        }
        let descriptor: [u8; 16] = memory.get(table.checked_add(16 * u64::from(index))?)?;
        let [at, rest] =
            [0, 8].map(|half| u64::from_le_bytes(*descriptor[half..].first_chunk().expect("it is half of it")));
        let (bytes, flags, next) = (rest as u32, rest >> 32 & 0xffff, (rest >> 48) as u32);
        if flags & 4 != 0 {
            if is_indirect || !bytes.is_multiple_of(16) || bytes / 16 > 0xffff {
                return None;
            }
            (table, count, index, visited, is_indirect) = (at, bytes / 16, 0, 0, true);
            continue;
        }
        visited += 1;
        total += u64::from(bytes);
        // The last byte has an address, and there is one.
        at.checked_add(u64::from(bytes.checked_sub(1)?))?;
        if total > u32::MAX.into() || buffers.readable.len() + buffers.writable.len() == LONGEST {
            return None;
        }
        match flags & 2 != 0 {
            true => buffers.writable.push((at, bytes)),
            false if buffers.writable.is_empty() => buffers.readable.push((at, bytes)),
            false => return None,
        }
        if flags & 1 == 0 {
            return Some(buffers);
        }
        index = next;
    }
}
