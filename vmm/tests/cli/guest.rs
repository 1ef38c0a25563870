//! Guests without an operating system for these tests: ELF files around a few assembled instructions.

use std::io::Write as _;

use power::insn::{Endian, assemble};
use tempfile::NamedTempFile;

/// Code that all guests may call.
const ROUTINES: &str = "
    # Powers off.
power_off:
    lis r4,off_buffer@h; ori r4,r4,off_buffer@l; b rtas
    # Stops this processor.
stop_self:
    lis r4,stop_buffer@h; ori r4,r4,stop_buffer@l
rtas:
    lis r3,0; ori r3,r3,0xf000; sc 1; b .
    # Prints the r5 bytes (16 at most) at r6.
print:
    ld r7,8(r6); ld r6,0(r6); li r4,0; li r3,0x58; sc 1; blr
    .align 3
off_buffer:  .long 2, 2, 1, 0, 0, 0
stop_buffer: .long 5, 0, 1, 0
";

/// An ELF file whose first instruction is that of `source`.
pub fn guest(source: &str) -> NamedTempFile {
    const AT: u64 = 0x1_0000;
    let code = assemble(&format!("{source}\n.align 3\n{ROUTINES}"), AT, Endian::Big)
        .expect("the guest assembles")
        .bytes;
    let mut elf = b"\x7fELF\x02\x02\x01\0\0\0\0\0\0\0\0\0".to_vec();
    elf.extend([0, 2, 0, 21, 0, 0, 0, 1]);
    for double in [AT, 64, 0] {
        elf.extend(double.to_be_bytes());
    }
    elf.extend([0; 4]);
    for half in [64_u16, 56, 1, 64, 0, 0] {
        elf.extend(half.to_be_bytes());
    }
    elf.extend([0, 0, 0, 1, 0, 0, 0, 7]);
    let bytes = code.len() as u64;
    for double in [120, AT, AT, bytes, bytes, 0x1_0000] {
        elf.extend(double.to_be_bytes());
    }
    elf.extend(code);
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(&elf).unwrap();
    file
}

/// Says `ready` and runs on for ever.
pub fn spinning() -> NamedTempFile {
    guest("li r5,6; lis r6,text@h; ori r6,r6,text@l; bl print; b .; .align 3; text: .ascii \"ready\\n          \"")
}

/// Sends back what comes from the console, up to and with a `q`, and powers off.
pub fn echoing() -> NamedTempFile {
    guest(
        "again: li r3,0x54; li r4,0; sc 1
         cmpdi r4,0; beq again
         mr r8,r4; mr r10,r5; mr r11,r6
         li r3,0x58; mr r7,r11; mr r6,r10; mr r5,r8; li r4,0; sc 1
   look: srdi r9,r10,56; cmpdi r9,0x71; beq power_off
         sldi r10,r10,8; srdi r9,r11,56; or r10,r10,r9; sldi r11,r11,8
         addi r8,r8,-1; cmpdi r8,0; bne look
         b again",
    )
}
