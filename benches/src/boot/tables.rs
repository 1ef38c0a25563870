//! What the boots needed, as tables and as a picture.

use super::Run;
use crate::chart::{Bar, Chart, Group};
use crate::contender::Contender;
use crate::guest::PARTS;
use crate::rounds::Results;
use crate::statistics::Samples;
use crate::table::Table;

/// Each boot's name and runs.
pub(super) type Runs = [(&'static str, Results<Run>)];

/// A figure of a run.
type Figure = fn(&Run) -> f64;

/// A column: its name, of whose runs it is, and which figure of them.
type Column = (&'static str, Contender, Figure);

/// The tables.
pub(super) fn markdown(contenders: &[Contender], all: &Runs) -> String {
    let compared = |figure: Figure| -> String {
        let columns: Vec<Column> = contenders.iter().map(|&it| (it.name(), it, figure)).collect();
        let names = columns.iter().map(|(name, ..)| (*name).to_owned()).collect();
        filled(Table::comparing_first("guest", names), &columns, all)
    };
    let listed = |columns: &[Column]| -> String {
        let is_here = |column: &&Column| contenders.contains(&column.1);
        let columns: Vec<Column> = columns.iter().filter(is_here).copied().collect();
        let names = columns.iter().map(|(name, ..)| (*name).to_owned()).collect();
        filled(Table::of_figures("guest", names), &columns, all)
    };
    let to_end = compared(|run| run.to_end);
    let to_init = compared(|run| run.to_init);
    let parts = parts(contenders, all);
    let instructions = listed(&[
        ("millions", Contender::Pteg, |run| millions(run)),
        (
            "millions for each of pteg's processor seconds",
            Contender::Pteg,
            |run| millions(run) / run.to_end,
        ),
    ]);
    let memory = listed(&[
        ("pteg", Contender::Pteg, |run| mib(run.resident.all())),
        ("of it guest memory", Contender::Pteg, |run| mib(run.resident.shared)),
        ("the rest", Contender::Pteg, |run| {
            mib(run.resident.private + run.resident.files)
        }),
        ("QEMU", Contender::Qemu, |run| mib(run.resident.all())),
    ]);
    format!(
        "**Processor seconds of the host until power-off**\n\n{to_end}\n\
         **Processor seconds of the host until the first process starts**\n\n{to_init}\n\
         **Processor seconds of the host for each part of the work**\n\n{parts}\n\
         **Guest instructions until power-off**\n\n{instructions}\n\
         **Resident memory in MiB when the first process starts**\n\n{memory}\n\
         Kernels: {}.\n",
        kernels(all),
    )
}

/// The parts of the work, which SLOF has no part in.
fn parts(contenders: &[Contender], all: &Runs) -> String {
    let columns: Vec<Contender> = contenders
        .iter()
        .copied()
        .filter(|&it| it != Contender::QemuWithoutSlof)
        .collect();
    let names = columns.iter().map(|contender| contender.name().to_owned()).collect();
    let mut table = Table::comparing_first("guest and part", names);
    for (name, results) in all {
        for (n, (part, _)) in PARTS.iter().enumerate() {
            let row = columns
                .iter()
                .map(|&contender| results.of(contender).iter().map(|run| run.parts[n]).collect());
            table.rows.push((format!("{name}: {part}"), row.collect()));
        }
    }
    table.markdown()
}

fn filled(mut table: Table, columns: &[Column], all: &Runs) -> String {
    for (name, results) in all {
        let row = columns
            .iter()
            .map(|&(_, contender, figure)| samples(results.of(contender), figure))
            .collect();
        table.rows.push(((*name).to_owned(), row));
    }
    table.markdown()
}

fn samples(runs: &[Run], figure: Figure) -> Samples {
    runs.iter().map(figure).collect()
}

fn millions(run: &Run) -> f64 {
    run.instructions.unwrap_or(0) as f64 / 1e6
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// The versions of the kernels that ran.
fn kernels(all: &Runs) -> String {
    let runs = all.iter().flat_map(|(_, results)| results.of(Contender::Pteg));
    let mut kernels: Vec<&str> = runs.map(|run| &*run.kernel).collect();
    kernels.sort_unstable();
    kernels.dedup();
    kernels.join(", ")
}

/// The picture.
pub(super) fn chart(contenders: &[Contender], all: &Runs) -> Chart {
    let bar = |results: &Results<Run>, contender: Contender| {
        let runs = results.of(contender);
        Some(Bar {
            name: contender.name(),
            part: samples(runs, |run| run.to_init).spread()?.median,
            whole: samples(runs, |run| run.to_end).spread()?,
        })
    };
    let group = |(name, results): &(&str, Results<Run>)| Group {
        name: (*name).to_owned(),
        bars: contenders
            .iter()
            .filter_map(|&contender| bar(results, contender))
            .collect(),
    };
    Chart {
        title: "Boot, fixed work, power-off: processor seconds of the host",
        part: "until the first process starts",
        groups: all.iter().map(group).collect(),
    }
}
