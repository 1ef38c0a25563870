//! `cargo xtask power-host bench`: takes the figures on a host, in turns, and lets `benches` compare them.

use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};

use guest_images::{Cache, Stderr};
use power_host_tests::{FIGURES, Figure, Host, Place, Side};

use super::arguments::Arguments;
use super::failed::Failed;
use super::{Made, emulated, made};
use crate::output::say;
use crate::workspace::Workspace;

/// What pteg is built with beside the usual: the other ways that it is compared with.
const COMPARISONS: &[&str] = &["--features", "vmm/comparisons"];

/// Takes the figures with `word` in their names, or all, on every host that is wanted, and shows the comparisons.
pub fn bench(workspace: &Workspace, arguments: &Arguments, word: Option<&str>) -> Result<ExitCode, Failed> {
    let mut said = Side::ALL.map(|_| String::new());
    for &place in &arguments.places {
        for side in &mut said {
            *side += &format!("host {place}\n");
        }
        let is_wanted = |figure: &&Figure| word.is_none_or(|word| figure.name.contains(word)) && (figure.places)(place);
        let figures: Vec<&Figure> = FIGURES.iter().filter(is_wanted).collect();
        let mut taken = |figure: &Figure, output: &str| {
            let of_it = Side::ALL
                .into_iter()
                .zip(&mut said)
                .find(|(side, _)| *side == figure.side);
            *of_it.expect("it is one of all").1 += output;
        };
        match place {
            Place::Native => natively(workspace, arguments, &figures, &mut taken)?,
            Place::Emulated(machine, pages) => {
                let cache = Cache::from_environment()?;
                let (setup, mut root) = emulated(workspace, arguments, (machine, pages), "release", COMPARISONS)?;
                let mut there = Vec::new();
                for figure in &figures {
                    root.script(figure.name, figure.command);
                    for file in figure.files.iter().filter(|file| !there.contains(file)) {
                        root.needed(file, &cache, &Stderr::new())?;
                    }
                    there.extend(figure.files);
                }
                let packed = root.pack(&cache, &Stderr::new())?;
                say(&format!("    booting {place}"));
                let mut host = Host::boot(&setup, &packed)?;
                in_turns(arguments.runs, &figures, |figure| {
                    say(&format!("{place}: {}", figure.name));
                    let ran = host.run(figure.name, arguments.patience, |_| ())?;
                    ended(figure, &ran.output, ran.status)?;
                    taken(figure, &ran.output);
                    Ok(())
                })?;
                host.power_off()?;
            }
        }
    }
    let directory = workspace.target().join("power-host/figures");
    fs::create_dir_all(&directory)?;
    let files = Side::ALL.map(|side| directory.join(format!("{side:?}.txt").to_lowercase()));
    for (file, said) in files.iter().zip(&said) {
        fs::write(file, said)?;
    }
    let [ours, theirs, unmapping] = &files;
    let has = |side| {
        FIGURES
            .iter()
            .any(|figure| figure.side == side && word.is_none_or(|word| figure.name.contains(word)))
    };
    let mut compare = Vec::new();
    if has(Side::Ours) || has(Side::Theirs) {
        compare.extend(["costs", "--costs", text(theirs)?, text(ours)?]);
    }
    if has(Side::Unmapping) {
        compare.extend(["kvm-unmap", "--kvm-unmap", text(unmapping)?]);
    }
    if compare.is_empty() {
        return Err(Failed(format!(
            "no figure has `{}` in its name",
            word.unwrap_or_default()
        )));
    }
    if arguments.is_written {
        compare.push("--write");
    }
    Ok(crate::bench::run(workspace, &compare))
}

/// Takes each figure once in a round; every other round goes backwards, so that what changes on the host meets all alike.
fn in_turns(
    rounds: u32,
    figures: &[&Figure],
    mut take: impl FnMut(&Figure) -> Result<(), Failed>,
) -> Result<(), Failed> {
    for round in 0..rounds {
        let mut turns = figures.to_vec();
        if round % 2 == 1 {
            turns.reverse();
        }
        for figure in turns {
            take(figure)?;
        }
    }
    Ok(())
}

/// Takes the figures on this machine.
fn natively(
    workspace: &Workspace,
    arguments: &Arguments,
    figures: &[&Figure],
    taken: &mut impl FnMut(&Figure, &str),
) -> Result<(), Failed> {
    let Made { pteg, .. } = made(workspace, Place::Native, "release", COMPARISONS)?;
    let cache = Cache::from_environment()?;
    let directory = tempfile::tempdir()?;
    for file in figures.iter().flat_map(|figure| figure.files) {
        for (name, contents) in file.contents(&cache, &Stderr::new())? {
            let path = directory.path().join(name);
            fs::create_dir_all(path.parent().unwrap_or(directory.path()))?;
            fs::write(path, contents)?;
        }
    }
    let mut path = pteg.parent().unwrap_or(&pteg).as_os_str().to_owned();
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap_or_default());
    in_turns(arguments.runs, figures, |figure| {
        say(&format!("this host: {}", figure.name));
        let ran = Command::new("sh")
            .args(["-c", figure.command])
            .current_dir(directory.path())
            .env("PATH", &path)
            .output()?;
        let output = String::from_utf8_lossy(&ran.stdout);
        ended(figure, &output, ran.status.code())?;
        taken(figure, &output);
        Ok(())
    })
}

/// Whether what was measured went well.
fn ended(figure: &Figure, output: &str, status: Option<i32>) -> Result<(), Failed> {
    if status == Some(0) && !output.contains(": fail ") {
        return Ok(());
    }
    output.lines().for_each(say);
    Err(Failed(format!("{} failed; what it said is above", figure.name)))
}

fn text(path: &Path) -> Result<&str, Failed> {
    path.to_str()
        .ok_or_else(|| Failed(format!("{} is not text", path.display())))
}
