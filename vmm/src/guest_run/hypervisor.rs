//! Who runs guest programs, and how each is told to.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use guest_images::programs;
use tempfile::NamedTempFile;

use super::running::{Running, Said};

/// QEMU's program for machines of this kind.
const QEMU: &str = "qemu-system-ppc64";

/// The machine that QEMU makes: programs are put where they belong, and there are pages of all sizes that pteg has.
const QEMU_MACHINE: &str = "pseries,kernel-addr=0,cap-hpt-max-page-size=16M";

/// How long a program may take to say its version.
const PATIENCE: Duration = Duration::from_secs(60);

/// Somebody who runs guest programs.
#[derive(Clone, Debug)]
pub(crate) enum Hypervisor {
    /// pteg.
    Pteg {
        /// The program.
        program: PathBuf,
        /// Words for `pteg run` beside those of the task: `--accel`, `--threads`…
        flags: Vec<String>,
    },
    /// QEMU with processors in software.
    Qemu {
        /// The program.
        program: PathBuf,
        /// What it is given as firmware: its own takes seconds, and hands over nothing that a program of ours could read.
        boot_rom: Arc<NamedTempFile>,
    },
}

/// What is to be run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Task<'a> {
    /// The guest: a file of ours, in ELF.
    pub(crate) elf: &'a Path,
    /// The kernel's command line.
    pub(crate) append: &'a str,
    /// Number of processors.
    pub(crate) processors: u32,
    /// Guest memory in MiB.
    pub(crate) memory_mib: u32,
}

/// Why somebody cannot run anything.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoHypervisor {
    /// This program does not know where it lies.
    #[error("finding this program's own file")]
    Myself(#[source] io::Error),
    /// It is not installed.
    #[error(
        "there is no {QEMU} in PATH: install it (Debian: qemu-system-ppc), or put the directory that has it into PATH"
    )]
    NoQemu,
    /// Its firmware could not be written.
    #[error("writing firmware for {QEMU} into {}", env::temp_dir().display())]
    BootRom(#[source] io::Error),
    /// It does not say which it is.
    #[error("{} --version: it has said nothing for {seconds} s; does it run at all?", program.display())]
    NoVersion {
        /// The program.
        program: PathBuf,
        /// How long it was waited for.
        seconds: u64,
    },
    /// The system does not say what became of it.
    #[error("waiting for {} --version", program.display())]
    Wait {
        /// The program.
        program: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It does not start.
    #[error("starting {}", program.display())]
    Start {
        /// The program.
        program: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl Hypervisor {
    /// This very program, told `flags` as well.
    ///
    /// # Errors
    /// The system does not say where its file lies.
    pub(crate) fn myself(flags: Vec<String>) -> Result<Self, NoHypervisor> {
        let program = env::current_exe().map_err(NoHypervisor::Myself)?;
        Ok(Self::Pteg { program, flags })
    }

    /// The QEMU that is first in PATH.
    ///
    /// # Errors
    /// There is none, or its firmware cannot be written.
    pub(crate) fn qemu() -> Result<Self, NoHypervisor> {
        let program = in_path(QEMU, env::var_os("PATH").as_deref()).ok_or(NoHypervisor::NoQemu)?;
        Self::qemu_at(program)
    }

    /// The QEMU that lies at `program`.
    ///
    /// # Errors
    /// Its firmware cannot be written.
    pub(crate) fn qemu_at(program: PathBuf) -> Result<Self, NoHypervisor> {
        let boot_rom = NamedTempFile::new().and_then(|mut file| {
            file.write_all(&programs::boot_rom())?;
            Ok(file)
        });
        let boot_rom = Arc::new(boot_rom.map_err(NoHypervisor::BootRom)?);
        Ok(Self::Qemu { program, boot_rom })
    }

    /// What `--version` says, in one line.
    ///
    /// # Errors
    /// It does not start, or says nothing for a minute.
    pub(crate) fn version(&self) -> Result<String, NoHypervisor> {
        self.version_within(PATIENCE)
    }

    fn version_within(&self, patience: Duration) -> Result<String, NoHypervisor> {
        let mut command = Command::new(self.program());
        command.arg("--version").stdin(Stdio::null());
        let mut running = Running::spawn(&mut command).map_err(|source| self.does_not_start(source))?;
        let program = self.program().to_owned();
        match running.line(patience) {
            Ok(Said::Line(line)) => Ok(line),
            Ok(Said::Ended(_)) => Ok(String::new()),
            Ok(Said::Nothing) => Err(NoHypervisor::NoVersion {
                program,
                seconds: patience.as_secs(),
            }),
            Err(source) => Err(NoHypervisor::Wait { program, source }),
        }
    }

    /// Starts it on `task`.
    ///
    /// # Errors
    /// It does not start.
    pub(crate) fn start(&self, task: &Task<'_>) -> Result<Running, NoHypervisor> {
        Running::spawn(&mut self.command(task)).map_err(|source| self.does_not_start(source))
    }

    /// The command for `task`, with its console on stdout and nobody at its input.
    pub(crate) fn command(&self, task: &Task<'_>) -> Command {
        let mut command = Command::new(self.program());
        let (memory, processors) = (format!("{}M", task.memory_mib), task.processors.to_string());
        let dashes = match self {
            Self::Pteg { flags, .. } => {
                command
                    .args(["run", "--mem", &memory, "--smp", &processors])
                    .args(flags);
                "--"
            }
            Self::Qemu { boot_rom, .. } => {
                command.args(["-M", QEMU_MACHINE, "-cpu", "power8", "-accel", "tcg"]);
                command.args(["-m", &memory, "-smp", &processors]);
                command.args(["-nodefaults", "-no-reboot", "-display", "none", "-serial", "stdio"]);
                command.arg("-bios").arg(boot_rom.path());
                "-"
            }
        };
        command.arg(format!("{dashes}kernel")).arg(task.elf);
        if !task.append.is_empty() {
            command.arg(format!("{dashes}append")).arg(task.append);
        }
        command.stdin(Stdio::null());
        command
    }

    fn program(&self) -> &Path {
        match self {
            Self::Pteg { program, .. } | Self::Qemu { program, .. } => program,
        }
    }

    fn does_not_start(&self, source: io::Error) -> NoHypervisor {
        NoHypervisor::Start {
            program: self.program().to_owned(),
            source,
        }
    }
}

/// What reports call it.
impl fmt::Display for Hypervisor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pteg { .. } => "pteg",
            Self::Qemu { .. } => "QEMU",
        })
    }
}

