//! The `linux` benchmark: what Debian's kernel with 4 KiB pages asks of the page table while all processors fork, execute,
//! map, protect and unmap, and what that costs; with each of the ways in which a guest may remove entries.
//!
//! What it does up to the first process is another run's, which powers off then: the difference is the work's.

mod statistics;

use guest_images::{Cache, Image, Prepared, Stderr};

use crate::contender::{Contender, Guest, Programs};
use crate::error::{Error, Result};
use crate::guest::{AT_DONE, BOOT_ONLY, parallel_workload};
use crate::process::Running;
use crate::report::Report;
use crate::rounds::Results;
use crate::table::Table;

use statistics::Statistics;

/// What is booted.
const IMAGE: &str = "debian:6.12";

/// Numbers of processors of the guest.
const PROCESSORS: [u32; 3] = [1, 2, 4];

/// A way to remove entries.
struct Way {
    name: &'static str,
    /// What the guest is not offered.
    hidden: &'static [&'static str],
    /// Added to its command line.
    append: &'static str,
}

const WAYS: [Way; 3] = [
    Way {
        name: "H_BLOCK_REMOVE",
        hidden: &[],
        append: "",
    },
    Way {
        name: "H_BULK_REMOVE",
        hidden: &["block-remove"],
        append: "",
    },
    Way {
        name: "H_REMOVE",
        hidden: &["block-remove"],
        append: " bulk_remove=off",
    },
];

/// How far a run goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Extent {
    Boot,
    BootAndWork,
}

/// What takes turns: a number of processors, a way by its index, an extent.
type Turn = (u32, usize, Extent);

/// Measures all of them.
pub fn measure(programs: &Programs, rounds: usize) -> Result<Report> {
    let image = Image::by_name(IMAGE).expect("it is an image");
    let prepared = image.prepare(&Cache::from_environment()?, &Stderr::new(), &parallel_workload())?;
    let settings: Vec<(u32, usize)> = PROCESSORS
        .into_iter()
        .flat_map(|processors| (0..WAYS.len()).map(move |way| (processors, way)))
        .collect();
    let turns: Vec<Turn> = settings
        .iter()
        .flat_map(|&(processors, way)| [Extent::Boot, Extent::BootAndWork].map(|extent| (processors, way, extent)))
        .collect();
    let results = Results::measure("linux", rounds, &turns, |turn| run(programs, &prepared, turn))?;
    Ok(Report {
        rounds,
        markdown: markdown(&settings, &results),
        picture: None,
    })
}

fn run(programs: &Programs, prepared: &Prepared, (processors, way, extent): Turn) -> Result<Statistics> {
    let way = &WAYS[way];
    let only = match extent {
        Extent::Boot => format!(" {BOOT_ONLY}"),
        Extent::BootAndWork => String::new(),
    };
    let guest = Guest {
        kernel: &prepared.kernel,
        initrd: Some(&prepared.initrd),
        append: &format!("{}{}{only}", prepared.append, way.append),
        processors,
        boot_rom: None,
        is_counted: false,
    };
    let file = tempfile::NamedTempFile::new().map_err(|source| Error::io("making", &std::env::temp_dir(), source))?;
    let mut command = programs.command(Contender::Pteg, &guest);
    command.arg("--no-profile").arg("--stats-json").arg(file.path());
    for hidden in way.hidden {
        command.args(["--hide", hidden]);
    }
    let mut running = Running::start(Contender::Pteg.name(), command)?;
    running.wait_for(AT_DONE)?;
    running.wait_for_end()?;
    Statistics::read(file.path())
}

/// A figure of a run.
type Figure = fn(&Statistics) -> f64;

/// A column: its name, whether it is of the work or of what came before, and which figure.
type Column = (&'static str, Extent, Figure);

const SHARES: [Column; 3] = [
    ("hypercalls", Extent::BootAndWork, |it| {
        percent(it.hypercall_seconds, it.processor_seconds)
    }),
    ("removing and protecting", Extent::BootAndWork, |it| {
        percent(it.taking_away_seconds, it.processor_seconds)
    }),
    ("waiting for processors", Extent::BootAndWork, |it| {
        percent(it.waited_seconds, it.processor_seconds)
    }),
];

const BY_ENTRY: [Column; 5] = [
    ("entries, thousands", Extent::BootAndWork, |it| it.removed / 1e3),
    ("calls", Extent::BootAndWork, |it| it.taking_away_calls / it.removed),
    ("ns in calls", Extent::BootAndWork, |it| {
        it.taking_away_seconds * 1e9 / it.removed
    }),
    ("kicks", Extent::BootAndWork, |it| it.kicked / it.removed),
    ("kicks saved by joining", Extent::BootAndWork, |it| {
        it.joined / it.removed
    }),
];

const UNTOUCHED: [Column; 2] = [
    ("boot", Extent::Boot, |it| percent(it.untouched, it.changed)),
    ("work", Extent::BootAndWork, |it| percent(it.untouched, it.changed)),
];

fn percent(part: f64, whole: f64) -> f64 {
    100.0 * part / whole
}

fn markdown(settings: &[(u32, usize)], results: &Results<Statistics, Turn>) -> String {
    let table = |columns: &[Column]| {
        let names = columns.iter().map(|(name, ..)| (*name).to_owned()).collect();
        let mut table = Table::of_figures("processors, and how entries are removed", names);
        for &(processors, way) in settings {
            let boots = results.of((processors, way, Extent::Boot));
            let all = results.of((processors, way, Extent::BootAndWork));
            let row = columns.iter().map(|&(_, extent, figure)| match extent {
                Extent::Boot => boots.iter().map(figure).collect(),
                Extent::BootAndWork => all
                    .iter()
                    .zip(boots)
                    .map(|(all, boot)| figure(&all.since(boot)))
                    .collect(),
            });
            table
                .rows
                .push((format!("{processors}, {}", WAYS[way].name), row.collect()));
        }
        table.markdown()
    };
    format!(
        "**Percent of the processors' time in the work**\n\n{}\n\
         **For each entry that the work removed**\n\n{}\n\
         **Percent of changes that no processor had to hear of, as none had used the entry**\n\n{}\n",
        table(&SHARES),
        table(&BY_ENTRY),
        table(&UNTOUCHED),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_work_is_what_is_more_than_a_boot() {
        let turns = [(2, 1, Extent::Boot), (2, 1, Extent::BootAndWork)];
        let results = Results::measure("a test", 1, &turns, |(.., extent)| {
            let times = if extent == Extent::Boot { 1.0 } else { 3.0 };
            Ok(Statistics {
                processor_seconds: 10.0 * times,
                hypercall_seconds: times * times,
                removed: 100.0 * times,
                changed: 100.0 * times,
                untouched: 80.0,
                kicked: 10.0 * (times - 1.0),
                ..Statistics::default()
            })
        });
        let text = markdown(&[(2, 1)], &results.unwrap());
        let row = |n: usize| {
            text.lines()
                .filter(|line| line.contains("2, H_BULK_REMOVE"))
                .nth(n)
                .unwrap()
        };
        assert!(row(0).contains("| 40.0 (40.0–40.0)"), "{text}");
        assert!(row(1).contains("| 0.100 (0.100–0.100)"), "{text}");
        assert!(row(2).contains("| 80.0 (80.0–80.0) | 0 (0–0)"), "{text}");
    }
}
