//! Loads and stores of floating-point and vector registers (Power ISA v2.07B, Book I, 4.6.2, 6.7, 7.6.1).
//!
//! A vector register is a `u128` whose most significant bit is the manual's bit 0; a floating-point
//! register is the upper half of the vector-scalar register of the same number. What Power ISA v3.0B adds is in `vsx_memory.rs`.

use hpt::Access;
use power::insn::{Opcode, Word};

use crate::core::Core;
use crate::fault::Fault;
use crate::ram::Scalar;
use crate::regs::Reg;
use crate::system::{self, address};
use crate::vsu::{double_to_single, single_to_double};
use crate::vsx_memory;

type Handler = fn(&mut Core, Word) -> Result<(), Fault>;

/// The function for a load or store of this kind.
pub(crate) fn handler(opcode: Opcode) -> Option<Handler> {
    Some(match opcode {
        Opcode::Lfd => |core, word| load_float(core, word, displaced, Keep::Base, double),
        Opcode::Lfdu => |core, word| load_float(core, word, displaced, Keep::Address, double),
        Opcode::Lfdx => |core, word| load_float(core, word, address, Keep::Base, double),
        Opcode::Lfdux => |core, word| load_float(core, word, address, Keep::Address, double),
        Opcode::Lfs => |core, word| load_float(core, word, displaced, Keep::Base, single),
        Opcode::Lfsu => |core, word| load_float(core, word, displaced, Keep::Address, single),
        Opcode::Lfsx => |core, word| load_float(core, word, address, Keep::Base, single),
        Opcode::Lfsux => |core, word| load_float(core, word, address, Keep::Address, single),
        Opcode::Lfiwax => |core, word| load_float(core, word, address, Keep::Base, word_signed),
        Opcode::Lfiwzx => |core, word| load_float(core, word, address, Keep::Base, load::<u32>),
        Opcode::Stfd => |core, word| store_float(core, word, displaced, Keep::Base, store_double),
        Opcode::Stfdu => |core, word| store_float(core, word, displaced, Keep::Address, store_double),
        Opcode::Stfdx => |core, word| store_float(core, word, address, Keep::Base, store_double),
        Opcode::Stfdux => |core, word| store_float(core, word, address, Keep::Address, store_double),
        Opcode::Stfs => |core, word| store_float(core, word, displaced, Keep::Base, store_single),
        Opcode::Stfsu => |core, word| store_float(core, word, displaced, Keep::Address, store_single),
        Opcode::Stfsx => |core, word| store_float(core, word, address, Keep::Base, store_single),
        Opcode::Stfsux => |core, word| store_float(core, word, address, Keep::Address, store_single),
        Opcode::Stfiwx => |core, word| store_float(core, word, address, Keep::Base, store::<u32>),
        Opcode::Lvx | Opcode::Lvxl => load_vector,
        Opcode::Stvx | Opcode::Stvxl => store_vector,
        Opcode::Lvebx => load_element::<u8>,
        Opcode::Lvehx => load_element::<u16>,
        Opcode::Lvewx => load_element::<u32>,
        Opcode::Stvebx => store_element::<u8>,
        Opcode::Stvehx => store_element::<u16>,
        Opcode::Stvewx => store_element::<u32>,
        Opcode::Lxsdx => |core, word| load_scalar(core, word, double),
        Opcode::Lxsspx => |core, word| load_scalar(core, word, single),
        Opcode::Lxsiwax => |core, word| load_scalar(core, word, word_signed),
        Opcode::Lxsiwzx => |core, word| load_scalar(core, word, load::<u32>),
        Opcode::Stxsdx => |core, word| store_scalar(core, word, store_double),
        Opcode::Stxsspx => |core, word| store_scalar(core, word, store_single),
        Opcode::Stxsiwx => |core, word| store_scalar(core, word, store::<u32>),
        Opcode::Lxvd2x => load_elements::<u64>,
        Opcode::Lxvw4x => load_elements::<u32>,
        Opcode::Stxvd2x => store_elements::<u64>,
        Opcode::Stxvw4x => store_elements::<u32>,
        Opcode::Lxvdsx => |core, word| {
            let value = u128::from(load::<u64>(core, address(core, word))?);
            core.vsu.vsr[word.xt()] = value << 64 | value;
            Ok(())
        },
        _ => return vsx_memory::handler(opcode),
    })
}

