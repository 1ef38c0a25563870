//! Single operations (instructions, hypercalls, translations), as a bare-metal benchmark guest times them itself.
//!
//! The guest is not part of the project. It is an ELF file at 4 MiB for each byte order; on the kernel's command line
//! it takes `scale=PERCENT`, and `only=smp nc=full` for what all processors do at the same time; it prints a line
//! `RES name ops=… us=… ops_per_s=… ps_per_op=…` for each operation, and `HVBENCH END` before it powers off.

use std::path::Path;

use crate::chart::Ratios;
use crate::contender::{Contender, Guest, Programs};
use crate::error::Result;
use crate::process::Running;
use crate::report::Report;
use crate::rounds::Results;
use crate::statistics::Samples;
use crate::table::Table;

const CONTENDERS: [Contender; 3] = [Contender::Pteg, Contender::Qemu, Contender::SecondQemu];

/// On the console when all was done.
const AT_END: &str = "HVBENCH END";

/// A way to run the guest.
struct Variant {
    /// What is said of it.
    name: &'static str,
    /// Whether it is in the picture.
    is_drawn: bool,
    /// The file.
    file: &'static str,
    processors: u32,
    /// How many times the usual amount it does.
    times: u32,
    /// Added to its command line.
    only: &'static str,
}

/// How much more is done where several processors work at once: until all have come together, and again when the first
/// has ended, fewer are at work, which is a tenth of the shortest operation otherwise.
const LONGER: u32 = 4;

const VARIANTS: [Variant; 4] = [
    Variant {
        name: "little-endian, 1 processor",
        is_drawn: true,
        file: "payload-le.elf",
        processors: 1,
        times: 1,
        only: "",
    },
    Variant {
        name: "big-endian, 1 processor",
        is_drawn: false,
        file: "payload-be.elf",
        processors: 1,
        times: 1,
        only: "",
    },
    Variant {
        name: "little-endian, 2 processors at once",
        is_drawn: true,
        file: "payload-le.elf",
        processors: 2,
        times: LONGER,
        only: " only=smp nc=full",
    },
    Variant {
        name: "little-endian, 4 processors at once",
        is_drawn: true,
        file: "payload-le.elf",
        processors: 4,
        times: LONGER,
        only: " only=smp nc=full",
    },
];

/// The operations of a run, with nanoseconds for each.
type Operations = Vec<(String, f64)>;

/// Operations that change the table, which are to cost a twentieth of what QEMU takes for them.
const CHANGES: [&str; 3] = ["h_remove", "h_protect", "h_bulk_remove_x4:entries"];

/// Variants whose common operations are compared as to what more processors do at once: fewer, more.
const SCALING: [(usize, usize); 2] = [(0, 2), (2, 3)];

/// All variants, each run by each contender.
type Runs = Results<Operations, (usize, Contender)>;

/// Measures the guest of `directory`.
pub fn measure(programs: &Programs, rounds: usize, directory: &Path, scale: u32) -> Result<Report> {
    let contenders = programs.present(&CONTENDERS);
    let boot_rom = directory.join("bootrom.bin");
    let run = |(variant, contender): (usize, Contender)| {
        let variant = &VARIANTS[variant];
        let guest = Guest {
            kernel: &directory.join(variant.file),
            initrd: None,
            append: &format!("scale={}{}", scale * variant.times, variant.only),
            processors: variant.processors,
            boot_rom: Some(&boot_rom),
            is_counted: false,
        };
        let mut running = Running::start(contender.name(), programs.command(contender, &guest))?;
        running.wait_for(AT_END)?;
        Ok(operations(&running.wait_for_end()?.console))
    };
    let turns: Vec<_> = (0..VARIANTS.len())
        .flat_map(|variant| contenders.iter().map(move |&contender| (variant, contender)))
        .collect();
    let runs = Runs::measure("hvbench", rounds, &turns, run)?;

    let tables = (0..VARIANTS.len()).map(|variant| table(&contenders, &runs, variant));
    let tables: Vec<Table> = tables.collect();
    let mut changes = Table::comparing_first("operation", names(&contenders));
    let is_change = |(name, _): &&(String, Vec<Samples>)| CHANGES.contains(&&**name);
    changes.rows.extend(tables[0].rows.iter().filter(is_change).cloned());
    let mut markdown = format!(
        "Nanoseconds on the clock for an operation, by all processors together.\n\n\
         **Changes to the page table: little-endian, 1 processor**\n\n{}\n\
         **Throughput of several processors by that of fewer: little-endian**\n\n{}\n",
        changes.markdown(),
        scaling(&contenders, &runs).markdown(),
    );
    let mut picture = Ratios {
        title: "Time for an operation: pteg / QEMU (left of the line, pteg is faster)",
        rows: Vec::new(),
    };
    for (variant, table) in VARIANTS.iter().zip(&tables) {
        for (name, samples) in table.rows.iter().filter(|_| variant.is_drawn) {
            if let [pteg, qemu, ..] = &samples[..]
                && let Some(ratio) = pteg.ratio(qemu)
            {
                picture.rows.push((name.clone(), ratio));
            }
        }
        markdown += &format!("**{}**\n\n{}\n", variant.name, table.markdown());
    }
    let picture = if picture.rows.is_empty() {
        None
    } else {
        Some(picture.svg()?)
    };
    Ok(Report {
        rounds,
        markdown,
        picture,
    })
}

