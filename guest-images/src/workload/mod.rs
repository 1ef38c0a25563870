//! What a Linux guest does when it is to be tried: [`Soak`] its memory and page table, [`Programs`] its processors.
//!
//! - `churn.s`, a program, changes its mappings at random (written, protected, replaced, moved, given back, shared with
//!   children and threads) and looks whether memory is what it must be.
//! - `soak.sh`, the first process, runs many of it, tells how far it is, and ends with a verdict.
//! - `programs/` are scripts that run Debian's own programs.
//! - `sockets.s`, a program, tries sockets between guest and host ([`sockets`]).

mod programs;

use power::insn::{Endian, assemble};

use crate::programs::elf;
use crate::{ExtraFile, ImageOptions, Init};

pub use programs::{Programs, Verdict};

/// Where programs for Linux lie.
const BASE: u64 = 0x1000_0000;

/// Work on all processors: fork, exec, mmap, munmap, mprotect and their like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Soak {
    /// For how long, by the guest's clock.
    pub seconds: u64,
    /// The guest makes its page table larger and smaller every second.
    pub resize: bool,
}

/// What a line of the guest's is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// How far it is.
    Progress,
    /// The guest found everything as it must be.
    Healthy,
    /// Something went wrong.
    Trouble,
    /// None of its own.
    Other,
}

/// What the kernel says when something is wrong with it; as in `soak.sh`.
const TROUBLE: [&str; 12] = [
    "Oops",
    "BUG",
    "WARNING: ",
    "Call Trace",
    "Kernel panic",
    "Unable to handle",
    "self-detected stall",
    "detected stalls",
    "soft lockup",
    "blocked for more than",
    "Bad page",
    "churn: ",
];

impl Soak {
    /// Makes an image do this.
    pub fn options(self) -> ImageOptions {
        let Self { seconds, resize } = self;
        let variables = format!("seconds={seconds} resize={}\n", u8::from(resize));
        ImageOptions {
            init: Init::Replace(["#!/bin/busybox sh\n", &variables, include_str!("soak.sh")].concat()),
            extra_files: vec![ExtraFile {
                path: "bin/churn".to_owned(),
                permissions: 0o755,
                contents: churn(),
            }],
            ..ImageOptions::default()
        }
    }

    /// What a line of the guest's console is.
    pub fn classify(line: &str) -> Said {
        if line.contains("soak: healthy: ") {
            Said::Healthy
        } else if line.contains("soak: FAILED") || TROUBLE.iter().any(|text| line.contains(text)) {
            Said::Trouble
        } else if line.contains("soak: ") {
            Said::Progress
        } else {
            Said::Other
        }
    }
}

/// The program `churn`.
fn churn() -> Vec<u8> {
    linux_program(include_str!("churn.s"))
}

/// The program `/bin/sockets` for an image whose kernel knows AF_VSOCK: it gives back what comes at its port 1234, and then prints what port 4321 of the
/// host says.
pub fn sockets() -> ExtraFile {
    ExtraFile {
        path: "bin/sockets".to_owned(),
        permissions: 0o755,
        contents: linux_program(include_str!("sockets.s")),
    }
}

fn linux_program(source: &str) -> Vec<u8> {
    let program = assemble(source, BASE, Endian::Little).expect("the source is part of this program");
    elf::for_linux(&program.bytes, BASE, Endian::Little)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_options_say_how_long_and_bring_the_program() {
        let options = Soak {
            seconds: 7,
            resize: true,
        }
        .options();
        let Init::Replace(init) = &options.init else {
            panic!("{options:?}")
        };
        assert!(init.starts_with("#!/bin/busybox sh\nseconds=7 resize=1\n"));
        assert!(options.extra_files[0].contents.starts_with(b"\x7fELF"));
    }

    #[test]
    fn what_the_kernel_says_in_trouble_is_trouble_to_both() {
        let script = include_str!("soak.sh");
        for text in TROUBLE.iter().filter(|text| **text != "churn: ") {
            assert!(script.contains(text), "{text}");
            assert_eq!(Soak::classify(&format!("[    1.0] {text}")), Said::Trouble);
        }
        assert_eq!(Soak::classify("soak: 10 s: 3 runs"), Said::Progress);
        assert_eq!(Soak::classify("soak: healthy: 3 runs"), Said::Healthy);
        assert_eq!(Soak::classify("soak: FAILED: x"), Said::Trouble);
        assert_eq!(Soak::classify("[    0.0] Linux version"), Said::Other);
    }

    #[test]
    fn the_program_for_sockets_is_one_of_linux() {
        let file = sockets();
        assert!(file.contents.starts_with(b"\x7fELF") && file.path == "bin/sockets");
    }
}
