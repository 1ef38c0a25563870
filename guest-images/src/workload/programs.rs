//! Debian's own programs in a guest: do they do there what they do everywhere? [`Programs`].
//!
//! Each is a script of its own below `programs/`, which ends well if all was right: known answers, round trips, test suites. `init.sh`
//! is the first process.

use crate::{ExtraFile, ImageOptions, Init, Userland};

use super::TROUBLE;

/// A script by name.
struct Script {
    name: &'static str,
    text: &'static str,
    /// It takes minutes.
    long: bool,
}

macro_rules! script {
    ($name:literal, $long:literal) => {
        Script {
            name: $name,
            text: include_str!(concat!("programs/", $name, ".sh")),
            long: $long,
        }
    };
}

/// All of them; those that take long first, so that what runs beside them is over by then.
const SCRIPTS: [Script; 7] = [
    script!("python-more", true),
    script!("gcc", false),
    script!("python", false),
    script!("openssl-speed", true),
    script!("compression", false),
    script!("openssl", false),
    script!("sqlite", false),
];

/// What the scripts need.
const USERLAND: Userland = Userland {
    name: "programs",
    packages: &[
        "gcc-12",
        "libc6-dev",
        "libpython3.11-testsuite",
        "openssl",
        "python3.11",
        "sqlite3",
        "xz-utils",
        "zstd",
    ],
    without: &[
        "debconf",
        "dpkg",
        "install-info",
        "libc-dev-bin",
        "libnsl-dev",
        "libtirpc-dev",
        "mailcap",
        "media-types",
        "mime-support",
        "net-tools",
        "perl",
        "rpcsvc-proto",
        "tar",
    ],
    without_files: &[
        "usr/share/doc",
        "usr/share/gdb",
        "usr/share/info",
        "usr/share/lintian",
        "usr/share/locale",
        "usr/share/man",
    ],
};

/// Which programs are run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Programs {
    names: Vec<&'static str>,
    /// How many run at a time.
    pub at_once: usize,
    /// Less of each.
    quick: bool,
}

/// What a line of the guest's is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// How far it is.
    Progress,
    /// All have ended well.
    Passed,
    /// Not all have.
    Failed,
    /// None of these.
    Other,
}

impl Programs {
    /// Those that take seconds, and less of each.
    pub fn quick(at_once: usize) -> Self {
        let short = SCRIPTS.iter().filter(|script| !script.long);
        Self {
            names: short.map(|script| script.name).collect(),
            at_once,
            quick: true,
        }
    }

    /// Those with these names, or all if there is none.
    ///
    /// # Errors
    /// The first name that none has.
    pub fn named<'a>(names: &[&'a str], at_once: usize) -> Result<Self, &'a str> {
        if let Some(&unknown) = names.iter().find(|&name| !Self::names().any(|known| known == *name)) {
            return Err(unknown);
        }
        let wanted = Self::names().filter(|name| names.is_empty() || names.contains(name));
        Ok(Self {
            names: wanted.collect(),
            at_once,
            quick: false,
        })
    }

    /// The names of all.
    pub fn names() -> impl Iterator<Item = &'static str> {
        SCRIPTS.iter().map(|script| script.name)
    }

    /// Makes an image do this. The guest needs 2 GiB of memory.
    pub fn options(&self) -> ImageOptions {
        let (names, trouble) = (self.names.join(" "), TROUBLE.join("|"));
        let variables = format!(
            "names='{names}' workers={} quick={} trouble='{trouble}|segfault|Out of memory'\n",
            self.at_once,
            if self.quick { "yes" } else { "" },
        );
        let scripts = SCRIPTS.iter().map(|script| (script.name, script.text));
        let files = scripts.chain([("sample.c", include_str!("programs/sample.c"))]);
        ImageOptions {
            init: Init::Replace(["#!/bin/busybox sh\n", &variables, include_str!("programs/init.sh")].concat()),
            extra_files: files
                .map(|(name, text)| ExtraFile {
                    path: format!("programs/{name}"),
                    permissions: 0o644,
                    contents: text.into(),
                })
                .collect(),
            userland: Some(&USERLAND),
            ..ImageOptions::default()
        }
    }

    /// What a line of the guest's console is.
    pub fn classify(line: &str) -> Verdict {
        if line.contains("programs: all passed") {
            Verdict::Passed
        } else if line.contains("programs: ") && line.contains("FAILED")
            || TROUBLE.iter().any(|text| line.contains(text))
        {
            Verdict::Failed
        } else if line.contains("programs: ") {
            Verdict::Progress
        } else {
            Verdict::Other
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_chosen_by_name_and_a_wrong_name_is_told() {
        assert_eq!(Programs::named(&[], 1).unwrap().names.len(), SCRIPTS.len());
        assert_eq!(Programs::named(&["sqlite", "gcc"], 1).unwrap().names, ["gcc", "sqlite"]);
        assert_eq!(Programs::named(&["gcc", "fortran"], 1), Err("fortran"));
        assert!(!Programs::quick(1).names.contains(&"openssl-speed"));
    }

    #[test]
    fn every_script_is_in_the_guest_with_what_it_compiles() {
        let options = Programs::quick(4).options();
        for name in Programs::names().chain(["sample.c"]) {
            let path = format!("programs/{name}");
            assert!(options.extra_files.iter().any(|file| file.path == path), "{name}");
        }
        let Init::Replace(init) = &options.init else {
            panic!("{options:?}")
        };
        assert!(init.contains("workers=4"));
    }

    #[test]
    fn the_guests_words_are_understood() {
        assert_eq!(Programs::classify("programs: gcc: ok, 3 s"), Verdict::Progress);
        assert_eq!(
            Programs::classify("programs: gcc: FAILED with status 1"),
            Verdict::Failed
        );
        assert_eq!(
            Programs::classify("[  1.0] Kernel panic - not syncing"),
            Verdict::Failed
        );
        assert_eq!(Programs::classify("programs: all passed"), Verdict::Passed);
        assert_eq!(Programs::classify("gcc: sample.c: warning"), Verdict::Other);
    }
}
