//! `pteg stress`: guests that work on their page table as hard as they can, and know what may be seen, one after another
//! for as long as it is asked for. The guest is [`guest_images::stress`].
//!
//! `args` is the command line, `round` one guest from its start to its end, `ranges` what is done to its memory meanwhile, `said` what its lines mean, `moments` what pteg counts meanwhile, `ticker` what is
//! said meanwhile, `shrink` makes short what is found, `summary` is the table at the end, `record` the file of JSON lines, `report` the page.

mod args;
#[cfg(test)]
mod deploy;
mod moments;
mod ranges;
mod record;
mod report;
mod round;
mod said;
mod shrink;
mod summary;
mod ticker;

use std::collections::BTreeSet;
use std::io::{self, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Instant, SystemTime, UNIX_EPOCH};
use std::{env, fs};

use clap::ValueEnum as _;
use guest_images::stress::Round;

pub(crate) use args::StressArgs;
use record::{NoRecord, Record, Records};
use report::Report;
use round::{Failure, Runner};
use summary::Summary;
use ticker::Ticker;

use crate::cli::AccelArg;
use crate::guest_run::{Interrupt, Interrupted, NoHypervisor};
use crate::run::{ReportError, apart};
use crate::socket::SocketError;
use crate::terminal::say;

/// How long a round takes by its guest's clock.
const ROUND_MS: u64 = 3000;

