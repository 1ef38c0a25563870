//! One round: a guest in a child of this program, heard to its end.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use clap::ValueEnum as _;
use guest_images::stress::{self, Length, Operation, Part, Plant, Round};
use hpt::Histogram;
use power::insn::Endian;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tempfile::NamedTempFile;

use super::Error;
use super::args::StressArgs;
use super::moments::{EVERY_MS, Moment};
use super::ranges::{Ranges, Taken};
use super::said::{Told, Work, name};
use super::ticker::Ticker;
use crate::cli::AccelArg;
use crate::guest_run::{Ended, Hypervisor, Interrupt, LOOK, Said, Task};
use crate::socket::Socket;

/// How long a guest may say nothing; it says something each second that it is given.
const PATIENCE: Duration = Duration::from_secs(300);

/// Name of the socket at which the child is asked.
const SOCKET: &str = "socket";

/// The exit status of a pteg that finds fault with its command line.
const WRONG_USE: i32 = 2;

/// What came of a round.
#[derive(Debug)]
pub(super) enum Outcome {
    /// Nothing was found.
    Passed(Figures),
    /// Something was.
    Failed(Failure),
}

/// A round that has ended.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) outcome: Outcome,
    /// What was counted meanwhile.
    pub(super) moments: Vec<Moment>,
}

/// What a round came to that found nothing.
#[derive(Debug)]
pub(super) struct Figures {
    /// What the processors did.
    pub(super) work: Work,
    /// The hypercalls that were made, by name.
    pub(super) hypercalls: BTreeMap<String, Calls>,
    /// What was done to its memory meanwhile, if anything was.
    pub(super) taken: Option<Taken>,
}

/// What became of one hypercall's calls.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Calls {
    /// How often it was made.
    pub(super) count: u64,
    /// How long all of them took; of those that pteg timed.
    pub(super) seconds: f64,
    /// How long one took at most.
    pub(super) longest_seconds: f64,
    /// Of those that pteg timed: how many took from 2^n to 2^(n+1) - 1 nanoseconds.
    #[serde(default)]
    pub(super) took_log2_ns: Vec<u64>,
}

impl Calls {
    /// Adds those of another round.
    pub(super) fn add(&mut self, other: &Self) {
        self.count += other.count;
        self.seconds += other.seconds;
        self.longest_seconds = self.longest_seconds.max(other.longest_seconds);
        if self.took_log2_ns.len() < other.took_log2_ns.len() {
            self.took_log2_ns.resize(other.took_log2_ns.len(), 0);
        }
        for (sum, more) in self.took_log2_ns.iter_mut().zip(&other.took_log2_ns) {
            *sum += more;
        }
    }

    /// How long they took.
    pub(super) fn timed(&self) -> Histogram {
        let mut timed = Histogram::default();
        for (bucket, &count) in timed.buckets.iter_mut().zip(&self.took_log2_ns) {
            *bucket = count;
        }
        timed
    }
}

/// What was found.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Failure {
    /// In a line.
    pub(super) what: String,
    /// The last hypercalls of each processor, the oldest first.
    pub(super) last_calls: Vec<String>,
    /// What pteg said on stderr, if it is pteg that failed.
    pub(super) complaints: String,
    /// Of processors that take turns: the short program that finds it as well, for people.
    #[serde(default)]
    pub(super) program: Vec<String>,
}

/// Runs rounds.
pub(super) struct Runner {
    /// The guest of each byte order.
    guests: [(Endian, NamedTempFile); 2],
    accel: AccelArg,
    plant: Option<Plant>,
    /// The seed draws the turns of the processors.
    takes_turns: bool,
    /// Whether the user wants no more.
    interrupt: Interrupt,
}

/// A guest, to be run.
struct Run<'a> {
    round: &'a Round,
    guest: &'a Path,
    length: Length,
    /// How long it may take on the host.
    most: Duration,
}

impl Runner {
    /// For what `args` say.
    pub(super) fn new(args: &StressArgs, interrupt: Interrupt) -> Result<Self, Error> {
        if args.threads.is_none() {
            let folder = tempfile::tempdir().map_err(Error::Folder)?;
            Socket::check("TMPDIR", &folder.path().join(SOCKET)).map_err(Error::Socket)?;
        }
        let guest = |endian| Ok::<_, Error>((endian, file_of(&Part::All, endian)?));
        Ok(Self {
            guests: [guest(Endian::Big)?, guest(Endian::Little)?],
            accel: args.accel,
            plant: args.plant.map(super::args::PlantArg::of_guest),
            takes_turns: args.threads.is_some(),
            interrupt,
        })
    }

    /// Runs `round` for so many milliseconds of its own clock.
    pub(super) fn run(&self, round: &Round, milliseconds: u64, ticker: &mut Ticker) -> Result<Done, Error> {
        let (_, guest) = &self.guests[usize::from(round.endian == Endian::Little)];
        let run = Run {
            round,
            guest: guest.path(),
            length: Length::Milliseconds(milliseconds),
            // Each processor's first operations, on a host that has fewer processors and is slow.
            most: PATIENCE + round.processors * 100 * Duration::from_millis(milliseconds),
        };
        self.run_guest(&run, ticker)
    }

