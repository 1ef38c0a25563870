//! From the operations of a block to Cranelift's form.

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{self, InstBuilder, MemFlagsData, SigRef, Type, Value, types};
use cranelift_codegen::isa::{CallConv, TargetFrontendConfig};
use cranelift_frontend::FunctionBuilder;

use super::memory::Open;
use super::{Left, Source, code, native};
use crate::block::BlockId;
use crate::core::layout as at;
use crate::interp::{Stop, compiled, held_after};
use crate::ir::{Code, Op};
use crate::regs::{Reg, ZERO};
use crate::tlb::{Context, layout as tlb};

/// Registers whose values are kept in the host's at a time: more would only push each other to the stack, which is no nearer than the register file.
const KEPT: usize = 6;

/// One that is made. Control goes straight through it; what leaves it on the way does not come back.
pub(super) struct Lowering<'a> {
    pub(super) f: FunctionBuilder<'a>,
    /// The function's argument.
    pub(super) core: Value,
    /// Signature of the functions of blocks.
    pub(super) function: SigRef,
    /// Signature of [`code::call`].
    called: SigRef,
    pub(super) source: Source<'a>,
    /// Registers whose values are known, the last used at the end.
    known: Vec<(Reg, Value)>,
    /// What accesses go straight through to.
    pub(super) open: Vec<Open>,
    /// Where the translation cache has the context's entries, if that is known already.
    entries: Option<Value>,
    /// The block's address, likewise.
    pc: Option<Value>,
    /// Blocks that are still to be made.
    asides: Vec<(ir::Block, Aside)>,
    /// Number of the operation, where the interpreter has it.
    number: BlockId,
    /// Register whose value the interpreter would hand over to it.
    held: Option<Reg>,
}

/// What a block returns that is rarely executed.
pub(super) enum Aside {
    Left(Left),
    /// [`Left::Stopped`], in this way.
    Stopped(Stop),
    /// What [`code::call`] returned.
    Called(Value),
}

/// What is known in a place.
pub(super) struct Known {
    registers: Vec<(Reg, Value)>,
    entries: Option<Value>,
    pc: Option<Value>,
}

/// Accesses to the processor's own state: aligned, and never a trap.
pub(super) fn plain() -> MemFlagsData {
    MemFlagsData::trusted()
}

impl<'a> Lowering<'a> {
    pub(super) fn new(mut f: FunctionBuilder<'a>, source: Source<'a>) -> Self {
        let entry = f.create_block();
        f.append_block_params_for_function_params(entry);
        f.switch_to_block(entry);
        f.seal_block(entry);
        let core = f.block_params(entry)[0];
        let function = f.import_signature(native::signature());
        let mut called = ir::Signature::new(CallConv::SystemV);
        called.params.extend([ir::AbiParam::new(types::I64); 3]);
        called.returns.push(ir::AbiParam::new(types::I64));
        let called = f.import_signature(called);
        Self {
            f,
            core,
            function,
            called,
            source,
            known: Vec::with_capacity(KEPT + 1),
            open: Vec::new(),
            entries: None,
            pc: None,
            asides: Vec::new(),
            number: source.first,
            held: None,
        }
    }

    /// All operations of a block. Whether the function does anything.
    pub(super) fn block(mut self, config: TargetFrontendConfig) -> bool {
        let ops = self.source.ops;
        let mut is_worth_it = false;
        // Operations that have been called together with one before.
        let mut called = 0;
        for (at, op) in ops.iter().enumerate() {
            if called > 0 {
                called -= 1;
            } else if self.operation(op, &ops[at + 1..]) {
                is_worth_it = true;
            } else if compiled::can_call(op.code) {
                let together = ops[at..].iter().take_while(|op| compiled::is_grouped(op.code)).count();
                called = together.saturating_sub(1);
                self.call(called);
            } else {
                // The rest is the interpreter's.
                self.give_up();
                break;
            }
            self.held = held_after(self.held, op);
            self.number += 1;
        }
        self.make_asides();
        self.f.finalize(config);
        is_worth_it
    }

    /// Makes what `op` does. `false`: it has no machine code of its own.
    fn operation(&mut self, op: &Op, more: &[Op]) -> bool {
        self.computation(op) || self.access(op, more) || self.exit(op)
    }

    /// A number.
    pub(super) fn number(&mut self, value: u64) -> Value {
        self.f.ins().iconst(types::I64, value as i64)
    }

    /// Loads a part of the processor's state.
    pub(super) fn state(&mut self, kind: Type, offset: usize) -> Value {
        self.f.ins().load(kind, plain(), self.core, offset as i32)
    }

    /// Stores a part of the processor's state.
    pub(super) fn set_state(&mut self, value: Value, offset: usize) {
        self.f.ins().store(plain(), value, self.core, offset as i32);
    }

