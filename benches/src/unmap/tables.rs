//! What was measured, as tables and as a picture.

use power::page::PageSize;

use super::delay::{Meanwhile, size_name};
use super::gigabyte::{Seen, Way};
use super::refill::{Goes, NAMES, USES};
use super::{EMPTY, FLAT, GUESTS, MIB, Turn};
use crate::alone::Map;
use crate::chart::Ratios;
use crate::error::Result;
use crate::rounds::Results;
use crate::statistics::Samples;
use crate::table::Table;

/// The figures at place `n` of each result.
fn column(results: &[Vec<f64>], n: usize) -> Samples {
    results.iter().map(|figures| figures[n]).collect()
}

fn names<const N: usize>(names: [&str; N]) -> Vec<String> {
    names.map(str::to_owned).to_vec()
}

pub(super) fn flat(results: &Results<Vec<f64>, (u64, u32)>) -> String {
    let mut table = Table::of_figures("memory and table", names(["not used", "used"]));
    for (ram, order) in FLAT {
        let figures = results.of((ram, order));
        let row = [0, 1].map(|n| column(figures, n)).to_vec();
        table.rows.push((format!("{} MiB, order {order}", ram / MIB), row));
    }
    table.markdown()
}

pub(super) fn empty(results: &Results<f64, u64>) -> String {
    let mut table = Table::of_figures("memory", names(["all of it"]));
    for ram in EMPTY {
        let row = results.of(ram).iter().copied().collect();
        table.rows.push((format!("{} MiB", ram / MIB), vec![row]));
    }
    table.markdown()
}

pub(super) fn pair(results: &Results<f64, (bool, Map)>) -> String {
    let columns = Map::ALL.map(|map| map.to_string()).to_vec();
    let mut table = Table::comparing_first("where", columns);
    for (random, name) in [(false, "few groups"), (true, "random groups")] {
        let row = Map::ALL.map(|map| results.of((random, map)).iter().copied().collect());
        table.rows.push((name.to_owned(), row.to_vec()));
    }
    table.markdown()
}

pub(super) fn delay(results: &Results<Vec<f64>, Meanwhile>) -> String {
    let columns = names(["the longest call", "1 in 10,000 is longer", "one unmapping"]);
    let mut table = Table::of_figures("meanwhile", columns);
    for meanwhile in Meanwhile::ALL {
        let figures = results.of(meanwhile);
        let row = [0, 1, 2].map(|n| column(figures, n)).to_vec();
        table.rows.push((meanwhile.name(), row));
    }
    table.markdown()
}

pub(super) fn refill(results: &Results<Vec<f64>, (u64, Goes)>) -> String {
    let mut columns = vec!["to drop them".to_owned()];
    columns.extend(USES.map(|uses| format!("lost, with {uses} pages in use")));
    let mut table = Table::of_figures("what goes", columns);
    for goes in NAMES.map(Goes::Names).into_iter().chain([Goes::Everything]) {
        let name = match goes {
            Goes::Names(count) => format!("{count} names"),
            Goes::Everything => "everything".to_owned(),
        };
        let most = USES[USES.len() - 1];
        let mut row = vec![column(results.of((most, goes)), 0)];
        row.extend(USES.map(|uses| column(results.of((uses, goes)), 1)));
        table.rows.push((name, row));
    }
    table.markdown()
}

/// A column: its name and the figure.
type Column = (&'static str, fn(&Seen) -> f64);

const SEEN: [Column; 5] = [
    ("ms for 1 GiB", |it| it.milliseconds),
    ("flushes", |it| it.flushes),
    ("kicks", |it| it.kicks),
    ("longest delay in a second, ms", |it| it.longest_delay_milliseconds),
    ("million loads a second", |it| it.million_loads_a_second),
];

fn guest_name(size: PageSize, processors: usize) -> String {
    let plural = if processors == 1 { "" } else { "s" };
    format!("{} pages, {processors} processor{plural}", size_name(size))
}

pub(super) fn gigabyte(results: &Results<Seen, Turn>) -> String {
    let columns = SEEN.map(|(name, _)| name.to_owned()).to_vec();
    let mut table = Table::of_figures("guest", columns);
    for (size, processors) in GUESTS {
        for way in Way::ALL {
            let seen = results.of((size, processors, way));
            let row = SEEN.map(|(_, figure)| seen.iter().map(figure).collect::<Samples>());
            let name = format!("{}: {way}", guest_name(size, processors));
            table.rows.push((name, row.to_vec()));
        }
    }
    table.markdown()
}

pub(super) fn picture(results: &Results<Seen, Turn>) -> Result<String> {
    let mut picture = Ratios {
        title: "Time to unmap 1 GiB that a guest uses: as pteg does it / a flush for each entry",
        rows: Vec::new(),
    };
    for (size, processors) in GUESTS {
        let of = |way| -> Samples {
            let seen = results.of((size, processors, way));
            seen.iter().map(|it| it.milliseconds).collect()
        };
        if let Some(ratio) = of(Way::Unmap).ratio(&of(Way::OneByOne)) {
            picture.rows.push((guest_name(size, processors), ratio));
        }
    }
    picture.svg()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guest_has_a_line_for_each_way_and_is_in_the_picture() {
        let turns: Vec<Turn> = GUESTS
            .iter()
            .flat_map(|&(size, processors)| Way::ALL.map(|way| (size, processors, way)))
            .collect();
        let results = Results::measure("a test", 2, &turns, |(.., way)| {
            let milliseconds = if way == Way::Unmap { 1.0 } else { 40.0 };
            Ok(Seen {
                milliseconds,
                kicks: 3.0,
                ..Seen::default()
            })
        });
        let results = results.unwrap();
        let text = gigabyte(&results);
        assert_eq!(text.lines().count(), 2 + GUESTS.len() * Way::ALL.len());
        assert!(
            text.contains("| 64 KiB pages, 4 processors: a flush each | 40.0 (40.0–40.0) |"),
            "{text}"
        );
        let picture = picture(&results).unwrap();
        assert!(picture.contains("4 KiB pages, 1 processor") && picture.contains("0.0250"));
    }

    #[test]
    fn what_goes_has_a_line_each_and_what_is_lost_a_column_for_each_use() {
        let goes = USES.map(|uses| (uses, Goes::Everything));
        let results = Results::measure("a test", 1, &goes, |(uses, _)| Ok(vec![uses as f64, 2.0 * uses as f64]));
        let text = refill(&results.unwrap());
        let last = text.lines().last().unwrap();
        assert!(last.starts_with("| everything"), "{text}");
        for figure in ["4096 (", "512 (", "2048 (", "8192 ("] {
            assert!(last.contains(figure), "{last}");
        }
    }
}