    /// Runs `part` of `round`'s operations, until its first processor would have done so many, and for `most` at most.
    pub(super) fn run_part(
        &self,
        round: &Round,
        part: BTreeSet<Operation>,
        operations: u32,
        most: Duration,
        ticker: &mut Ticker,
    ) -> Result<Done, Error> {
        let guest = file_of(&Part::Only(part), round.endian)?;
        let run = Run {
            round,
            guest: guest.path(),
            length: Length::Operations(operations.into()),
            most,
        };
        self.run_guest(&run, ticker)
    }

    fn run_guest(&self, run: &Run<'_>, ticker: &mut Ticker) -> Result<Done, Error> {
        let round = run.round;
        // A folder: pteg writes beside its file, and may be killed then.
        let folder = tempfile::tempdir().map_err(Error::Folder)?;
        let [statistics, series, socket] = ["statistics", "series", SOCKET].map(|name| folder.path().join(name));
        let accel = self.accel.to_possible_value().expect("none is hidden");
        let mut flags = [
            "--accel",
            accel.get_name(),
            "--hpt-order",
            &round.table_order.to_string(),
            "--no-profile",
            "--stats-json",
            &statistics.to_string_lossy(),
            "--stats-series",
            &series.to_string_lossy(),
            "--stats-every",
            &EVERY_MS.to_string(),
        ]
        .map(str::to_owned)
        .to_vec();
        if self.takes_turns {
            flags.extend(["--turns".to_owned(), round.seed.to_string()]);
        }
        if round.unmaps {
            flags.extend(["--control".to_owned(), socket.to_string_lossy().into_owned()]);
        }
        let pteg = Hypervisor::myself(flags)?;
        let mut words = round.words(run.length);
        // KVM-PR sets C for loads, too.
        if self.accel == AccelArg::Emulated || self.takes_turns || !cfg!(target_arch = "powerpc64") {
            words += " exact=1";
        }
        if let Some(plant) = self.plant {
            words += &format!(" plant={}", plant as u64);
        }
        let mut running = pteg.start(&Task {
            elf: run.guest,
            append: &words,
            processors: round.processors,
            memory_mib: round.memory_mib(),
        })?;
        let ranges = round.unmaps.then(|| Ranges::begin(round, socket));
        let mut told = Told::default();
        let (began, mut heard) = (Instant::now(), Instant::now());
        let mut outcome = loop {
            let said = running.line(LOOK).map_err(Error::Wait)?;
            // Before what came is judged: the same signal may have ended pteg.
            if let Some(signal) = self.interrupt.signal().filter(|_| told.finding.is_none()) {
                return Err(signal.into());
            }
            let why = match said {
                Said::Line(_) | Said::Nothing if began.elapsed() > run.most => {
                    format!("the guest does not end in {} s", run.most.as_secs())
                }
                Said::Line(line) => {
                    heard = Instant::now();
                    if let Some(reached) = told.hear(&line) {
                        ticker.reach(reached);
                    }
                    ticker.tick();
                    continue;
                }
                Said::Ended(ended) => {
                    break judge(told, ended, || {
                        timed(&fs::read_to_string(&statistics).unwrap_or_default())
                    })?;
                }
                // In turns a second of the guest's clock may take the host long: there the end alone counts.
                Said::Nothing if heard.elapsed() > PATIENCE && !self.takes_turns => {
                    format!("the guest has said nothing for {} s", PATIENCE.as_secs())
                }
                Said::Nothing => {
                    ticker.tick();
                    continue;
                }
            };
            let ended = running.kill().map_err(Error::Wait)?;
            break Outcome::Failed(Failure::of(why, told, ended.complaints));
        };
        if let Some(ranges) = ranges {
            add_taken(&mut outcome, ranges.end());
        }
        let moments = Moment::all(&fs::read_to_string(&series).unwrap_or_default());
        Ok(Done { outcome, moments })
    }
}

impl Failure {
    fn of(what: String, told: Told, complaints: String) -> Self {
        Self {
            what,
            last_calls: told.last_calls,
            complaints,
            program: Vec::new(),
        }
    }
}

/// The guest that does `part`, as a file while it is used.
fn file_of(part: &Part, endian: Endian) -> Result<NamedTempFile, Error> {
    let mut file = NamedTempFile::new().map_err(Error::Guest)?;
    file.write_all(&stress::elf(part, endian)).map_err(Error::Guest)?;
    Ok(file)
}

