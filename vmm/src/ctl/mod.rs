//! `pteg ctl`: asks a run at its control socket for something, and says what it answers. What can be asked for is
//! `control`'s.
//!
//! `args` is the command line, `client` the way there and back, `answers` tells what pteg answers from what else listens at
//! sockets, `words` is what a person reads.

mod answers;
mod args;
mod client;
mod words;

use std::io::{self, Write as _};
use std::process::ExitCode;

use serde_json::{Value, json};

use args::Command;
pub(crate) use args::CtlArgs;
pub(crate) use client::{Asked, ClientError, ask};

use crate::terminal::say;

/// Does what `args` ask for.
pub(crate) fn run(args: &CtlArgs) -> ExitCode {
    match answer(args) {
        Ok(text) => {
            // Nobody is left to be told that stdout is closed.
            let _ = io::stdout().write_all(answers::harmless(&text).as_bytes());
            ExitCode::SUCCESS
        }
        Err(error) => {
            say(&format!("pteg: {}", answers::harmless(&error.to_string())));
            ExitCode::from(if error.is_of_the_user() { 2 } else { 1 })
        }
    }
}

/// What is said on stdout.
fn answer(args: &CtlArgs) -> Result<String, ClientError> {
    let is_metrics = matches!(args.command, Command::Metrics);
    if is_metrics && args.json {
        return Err(ClientError::NoJson);
    }
    let answer = ask(&args.vm, &request(&args.command)?)?;
    let not_pteg = || ClientError::NotPteg(args.vm.clone());
    if is_metrics {
        return answers::is_metrics(&answer).then_some(answer).ok_or_else(not_pteg);
    }
    let value: Value = serde_json::from_str(&answer).map_err(|_| not_pteg())?;
    if !answers::is_of(&args.command, &value) {
        return Err(not_pteg());
    }
    Ok(if args.json {
        answer
    } else {
        words::of(&args.command, &value)
    })
}

/// How a command is asked for.
fn request(command: &Command) -> Result<Asked, ClientError> {
    Ok(match command {
        Command::Info => Asked::get("/v1/info"),
        Command::Pause => Asked::post("/v1/pause", &json!({})),
        Command::Resume => Asked::post("/v1/resume", &json!({})),
        Command::Powerdown => Asked::post("/v1/powerdown", &json!({})),
        Command::Reset => Asked::post("/v1/reset", &json!({})),
        Command::Stop => Asked::post("/v1/stop", &json!({})),
        Command::Hpt => Asked::get("/v1/hpt"),
        Command::Metrics => Asked::get("/v1/metrics"),
        Command::Balloon { size: None } => Asked::get("/v1/balloon"),
        Command::Balloon { size: Some(bytes) } => Asked::post("/v1/balloon", &json!({"bytes": bytes})),
        Command::Discard { ranges, force } => {
            Asked::post("/v1/discard", &json!({"ranges": ranges, "force": force})).without_haste()
        }
        Command::Unmap { ranges } => Asked::post("/v1/unmap", &json!({"ranges": ranges})).without_haste(),
        Command::Dirty { start, stop } => {
            let action = match (start, stop) {
                (true, _) => "start",
                (_, true) => "stop",
                _ => "harvest",
            };
            Asked::post("/v1/dirty", &json!({"action": action})).without_haste()
        }
        Command::Watch {
            ranges,
            loads,
            seconds,
            most,
        } => {
            let wanted = json!({"ranges": ranges, "loads": loads, "seconds": seconds, "most": most});
            Asked::post("/v1/watch", &wanted).without_haste()
        }
        Command::Dump { path } => {
            let absolute = std::path::absolute(path).map_err(|source| ClientError::Path(path.clone(), source))?;
            let text = absolute.to_str().ok_or_else(|| ClientError::NotText(path.clone()))?;
            Asked::post("/v1/dump", &json!({"path": text})).without_haste()
        }
    })
}
