//! The intermediate form: what decoded blocks consist of.
//!
//! An operation is 24 bytes and works on the unified register file ([`crate::regs`]). An
//! instruction becomes one to five operations; a compare and the branch that tests it become one.
//! Instructions that are rare or whole subjects of their own (floating point, vectors, system
//! registers) become a call.

use power::insn::Word;

use crate::core::Core;
use crate::fault::Fault;
use crate::interp::Run;
use crate::regs::{Reg, Regs};
use crate::vsu::{Outcome, Vsu};

/// What an operation does. `a` is the target, `b` and `c` are sources, `i` is the immediate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Code {
    /// a = i
    Immediate,
    /// a = b
    Move,
    /// a = pc of the block + i
    PcPlus,
    /// a = b + c
    Add,
    /// a = b + i
    AddImmediate,
    /// a = c - b
    SubtractFrom,
    /// a = -b
    Negate,
    /// a = b * c
    Multiply,
    /// a = b * i
    MultiplyImmediate,
    /// a = low words of b and c multiplied, signed
    MultiplyWord,
    /// a = high half of b * c, signed
    MultiplyHigh,
    /// a = high half of b * c, unsigned
    MultiplyHighUnsigned,
    /// a = high word of the words' product, signed, in both halves
    MultiplyHighWord,
    /// a = high word of the words' product, unsigned
    MultiplyHighWordUnsigned,
    /// a = b / c, signed; 0 where it is undefined
    Divide,
    /// a = b / c, unsigned; 0 where it is undefined
    DivideUnsigned,
    /// as Divide, of words
    DivideWord,
    /// as DivideUnsigned, of words
    DivideWordUnsigned,
    /// a = b & c
    And,
    /// a = b & !c
    AndComplement,
    /// a = !(b & c)
    Nand,
    /// a = b | c
    Or,
    /// a = b | !c
    OrComplement,
    /// a = !(b | c)
    Nor,
    /// a = b ^ c
    Xor,
    /// a = !(b ^ c)
    Equivalent,
    /// a = b & i
    AndImmediate,
    /// a = b | i
    OrImmediate,
    /// a = b ^ i
    XorImmediate,
    /// a = b << c (7 bits of c)
    ShiftLeft,
    /// a = b >> c (7 bits of c)
    ShiftRight,
    /// a = word of b << c (6 bits of c)
    ShiftLeftWord,
    /// a = word of b >> c (6 bits of c)
    ShiftRightWord,
    /// a = b >> c, arithmetic; CA
    ShiftRightAlgebraic,
    /// a = word of b >> c, arithmetic; CA
    ShiftRightAlgebraicWord,
    /// a = b >> i, arithmetic; CA
    ShiftRightAlgebraicImmediate,
    /// a = word of b >> i, arithmetic; CA
    ShiftRightAlgebraicWordImmediate,
    /// a = (b rotated left by d) & i
    RotateMask,
    /// a = (word of b, doubled, rotated left by d) & i
    RotateWordMask,
    /// a = (b rotated left by d) & i | a & !i
    RotateInsert,
    /// a = (word of b, doubled, rotated left by d) & i | a & !i
    RotateWordInsert,
    /// a = (b rotated left by c) & i
    RotateByMask,
    /// a = (word of b, doubled, rotated left by c) & i
    RotateWordByMask,
    /// a = byte of b, sign-extended
    ExtendByte,
    /// a = halfword of b, sign-extended
    ExtendHalf,
    /// a = word of b, sign-extended
    ExtendWord,
    /// a = word of b, zero-extended
    ZeroExtendWord,
    /// a = leading zeros of b
    CountZeros,
    /// a = leading zeros of the word of b
    CountZerosWord,
    /// a = b + c; CA
    AddCarrying,
    /// a = b + i; CA
    AddImmediateCarrying,
    /// a = b + c + CA; CA
    AddExtended,
    /// a = c - b; CA
    SubtractFromCarrying,
    /// a = i - b; CA
    SubtractFromImmediateCarrying,
    /// a = c + !b + CA; CA
    SubtractFromExtended,

    /// CR field a = compare b with c, signed
    Compare,
    /// CR field a = compare b with c, unsigned
    CompareUnsigned,
    /// CR field a = compare words of b and c, signed
    CompareWord,
    /// CR field a = compare words of b and c, unsigned
    CompareWordUnsigned,
    /// CR field a = compare b with i, signed
    CompareImmediate,
    /// CR field a = compare b with i, unsigned
    CompareUnsignedImmediate,
    /// CR field a = compare the word of b with i, signed
    CompareWordImmediate,
    /// CR field a = compare the word of b with i, unsigned
    CompareWordUnsignedImmediate,
    /// a = bit of a CR field ? b : c; i is the field's register << 8 | the bit's mask
    Select,
    /// a = the condition register
    FromCr,
    /// a = XER
    FromXer,

    /// The eight compares, each with a branch on the field that they set: see [`Fused`]
    CompareBranch,
    /// CompareUnsigned, then branch
    CompareUnsignedBranch,
    /// CompareWord, then branch
    CompareWordBranch,
    /// CompareWordUnsigned, then branch
    CompareWordUnsignedBranch,
    /// CompareImmediate, then branch
    CompareImmediateBranch,
    /// CompareUnsignedImmediate, then branch
    CompareUnsignedImmediateBranch,
    /// CompareWordImmediate, then branch
    CompareWordImmediateBranch,
    /// CompareWordUnsignedImmediate, then branch
    CompareWordUnsignedImmediateBranch,

    /// a = byte at b + c + i; as in all loads and stores, an address of one register has c = ZERO
    Load8,
    /// a = halfword at b + c + i
    Load16,
    /// a = word at b + c + i
    Load32,
    /// a = doubleword at b + c + i
    Load64,
    /// a = halfword at b + c + i, bytes reversed
    Load16Reversed,
    /// a = word at b + c + i, bytes reversed
    Load32Reversed,
    /// a = doubleword at b + c + i, bytes reversed
    Load64Reversed,
    /// a = halfword at b + c + i, sign-extended
    Load16Signed,
    /// a = word at b + c + i, sign-extended
    Load32Signed,
    /// a = halfword at b + c + i, bytes reversed, sign-extended
    Load16SignedReversed,
    /// a = word at b + c + i, bytes reversed, sign-extended
    Load32SignedReversed,
    /// byte at b + c + i = a
    Store8,
    /// halfword at b + c + i = a
    Store16,
    /// word at b + c + i = a
    Store32,
    /// doubleword at b + c + i = a
    Store64,
    /// halfword at b + c + i = a, bytes reversed
    Store16Reversed,
    /// word at b + c + i = a, bytes reversed
    Store32Reversed,
    /// doubleword at b + c + i = a, bytes reversed
    Store64Reversed,

    /// `lbarx`: the word is i
    LoadReserve8,
    /// `lharx`: the word is i
    LoadReserve16,
    /// `lwarx`: the word is i
    LoadReserve32,
    /// `ldarx`: the word is i
    LoadReserve64,
    /// `stbcx.`: the word is i
    StoreConditional8,
    /// `sthcx.`: the word is i
    StoreConditional16,
    /// `stwcx.`: the word is i
    StoreConditional32,
    /// `stdcx.`: the word is i
    StoreConditional64,

    /// Goes to pc + the displacement of i, through the link of i
    Branch,
    /// The same, and LR is the address of the next instruction
    BranchAndLink,
    /// As Branch when the bits c of CR field b are (d = 1) or are not (d = 0) set
    BranchIf,
    /// The same after CTR is decremented, when it is zero (d = 1) or not (d = 0)
    BranchCount,
    /// Both conditions: bits c of CR field b; d is a combination of [`When`]'s flags
    BranchCountIf,
    /// Goes to the address in b when bits c of CR field a (none: always) and CTR agree with d, as BranchCountIf
    BranchRegister,
    /// The block is over: goes to pc + displacement of i
    End,

    /// the condition register = b
    ToCr,
    /// XER = b & i
    ToXer,
    /// Orders everything before with everything after
    Fence,
    /// Orders everything before with everything after but stores with later loads
    LightFence,
    /// Context synchronisation: leaves the block when code has changed
    Isync,
    /// EE and RI of the MSR from b; leaves the block when an interrupt is now due
    SetInterrupts,
    /// Calls the block's call number i
    Compute,
    /// Calls the block's call number i, which may trap
    System,
    /// The same, and the block is over: the context may be another
    Synchronize,
    /// `sc 0`
    SystemCall,
    /// `sc 1`
    Hypercall,
    /// Takes the program interrupt whose SRR1 bits are i
    Program,
    /// An instruction word i that this processor does not have
    Unknown,
    /// Takes the interrupt of a facility whose bit of the MSR, which is i, is 0
    Require,

    /// The block is entered whose counters begin with number i: the first operation of each while they are counted
    Count,
    /// The block has been compiled: its machine code is at i
    Compiled,
}

