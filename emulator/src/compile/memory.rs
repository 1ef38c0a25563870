//! Loads and stores of what the translation cache has, in one page. The rest is the interpreter's.

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{InstBuilder, MemFlagsData, Type, Value, types};

use super::lower::{Aside, Lowering, plain};
use crate::core::layout as at;
use crate::interp::{self, compiled};
use crate::ir::{Code, Op};
use crate::regs::{Reg, ZERO};
use crate::tlb::layout as tlb;

/// What an access does with memory's bytes.
#[derive(Clone, Copy)]
struct Access {
    kind: Type,
    is_store: bool,
    is_reversed: bool,
    is_signed: bool,
}

fn access(code: Code) -> Option<Access> {
    let of = |kind, is_store, is_reversed, is_signed| {
        Some(Access {
            kind,
            is_store,
            is_reversed,
            is_signed,
        })
    };
    match code {
        Code::Load8 => of(types::I8, false, false, false),
        Code::Load16 => of(types::I16, false, false, false),
        Code::Load32 => of(types::I32, false, false, false),
        Code::Load64 => of(types::I64, false, false, false),
        Code::Load16Reversed => of(types::I16, false, true, false),
        Code::Load32Reversed => of(types::I32, false, true, false),
        Code::Load64Reversed => of(types::I64, false, true, false),
        Code::Load16Signed => of(types::I16, false, false, true),
        Code::Load32Signed => of(types::I32, false, false, true),
        Code::Load16SignedReversed => of(types::I16, false, true, true),
        Code::Load32SignedReversed => of(types::I32, false, true, true),
        Code::Store8 => of(types::I8, true, false, false),
        Code::Store16 => of(types::I16, true, false, false),
        Code::Store32 => of(types::I32, true, false, false),
        Code::Store64 => of(types::I64, true, false, false),
        Code::Store16Reversed => of(types::I16, true, true, false),
        Code::Store32Reversed => of(types::I32, true, true, false),
        Code::Store64Reversed => of(types::I64, true, true, false),
        _ => None,
    }
}

/// Accesses to the guest's memory: aligned or not, and never a trap.
fn guest() -> MemFlagsData {
    MemFlagsData::new().with_notrap()
}