fn names(contenders: &[Contender]) -> Vec<String> {
    contenders.iter().map(|contender| contender.name().to_owned()).collect()
}

/// The operations of one variant.
fn table(contenders: &[Contender], runs: &Runs, variant: usize) -> Table {
    let mut table = Table::comparing_first("operation", names(contenders));
    let first = runs.of((variant, Contender::Pteg)).first();
    for (name, _) in first.into_iter().flatten() {
        let row = contenders.iter().map(|&contender| {
            let runs = runs.of((variant, contender));
            runs.iter().filter_map(|run| figure(run, name)).collect::<Samples>()
        });
        table.rows.push((name.clone(), row.collect()));
    }
    table
}

/// What more processors do in the time of fewer.
fn scaling(contenders: &[Contender], runs: &Runs) -> Table {
    let mut table = Table::of_figures("operation, and how many processors", names(contenders));
    for (fewer, more) in SCALING {
        let [of_fewer, of_more] = [fewer, more].map(|variant| VARIANTS[variant].processors);
        let first = runs.of((more, Contender::Pteg)).first();
        for (name, _) in first.into_iter().flatten() {
            let Some((_, operation)) = name.split_once(':') else {
                continue;
            };
            let row = contenders.iter().map(|&contender| {
                let pairs = runs.of((fewer, contender)).iter().zip(runs.of((more, contender)));
                let times = pairs.filter_map(|(fewer, more)| {
                    let alike = format!("mt{of_fewer}:{operation}");
                    // Less time for an operation is more of them.
                    Some(figure(fewer, &alike)? / figure(more, name)?)
                });
                times.collect::<Samples>()
            });
            table
                .rows
                .push((format!("{operation}: {of_more} by {of_fewer}"), row.collect()));
        }
    }
    table
}

/// Nanoseconds of an operation by its name.
fn figure(run: &Operations, name: &str) -> Option<f64> {
    run.iter().find(|(it, _)| it == name).map(|(_, figure)| *figure)
}

/// What the console says of operations.
fn operations(console: &str) -> Operations {
    console.lines().filter_map(operation).collect()
}

/// Reads `RES h_enter ops=32768 us=16102 ops_per_s=2048000 ps_per_op=491397`.
fn operation(line: &str) -> Option<(String, f64)> {
    let (name, figures) = line.strip_prefix("RES ")?.split_once(" ops=")?;
    let picoseconds: f64 = figures.split_once("ps_per_op=")?.1.trim().parse().ok()?;
    Some((name.trim().to_owned(), picoseconds / 1e3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn throughput_is_compared_round_by_round() {
        let turns: Vec<_> = (0..4).map(|variant| (variant, Contender::Pteg)).collect();
        let runs = Runs::measure("a test", 1, &turns, |(variant, _)| {
            let picoseconds = [60_000, 0, 30_000, 40_000][variant];
            let line = |name: &str| format!("RES {name} ops=1 us=1 ops_per_s=1 ps_per_op={picoseconds}\n");
            Ok(operations(&line(&format!(
                "mt{}:protect",
                VARIANTS[variant].processors
            ))))
        });
        let table = scaling(&[Contender::Pteg], &runs.unwrap());
        let row = |name: &str, times: f64| (name.to_owned(), vec![[times].into_iter().collect::<Samples>()]);
        assert_eq!(table.rows, [row("protect: 2 by 1", 2.0), row("protect: 4 by 2", 0.75)]);
    }

    #[test]
    fn the_lines_of_operations_are_read_and_others_are_not() {
        let console = "HVBENCH LE fdt=0\r\nBEGIN h_read\r\n\
                       RES   its_bulk_remove:entries ops=10000 us=980 ops_per_s=10204081 ps_per_op=98037\r\n\
                       RES broken ops=1\r\nHVBENCH END\r\n";
        assert_eq!(operations(console), [("its_bulk_remove:entries".to_owned(), 98.037)]);
    }
}
