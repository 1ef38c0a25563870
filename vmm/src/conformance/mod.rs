//! `pteg conformance`: runs named cases of hypercalls and translation in guests of pteg's, or writes their programs for others.
//!
//! What the cases are is `guest_images::conformance`'s. Here they are chosen (`args`), run in a child that may die (`suite`), and told of: a
//! line each, a table (`summary`), TAP (`tap`), JUnit's XML (`junit`), or beside another hypervisor's (`compare`, with what is `known`).

mod args;
mod compare;
mod junit;
mod known;
mod outcome;
mod suite;
mod summary;
mod tap;

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use guest_images::conformance::{self, Case, Configuration};

use crate::accel::choose::{ChooseError, Chosen, Wish, choose};
use crate::guest_run::{Hypervisor, Interrupt, Interrupted, NoHypervisor};
use crate::host::Host;
use crate::run::{ReportError, ReportFile, apart};
use crate::terminal;
use args::Against;
pub(crate) use args::ConformanceArgs;
use outcome::Outcome;
pub(crate) use suite::RunError;
use suite::Runner;
use summary::Count;
use tap::Tap;

/// Why cases could not be run or told of.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// Nothing is left of the cases.
    #[error("no case has such a name: pteg conformance --list names them all")]
    NoCase,
    /// What is to run the processors cannot.
    #[error(transparent)]
    Accelerator(#[from] ChooseError),
    /// Whom to compare with is not there.
    #[error(transparent)]
    Hypervisor(#[from] NoHypervisor),
    /// A guest could not be run.
    #[error(transparent)]
    Run(#[from] RunError),
    /// A file could not be written.
    #[error("writing {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Results could not be said.
    #[error("writing results")]
    Say(#[source] io::Error),
    /// The file for TAP.
    #[error("--tap {}: give a file in a folder that exists and that you may write to, or - for stdout", path.display())]
    Tap {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The file for JUnit's XML, or for both.
    #[error(transparent)]
    Junit(#[from] ReportError),
    /// Two forms in one stream.
    #[error("--tap - and --junit -: stdout has room for one of them; give the other a file")]
    BothOnStdout,
    /// Whether the user wants the end cannot be known.
    #[error("taking signals")]
    Signals(#[source] io::Error),
}

impl Error {
    /// Whether it was wrong to ask, which is exit status 2.
    pub(crate) fn is_misuse(&self) -> bool {
        match self {
            Self::Junit(error) => error.flag().is_some(),
            Self::NoCase | Self::Accelerator(_) | Self::Hypervisor(NoHypervisor::NoQemu) => true,
            Self::Tap { .. } | Self::BothOnStdout => true,
            Self::Hypervisor(_) | Self::Run(_) | Self::File { .. } | Self::Say(_) | Self::Signals(_) => false,
        }
    }
}

/// The cases of one configuration that are wanted, and its name.
struct Plan {
    configuration: Configuration,
    name: String,
    cases: Vec<Case>,
}

impl Plan {
    /// A case's name among those of all configurations.
    fn full_name(&self, case: usize) -> String {
        format!("{}/{}", self.name, self.cases[case].name())
    }

    /// Runs the cases; tells `each` of each at once. Returns the signal that kept it from running all.
    fn run(&self, runner: &Runner, each: &mut dyn FnMut(usize, Outcome)) -> Result<Option<Interrupted>, Error> {
        let elf = conformance::elf(self.configuration, &self.cases);
        let file = tempfile::NamedTempFile::new().and_then(|mut file| {
            file.write_all(&elf)?;
            Ok(file)
        });
        let file = file.map_err(|source| Error::File {
            path: std::env::temp_dir(),
            source,
        })?;
        let names: Vec<&str> = self.cases.iter().map(Case::name).collect();
        match runner.run(file.path(), &names, each) {
            Ok(()) => Ok(None),
            Err(RunError::Interrupted(signal)) => Ok(Some(signal)),
            Err(error) => Err(error.into()),
        }
    }
}

/// What `args` want.
fn plans(args: &ConformanceArgs) -> Result<Vec<Plan>, Error> {
    let plans: Vec<Plan> = args
        .configurations()
        .map(|configuration| {
            let name = configuration.to_string();
            let mut cases = conformance::cases(configuration);
            cases.retain(|case| args.wants(&format!("{name}/{}", case.name())));
            Plan {
                configuration,
                name,
                cases,
            }
        })
        .filter(|plan| !plan.cases.is_empty())
        .collect();
    if plans.is_empty() {
        Err(Error::NoCase)
    } else {
        Ok(plans)
    }
}

/// Does what `args` ask for. The exit status is 0 when no case has failed, 1 when one has, and a shell's for a signal when that was the end.
pub(crate) fn run(args: &ConformanceArgs) -> Result<ExitCode, Error> {
    let plans = plans(args)?;
    if args.list {
        return list(&plans).map_err(Error::Say);
    }
    if let Some(folder) = &args.emit_elf {
        return emit(&plans, folder);
    }
    let interrupt = Interrupt::take().map_err(Error::Signals)?;
    let runner = pteg(args, &interrupt)?;
    match args.against {
        Some(Against::Qemu) => compare::run(&plans, &runner, &of_qemu(args, &interrupt)?),
        None => all(&plans, &runner, args),
    }
}

fn list(plans: &[Plan]) -> io::Result<ExitCode> {
    let mut out = io::stdout().lock();
    for plan in plans {
        for (number, case) in plan.cases.iter().enumerate() {
            writeln!(out, "{}  [{}]", plan.full_name(number), case.section())?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn emit(plans: &[Plan], folder: &Path) -> Result<ExitCode, Error> {
    let failed = |path: &Path, source| Error::File {
        path: path.to_owned(),
        source,
    };
    fs::create_dir_all(folder).map_err(|source| failed(folder, source))?;
    for plan in plans {
        let path = folder.join(format!("conformance-{}.elf", plan.name));
        fs::write(&path, conformance::elf(plan.configuration, &plan.cases)).map_err(|source| failed(&path, source))?;
        writeln!(io::stdout(), "{}: {} cases", path.display(), plan.cases.len()).map_err(Error::Say)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// This program, with the accelerator that `args` want.
fn pteg(args: &ConformanceArgs, interrupt: &Interrupt) -> Result<Runner, Error> {
    let wish = Wish {
        accel: args.accel,
        processors: args.smp,
        ..Wish::any()
    };
    let chosen = choose(&wish, &Host::look())?.accelerator;
    let accel = match chosen {
        Chosen::Emulated => "emulated",
        Chosen::Kvm => "kvm",
    };
    Ok(Runner {
        hypervisor: Hypervisor::myself(vec!["--accel".to_owned(), accel.to_owned()])?,
        processors: args.smp,
        is_exact: chosen == Chosen::Emulated,
        patience: Duration::from_secs(args.patience.into()),
        interrupt: interrupt.clone(),
    })
}

fn of_qemu(args: &ConformanceArgs, interrupt: &Interrupt) -> Result<Runner, Error> {
    Ok(Runner {
        hypervisor: Hypervisor::qemu()?,
        processors: args.smp,
        is_exact: true,
        patience: Duration::from_secs(args.patience.into()),
        interrupt: interrupt.clone(),
    })
}

/// Runs all of `plans` and says what comes of them.
fn all(plans: &[Plan], runner: &Runner, args: &ConformanceArgs) -> Result<ExitCode, Error> {
    let stdout = Some(Path::new("-"));
    let (tap_on_stdout, junit_on_stdout) = (args.tap.as_deref() == stdout, args.junit.as_deref() == stdout);
    if tap_on_stdout && junit_on_stdout {
        return Err(Error::BothOnStdout);
    }
    apart([("--tap", args.tap.as_deref()), ("--junit", args.junit.as_deref())])?;
    let is_silent = tap_on_stdout || junit_on_stdout;
    // Tried now, and not when everything has been run.
    let junit = args.junit.as_deref().filter(|_| !junit_on_stdout);
    let junit = junit.map(|path| ReportFile::new("--junit", path)).transpose()?;
    let total = plans.iter().map(|plan| plan.cases.len()).sum();
    let mut tap = match &args.tap {
        Some(path) => Some(Tap::new(writer(path)?, total).map_err(Error::Say)?),
        None => None,
    };
    let mut results: Vec<Vec<Outcome>> = Vec::new();
    // What ended it before all was run.
    let mut end = Ok(None);
    for plan in plans {
        let mut outcomes = Vec::new();
        let mut said = Ok(());
        let run = plan.run(runner, &mut |number, outcome| {
            if said.is_ok() {
                said = say(plan, number, &outcome, tap.as_mut(), is_silent);
            }
            outcomes.push(outcome);
        });
        results.push(outcomes);
        end = run.and_then(|interrupted| said.map(|()| interrupted).map_err(Error::Say));
        if !matches!(end, Ok(None)) {
            break;
        }
    }
    let why = match &end {
        Ok(interrupted) => interrupted.map(|signal| signal.to_string()),
        Err(error) => Some(error.to_string()),
    };
    // The end is told of when all forms have what was run, whatever becomes of one of them.
    let bailed_out = match (why, &mut tap) {
        (Some(why), Some(tap)) => tap.bail_out(&why).map_err(Error::Say),
        _ => Ok(()),
    };
    let document = || junit::document(&suites(plans, &results));
    let written = if let Some(mut file) = junit {
        file.write(&document()).map_err(Error::from)
    } else if junit_on_stdout {
        write!(io::stdout(), "{}", document()).map_err(Error::Say)
    } else {
        Ok(())
    };
    let interrupted = end?;
    bailed_out?;
    written?;
    let rows: Vec<(String, Count)> = plans
        .iter()
        .zip(&results)
        .map(|(plan, outcomes)| (plan.name.clone(), Count::of(outcomes)))
        .collect();
    if !is_silent {
        write!(io::stdout(), "\n{}", summary::table(&rows)).map_err(Error::Say)?;
    }
    if let Some(signal) = interrupted {
        let done: usize = results.iter().map(Vec::len).sum();
        return Ok(stopped(signal, done, total));
    }
    Ok(status(&rows))
}

/// Says that `signal` was the end, when `done` of `total` cases had been run.
fn stopped(signal: Interrupted, done: usize, total: usize) -> ExitCode {
    terminal::say(&format!("pteg: {signal}: {done} of {total} cases were run"));
    ExitCode::from(signal.status())
}

/// 1 if any case has failed.
fn status(rows: &[(String, Count)]) -> ExitCode {
    if rows.iter().all(|(_, count)| count.failed == 0) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Where TAP goes.
fn writer(path: &Path) -> Result<Box<dyn Write>, Error> {
    if path == Path::new("-") {
        return Ok(Box::new(io::stdout()));
    }
    let file = fs::File::create(path).map_err(|source| Error::Tap {
        path: path.to_owned(),
        source,
    })?;
    Ok(Box::new(file))
}

/// Says what came of a case.
fn say(
    plan: &Plan,
    number: usize,
    outcome: &Outcome,
    tap: Option<&mut Tap<Box<dyn Write>>>,
    is_silent: bool,
) -> io::Result<()> {
    let (name, section) = (plan.full_name(number), plan.cases[number].section());
    if let Some(tap) = tap {
        tap.write(&name, section, outcome)?;
    }
    if is_silent {
        return Ok(());
    }
    let mut out = io::stdout().lock();
    write!(out, "{outcome}  {name}")?;
    if let Some(why) = outcome.why() {
        write!(out, ": {why}")?;
    }
    if matches!(outcome, Outcome::Fail(_)) {
        write!(out, " [{section}]")?;
    }
    writeln!(out)
}

/// Results by configuration.
fn suites<'a>(plans: &'a [Plan], results: &'a [Vec<Outcome>]) -> Vec<junit::Suite<'a>> {
    plans
        .iter()
        .zip(results)
        .map(|(plan, outcomes)| junit::Suite {
            name: plan.name.clone(),
            cases: plan
                .cases
                .iter()
                .zip(outcomes)
                .map(|(case, outcome)| (case.name(), case.section(), outcome))
                .collect(),
        })
        .collect()
}
