//! Our processor, running the oracle's cases in problem state or in real mode.

use emulator::vsu::Vscr;
use emulator::{Compile, Cpu, Exit};
use power::insn::Endian;
use power::model::Model;
use power::msr::Msr;
use power::page::{PagePair, SegmentSize};

use crate::machine::{Machine, STOP, VECTORS_END, segment};
use crate::oracle::{Case, INSTRUCTIONS, MEMORY, MEMORY_BYTES, State};

/// How the processor reaches a case's instructions and memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Translation {
    /// Real mode: the addresses of the case are real ones.
    None,
    /// Problem state, through the table, with pages of this size that lie apart in real memory.
    Pages(PagePair),
}

impl Translation {
    /// Pages of 4 KiB.
    pub const SMALL: Self = Self::Pages(PagePair::ALL[0]);
    /// Pages of 64 KiB.
    pub const LARGE: Self = Self::Pages(PagePair::ALL[3]);
}

/// Where in real memory the way into a case is.
const ENTRY: u64 = VECTORS_END;
const RFID: u32 = 0x4c00_0024;
/// Real addresses of translated pages: the order is not the virtual one, and no two are neighbours.
const REAL_PAGES: [u64; 4] = [0x9_0000, 0x3_0000, 0xc_0000, 0x6_0000];
const TRANSLATED_RAM: usize = 0x10_0000;
const REAL_RAM: usize = 0x2010_0000;

/// A processor that runs cases.
pub struct Processor {
    machine: Machine,
    cpu: Cpu,
    translation: Translation,
    little: bool,
}

/// A case that did not reach its end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Interrupted {
    /// Offset of the vector.
    pub vector: u64,
    /// Where.
    pub srr0: u64,
    /// Why.
    pub srr1: u64,
}

impl Processor {
    /// A processor with memory for the cases, which compiles their code or does not.
    pub fn new(model: Model, endian: Endian, translation: Translation, compile: Compile) -> Self {
        let little = endian == Endian::Little;
        let ram = if translation == Translation::None {
            REAL_RAM
        } else {
            TRANSLATED_RAM
        };
        let machine = Machine::of_model(model, ram);
        machine.stop_at_vectors(little);
        machine.shared.set_lpcr(if little { power::msr::lpcr::ILE } else { 0 });
        let (mut cpu, _) = machine.cpu(0);
        cpu.set_compile(compile);
        let mut processor = Self {
            machine,
            cpu,
            translation,
            little,
        };
        if let Translation::Pages(pair) = translation {
            processor.map(pair);
        }
        processor
    }

    /// Maps the two pages of instructions and those of memory.
    fn map(&mut self, pair: PagePair) {
        let size = pair.actual().bytes();
        let code = INSTRUCTIONS & !(size - 1);
        let middle = MEMORY + MEMORY_BYTES as u64 / 2;
        for (ea, real) in [code, code + size, middle - size, middle].into_iter().zip(REAL_PAGES) {
            // PP = 10: everybody may store.
            self.machine
                .map(ea >> 28, SegmentSize::Size256M, pair, ea & 0x0fff_ffff, real, 2);
        }
        // slbmte r3,r4
        self.machine.write_code(ENTRY, &[0x7c60_2324, STOP], self.little);
        for (n, ea) in [code, middle].into_iter().enumerate() {
            let (rs, rb) = segment(ea, ea >> 28, pair, n as u64);
            self.cpu.set_gpr(4, rb);
            self.cpu.start(ENTRY, rs, self.real_mode());
            assert_eq!(self.cpu.run(), Exit::Hypercall);
        }
    }

    fn real_mode(&self) -> Msr {
        Msr::from_raw(Msr::SF | Msr::ME | if self.little { Msr::LE } else { 0 })
    }

    /// Where a case's address is in real memory.
    fn real(&self, ea: u64) -> u64 {
        let Translation::Pages(pair) = self.translation else {
            return ea;
        };
        let size = pair.actual().bytes();
        let first = if ea < MEMORY { INSTRUCTIONS } else { MEMORY };
        let page = (ea / size - first / size) as usize + if ea < MEMORY { 0 } else { 2 };
        REAL_PAGES[page] + ea % size
    }

    fn write_code(&self, code: &[u32]) {
        for (n, &word) in (0..).zip(code.iter().chain([&STOP])) {
            self.machine
                .write_code(self.real(INSTRUCTIONS + 4 * n), &[word], self.little);
        }
    }

    /// Instructions executed so far, those around the cases too.
    pub fn instructions(&self) -> u64 {
        self.cpu.instructions()
    }

    /// The state after the case.
    ///
    /// # Errors
    /// The interrupt that kept it from its end.
    pub fn run(&mut self, case: &Case) -> Result<State, Interrupted> {
        let before = &case.before;
        self.write_code(&case.code);
        let (first, second) = before.memory.split_at(MEMORY_BYTES / 2);
        self.machine.write(self.real(MEMORY), first);
        self.machine.write(self.real(MEMORY + first.len() as u64), second);
        self.machine.write_code(ENTRY, &[RFID], self.little);

        // EE, so that the decrementer ends what does not end by itself.
        let mut msr = self.real_mode().raw() | Msr::FP | Msr::VEC | Msr::VSX | Msr::EE;
        if self.translation != Translation::None {
            msr |= Msr::PR;
        }
        let spr = |cpu: &mut Cpu, number, value| {
            cpu.set_spr(number, value).expect("the register is there");
        };
        let cpu = &mut self.cpu;
        for (n, &gpr) in before.gpr.iter().enumerate() {
            cpu.set_gpr(n, gpr);
        }
        for (number, value) in [
            (1, before.xer),
            (8, before.lr),
            (9, before.ctr),
            (26, INSTRUCTIONS),
            (27, msr),
            // All facilities.
            (153, u64::MAX >> 8),
            (22, 0x7fff_ffff),
        ] {
            spr(cpu, number, value);
        }
        let core = cpu.core_mut();
        core.regs.set_cr(before.cr);
        core.vsu.vsr = before.vsr;
        core.vsu.fpscr.set(before.fpscr);
        core.vsu.vscr = Vscr::new(before.vscr);
        let real_mode = self.real_mode();
        self.cpu.start(ENTRY, before.gpr[3], real_mode);
        let exit = self.cpu.run();
        assert_eq!(exit, Exit::Hypercall, "{}", self.cpu.dump());

        let end = INSTRUCTIONS + 4 * case.code.len() as u64;
        let at = self.cpu.pc() - 4;
        if at != end {
            let [srr0, srr1] = [26, 27].map(|number| self.cpu.spr(number).unwrap_or(0));
            return Err(Interrupted { vector: at, srr0, srr1 });
        }
        Ok(self.state())
    }

    fn state(&mut self) -> State {
        const HALF: usize = MEMORY_BYTES / 2;
        let mut memory = [0; MEMORY_BYTES];
        let halves = [MEMORY, MEMORY + HALF as u64].map(|ea| self.machine.read::<HALF>(self.real(ea)));
        memory.copy_from_slice(halves.as_flattened());
        let [xer, lr, ctr] = [1, 8, 9].map(|number| self.cpu.spr(number).expect("the register is there"));
        let gpr = std::array::from_fn(|n| self.cpu.gpr(n));
        let core = self.cpu.core_mut();
        State {
            cr: core.regs.cr(),
            xer,
            lr,
            ctr,
            fpscr: core.vsu.fpscr.raw(),
            vscr: core.vsu.vscr.raw(),
            gpr,
            vsr: core.vsu.vsr,
            memory,
        }
    }
}
