//! The `io` benchmark: what Linux in a guest gets out of its disk, by fio, and out of its networks, by iperf3. The programs are Debian's. pteg and QEMU have
//! the same kernel, programs, file, tap interface, and passt behind them.

mod lines;

use std::ffi::OsString;
use std::io::Write as _;
use std::path::Path;

use guest_images::{Cache, Image, ImageOptions, Init, Prepared, Stderr, Userland};
use tempfile::NamedTempFile;

use crate::contender::{Contender, Guest, Programs};
use crate::error::{Error, Result};
use crate::guest::IO_SCRIPT;
use crate::network::{self, Listener, Passt, Place};
use crate::process::Running;
use crate::report::Report;
use crate::rounds::Results;
use crate::statistics::Samples;
use crate::table::Table;

const CONTENDERS: [Contender; 2] = [Contender::Pteg, Contender::Qemu];

/// What is booted.
const IMAGE: &str = "debian";

/// What it runs.
const USERLAND: Userland = Userland {
    name: "io",
    packages: &["fio", "iperf3"],
    // fio's scripts are in Python; users and settings are only for iperf3 as a service.
    without: &["adduser", "debconf", "init-system-helpers", "python3"],
    without_files: &["usr/share/doc", "usr/share/locale", "usr/share/man"],
};

/// Size of the disk: it stays in the host's memory, as what is measured is the device.
const DISK_MIB: usize = 128;

/// Seconds of each measurement, by the guest's clock.
const SECONDS: u32 = 2;

/// Seconds before them: what is executed often is compiled by then, in either.
const RAMP: u32 = 2;

/// The card's address: the host need not learn another one with each guest.
const MAC: &str = "52:54:00:12:34:56";

/// On the console when everything is measured.
const AT_DONE: &str = "bench: all done";

/// A work at the disk.
struct Work {
    /// What tables call it.
    name: &'static str,
    /// What the guest calls it.
    word: &'static str,
    /// Requests under way.
    depth: u32,
    /// fio's flags, with commas between them.
    flags: &'static str,
}

const WORKS: [Work; 6] = [
    Work {
        name: "sequential read, 16 under way",
        word: "read",
        depth: 16,
        flags: "rw=read",
    },
    Work {
        name: "sequential write, 16 under way",
        word: "write",
        depth: 16,
        flags: "rw=write",
    },
    Work {
        name: "random read, 16 under way",
        word: "randread",
        depth: 16,
        flags: "rw=randread",
    },
    Work {
        name: "random write, 16 under way",
        word: "randwrite",
        depth: 16,
        flags: "rw=randwrite",
    },
    Work {
        name: "random read, one at a time",
        word: "one",
        depth: 1,
        flags: "rw=randread",
    },
    Work {
        name: "write and flush, one at a time",
        word: "flush",
        depth: 1,
        flags: "rw=write,fdatasync=1",
    },
];

/// Directions of a network: what tables call it, and what the guest does.
const DIRECTIONS: [(&str, &str); 2] = [("guest to host", "to-host"), ("host to guest", "to-guest")];

/// The device of a guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Setting {
    Disk,
    UserNetwork,
    Tap,
}

impl Setting {
    /// What tables call it.
    fn name(self) -> &'static str {
        match self {
            Self::Disk => "disk",
            Self::UserNetwork => "user network (passt)",
            Self::Tap => "tap interface",
        }
    }
}

/// What a run said: a word, and how many requests or megabits a second.
type Rates = Vec<(String, f64)>;

/// All settings, each run by each contender.
type Runs = Results<Rates, (Setting, Contender)>;

/// What the runs share.
struct Bench<'p> {
    programs: &'p Programs,
    prepared: Prepared,
    disk: NamedTempFile,
    /// Where the tap interface is; `None` if there can be none.
    place: Option<Place>,
}

/// Measures what this host has devices for.
pub fn measure(programs: &Programs, rounds: usize) -> Result<Report> {
    let contenders = programs.present(&CONTENDERS);
    let bench = Bench {
        programs,
        prepared: prepare()?,
        disk: disk()?,
        place: Place::new(),
    };
    let settings = bench.settings();
    let turns: Vec<_> = settings
        .iter()
        .flat_map(|&setting| contenders.iter().map(move |&contender| (setting, contender)))
        .collect();
    let runs = Runs::measure("io", rounds, &turns, |(setting, contender)| {
        bench.run(setting, contender)
    })?;
    let disk = disk_table(&contenders, &runs);
    let mut markdown = format!(
        "**Requests of 4 KiB a second at a disk, in thousands**\n\n{}\n",
        disk.markdown()
    );
    if settings.len() > 1 {
        let networks = network_table(&contenders, &settings, &runs).markdown();
        markdown += &format!("**Megabits a second of one TCP connection**\n\n{networks}\n");
    }
    Ok(Report {
        rounds,
        markdown,
        picture: None,
    })
}

