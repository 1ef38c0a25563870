//! The login benchmark: a whole Debian on a disk, from the start of the process to `login:` on its console, and to the first word of its ssh server, which is
//! asked through a forwarded port.
//!
//! All boot the same disk, one after the other, and each shuts down as it should before the next one starts.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use guest_images::{Cache, DiskImage, PreparedDisk};
use tempfile::TempDir;

use crate::contender::{Contender, Guest, Programs};
use crate::error::{Error, Result};
use crate::network::{self, Passt};
use crate::process::Running;
use crate::report::Report;
use crate::rounds::Results;
use crate::statistics::Samples;
use crate::table::Table;

const CONTENDERS: [Contender; 2] = [Contender::Pteg, Contender::Qemu];

/// What is booted.
const IMAGE: &str = "debian-disk";

/// With how many processors.
const PROCESSORS: [u32; 2] = [1, 4];

/// What the console says when somebody can log in, and when somebody has.
const AT_LOGIN: &str = " login: ";
const AT_PROMPT: &str = ":~# ";

/// What the ssh server says first (RFC 4253, 4.2), and where it is.
const SSH: &[u8] = b"SSH-2.0";
const SSH_PORT: u16 = 22;

/// How long it may take until the ssh server answers.
const LIMIT: Duration = Duration::from_secs(300);

/// Seconds from the start.
#[derive(Clone, Copy, Debug)]
struct Times {
    to_login: f64,
    /// `None`: there is no network.
    to_ssh: Option<f64>,
}

/// What the runs share.
struct Bench<'p> {
    programs: &'p Programs,
    prepared: PreparedDisk,
    disk: PathBuf,
    /// Where it is.
    _directory: TempDir,
    has_network: bool,
}

/// Measures boots with each number of processors.
pub fn measure(programs: &Programs, rounds: usize) -> Result<Report> {
    let contenders = programs.present(&CONTENDERS);
    let bench = Bench::new(programs)?;
    // A first boot makes what each copy of the disk has for itself.
    bench.run(Contender::Pteg, PROCESSORS[0])?;
    let turns: Vec<_> = PROCESSORS
        .iter()
        .flat_map(|&processors| contenders.iter().map(move |&contender| (processors, contender)))
        .collect();
    let runs = Results::measure("login", rounds, &turns, |(processors, contender)| {
        bench.run(contender, processors)
    })?;
    let table = table(&contenders, &runs, bench.has_network);
    Ok(Report {
        rounds,
        markdown: format!("**Seconds on the clock from the start**\n\n{}", table.markdown()),
        picture: None,
    })
}

impl<'p> Bench<'p> {
    fn new(programs: &'p Programs) -> Result<Self> {
        let directory = tempfile::tempdir().map_err(|source| Error::io("making", &std::env::temp_dir(), source))?;
        let disk = directory.path().join("root.img");
        let pteg = programs.pteg();
        let failed = |source| Error::Run {
            program: pteg.display().to_string(),
            source,
        };
        let mut make = Command::new(pteg);
        make.args(["image", IMAGE, "--output"]).arg(&disk).stdin(Stdio::null());
        let status = make.status().map_err(failed)?;
        if !status.success() {
            return Err(Error::Failed {
                who: "pteg image".to_owned(),
                status,
                said: String::new(),
            });
        }
        let image = DiskImage::by_name(IMAGE).expect("it is an image");
        let prepared = image
            .in_cache(&Cache::from_environment()?)
            .ok_or_else(|| Error::Unreadable {
                what: "the cache of root disks",
                text: format!(
                    "{} has made another one than this program knows: build both",
                    pteg.display()
                ),
            })?;
        let has_network = network::is_installed("passt");
        if !has_network {
            eprintln!("benches: SKIPPED: ssh, as there is no passt in PATH: `apt install passt` brings it");
        }
        Ok(Self {
            programs,
            prepared,
            disk,
            _directory: directory,
            has_network,
        })
    }

