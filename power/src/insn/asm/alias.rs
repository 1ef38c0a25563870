//! Extended mnemonics: what people write, and the basic instruction that it stands for
//! (Power ISA v2.07B, Book I, appendix E; Book II, appendix A; Book III-S, appendix A).

use crate::spr::Spr;

/// Mnemonic, number of operands (`d(ra)` being two), and the basic instruction, where `$0` is the first operand.
///
/// A mnemonic without a dot here can be written with one (and with `o`) if the basic instruction can.
const ALIASES: &[(&str, usize, &str)] = &[
    ("nop", 0, "ori 0,0,0"),
    ("xnop", 0, "xori 0,0,0"),
    ("yield", 0, "or 27,27,27"),
    ("mdoio", 0, "or 29,29,29"),
    ("mdoom", 0, "or 30,30,30"),
    ("li", 2, "addi $0,0,$1"),
    ("lis", 2, "addis $0,0,$1"),
    ("la", 3, "addi $0,$2,$1"),
    ("subi", 3, "addi $0,$1,-$2"),
    ("subis", 3, "addis $0,$1,-$2"),
    ("subic", 3, "addic $0,$1,-$2"),
    ("subic.", 3, "addic. $0,$1,-$2"),
    ("sub", 3, "subf $0,$2,$1"),
    ("subc", 3, "subfc $0,$2,$1"),
    ("mr", 2, "or $0,$1,$1"),
    ("not", 2, "nor $0,$1,$1"),
    ("isellt", 3, "isel $0,$1,$2,0"),
    ("iselgt", 3, "isel $0,$1,$2,1"),
    ("iseleq", 3, "isel $0,$1,$2,2"),
    // Comparisons.
    ("cmpwi", 2, "cmpi 0,0,$0,$1"),
    ("cmpwi", 3, "cmpi $0,0,$1,$2"),
    ("cmpw", 2, "cmp 0,0,$0,$1"),
    ("cmpw", 3, "cmp $0,0,$1,$2"),
    ("cmplwi", 2, "cmpli 0,0,$0,$1"),
    ("cmplwi", 3, "cmpli $0,0,$1,$2"),
    ("cmplw", 2, "cmpl 0,0,$0,$1"),
    ("cmplw", 3, "cmpl $0,0,$1,$2"),
    ("cmpdi", 2, "cmpi 0,1,$0,$1"),
    ("cmpdi", 3, "cmpi $0,1,$1,$2"),
    ("cmpd", 2, "cmp 0,1,$0,$1"),
    ("cmpd", 3, "cmp $0,1,$1,$2"),
    ("cmpldi", 2, "cmpli 0,1,$0,$1"),
    ("cmpldi", 3, "cmpli $0,1,$1,$2"),
    ("cmpld", 2, "cmpl 0,1,$0,$1"),
    ("cmpld", 3, "cmpl $0,1,$1,$2"),
    // Rotations and shifts of doublewords.
    ("extldi", 4, "rldicr $0,$1,$3,$2-1"),
    ("extrdi", 4, "rldicl $0,$1,($3+$2)&63,64-$2"),
    ("insrdi", 4, "rldimi $0,$1,(64-($3+$2))&63,$3"),
    ("rotldi", 3, "rldicl $0,$1,$2,0"),
    ("rotrdi", 3, "rldicl $0,$1,(64-$2)&63,0"),
    ("rotld", 3, "rldcl $0,$1,$2,0"),
    ("sldi", 3, "rldicr $0,$1,$2,63-$2"),
    ("srdi", 3, "rldicl $0,$1,(64-$2)&63,$2"),
    ("clrldi", 3, "rldicl $0,$1,0,$2"),
    ("clrrdi", 3, "rldicr $0,$1,0,63-$2"),
    ("clrlsldi", 4, "rldic $0,$1,$3,$2-$3"),
    // Rotations and shifts of words.
    ("extlwi", 4, "rlwinm $0,$1,$3,0,$2-1"),
    ("extrwi", 4, "rlwinm $0,$1,($3+$2)&31,32-$2,31"),
    ("inslwi", 4, "rlwimi $0,$1,(32-$3)&31,$3,$3+$2-1"),
    ("insrwi", 4, "rlwimi $0,$1,(32-($3+$2))&31,$3,$3+$2-1"),
    ("rotlwi", 3, "rlwinm $0,$1,$2,0,31"),
    ("rotrwi", 3, "rlwinm $0,$1,(32-$2)&31,0,31"),
    ("rotlw", 3, "rlwnm $0,$1,$2,0,31"),
    ("slwi", 3, "rlwinm $0,$1,$2,0,31-$2"),
    ("srwi", 3, "rlwinm $0,$1,(32-$2)&31,$2,31"),
    ("clrlwi", 3, "rlwinm $0,$1,0,$2,31"),
    ("clrrwi", 3, "rlwinm $0,$1,0,0,31-$2"),
    ("clrlslwi", 4, "rlwinm $0,$1,$3,$2-$3,31-$3"),
    // The condition register.
    ("crset", 1, "creqv $0,$0,$0"),
    ("crclr", 1, "crxor $0,$0,$0"),
    ("crmove", 2, "cror $0,$1,$1"),
    ("crnot", 2, "crnor $0,$1,$1"),
    ("mtcr", 1, "mtcrf 255,$0"),
    // Special purpose registers whose number depends on an operand or on the direction.
    ("mtsprg", 2, "mtspr 272+$0,$1"),
    ("mfsprg", 2, "mfspr $0,272+$1"),
    ("mftbl", 1, "mfspr $0,268"),
    ("mftbu", 1, "mfspr $0,269"),
    ("mttbl", 1, "mtspr 284,$0"),
    ("mttbu", 1, "mtspr 285,$0"),
    ("mfctrl", 1, "mfspr $0,136"),
    // Barriers and caches.
    ("hwsync", 0, "sync 0"),
    ("msync", 0, "sync 0"),
    ("lwsync", 0, "sync 1"),
    ("ptesync", 0, "sync 2"),
    ("dcbfl", 2, "dcbf $0,$1,1"),
    ("dcbflp", 2, "dcbf $0,$1,3"),
    ("dcbtt", 2, "dcbt $0,$1,16"),
    ("dcbtstt", 2, "dcbtst $0,$1,16"),
    ("trap", 0, "tw 31,0,0"),
    // Floating point and vectors.
    ("mtfs", 1, "mtfsf 255,$0"),
    ("vmr", 2, "vor $0,$1,$1"),
    ("vnot", 2, "vnor $0,$1,$1"),
    ("xxlmr", 2, "xxlor $0,$1,$1"),
    ("xxlnot", 2, "xxlnor $0,$1,$1"),
    ("xvmovdp", 2, "xvcpsgndp $0,$1,$1"),
    ("xvmovsp", 2, "xvcpsgnsp $0,$1,$1"),
    ("xxspltd", 3, "xxpermdi $0,$1,$1,$2*3"),
    ("xxmrghd", 3, "xxpermdi $0,$1,$2,0"),
    ("xxmrgld", 3, "xxpermdi $0,$1,$2,3"),
    ("xxswapd", 2, "xxpermdi $0,$1,$1,2"),
    ("mffprd", 2, "mfvsrd $0,$1+0"),
    ("mffprwz", 2, "mfvsrwz $0,$1+0"),
    ("mtfprd", 2, "mtvsrd $0+0,$1"),
    ("mtfprwa", 2, "mtvsrwa $0+0,$1"),
    ("mtfprwz", 2, "mtvsrwz $0+0,$1"),
    ("mfvrd", 2, "mfvsrd $0,$1+32"),
    ("mfvrwz", 2, "mfvsrwz $0,$1+32"),
    ("mtvrd", 2, "mtvsrd $0+32,$1"),
    ("mtvrwa", 2, "mtvsrwa $0+32,$1"),
    ("mtvrwz", 2, "mtvsrwz $0+32,$1"),
];

