//! `pteg ctl`: asks a run at its control socket for something, and says what it answers. What can be asked for is
//! `control`'s.
//!
//! `args` is the command line, `client` the way there and back, `words` what a person reads.

mod args;
mod client;
mod words;

use std::io::{self, Write as _};
use std::process::ExitCode;

use serde_json::{Value, json};

use args::Command;
pub(crate) use args::CtlArgs;
use client::{Asked, ClientError};

use crate::terminal::say;

/// Does what `args` ask for.
pub(crate) fn run(args: &CtlArgs) -> ExitCode {
    match ask(args) {
        Ok(text) => {
            // Nobody is left to be told that stdout is closed.
            let _ = io::stdout().write_all(text.as_bytes());
            ExitCode::SUCCESS
        }
        Err(error) => {
            say(&format!("pteg: {error}"));
            ExitCode::from(if error.is_of_the_user() { 2 } else { 1 })
        }
    }
}

/// What is said on stdout.
fn ask(args: &CtlArgs) -> Result<String, ClientError> {
    let answer = client::ask(&args.vm, &request(&args.command)?)?;
    let is_raw = args.json || matches!(args.command, Command::Metrics);
    if is_raw {
        return Ok(answer);
    }
    let value: Value = serde_json::from_str(&answer).map_err(|_| ClientError::NotPteg(args.vm.clone()))?;
    Ok(words::of(&args.command, &value))
}

/// How a command is asked for.
fn request(command: &Command) -> Result<Asked, ClientError> {
    Ok(match command {
        Command::Info => Asked::get("/v1/info"),
        Command::Pause => Asked::post("/v1/pause", &json!({})),
        Command::Resume => Asked::post("/v1/resume", &json!({})),
        Command::Stop => Asked::post("/v1/stop", &json!({})),
        Command::Hpt => Asked::get("/v1/hpt"),
        Command::Metrics => Asked::get("/v1/metrics"),
        Command::Discard { ranges, force } => Asked::post("/v1/discard", &json!({"ranges": ranges, "force": force})),
        Command::Unmap { ranges } => Asked::post("/v1/unmap", &json!({"ranges": ranges})),
        Command::Dirty { start, stop } => {
            let action = match (start, stop) {
                (true, _) => "start",
                (_, true) => "stop",
                _ => "harvest",
            };
            Asked::post("/v1/dirty", &json!({"action": action}))
        }
        Command::Dump { path } => {
            let absolute = std::path::absolute(path).map_err(|source| ClientError::Path(path.clone(), source))?;
            let text = absolute.to_str().ok_or_else(|| ClientError::NotText(path.clone()))?;
            Asked::post("/v1/dump", &json!({"path": text}))
        }
    })
}
