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
use crate::guest_run::{Hypervisor, NoHypervisor};
use crate::host::Host;
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
}

impl Error {
    /// Whether it was wrong to ask, which is exit status 2.
    pub(crate) fn is_misuse(&self) -> bool {
        matches!(
            self,
            Self::NoCase | Self::Accelerator(_) | Self::Hypervisor(NoHypervisor::NoQemu)
        )
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

    /// Runs the cases; tells `each` of each at once.
    fn run(&self, runner: &Runner, each: &mut dyn FnMut(usize, Outcome)) -> Result<(), Error> {
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
        Ok(runner.run(file.path(), &names, each)?)
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

/// Does what `args` ask for. The exit status is 0 when no case has failed, and else 1.
pub(crate) fn run(args: &ConformanceArgs) -> Result<ExitCode, Error> {
    let plans = plans(args)?;
    if args.list {
        return list(&plans).map_err(Error::Say);
    }
    if let Some(folder) = &args.emit_elf {
        return emit(&plans, folder);
    }
    let runner = pteg(args)?;
    match args.against {
        Some(Against::Qemu) => compare::run(&plans, &runner, &of_qemu(args)?),
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
fn pteg(args: &ConformanceArgs) -> Result<Runner, Error> {
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
    })
}

fn of_qemu(args: &ConformanceArgs) -> Result<Runner, Error> {
    Ok(Runner {
        hypervisor: Hypervisor::qemu()?,
        processors: args.smp,
        is_exact: true,
        patience: Duration::from_secs(args.patience.into()),
    })
}

/// Runs all of `plans` and says what comes of them.
fn all(plans: &[Plan], runner: &Runner, args: &ConformanceArgs) -> Result<ExitCode, Error> {
    let total = plans.iter().map(|plan| plan.cases.len()).sum();
    let mut tap = match &args.tap {
        Some(path) => Some(Tap::new(writer(path)?, total).map_err(Error::Say)?),
        None => None,
    };
    let is_silent = args.tap.as_deref() == Some(Path::new("-"));
    let mut results: Vec<Vec<Outcome>> = Vec::new();
    for plan in plans {
        let mut outcomes = Vec::new();
        let mut said = Ok(());
        let run = plan.run(runner, &mut |number, outcome| {
            if said.is_ok() {
                said = say(plan, number, &outcome, tap.as_mut(), is_silent);
            }
            outcomes.push(outcome);
        });
        if let (Err(error), Some(tap)) = (&run, &mut tap) {
            tap.bail_out(&error.to_string()).map_err(Error::Say)?;
        }
        run?;
        said.map_err(Error::Say)?;
        results.push(outcomes);
    }
    if let Some(path) = &args.junit {
        let document = junit::document(&suites(plans, &results));
        fs::write(path, document).map_err(|source| Error::File {
            path: path.clone(),
            source,
        })?;
    }
    let rows: Vec<(String, Count)> = plans
        .iter()
        .zip(&results)
        .map(|(plan, outcomes)| (plan.name.clone(), Count::of(outcomes)))
        .collect();
    if !is_silent {
        write!(io::stdout(), "\n{}", summary::table(&rows)).map_err(Error::Say)?;
    }
    Ok(status(&rows))
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
    let file = fs::File::create(path).map_err(|source| Error::File {
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
