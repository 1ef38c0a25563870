//! `cargo xtask bench`: builds pteg as users build it, and the program that measures it, and runs that.

use std::process::{Command, ExitCode};

use crate::workspace::Workspace;

/// Measures; `arguments` are for the program that does.
pub fn run(workspace: &Workspace, arguments: &[&str]) -> ExitCode {
    let build = [
        "build",
        "--release",
        "--locked",
        "--package",
        "vmm",
        "--package",
        "benches",
    ];
    let built = status(&mut workspace.cargo(&build));
    if built != ExitCode::SUCCESS {
        return built;
    }
    let programs = workspace.target().join("release");
    // Where the user is: a path among the arguments may be relative.
    let mut measure = Command::new(programs.join("benches"));
    status(measure.args(arguments).env("PTEG_BIN", programs.join("pteg")))
}

/// Runs `command` to its end, with this process's terminal.
fn status(command: &mut Command) -> ExitCode {
    match command.status() {
        Ok(status) => ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)),
        Err(error) => {
            eprintln!("xtask: starting {}: {error}", command.get_program().display());
            ExitCode::FAILURE
        }
    }
}
