//! One function's configuration space: a type 0 header and capabilities (PCI Local Bus 3.0, 6.1 to 6.8), as bytes beside a mask of the
//! bits that a guest may change. What a change brings about is the port's to do.

use std::ops::Range;

use super::Identity;
use super::bar::Decoder;
use super::registers::{self, BYTES, capability, command, msix, status};
use super::windows::Space;

/// An access to configuration space: 1, 2 or 4 bytes, naturally aligned, inside it. Only [`Access::new`] makes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Access {
    offset: usize,
    width: usize,
}

/// The part of an access that falls into a vendor-specific capability.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct VendorPart {
    /// Which capability.
    pub(super) number: usize,
    /// Where it begins there.
    pub(super) offset: usize,
    /// Which bytes of the access it is.
    pub(super) bytes: Range<usize>,
}

/// What the MSI-X capability says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct MsixPlace {
    /// Number of vectors: 1 to 2048.
    pub(super) vectors: u16,
    /// The BAR with the table, which is at its beginning.
    pub(super) bar: usize,
    /// Offset of the pending bits in the same BAR.
    pub(super) pending: u32,
}

/// A function's configuration space.
#[derive(Debug)]
pub(super) struct Config {
    bytes: [u8; BYTES],
    writable: [u8; BYTES],
    /// As it was when it was made, with BARs in their first places.
    boot: [u8; BYTES],
    decoders: Vec<Decoder>,
    /// What comes after ID and next pointer of each vendor-specific capability.
    vendor: Vec<Range<usize>>,
    /// Where the MSI-X capability is.
    msix: Option<usize>,
}

impl Access {
    /// One of `width` bytes at `offset`.
    pub(super) fn new(offset: u32, width: u32) -> Option<Self> {
        let (offset, width) = (offset as usize, width as usize);
        let right = matches!(width, 1 | 2 | 4) && offset % width == 0 && offset + width <= BYTES;
        right.then_some(Self { offset, width })
    }

    /// What it has in common with `range`, as bytes of the access.
    fn part(self, range: &Range<usize>) -> Option<Range<usize>> {
        let start = range.start.max(self.offset);
        let end = range.end.min(self.offset + self.width);
        (start < end).then(|| start - self.offset..end - self.offset)
    }
}

impl Config {
    /// That of a function with BARs at these bus addresses and these capabilities, nothing of which is on. `None`: they do not fit.
    pub(super) fn new(
        identity: &Identity,
        bars: &[(Decoder, u64)],
        capabilities: &[Vec<u8>],
        msix: Option<MsixPlace>,
    ) -> Option<Self> {
        let mut config = Self {
            bytes: [0; BYTES],
            writable: [0; BYTES],
            boot: [0; BYTES],
            decoders: bars.iter().map(|(decoder, _)| *decoder).collect(),
            vendor: Vec::new(),
            msix: None,
        };
        config.put_identity(identity);
        for &(decoder, at) in bars {
            let (offset, width) = decoder.register();
            config.put(offset, &decoder.with_address(at).to_le_bytes()[..width]);
            config.permit(offset, &decoder.writable().to_le_bytes()[..width]);
        }
        config.put_capabilities(capabilities, msix)?;
        let has = |space: fn(Space) -> bool| bars.iter().any(|(decoder, _)| space(decoder.bar.space));
        let decoded = [
            (has(|space| space == Space::Io), command::IO),
            (has(|space| space != Space::Io), command::MEMORY),
        ];
        let decoded = decoded
            .into_iter()
            .filter(|(has, _)| *has)
            .fold(0, |bits, (_, bit)| bits | bit);
        let always = command::MASTER | command::PARITY | command::SYSTEM_ERROR | command::INTERRUPT_DISABLE;
        config.permit(registers::COMMAND, &(decoded | always).to_le_bytes());
        config.permit(registers::CACHE_LINE, &[0xff]);
        config.permit(registers::INTERRUPT_LINE, &[0xff]);
        config.boot = config.bytes;
        Some(config)
    }

