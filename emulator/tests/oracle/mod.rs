//! An independent processor to compare with: QEMU in user mode, emulating a POWER8.
//!
//! [`run`] takes cases, each one instruction and the state before it, and answers with the states
//! after them. All cases run in one little program (`program.rs`) that QEMU executes once.

mod elf;
mod program;
pub mod random;

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// The address that [`State::memory`] has for the instruction.
pub const MEMORY: u64 = program::MEMORY;
/// The address that the instruction stands at. It continues at the next one; nothing else may be
/// branched to.
pub const INSTRUCTION: u64 = program::SLOT;
/// Bytes of [`State::memory`].
pub const MEMORY_BYTES: usize = 256;

/// Everything that an instruction of a program may read and write.
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

/// One instruction and the state before it.
#[derive(Clone)]
pub struct Case {
    /// The instruction.
    pub word: u32,
    /// The state that it finds.
    pub before: State,
}

impl Case {
    /// The case as the program reads it; the state as it comes back has the same layout.
    fn to_bytes(&self) -> Vec<u8> {
        let state = &self.before;
        let mut bytes = Vec::with_capacity(program::STRIDE);
        let word = self.word.into();
        let [cr, vscr] = [state.cr, state.vscr].map(u64::from);
        let special = [word, cr, state.xer, state.lr, state.ctr, state.fpscr, 0, vscr];
        let vectors = state.vsr.iter().flat_map(|&vsr| [(vsr >> 64) as u64, vsr as u64]);
        for value in special.into_iter().chain(state.gpr).chain(vectors) {
            bytes.extend_from_slice(&value.to_le_bytes());
        }
        bytes.extend_from_slice(&state.memory);
        bytes
    }
}

impl State {
    fn from_bytes(bytes: &[u8]) -> Self {
        let mut words = bytes
            .chunks_exact(8)
            .map(|chunk| u64::from_le_bytes(chunk.try_into().expect("a chunk has eight bytes")));
        let mut next = || words.next().expect("a state has all its words");
        next();
        let cr = next() as u32;
        let [xer, lr, ctr, fpscr, _, vscr] = std::array::from_fn(|_| next());
        Self {
            cr,
            xer,
            lr,
            ctr,
            fpscr,
            vscr: vscr as u32,
            gpr: std::array::from_fn(|_| next()),
            vsr: std::array::from_fn(|_| u128::from(next()) << 64 | u128::from(next())),
            memory: bytes[program::STRIDE - MEMORY_BYTES..].try_into().expect("the rest is memory"),
        }
    }
}

/// The states after the cases, in their order.
///
/// # Panics
/// If QEMU is missing, or if an instruction kills the program: then with that instruction.
pub fn run(cases: &[Case]) -> Vec<State> {
    match attempt(cases) {
        Ok(states) => states,
        Err(why) => panic!("{why} at {:#010x}", culprit(cases).word),
    }
}

/// The case that kills the program, found by halves.
fn culprit(mut cases: &[Case]) -> &Case {
    while cases.len() > 1 {
        let (first, second) = cases.split_at(cases.len() / 2);
        cases = if attempt(first).is_err() { first } else { second };
    }
    &cases[0]
}

fn attempt(cases: &[Case]) -> Result<Vec<State>, String> {
    let data: Vec<u8> = cases.iter().flat_map(Case::to_bytes).collect();
    let mut file = tempfile::Builder::new()
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700))
        .tempfile()
        .expect("a temporary file can be made");
    file.write_all(&elf::executable(&program::code(cases.len()), &data))
        .expect("the program can be written");
    let path = file.into_temp_path();
    let output = Command::new(qemu())
        .args(["-cpu", "power8"])
        .arg(&path)
        .stderr(Stdio::inherit())
        .output()
        .expect("QEMU starts");
    if !output.status.success() || output.stdout.len() != data.len() {
        return Err(format!("the program under QEMU ended with {}", output.status));
    }
    Ok(output.stdout.chunks_exact(program::STRIDE).map(State::from_bytes).collect())
}

/// Where QEMU is.
fn qemu() -> PathBuf {
    if let Some(path) = std::env::var_os("PTEG_QEMU_USER") {
        return path.into();
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let names = ["qemu-ppc64le-static", "qemu-ppc64le"];
    std::env::split_paths(&path)
        .flat_map(|folder| names.map(|name| folder.join(name)))
        .find(|candidate| candidate.is_file())
        .unwrap_or_else(|| {
            panic!(
                "no QEMU to compare with: run `cargo xtask test`, install the package \
                 qemu-user-static, or set PTEG_QEMU_USER to a qemu-ppc64le"
            )
        })
}