/// Why nothing could be tried.
#[derive(Debug, thiserror::Error)]
enum Error {
    /// There is nobody to run a guest.
    #[error(transparent)]
    NoHypervisor(#[from] NoHypervisor),
    /// The guest is a file while it runs.
    #[error("writing the guest to a temporary file")]
    Guest(#[source] io::Error),
    /// A control socket needs a short path.
    #[error(transparent)]
    Socket(SocketError),
    /// What pteg counts is in files.
    #[error("making a temporary folder")]
    Folder(#[source] io::Error),
    /// The system does not tell of a child.
    #[error("waiting for a guest")]
    Wait(#[source] io::Error),
    /// The file that was asked for cannot be made.
    #[error("--json {}", path.display())]
    Json {
        /// Its path.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: io::Error,
    },
    /// It does not take a round.
    #[error("writing {}", path.display())]
    Write {
        /// Its path.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The page.
    #[error(transparent)]
    Report(#[from] ReportError),
    /// A file to read.
    #[error("--from {}", path.display())]
    From {
        /// Its path.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: NoRecord,
    },
    /// A file to read twice.
    #[error("--from {}: the same file is given twice, and its rounds would count twice; give it once", path.display())]
    Twice {
        /// Its path, as it is given the second time.
        path: PathBuf,
    },
    /// Whether the user wants the end cannot be known.
    #[error("taking signals")]
    Signals(#[source] io::Error),
    /// One has come.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
    /// Processors that nobody can make take turns.
    #[error(
        "--accel kvm: with --threads 1 processors take turns by the instruction, which emulated ones can; leave out one of the two"
    )]
    TurnsOnKvm,
    /// pteg itself would not run such a guest here.
    #[error("a guest could not be started; pteg said:\n{0}")]
    Refused(String),
}

impl Error {
    /// 2 for what is wrong with the command line, 1 for a machine that cannot.
    fn exit_code(&self) -> ExitCode {
        let is_use = match self {
            Self::Json { .. } | Self::From { .. } | Self::Twice { .. } => true,
            Self::TurnsOnKvm | Self::Refused(_) | Self::Socket(_) => true,
            Self::Report(error) => error.flag().is_some(),
            Self::Interrupted(signal) => return ExitCode::from(signal.status()),
            Self::NoHypervisor(_) | Self::Guest(_) | Self::Folder(_) | Self::Wait(_) => false,
            Self::Write { .. } | Self::Signals(_) => false,
        };
        ExitCode::from(if is_use { 2 } else { 1 })
    }
}

/// Does what `args` ask for: exit status 0 if nothing was found, 1 if something was, and a shell's for a signal when that was the end.
pub(crate) fn run(args: &StressArgs) -> ExitCode {
    let done = if args.from.is_empty() {
        try_rounds(args)
    } else {
        retell(args)
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            complain(&error);
            error.exit_code()
        }
    }
}

/// Says what is wrong.
fn complain(error: &(dyn std::error::Error + 'static)) {
    say(&format!("pteg: {}", crate::run::said(error)));
}

/// Where rounds are told of, beside what is said of each.
struct Tellers {
    summary: Summary,
    records: Option<Records>,
    report: Option<Report>,
    /// That the page could not be written has been said.
    has_complained: bool,
}

impl Tellers {
    fn new(args: &StressArgs) -> Result<Self, Error> {
        let (json, report) = (args.json.as_deref(), args.report.as_deref());
        apart([("--json", json), ("--report", report)])?;
        for from in &args.from {
            apart([("--from", Some(from.as_path())), ("--report", report)])?;
        }
        let words: Vec<String> = env::args_os()
            .skip(1)
            .map(|word| word.to_string_lossy().into_owned())
            .collect();
        let report = |path: &PathBuf| Report::new(path, format!("pteg {}", words.join(" ")));
        Ok(Self {
            summary: Summary::default(),
            report: args.report.as_ref().map(report).transpose()?,
            records: args.json.as_deref().map(Records::create).transpose()?,
            has_complained: false,
        })
    }

    /// Takes in a round, and has the files have it. A page that cannot be written costs no round: the next one is about all of them.
    ///
    /// # Errors
    /// The file of JSON does not take it.
    fn add(&mut self, record: &Record) -> Result<(), Error> {
        self.summary.add(record);
        if let Some(report) = &mut self.report {
            report.add(record);
            let written = report.write();
            self.has(written);
        }
        match &mut self.records {
            Some(records) => records.add(record),
            None => Ok(()),
        }
    }

    /// There are no more rounds, for this reason.
    fn end(&mut self, why: &str) {
        if let Some(report) = &mut self.report {
            let written = report.end(why);
            self.has(written);
        }
    }

    /// Complains, once, if the page was not `written`.
    fn has(&mut self, written: Result<(), ReportError>) {
        if let Err(error) = written
            && !self.has_complained
        {
            self.has_complained = true;
            complain(&error);
        }
    }
}

fn try_rounds(args: &StressArgs) -> Result<ExitCode, Error> {
    if args.threads.is_some() && args.accel == AccelArg::Kvm {
        return Err(Error::TurnsOnKvm);
    }
    let mut tellers = Tellers::new(args)?;
    let interrupt = Interrupt::take().map_err(Error::Signals)?;
    let runner = Runner::new(args, interrupt)?;
    let first = args.seed.unwrap_or_else(seed_of_now);
    tell(&format!("stress: seeds from {first} on; --seed {first} does it again"));
    match rounds(args, first, &runner, &mut tellers) {
        Ok(true) => {
            tellers.end("ended by the finding");
            Ok(ExitCode::FAILURE)
        }
        Ok(false) => {
            tell(&tellers.summary.to_string());
            tellers.end("all that were asked for");
            Ok(ExitCode::SUCCESS)
        }
        Err(error) if tellers.summary.rounds == 0 && !matches!(error, Error::Interrupted(_)) => {
            tellers.end("ended by an error");
            Err(error)
        }
        Err(error) => Ok(cut_off(&error, tellers)),
    }
}

/// Runs the rounds from the seed `first` on; tells whether it was a finding that ended them.
fn rounds(args: &StressArgs, first: u64, runner: &Runner, tellers: &mut Tellers) -> Result<bool, Error> {
    let mut ticker = Ticker::new(args.seconds);
    let most = args.rounds.unwrap_or(u64::MAX);
    let mut left_ms = args.seconds.saturating_mul(1000);
    for (_, seed) in (0..most).zip(args.shard.seeds(first)) {
        if left_ms == 0 {
            break;
        }
        let mut round = Round::of_seed(seed, args.vcpus);
        // Another thread would be no function of the seed.
        round.unmaps &= args.threads.is_none();
        ticker.begin(&round);
        let begun = Instant::now();
        let (done, milliseconds) = if args.threads.is_none() {
            let milliseconds = left_ms.min(ROUND_MS);
            (runner.run(&round, milliseconds, &mut ticker), milliseconds)
        } else {
            let done = shrink::run(runner, &round, &mut ticker);
            (done, begun.elapsed().as_millis() as u64)
        };
        left_ms = left_ms.saturating_sub(milliseconds);
        ticker.end(milliseconds);
        let record = Record::new(&round, done?, args.threads.is_some(), command_of(&round, args));
        match (&record.finding, &record.work) {
            (Some(failure), _) => tell_of(&round, failure, &record.again),
            (None, work) => tell(&format!(
                "{round}: {} operations, nothing found",
                work.map_or(0, |work| work.operations)
            )),
        }
        // After it was said: a full disk must not cost a finding.
        let added = tellers.add(&record);
        if record.finding.is_some() {
            if let Err(error) = added {
                complain(&error);
            }
            return Ok(true);
        }
        added?;
    }
    Ok(false)
}

/// The rounds that have ended are told of; the one that was running when `error` came, if any, is not. What was right for the first of them is no wrong
/// use for the next.
fn cut_off(error: &Error, mut tellers: Tellers) -> ExitCode {
    complain(error);
    tell(&tellers.summary.to_string());
    match error {
        Error::Interrupted(signal) => {
            tellers.end(&signal.to_string());
            ExitCode::from(signal.status())
        }
        error => {
            tellers.end(&format!("ended by an error: {}", crate::run::said(error)));
            ExitCode::FAILURE
        }
    }
}

/// Tells of rounds that other runs have recorded.
fn retell(args: &StressArgs) -> Result<ExitCode, Error> {
    each_once(&args.from)?;
    let mut tellers = Tellers::new(args)?;
    for path in &args.from {
        let each = |record: Record| {
            if let Some(failure) = &record.finding {
                tell_of(&record.round(), failure, &record.again);
            }
            tellers.summary.add(&record);
            if let Some(report) = &mut tellers.report {
                report.add(&record);
            }
        };
        Record::read(path, each).map_err(|source| Error::From {
            path: path.clone(),
            source,
        })?;
    }
    let found = tellers.summary.found;
    tell(&tellers.summary.to_string());
    if let Some(report) = &mut tellers.report {
        report.end("as other runs have recorded them")?;
    }
    Ok(if found == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Whether no two of `paths` are one file. One that is not there is told of by who opens it.
fn each_once(paths: &[PathBuf]) -> Result<(), Error> {
    let mut seen = BTreeSet::new();
    for path in paths {
        if let Ok(file) = fs::metadata(path)
            && !seen.insert((file.dev(), file.ino()))
        {
            return Err(Error::Twice { path: path.clone() });
        }
    }
    Ok(())
}

/// Says what was found, and how to see it again. The words are a guest's, or of a file that may be anybody's.
fn tell_of(round: &Round, failure: &Failure, again: &str) {
    tell(&format!("{round}: FOUND {}", plain(&failure.what)));
    for call in &failure.last_calls {
        tell(&format!("  {}", plain(call)));
    }
    for line in failure.complaints.lines() {
        tell(&format!("  on stderr: {}", plain(line)));
    }
    for line in &failure.program {
        tell(&plain(line));
    }
    tell(&format!("again: {}", plain(again)));
}

/// `text` in one line, with control characters escaped: a terminal would obey them.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() {
            plain.extend(c.escape_default());
        } else {
            plain.push(c);
        }
    }
    plain
}

/// What runs `round` alone.
fn command_of(round: &Round, args: &StressArgs) -> String {
    let name =
        |value: Option<clap::builder::PossibleValue>| value.map_or_else(String::new, |it| it.get_name().to_owned());
    let mut command = format!(
        "pteg stress --vcpus {} --seed {} --rounds 1 --accel {}",
        args.vcpus,
        round.seed,
        name(args.accel.to_possible_value())
    );
    if let Some(threads) = args.threads {
        command += &format!(" --threads {threads}");
    }
    if let Some(plant) = args.plant {
        command += &format!(" --plant {}", name(plant.to_possible_value()));
    }
    command
}

/// A line on stdout.
fn tell(text: &str) {
    // Nobody is left to be told that stdout is closed.
    let _ = writeln!(io::stdout(), "{text}");
}

/// Another one each time.
fn seed_of_now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    // Two that begin at about the same time, on two machines, share no rounds.
    since.as_nanos() as u64 >> 10
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_escaped() {
        let said = "sch\u{f6}n \"it\" \\ \u{1b}[2J\r\n\u{9b}31m\u{7f}";
        assert_eq!(plain(said), "sch\u{f6}n \"it\" \\ \\u{1b}[2J\\r\\n\\u{9b}31m\\u{7f}");
    }
}