    fn put_identity(&mut self, identity: &Identity) {
        self.put(registers::VENDOR, &identity.vendor.to_le_bytes());
        self.put(registers::DEVICE, &identity.device.to_le_bytes());
        self.put(
            registers::REVISION,
            &(identity.class << 8 | u32::from(identity.revision)).to_le_bytes(),
        );
        self.put(registers::SUBSYSTEM_VENDOR, &identity.subsystem_vendor.to_le_bytes());
        self.put(registers::SUBSYSTEM, &identity.subsystem.to_le_bytes());
        // INTA.
        self.put(registers::INTERRUPT_PIN, &[1]);
    }

    /// The list: MSI-X first, then the vendor's in their order. `None`: it is too long.
    fn put_capabilities(&mut self, vendor: &[Vec<u8>], place: Option<MsixPlace>) -> Option<()> {
        let mut free = registers::AFTER_HEADER;
        // Where the pointer to the next capability goes.
        let mut link = registers::CAPABILITIES;
        let mut add = |config: &mut Self, id: u8, body: &[u8]| {
            let at = free;
            let end = at + 2 + body.len();
            if end > BYTES {
                return None;
            }
            config.put(link, &[at as u8]);
            config.put(at, &[id, 0]);
            config.put(at + 2, body);
            link = at + 1;
            // Each begins at a word (6.7).
            free = end.next_multiple_of(4);
            Some(at)
        };
        if let Some(place) = place {
            let mut body = [0; msix::BYTES - 2];
            let bar = place.bar as u32;
            body[..2].copy_from_slice(&(place.vectors - 1).to_le_bytes());
            body[msix::TABLE - 2..][..4].copy_from_slice(&bar.to_le_bytes());
            body[msix::PENDING - 2..][..4].copy_from_slice(&(place.pending | bar).to_le_bytes());
            let at = add(self, capability::MSIX, &body)?;
            let control = msix::ENABLE | msix::FUNCTION_MASK;
            self.permit(at + msix::CONTROL, &control.to_le_bytes());
            self.msix = Some(at);
        }
        for body in vendor {
            let at = add(self, capability::VENDOR, body)?;
            self.vendor.push(at + 2..at + 2 + body.len());
        }
        if self.bytes[registers::CAPABILITIES] != 0 {
            self.put(registers::STATUS, &status::CAPABILITIES.to_le_bytes());
        }
        Some(())
    }

    fn put(&mut self, offset: usize, bytes: &[u8]) {
        self.bytes[offset..offset + bytes.len()].copy_from_slice(bytes);
    }

    /// A guest may change the bits of `mask`.
    fn permit(&mut self, offset: usize, mask: &[u8]) {
        self.writable[offset..offset + mask.len()].copy_from_slice(mask);
    }

    /// Loads, in the order of addresses; the rest of the four bytes is zero.
    pub(super) fn load(&self, access: Access) -> [u8; 4] {
        let mut bytes = [0; 4];
        let from = &self.bytes[access.offset..access.offset + access.width];
        bytes[..access.width].copy_from_slice(from);
        bytes
    }

    /// Stores as many bytes as the access has, as far as a guest may.
    pub(super) fn store(&mut self, access: Access, from: [u8; 4]) {
        for (offset, new) in (access.offset..access.offset + access.width).zip(from) {
            let mask = self.writable[offset];
            self.bytes[offset] = self.bytes[offset] & !mask | new & mask;
        }
    }

    /// As at the start.
    pub(super) fn reset(&mut self) {
        self.bytes = self.boot;
    }

    /// The part of `access` that falls into a vendor-specific capability: into one at most, as each begins at a word.
    pub(super) fn vendor_part(&self, access: Access) -> Option<VendorPart> {
        let each = self.vendor.iter().enumerate();
        each.filter_map(|(number, range)| {
            let bytes = access.part(range)?;
            Some(VendorPart {
                number,
                offset: access.offset + bytes.start - range.start,
                bytes,
            })
        })
        .next()
    }

    fn half(&self, offset: usize) -> u16 {
        u16::from_le_bytes([self.bytes[offset], self.bytes[offset + 1]])
    }

    /// Whether this bit of the command register is set.
    pub(super) fn commands(&self, bit: u16) -> bool {
        self.half(registers::COMMAND) & bit != 0
    }

    /// Sets or clears INTA's disable bit, as a guest could.
    pub(super) fn disable_interrupt(&mut self, disable: bool) {
        let bit = command::INTERRUPT_DISABLE;
        let others = self.half(registers::COMMAND) & !bit;
        self.put(
            registers::COMMAND,
            &(others | if disable { bit } else { 0 }).to_le_bytes(),
        );
    }

