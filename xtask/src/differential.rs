//! `cargo xtask differential`: the long mode of the comparison with QEMU, `emulator/tests/fixed_oracle`. It is built with
//! optimisations, and its lines are shown as they come.

use std::num::NonZeroU64;
use std::process::ExitCode;

use crate::output::Tally;
use crate::step::{self, Outcome, Step};
use crate::tools;
use crate::workspace::Workspace;

/// The processors that can be compared, the default first.
const PROCESSORS: [&str; 2] = ["power8", "power9"];

/// Which processor, how long, from where, on how many threads.
#[derive(Debug, PartialEq, Eq)]
struct Plan {
    /// The processor, as QEMU names it.
    cpu: &'static str,
    /// Millions of instructions.
    millions: u64,
    /// The first seed.
    seed: u64,
    /// Threads, each with a QEMU of its own. `None`: as many as there are processors.
    threads: Option<u64>,
}

/// The command with its arguments.
pub fn command(workspace: &Workspace, arguments: &[&str]) -> ExitCode {
    let plan = match parse(arguments) {
        Ok(plan) => plan,
        Err(wrong) => {
            eprintln!("xtask: {wrong} (cargo xtask help says more)");
            return ExitCode::from(2);
        }
    };
    let step = Step::new("differential test", |workspace, _: &mut Tally| run(workspace, &plan));
    step::run_all(workspace, &[step])
}

fn parse(arguments: &[&str]) -> Result<Plan, String> {
    let mut plan = Plan {
        cpu: PROCESSORS[0],
        millions: 100,
        seed: 1,
        threads: None,
    };
    let mut rest = arguments.iter();
    while let Some(&argument) = rest.next() {
        if !matches!(argument, "--cpu" | "--millions" | "--seed" | "--threads") {
            return Err(format!(
                "`{argument}` is no argument of differential: there are --cpu MODEL, --millions N, --seed S and --threads T"
            ));
        }
        if argument == "--cpu" {
            let named = PROCESSORS.into_iter().find(|cpu| rest.as_slice().first() == Some(cpu));
            plan.cpu = named.ok_or_else(|| format!("`--cpu` needs one of {}", PROCESSORS.join(" and ")))?;
            rest.next();
            continue;
        }
        let text = rest.next().ok_or_else(|| format!("`{argument}` needs a number"))?;
        // A program's number stands in the low half of what it is made from, so a seed has 32 bits.
        let most = if argument == "--threads" {
            1024
        } else {
            u64::from(u32::MAX) / 2
        };
        let number = text.parse::<NonZeroU64>().ok().filter(|number| number.get() <= most);
        let number = number.ok_or_else(|| format!("`{argument}` needs a number from 1 to {most}, not `{text}`"))?;
        match argument {
            "--millions" => plan.millions = number.get(),
            "--seed" => plan.seed = number.get(),
            _ => plan.threads = Some(number.get()),
        }
    }
    Ok(plan)
}

fn run(workspace: &Workspace, plan: &Plan) -> Outcome {
    let qemu = match tools::qemu_user() {
        Ok(qemu) => qemu,
        Err(why) => return Outcome::Failed(why),
    };
    let threads = plan
        .threads
        .unwrap_or_else(|| std::thread::available_parallelism().map_or(1, |threads| threads.get() as u64));
    let mut test = workspace.cargo(&[
        "test",
        "--locked",
        "--release",
        "-p",
        "emulator",
        "--test",
        "fixed_oracle",
    ]);
    test.args(["--", "--ignored", "--exact", "--nocapture", "long_mode"])
        .env("PTEG_QEMU_USER", qemu)
        .env("PTEG_CPU", plan.cpu)
        .env("PTEG_MILLIONS", plan.millions.to_string())
        .env("PTEG_SEED", plan.seed.to_string())
        .env("PTEG_THREADS", threads.to_string())
        // The frames are the test's; the message says enough.
        .env("RUST_BACKTRACE", "0");
    match test.status() {
        Ok(status) if status.success() => Outcome::Passed,
        Ok(_) => Outcome::Failed("it failed; the lines above say where".to_owned()),
        Err(error) => Outcome::Failed(format!("starting cargo: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_numbers_with_a_name() {
        let plan = parse(&["--millions", "1000", "--seed", "7", "--threads", "2", "--cpu", "power9"]);
        assert_eq!(
            plan,
            Ok(Plan {
                cpu: "power9",
                millions: 1000,
                seed: 7,
                threads: Some(2)
            })
        );
        for wrong in [
            &["--millions"][..],
            &["--millions", "0"],
            &["--seed", "-1"],
            &["--cpu"],
            &["--cpu", "power7"],
            &["--seed", "4294967296"],
            &["--threads", "2000"],
            &["5"],
        ] {
            assert!(parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
