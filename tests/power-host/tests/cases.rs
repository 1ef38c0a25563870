//! The cases of `power_host_tests::CASES`, each as a test, on the host that the environment names:
//!
//! | variable | what it is |
//! |---|---|
//! | `PTEG_POWER_HOST` | the host: `powernv8-4k` and the like, or `native` |
//! | `PTEG_POWER_HOST_KERNEL` | of an emulated host: its kernel |
//! | `PTEG_BIN` | the `pteg` for that host; the other programs are beside it |
//! | `PTEG_POWER_HOST_LONG` | if it is set, every case is run, and what is left to chance is tried far more often |
//!
//! `cargo xtask power-host test` sets them. A host is booted when the first case needs it, and again after a case that broke
//! it; the cases come one after the other. At the end stands how long each took, and what it shows however it ended.

use std::env;
use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use guest_images::{Cache, Stderr};
use libtest_mimic::{Arguments, Failed, Trial};
use power_host_tests::{
    Accelerator, CASES, Effort, Error, Host, PROGRAMS, Packed, Place, Qemu, Ran, Root, Run, Setup, judge, shown,
};

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    let Ok(name) = env::var("PTEG_POWER_HOST") else {
        eprintln!("SKIPPED: no host is named in PTEG_POWER_HOST: `cargo xtask power-host test` does that");
        return ExitCode::SUCCESS;
    };
    let runner = match runner(&name) {
        Ok(runner) => Arc::new(Mutex::new(runner)),
        Err(why) => {
            eprintln!("{why}");
            return ExitCode::FAILURE;
        }
    };
    let place: Place = name.parse().expect("`runner` has read it");
    let lacks_kvm = runner.lock().expect("nobody has it").lacks_kvm();
    if let Some(why) = &lacks_kvm {
        eprintln!("SKIPPED: every case under KVM: {why}");
    }
    let reports = Arc::new(Mutex::new(Vec::new()));
    let trials = Run::all(CASES, place, effort()).into_iter().map(|run| {
        let (runner, reports) = (Arc::clone(&runner), Arc::clone(&reports));
        let is_skipped = lacks_kvm.is_some() && run.accelerator == Some(Accelerator::Kvm);
        let trial = Trial::test(format!("{name}::{run}"), move || {
            let mut runner = runner.lock().map_err(|_| Failed::from("a case before it panicked"))?;
            let began = Instant::now();
            let ran = runner.run(&run)?;
            let mut reports = reports.lock().map_err(|_| Failed::from("a case before it panicked"))?;
            reports.push(format!("{run}: {:.1} s", began.elapsed().as_secs_f64()));
            reports.extend(shown(run.case, &ran.output).map(|line| format!("{run}: {line}")));
            Ok(judge(run.case, &ran)?)
        });
        trial.with_ignored_flag(is_skipped)
    });
    let trials: Vec<Trial> = trials.collect();
    // There is one host, with one console.
    arguments.test_threads = Some(1);
    let conclusion = libtest_mimic::run(&arguments, trials);
    for report in reports.lock().into_iter().flat_map(|reports| reports.clone()) {
        eprintln!("POWER host: {report}");
    }
    let ended = runner.lock().map(|mut runner| runner.end());
    match ended {
        Ok(Err(why)) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
        _ => conclusion.exit_code(),
    }
}

/// How much the environment wants to be tried.
fn effort() -> Effort {
    match env::var_os("PTEG_POWER_HOST_LONG") {
        Some(_) => Effort::Long,
        None => Effort::Usual,
    }
}

/// Whoever runs cases.
enum Runner {
    Native { pteg: PathBuf },
    Emulated(Box<Emulated>),
}

/// An emulated host, which may be running.
struct Emulated {
    place: Place,
    setup: Setup,
    pteg: PathBuf,
    root: Option<Packed>,
    host: Option<Host>,
    /// Why it does not boot: it would not the next time either.
    does_not_boot: Option<String>,
}

fn runner(name: &str) -> Result<Runner, String> {
    let path = |variable: &str| {
        let path = env::var_os(variable).map(PathBuf::from);
        path.filter(|path| path.is_file())
            .ok_or_else(|| format!("{variable} is not set to a file"))
    };
    let pteg = path("PTEG_BIN")?;
    let place = name.parse()?;
    Ok(match place {
        Place::Native => Runner::Native { pteg },
        Place::Emulated(machine, _) => {
            let kernel = path("PTEG_POWER_HOST_KERNEL")?;
            let qemu = Cache::from_environment().map_err(Error::from);
            let qemu = qemu.and_then(|cache| Qemu::of(&cache, &Stderr::new()));
            let qemu = qemu.map_err(|error| sentence(&error))?;
            Runner::Emulated(Box::new(Emulated {
                place,
                setup: Setup::new(qemu, machine, kernel),
                pteg,
                root: None,
                host: None,
                does_not_boot: None,
            }))
        }
    })
}