/// Flags of a branch with two conditions.
pub struct When;

impl When {
    /// The tested CR bit must be set.
    pub const SET: u8 = 1;
    /// CTR must be zero after it was decremented.
    pub const ZERO: u8 = 2;
    /// CTR is decremented.
    pub const COUNT: u8 = 4;
}

/// One operation.
#[derive(Clone, Copy, Debug)]
pub struct Op {
    /// How the interpreter does it: chosen when the block is complete ([`crate::interp::choose`]).
    pub run: Run,
    /// What it does.
    pub code: Code,
    /// Index in its block of the instruction that it belongs to.
    pub at: u8,
    /// Target.
    pub a: Reg,
    /// First source.
    pub b: Reg,
    /// Second source.
    pub c: Reg,
    /// Rotation, or sense of a branch.
    pub d: u8,
    /// Immediate.
    pub imm: i64,
}

const _: () = assert!(size_of::<Op>() == 24);

impl Op {
    /// Whether nothing of the block is executed behind it.
    pub fn is_last(&self) -> bool {
        match self.code {
            Code::Branch
            | Code::BranchAndLink
            | Code::End
            | Code::Synchronize
            | Code::SystemCall
            | Code::Hypercall
            | Code::Program
            | Code::Unknown => true,
            Code::BranchRegister => self.c == 0 && self.d & When::COUNT == 0,
            _ => false,
        }
    }
}

