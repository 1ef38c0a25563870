//! The file of `--json`: a line for each round, which is there as soon as the round is over, so that what was done before the end of a
//! campaign is not lost, and files of several runs merge by putting one behind the other. `docs/stress.md` describes it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use guest_images::stress::Round;
use power::insn::Endian;
use serde::Serialize;

use super::Error;
use super::round::{Calls, Failure, Outcome};
use super::said::Work;

/// What the form is called: one more whenever a field goes or means something else.
const VERSION: u32 = 1;

/// The file.
pub(super) struct Records {
    file: File,
    path: PathBuf,
}

/// A line of it.
#[derive(Serialize)]
struct Record<'a> {
    version: u32,
    seed: u64,
    processors: u32,
    endian: &'static str,
    page_shift: u32,
    crowd: u32,
    table_order: u32,
    resizes: bool,
    passed: bool,
    work: Option<&'a Work>,
    hypercalls: Option<&'a BTreeMap<String, Calls>>,
    finding: Option<&'a Failure>,
}

impl<'a> Record<'a> {
    fn new(round: &Round, outcome: &'a Outcome) -> Self {
        let (figures, finding) = match outcome {
            Outcome::Passed(figures) => (Some(figures), None),
            Outcome::Failed(failure) => (None, Some(failure)),
        };
        Self {
            version: VERSION,
            seed: round.seed,
            processors: round.processors,
            endian: match round.endian {
                Endian::Big => "big",
                Endian::Little => "little",
            },
            page_shift: round.page_shift,
            crowd: round.crowd,
            table_order: round.table_order,
            resizes: round.resizes,
            passed: finding.is_none(),
            work: figures.map(|figures| &figures.work),
            hypercalls: figures.map(|figures| &figures.hypercalls),
            finding,
        }
    }
}

impl Records {
    /// The file at `path`, empty.
    pub(super) fn create(path: &Path) -> Result<Self, Error> {
        let file = File::create(path).map_err(|source| Error::Json {
            path: path.to_owned(),
            source,
        })?;
        Ok(Self {
            file,
            path: path.to_owned(),
        })
    }

    /// Adds what came of `round`.
    pub(super) fn add(&mut self, round: &Round, outcome: &Outcome) -> Result<(), Error> {
        let line = serde_json::to_string(&Record::new(round, outcome)).expect("it has only what JSON has");
        writeln!(self.file, "{line}").map_err(|source| Error::Json {
            path: self.path.clone(),
            source,
        })
    }
}