/// The conditions of branches: name, whether the bit must be set, and which bit of the field it is.
const CONDITIONS: &[(&str, bool, u32)] = &[
    ("lt", true, 0),
    ("gt", true, 1),
    ("eq", true, 2),
    ("so", true, 3),
    ("un", true, 3),
    ("ge", false, 0),
    ("nl", false, 0),
    ("le", false, 1),
    ("ng", false, 1),
    ("ne", false, 2),
    ("ns", false, 3),
    ("nu", false, 3),
];

/// The conditions of traps, and the TO field.
const TRAPS: &[(&str, u32)] = &[
    ("lt", 16),
    ("le", 20),
    ("eq", 4),
    ("ge", 12),
    ("gt", 8),
    ("nl", 12),
    ("ne", 24),
    ("ng", 20),
    ("llt", 2),
    ("lle", 6),
    ("lge", 5),
    ("lgt", 1),
    ("lnl", 5),
    ("lng", 6),
    ("u", 31),
];

/// The extended mnemonics of the list, for its tests.
#[cfg(test)]
pub(super) fn all() -> impl Iterator<Item = (&'static str, usize, &'static str)> {
    ALIASES.iter().copied()
}

/// The basic instruction that the mnemonic stands for with so many operands.
pub(super) fn template(name: &str, operands: usize) -> Option<String> {
    let listed = |name: &str| {
        let alias = ALIASES.iter().find(|alias| alias.0 == name && alias.1 == operands)?;
        Some(alias.2.to_owned())
    };
    let suffixed = || {
        // In this order, as `o.` ends with `.` too.
        let (stem, suffix) = ["o.", ".", "o"]
            .iter()
            .find_map(|suffix| Some((name.strip_suffix(suffix)?, suffix)))?;
        Some(listed(stem)?.replacen(' ', &format!("{suffix} "), 1))
    };
    listed(name)
        .or_else(suffixed)
        .or_else(|| branch(name, operands))
        .or_else(|| trap(name, operands))
        .or_else(|| move_special(name, operands))
}