fn in_path(name: &str, path: Option<&OsStr>) -> Option<PathBuf> {
    env::split_paths(&OsString::from(path?))
        .map(|directory| directory.join(name))
        .find(|file| file.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(hypervisor: &Hypervisor, task: &Task<'_>) -> String {
        let command = hypervisor.command(task);
        let words: Vec<_> = command.get_args().map(|word| word.to_string_lossy()).collect();
        words.join(" ")
    }

    fn task(append: &str) -> Task<'_> {
        Task {
            elf: Path::new("guest.elf"),
            append,
            processors: 4,
            memory_mib: 256,
        }
    }

    #[test]
    fn each_is_told_the_same_machine_in_its_own_words() {
        let pteg = Hypervisor::Pteg {
            program: "pteg".into(),
            flags: vec!["--accel".into(), "emulated".into()],
        };
        assert_eq!(
            words(&pteg, &task("from=3")),
            "run --mem 256M --smp 4 --accel emulated --kernel guest.elf --append from=3"
        );
        let qemu = Hypervisor::qemu_at(QEMU.into()).unwrap();
        let Hypervisor::Qemu { boot_rom, .. } = &qemu else {
            panic!("{qemu:?}");
        };
        assert_eq!(
            words(&qemu, &task("from=3")),
            format!(
                "-M pseries,kernel-addr=0,cap-hpt-max-page-size=16M -cpu power8 -accel tcg -m 256M -smp 4 \
                 -nodefaults -no-reboot -display none -serial stdio -bios {} -kernel guest.elf -append from=3",
                boot_rom.path().display()
            )
        );
        assert!(!words(&qemu, &task("")).contains("append"));
    }

    #[test]
    fn the_first_in_the_path_is_taken() {
        let (empty, full) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::fs::write(full.path().join(QEMU), "").unwrap();
        let path = env::join_paths([empty.path(), full.path()]).unwrap();
        assert_eq!(in_path(QEMU, Some(&path)), Some(full.path().join(QEMU)));
        assert_eq!(in_path(QEMU, Some(empty.path().as_os_str())), None);
        assert_eq!(in_path(QEMU, None), None);
    }

    #[test]
    fn one_that_is_not_there_is_named() {
        let nobody = Hypervisor::qemu_at("/nowhere/qemu".into()).unwrap();
        let error = nobody.start(&task("")).err().unwrap();
        assert_eq!(error.to_string(), "starting /nowhere/qemu");
        assert!(nobody.version().is_err());
    }

    #[test]
    fn one_that_never_says_its_version_is_not_waited_for_without_end() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("hypervisor");
        // By another process: what this one has open may be inherited by what another test starts, and cannot be executed then.
        let write = r##"printf '#!/bin/sh\nexec sleep 1000000\n' >"$1" && chmod 755 "$1""##;
        let written = Command::new("sh").args(["-c", write, "sh"]).arg(&program).status();
        assert!(written.unwrap().success());
        let silent = Hypervisor::qemu_at(program).unwrap();
        let error = silent.version_within(Duration::from_secs(1)).unwrap_err().to_string();
        assert!(
            error.ends_with("hypervisor --version: it has said nothing for 1 s; does it run at all?"),
            "{error}"
        );
    }
}
