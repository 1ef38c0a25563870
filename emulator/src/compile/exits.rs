//! Operations that leave a block: to a block that has been compiled, if the way to it is known, nobody rang, and the burst is not over. Otherwise the
//! processor's state says how the block was left, as the interpreter would leave it.

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{self, InstBuilder, Value, types};

use super::fixed::Compared;
use super::lower::{Aside, Lowering, is_fused, plain};
use crate::block::layout as block;
use crate::core::layout as at;
use crate::decode;
use crate::fetch::layout as fetch;
use crate::interp::Stop;
use crate::ir::{Code, Fused, Op, Target, When};
use crate::regs::{CTR, LR};
use crate::spr_place::CFAR;

impl Lowering<'_> {
    /// Makes a branch, or the end. `false`: `op` is neither.
    pub(super) fn exit(&mut self, op: &Op) -> bool {
        match op.code {
            Code::End => self.leave_to(op, Target::unpack(op.imm)),
            Code::Branch => self.branch_to(op, Target::unpack(op.imm)),
            Code::BranchAndLink => {
                let pc = self.pc();
                let back = self.f.ins().iadd_imm_s(pc, 4 * (i64::from(op.at) + 1));
                self.set(LR, back);
                self.branch_to(op, Target::unpack(op.imm));
            }
            Code::BranchIf => {
                let taken = self.is_bit(op.b, op);
                self.branch_if_ever(op, taken, Target::unpack(op.imm));
            }
            Code::BranchCount | Code::BranchCountIf => {
                let field = (op.code == Code::BranchCountIf).then_some(op.b);
                let taken = self.is_allowed(field, op);
                self.branch_if(taken, |one| one.branch_to(op, Target::unpack(op.imm)));
            }
            Code::BranchRegister if op.is_last() => {
                let to = self.get(op.b);
                self.branch_to_register(op, to);
            }
            Code::BranchRegister => {
                let taken = self.is_allowed(Some(op.a), op);
                // The address is read behind the conditions: CTR may be both.
                let to = self.get(op.b);
                self.branch_if(taken, |one| one.branch_to_register(op, to));
            }
            code if is_fused(code) => {
                let fused = Fused::unpack(op.imm);
                let compared = Compared::of_fused(code, fused.imm);
                let taken = self.compare_and_test(op, compared);
                self.branch_if_ever(op, taken, fused.target);
            }
            _ => return false,
        }
        true
    }

    /// Leaves to `target` if `taken` (8 bits) is not 0. What was never taken so far is not made, and the interpreter does the operation again when it
    /// is: so it is for operations that may be done again.
    fn branch_if_ever(&mut self, op: &Op, taken: Value, target: Target) {
        if (self.source.has_exit)(target.link) {
            return self.branch_if(taken, |one| one.branch_to(op, target));
        }
        let give_up = self.aside(Aside::Left(self.interpreted()));
        let next = self.f.create_block();
        self.f.ins().brif(taken, give_up, &[], next, &[]);
        self.f.seal_block(give_up);
        self.f.switch_to_block(next);
        self.f.seal_block(next);
    }

    /// Leaves by `exit` if `taken` (8 bits) is not 0.
    fn branch_if(&mut self, taken: Value, exit: impl FnOnce(&mut Self)) {
        let next = self.f.create_block();
        let out = self.f.create_block();
        self.f.ins().brif(taken, out, &[], next, &[]);
        self.f.switch_to_block(out);
        self.f.seal_block(out);
        let kept = self.keep();
        exit(self);
        self.restore(kept);
        self.f.switch_to_block(next);
        self.f.seal_block(next);
    }

    /// Whether the bits `op.c` of a field are as `op.d` wants them.
    fn is_bit(&mut self, field: u8, op: &Op) -> Value {
        let field = self.get(field);
        let bits = self.f.ins().band_imm_u(field, i64::from(op.c));
        let condition = if op.d & When::SET != 0 {
            IntCC::NotEqual
        } else {
            IntCC::Equal
        };
        self.f.ins().icmp_imm_u(condition, bits, 0)
    }

    /// Counts CTR down where the branch asks for it; whether both conditions hold.
    fn is_allowed(&mut self, field: Option<u8>, op: &Op) -> Value {
        let bit = field.filter(|_| op.c != 0).map(|field| self.is_bit(field, op));
        // `BranchCount` always counts.
        let counts = op.code == Code::BranchCount || op.d & When::COUNT != 0;
        let zero = counts.then(|| {
            let count = self.get(CTR);
            let count = self.f.ins().iadd_imm_s(count, -1);
            self.set(CTR, count);
            let count = self.masked(count);
            let condition = if op.d & When::ZERO != 0 {
                IntCC::Equal
            } else {
                IntCC::NotEqual
            };
            self.f.ins().icmp_imm_u(condition, count, 0)
        });
        match (bit, zero) {
            (Some(bit), Some(zero)) => self.f.ins().band(bit, zero),
            (Some(one), None) | (None, Some(one)) => one,
            (None, None) => self.f.ins().iconst(types::I8, 1),
        }
    }

    /// What is left of an address in 32-bit mode.
    fn masked(&mut self, address: Value) -> Value {
        if self.source.setting.is_wide {
            address
        } else {
            self.f.ins().band_imm_u(address, 0xffff_ffff)
        }
    }

    /// The branch is taken.
    fn take(&mut self, op: &Op) {
        let pc = self.pc();
        let here = self.f.ins().iadd_imm_s(pc, 4 * i64::from(op.at));
        self.set_state(here, at::REGS + 8 * usize::from(CFAR));
    }

    fn branch_to(&mut self, op: &Op, target: Target) {
        self.take(op);
        self.leave_to(op, target);
    }

    /// Leaves the block to `target`.
    fn leave_to(&mut self, op: &Op, target: Target) {
        let to = self
            .source
            .setting
            .offset
            .wrapping_add_signed(target.displacement.into());
        let is_near = to < decode::PAGE;
        let pc = self.pc();
        let pc = self.f.ins().iadd_imm_s(pc, i64::from(target.displacement));
        // No page has bits that are dropped in one part of it alone.
        let pc = if is_near { pc } else { self.masked(pc) };
        let stop = self.leave(
            op,
            pc,
            if is_near {
                Stop::Near(target.link)
            } else {
                Stop::Far(target.link)
            },
        );
        let links = self.state(types::I64, at::LINKS);
        let way = target.link as usize * block::WAY_BYTES;
        let stamp = self
            .f
            .ins()
            .load(types::I32, plain(), links, (way + block::WAY_STAMP) as i32);
        let holds = if is_near {
            let era = self.state(types::I32, at::ERA);
            self.f.ins().icmp(IntCC::Equal, stamp, era)
        } else {
            let from = self
                .f
                .ins()
                .load(types::I64, plain(), links, (way + block::WAY_PC) as i32);
            let is_from = self.f.ins().icmp(IntCC::Equal, from, pc);
            let is_current = self.is_current(pc, stamp);
            self.f.ins().band(is_from, is_current)
        };
        let code = self
            .f
            .ins()
            .load(types::I64, plain(), links, (way + block::WAY_CODE) as i32);
        self.jump_if(holds, code, stop);
    }

    /// Leaves the block to the address `to` by a branch.
    fn branch_to_register(&mut self, op: &Op, to: Value) {
        self.take(op);
        let pc = self.f.ins().band_imm_s(to, !3);
        let pc = self.masked(pc);
        let stop = self.leave(op, pc, Stop::Register);
        const { assert!(block::JUMPS.is_power_of_two()) };
        let low = self.f.ins().ushr_imm_u(pc, 2);
        let high = self.f.ins().ushr_imm_u(pc, 14);
        let slot = self.f.ins().bxor(low, high);
        let now = self.f.ins().uload8(types::I64, plain(), self.core, at::MODE as i32);
        let of_mode = self.f.ins().ishl_imm_u(now, i64::from(block::MODE_SHIFT));
        let slot = self.f.ins().bxor(slot, of_mode);
        let slot = self.f.ins().band_imm_u(slot, block::JUMPS as i64 - 1);
        let bytes = self.f.ins().imul_imm_u(slot, block::JUMP_BYTES as i64);
        let jumps = self.state(types::I64, at::JUMPS);
        let jump = self.f.ins().iadd(jumps, bytes);
        let of = |part: usize| (block::JUMP_WAY + part) as i32;
        let from = self.f.ins().load(types::I64, plain(), jump, of(block::WAY_PC));
        let is_from = self.f.ins().icmp(IntCC::Equal, from, pc);
        let mode = self.f.ins().uload8(types::I64, plain(), jump, block::JUMP_MODE as i32);
        let is_mode = self.f.ins().icmp(IntCC::Equal, mode, now);
        let holds = self.f.ins().band(is_from, is_mode);
        let stamp = self.f.ins().load(types::I32, plain(), jump, of(block::WAY_STAMP));
        let is_current = self.is_current(pc, stamp);
        let holds = self.f.ins().band(holds, is_current);
        let code = self.f.ins().load(types::I64, plain(), jump, of(block::WAY_CODE));
        self.jump_if(holds, code, stop);
    }

    /// Sets the program counter and counts the block's instructions up to `op`; goes on if the next block may be executed at once. Where it
    /// goes else: the execution stops as `how` says.
    fn leave(&mut self, op: &Op, pc: Value, how: Stop) -> ir::Block {
        let stop = self.aside(Aside::Stopped(how));
        self.set_state(pc, at::PC);
        let burst = self.state(types::I32, at::BURST);
        let burst = self.f.ins().iadd_imm_s(burst, -(i64::from(op.at) + 1));
        self.set_state(burst, at::BURST);
        let attention = self.state(types::I64, at::ATTENTION);
        let attention = self.f.ins().load(types::I8, plain(), attention, 0);
        // Both at once: negative if one says no.
        let rang = self.f.ins().uextend(types::I32, attention);
        let rang = self.f.ins().ineg(rang);
        let over = self.f.ins().iadd_imm_s(burst, -1);
        let either = self.f.ins().bor(rang, over);
        let goes_on = self.f.ins().icmp_imm_s(IntCC::SignedGreaterThanOrEqual, either, 0);
        self.go_on_if(goes_on, stop);
        stop
    }

    /// Whether the translation of `pc` is the one with this stamp.
    fn is_current(&mut self, pc: Value, stamp: Value) -> Value {
        const { assert!(fetch::ENTRIES.is_power_of_two()) };
        let context = self
            .f
            .ins()
            .uload8(types::I64, plain(), self.core, at::FETCH_CONTEXT as i32);
        let context = self
            .f
            .ins()
            .imul_imm_u(context, (fetch::ENTRIES * fetch::ENTRY_BYTES) as i64);
        let entries = self.state(types::I64, at::FETCH_ENTRIES);
        let entries = self.f.ins().iadd(entries, context);
        let page = self.f.ins().ushr_imm_u(pc, i64::from(fetch::PAGE_SHIFT));
        let slot = self.f.ins().band_imm_u(page, fetch::ENTRIES as i64 - 1);
        let bytes = self.f.ins().imul_imm_u(slot, fetch::ENTRY_BYTES as i64);
        let entry = self.f.ins().iadd(entries, bytes);
        let now = self.f.ins().load(types::I32, plain(), entry, fetch::STAMP as i32);
        self.f.ins().icmp(IntCC::Equal, stamp, now)
    }

    /// Goes on in the function at `code` if the way to it `holds` (8 bits), and there is one.
    fn jump_if(&mut self, holds: Value, code: Value, stop: ir::Block) {
        let is_there = self.f.ins().icmp_imm_u(IntCC::NotEqual, code, 0);
        let both = self.f.ins().band(holds, is_there);
        self.go_on_if(both, stop);
        self.f.seal_block(stop);
        self.f.ins().return_call_indirect(self.function, code, &[self.core]);
    }
}
