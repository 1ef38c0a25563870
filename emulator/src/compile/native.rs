//! From blocks to machine code: Cranelift for this host, and what it is asked for.

use cranelift_codegen::control::ControlPlane;
use cranelift_codegen::ir::{AbiParam, Function, InstBuilder, Signature, UserFuncName, types};
use cranelift_codegen::isa::{CallConv, OwnedTargetIsa};
use cranelift_codegen::settings::{self, Configurable};
use cranelift_codegen::{Context, isa};
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};
use target_lexicon::Triple;

use super::code::{self, Code};
use super::lower::Lowering;
use super::{Left, MachineCode, Source};
use crate::block::Blocks;
use crate::core::Core;

/// Makes machine code of blocks, and keeps it.
#[derive(Default)]
pub struct Compiler {
    state: State,
}

#[derive(Default)]
enum State {
    /// Nothing was compiled yet.
    #[default]
    New,
    /// The host does not let anything be compiled.
    Absent,
    Ready(Box<Ready>),
}

struct Ready {
    isa: OwnedTargetIsa,
    code: Code,
    /// The function that calls the others, and what it and they are called like.
    enter: u64,
    /// What the function above takes of the code.
    kept: usize,
    context: Context,
    builder: FunctionBuilderContext,
}

/// Signature of a block's function: it gets the processor, and returns a packed [`Left`]. Such a function may end with a jump to another one.
pub(super) fn signature() -> Signature {
    let mut signature = Signature::new(CallConv::Tail);
    signature.params.push(AbiParam::new(types::I64));
    signature.returns.push(AbiParam::new(types::I64));
    signature
}

impl Compiler {
    /// What this host has for it.
    pub fn here() -> MachineCode {
        Ready::new().map_or(MachineCode::Refused, |_| MachineCode::Possible)
    }

    /// With no code in it: no address that it has given is one any more.
    pub fn emptied(mut self) -> Self {
        if let State::Ready(ready) = &mut self.state {
            ready.code.truncate(ready.kept);
        }
        self
    }

    /// Compiles a block; the address of its machine code. `None`: there is no room, or nothing is gained.
    pub fn compile(&mut self, source: Source<'_>) -> Option<u64> {
        if matches!(self.state, State::New) {
            self.state = Ready::new().map_or(State::Absent, |ready| State::Ready(Box::new(ready)));
        }
        match &mut self.state {
            State::Ready(ready) => ready.compile(source),
            _ => None,
        }
    }

    /// Bytes of machine code.
    pub fn used(&self) -> usize {
        match &self.state {
            State::Ready(ready) => ready.code.used(),
            _ => 0,
        }
    }

    /// Whether blocks must go before another one can be compiled.
    pub fn is_full(&self) -> bool {
        // A block of 64 instructions takes some KiB.
        self.used() + (256 << 10) > code::MOST_BYTES
    }

    /// Executes the machine code of an operation of `blocks`, and goes on as far as it goes.
    #[inline(always)]
    pub fn execute(&self, core: &mut Core, blocks: &Blocks, code: i64) -> Left {
        match &self.state {
            State::Ready(ready) => code::execute(ready.enter, core, blocks, code as u64),
            _ => unreachable!("nothing was compiled"),
        }
    }
}

impl Ready {
    fn new() -> Option<Self> {
        let mut flags = settings::builder();
        // The verifier is for debug builds.
        for (name, value) in [
            ("opt_level", "none"),
            ("enable_verifier", if cfg!(debug_assertions) { "true" } else { "false" }),
            ("enable_probestack", "false"),
            ("unwind_info", "false"),
            // Cranelift makes jumps to other functions only from frames.
            ("preserve_frame_pointers", "true"),
        ] {
            flags.set(name, value).ok()?;
        }
        let isa = isa::lookup(Triple::host())
            .ok()?
            .finish(settings::Flags::new(flags))
            .ok()?;
        let mut ready = Self {
            isa,
            code: Code::new()?,
            enter: 0,
            kept: 0,
            context: Context::new(),
            builder: FunctionBuilderContext::new(),
        };
        ready.enter = ready.make_enter()?;
        ready.kept = ready.code.used();
        Some(ready)
    }

    /// The function by which Rust calls those of blocks: they are called in another way than C's.
    fn make_enter(&mut self) -> Option<u64> {
        let mut signature = Signature::new(CallConv::SystemV);
        signature.params.extend([AbiParam::new(types::I64); 2]);
        signature.returns.push(AbiParam::new(types::I64));
        self.context.func = Function::with_name_signature(UserFuncName::default(), signature);
        let mut builder = FunctionBuilder::new(&mut self.context.func, &mut self.builder);
        let block = builder.create_block();
        builder.append_block_params_for_function_params(block);
        builder.switch_to_block(block);
        builder.seal_block(block);
        let (core, function) = (builder.block_params(block)[0], builder.block_params(block)[1]);
        let signature = builder.import_signature(self::signature());
        let call = builder.ins().call_indirect(signature, function, &[core]);
        let left = builder.inst_results(call)[0];
        builder.ins().return_(&[left]);
        builder.finalize(self.isa.frontend_config());
        self.finish()
    }

    fn compile(&mut self, source: Source<'_>) -> Option<u64> {
        self.context.func = Function::with_name_signature(UserFuncName::default(), signature());
        let builder = FunctionBuilder::new(&mut self.context.func, &mut self.builder);
        let is_worth_it = Lowering::new(builder, source).block(self.isa.frontend_config());
        if !is_worth_it {
            self.context.clear();
            return None;
        }
        self.finish()
    }

    /// Makes machine code of the context's function, and takes it in.
    fn finish(&mut self) -> Option<u64> {
        let compiled = self.context.compile(&*self.isa, &mut ControlPlane::default());
        let at = match compiled {
            // Nothing is called by name, so nothing is left to be filled in.
            Ok(compiled) if compiled.buffer.relocs().is_empty() => self.code.add(compiled.buffer.data()),
            _ => None,
        };
        self.context.clear();
        at
    }
}
