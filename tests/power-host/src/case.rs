//! What a case is: a line for the host's shell, the files it needs, and what it must do.

use std::fmt;
use std::time::Duration;

use guest_images::programs::Program;
use guest_images::{Cache, Console, Image, ImageOptions, Init, Progress};
use power::insn::Endian;

use crate::host::Error;
use crate::{Place, qemu};

/// A command that is run on a host, and what it must do.
#[derive(Debug)]
pub struct Case {
    /// Its name, a sentence.
    pub name: &'static str,
    /// Lines for a shell, which runs them in a directory that has the files, with `pteg` in `PATH` and no input. `$often` is
    /// [`Effort::often`].
    pub command: &'static str,
    /// What stands in that directory.
    pub files: &'static [File],
    /// On which accelerators it is run; the command has the accelerator in `$accel`.
    pub on: On,
    /// Where it is run.
    pub places: fn(Place) -> bool,
    /// Whether it is run only where there is time for it.
    pub is_long: bool,
    /// The exit status.
    pub status: i32,
    /// What must be among the output, in any order.
    pub says: &'static [&'static str],
    /// The guest programs that must say that they pass, and how many times; no other verdict may be among the output.
    pub verdicts: &'static [(&'static str, usize)],
    /// How the lines begin that are shown however it ends.
    pub shown: &'static [&'static str],
    /// How long it may take before it counts as hung; several times what it takes on a busy machine.
    pub patience: Duration,
}

impl Case {
    /// What [`Case`]s are unless they say otherwise.
    pub(crate) const USUAL: Self = Self {
        name: "",
        command: "",
        files: &[],
        on: On::Host,
        places: |_| true,
        is_long: false,
        status: 0,
        says: &[],
        verdicts: &[],
        shown: &[],
        patience: Duration::from_secs(300),
    };
}

/// On what guests run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accelerator {
    /// Processors in software.
    Emulated,
    /// The host's own.
    Kvm,
}

impl Accelerator {
    /// As `pteg run --accel` takes it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Emulated => "emulated",
            Self::Kvm => "kvm",
        }
    }
}

/// On which accelerators a case is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum On {
    /// It is about the host: once, and `$accel` is empty.
    Host,
    /// On one.
    One(Accelerator),
    /// On each.
    Each,
}

/// How much is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effort {
    /// What shows in some minutes.
    Usual,
    /// Every case, and of what is left to chance far more.
    Long,
}

impl Effort {
    /// How many times as much as usual is left to chance.
    pub const fn often(self) -> u32 {
        match self {
            Self::Usual => 1,
            Self::Long => 200,
        }
    }
}

/// A case on one accelerator.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    /// The case.
    pub case: &'static Case,
    /// The accelerator; `None` if it is about the host.
    pub accelerator: Option<Accelerator>,
    /// How much is tried.
    pub effort: Effort,
}

impl Run {
    /// All that is run at `place`, in order.
    pub fn all(cases: &'static [Case], place: Place, effort: Effort) -> Vec<Self> {
        let here = cases
            .iter()
            .filter(|case| (case.places)(place) && (!case.is_long || effort == Effort::Long));
        here.flat_map(|case| {
            let accelerators = match case.on {
                On::Host => vec![None],
                On::One(one) => vec![Some(one)],
                On::Each => vec![Some(Accelerator::Emulated), Some(Accelerator::Kvm)],
            };
            accelerators.into_iter().map(move |accelerator| Self {
                case,
                accelerator,
                effort,
            })
        })
        .collect()
    }

    /// What a shell is to run.
    pub fn script(&self) -> String {
        let accelerator = self.accelerator.map_or("", Accelerator::name);
        format!(
            "accel={accelerator}\noften={}\n{}",
            self.effort.often(),
            self.case.command
        )
    }

    /// How long it may take.
    pub fn patience(&self) -> Duration {
        match (self.effort, self.case.command.contains("$often")) {
            (Effort::Long, true) => LONGEST,
            _ => self.case.patience,
        }
    }
}

