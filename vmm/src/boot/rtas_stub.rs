//! The code that the guest calls as RTAS: it passes the call on as a hypercall.
//!
//! Entered big-endian in 32-bit real mode with r3 = the argument buffer: LoPAR, RTAS Environment,
//! "RTAS Calling Conventions".

use power::hcall::Hcall;

/// `or r4,r3,r3`: the argument buffer is the hypercall's first argument.
const MOVE_ARGUMENT: u32 = 0x7c64_1b78;
/// `lis r3,…`
const LOAD_HIGH: u32 = 0x3c60_0000;
/// `ori r3,r3,…`
const OR_LOW: u32 = 0x6063_0000;
/// `sc 1`
const HYPERCALL: u32 = 0x4400_0022;
/// `blr`
const RETURN: u32 = 0x4e80_0020;

/// The stub's bytes; it runs wherever it lies.
pub(super) fn code() -> [u8; 20] {
    let number = Hcall::Rtas.number() as u32;
    let words = [MOVE_ARGUMENT, LOAD_HIGH | (number >> 16), OR_LOW | (number & 0xffff), HYPERCALL, RETURN];
    let mut bytes = [0; 20];
    for (to, word) in bytes.chunks_exact_mut(4).zip(words) {
        to.copy_from_slice(&word.to_be_bytes());
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stub_reads_as_it_should() {
        let text: Vec<String> = code()
            .chunks_exact(4)
            .map(|word| power::insn::disassemble(u32::from_be_bytes(word.try_into().unwrap()), 0))
            .collect();
        assert_eq!(text, ["or r4,r3,r3", "addis r3,r0,0", "ori r3,r3,61440", "sc 1", "bclr 20,0,0"]);
    }
}