    fn run(&self, contender: Contender, processors: u32) -> Result<Times> {
        let guest = Guest {
            kernel: &self.prepared.kernel,
            initrd: Some(&self.prepared.initrd),
            append: &self.prepared.append,
            processors,
            boot_rom: None,
            is_counted: false,
        };
        let mut command = self.programs.command(contender, &guest);
        let port = network::free_port()
            .map_err(|source| Error::io("looking for a free port of", Path::new("the host"), source))?;
        let port = self.has_network.then_some(port);
        let passt = match (contender, port) {
            (Contender::Pteg, _) | (_, None) => None,
            (_, Some(port)) => Some(Passt::start(Some((port, SSH_PORT)))?),
        };
        command.args(devices(contender, &self.disk, port, passt.as_ref()));
        let is_over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let began = Instant::now();
            let mut running = Running::start_with_keyboard(contender.name(), command)?;
            drop(passt);
            let asking = port.map(|port| {
                let is_over = &is_over;
                let ask = move || network::wait_for_server(port, SSH, began + LIMIT, is_over);
                scope.spawn(move || ask().then(|| began.elapsed().as_secs_f64()))
            });
            let to_login = running.wait_for(AT_LOGIN);
            is_over.store(to_login.is_err(), Relaxed);
            let to_ssh = asking.map(|asking| asking.join().expect("it does not panic"));
            let to_login = to_login?.as_secs_f64();
            let to_ssh = match to_ssh {
                Some(None) => return Err(no_ssh(contender, began)),
                Some(time) => time,
                None => None,
            };
            running.type_line("root")?;
            running.wait_for(AT_PROMPT)?;
            running.type_line("poweroff")?;
            running.wait_for_end()?;
            Ok(Times { to_login, to_ssh })
        })
    }
}

fn no_ssh(contender: Contender, began: Instant) -> Error {
    Error::Silent {
        who: contender.name().to_owned(),
        awaited: "the first word of its ssh server".to_owned(),
        seconds: began.elapsed().as_secs(),
        said: String::new(),
    }
}

/// A disk, randomness, and a network through which `port` of the host leads to the ssh server.
fn devices(contender: Contender, disk: &Path, port: Option<u16>, passt: Option<&Passt>) -> Vec<OsString> {
    let mut words = match contender {
        Contender::Pteg => vec![
            "--disk".to_owned(),
            format!("{},format=raw", disk.display()),
            "--rng".to_owned(),
        ],
        _ => vec![
            "-drive".to_owned(),
            format!("file={},format=raw,if=none,id=disk", disk.display()),
            "-device".to_owned(),
            "virtio-blk-pci,drive=disk".to_owned(),
            "-device".to_owned(),
            "virtio-rng-pci".to_owned(),
        ],
    };
    match (contender, port) {
        (_, None) => {}
        (Contender::Pteg, Some(port)) => {
            words.extend(["--net".to_owned(), format!("user,hostfwd=tcp:{port}-{SSH_PORT}")]);
        }
        (_, Some(_)) => {
            let descriptor = passt.map_or(-1, Passt::descriptor);
            words.extend([
                "-netdev".to_owned(),
                format!("stream,id=net,server=off,addr.type=fd,addr.str={descriptor}"),
                "-device".to_owned(),
                "virtio-net-pci,netdev=net,romfile=".to_owned(),
            ]);
        }
    }
    words.into_iter().map(OsString::from).collect()
}

fn table(contenders: &[Contender], runs: &Results<Times, (u32, Contender)>, has_network: bool) -> Table {
    let names = contenders.iter().map(|contender| contender.name().to_owned());
    let mut table = Table::comparing_first("boot", names.collect());
    for processors in PROCESSORS {
        let mut row = |what: &str, time: fn(&Times) -> Option<f64>| {
            let samples = contenders.iter().map(|&contender| {
                runs.of((processors, contender))
                    .iter()
                    .filter_map(time)
                    .collect::<Samples>()
            });
            let s = if processors == 1 { "" } else { "s" };
            table
                .rows
                .push((format!("{processors} processor{s}, to {what}"), samples.collect()));
        };
        row("login", |times| Some(times.to_login));
        if has_network {
            row("ssh", |times| times.to_ssh);
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_are_given_the_same_devices() {
        let words = |contender, port| {
            let words = devices(contender, Path::new("/d"), port, None);
            words.join(" ".as_ref()).into_string().unwrap()
        };
        assert_eq!(words(Contender::Pteg, None), "--disk /d,format=raw --rng");
        assert_eq!(
            words(Contender::Qemu, None),
            "-drive file=/d,format=raw,if=none,id=disk -device virtio-blk-pci,drive=disk -device virtio-rng-pci"
        );
        assert!(words(Contender::Pteg, Some(7)).ends_with(" --net user,hostfwd=tcp:7-22"));
        assert!(words(Contender::Qemu, Some(7)).contains("virtio-net-pci,netdev=net"));
    }

    #[test]
    fn there_is_a_row_for_each_boot_and_each_end() {
        let turns: Vec<_> = PROCESSORS.map(|processors| (processors, Contender::Pteg)).into();
        let runs = Results::measure("a test", 1, &turns, |(processors, _)| {
            Ok(Times {
                to_login: f64::from(processors),
                to_ssh: Some(9.0),
            })
        });
        let table = table(&[Contender::Pteg], &runs.unwrap(), true).markdown();
        for row in [
            "| 1 processor, to login ",
            "| 1 processor, to ssh ",
            "| 4 processors, to login ",
            "| 4.00 (4.00–4.00)",
            "| 9.00",
        ] {
            assert!(table.contains(row), "{table}");
        }
    }
}
