//! Every RTAS call and hypercall with whatever a guest may say: nothing panics, each call is answered, and memory changes nowhere but where
//! the guest wants its answer. `PROPTEST_CASES=250000` makes ten million of them.
//!
//! What becomes of the page table is judged elsewhere, against a model (`hpt/fuzz`): here its calls come in between.

use std::ops::Range;

use devices::pci::{Bridge, Space};
use devices::vty::UNIT_ADDRESS;
use power::hcall::register_vpa::Function;
use power::hcall::{Hcall, Status, access};
use power::msr::Msr;
use power::rtas::{CpuStoppedState, RtasCall};
use proptest::prelude::*;
use proptest::sample::select;

use super::pci::{HIGH, LOW, with_function};
use crate::hypercall::Next;
use crate::machine::Machine;
use crate::processors::Start;
use crate::test_machine::{RAM, Registers};

/// Memory that is looked at, from real address 0: buffers and what they name are here, mostly.
const LOOKED_AT: usize = 0x4000;

/// Bytes of a page of the calls.
const PAGE: u64 = 0x1000;

/// Calls of a case.
const CALLS: usize = 40;

/// What a call has not answered.
const POISON: u32 = 0xdead_beef;

#[derive(Clone, Debug)]
enum Step {
    /// An RTAS call with its buffer at `at`, which says these counts instead of the right ones.
    Rtas {
        token: u32,
        at: u64,
        inputs: Vec<u32>,
        outputs: u32,
        said: Option<(u32, u32)>,
    },
    /// A hypercall.
    Call(Hcall, [u64; 6]),
    /// The guest stores: what calls find where their arguments lead.
    Store(u64, [u8; 8]),
}

fn word() -> impl Strategy<Value = u32> {
    prop_oneof![
        4 => 0_u32..8,
        3 => 0_u32..LOOKED_AT as u32,
        1 => Just(HIGH),
        1 => Just(LOW),
        1 => RAM as u32 - 16..RAM as u32 + 16,
        1 => any::<u32>(),
    ]
}

fn rtas() -> impl Strategy<Value = Step> {
    let tokens = RtasCall::ALL.len() as u32;
    let token = prop_oneof![20 => 1..=tokens, 1 => any::<u32>()];
    let at = prop_oneof![
        20 => 0_u64..LOOKED_AT as u64 - 0x100,
        1 => RAM - 64..RAM + 64,
        1 => any::<u64>(),
    ];
    let said = prop_oneof![
        15 => Just(None),
        1 => (0_u32..20, 0_u32..20).prop_map(Some),
        1 => any::<(u32, u32)>().prop_map(Some),
    ];
    let inputs = proptest::collection::vec(word(), 0..9);
    (token, at, inputs, 0_u32..9, said, 0_u32..4).prop_map(|(token, at, mut inputs, outputs, said, which)| {
        // Mostly the bridge that there is.
        if inputs.len() > 3 && which > 0 {
            (inputs[1], inputs[2]) = (HIGH, LOW);
        }
        Step::Rtas {
            token,
            at,
            inputs,
            outputs,
            said,
        }
    })
}

/// An argument of a hypercall: small, an address, flags, or anything.
fn argument() -> impl Strategy<Value = u64> {
    let page = 0..LOOKED_AT as u64 / PAGE + 1;
    prop_oneof![
        4 => 0_u64..17,
        4 => (0..LOOKED_AT as u64 / 128).prop_map(|block| block * 128),
        3 => page.prop_map(|page| page * PAGE),
        2 => 0..LOOKED_AT as u64,
        2 => (0_u32..64).prop_map(|bit| 1 << bit),
        1 => select(vec![access::ZERO_PAGE, access::COPY_PAGE, access::ZERO_PAGE | access::COPY_PAGE]),
        1 => RAM - PAGE - 8..RAM + 8,
        1 => (select(vec![Space::Io, Space::Memory32, Space::Memory64]), 0..2 * PAGE)
            .prop_map(|(space, offset)| space.window().real + offset),
        1 => Just(UNIT_ADDRESS),
        2 => Just(Bridge::LIOBN.into()),
        1 => any::<u64>(),
    ]
}

/// A hypercall of any kind but RTAS, and those that have a thread make a new table.
fn hypercall() -> impl Strategy<Value = Step> {
    let is_here = |call: &Hcall| !matches!(call, Hcall::Rtas | Hcall::ResizeHptPrepare | Hcall::ResizeHptCommit);
    let calls: Vec<_> = Hcall::ALL.iter().copied().filter(is_here).collect();
    (select(calls), proptest::array::uniform6(argument())).prop_map(|(call, arguments)| Step::Call(call, arguments))
}

