//! The hypercall instruction where `sc 1` does not reach KVM-PR: on a host that is itself a guest, the hypervisor below it
//! takes every `sc 1`. KVM-PR knows another word for it, an instruction that no processor has, which ends up with KVM-PR
//! as every illegal instruction does.
//!
//! Replaced are the words of code that is there when the guest starts. Hypercalls of code that the guest loads
//! later are lost: Linux makes all of its own in its kernel's text (nine instructions), and the alternatives that it patches
//! into itself while it boots lie there, too.
//!
//! Linux is one segment, readable, writable and executable, so its data is looked through as well. No such word was found there.

use power::insn::Endian;

/// `sc 1`: Power ISA v2.07B, Book I, 2.7.
const SC_1: u32 = 0x4400_0022;

/// What KVM-PR takes for it: primary opcode 31, extended opcode 308.
const ALTERNATIVE: u32 = 0x7c00_0268;

/// Replaces `sc 1` among the instructions of `code`, whose first byte is that of an instruction. Returns how many there were.
pub(super) fn replace(code: &mut [u8], endian: Endian) -> usize {
    let bytes = |word: u32| match endian {
        Endian::Big => word.to_be_bytes(),
        Endian::Little => word.to_le_bytes(),
    };
    let (from, to) = (bytes(SC_1), bytes(ALTERNATIVE));
    let (words, _) = code.as_chunks_mut();
    words
        .iter_mut()
        .filter(|word| **word == from)
        .map(|word| *word = to)
        .count()
}

#[cfg(test)]
mod tests {
    use power::insn::assemble;

    use super::*;

    fn code(source: &str, endian: Endian) -> Vec<u8> {
        assemble(source, 0, endian).unwrap().bytes
    }

    #[test]
    fn each_sc_1_of_the_codes_own_byte_order_is_replaced() {
        for endian in [Endian::Big, Endian::Little] {
            let mut bytes = code("sc 1; nop; sc 1; blr", endian);
            assert_eq!(replace(&mut bytes, endian), 2);
            let wanted = code(".long 0x7c000268; nop; .long 0x7c000268; blr", endian);
            assert_eq!(bytes, wanted);
        }
    }

    #[test]
    fn other_words_and_the_other_byte_order_stay() {
        let kept = code("sc; li r3,1; .long 0x22000044; nop", Endian::Big);
        let mut bytes = kept.clone();
        assert_eq!(replace(&mut bytes, Endian::Big), 0);
        assert_eq!(bytes, kept);
        // Halfway between two instructions.
        let mut bytes = code(".long 0x00004400; .long 0x00220000", Endian::Big);
        assert_eq!(replace(&mut bytes, Endian::Big), 0);
        let mut tail = [0x44, 0, 0];
        assert_eq!(replace(&mut tail, Endian::Big), 0);
    }
}