/// What a guest that has said `told` came to, whose pteg has `ended`.
fn judge(told: Told, ended: Ended, timed: impl FnOnce() -> BTreeMap<String, Calls>) -> Result<Outcome, Error> {
    let passed = told.verdict.as_deref() == Some("pass");
    if passed && ended.status.success() {
        let mut hypercalls = timed();
        for &(number, count) in &told.calls {
            hypercalls.entry(name(number)).or_default().count = count;
        }
        hypercalls.retain(|_, calls| calls.count > 0);
        return Ok(Outcome::Passed(Figures {
            work: told.work(),
            hypercalls,
            taken: None,
        }));
    }
    if let Some(finding) = &told.finding {
        return Ok(Outcome::Failed(Failure::of(finding.clone(), told, ended.complaints)));
    }
    let what = match &told.verdict {
        Some(verdict) if !passed => verdict.clone(),
        Some(_) => format!("the guest has passed, but pteg did not end well: {}", ended.status),
        None if ended.status.code() == Some(WRONG_USE) => return Err(Error::Refused(ended.complaints)),
        None => format!("the guest ended without a verdict, pteg with {}", ended.status),
    };
    Ok(Outcome::Failed(Failure::of(what, told, ended.complaints)))
}

/// Adds what was done to the guest's memory meanwhile, or that it could not be.
fn add_taken(outcome: &mut Outcome, taken: Result<Taken, String>) {
    match (outcome, taken) {
        (Outcome::Passed(figures), Ok(taken)) => figures.taken = Some(taken),
        (Outcome::Failed(_), Ok(_)) => {}
        (outcome @ Outcome::Passed(_), Err(what)) => {
            // What pteg has said on stderr is not kept of a guest that passes.
            *outcome = Outcome::Failed(Failure::of(what, Told::default(), String::new()));
        }
        (Outcome::Failed(failure), Err(what)) => failure.what += &format!("; {what}"),
    }
}

/// The times of hypercalls in the file of `--stats-json`; what is not there was not timed.
fn timed(statistics: &str) -> BTreeMap<String, Calls> {
    let statistics: Value = serde_json::from_str(statistics).unwrap_or_default();
    let calls = statistics["hypercalls"]["calls"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let of = |call: &Value| {
        let times = Calls {
            count: 0,
            seconds: call["seconds"].as_f64()?,
            longest_seconds: call["longest_seconds"].as_f64()?,
            took_log2_ns: serde_json::from_value(call["took_ns"]["log2_counts"].clone()).unwrap_or_default(),
        };
        Some((call["name"].as_str()?.to_owned(), times))
    };
    calls.iter().filter_map(of).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;
    use std::process::ExitStatus;

    use super::*;

    fn judged(lines: &[&str], status: i32, complaints: &str) -> Result<Outcome, Error> {
        let mut told = Told::default();
        for line in lines {
            told.hear(line);
        }
        let ended = Ended {
            status: ExitStatus::from_raw(status << 8),
            complaints: complaints.to_owned(),
        };
        let statistics = r#"{"hypercalls":{"calls":[{"name":"H_REMOVE","count":9,"seconds":0.5,"longest_seconds":0.25,
            "took_ns":{"log2_counts":[0,3]}},
            {"name":"H_PUT_TERM_CHAR","count":9,"seconds":0.5,"longest_seconds":0.25}]}}"#;
        judge(told, ended, || timed(statistics))
    }

    fn failure(lines: &[&str], status: i32, complaints: &str) -> Failure {
        match judged(lines, status, complaints).unwrap() {
            Outcome::Failed(failure) => failure,
            Outcome::Passed(_) => panic!("{lines:?} {status}"),
        }
    }

    #[test]
    fn a_guest_that_passes_has_figures_of_the_guests_calls() {
        let lines = [
            "stress: hypercall 0x4 times 3",
            "stress: hypercall 0x8 times 0",
            "VERDICT stress: pass",
        ];
        let Outcome::Passed(figures) = judged(&lines, 0, "").unwrap() else {
            panic!("it has passed");
        };
        let calls = Calls {
            count: 3,
            seconds: 0.5,
            longest_seconds: 0.25,
            took_log2_ns: vec![0, 3],
        };
        assert_eq!(figures.hypercalls, BTreeMap::from([("H_REMOVE".to_owned(), calls)]));
    }

    #[test]
    fn whatever_else_a_guest_does_is_found() {
        let found = failure(
            &["stress: finding by processor 0: it is so", "VERDICT stress: fail it"],
            0,
            "x",
        );
        assert_eq!(
            (found.what.as_str(), found.complaints.as_str()),
            ("by processor 0: it is so", "x")
        );
        assert_eq!(failure(&["VERDICT stress: fail it"], 0, "x").complaints, "x");
        assert!(
            failure(&["VERDICT stress: pass"], 1, "x")
                .what
                .contains("did not end well")
        );
        assert!(failure(&[], 0, "").what.contains("without a verdict"));
        assert!(failure(&["stress: "], 1, "").what.contains("without a verdict"));
    }

    #[test]
    fn a_pteg_that_refuses_its_flags_is_no_finding() {
        let error = judged(&[], 2, "pteg: --accel kvm: no\n").err().unwrap();
        assert!(error.to_string().contains("--accel kvm: no"), "{error}");
    }

    #[test]
    fn statistics_that_are_not_there_are_no_times() {
        for text in [
            "",
            "x",
            "{}",
            r#"{"hypercalls":null}"#,
            r#"{"hypercalls":{"calls":[{"name":3}]}}"#,
        ] {
            assert!(timed(text).is_empty(), "{text}");
        }
    }
}
