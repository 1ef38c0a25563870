//! What the user asks of `cargo xtask power-host`.

use std::path::PathBuf;
use std::time::Duration;

use power_host_tests::{Effort, Machine, Pages, Place};

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Work {
    /// Make all that a host needs.
    Build,
    /// Run the cases, or those whose names have this word in them.
    Test(Option<String>),
    /// Give a shell.
    Shell,
    /// Run this line.
    Run(String),
    /// Take all figures, or those whose names have this word in them.
    Bench(Option<String>),
}

/// The arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arguments {
    pub work: Work,
    pub places: Vec<Place>,
    /// How many processors an emulated host has, if not as many as usual.
    pub processors: Option<u32>,
    /// The memory of an emulated host, if not the usual.
    pub memory_mib: Option<u32>,
    /// The raw image of an emulated host's disk.
    pub disk: Option<PathBuf>,
    /// Files of this machine, and what they are called in `/root` of the host.
    pub files: Vec<(PathBuf, String)>,
    /// How long a line may take.
    pub patience: Duration,
    /// How much is tried of the cases.
    pub effort: Effort,
    /// How many rounds of figures are taken.
    pub runs: u32,
    /// Whether they are put into their page.
    pub is_written: bool,
}

/// Seconds that a line may take unless the user says otherwise.
const PATIENCE: u32 = 600;

/// Rounds of figures unless the user says otherwise.
const RUNS: u32 = 3;

/// Where figures are taken unless the user says otherwise.
const MEASURED: [Place; 2] = [
    Place::Emulated(Machine::PowerNv8, Pages::Small),
    Place::Emulated(Machine::PowerNv8, Pages::Large),
];

/// Every host that makes sense: on pseries the page size is nothing new.
const ALL: [Place; 5] = [
    Place::Emulated(Machine::PowerNv8, Pages::Small),
    Place::Emulated(Machine::PowerNv8, Pages::Large),
    Place::Emulated(Machine::PowerNv9, Pages::Small),
    Place::Emulated(Machine::PowerNv9, Pages::Large),
    Place::Emulated(Machine::PSeries, Pages::Small),
];

impl Arguments {
    /// Reads them; the error says what is wrong.
    pub fn parse(arguments: &[&str]) -> Result<Self, String> {
        let (&work, mut rest) = arguments.split_first().ok_or(WORKS)?;
        let (mut machine, mut pages) = (None, None);
        let (mut native, mut all) = (false, false);
        let mut words: Vec<String> = Vec::new();
        let mut parsed = Self {
            work: Work::Build,
            places: Vec::new(),
            processors: None,
            memory_mib: None,
            disk: None,
            files: Vec::new(),
            patience: Duration::from_secs(PATIENCE.into()),
            effort: Effort::Usual,
            runs: RUNS,
            is_written: false,
        };
        while let Some((&argument, after)) = rest.split_first() {
            rest = after;
            let mut value = || {
                let (&value, after) = rest.split_first().ok_or(format!("`{argument}` needs a value"))?;
                rest = after;
                Ok::<_, String>(value)
            };
            match argument {
                "--machine" => machine = Some(value()?.parse::<Machine>()?),
                "--pages" => pages = Some(value()?.parse::<Pages>()?),
                "--native" => native = true,
                "--all" => all = true,
                "--runs" if work == "bench" => parsed.runs = number(value()?)?,
                "--write" if work == "bench" => parsed.is_written = true,
                "--long" if work == "test" => parsed.effort = Effort::Long,
                "--smp" => parsed.processors = Some(number(value()?)?),
                "--mem" => parsed.memory_mib = Some(number(value()?)?),
                "--disk" if matches!(work, "run" | "shell") => parsed.disk = Some(PathBuf::from(value()?)),
                "--patience" => parsed.patience = Duration::from_secs(number(value()?)?.into()),
                "--file" => parsed.files.push(file(value()?)?),
                "--" => {
                    words.extend(rest.iter().map(|&word| word.to_owned()));
                    break;
                }
                word if !word.starts_with('-') && matches!(work, "test" | "bench") => words.push(word.to_owned()),
                other => return Err(format!("`{other}` is not an argument of power-host {work}")),
            }
        }
        parsed.work = match (work, words.is_empty()) {
            ("test", _) if words.len() < 2 => Work::Test(words.pop()),
            ("bench", _) if words.len() < 2 => Work::Bench(words.pop()),
            ("test" | "bench", _) => return Err(format!("power-host {work} takes one word at most")),
            ("run", false) => Work::Run(words.join(" ")),
            ("run", true) => return Err("a line to run is missing: `power-host run -- pteg doctor`".to_owned()),
            ("build", true) => Work::Build,
            ("shell", true) => Work::Shell,
            ("build" | "shell", false) => return Err(format!("power-host {work} takes no words")),
            _ => return Err(format!("`{work}` is nothing that power-host does: {WORKS}")),
        };
        let is_chosen = machine.is_some() || pages.is_some();
        if parsed.disk.is_some() && (native || all) {
            return Err("--disk is for one emulated host".to_owned());
        }
        parsed.places = match (native, all, is_chosen) {
            (false, true, false) => ALL.into(),
            (true, false, false) => vec![Place::Native],
            (false, false, false) if matches!(parsed.work, Work::Bench(_)) => MEASURED.into(),
            (false, false, _) => vec![Place::Emulated(
                machine.unwrap_or(Machine::PowerNv8),
                pages.unwrap_or(Pages::Small),
            )],
            _ => return Err("--native, --all and --machine or --pages exclude each other".to_owned()),
        };
        if parsed.places.len() > 1 && matches!(parsed.work, Work::Shell) {
            return Err("a shell is on one host: --all is for build, test, run and bench".to_owned());
        }
        Ok(parsed)
    }
}

