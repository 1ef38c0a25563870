//! A page about the page table, for people (`--hpt-report`): how full it is and where, how entries were removed, how long
//! flushes took. What is drawn is `statistics`'; [`crate::page`] draws.

mod figures;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::{io, thread};

use signal_hook::consts::SIGUSR1;
use signal_hook::iterator::Signals;

use super::report_file::{ReportError, ReportFile};
use super::statistics::{Hypercalls, Statistics, duration, percent, share};
use crate::machine::Machine;
use crate::page::{Column, Columns, HeatMap, STYLE, grouped};
use crate::terminal::say;

/// Parts of the map of the table: in each row, and rows.
const ACROSS: usize = 64;
const DOWN: usize = 32;

/// Parts of the map of the table.
pub(super) const CELLS: usize = ACROSS * DOWN;

/// Requests for a page from outside: SIGUSR1, which ends a program that does not take it.
pub(super) struct Requests(Signals);

impl Requests {
    /// From here on the signal ends nothing; it waits for [`Requests::answer`].
    pub(super) fn take() -> io::Result<Self> {
        Ok(Self(Signals::new([SIGUSR1])?))
    }

    /// From here on each writes the page about `machine` to `file`, while it is there. Without a file the first is told how to
    /// get one.
    pub(super) fn answer(mut self, file: &PageFile, machine: Arc<Machine>) -> io::Result<()> {
        let mut is_told = file.lock().is_none();
        let mut tell = move || {
            if std::mem::take(&mut is_told) {
                say(
                    "pteg: SIGUSR1 writes a page about the page table, to the file that --hpt-report names; there is none",
                );
            }
        };
        let file = file.clone();
        thread::Builder::new().name("report".into()).spawn(move || {
            for _ in self.0.forever() {
                // Gathered with the file locked: an older page never takes the place of a younger one.
                match &mut *file.lock() {
                    None => tell(),
                    Some(file) => {
                        if let Err(error) = write(file, &Statistics::gather(&machine, CELLS)) {
                            let source = std::error::Error::source(&error).map(ToString::to_string);
                            say(&format!("pteg: {error}: {}", source.unwrap_or_default()));
                        }
                    }
                }
            }
        })?;
        Ok(())
    }
}

/// The file of the page, if there is one, until it is taken for the last page.
#[derive(Clone)]
pub(super) struct PageFile(Arc<Mutex<Option<ReportFile>>>);

impl PageFile {
    /// `file` gets the pages.
    pub(super) fn new(file: Option<ReportFile>) -> Self {
        Self(Arc::new(Mutex::new(file)))
    }

    /// The file for the last page; signals write none from here on.
    pub(super) fn take(&self) -> Option<ReportFile> {
        self.lock().take()
    }

    fn lock(&self) -> MutexGuard<'_, Option<ReportFile>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes the page about `statistics`.
pub(super) fn write(file: &mut ReportFile, statistics: &Statistics) -> Result<(), ReportError> {
    file.write(&html(statistics))
}

/// The whole page.
fn html(statistics: &Statistics) -> String {
    let table = &statistics.table;
    let sections = [
        heading(statistics),
        figures::tiles(statistics),
        section(
            "Where the entries are",
            "Each square is a part of the table, in order, from the first group on the top left to the last on the bottom \
             right; the stronger its colour, the more of its entries are valid. A good hash spreads them evenly.",
            &HeatMap::new(&table.heat, ACROSS, table.entries).svg(),
        ),
        section(
            "Groups by valid entries",
            "An entry must go into one of the two groups of eight that its page's hashes lead to. Groups of eight are \
             full: what leads there goes by its second hash, or makes the guest evict another.",
            &occupancy(&table.groups_by_valid_entries).svg(),
        ),
        flushes(statistics),
        section("What was done to the table", "", &figures::table(&statistics.changes)),
        sizes(statistics),
        statistics.hypercalls.as_ref().map_or_else(String::new, hypercalls),
    ];
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>Hashed page table</title>\n\
         <style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n{}</main>\n</body>\n</html>\n",
        sections.concat()
    )
}

fn heading(statistics: &Statistics) -> String {
    let table = &statistics.table;
    format!(
        "<h1>Hashed page table</h1>\n<p class=\"lead\">{} of {} groups, order {}: {} entries, of them {} valid, {:.1} s after \
         the start.</p>\n",
        bytes(1 << table.order),
        grouped(table.entries / 8),
        table.order,
        grouped(table.entries),
        grouped(table.valid),
        statistics.seconds,
    )
}

