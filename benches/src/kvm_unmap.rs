//! What it costs to take memory from the processors of a guest of KVM-PR that use it, in pteg's way and in others.
//!
//! The guest program `sweep` loads from its memory page by page and keeps the longest time between two loads;
//! `cargo xtask power-host bench unmap` takes the memory away, in one way after the other, and keeps what was said in a file, which
//! is read here.

use std::fs;
use std::path::Path;

use crate::error::{Error, Result};
use crate::report::Report;
use crate::statistics::Samples;
use crate::table::Table;

/// The ways, as the file and as the table call them.
const WAYS: [(&str, &str); 6] = [
    ("nothing", "a request for nothing"),
    ("pteg", "`pteg ctl unmap`"),
    ("discard", "`pteg ctl discard --force`"),
    ("pages", "a call for each page of the host (QEMU)"),
    ("slot", "the memory slot goes and comes back"),
    ("entries", "a flush for each entry"),
];

/// Memory that was taken away once.
#[derive(Debug, PartialEq)]
struct Unmapping<'a> {
    host: &'a str,
    /// Pages and processors: `4k-1`.
    guest: &'a str,
    way: &'a str,
    milliseconds: f64,
    delay_ms: f64,
}

/// Compares the ways of which the file `said` tells.
pub fn measure(said: &Path) -> Result<Report> {
    let text = fs::read_to_string(said).map_err(|source| Error::io("reading", said, source))?;
    let unmappings = unmappings(&text);
    if unmappings.is_empty() {
        return Err(Error::NoCosts { path: said.to_owned() });
    }
    Ok(compare(&unmappings))
}

/// The lines `unmap GUEST WAY SECONDS DELAY`, each on the last `host NAME`. Other lines are not looked at.
fn unmappings(said: &str) -> Vec<Unmapping<'_>> {
    let mut host = "";
    let mut unmappings = Vec::new();
    for line in said.lines() {
        match *line.split_whitespace().collect::<Vec<_>>() {
            ["host", name] => host = name,
            ["unmap", guest, way, seconds, delay] => {
                if let (Ok(seconds), Ok(delay)) = (seconds.parse::<f64>(), delay.parse::<f64>()) {
                    let (milliseconds, delay_ms) = (seconds * 1e3, delay * 1e3);
                    unmappings.push(Unmapping {
                        host,
                        guest,
                        way,
                        milliseconds,
                        delay_ms,
                    });
                }
            }
            _ => {}
        }
    }
    unmappings
}

fn compare(unmappings: &[Unmapping<'_>]) -> Report {
    let mut rounds = 0;
    let mut markdown = String::new();
    let mut seen = Vec::new();
    for &Unmapping { host, guest, .. } in unmappings {
        if seen.contains(&(host, guest)) {
            continue;
        }
        seen.push((host, guest));
        let columns = ["milliseconds", "longest delay of a processor"]
            .map(str::to_owned)
            .to_vec();
        let mut table = Table::of_figures("way", columns);
        for (way, name) in WAYS {
            let samples = |of: fn(&Unmapping<'_>) -> f64| -> Samples {
                let of_it = unmappings
                    .iter()
                    .filter(|it| (it.host, it.guest, it.way) == (host, guest, way));
                of_it.map(of).collect()
            };
            let (took, delay) = (samples(|it| it.milliseconds), samples(|it| it.delay_ms));
            let count = |it: &&Unmapping<'_>| (it.host, it.guest, it.way) == (host, guest, way);
            rounds = rounds.max(unmappings.iter().filter(count).count());
            table.rows.push((name.to_owned(), vec![took, delay]));
        }
        let (pages, processors) = guest.split_once('-').unwrap_or((guest, "?"));
        let pages = pages.to_ascii_uppercase();
        markdown += &format!(
            "**16 MiB of a guest on {host}, milliseconds: pages of {pages}, {processors} at work**\n\n{}\n",
            table.markdown()
        );
    }
    Report {
        rounds,
        markdown,
        picture: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAID: &str = "host a\nunmap 4k-1 pteg 0.5 0.001\nsweep: 1 processors sweep\r\nunmap 4k-1 slot 2 0.004\n\
                        unmap 64k-4 pteg 0.25 0.002\nunmap 4k-1 pteg 1.5 0.003\nunmap 4k-1 pteg  0.1\n";

    #[test]
    fn lines_of_unmappings_are_read_and_others_are_not() {
        let read = unmappings(SAID);
        assert_eq!(read.len(), 4);
        assert_eq!(
            read[1],
            Unmapping {
                host: "a",
                guest: "4k-1",
                way: "slot",
                milliseconds: 2000.0,
                delay_ms: 4.0,
            }
        );
    }

    #[test]
    fn each_guest_has_a_table_with_all_of_its_rounds() {
        let report = compare(&unmappings(SAID));
        assert_eq!(report.rounds, 2);
        let titles = report.markdown.lines().filter(|line| line.starts_with("**")).count();
        assert_eq!(titles, 2);
        assert!(report.markdown.contains("1000 (500–1500)"), "{}", report.markdown);
        assert!(report.markdown.contains("| 2.00 (1.00–3.00)"), "{}", report.markdown);
    }

    #[test]
    fn a_file_without_unmappings_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = measure(file.path()).err().expect("there is nothing to compare");
        assert!(
            error.to_string().starts_with(&file.path().display().to_string()),
            "{error}"
        );
    }
}
