//! The loads and stores that Power ISA v3.0B adds for vector-scalar registers (Book I, 7.6.3): whole registers in the mode's byte
//! order, a given number of bytes, elements of a byte and of a halfword. The older ones are in `vector_memory.rs`.
//!
//! Sixteen bytes are moved as an *image*, in the order in which memory has them; what differs between the instructions is how
//! a register is made of one.

use hpt::Access;
use power::insn::{Opcode, Word};

use crate::core::Core;
use crate::fault::Fault;
use crate::regs::Reg;
use crate::system::{self, address};
use crate::vector_memory::{double, load, single, store, store_double, store_single};

type Handler = fn(&mut Core, Word) -> Result<(), Fault>;
/// A register's value of an image, and back.
type Arrange = fn(&Core, [u8; 16]) -> [u8; 16];

/// Bytes of a register.
const BYTES: u64 = 16;
/// The granule inside which an access has one real address.
const PAGE: u64 = 4096;

/// The function for a load or store of this kind.
pub(crate) fn handler(opcode: Opcode) -> Option<Handler> {
    Some(match opcode {
        Opcode::Lxv => |core, word| load_image(core, system::displaced(core, word, word.dq()), word.xt_dq(), whole),
        Opcode::Lxvx => |core, word| load_image(core, address(core, word), word.xt(), whole),
        Opcode::Lxvh8x => |core, word| load_image(core, address(core, word), word.xt(), halfwords),
        Opcode::Lxvb16x => |core, word| load_image(core, address(core, word), word.xt(), bytes),
        Opcode::Stxv => |core, word| store_image(core, system::displaced(core, word, word.dq()), word.xt_dq(), whole),
        Opcode::Stxvx => |core, word| store_image(core, address(core, word), word.xt(), whole),
        Opcode::Stxvh8x => |core, word| store_image(core, address(core, word), word.xt(), halfwords),
        Opcode::Stxvb16x => |core, word| store_image(core, address(core, word), word.xt(), bytes),
        Opcode::Lxvl => |core, word| load_length(core, word, whole),
        Opcode::Lxvll => |core, word| load_length(core, word, bytes),
        Opcode::Stxvl => |core, word| store_length(core, word, whole),
        Opcode::Stxvll => |core, word| store_length(core, word, bytes),
        Opcode::Lxvwsx => |core, word| {
            let element = u128::from(load::<u32>(core, address(core, word))?);
            core.vsu.vsr[word.xt()] = element * 0x0000_0001_0000_0001_0000_0001_0000_0001;
            Ok(())
        },
        Opcode::Lxsibzx => |core, word| load_scalar(core, address(core, word), word.xt(), load::<u8>),
        Opcode::Lxsihzx => |core, word| load_scalar(core, address(core, word), word.xt(), load::<u16>),
        Opcode::Lxsd => {
            |core, word| load_scalar(core, system::displaced(core, word, word.ds()), 32 + word.vrt(), double)
        }
        Opcode::Lxssp => {
            |core, word| load_scalar(core, system::displaced(core, word, word.ds()), 32 + word.vrt(), single)
        }
        Opcode::Stxsibx => |core, word| store_scalar(core, address(core, word), word.xt(), store::<u8>),
        Opcode::Stxsihx => |core, word| store_scalar(core, address(core, word), word.xt(), store::<u16>),
        Opcode::Stxsd => |core, word| {
            store_scalar(
                core,
                system::displaced(core, word, word.ds()),
                32 + word.vrs(),
                store_double,
            )
        },
        Opcode::Stxssp => |core, word| {
            store_scalar(
                core,
                system::displaced(core, word, word.ds()),
                32 + word.vrs(),
                store_single,
            )
        },
        _ => return None,
    })
}

/// All sixteen bytes as one number in the mode's byte order.
fn whole(core: &Core, mut image: [u8; 16]) -> [u8; 16] {
    if core.mode().is_little() {
        image.reverse();
    }
    image
}

/// Eight halfwords, each in the mode's byte order.
fn halfwords(core: &Core, mut image: [u8; 16]) -> [u8; 16] {
    if core.mode().is_little() {
        image.chunks_exact_mut(2).for_each(<[u8]>::reverse);
    }
    image
}

/// Bytes from the left, whatever the mode.
fn bytes(_: &Core, image: [u8; 16]) -> [u8; 16] {
    image
}

fn load_image(core: &mut Core, ea: u64, target: usize, arrange: Arrange) -> Result<(), Fault> {
    if ea % PAGE > PAGE - BYTES {
        // No device is asked before it is known that the second page may be loaded from.
        core.check_in_memory(ea, BYTES as usize, Access::Load)?;
    }
    let mut image = [0; BYTES as usize];
    for (half, offset) in image.chunks_exact_mut(8).zip([0, 8]) {
        let value: u64 = core.load(ea.wrapping_add(offset) & core.pc_mask)?;
        half.copy_from_slice(&value.to_ne_bytes());
    }
    core.vsu.vsr[target] = u128::from_be_bytes(arrange(core, image));
    Ok(())
}

fn store_image(core: &mut Core, ea: u64, source: usize, arrange: Arrange) -> Result<(), Fault> {
    let image = arrange(core, core.vsu.vsr[source].to_be_bytes());
    if ea % PAGE > PAGE - BYTES || core.is_watched_page(ea) {
        // Nothing is stored if the second page or doubleword may not be.
        return core.store_bytes(ea, &image);
    }
    let (first, second) = image.split_at(8);
    core.store(ea, in_host_order(first))?;
    core.store(ea + 8, in_host_order(second))
}

/// The integer of which the host's memory would have these eight bytes.
fn in_host_order(bytes: &[u8]) -> u64 {
    u64::from_ne_bytes(bytes.try_into().expect("an image has two halves of eight bytes"))
}

/// The number of bytes of an access with a length: the first byte of RB, 16 at most.
fn length(core: &Core, word: Word) -> usize {
    (core.regs[word.rb() as Reg] >> 56).min(BYTES) as usize
}

/// Loads as many bytes as RB says; the others become zero. None is no access at all.
fn load_length(core: &mut Core, word: Word, arrange: Arrange) -> Result<(), Fault> {
    let mut image = [0; BYTES as usize];
    let length = length(core, word);
    if length != 0 {
        core.load_bytes(system::displaced(core, word, 0), &mut image[..length])?;
    }
    core.vsu.vsr[word.xt()] = u128::from_be_bytes(arrange(core, image));
    Ok(())
}

fn store_length(core: &mut Core, word: Word, arrange: Arrange) -> Result<(), Fault> {
    let image = arrange(core, core.vsu.vsr[word.xt()].to_be_bytes());
    match length(core, word) {
        0 => Ok(()),
        length => core.store_bytes(system::displaced(core, word, 0), &image[..length]),
    }
}

fn load_scalar(
    core: &mut Core,
    ea: u64,
    target: usize,
    load: fn(&mut Core, u64) -> Result<u64, Fault>,
) -> Result<(), Fault> {
    let value = load(core, ea)?;
    core.vsu.set_scalar(target, value);
    Ok(())
}

fn store_scalar(
    core: &mut Core,
    ea: u64,
    source: usize,
    store: fn(&mut Core, u64, u64) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let value = core.vsu.scalar(source);
    store(core, ea, value)
}
