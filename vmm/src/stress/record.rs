//! What came of a round, as a line of JSON: the file of `--json` has one as soon as a round is over, so that what was done before the end of a
//! campaign is not lost, and files of several runs merge by putting one behind the other. `--from` reads them. `docs/stress.md` describes the form.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};

use guest_images::stress::Round;
use power::insn::Endian;
use serde::{Deserialize, Serialize, de};

use super::Error;
use super::moments::Moment;
use super::ranges::Taken;
use super::round::{Calls, Done, Failure, Outcome};
use super::said::Work;
use crate::terminal::say;

/// What the form is called: one more whenever a field goes or means something else.
const VERSION: u32 = 1;

/// The file.
pub(super) struct Records {
    file: File,
    path: PathBuf,
}

/// A line of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Record {
    version: u32,
    pub(super) seed: u64,
    processors: u32,
    endian: ByteOrder,
    page_shift: u32,
    #[serde(default = "usual_segment")]
    segment_shift: u32,
    crowd: u32,
    table_order: u32,
    resizes: bool,
    #[serde(default)]
    unmaps: bool,
    /// Whether processors took turns: the seconds of `work` are then of a clock that counts instructions.
    #[serde(default)]
    pub(super) turns: bool,
    passed: bool,
    /// Of a round that has found nothing.
    pub(super) work: Option<Work>,
    /// Of a round that has found nothing, by name.
    pub(super) hypercalls: Option<BTreeMap<String, Calls>>,
    /// Of a round with `unmaps` that has found nothing.
    #[serde(default)]
    pub(super) taken: Option<Taken>,
    /// Of one that has found something.
    pub(super) finding: Option<Failure>,
    /// The command that does the round again.
    #[serde(default)]
    pub(super) again: String,
    /// What went on, and when.
    #[serde(default)]
    pub(super) moments: Vec<Moment>,
}

/// log2 of the bytes of a segment, where the form does not say it: it did not always.
fn usual_segment() -> u32 {
    28
}

/// As the form calls it.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum ByteOrder {
    Big,
    Little,
}