/// How long a case may take in which something is tried again and again.
const LONGEST: Duration = Duration::from_secs(2 * 3600);

/// The name is a word.
impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whose = self.accelerator.map_or("host", Accelerator::name);
        write!(f, "{whose}::{}", self.case.name)
    }
}

/// A file that cases need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum File {
    /// A guest program of `guest-images`, little-endian in `NAME-le`, big-endian in `NAME-be`.
    Program(&'static str),
    /// An image of `guest-images`: its kernel in `NAME.vmlinux`, with `-` for a colon in its name.
    Kernel(&'static str),
    /// An initramfs for any such kernel, in `NAME.initrd`, which runs a script and powers off: its name, the image whose modules it has, and the
    /// script.
    Initrd(&'static str, &'static str, &'static str),
    /// QEMU for the host itself, with all it needs, in `qemu`.
    Qemu,
}

impl File {
    /// The files by their names.
    pub fn contents(&self, cache: &Cache, progress: &dyn Progress) -> Result<Vec<(String, Vec<u8>)>, Error> {
        let read = |path: &std::path::PathBuf| {
            std::fs::read(path).map_err(|source| Error::Read {
                path: path.clone(),
                source,
            })
        };
        match *self {
            Self::Program(name) => {
                let program = Program::by_name(name).expect("the cases name programs that there are");
                Ok([("be", Endian::Big), ("le", Endian::Little)]
                    .map(|(suffix, endian)| (format!("{name}-{suffix}"), program.elf(endian)))
                    .into())
            }
            Self::Kernel(name) => {
                let image = Image::by_name(name).expect("the cases name images that there are");
                let made = image.prepare(cache, progress, &ImageOptions::default())?;
                Ok(vec![(
                    format!("{}.vmlinux", name.replace(':', "-")),
                    read(&made.kernel)?,
                )])
            }
            Self::Initrd(name, image, script) => {
                let image = Image::by_name(image).expect("the cases name images that there are");
                let options = ImageOptions {
                    init: Init::Script(script.to_owned()),
                    console: Console::Pipe,
                    ..ImageOptions::default()
                };
                let made = image.prepare(cache, progress, &options)?;
                Ok(vec![(format!("{name}.initrd"), read(&made.initrd)?)])
            }
            Self::Qemu => qemu::contents(cache, progress),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Machine, Pages};

    const PLACE: Place = Place::Emulated(Machine::PowerNv8, Pages::Small);

    #[test]
    fn a_case_is_run_on_the_accelerators_that_it_names() {
        const CASES: &[Case] = &[
            Case {
                name: "a",
                on: On::Each,
                command: "pteg run --accel $accel",
                ..Case::USUAL
            },
            Case {
                name: "b",
                places: |place| place == Place::Native,
                ..Case::USUAL
            },
            Case {
                name: "c",
                on: On::One(Accelerator::Kvm),
                ..Case::USUAL
            },
            Case {
                name: "d",
                ..Case::USUAL
            },
        ];
        let all = Run::all(CASES, PLACE, Effort::Usual);
        let names: Vec<String> = all.iter().map(Run::to_string).collect();
        assert_eq!(names, ["emulated::a", "kvm::a", "kvm::c", "host::d"]);
        assert_eq!(all[1].script(), "accel=kvm\noften=1\npteg run --accel $accel");
    }

    #[test]
    fn with_time_there_are_more_cases_and_some_try_more_often() {
        const CASES: &[Case] = &[
            Case {
                name: "a",
                command: "try $often",
                ..Case::USUAL
            },
            Case {
                name: "b",
                is_long: true,
                ..Case::USUAL
            },
        ];
        let runs = |effort| -> Vec<(String, bool)> {
            let all = Run::all(CASES, PLACE, effort);
            all.iter()
                .map(|run| (run.to_string(), run.patience() > Case::USUAL.patience))
                .collect()
        };
        assert_eq!(runs(Effort::Usual), [("host::a".to_owned(), false)]);
        assert_eq!(
            runs(Effort::Long),
            [("host::a".to_owned(), true), ("host::b".to_owned(), false)]
        );
    }
}
