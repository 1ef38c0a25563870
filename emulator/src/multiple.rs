//! Loads and stores of several registers: multiples of words, and strings of bytes (Power ISA v2.07B, Book I, 3.3.5 and
//! 3.3.6).
//!
//! An instruction happens as a whole: when any byte of it may not be accessed, no register and no byte is changed. On a
//! little-endian processor they are alignment interrupts ([`crate::alignment`]).

use hpt::Access;
use power::insn::{Opcode, Word};
use power::msr::program;

use crate::alignment;
use crate::core::Core;
use crate::fault::Fault;
use crate::regs::{Reg, XER_REST};
use crate::system::{self, address};
use crate::trap::Trap;

type Handler = fn(&mut Core, Word) -> Result<(), Fault>;

/// Bytes of the longest: 32 registers, or what XER can count.
const MOST: usize = 128;

/// The function for an instruction of this kind.
pub(crate) fn handler(opcode: Opcode) -> Option<Handler> {
    Some(match opcode {
        Opcode::Lmw => load_multiple,
        Opcode::Stmw => store_multiple,
        Opcode::Lswi => {
            |core, word| load_string(core, word, immediate_address(core, word), immediate_count(word), false)
        }
        Opcode::Lswx => |core, word| load_string(core, word, address(core, word), counted(core), true),
        Opcode::Stswi => |core, word| store_string(core, word, immediate_address(core, word), immediate_count(word)),
        Opcode::Stswx => |core, word| store_string(core, word, address(core, word), counted(core)),
        _ => return None,
    })
}

fn immediate_address(core: &Core, word: Word) -> u64 {
    system::base(core, word) & core.pc_mask
}

/// `(RA|0) + D`
fn displaced(core: &Core, word: Word) -> u64 {
    system::base(core, word).wrapping_add(word.d() as u64) & core.pc_mask
}

fn immediate_count(word: Word) -> usize {
    match word.nb() {
        0 => 32,
        count => count as usize,
    }
}

/// The bytes that XER counts, 0 to 127.
fn counted(core: &Core) -> usize {
    core.regs[XER_REST] as usize & 0x7f
}

/// Whether `register` is one of the `count` from RT on, the first following the last.
fn is_loaded(word: Word, count: usize, register: usize) -> bool {
    (register + 32 - word.rt()) % 32 < count
}

fn illegal(core: &mut Core) -> Result<(), Fault> {
    core.raise(Trap::Program(program::ILLEGAL))
}

fn load_multiple(core: &mut Core, word: Word) -> Result<(), Fault> {
    let ea = displaced(core, word);
    // An invalid form: the base is loaded over. So it is when it is the number 0.
    if word.ra() >= word.rt() {
        return illegal(core);
    }
    if core.mode().is_little() || ea & 3 != 0 {
        return alignment::interrupt(core, word, ea);
    }
    let mut bytes = [0; MOST];
    let bytes = &mut bytes[..4 * (32 - word.rt())];
    load_all(core, ea, bytes)?;
    set_words(core, word.rt(), bytes);
    Ok(())
}

fn store_multiple(core: &mut Core, word: Word) -> Result<(), Fault> {
    let ea = displaced(core, word);
    if core.mode().is_little() || ea & 3 != 0 {
        return alignment::interrupt(core, word, ea);
    }
    let mut bytes = [0; MOST];
    let bytes = &mut bytes[..4 * (32 - word.rs())];
    words(core, word.rs(), bytes);
    store_all(core, ea, bytes)
}

fn load_string(core: &mut Core, word: Word, ea: u64, count: usize, is_indexed: bool) -> Result<(), Fault> {
    let registers = count.div_ceil(4);
    // An invalid form, also when there is nothing to load.
    let is_over = |register| is_loaded(word, registers.max(1), register);
    if is_over(word.ra()) || is_indexed && is_over(word.rb()) {
        return illegal(core);
    }
    if core.mode().is_little() {
        return alignment::interrupt(core, word, ea);
    }
    let mut bytes = [0; MOST];
    load_all(core, ea, &mut bytes[..count])?;
    // The last register's other bytes become 0.
    set_words(core, word.rt(), &bytes[..4 * registers]);
    Ok(())
}

fn store_string(core: &mut Core, word: Word, ea: u64, count: usize) -> Result<(), Fault> {
    if core.mode().is_little() {
        return alignment::interrupt(core, word, ea);
    }
    let mut bytes = [0; MOST];
    words(core, word.rs(), &mut bytes);
    store_all(core, ea, &bytes[..count])
}

/// Registers from `first` on, four bytes of each, as many as `bytes` has room for.
fn words(core: &Core, first: usize, bytes: &mut [u8]) {
    for (n, four) in bytes.chunks_exact_mut(4).enumerate() {
        let register = core.regs[((first + n) % 32) as Reg] as u32;
        four.copy_from_slice(&register.to_be_bytes());
    }
}

fn set_words(core: &mut Core, first: usize, bytes: &[u8]) {
    for (n, four) in bytes.chunks_exact(4).enumerate() {
        let value = four.iter().fold(0, |value, &byte| value << 8 | u64::from(byte));
        core.regs[((first + n) % 32) as Reg] = value;
    }
}

/// Loads words in single steps where they are aligned and in one page, else bytes.
fn load_all(core: &mut Core, ea: u64, bytes: &mut [u8]) -> Result<(), Fault> {
    if bytes.is_empty() {
        return Ok(());
    }
    core.check_in_memory(ea, bytes.len(), Access::Load)?;
    if !is_words_of_one_page(ea, bytes.len()) {
        return core.load_bytes(ea, bytes);
    }
    for (n, four) in (0..).zip(bytes.chunks_exact_mut(4)) {
        let value: u32 = core.load(ea.wrapping_add(4 * n))?;
        four.copy_from_slice(&value.to_ne_bytes());
    }
    Ok(())
}

/// Stores likewise.
fn store_all(core: &mut Core, ea: u64, bytes: &[u8]) -> Result<(), Fault> {
    if bytes.is_empty() {
        return Ok(());
    }
    core.check_in_memory(ea, bytes.len(), Access::Store)?;
    if !is_words_of_one_page(ea, bytes.len()) || core.is_watched_page(ea) {
        return core.store_bytes(ea, bytes);
    }
    for (n, four) in (0..).zip(bytes.chunks_exact(4)) {
        let value = four.try_into().expect("a chunk has four bytes");
        core.store(ea.wrapping_add(4 * n), u32::from_ne_bytes(value))?;
    }
    Ok(())
}

/// What is of one page happens as a whole: its first access faults, or none does.
fn is_words_of_one_page(ea: u64, bytes: usize) -> bool {
    ea.is_multiple_of(4) && bytes.is_multiple_of(4) && ea % 4096 + bytes as u64 <= 4096
}