impl Runner {
    fn run(&mut self, run: &Run) -> Result<Ran, String> {
        match self {
            Self::Native { pteg } => natively(run, pteg),
            Self::Emulated(emulated) => emulated.run(run),
        }
    }

    /// Why guests cannot run under KVM, if they cannot. The kernel of an emulated host was made so that they can.
    fn lacks_kvm(&self) -> Option<String> {
        let Self::Native { pteg } = self else { return None };
        let doctor = Command::new(pteg).arg("doctor").output();
        let report = doctor.map_or_else(
            |error| error.to_string(),
            |output| String::from_utf8_lossy(&output.stdout).into_owned(),
        );
        (!report.contains("Guests run on KVM-PR")).then(|| format!("pteg doctor says\n{report}"))
    }

    fn end(&mut self) -> Result<(), String> {
        match self {
            Self::Emulated(emulated) => emulated
                .host
                .take()
                .map_or(Ok(()), |host| host.power_off().map_err(|error| sentence(&error))),
            Self::Native { .. } => Ok(()),
        }
    }
}

impl Emulated {
    fn run(&mut self, run: &Run) -> Result<Ran, String> {
        if let Some(why) = &self.does_not_boot {
            return Err(format!("the host does not boot: {why}"));
        }
        let mut host = match self.host.take() {
            Some(host) => host,
            None => self.boot().map_err(|error| {
                let why = sentence(&error);
                self.does_not_boot.get_or_insert(why).clone()
            })?,
        };
        let ran = host
            .run(&run.to_string(), run.patience(), |_| ())
            .map_err(|error| sentence(&error))?;
        self.host = Some(host);
        Ok(ran)
    }

    fn boot(&mut self) -> Result<Host, Error> {
        if self.root.is_none() {
            let cache = Cache::from_environment()?;
            let mut root = Root::new(&self.pteg)?;
            root.runs(&Run::all(CASES, self.place, effort()), &cache, &Stderr::new())?;
            self.root = Some(root.pack(&cache, &Stderr::new())?);
        }
        let root = self.root.as_ref().expect("it is packed by now");
        Host::boot(&self.setup, root)
    }
}

/// Runs a case on this machine, in a directory of its own.
fn natively(run: &Run, pteg: &Path) -> Result<Ran, String> {
    let directory = tempfile::tempdir().map_err(|error| format!("making a directory for it: {error}"))?;
    let prepared = || -> Result<(), Error> {
        let cache = Cache::from_environment()?;
        let unwritable = |source| Error::Read {
            path: directory.path().to_owned(),
            source,
        };
        for file in run.case.files {
            for (name, contents) in file.contents(&cache, &Stderr::new())? {
                fs::write(directory.path().join(name), contents).map_err(unwritable)?;
            }
        }
        fs::create_dir(directory.path().join("bin")).map_err(unwritable)?;
        PROGRAMS.iter().try_for_each(|program| {
            let link = directory.path().join("bin").join(program);
            symlink(pteg.with_file_name(program), link).map_err(unwritable)
        })
    };
    prepared().map_err(|error| sentence(&error))?;
    let mut path = directory.path().join("bin").into_os_string();
    path.push(":");
    path.push(env::var_os("PATH").unwrap_or_default());
    // Out of the way of what a case calls its own files.
    let output = directory.path().join("bin/output");
    let ran = || -> io::Result<Option<Ran>> {
        let file = fs::File::create(&output)?;
        let mut shell = Command::new("sh")
            .args(["-c", &run.script()])
            .current_dir(directory.path())
            .env("PATH", path)
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .spawn()?;
        let deadline = Instant::now() + run.patience();
        let status = loop {
            if let Some(status) = shell.try_wait()? {
                break status;
            }
            if Instant::now() >= deadline {
                shell.kill()?;
                shell.wait()?;
                return Ok(None);
            }
            thread::sleep(Duration::from_millis(10));
        };
        Ok(Some(Ran {
            output: String::from_utf8_lossy(&fs::read(&output)?).into_owned(),
            status: status.code(),
            kernel: Vec::new(),
        }))
    };
    match ran() {
        Ok(Some(ran)) => Ok(ran),
        Ok(None) => Err(format!("it takes longer than {} s", run.patience().as_secs())),
        Err(error) => Err(format!("running it: {error}")),
    }
}

/// An error and its causes in one line.
fn sentence(error: &dyn std::error::Error) -> String {
    let mut sentence = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        sentence += &format!(": {error}");
        cause = error.source();
    }
    sentence
}
