//! A file that something is written to at the end of a run. It is opened before the guest starts: a path that cannot be
//! written is the user's mistake, and told while nothing is lost.

use std::fs::{File, OpenOptions};
use std::io::{self, Seek as _, Write as _};
use std::path::{Path, PathBuf};

/// A file for a report.
pub(super) struct ReportFile {
    path: PathBuf,
    file: File,
}

/// A report cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("writing {}", path.display())]
pub(crate) struct ReportError {
    path: PathBuf,
    #[source]
    source: io::Error,
}

impl ReportFile {
    /// Opens the file at `path`, or makes it.
    pub(super) fn open(path: &Path) -> Result<Self, ReportError> {
        // What it holds is cut off when the report is there.
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(path);
        match file {
            Ok(file) => Ok(Self {
                path: path.to_owned(),
                file,
            }),
            Err(source) => Err(ReportError {
                path: path.to_owned(),
                source,
            }),
        }
    }

    /// Writes `report` in place of what was there.
    pub(super) fn write(&mut self, report: &str) -> Result<(), ReportError> {
        self.try_write(report).map_err(|source| ReportError {
            path: self.path.clone(),
            source,
        })
    }

    fn try_write(&mut self, report: &str) -> io::Result<()> {
        // A pipe or a terminal has neither a beginning nor an end.
        if self.file.metadata()?.is_file() {
            self.file.rewind()?;
            self.file.set_len(0)?;
        }
        self.file.write_all(report.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_takes_the_place_of_the_last() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report");
        std::fs::write(&path, "what was there before").unwrap();
        let mut file = ReportFile::open(&path).unwrap();
        for report in ["long and first", "second"] {
            file.write(report).unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), report);
        }
    }

    #[test]
    fn a_path_that_cannot_be_written_is_named() {
        let Err(error) = ReportFile::open(Path::new("/nowhere/report.html")) else {
            panic!("there is no such folder");
        };
        assert_eq!(error.to_string(), "writing /nowhere/report.html");
    }
}
