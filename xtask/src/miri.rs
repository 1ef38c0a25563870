//! The tests of hpt under Miri, which finds undefined behaviour and, on one interleaving a run, data races. It is part of
//! nightly toolchains only.

use std::process::Stdio;

use crate::output::{Tally, run_tests};
use crate::step::Outcome;
use crate::workspace::Workspace;

/// The cargo commands that may have it.
const CARGOS: [(&str, &[&str]); 2] = [("cargo", &["+nightly", "miri"]), ("cargo", &["miri"])];

/// Runs it.
pub fn run(workspace: &Workspace, tally: &mut Tally) -> Outcome {
    let Some((cargo, words)) = CARGOS.into_iter().find(|(cargo, words)| {
        let mut command = workspace.command(*cargo, words);
        // rustup's cargo obeys `+nightly` only where no toolchain has been chosen by the one that runs this.
        command.arg("--version").env_remove("RUSTUP_TOOLCHAIN");
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    }) else {
        let why =
            "no toolchain here has Miri, so nothing was checked: `rustup toolchain install nightly --component miri`";
        return Outcome::Skipped(why.to_owned());
    };
    let mut command = workspace.command(cargo, words);
    command
        // The tests in `tests/` take far fewer rounds there.
        .args(["test", "--locked", "--package", "hpt"])
        .env_remove("RUSTUP_TOOLCHAIN")
        // Set by cargo for this process, they name the other toolchain's programs.
        .env_remove("CARGO")
        .env_remove("RUSTC")
        // A directory of its own: another compiler.
        .env("CARGO_TARGET_DIR", workspace.target().join("miri"))
        // Random inputs and their time are the host's.
        .env("MIRIFLAGS", "-Zmiri-disable-isolation");
    run_tests(&mut command, tally)
}
