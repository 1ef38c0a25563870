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

const CONTENDERS: [Contender; 2] = [Contender::Pteg, Contender::Qemu];

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
    /// Added to its command line.
    only: &'static str,
}

const VARIANTS: [Variant; 4] = [
    Variant {
        name: "little-endian, 1 processor",
        is_drawn: true,
        file: "payload-le.elf",
        processors: 1,
        only: "",
    },
    Variant {
        name: "big-endian, 1 processor",
        is_drawn: false,
        file: "payload-be.elf",
        processors: 1,
        only: "",
    },
    Variant {
        name: "little-endian, 2 processors at once",
        is_drawn: true,
        file: "payload-le.elf",
        processors: 2,
        only: " only=smp nc=full",
    },
    Variant {
        name: "little-endian, 4 processors at once",
        is_drawn: true,
        file: "payload-le.elf",
        processors: 4,
        only: " only=smp nc=full",
    },
];

/// The operations of a run, with nanoseconds for each.
type Operations = Vec<(String, f64)>;

/// Measures the guest of `directory`.
pub fn measure(programs: &Programs, rounds: usize, directory: &Path, scale: u32) -> Result<Report> {
    let contenders = programs.present(&CONTENDERS);
    let boot_rom = directory.join("bootrom.bin");
    let mut markdown = String::from("Nanoseconds on the clock for an operation, by all processors together.\n\n");
    let mut picture = Ratios {
        title: "Time for an operation: pteg / QEMU (left of the line, pteg is faster)",
        rows: Vec::new(),
    };
    for variant in &VARIANTS {
        let kernel = directory.join(variant.file);
        let append = format!("scale={scale}{}", variant.only);
        let guest = Guest {
            kernel: &kernel,
            initrd: None,
            append: &append,
            processors: variant.processors,
            boot_rom: Some(&boot_rom),
        };
        let run = |contender: Contender| {
            let mut running = Running::start(contender.name(), programs.command(contender, &guest))?;
            running.wait_for(AT_END)?;
            Ok(operations(&running.wait_for_end()?.console))
        };
        let what = format!("hvbench, {}", variant.name);
        let results = Results::measure(&what, rounds, &contenders, run)?;
        let table = table(&contenders, &results);
        for (name, samples) in table.rows.iter().filter(|_| variant.is_drawn) {
            if let [pteg, qemu] = &samples[..]
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

fn table(contenders: &[Contender], results: &Results<Operations>) -> Table {
    let names = contenders.iter().map(|contender| contender.name().to_owned()).collect();
    let mut table = Table::comparing_first("operation", names);
    let first = results.of(Contender::Pteg).first();
    for (name, _) in first.into_iter().flatten() {
        let figure = |run: &Operations| run.iter().find(|(it, _)| it == name).map(|(_, figure)| *figure);
        let row = contenders
            .iter()
            .map(|&contender| results.of(contender).iter().filter_map(figure).collect::<Samples>());
        table.rows.push((name.clone(), row.collect()));
    }
    table
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
    fn the_lines_of_operations_are_read_and_others_are_not() {
        let console = "HVBENCH LE fdt=0\r\nBEGIN h_read\r\n\
                       RES   its_bulk_remove:entries ops=10000 us=980 ops_per_s=10204081 ps_per_op=98037\r\n\
                       RES broken ops=1\r\nHVBENCH END\r\n";
        assert_eq!(operations(console), [("its_bulk_remove:entries".to_owned(), 98.037)]);
    }
}
