//! States and programs as text.

use power::insn::{Endian, disassemble};

use crate::oracle::{Case, INSTRUCTIONS, MEMORY, State};

/// The differences between two states, a line each.
pub fn differences(before: &State, ours: &State, theirs: &State) -> String {
    let registers = |state: &State| {
        let mut all: Vec<(String, u128)> = [
            ("cr", u64::from(state.cr)),
            ("xer", state.xer),
            ("lr", state.lr),
            ("ctr", state.ctr),
            ("fpscr", state.fpscr),
            ("vscr", state.vscr.into()),
        ]
        .map(|(name, value)| (name.to_owned(), value.into()))
        .into();
        all.extend((0..).zip(state.gpr).map(|(n, gpr)| (format!("r{n}"), gpr.into())));
        all.extend((0..).zip(state.vsr).map(|(n, vsr)| (format!("vs{n}"), vsr)));
        all.extend(
            (MEMORY..)
                .zip(state.memory)
                .map(|(at, byte)| (format!("{at:#x}"), byte.into())),
        );
        all
    };
    let both = registers(ours).into_iter().zip(registers(theirs));
    both.zip(registers(before))
        .filter(|(((_, ours), (_, theirs)), _)| ours != theirs)
        .map(|(((name, ours), (_, theirs)), (_, before))| {
            format!("  {name}: was {before:#x}, ours {ours:#x}, QEMU's {theirs:#x}\n")
        })
        .collect()
}

/// What a case starts with, of general and vector registers those that its instructions name.
pub fn inputs(case: &Case) -> String {
    let before = &case.before;
    let text: String = case.code.iter().map(|&word| disassemble(word, 0) + ",").collect();
    let is_named = |prefix: &str, n: usize| {
        let mut words = text.split(|end: char| !end.is_ascii_alphanumeric());
        words.any(|word| word.strip_prefix(prefix) == Some(&n.to_string()))
    };
    // A floating-point register is one half of a vector-scalar one, a vector register one of the upper 32.
    let is_named_vector = |n: usize| is_named("vs", n) || is_named("f", n) || n >= 32 && is_named("v", n - 32);
    let vsrs = (0..64).filter(|&n| is_named_vector(n));
    let vsrs: String = vsrs.map(|n| format!(" vs{n}={:#034x}", before.vsr[n])).collect();
    let gprs = (0..32).filter(|&n| is_named("r", n));
    let gprs: String = gprs.map(|n| format!(" r{n}={:#x}", before.gpr[n])).collect();
    format!(
        "  cr={:#x} xer={:#x} lr={:#x} ctr={:#x}{gprs}{vsrs}\n",
        before.cr, before.xer, before.lr, before.ctr
    )
}

/// The instructions of a case, a line each.
pub fn listing(case: &Case, endian: Endian) -> String {
    let lines = (INSTRUCTIONS..).step_by(4).zip(&case.code);
    let lines: String = lines
        .map(|(at, &word)| format!("  {at:x}: {word:08x} {}\n", disassemble(word, at)))
        .collect();
    format!("{endian:?}-endian\n{lines}")
}