fn prepare() -> Result<Prepared> {
    let cache = Cache::from_environment()?;
    let image = Image::by_name(IMAGE).expect("it is an image");
    let options = ImageOptions {
        init: Init::Replace(IO_SCRIPT.to_owned()),
        userland: Some(&USERLAND),
        ..ImageOptions::default()
    };
    Ok(image.prepare(&cache, &Stderr::new(), &options)?)
}

/// A file all of which the host has given memory and space for.
fn disk() -> Result<NamedTempFile> {
    let failed = |source| Error::io("writing a disk in", &std::env::temp_dir(), source);
    let mut file = NamedTempFile::new().map_err(failed)?;
    let mib = vec![0x5a; 1 << 20];
    (0..DISK_MIB).try_for_each(|_| file.write_all(&mib)).map_err(failed)?;
    file.as_file().sync_all().map_err(failed)?;
    Ok(file)
}

impl Bench<'_> {
    /// Those that this host has devices for; of the others it says why not.
    fn settings(&self) -> Vec<Setting> {
        let mut settings = vec![Setting::Disk];
        if !network::is_installed("iperf3") {
            eprintln!("benches: SKIPPED: networks, as there is no iperf3 in PATH: `apt install iperf3` brings it");
            return settings;
        }
        if network::is_installed("passt") {
            settings.push(Setting::UserNetwork);
        } else {
            eprintln!(
                "benches: SKIPPED: the user network, as there is no passt in PATH: `apt install passt` brings it"
            );
        }
        if self.place.is_some() {
            settings.push(Setting::Tap);
        } else {
            eprintln!(
                "benches: SKIPPED: the tap interface, as a network namespace that has one takes root, iproute2 and /dev/net/tun"
            );
        }
        settings
    }

    fn run(&self, setting: Setting, contender: Contender) -> Result<Rates> {
        let mut append = format!("{} quiet ramp={RAMP} seconds={SECONDS}", self.prepared.append);
        let listener = match setting {
            Setting::Disk => {
                append += &format!(" works={}", works());
                None
            }
            Setting::UserNetwork => Some(Listener::start(None)?),
            Setting::Tap => Some(Listener::start(self.place.as_ref())?),
        };
        if let Some(listener) = &listener {
            append += &format!(" port={}", listener.port());
        }
        if setting == Setting::Tap {
            append += &format!(" host={}", Place::ADDRESS);
        }
        let guest = Guest {
            kernel: &self.prepared.kernel,
            initrd: Some(&self.prepared.initrd),
            append: &append,
            processors: 1,
            boot_rom: None,
            is_counted: false,
        };
        let mut command = self.programs.command(contender, &guest);
        let passt = (setting == Setting::UserNetwork && contender != Contender::Pteg)
            .then(|| Passt::start(None))
            .transpose()?;
        command.args(devices(contender, setting, self.disk.path(), passt.as_ref()));
        if let (Setting::Tap, Some(place)) = (setting, &self.place) {
            command = place.enter(&command);
        }
        let mut running = Running::start(contender.name(), command)?;
        drop(passt);
        running.wait_for(AT_DONE)?;
        let console = running.wait_for_end()?.console;
        match setting {
            Setting::Disk => lines::of_fio(&console),
            Setting::UserNetwork | Setting::Tap => lines::of_iperf(&console),
        }
    }
}

/// The works as the guest is told of them.
fn works() -> String {
    let each = WORKS
        .iter()
        .map(|work| format!("{}:{}:{}", work.word, work.depth, work.flags));
    each.collect::<Vec<_>>().join("/")
}