impl Lowering<'_> {
    /// Makes a load or a store, behind which are `more` operations. `false`: `op` is none.
    pub(super) fn access(&mut self, op: &Op, more: &[Op]) -> bool {
        let Some(access) = access(op.code) else { return false };
        let value = access.is_store.then(|| self.stored(access, op.a));
        let at = self.place(access, op, more);
        match value {
            // Threads of others may access the same memory: each access is one instruction of the host, whole where it is aligned.
            Some(value) => {
                self.f.ins().store(guest(), value, at, 0);
            }
            None => {
                // No load is taken for an earlier one, whatever fence is between them: each is followed by the store of its register.
                let value = self.loaded(access, at);
                self.set(op.a, value);
            }
        }
        true
    }

    /// What is stored of a register.
    fn stored(&mut self, access: Access, register: u8) -> Value {
        let value = self.get(register);
        let value = if access.kind == types::I64 {
            value
        } else {
            self.f.ins().ireduce(access.kind, value)
        };
        if access.is_reversed {
            self.f.ins().bswap(value)
        } else {
            value
        }
    }

    /// Loads what a register becomes.
    fn loaded(&mut self, access: Access, at: Value) -> Value {
        let ins = self.f.ins();
        if access.is_reversed {
            let value = ins.load(access.kind, guest(), at, 0);
            let value = self.f.ins().bswap(value);
            return match (access.kind, access.is_signed) {
                (types::I64, _) => value,
                (_, true) => self.f.ins().sextend(types::I64, value),
                (_, false) => self.f.ins().uextend(types::I64, value),
            };
        }
        match (access.kind, access.is_signed) {
            (types::I8, _) => ins.uload8(types::I64, guest(), at, 0),
            (types::I16, false) => ins.uload16(types::I64, guest(), at, 0),
            (types::I16, true) => ins.sload16(types::I64, guest(), at, 0),
            (types::I32, false) => ins.uload32(guest(), at, 0),
            (types::I32, true) => ins.sload32(guest(), at, 0),
            _ => ins.load(types::I64, guest(), at, 0),
        }
    }

    /// The host's address of an access, which is inside the guest's memory; gives up where there is none.
    fn place(&mut self, access: Access, op: &Op, more: &[Op]) -> Value {
        let bytes = i64::from(access.kind.bytes());
        if op.c != ZERO {
            let (base, index) = (self.get(op.b), self.get(op.c));
            let ea = self.f.ins().iadd(base, index);
            let ea = if op.imm == 0 {
                ea
            } else {
                self.f.ins().iadd_imm_s(ea, op.imm)
            };
            return self.translated(access.is_store, ea, bytes);
        }
        let is_in = |open: &&Open| open.base == op.b && open.is_store == access.is_store && open.holds(op.imm, bytes);
        if let Some(open) = self.open.iter().find(is_in) {
            let (host, beyond) = (open.host, op.imm - open.first);
            return if beyond == 0 {
                host
            } else {
                self.f.ins().iadd_imm_s(host, beyond)
            };
        }
        let (first, end) = range(access, op, more);
        let base = self.get(op.b);
        let ea = if first == 0 {
            base
        } else {
            self.f.ins().iadd_imm_s(base, first)
        };
        let host = self.translated(access.is_store, ea, end - first);
        self.open.push(Open {
            base: op.b,
            is_store: access.is_store,
            first,
            end,
            host,
        });
        if op.imm == first {
            host
        } else {
            self.f.ins().iadd_imm_s(host, op.imm - first)
        }
    }

    /// The host's address of `bytes` (a page at most) from `ea` on, if they are in one page that accesses go straight through to; else gives up.
    fn translated(&mut self, is_store: bool, ea: Value, bytes: i64) -> Value {
        let give_up = self.aside(Aside::Left(self.interpreted()));
        let entries = self.entries();
        // The entry's number times its size.
        const { assert!(tlb::ENTRY_BYTES.is_power_of_two() && tlb::ENTRIES.is_power_of_two()) };
        let to_number = tlb::PAGE_SHIFT - tlb::ENTRY_BYTES.trailing_zeros();
        let number = self.f.ins().ushr_imm_u(ea, i64::from(to_number));
        let number = self
            .f
            .ins()
            .band_imm_u(number, ((tlb::ENTRIES - 1) * tlb::ENTRY_BYTES) as i64);
        let entry = self.f.ins().iadd(entries, number);
        let right = if is_store { tlb::WRITE } else { tlb::READ };
        let tag = self.f.ins().load(types::I64, plain(), entry, right as i32);
        // The page of the last byte: an entry in the place for the page of the first is never that of the next.
        let last = if bytes == 1 {
            ea
        } else {
            self.f.ins().iadd_imm_s(ea, bytes - 1)
        };
        let page = self.f.ins().band_imm_s(last, tlb::PAGE_MASK as i64);
        let is_here = self.f.ins().icmp(IntCC::Equal, page, tag);
        self.go_on_if(is_here, give_up);
        self.f.seal_block(give_up);
        let delta = self.f.ins().load(types::I64, plain(), entry, tlb::DELTA as i32);
        let real = self.f.ins().iadd(ea, delta);
        // The translation cache has none but pages that are all RAM.
        let ram = self.state(types::I64, at::RAM_BASE);
        self.f.ins().iadd(ram, real)
    }
}

/// Bytes around a register's value that are known to be in one page that accesses go straight through to.
pub(super) struct Open {
    pub(super) base: Reg,
    is_store: bool,
    /// From the register's value to the first of them.
    first: i64,
    /// And to the first that is not.
    end: i64,
    /// The host's address of the first.
    host: Value,
}

impl Open {
    fn holds(&self, at: i64, bytes: i64) -> bool {
        self.first <= at && at + bytes <= self.end
    }
}

/// Bytes that are looked at together, at most: more are more often in two pages, and then in none that goes straight through.
const MOST_TOGETHER: i64 = 256;

/// From where to where this access and those after it at the same base reach, in bytes from the base: as far as the base stays what it is.
fn range(access: Access, op: &Op, more: &[Op]) -> (i64, i64) {
    let (mut first, mut end) = (op.imm, op.imm + i64::from(access.kind.bytes()));
    let mut now = op;
    for next in more {
        if interp::sets(now) == Some(op.b) || compiled::can_call(next.code) {
            break;
        }
        now = next;
        let Some(other) = self::access(next.code) else { continue };
        if next.b != op.b || next.c != ZERO || other.is_store != access.is_store {
            continue;
        }
        let (wider, later) = (first.min(next.imm), end.max(next.imm + i64::from(other.kind.bytes())));
        if later - wider > MOST_TOGETHER {
            break;
        }
        (first, end) = (wider, later);
    }
    (first, end)
}