    /// Says in the status register whether the function asks for INTA.
    pub(super) fn show_interrupt(&mut self, up: bool) {
        let others = self.half(registers::STATUS) & !status::INTERRUPT;
        self.put(
            registers::STATUS,
            &(others | if up { status::INTERRUPT } else { 0 }).to_le_bytes(),
        );
    }

    /// Message control of MSI-X: nothing is on where there is none.
    pub(super) fn msix_control(&self) -> u16 {
        self.msix.map_or(0, |at| self.half(at + msix::CONTROL))
    }

    /// The BARs that decode now, with their bus addresses.
    pub(super) fn decoded(&self) -> impl Iterator<Item = (Decoder, u64)> {
        let on = |decoder: &&Decoder| {
            let bit = if decoder.bar.space == Space::Io {
                command::IO
            } else {
                command::MEMORY
            };
            self.commands(bit)
        };
        self.decoders
            .iter()
            .filter(on)
            .map(|&decoder| (decoder, decoder.address(self.register(decoder))))
    }

    fn register(&self, decoder: Decoder) -> u64 {
        let (offset, width) = decoder.register();
        let mut bytes = [0; 8];
        bytes[..width].copy_from_slice(&self.bytes[offset..offset + width]);
        u64::from_le_bytes(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Bar;
    use super::*;
    use proptest::prelude::*;

    const IDENTITY: Identity = Identity {
        vendor: 0x1af4,
        device: 0x1042,
        subsystem_vendor: 0x1af4,
        subsystem: 0x1100,
        revision: 1,
        class: 0x01_00_00,
    };

    fn bar(number: usize, space: Space, bytes: u64, at: u64) -> (Decoder, u64) {
        let bar = Bar { bytes, space };
        (Decoder { number, bar }, at)
    }

    fn config() -> Config {
        let bars = [
            bar(0, Space::Io, 64, 0x1000),
            bar(1, Space::Memory32, 0x2000, 0x8000_0000),
            bar(4, Space::Memory64, 0x1_0000, 0x1_0100_0000_0000),
        ];
        let msix = MsixPlace {
            vectors: 3,
            bar: 1,
            pending: 0x1000,
        };
        Config::new(&IDENTITY, &bars, &[vec![1, 2, 3], vec![9; 14]], Some(msix)).unwrap()
    }

    fn load(config: &Config, offset: u32, width: u32) -> u32 {
        u32::from_le_bytes(config.load(Access::new(offset, width).unwrap()))
    }

    fn store(config: &mut Config, offset: u32, width: u32, value: u32) {
        config.store(Access::new(offset, width).unwrap(), value.to_le_bytes());
    }

    #[test]
    fn the_header_is_where_the_manual_has_it() {
        let config = config();
        assert_eq!(load(&config, 0x00, 4), 0x1042_1af4);
        assert_eq!(load(&config, 0x08, 4), 0x0100_0001);
        assert_eq!(load(&config, 0x0e, 1), 0, "type 0, one function");
        assert_eq!(load(&config, 0x2c, 4), 0x1100_1af4);
        assert_eq!(load(&config, 0x3d, 1), 1, "INTA");
        assert_eq!(load(&config, 0x06, 2), 0x10, "capabilities");
        assert_eq!(load(&config, 0x10, 4), 0x1001);
        assert_eq!(load(&config, 0x14, 4), 0x8000_0000);
        assert_eq!((load(&config, 0x20, 4), load(&config, 0x24, 4)), (0xc, 0x1_0100));
        assert_eq!(load(&config, 0x30, 4), 0, "no expansion ROM");
    }

    #[test]
    fn the_list_of_capabilities_leads_to_each_once() {
        let config = config();
        let (mut at, mut found) = (load(&config, 0x34, 1), Vec::new());
        while at != 0 {
            found.push((load(&config, at, 1), at));
            at = load(&config, at + 1, 1);
        }
        assert_eq!(found, [(0x11, 0x40), (0x09, 0x4c), (0x09, 0x54)]);
        assert_eq!(load(&config, 0x42, 2), 2, "table size - 1");
        assert_eq!((load(&config, 0x44, 4), load(&config, 0x48, 4)), (1, 0x1001));
        assert_eq!(load(&config, 0x4e, 2), 0x201);
        assert_eq!(load(&config, 0x50, 1), 3);
    }

    #[test]
    fn capabilities_that_do_not_fit_are_none() {
        let long = vec![vec![0; 90], vec![0; 90], vec![0; 90]];
        assert!(Config::new(&IDENTITY, &[], &long, None).is_none());
        assert!(Config::new(&IDENTITY, &[], &[vec![0; 190]], None).is_some());
        assert!(Config::new(&IDENTITY, &[], &[vec![0; 191]], None).is_none());
    }

    #[test]
    fn a_vendors_capability_knows_its_part_of_an_access() {
        let config = config();
        let part = |offset, width| config.vendor_part(Access::new(offset, width).unwrap());
        assert_eq!(part(0x4c, 2), None);
        let expected = |number, offset, bytes| Some(VendorPart { number, offset, bytes });
        assert_eq!(part(0x4c, 4), expected(0, 0, 2..4));
        assert_eq!(part(0x50, 4), expected(0, 2, 0..1));
        assert_eq!(part(0x60, 4), expected(1, 10, 0..4));
        assert_eq!(part(0x64, 4), None);
    }

    #[test]
    fn bars_decode_only_while_their_space_is_on() {
        let mut config = config();
        assert_eq!(config.decoded().count(), 0);
        store(&mut config, 0x04, 2, 0x1);
        let io: Vec<_> = config.decoded().map(|(decoder, at)| (decoder.number, at)).collect();
        assert_eq!(io, [(0, 0x1000)]);
        store(&mut config, 0x04, 2, 0x2);
        store(&mut config, 0x24, 4, 0x1_0123);
        let memory: Vec<_> = config.decoded().map(|(decoder, at)| (decoder.number, at)).collect();
        assert_eq!(memory, [(1, 0x8000_0000), (4, 0x1_0123_0000_0000)]);
        config.reset();
        assert_eq!((config.decoded().count(), load(&config, 0x24, 4)), (0, 0x1_0100));
    }

    #[test]
    fn the_bits_that_the_bridge_itself_moves_leave_others_alone() {
        let mut config = config();
        store(&mut config, 0x04, 2, 0xffff);
        assert_eq!(load(&config, 0x04, 2), 0x547);
        config.disable_interrupt(false);
        assert_eq!(load(&config, 0x04, 2), 0x147);
        config.disable_interrupt(true);
        config.show_interrupt(true);
        assert_eq!(load(&config, 0x04, 4), 0x18_0547);
        config.show_interrupt(false);
        assert_eq!(load(&config, 0x06, 2), 0x10);
    }

    /// A register file, as the specification describes each register: which of its bits keep what is stored.
    fn keeps(offset: u32) -> u32 {
        match offset {
            0x04 => 0x0000_0547,
            0x0c => 0xff,
            0x10 => !63,
            0x14 => !0x1fff,
            0x20 => 0xffff_0000,
            0x24 => u32::MAX,
            0x3c => 0xff,
            // Message control is the upper half.
            0x40 => 0xc000_0000,
            _ => 0,
        }
    }

    proptest! {
        #[test]
        fn stores_change_what_they_may_and_nothing_else(
            stores in proptest::collection::vec((0_u32..300, 0_u32..6, any::<u32>()), 0..200),
        ) {
            let mut config = config();
            let mut model: Vec<u32> = (0..64).map(|n| load(&config, 4 * n, 4)).collect();
            for (offset, width, value) in stores {
                let right = [1, 2, 4].contains(&width) && offset % width == 0 && offset + width <= 256;
                let access = Access::new(offset, width);
                prop_assert_eq!(access.is_some(), right);
                let Some(access) = access else { continue };
                config.store(access, value.to_le_bytes());
                let shift = 8 * (offset % 4);
                let lanes = (((1_u64 << (8 * width)) - 1) << shift) as u32 & keeps(offset / 4 * 4);
                let word = &mut model[(offset / 4) as usize];
                *word = *word & !lanes | (u64::from(value) << shift) as u32 & lanes;
                let now: Vec<u32> = (0..64).map(|n| load(&config, 4 * n, 4)).collect();
                prop_assert_eq!(&now, &model);
            }
        }
    }
}
