//! `--stats-series`: what was counted so far, again and again while the guest runs, as a line of JSON each time. The fields are those of
//! `--stats-json`, which `docs/statistics.md` describes; left out is what processors would have to be called out for.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde::Serialize;

use super::report_file::ReportError;
use super::statistics::{Changes, Occupancy};
use crate::machine::Machine;

/// What the form of a line is called: one more whenever a field goes or means something else.
const VERSION: u32 = 1;

/// Parts of the table whose occupancy is told.
const PARTS: usize = 32;

/// The flag.
pub(super) const FLAG: &str = "--stats-series";

/// A file that is to have lines.
pub(super) struct SeriesFile {
    path: PathBuf,
    file: File,
}

/// A thread that writes them, until it is told that the run is over.
pub(super) struct Series {
    path: PathBuf,
    end: Sender<()>,
    thread: JoinHandle<io::Result<()>>,
}

/// One line.
#[derive(Serialize)]
struct Sample {
    version: u32,
    seconds: f64,
    /// Hypercalls so far.
    hypercalls: u64,
    changes: Changes,
    table: Occupancy,
    /// Share of valid entries in parts of the table, in order.
    heat: Vec<f32>,
}

impl Sample {
    fn take(machine: &Machine) -> Self {
        let tally = machine.tally.as_ref();
        let mut table = Occupancy::new(machine.hpt.table().survey(PARTS));
        Self {
            version: VERSION,
            seconds: machine.made.elapsed().as_secs_f64(),
            hypercalls: tally.map_or(0, |tally| tally.exits().hypercalls),
            changes: Changes::new(&machine.hpt.counts()),
            heat: std::mem::take(&mut table.heat),
            table,
        }
    }

    /// With the end of the line.
    fn line(&self) -> String {
        serde_json::to_string(self).expect("plain data becomes JSON") + "\n"
    }
}

impl SeriesFile {
    /// The file at `path`, empty.
    pub(super) fn new(path: &Path) -> Result<Self, ReportError> {
        match File::create(path) {
            Ok(file) => Ok(Self {
                path: path.to_owned(),
                file,
            }),
            Err(source) => Err(ReportError::Path {
                flag: FLAG,
                path: path.to_owned(),
                source,
            }),
        }
    }

    /// From here on it gets a line about `machine` `every` so often.
    pub(super) fn begin(mut self, machine: Arc<Machine>, every: Duration) -> io::Result<Series> {
        let (end, ended) = mpsc::channel();
        let write = move || {
            loop {
                let is_last = ended.recv_timeout(every) != Err(RecvTimeoutError::Timeout);
                // Whole lines only: somebody may be reading.
                self.file.write_all(Sample::take(&machine).line().as_bytes())?;
                if is_last {
                    return Ok(());
                }
            }
        };
        Ok(Series {
            path: self.path,
            end,
            thread: thread::Builder::new().name("series".into()).spawn(write)?,
        })
    }
}

impl Series {
    /// Has the last line written.
    pub(super) fn end(self) -> Result<(), ReportError> {
        // The thread may have given up: then it says why.
        let _ = self.end.send(());
        let written = self
            .thread
            .join()
            .unwrap_or_else(|_| Err(io::Error::other("the thread that writes it has failed")));
        written.map_err(|source| ReportError::Write {
            path: self.path,
            source,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::test_machine::machine;

    #[test]
    fn there_is_a_line_at_the_end_however_short_the_run_was() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("series");
        let series = SeriesFile::new(&path)
            .unwrap()
            .begin(Arc::new(machine(1)), Duration::from_secs(3600))
            .unwrap();
        series.end().unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let line: Value = serde_json::from_str(text.strip_suffix('\n').unwrap()).unwrap();
        assert_eq!(line["version"], 1);
        assert_eq!(line["heat"].as_array().unwrap().len(), PARTS);
        assert_eq!(
            (&line["changes"]["entered"], &line["table"]["valid"]),
            (&0.into(), &0.into())
        );
    }

    #[test]
    fn a_path_that_cannot_be_written_is_named_with_its_flag() {
        let error = SeriesFile::new(Path::new("/nowhere/series")).err().unwrap();
        assert_eq!(error.flag(), Some(FLAG));
    }
}