    /// The value of a register.
    pub(super) fn get(&mut self, register: Reg) -> Value {
        if register == ZERO {
            return self.number(0);
        }
        let value = match self.known.iter().position(|(known, _)| *known == register) {
            Some(at) => self.known.remove(at).1,
            None => self.state(types::I64, at::REGS + 8 * usize::from(register)),
        };
        self.know(register, value);
        value
    }

    /// Sets a register.
    pub(super) fn set(&mut self, register: Reg, value: Value) {
        self.set_state(value, at::REGS + 8 * usize::from(register));
        self.known.retain(|(known, _)| *known != register);
        self.open.retain(|open| open.base != register);
        self.know(register, value);
    }

    fn know(&mut self, register: Reg, value: Value) {
        self.known.push((register, value));
        if self.known.len() > KEPT {
            self.known.remove(0);
        }
    }

    /// What is known here, before an exit that is made in between.
    pub(super) fn keep(&self) -> Known {
        Known {
            registers: self.known.clone(),
            entries: self.entries,
            pc: self.pc,
        }
    }

    /// What was known there is known again: what the exit found out is not.
    pub(super) fn restore(&mut self, known: Known) {
        self.known = known.registers;
        self.entries = known.entries;
        self.pc = known.pc;
    }

    /// The block's address.
    pub(super) fn pc(&mut self) -> Value {
        match self.pc {
            Some(pc) => pc,
            None => {
                let pc = self.state(types::I64, at::PC);
                self.pc = Some(pc);
                pc
            }
        }
    }

    /// Where the entries of the context are that loads and stores are translated in.
    pub(super) fn entries(&mut self) -> Value {
        if let Some(entries) = self.entries {
            return entries;
        }
        const { assert!(size_of::<Context>() == 1) };
        let context = self.f.ins().uload8(types::I64, plain(), self.core, at::DATA as i32);
        let bytes = self
            .f
            .ins()
            .imul_imm_u(context, (tlb::ENTRIES * tlb::ENTRY_BYTES) as i64);
        let all = self.state(types::I64, at::TLB_ENTRIES);
        let entries = self.f.ins().iadd(all, bytes);
        self.entries = Some(entries);
        entries
    }

    /// Goes on if `condition` (8 bits) is not 0; else to `elsewhere`.
    pub(super) fn go_on_if(&mut self, condition: Value, elsewhere: ir::Block) {
        let next = self.f.create_block();
        self.f.ins().brif(condition, next, &[], elsewhere, &[]);
        self.f.switch_to_block(next);
        self.f.seal_block(next);
    }

    /// A block that is rarely executed, and returns. It is made when all others are: one must be complete before the next is begun.
    pub(super) fn aside(&mut self, what: Aside) -> ir::Block {
        let aside = self.f.create_block();
        self.f.set_cold_block(aside);
        self.asides.push((aside, what));
        aside
    }

    fn make_asides(&mut self) {
        for (aside, what) in std::mem::take(&mut self.asides) {
            self.f.switch_to_block(aside);
            let left = match what {
                Aside::Left(left) => self.number(left.pack()),
                Aside::Stopped(how) => {
                    let how = self.number(how.word());
                    self.set_state(how, at::STOP);
                    self.number(Left::Stopped.pack())
                }
                Aside::Called(left) => left,
            };
            self.f.ins().return_(&[left]);
        }
    }

    /// How the interpreter goes on with this operation.
    pub(super) fn interpreted(&self) -> Left {
        Left::Interpret {
            op: self.number,
            held: self.held,
        }
    }

    /// The interpreter goes on with this operation.
    fn give_up(&mut self) {
        let left = self.number(self.interpreted().pack());
        self.f.ins().return_(&[left]);
    }

    /// Calls what does this operation and `more` after it.
    fn call(&mut self, more: usize) {
        let function = self.number(code::call as *const () as u64);
        let operation = self.number(u64::from(self.number));
        let more = self.number(more as u64);
        let call = self
            .f
            .ins()
            .call_indirect(self.called, function, &[self.core, operation, more]);
        let left = self.f.inst_results(call)[0];
        let leave = self.aside(Aside::Called(left));
        let is_next = self.f.ins().icmp_imm_u(IntCC::Equal, left, 0);
        self.go_on_if(is_next, leave);
        self.f.seal_block(leave);
        // Whatever it was may have changed whatever is known.
        self.known.clear();
        self.open.clear();
        self.entries = None;
        self.pc = None;
    }
}

/// Whether an operation is a compare with a branch.
pub(super) fn is_fused(code: Code) -> bool {
    (Code::CompareBranch as u8..=Code::CompareWordUnsignedImmediateBranch as u8).contains(&(code as u8))
}
