//! `--report`: a page about the rounds, written anew after each of them, so that a campaign that is cut off has one too.
//!
//! `campaign` gathers what the page shows, and grows no more after some hundreds of rounds; `timeline` is the part of it that goes by time; `page` is the page,
//! `charts` its pictures.

mod campaign;
mod charts;
mod page;
mod timeline;

use std::path::Path;

use super::record::Record;
use crate::run::{ReportError, ReportFile};
use campaign::Campaign;

/// The page, and the file that has it.
pub(super) struct Report {
    file: ReportFile,
    campaign: Campaign,
}

impl Report {
    /// In the file at `path`, about what `command` does.
    pub(super) fn new(path: &Path, command: String) -> Result<Self, ReportError> {
        Ok(Self {
            file: ReportFile::new("--report", path)?,
            campaign: Campaign::new(command),
        })
    }

    /// Adds a round.
    pub(super) fn add(&mut self, record: &Record) {
        self.campaign.add(record);
    }

    /// Writes the page about all rounds so far.
    pub(super) fn write(&mut self) -> Result<(), ReportError> {
        self.file.write(&page::html(&self.campaign))
    }

    /// Writes the last one, which says why there are no more rounds.
    pub(super) fn end(&mut self, why: &str) -> Result<(), ReportError> {
        self.campaign.ended = Some(why.to_owned());
        self.write()
    }
}

#[cfg(test)]
mod tests;
