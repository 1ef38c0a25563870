//! An independent processor to compare with: QEMU in user mode, emulating a POWER8 or POWER9.
//!
//! [`run`] takes cases, each some instructions and the state before them, and answers with the states
//! after them. All cases run in one little program (`program.rs`) that QEMU executes once.

mod elf;
mod program;
pub mod random;

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use power::insn::Endian;
use power::model::Model;

/// The address that [`State::memory`] has for the instructions. Two pages meet in its middle.
pub const MEMORY: u64 = program::MEMORY;
/// The address of a case's first instruction. They may branch among themselves, and must end by
/// running past the last.
pub const INSTRUCTIONS: u64 = program::SLOT;
/// Bytes of [`State::memory`].
pub const MEMORY_BYTES: usize = 256;

/// Everything that the instructions of a case may read and write.
#[derive(Clone, PartialEq, Eq)]
pub struct State {
    pub cr: u32,
    pub xer: u64,
    pub lr: u64,
    pub ctr: u64,
    pub fpscr: u64,
    pub vscr: u32,
    pub gpr: [u64; 32],
    /// Bit 0 of the manuals is the most significant.
    pub vsr: [u128; 64],
    pub memory: [u8; MEMORY_BYTES],
}

impl Default for State {
    fn default() -> Self {
        Self {
            cr: 0,
            xer: 0,
            lr: 0,
            ctr: 0,
            fpscr: 0,
            vscr: 0,
            gpr: [0; 32],
            vsr: [0; 64],
            memory: [0; MEMORY_BYTES],
        }
    }
}

/// Instructions and the state before them.
#[derive(Clone)]
pub struct Case {
    /// The instructions: at least one.
    pub code: Vec<u32>,
    /// The state that they find.
    pub before: State,
}

/// `ori 0,0,0`
const NO_OPERATION: u32 = 0x6000_0000;

impl Case {
    /// The first instruction: the only one in tests of one instruction.
    pub fn word(&self) -> u32 {
        self.code[0]
    }

    /// The case as the program reads it; the state as it comes back has the same layout.
    fn to_bytes(&self, instructions: usize, endian: Endian) -> Vec<u8> {
        let state = &self.before;
        let stride = program::stride(instructions);
        let mut bytes = Vec::with_capacity(stride);
        let [cr, vscr] = [state.cr, state.vscr].map(u64::from);
        let special = [cr, state.xer, state.lr, state.ctr, state.fpscr, 0, 0, vscr];
        let vectors = state.vsr.iter().flat_map(|&vsr| [(vsr >> 64) as u64, vsr as u64]);
        for value in special.into_iter().chain(state.gpr).chain(vectors) {
            bytes.extend_from_slice(&match endian {
                Endian::Little => value.to_le_bytes(),
                Endian::Big => value.to_be_bytes(),
            });
        }
        bytes.extend_from_slice(&state.memory);
        for n in 0..instructions {
            let word = self.code.get(n).copied().unwrap_or(NO_OPERATION);
            bytes.extend_from_slice(&match endian {
                Endian::Little => word.to_le_bytes(),
                Endian::Big => word.to_be_bytes(),
            });
        }
        bytes.resize(stride, 0);
        bytes
    }
}

impl State {
    fn from_bytes(bytes: &[u8], endian: Endian) -> Self {
        let mut words = bytes.chunks_exact(8).map(|chunk| {
            let chunk = chunk.try_into().expect("a chunk has eight bytes");
            match endian {
                Endian::Little => u64::from_le_bytes(chunk),
                Endian::Big => u64::from_be_bytes(chunk),
            }
        });
        let mut next = || words.next().expect("a state has all its words");
        let cr = next() as u32;
        let [xer, lr, ctr, fpscr, _, _, vscr] = std::array::from_fn(|_| next());
        Self {
            cr,
            xer,
            lr,
            ctr,
            fpscr,
            vscr: vscr as u32,
            gpr: std::array::from_fn(|_| next()),
            vsr: std::array::from_fn(|_| u128::from(next()) << 64 | u128::from(next())),
            memory: bytes[program::STATE - MEMORY_BYTES..program::STATE]
                .try_into()
                .expect("the rest is memory"),
        }
    }
}

/// The states after the cases on this model, in their order.
///
/// # Panics
/// If QEMU is missing, or if an instruction kills the program: then with that instruction.
pub fn run(model: Model, cases: &[Case], endian: Endian) -> Vec<State> {
    match attempt(model, cases, endian) {
        Ok(states) => states,
        Err(why) => panic!("{why} at {:#010x?}", culprit(model, cases, endian).code),
    }
}

/// The case that kills the program, found by halves.
fn culprit(model: Model, mut cases: &[Case], endian: Endian) -> &Case {
    while cases.len() > 1 {
        let (first, second) = cases.split_at(cases.len() / 2);
        cases = if attempt(model, first, endian).is_err() {
            first
        } else {
            second
        };
    }
    &cases[0]
}

/// The states after the cases.
///
/// # Errors
/// How the program ended, if one of the cases kept it from its end.
pub fn attempt(model: Model, cases: &[Case], endian: Endian) -> Result<Vec<State>, String> {
    let instructions = cases.iter().map(|case| case.code.len()).max().unwrap_or(1);
    let data: Vec<u8> = cases
        .iter()
        .flat_map(|case| case.to_bytes(instructions, endian))
        .collect();
    let mut file = tempfile::Builder::new()
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700))
        .tempfile()
        .expect("a temporary file can be made");
    let code = program::code(cases.len(), instructions, endian);
    file.write_all(&elf::executable(&code, &data, endian))
        .expect("the program can be written");
    let path = file.into_temp_path();
    let output = Command::new(qemu(endian))
        .args(["-cpu", model.name()])
        .arg(&path)
        .stderr(Stdio::inherit())
        .output()
        .expect("QEMU starts");
    if !output.status.success() || output.stdout.len() != data.len() {
        return Err(format!("the program under QEMU ended with {}", output.status));
    }
    Ok(output
        .stdout
        .chunks_exact(program::stride(instructions))
        .map(|bytes| State::from_bytes(bytes, endian))
        .collect())
}

/// Where QEMU is: what `PTEG_QEMU_USER` names for little-endian programs and what stands beside it
/// for big-endian ones, or else what the search path has.
fn qemu(endian: Endian) -> PathBuf {
    let names = match endian {
        Endian::Little => ["qemu-ppc64le-static", "qemu-ppc64le"],
        Endian::Big => ["qemu-ppc64-static", "qemu-ppc64"],
    };
    let named = std::env::var_os("PTEG_QEMU_USER").map(PathBuf::from);
    if endian == Endian::Little
        && let Some(named) = named
    {
        return named;
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let beside = named.and_then(|named| Some(named.parent()?.to_owned()));
    beside
        .into_iter()
        .chain(std::env::split_paths(&path))
        .flat_map(|folder| names.map(|name| folder.join(name)))
        .find(|candidate| candidate.is_file())
        .unwrap_or_else(|| {
            panic!(
                "no {} to compare with: run `cargo xtask test`, install the package \
                 qemu-user, or set PTEG_QEMU_USER to a qemu-ppc64le",
                names[1]
            )
        })
}
