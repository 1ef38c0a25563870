//! `darn`: random numbers (Power ISA v3.0B, Book I, 3.3.9), which are the host's unless the partition has others.

use power::insn::Word;
use rustix::rand::{GetRandomFlags, getrandom};

use crate::core::Core;
use crate::fault::Fault;
use crate::regs::Reg;

/// What RT holds when there is no number.
const NONE: u64 = u64::MAX;

/// `darn`: L = 0 is a word, 1 a doubleword, 2 a raw one; 3 is reserved and gives none.
pub(crate) fn darn(core: &mut Core, word: Word) -> Result<(), Fault> {
    let number = || core.shared.number().or_else(number_of_host);
    let number = match word.bits(14, 15) {
        0 => number().map(|number| number & 0xffff_ffff),
        1 | 2 => number(),
        _ => None,
    };
    core.regs[word.rt() as Reg] = number.unwrap_or(NONE);
    Ok(())
}

/// 64 random bits, if the host has them now: the guest asks again where it has not.
fn number_of_host() -> Option<u64> {
    let mut bytes = [0; 8];
    let got = getrandom(&mut bytes, GetRandomFlags::NONBLOCK).ok()?;
    (got == bytes.len()).then(|| u64::from_ne_bytes(bytes))
}
