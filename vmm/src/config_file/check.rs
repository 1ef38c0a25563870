//! `pteg config check`.

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use crate::cli;
use crate::run;
use crate::terminal::say;

/// Says what is wrong with the file at `path`, or that nothing is.
pub(crate) fn check(path: &Path) -> ExitCode {
    let args = match cli::of_file(path) {
        Ok(args) => args,
        Err(answer) => return answer.print(),
    };
    let names_a_guest = args.image.is_some() || args.kernel.is_some();
    let errors = run::check(args);
    for error in &errors {
        say(&format!("pteg: {}", run::said(error)));
    }
    // What is wrong with the file goes before what is wrong with the machine.
    if let Some(worst) = errors.iter().max_by_key(|error| error.is_input()) {
        return worst.exit_code();
    }
    let rest = match names_a_guest {
        true => "",
        false => "; it names no image and no kernel, so pteg run wants one on the command line",
    };
    // Nobody is left to be told that stdout is closed.
    let _ = writeln!(std::io::stdout(), "{}: nothing is wrong{rest}", path.display());
    ExitCode::SUCCESS
}