/// Calls whose arguments must fit each other before anything happens.
fn fitting() -> impl Strategy<Value = Step> {
    let call = select(vec![
        Hcall::GetTce,
        Hcall::PutTce,
        Hcall::StuffTce,
        Hcall::PutTceIndirect,
    ]);
    let bus = prop_oneof![
        8 => 0..16 * PAGE,
        2 => Bridge::DMA_BYTES - 4 * PAGE..Bridge::DMA_BYTES + PAGE,
        1 => any::<u64>(),
    ];
    let count = prop_oneof![6 => 0_u64..16, 2 => 500_u64..520, 1 => any::<u64>()];
    let tces = (call, bus, argument(), count)
        .prop_map(|(call, bus, tce, count)| Step::Call(call, [Bridge::LIOBN.into(), bus, tce, count, 0, 0]));
    // What is registered, and given up, where.
    let areas = (0_u64..8, argument())
        .prop_map(|(function, at)| Step::Call(Hcall::RegisterVpa, [function << 45, 0, at, 0, 0, 0]));
    let registers = (
        select(vec![Hcall::LogicalCiLoad, Hcall::LogicalCiStore]),
        select(vec![1_u64, 2, 4, 8]),
        select(vec![Space::Io, Space::Memory32, Space::Memory64]),
        0..2 * PAGE,
        any::<u64>(),
    )
        .prop_map(|(call, size, space, offset, value)| {
            let at = space.window().real + offset / size * size;
            Step::Call(call, [size, at, value, 0, 0, 0])
        });
    prop_oneof![2 => tces, 2 => areas, 1 => registers]
}

fn step() -> impl Strategy<Value = Step> {
    let store = (0..LOOKED_AT as u64, any::<[u8; 8]>()).prop_map(|(at, bytes)| Step::Store(at, bytes));
    // The size of an area, near its beginning.
    let size = (0..LOOKED_AT as u64 / 128, 0_u16..0x500)
        .prop_map(|(block, size)| Step::Store(block * 128 + 4, (u64::from(size) << 48).to_be_bytes()));
    prop_oneof![8 => rtas(), 4 => hypercall(), 3 => fitting(), 1 => store, 2 => size]
}

/// A machine whose only processor runs.
struct World {
    machine: Machine,
    /// Where its virtual processor area is, which is written to whenever it stops or runs.
    vpa: Option<Range<u64>>,
}

impl World {
    fn new() -> Self {
        let (machine, _) = with_function();
        let world = Self { machine, vpa: None };
        world.start();
        world
    }

    /// The processor runs.
    fn start(&self) {
        let processor = self.machine.processors.by_server(0);
        processor.start(Start {
            pc: 0,
            r3: 0,
            msr: Msr::from_raw(0),
        });
        if processor.take_start().is_some() {
            processor.areas().arrive(&self.machine.ram);
        }
    }

    fn look(&self) -> Box<[u8; LOOKED_AT]> {
        Box::new(self.machine.ram.read(0).expect("it is RAM"))
    }

    /// The real addresses that the guest's buffer lets an RTAS call write: LoPAR, RTAS Environment, "RTAS Argument Call Buffer", and the
    /// calls that have an address among their inputs. `None`: it is no buffer.
    fn writable_by_rtas(&self, at: u64) -> Option<Vec<Range<u64>>> {
        let word = |at: u64| Some(u64::from(u32::from_be_bytes(self.machine.ram.read(at)?)));
        let place = |number: u64| at.checked_add(4 * number);
        let (token, inputs, outputs) = (word(place(0)?)?, word(place(1)?)?, word(place(2)?)?);
        if inputs > 16 || outputs > 16 {
            return None;
        }
        let input = |number| word(place(3 + number)?);
        // Which inputs are address and length.
        let named = match RtasCall::from_token(token as u32) {
            Some(RtasCall::NvramFetch | RtasCall::GetSystemParameter) => Some((1, 2)),
            Some(RtasCall::CheckException) => Some((4, 5)),
            _ => None,
        };
        let named = match named {
            Some((start, length)) if length < inputs => {
                let start = input(start)?;
                Some(start..start + input(length)?)
            }
            _ => None,
        };
        let outputs = place(3 + inputs)?..place(3 + inputs + outputs)?;
        Some(std::iter::once(outputs).chain(named).collect())
    }