const WORKS: &str = "power-host is followed by build, test, shell, run or bench";

fn number(text: &str) -> Result<u32, String> {
    let number = text.parse().ok().filter(|number| (1..=1 << 20).contains(number));
    number.ok_or_else(|| format!("`{text}` is not a number"))
}

/// `FILE`, or `FILE:NAME` if it is to have another name.
fn file(text: &str) -> Result<(PathBuf, String), String> {
    let (path, name) = match text.split_once(':') {
        Some((path, name)) => (PathBuf::from(path), Some(name.to_owned())),
        None => (PathBuf::from(text), None),
    };
    let name = name.or_else(|| Some(path.file_name()?.to_str()?.to_owned()));
    let name = name.ok_or_else(|| format!("`{text}` is not the name of a file"))?;
    Ok((path, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_host_is_a_power8_with_small_pages() {
        let parsed = Arguments::parse(&["run", "--smp", "4", "--", "echo", "a"]).unwrap();
        assert_eq!(parsed.work, Work::Run("echo a".to_owned()));
        assert_eq!(parsed.places[0].to_string(), "powernv8-4k");
        assert_eq!(parsed.processors, Some(4));
    }

    #[test]
    fn hosts_are_chosen_by_their_parts_or_all_at_once() {
        let places = |arguments: &[&str]| -> Vec<String> {
            let parsed = Arguments::parse(&[&["test"], arguments].concat()).unwrap();
            parsed.places.iter().map(Place::to_string).collect()
        };
        assert_eq!(places(&["--pages", "64k", "--machine", "powernv9"]), ["powernv9-64k"]);
        assert_eq!(places(&["--native"]), ["native"]);
        assert_eq!(places(&["--all"]).len(), 5);
    }

    #[test]
    fn figures_are_taken_with_pages_of_either_size() {
        let parsed = Arguments::parse(&["bench", "--runs", "5", "--write"]).unwrap();
        let places: Vec<String> = parsed.places.iter().map(Place::to_string).collect();
        assert_eq!(places, ["powernv8-4k", "powernv8-64k"]);
        assert!(parsed.runs == 5 && parsed.is_written);
        assert_eq!(parsed.work, Work::Bench(None));
        let parsed = Arguments::parse(&["bench", "unmap"]).unwrap();
        assert_eq!(parsed.work, Work::Bench(Some("unmap".to_owned())));
        let parsed = Arguments::parse(&["bench", "--pages", "64k"]).unwrap();
        assert!(parsed.places.len() == 1 && parsed.runs == RUNS && !parsed.is_written);
    }

    #[test]
    fn cases_are_chosen_by_a_word() {
        let parsed = Arguments::parse(&["test", "linux"]).unwrap();
        assert_eq!(parsed.work, Work::Test(Some("linux".to_owned())));
        assert_eq!(parsed.effort, Effort::Usual);
    }

    #[test]
    fn long_tests_are_asked_for() {
        let parsed = Arguments::parse(&["test", "--long", "stale"]).unwrap();
        assert_eq!(parsed.effort, Effort::Long);
        assert!(Arguments::parse(&["bench", "--long"]).is_err());
    }

    #[test]
    fn files_have_their_own_names_or_others() {
        let parsed = Arguments::parse(&["run", "--file", "a/b", "--file", "a/b:c", "--", "x"]).unwrap();
        let names: Vec<&str> = parsed.files.iter().map(|(_, name)| name.as_str()).collect();
        assert_eq!(names, ["b", "c"]);
    }

    #[test]
    fn a_disk_is_for_whoever_runs_something_of_his_own() {
        let parsed = Arguments::parse(&["run", "--disk", "a.img", "--", "x"]).unwrap();
        assert_eq!(parsed.disk, Some(PathBuf::from("a.img")));
        assert!(Arguments::parse(&["test", "--disk", "a.img"]).is_err());
    }

    #[test]
    fn wrong_use_is_told_what_would_be_right() {
        for (arguments, says) in [
            (&[][..], "build, test"),
            (&["boot"], "build, test"),
            (&["run"], "-- pteg doctor"),
            (&["test", "a", "b"], "one word"),
            (&["test", "--machine", "g5"], "powernv8"),
            (&["test", "--native", "--all"], "exclude"),
            (&["shell", "--native", "--disk", "x"], "one emulated host"),
            (&["run", "--smp", "0", "--", "x"], "`0`"),
            (&["build", "--fast"], "--fast"),
        ] {
            let message = Arguments::parse(arguments).unwrap_err();
            assert!(message.contains(says), "{message}");
        }
    }
}