/// Whether the instruction is one that updates RA, which must then not be 0.
pub(crate) fn updates(opcode: Opcode) -> bool {
    matches!(
        opcode,
        Opcode::Lfdu
            | Opcode::Lfdux
            | Opcode::Lfsu
            | Opcode::Lfsux
            | Opcode::Stfdu
            | Opcode::Stfdux
            | Opcode::Stfsu
            | Opcode::Stfsux
    )
}

/// Whether RA keeps its value or takes the address.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Keep {
    Base,
    Address,
}

/// `(RA|0) + D`
fn displaced(core: &Core, word: Word) -> u64 {
    system::displaced(core, word, word.d())
}

/// An integer at `ea` in the mode's byte order.
pub(crate) fn load<T: Scalar>(core: &mut Core, ea: u64) -> Result<u64, Fault> {
    let value: T = core.load(ea)?;
    Ok(value.to_order(core.mode().is_little()).into())
}

/// Stores the low part of `value` at `ea` in the mode's byte order.
pub(crate) fn store<T: Scalar>(core: &mut Core, ea: u64, value: u64) -> Result<(), Fault> {
    let value = T::truncate(value).to_order(core.mode().is_little());
    core.store(ea, value)
}

pub(crate) fn double(core: &mut Core, ea: u64) -> Result<u64, Fault> {
    load::<u64>(core, ea)
}

pub(crate) fn single(core: &mut Core, ea: u64) -> Result<u64, Fault> {
    Ok(single_to_double(load::<u32>(core, ea)? as u32))
}

fn word_signed(core: &mut Core, ea: u64) -> Result<u64, Fault> {
    Ok(load::<u32>(core, ea)? as i32 as u64)
}

pub(crate) fn store_double(core: &mut Core, ea: u64, value: u64) -> Result<(), Fault> {
    store::<u64>(core, ea, value)
}

pub(crate) fn store_single(core: &mut Core, ea: u64, value: u64) -> Result<(), Fault> {
    store::<u32>(core, ea, u64::from(double_to_single(value)))
}

fn upper(register: u128) -> u64 {
    (register >> 64) as u64
}

fn load_float(
    core: &mut Core,
    word: Word,
    address: fn(&Core, Word) -> u64,
    keep: Keep,
    load: fn(&mut Core, u64) -> Result<u64, Fault>,
) -> Result<(), Fault> {
    let ea = address(core, word);
    let value = load(core, ea)?;
    core.vsu.set_scalar(word.frt(), value);
    if keep == Keep::Address {
        core.regs[word.ra() as Reg] = ea;
    }
    Ok(())
}

fn store_float(
    core: &mut Core,
    word: Word,
    address: fn(&Core, Word) -> u64,
    keep: Keep,
    store: fn(&mut Core, u64, u64) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let ea = address(core, word);
    store(core, ea, upper(core.vsu.vsr[word.frs()]))?;
    if keep == Keep::Address {
        core.regs[word.ra() as Reg] = ea;
    }
    Ok(())
}

fn load_scalar(core: &mut Core, word: Word, load: fn(&mut Core, u64) -> Result<u64, Fault>) -> Result<(), Fault> {
    let value = load(core, address(core, word))?;
    core.vsu.set_scalar(word.xt(), value);
    Ok(())
}

fn store_scalar(core: &mut Core, word: Word, store: fn(&mut Core, u64, u64) -> Result<(), Fault>) -> Result<(), Fault> {
    let value = upper(core.vsu.vsr[word.xt()]);
    store(core, address(core, word), value)
}

