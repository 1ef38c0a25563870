//! Who is measured, and how each is told to run the same guest.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::{Error, Result};

/// Memory of every guest.
pub const MEMORY: &str = "1G";

/// A way to run a guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contender {
    /// This project.
    Pteg,
    /// QEMU as its users start it: its firmware, SLOF, loads the kernel.
    Qemu,
    /// QEMU without that firmware (`x-vof=on`).
    QemuWithoutSlof,
    /// QEMU of another version (`--second-qemu`).
    SecondQemu,
}

impl Contender {
    /// What tables call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pteg => "pteg",
            Self::Qemu => "QEMU",
            Self::QemuWithoutSlof => "QEMU without SLOF",
            Self::SecondQemu => "second QEMU",
        }
    }
}

/// A guest to run.
pub struct Guest<'a> {
    /// ELF file that is started.
    pub kernel: &'a Path,
    /// Initial RAM disk.
    pub initrd: Option<&'a Path>,
    /// The kernel's command line.
    pub append: &'a str,
    /// Number of processors.
    pub processors: u32,
    /// A program of its own, not a kernel: QEMU starts such with these bytes as its firmware.
    pub boot_rom: Option<&'a Path>,
    /// pteg counts what is executed, which takes it some time, and says it at the end.
    pub is_counted: bool,
}

/// The programs on this machine.
pub struct Programs {
    pteg: PathBuf,
    qemu: Option<PathBuf>,
    second_qemu: Option<PathBuf>,
}

impl Programs {
    /// `pteg` as `PTEG_BIN` names it, or beside this program; QEMU from `PATH`; another QEMU if there is to be one.
    pub fn find(second_qemu: Option<PathBuf>) -> Self {
        let beside = || env::current_exe().unwrap_or_default().with_file_name("pteg");
        Self {
            pteg: env::var_os("PTEG_BIN").map_or_else(beside, PathBuf::from),
            qemu: in_path(QEMU, env::var_os("PATH")),
            second_qemu,
        }
    }

    /// Those of `contenders` that are here.
    pub fn present(&self, contenders: &[Contender]) -> Vec<Contender> {
        let is_here = |contender: &Contender| self.program(*contender).is_some();
        contenders.iter().copied().filter(is_here).collect()
    }

    /// What `contender` says of its version, if it is here.
    pub fn version(&self, contender: Contender) -> Result<Option<String>> {
        self.program(contender).map(first_line).transpose()
    }

    /// pteg's program, here or not.
    pub fn pteg(&self) -> &Path {
        &self.pteg
    }

    fn program(&self, contender: Contender) -> Option<&Path> {
        match contender {
            Contender::Pteg => Some(&self.pteg),
            Contender::Qemu | Contender::QemuWithoutSlof => self.qemu.as_deref(),
            Contender::SecondQemu => self.second_qemu.as_deref(),
        }
    }

    /// The command by which `contender` runs `guest`, with its console on stdout.
    pub fn command(&self, contender: Contender, guest: &Guest<'_>) -> Command {
        let mut command = Command::new(self.program(contender).unwrap_or(QEMU.as_ref()));
        let processors = guest.processors.to_string();
        let dashes = match contender {
            Contender::Pteg => {
                command.args(["run", "--accel", "emulated", "--mem", MEMORY, "--smp", &processors]);
                if guest.is_counted {
                    command.args(["--stats", "--no-profile"]);
                }
                "--"
            }
            Contender::Qemu | Contender::QemuWithoutSlof | Contender::SecondQemu => {
                let machine = match contender {
                    _ if guest.boot_rom.is_some() => "pseries,kernel-addr=0",
                    Contender::QemuWithoutSlof => "pseries,x-vof=on",
                    _ => "pseries",
                };
                command.args([
                    "-M",
                    machine,
                    "-cpu",
                    "power8",
                    "-accel",
                    "tcg",
                    "-m",
                    MEMORY,
                    "-smp",
                    &processors,
                ]);
                command.args(["-nodefaults", "-display", "none", "-serial", "stdio"]);
                if let Some(boot_rom) = guest.boot_rom {
                    command.arg("-bios").arg(boot_rom);
                }
                "-"
            }
        };
        let mut flag = |name: &str, value: OsString| {
            command.arg(format!("{dashes}{name}")).arg(value);
        };
        flag("kernel", guest.kernel.into());
        if let Some(initrd) = guest.initrd {
            flag("initrd", initrd.into());
        }
        flag("append", guest.append.into());
        command
    }
}

/// QEMU's program for this guest.
pub const QEMU: &str = "qemu-system-ppc64";

/// The program `name` in a search path.
fn in_path(name: &str, path: Option<OsString>) -> Option<PathBuf> {
    env::split_paths(&path?)
        .map(|directory| directory.join(name))
        .find(|file| file.is_file())
}

fn first_line(program: &Path) -> Result<String> {
    let output = Command::new(program).arg("--version").output();
    let output = output.map_err(|source| Error::Run {
        program: program.display().to_string(),
        source,
    })?;
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(contender: Contender, guest: &Guest<'_>) -> String {
        let programs = Programs {
            pteg: "pteg".into(),
            qemu: None,
            second_qemu: Some("q7".into()),
        };
        let command = programs.command(contender, guest);
        let words: Vec<_> = [command.get_program()].into_iter().chain(command.get_args()).collect();
        words.join(" ".as_ref()).into_string().unwrap()
    }

    #[test]
    fn both_are_told_the_same() {
        let guest = Guest {
            kernel: Path::new("k"),
            initrd: Some(Path::new("i")),
            append: "console=hvc0",
            processors: 4,
            boot_rom: None,
            is_counted: true,
        };
        assert_eq!(
            arguments(Contender::Pteg, &guest),
            "pteg run --accel emulated --mem 1G --smp 4 --stats --no-profile --kernel k --initrd i --append console=hvc0"
        );
        let qemu = arguments(Contender::Qemu, &guest);
        assert_eq!(
            qemu,
            "qemu-system-ppc64 -M pseries -cpu power8 -accel tcg -m 1G -smp 4 -nodefaults -display none -serial stdio \
             -kernel k -initrd i -append console=hvc0"
        );
        let without = arguments(Contender::QemuWithoutSlof, &guest);
        assert_eq!(without, qemu.replace("pseries", "pseries,x-vof=on"));
        let second = arguments(Contender::SecondQemu, &guest);
        assert_eq!(second, qemu.replace("qemu-system-ppc64", "q7"));
        let bare = Guest {
            boot_rom: Some(Path::new("rom")),
            initrd: None,
            is_counted: false,
            ..guest
        };
        assert!(!arguments(Contender::Pteg, &bare).contains("--stats"));
        assert!(arguments(Contender::Qemu, &bare).contains("kernel-addr=0 "));
        assert!(arguments(Contender::Qemu, &bare).contains("-bios rom -kernel k -append"));
    }

    #[test]
    fn a_program_that_is_not_installed_is_not_found() {
        assert!(in_path("sh", env::var_os("PATH")).is_some());
        assert_eq!(in_path("sh", Some("/nonexistent".into())), None);
        assert_eq!(in_path("sh", None), None);
    }
}
