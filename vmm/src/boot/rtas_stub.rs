//! The code that the guest calls as RTAS: it passes the call on as a hypercall.
//!
//! Entered big-endian in 32-bit real mode with r3 = the argument buffer (LoPAR, RTAS Environment, "RTAS Calling
//! Conventions"), which becomes the hypercall's first argument.

use power::hcall::Hcall;
use power::insn::{Endian, assemble};

/// The stub's bytes; it runs wherever it lies.
pub(super) fn code() -> Vec<u8> {
    let number = Hcall::Rtas.number();
    let source = format!("mr r4,r3; lis r3,{number}@h; ori r3,r3,{number}@l; sc 1; blr");
    assemble(&source, 0, Endian::Big)
        .expect("the stub is right, as its test shows")
        .bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stub_is_five_big_endian_instructions() {
        let words = [0x7c64_1b78_u32, 0x3c60_0000, 0x6063_f000, 0x4400_0022, 0x4e80_0020];
        assert_eq!(code(), words.map(u32::to_be_bytes).concat());
    }
}