fn load_vector(core: &mut Core, word: Word) -> Result<(), Fault> {
    let ea = address(core, word) & !15;
    let (first, second) = (load::<u64>(core, ea)?, load::<u64>(core, ea + 8)?);
    let (high, low) = if core.mode().is_little() {
        (second, first)
    } else {
        (first, second)
    };
    core.vsu.vsr[32 + word.vrt()] = u128::from(high) << 64 | u128::from(low);
    Ok(())
}

fn store_vector(core: &mut Core, word: Word) -> Result<(), Fault> {
    let ea = address(core, word) & !15;
    if core.is_watched_page(ea) {
        // Nothing is stored if the second doubleword may not be.
        core.translate_data(ea, Access::Store)?;
        core.check_watchpoint(ea, 16, Access::Store)?;
    }
    let value = core.vsu.vsr[32 + word.vrs()];
    let (high, low) = (upper(value), value as u64);
    let (first, second) = if core.mode().is_little() {
        (low, high)
    } else {
        (high, low)
    };
    store::<u64>(core, ea, first)?;
    store::<u64>(core, ea + 8, second)
}

/// How far the element of `BYTES` bytes at `ea` is shifted up in its vector.
fn element_shift<T: Scalar>(core: &Core, ea: u64) -> u32 {
    let offset = ea & 15 & !(T::BYTES - 1);
    let from_right = if core.mode().is_little() {
        offset
    } else {
        16 - T::BYTES - offset
    };
    8 * from_right as u32
}

fn load_element<T: Scalar>(core: &mut Core, word: Word) -> Result<(), Fault> {
    let ea = address(core, word) & !(T::BYTES - 1);
    let value = u128::from(load::<T>(core, ea)?);
    let shift = element_shift::<T>(core, ea);
    let mask = (u128::MAX >> (128 - 8 * T::BYTES as u32)) << shift;
    let register = &mut core.vsu.vsr[32 + word.vrt()];
    *register = (*register & !mask) | (value << shift);
    Ok(())
}

fn store_element<T: Scalar>(core: &mut Core, word: Word) -> Result<(), Fault> {
    let ea = address(core, word) & !(T::BYTES - 1);
    let shift = element_shift::<T>(core, ea);
    let value = (core.vsu.vsr[32 + word.vrs()] >> shift) as u64;
    store::<T>(core, ea, value)
}

/// Elements from the left, each in the mode's byte order.
fn load_elements<T: Scalar>(core: &mut Core, word: Word) -> Result<(), Fault> {
    let ea = address(core, word);
    if ea % 4096 > 4096 - 16 {
        // No device is asked before it is known that the second page may be loaded from.
        core.check_in_memory(ea, 16, Access::Load)?;
    }
    let mut value = 0;
    for offset in (0..16).step_by(T::BYTES as usize) {
        let element = load::<T>(core, ea.wrapping_add(offset) & core.pc_mask)?;
        value = value << (8 * T::BYTES) | u128::from(element);
    }
    core.vsu.vsr[word.xt()] = value;
    Ok(())
}

fn store_elements<T: Scalar>(core: &mut Core, word: Word) -> Result<(), Fault> {
    let ea = address(core, word);
    let value = core.vsu.vsr[word.xt()];
    if ea % 4096 > 4096 - 16 || core.is_watched_page(ea) {
        // Nothing is stored if the second page or doubleword may not be.
        let mut bytes = value.to_be_bytes();
        if core.mode().is_little() {
            bytes.chunks_exact_mut(T::BYTES as usize).for_each(<[u8]>::reverse);
        }
        return core.store_bytes(ea, &bytes);
    }
    for offset in (0..16).step_by(T::BYTES as usize) {
        let element = (value >> (8 * (16 - T::BYTES - offset))) as u64;
        store::<T>(core, ea.wrapping_add(offset) & core.pc_mask, element)?;
    }
    Ok(())
}
