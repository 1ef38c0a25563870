//! The cases: what `pteg` must do on a POWER host. An entry of [`CASES`] is all that a new one takes.

use std::time::Duration;

use guest_images::programs::Program;
use guest_images::{Cache, Console, Image, ImageOptions, Init, Progress};
use power::insn::Endian;

use crate::host::Error;
use crate::{Pages, Place};

/// A command that is run on a host, and what it must do.
#[derive(Debug)]
pub struct Case {
    /// Its name, a sentence.
    pub name: &'static str,
    /// Lines for a shell, which runs them in a directory that has the files, with `pteg` in `PATH` and no input.
    pub command: &'static str,
    /// What stands in that directory.
    pub files: &'static [File],
    /// The exit status.
    pub status: i32,
    /// What must be among the output, in any order.
    pub says: &'static [&'static str],
    /// Where it is run.
    pub places: fn(Place) -> bool,
    /// How long it may take before it counts as hung.
    pub patience: Duration,
}

/// A file that cases need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum File {
    /// A guest program of `guest-images`, little-endian in `NAME-le`, big-endian in `NAME-be`.
    Program(&'static str),
    /// An image of `guest-images`: its kernel in `NAME.vmlinux`, and in `NAME.initrd` an initramfs which runs this script and
    /// powers off.
    Image(&'static str, &'static str),
}

impl File {
    /// The files by their names.
    pub fn contents(&self, cache: &Cache, progress: &dyn Progress) -> Result<Vec<(String, Vec<u8>)>, Error> {
        match *self {
            Self::Program(name) => {
                let program = Program::by_name(name).expect("the cases name programs that there are");
                Ok([("be", Endian::Big), ("le", Endian::Little)]
                    .map(|(suffix, endian)| (format!("{name}-{suffix}"), program.elf(endian)))
                    .into())
            }
            Self::Image(name, script) => {
                let image = Image::by_name(name).expect("the cases name images that there are");
                let options = ImageOptions {
                    init: Init::Script(script.to_owned()),
                    console: Console::Pipe,
                    ..ImageOptions::default()
                };
                let made = image.prepare(cache, progress, &options)?;
                [("vmlinux", &made.kernel), ("initrd", &made.initrd)]
                    .into_iter()
                    .map(|(suffix, path)| {
                        let contents = std::fs::read(path).map_err(|source| Error::Read {
                            path: path.clone(),
                            source,
                        })?;
                        Ok((format!("{name}.{suffix}"), contents))
                    })
                    .collect()
            }
        }
    }
}

/// A measurement on a host: nothing is judged but the exit status, and all of its output is shown.
#[derive(Debug)]
pub struct Figure {
    /// Its name.
    pub name: &'static str,
    /// As a case's.
    pub command: &'static str,
    /// As a case's.
    pub files: &'static [File],
}

/// What [`Case`]s are unless they say otherwise.
const USUAL: Case = Case {
    name: "",
    command: "",
    files: &[],
    status: 0,
    says: &[],
    places: |_| true,
    patience: Duration::from_secs(300),
};

/// Says how large the pages of the host's kernel are.
const PAGES: &str = "grep KernelPageSize /proc/self/smaps | sort -u";

/// Every case, in the order in which they are run.
pub const CASES: &[Case] = &[
    Case {
        name: "pteg_says_its_version",
        command: "pteg --version",
        says: &["pteg "],
        ..USUAL
    },
    Case {
        name: "wrong_use_is_told",
        command: "pteg run --accel steam",
        status: 2,
        says: &["steam", "--help"],
        ..USUAL
    },
    Case {
        name: "the_host_is_power_with_a_hashed_page_table",
        command: "uname -m; grep -i mmu /proc/cpuinfo",
        says: &["ppc64", "Hash"],
        ..USUAL
    },
    Case {
        name: "the_host_has_kvm",
        command: "test -c /dev/kvm",
        ..USUAL
    },
    Case {
        name: "the_hosts_pages_are_small",
        command: PAGES,
        says: &[" 4 kB"],
        places: |place| matches!(place, Place::Emulated(_, Pages::Small)),
        ..USUAL
    },
    Case {
        name: "the_hosts_pages_are_large",
        command: PAGES,
        says: &[" 64 kB"],
        places: |place| matches!(place, Place::Emulated(_, Pages::Large)),
        ..USUAL
    },
    Case {
        name: "an_emulated_guest_of_either_byte_order_says_hello",
        command: "for order in be le; do pteg run --accel emulated --mem 64M --kernel hello-$order || exit; done",
        files: &[File::Program("hello")],
        says: &["VERDICT hello: pass"],
        ..USUAL
    },
    Case {
        name: "emulated_processors_work_together",
        command: "pteg run --accel emulated --mem 64M --smp 4 --kernel smp-le",
        files: &[File::Program("smp")],
        says: &["VERDICT smp: pass"],
        ..USUAL
    },
    Case {
        name: "the_page_tables_hypercalls_answer_an_emulated_guest",
        command: "pteg run --accel emulated --mem 64M --check-walkers --kernel hypercalls-be &&
            pteg run --accel emulated --mem 64M --check-walkers --kernel page_faults-le",
        files: &[File::Program("hypercalls"), File::Program("page_faults")],
        says: &["VERDICT hypercalls: pass", "VERDICT page_faults: pass"],
        ..USUAL
    },
];

/// Every figure.
pub const FIGURES: &[Figure] = &[Figure {
    name: "emulated_hypercalls",
    command: "pteg run --accel emulated --mem 64M --stats --kernel hypercalls-le",
    files: &[File::Program("hypercalls")],
}];

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    use std::collections::HashSet;

    #[test]
    fn names_are_words_and_no_two_are_alike() {
        let names: Vec<&str> = CASES
            .iter()
            .map(|case| case.name)
            .chain(FIGURES.iter().map(|figure| figure.name))
            .collect();
        for name in &names {
            let is_word = name
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
            assert!(is_word && *name != crate::protocol::POWER_OFF, "{name}");
        }
        assert_eq!(names.iter().collect::<HashSet<_>>().len(), names.len());
    }

    /// A case for tests of what uses cases.
    pub(crate) const CASE: Case = Case {
        name: "a_case",
        command: "command",
        status: 1,
        says: &["a word", "another"],
        ..USUAL
    };
}