/// A part of the page with its heading, a sentence or two, and what it shows.
fn section(title: &str, words: &str, content: &str) -> String {
    let words = if words.is_empty() {
        String::new()
    } else {
        format!("<p>{words}</p>\n")
    };
    format!("<section>\n<h2>{title}</h2>\n{words}{content}</section>\n")
}

fn occupancy(groups: &[u64; 9]) -> Columns {
    let all: u64 = groups.iter().sum();
    let column = |(entries, &count): (usize, &u64)| Column {
        label: entries.to_string(),
        value: count,
        title: format!(
            "{} groups ({}) have {entries} valid entries",
            grouped(count),
            percent(share(count, all))
        ),
    };
    Columns {
        axis: "valid entries of the group",
        columns: groups.iter().enumerate().map(column).collect(),
    }
}

/// Both distributions of flushes.
fn flushes(statistics: &Statistics) -> String {
    let changes = &statistics.changes;
    let batches = Columns::by_powers(
        &changes.batch_sizes.log2_counts,
        "entries of one flush",
        |least, most| {
            if least == most {
                least.to_string()
            } else {
                format!("{least}–{most}")
            }
        },
    );
    let waits = Columns::by_powers(
        &changes.wait_ns.log2_counts,
        "time until all processors had left the guest, at least",
        |least, _| duration(least),
    );
    let batches = section(
        "Entries of one flush",
        "What is removed together is flushed together: one wait for all of it.",
        &batches.svg(),
    );
    let waits = section(
        "Waits for processors",
        "Only flushes that found a processor inside the guest wait: until each of those has left it once.",
        &waits.svg(),
    );
    batches + &waits
}

fn sizes(statistics: &Statistics) -> String {
    let table = &statistics.table;
    let row = |size: &super::statistics::SizeOfPages| {
        format!(
            "<tr><td>{}</td><td>{}</td><td class=\"number\">{}</td><td class=\"number\">{}</td></tr>\n",
            bytes(size.actual_bytes),
            bytes(size.base_bytes),
            grouped(size.entries),
            percent(share(size.entries, table.valid)),
        )
    };
    if table.sizes.is_empty() {
        return String::new();
    }
    let rows: String = table.sizes.iter().map(row).collect();
    let table = format!(
        "<table>\n<thead><tr><th>Page</th><th>Segment of pages of</th><th class=\"number\">Entries</th>\
         <th class=\"number\">Share</th></tr></thead>\n<tbody>\n{rows}</tbody>\n</table>\n"
    );
    section("Valid entries by page size", "", &table)
}

fn hypercalls(calls: &Hypercalls) -> String {
    let most = calls.calls.iter().map(|call| call.share).fold(0.0, f64::max);
    let row = |call: &super::statistics::Call| {
        let ns = (call.seconds * 1e9) as u64;
        format!(
            "<tr><td><code>{}</code></td><td class=\"number\">{}</td><td class=\"number\">{}</td>\
             <td class=\"number\">{}</td><td class=\"number\">{}</td>\
             <td class=\"bar\"><span style=\"width:{:.1}%\"></span></td></tr>\n",
            call.name,
            grouped(call.count),
            duration(ns),
            duration(ns / call.count.max(1)),
            percent(call.share),
            100.0 * call.share / most.max(f64::MIN_POSITIVE),
        )
    };
    let rows: String = calls.calls.iter().map(row).collect();
    let (count, seconds, share) = calls.sum();
    let words = format!(
        "{} calls took {:.3} s of the {:.3} s that the processors ran: {}.",
        grouped(count),
        seconds,
        calls.processor_seconds,
        percent(share)
    );
    let table = format!(
        "<table>\n<thead><tr><th>Call</th><th class=\"number\">Count</th><th class=\"number\">Time</th>\
         <th class=\"number\">Each</th><th class=\"number\">Share</th><th></th></tr></thead>\n<tbody>\n{rows}</tbody>\n</table>\n"
    );
    section("Hypercalls", &words, &table)
}

/// A power of two of bytes.
fn bytes(bytes: u64) -> String {
    crate::size::Size::from_bytes(bytes).to_string()
}

#[cfg(test)]
mod tests;