/// What gives a guest the device of `setting`. QEMU's are PCI devices as pteg's are, without the network boot of a package that need not be there, and
/// otherwise as its users have them.
fn devices(contender: Contender, setting: Setting, disk: &Path, passt: Option<&Passt>) -> Vec<OsString> {
    let words: Vec<String> = match (contender, setting) {
        (Contender::Pteg, Setting::Disk) => vec!["--disk".to_owned(), format!("{},format=raw", disk.display())],
        (Contender::Pteg, Setting::UserNetwork) => vec!["--net".to_owned(), format!("user,mac={MAC}")],
        (Contender::Pteg, Setting::Tap) => vec!["--net".to_owned(), format!("tap={},mac={MAC}", Place::TAP)],
        (_, Setting::Disk) => vec![
            "-drive".to_owned(),
            format!("file={},format=raw,if=none,id=disk", disk.display()),
            "-device".to_owned(),
            "virtio-blk-pci,drive=disk".to_owned(),
        ],
        (_, Setting::UserNetwork) => vec![
            "-netdev".to_owned(),
            format!(
                "stream,id=net,server=off,addr.type=fd,addr.str={}",
                passt.map_or(-1, Passt::descriptor)
            ),
            "-device".to_owned(),
            format!("virtio-net-pci,netdev=net,mac={MAC},romfile="),
        ],
        (_, Setting::Tap) => vec![
            "-netdev".to_owned(),
            format!("tap,id=net,ifname={},script=no,downscript=no", Place::TAP),
            "-device".to_owned(),
            format!("virtio-net-pci,netdev=net,mac={MAC},romfile="),
        ],
    };
    words.into_iter().map(OsString::from).collect()
}

/// The rates of `word` in each run.
fn samples(runs: &[Rates], word: &str) -> Samples {
    let rates = runs.iter().flatten();
    rates
        .filter(|(other, _)| other == word)
        .map(|(_, rate)| *rate)
        .collect()
}

fn table(of: &'static str, contenders: &[Contender]) -> Table {
    let names = contenders.iter().map(|contender| contender.name().to_owned());
    Table::comparing_first(of, names.collect())
}

fn disk_table(contenders: &[Contender], runs: &Runs) -> Table {
    let mut table = table("requests", contenders);
    for work in &WORKS {
        let row = contenders
            .iter()
            .map(|&contender| samples(runs.of((Setting::Disk, contender)), work.word));
        table.rows.push((work.name.to_owned(), row.collect()));
    }
    table
}

fn network_table(contenders: &[Contender], settings: &[Setting], runs: &Runs) -> Table {
    let mut table = table("network and direction", contenders);
    for &setting in settings.iter().filter(|&&setting| setting != Setting::Disk) {
        for (name, word) in DIRECTIONS {
            let row = contenders
                .iter()
                .map(|&contender| samples(runs.of((setting, contender)), word));
            table.rows.push((format!("{}, {name}", setting.name()), row.collect()));
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_are_given_the_same_devices() {
        let words = |contender, setting| {
            let words = devices(contender, setting, Path::new("/d"), None);
            words.join(" ".as_ref()).into_string().unwrap()
        };
        assert_eq!(words(Contender::Pteg, Setting::Disk), "--disk /d,format=raw");
        assert_eq!(
            words(Contender::Qemu, Setting::Disk),
            "-drive file=/d,format=raw,if=none,id=disk -device virtio-blk-pci,drive=disk"
        );
        for setting in [Setting::UserNetwork, Setting::Tap] {
            for contender in CONTENDERS {
                assert!(words(contender, setting).contains(&format!("mac={MAC}")));
            }
        }
    }

    #[test]
    fn the_guest_is_told_of_every_work_and_direction() {
        let works = works();
        assert_eq!(works.split('/').count(), WORKS.len());
        assert!(works.starts_with("read:16:rw=read/"), "{works}");
        assert!(
            !works.contains(' '),
            "the kernel's command line has spaces between variables"
        );
        for (_, direction) in DIRECTIONS {
            assert!(IO_SCRIPT.contains(direction), "{direction}");
        }
    }

    #[test]
    fn a_row_has_the_rates_of_its_work_by_contender() {
        let turns = CONTENDERS.map(|contender| (Setting::Disk, contender));
        let runs = Runs::measure("a test", 2, &turns, |(_, contender)| {
            let rate = if contender == Contender::Pteg { 3.0 } else { 2.0 };
            Ok(WORKS.iter().map(|work| (work.word.to_owned(), rate)).collect())
        });
        let table = disk_table(&CONTENDERS, &runs.unwrap());
        assert_eq!(table.rows.len(), WORKS.len());
        let text = table.markdown();
        assert!(
            text.contains("| 3.00 (3.00–3.00) | 2.00 (2.00–2.00) | 1.50 (1.50–1.50)"),
            "{text}"
        );
    }
}