    /// Those that a hypercall may write, if it succeeds.
    fn writable_by(&self, call: Hcall, arguments: &[u64; 6]) -> Option<Range<u64>> {
        let [flags, second, third, fourth, ..] = *arguments;
        let fills = flags & (access::ZERO_PAGE | access::COPY_PAGE) != 0;
        match call {
            Hcall::PageInit if fills => Some(second..second.saturating_add(PAGE)),
            // A large page, and one of another base size, has other bytes: which, the model of `hpt` knows.
            Hcall::Enter if fills && third & 4 != 0 => Some(0..u64::MAX),
            Hcall::Enter if fills => {
                let real = fourth & !0xfff & ((1 << 60) - 1);
                Some(real..real + PAGE)
            }
            Hcall::RegisterVpa if Function::from_flags(flags) == Some(Function::RegisterVpa) => {
                let bytes = u16::from_be_bytes(self.machine.ram.read(third.checked_add(4)?)?);
                Some(third..third.checked_add(bytes.into())?)
            }
            _ => None,
        }
    }

    /// No byte has changed since `before`, but in these.
    fn check(
        &self,
        before: &[u8; LOOKED_AT],
        ranges: &[Range<u64>],
        what: &dyn Fn() -> String,
    ) -> Result<(), TestCaseError> {
        let after = self.look();
        if *before == *after {
            return Ok(());
        }
        let mut changed = (0..LOOKED_AT).filter(|&at| before[at] != after[at]);
        let given = |place: &u64| ranges.iter().chain(&self.vpa).any(|range| range.contains(place));
        let wrong = changed.find(|&at| !given(&(at as u64)));
        prop_assert!(wrong.is_none(), "{} has written to {wrong:#x?}", what());
        Ok(())
    }

    /// Makes the call, and judges it.
    fn play(&mut self, step: &Step) -> Result<(), TestCaseError> {
        match *step {
            Step::Store(at, bytes) => _ = self.machine.ram.write(at, &bytes),
            Step::Call(call, arguments) => self.call(call, arguments)?,
            Step::Rtas {
                token,
                at,
                ref inputs,
                outputs,
                said,
            } => self.rtas(token, at, inputs, outputs, said)?,
        }
        if self.machine.processors.by_server(0).stopped_state() == CpuStoppedState::Stopped {
            self.start();
        }
        Ok(())
    }

    fn call(&mut self, call: Hcall, arguments: [u64; 6]) -> Result<(), TestCaseError> {
        let before = self.look();
        let mut writable = self.writable_by(call, &arguments);
        let mut cpu = Registers::default();
        cpu.call(&self.machine, 0, call, arguments);
        // A full group comes to light when the page has been filled.
        let is_full = call == Hcall::Enter && cpu.gprs[3] == Status::PtegFull.to_register();
        if cpu.gprs[3] != 0 && !is_full {
            writable = None;
        }
        let what = || format!("{} with {arguments:x?}", call.name());
        self.check(&before, writable.as_slice(), &what)?;
        if call == Hcall::RegisterVpa && cpu.gprs[3] == 0 {
            match Function::from_flags(arguments[0]) {
                Some(Function::RegisterVpa) => self.vpa = writable,
                Some(Function::DeregisterVpa) => self.vpa = None,
                _ => {}
            }
        }
        Ok(())
    }

    fn rtas(
        &self,
        token: u32,
        at: u64,
        inputs: &[u32],
        outputs: u32,
        said: Option<(u32, u32)>,
    ) -> Result<(), TestCaseError> {
        let (said_inputs, said_outputs) = said.unwrap_or((inputs.len() as u32, outputs));
        let words = [token, said_inputs, said_outputs].into_iter();
        let words = words.chain(inputs.iter().copied());
        let words = words.chain(std::iter::repeat_n(POISON, outputs as usize));
        let bytes: Vec<u8> = words.flat_map(u32::to_be_bytes).collect();
        // Where it does not fit, whatever is there is the buffer.
        let fits = self.machine.ram.write(at, &bytes).is_some();
        let (before, writable) = (self.look(), self.writable_by_rtas(at));
        let mut cpu = Registers::default();
        let next = cpu.call(&self.machine, 0, Hcall::Rtas, [at]);
        let ranges = writable.as_deref().unwrap_or_default();
        self.check(&before, ranges, &|| format!("call {token} with {inputs:x?}"))?;
        if next != Next::Run {
            return Ok(());
        }
        let is_answered = cpu.gprs[3] == 0;
        prop_assert!(writable.is_some() || !is_answered, "no buffer at {at:#x}");
        // Unless the guest wanted something else written over it.
        if is_answered && fits && said.is_none() && outputs > 0 && ranges.len() == 1 {
            let status = self.machine.ram.read(at + 12 + 4 * inputs.len() as u64);
            let status = u32::from_be_bytes(status.expect("it lies in the buffer"));
            prop_assert!(status != POISON, "{token} has no status");
        }
        Ok(())
    }
}

proptest! {
    #[test]
    fn no_call_breaks_the_machine_or_writes_where_it_was_not_told_to(steps in proptest::collection::vec(step(), CALLS)) {
        let mut world = World::new();
        for step in steps {
            world.play(&step)?;
        }
    }
}
