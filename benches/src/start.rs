//! The start benchmark: from the start of the process to the guest's first instruction, on the clock.
//!
//! Debian's kernel and an initial RAM disk are loaded as for a boot; but the kernel's first instructions are
//! others, which put a line on the console. The time is taken here, from before the process is made until the line
//! has come through the pipe, so it is a little more than what it stands for and needs nobody's own word.

use std::io::Write as _;

use guest_images::{Cache, Image, ImageOptions, Stderr};

use crate::contender::{Contender, Guest, Programs};
use crate::error::{Error, Result};
use crate::guest::{AT_FIRST_INSTRUCTION, kernel_that_says_it_runs};
use crate::process::Running;
use crate::report::Report;
use crate::rounds::Results;
use crate::table::Table;

const CONTENDERS: [Contender; 3] = [Contender::Pteg, Contender::Qemu, Contender::QemuWithoutSlof];

/// How many times as many rounds as of a boot: one is short.
const TIMES: usize = 4;

/// Measures starts.
pub fn measure(programs: &Programs, rounds: usize) -> Result<Report> {
    let rounds = rounds * TIMES;
    let contenders = programs.present(&CONTENDERS);
    let image = Image::by_name("debian").expect("it is an image");
    let prepared = image.prepare(&Cache::from_environment()?, &Stderr::new(), &ImageOptions::default())?;
    let mut kernel =
        tempfile::NamedTempFile::new().map_err(|source| Error::io("making", &std::env::temp_dir(), source))?;
    kernel
        .write_all(&kernel_that_says_it_runs(&prepared.kernel)?)
        .map_err(|source| Error::io("writing", kernel.path(), source))?;
    let guest = Guest {
        kernel: kernel.path(),
        initrd: Some(&prepared.initrd),
        append: &prepared.append,
        processors: 1,
        boot_rom: None,
        is_counted: false,
    };
    let run = |contender: Contender| {
        let mut running = Running::start(contender.name(), programs.command(contender, &guest))?;
        Ok(running.wait_for(AT_FIRST_INSTRUCTION)?.as_secs_f64() * 1e3)
    };
    // Warms up.
    contenders.iter().try_for_each(|&contender| run(contender).map(drop))?;
    let results = Results::measure("start", rounds, &contenders, run)?;

    let names = contenders.iter().map(|contender| contender.name().to_owned()).collect();
    let mut table = Table::comparing_first("guest", names);
    let row = contenders
        .iter()
        .map(|&contender| results.of(contender).iter().copied().collect())
        .collect();
    table.rows.push(("6.1, 64 KiB pages".to_owned(), row));
    let markdown = format!(
        "**Milliseconds on the clock to the guest's first instruction**\n\n{}",
        table.markdown()
    );
    Ok(Report {
        rounds,
        markdown,
        picture: None,
    })
}