/// The numbers of operands that the mnemonic can have; none if there is no such mnemonic.
pub(super) fn operand_counts(name: &str) -> Vec<String> {
    (0..=6)
        .filter(|&count| template(name, count).is_some())
        .map(|count| count.to_string())
        .collect()
}

/// `bne`, `bdnz`, `blr`, `beqctrl`, `bgta+`, …
fn branch(name: &str, operands: usize) -> Option<String> {
    let rest = name.strip_prefix('b')?;
    let (rest, hint) = match rest.strip_suffix(['+', '-']) {
        Some(rest) => (rest, Some(name.ends_with('+'))),
        None => (rest, None),
    };
    // What decides, as BO and as the place of the condition bit; what goes to it is the rest of the name.
    CONDITIONS
        .iter()
        .map(|&(condition, is_set, bit)| (condition, if is_set { 12 } else { 4 }, Test::Field(bit)))
        .chain([
            ("dnzt", 8, Test::Bit),
            ("dnzf", 0, Test::Bit),
            ("dzt", 10, Test::Bit),
            ("dzf", 2, Test::Bit),
            ("dnz", 16, Test::Nothing),
            ("dz", 18, Test::Nothing),
            ("t", 12, Test::Bit),
            ("f", 4, Test::Bit),
            ("", 20, Test::Nothing),
        ])
        .find_map(|(condition, bo, test)| to_where(rest.strip_prefix(condition)?, hinted(bo, hint)?, test, operands))
}

/// What a branch tests beside the count register.
#[derive(Clone, Copy)]
enum Test {
    /// This bit of CR0, or of the field that is the first operand.
    Field(u32),
    /// The bit that is the first operand.
    Bit,
    Nothing,
}

/// The BO field with the hint that the branch is taken or not, if it can have one
/// (Power ISA v2.07B, Book I, 2.4, figure 40).
fn hinted(bo: u32, taken: Option<bool>) -> Option<u32> {
    match (taken, bo) {
        (None, _) => Some(bo),
        (Some(taken), 4 | 12) => Some(bo | 2 | u32::from(taken)),
        (Some(taken), 16 | 18) => Some(bo | 8 | u32::from(taken)),
        (Some(_), _) => None,
    }
}

/// The branch of which the name goes on with `unit` after its condition.
fn to_where(unit: &str, bo: u32, test: Test, operands: usize) -> Option<String> {
    let (basic, has_target) = match unit {
        "" if bo != 20 => ("bc", true),
        "l" if bo != 20 => ("bcl", true),
        "a" if bo != 20 => ("bca", true),
        "la" if bo != 20 => ("bcla", true),
        "lr" => ("bclr", false),
        "lrl" => ("bclrl", false),
        "ctr" => ("bcctr", false),
        "ctrl" => ("bcctrl", false),
        "tar" => ("bctar", false),
        "tarl" => ("bctarl", false),
        _ => return None,
    };
    let before = operands.checked_sub(usize::from(has_target))?;
    let bit = match (test, before) {
        (Test::Field(bit), 0) => bit.to_string(),
        (Test::Field(bit), 1) => format!("4*$0+{bit}"),
        (Test::Bit, 1) => "$0".to_owned(),
        (Test::Nothing, 0) => "0".to_owned(),
        _ => return None,
    };
    let target = if has_target {
        format!(",${before}")
    } else {
        String::new()
    };
    Some(format!("{basic} {bo},{bit}{target}"))
}

/// `tweq`, `tdlgti`, …
fn trap(name: &str, operands: usize) -> Option<String> {
    if operands != 2 {
        return None;
    }
    let unit = name.get(..2).filter(|unit| ["tw", "td"].contains(unit))?;
    let condition = &name[2..];
    let (condition, immediate) = condition
        .strip_suffix('i')
        .map_or((condition, ""), |condition| (condition, "i"));
    let &(_, to) = TRAPS.iter().find(|trap| trap.0 == condition)?;
    Some(format!("{unit}{immediate} {to},$0,$1"))
}

/// `mtlr`, `mfsrr0`, …
fn move_special(name: &str, operands: usize) -> Option<String> {
    if operands != 1 {
        return None;
    }
    let number = |name| Some(Spr::by_name(name)?.number());
    match name.get(..2)? {
        "mt" => Some(format!("mtspr {},$0", number(&name[2..])?)),
        "mf" => Some(format!("mfspr $0,{}", number(&name[2..])?)),
        _ => None,
    }
}