/// The immediate of a branch: where to, and the number of its link.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Bytes from the start of the block.
    pub displacement: i32,
    /// Number of the link that remembers the next block.
    pub link: u32,
}

impl Target {
    /// As an immediate.
    pub fn pack(self) -> i64 {
        (i64::from(self.link) << 32) | i64::from(self.displacement as u32)
    }

    /// From an immediate.
    #[inline(always)]
    pub fn unpack(imm: i64) -> Self {
        Self {
            displacement: imm as i32,
            link: (imm >> 32) as u32,
        }
    }
}

/// The immediate of a compare with a branch: the compare's own in the low 16 bits, then 16 bits of
/// displacement from the start of the block, then the link. `d` holds the tested bit of the field
/// (8, 4, 2 or 1), with [`Fused::WHEN_CLEAR`] when the branch is taken on a clear bit.
#[derive(Clone, Copy, Debug)]
pub struct Fused {
    /// Immediate of the compare: its sign extension is the compare's business.
    pub imm: i16,
    /// Where to.
    pub target: Target,
}

impl Fused {
    /// Flag in `d`.
    pub const WHEN_CLEAR: u8 = 0x80;

    /// As an immediate. `None`: the displacement is too long.
    pub fn pack(self) -> Option<i64> {
        let displacement = i16::try_from(self.target.displacement).ok()?;
        Some(
            (i64::from(self.target.link) << 32)
                | i64::from((displacement as u16 as u32) << 16 | u32::from(self.imm as u16)),
        )
    }

    /// From an immediate.
    #[inline(always)]
    pub fn unpack(imm: i64) -> Self {
        let target = Target {
            displacement: i32::from((imm >> 16) as i16),
            link: (imm >> 32) as u32,
        };
        Self {
            imm: imm as i16,
            target,
        }
    }
}

/// An instruction that is executed by a function of its own.
#[derive(Clone, Copy)]
pub enum Call {
    /// Computes on registers alone.
    Compute(fn(&mut Vsu, &mut Regs, Word) -> Outcome, Word),
    /// May use everything the processor has.
    System(fn(&mut Core, Word) -> Result<(), Fault>, Word),
}
