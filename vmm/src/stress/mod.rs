//! `pteg stress`: guests that work on their page table as hard as they can, and know what may be seen, one after another
//! for as long as it is asked for. The guest is [`guest_images::stress`].
//!
//! `args` is the command line, `round` one guest from its start to its end, `said` what its lines mean, `ticker` what is said meanwhile,
//! `shrink` makes short what is found, `summary` is the table at the end, `record` the file of JSON lines.

mod args;
mod record;
mod round;
mod said;
mod shrink;
mod summary;
mod ticker;

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use clap::ValueEnum as _;
use guest_images::stress::Round;

pub(crate) use args::StressArgs;
use record::Records;
use round::{Failure, Outcome, Runner};
use summary::Summary;
use ticker::Ticker;

use crate::cli::AccelArg;
use crate::guest_run::NoHypervisor;
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
    /// The system does not tell of a child.
    #[error("waiting for a guest")]
    Wait(#[source] io::Error),
    /// The file that was asked for.
    #[error("--json {}", path.display())]
    Json {
        /// Its path.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: io::Error,
    },
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
        let is_use = matches!(self, Self::Json { .. } | Self::TurnsOnKvm | Self::Refused(_));
        ExitCode::from(if is_use { 2 } else { 1 })
    }
}

/// Does what `args` ask for: exit status 0 if nothing was found, 1 if something was.
pub(crate) fn run(args: &StressArgs) -> ExitCode {
    match try_rounds(args) {
        Ok(code) => code,
        Err(error) => {
            say(&format!("pteg: {}", crate::run::said(&error)));
            error.exit_code()
        }
    }
}

fn try_rounds(args: &StressArgs) -> Result<ExitCode, Error> {
    if args.threads.is_some() && args.accel == AccelArg::Kvm {
        return Err(Error::TurnsOnKvm);
    }
    let mut records = args.json.as_deref().map(Records::create).transpose()?;
    let runner = Runner::new(args)?;
    let first = args.seed.unwrap_or_else(seed_of_now);
    tell(&format!("stress: seeds from {first} on; --seed {first} does it again"));
    let mut summary = Summary::default();
    let mut ticker = Ticker::new(args.seconds);
    let most = args.rounds.unwrap_or(u64::MAX);
    let mut left_ms = args.seconds.saturating_mul(1000);
    for (_, seed) in (0..most).zip(args.shard.seeds(first)) {
        if left_ms == 0 {
            break;
        }
        let round = Round::of_seed(seed, args.vcpus);
        ticker.begin(&round);
        let begun = Instant::now();
        let (outcome, milliseconds) = if args.threads.is_none() {
            let milliseconds = left_ms.min(ROUND_MS);
            (runner.run(&round, milliseconds, &mut ticker)?, milliseconds)
        } else {
            let outcome = shrink::run(&runner, &round, &mut ticker)?;
            (outcome, begun.elapsed().as_millis() as u64)
        };
        left_ms = left_ms.saturating_sub(milliseconds);
        ticker.end(milliseconds);
        match &outcome {
            Outcome::Passed(figures) => {
                tell(&format!(
                    "{round}: {} operations, nothing found",
                    figures.work.operations
                ));
                summary.add(figures);
            }
            Outcome::Failed(failure) => tell_of(&round, failure, args),
        }
        // After it was said: a full disk must not cost a finding.
        if let Some(records) = &mut records {
            records.add(&round, &outcome)?;
        }
        if let Outcome::Failed(_) = outcome {
            return Ok(ExitCode::FAILURE);
        }
    }
    tell(&summary.to_string());
    Ok(ExitCode::SUCCESS)
}

/// Says what was found, and how to see it again.
fn tell_of(round: &Round, failure: &Failure, args: &StressArgs) {
    tell(&format!("{round}: FOUND {}", failure.what));
    for call in &failure.last_calls {
        tell(&format!("  {call}"));
    }
    for line in failure.complaints.lines() {
        tell(&format!("  on stderr: {line}"));
    }
    for line in &failure.program {
        tell(line);
    }
    tell(&format!("again: {}", command_of(round, args)));
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