/// Why a line is none of a round.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoRecord {
    /// No JSON, or something is missing.
    #[error(
        "line {line} is not a round as pteg stress --json writes it; if it was cut off when files were put one behind the other, give these files instead"
    )]
    Form {
        /// Its number, from 1 on.
        line: usize,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// One of another pteg.
    #[error("line {line} is in version {version} of the form, and this pteg reads {VERSION}")]
    Version {
        /// Its number, from 1 on.
        line: usize,
        /// What it says.
        version: u32,
    },
    /// There is nothing to read.
    #[error("give a file that pteg stress --json has written")]
    File(#[source] io::Error),
}

impl Record {
    pub(super) fn new(round: &Round, done: Done, turns: bool, again: String) -> Self {
        let (figures, finding) = match done.outcome {
            Outcome::Passed(figures) => (Some(figures), None),
            Outcome::Failed(failure) => (None, Some(failure)),
        };
        let taken = figures.as_ref().and_then(|figures| figures.taken);
        let (work, hypercalls) = figures.map(|figures| (figures.work, figures.hypercalls)).unzip();
        Self {
            version: VERSION,
            seed: round.seed,
            processors: round.processors,
            endian: match round.endian {
                Endian::Big => ByteOrder::Big,
                Endian::Little => ByteOrder::Little,
            },
            page_shift: round.page_shift,
            segment_shift: round.segment_shift,
            crowd: round.crowd,
            table_order: round.table_order,
            resizes: round.resizes,
            unmaps: round.unmaps,
            turns,
            passed: finding.is_none(),
            work,
            hypercalls,
            taken,
            finding,
            again,
            moments: done.moments,
        }
    }

    /// The round that it is about.
    pub(super) fn round(&self) -> Round {
        Round {
            seed: self.seed,
            processors: self.processors,
            endian: match self.endian {
                ByteOrder::Big => Endian::Big,
                ByteOrder::Little => Endian::Little,
            },
            page_shift: self.page_shift,
            segment_shift: self.segment_shift,
            crowd: self.crowd,
            table_order: self.table_order,
            resizes: self.resizes,
            unmaps: self.unmaps,
        }
    }

    /// The `number`th line of a file.
    fn of_line(text: &str, line: usize) -> Result<Self, NoRecord> {
        /// What every version has.
        #[derive(Deserialize)]
        struct Versioned {
            version: u32,
        }
        let form = |source| NoRecord::Form { line, source };
        let Versioned { version } = serde_json::from_str(text).map_err(form)?;
        if version != VERSION {
            return Err(NoRecord::Version { line, version });
        }
        let record: Self = serde_json::from_str(text).map_err(form)?;
        record.check().map_err(|what| form(de::Error::custom(what)))?;
        Ok(record)
    }

    /// Whether it can be told of: the file may be anybody's.
    fn check(&self) -> Result<(), &'static str> {
        if self.crowd > 30 {
            return Err("crowd is more than 30");
        }
        if !(10..=40).contains(&self.page_shift) {
            return Err("page_shift is not from 10 to 40");
        }
        let mut calls = self.hypercalls.iter().flat_map(BTreeMap::values);
        if calls.any(|calls| calls.took_log2_ns.len() > 64) {
            return Err("took_log2_ns has more than 64 counts");
        }
        Ok(())
    }

    /// Tells `each` of each that the file at `path` has. One that was cut off in the midst of its last line, as its writer was killed, is read
    /// without that.
    pub(super) fn read(path: &Path, mut each: impl FnMut(Self)) -> Result<(), NoRecord> {
        let mut lines = BufReader::new(File::open(path).map_err(NoRecord::File)?);
        let mut text = String::new();
        for line in 1.. {
            text.clear();
            if lines.read_line(&mut text).map_err(NoRecord::File)? == 0 {
                break;
            }
            match Self::of_line(&text, line) {
                Ok(record) => each(record),
                Err(NoRecord::Form { .. }) if !text.ends_with('\n') => {
                    say(&format!(
                        "pteg: --from {}: line {line}, the last, is cut off and left out; the other rounds count",
                        path.display()
                    ));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
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

    /// Adds what came of a round.
    pub(super) fn add(&mut self, record: &Record) -> Result<(), Error> {
        let line = serde_json::to_string(record).expect("it has only what JSON has") + "\n";
        self.file.write_all(line.as_bytes()).map_err(|source| Error::Write {
            path: self.path.clone(),
            source,
        })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// What came of the round of `seed`: H_REMOVE so many times, or a finding.
    pub(in crate::stress) fn record(seed: u64, came_to: Result<u64, &str>) -> Record {
        let outcome = match came_to {
            Ok(count) => Outcome::Passed(super::super::round::Figures {
                work: Work {
                    operations: 10,
                    accesses: 20,
                    judged: 15,
                    faults: 1,
                    processor_seconds: 2.0,
                    in_hypercalls_seconds: 0.5,
                },
                hypercalls: BTreeMap::from([(
                    "H_REMOVE".to_owned(),
                    Calls {
                        count,
                        seconds: 0.25,
                        longest_seconds: 0.002,
                        took_log2_ns: vec![0, 0, 0, 0, 0, 0, 0, 0, 0, count, 2],
                    },
                )]),
                taken: Some(Taken {
                    unmaps: 5,
                    entries: 50,
                    harvests: 2,
                    longest_seconds: 0.5,
                }),
            }),
            Err(what) => Outcome::Failed(Failure {
                what: what.to_owned(),
                last_calls: vec![what.to_owned()],
                complaints: what.to_owned(),
                program: vec![what.to_owned()],
            }),
        };
        let moment = |seconds, hypercalls| Moment {
            seconds,
            hypercalls,
            changed: hypercalls / 2,
            kicked: hypercalls / 4,
            groups_by_valid_entries: [90, 5, 3, 2, 0, 0, 0, 0, 1],
            heat: vec![0.0, 0.5, 0.125],
            ..Moment::default()
        };
        let moments = vec![moment(0.25, 1000), moment(0.5, 5000)];
        Record::new(
            &Round::of_seed(seed, 4),
            Done { outcome, moments },
            false,
            format!("pteg stress --seed {seed}"),
        )
    }

    fn read(text: &str) -> Result<Vec<u64>, NoRecord> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let mut seeds = Vec::new();
        Record::read(file.path(), |record| {
            assert_eq!(record.round(), Round::of_seed(record.seed, 4));
            seeds.push(record.seed);
        })?;
        Ok(seeds)
    }

    #[test]
    fn what_was_written_is_read_and_half_a_last_line_is_left_out() {
        let line = |seed, came_to| serde_json::to_string(&record(seed, came_to)).unwrap();
        let lines = format!("{}\n{}\n", line(7, Ok(1)), line(8, Err("it")));
        assert_eq!(read(&lines).unwrap(), [7, 8]);
        assert_eq!(read(&format!("{lines}{}", line(9, Ok(1)))).unwrap(), [7, 8, 9]);
        assert_eq!(read(&format!("{lines}{}", &line(9, Ok(1))[..50])).unwrap(), [7, 8]);
        assert!(read("").unwrap().is_empty());
    }

    #[test]
    fn a_line_of_another_form_is_named() {
        let line = serde_json::to_string(&record(7, Ok(1))).unwrap();
        let replaced = |from, to: &str| line.replacen(from, to, 1) + "\n";
        let counts = format!("\"took_log2_ns\":[{}", "1,".repeat(60));
        let newer = line.replace("\"version\":1", "\"version\":99");
        for (text, expected) in [
            (format!("{line}\n{newer}\n"), "line 2 is in version 99"),
            (format!("{line}\n\n{line}\n"), "line 2 is not a round"),
            (replaced("\"crowd\":", "\"crowd\":9"), "line 1 is not a round"),
            (
                replaced("\"page_shift\":", "\"page_shift\":9,\"was\":"),
                "line 1 is not a round",
            ),
            (replaced("\"took_log2_ns\":[", &counts), "line 1 is not a round"),
            (r#"{"version":1}"#.to_owned() + "\n", "line 1 is not a round"),
        ] {
            let said = read(&text).unwrap_err().to_string();
            assert!(said.starts_with(expected), "{said}");
        }
    }
}
