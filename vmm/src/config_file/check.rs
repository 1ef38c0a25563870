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
    if let Some(error) = errors.first() {
        return error.exit_code();
    }
    let rest = match names_a_guest {
        true => "",
        false => "; it names no image and no kernel, so what it wants of this machine was not looked at",
    };
    // Nobody is left to be told that stdout is closed.
    let _ = writeln!(std::io::stdout(), "{}: nothing is wrong{rest}", path.display());
    ExitCode::SUCCESS
}
