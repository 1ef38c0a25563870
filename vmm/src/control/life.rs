//! What the run is, and its life: info, pause, resume, powerdown, reset, stop.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Context;
use super::answer::{Answer, Failure, Refusal, parse};
use crate::machine::Machine;
use crate::stop::Ending;

/// What a run is.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Info {
    /// Version of pteg.
    pub(crate) version: String,
    /// Number of its process.
    pub(crate) pid: u32,
    /// What was started: the name of an image, or the path of a kernel.
    pub(crate) guest: String,
    /// What runs the processors: `emulated` or `kvm`.
    pub(crate) accelerator: String,
    /// How many processors the guest has.
    pub(crate) processors: usize,
    /// How many threads of the host carry them.
    pub(crate) threads: usize,
    /// Bytes of the guest's memory.
    pub(crate) memory_bytes: u64,
    /// log2 of the hashed page table's bytes, as it is now.
    pub(crate) hpt_order: u32,
    /// Since the machine was made.
    pub(crate) uptime_seconds: f64,
    /// Whether it runs.
    pub(crate) state: RunState,
}

/// Whether a run runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum RunState {
    /// The guest runs.
    Running,
    /// No processor of the guest runs.
    Paused,
    /// It was told to end.
    Stopping,
}

/// What a run does now.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Life {
    /// Whether it runs.
    pub(crate) state: RunState,
}

/// A request that needs no words: `{}`, `null`, or no body at all.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}

/// How long processors may take to come out of their hypercalls.
const PATIENCE: Duration = Duration::from_secs(5);

fn state(machine: &Machine) -> RunState {
    if machine.stop.is_requested() {
        RunState::Stopping
    } else if machine.pause.is_paused() {
        RunState::Paused
    } else {
        RunState::Running
    }
}

fn now(machine: &Machine) -> Answer {
    Answer::json(&Life { state: state(machine) })
}

/// What the run is, and whether it runs
#[utoipa::path(get, path = "/v1/info", responses(
    (status = 200, description = "The run", body = Info),
    (status = "4XX", description = "Not done", body = Failure),
    (status = "5XX", description = "The run is over, or an error of pteg's own", body = Failure),
))]
pub(super) fn info(context: &Context, _: &[u8]) -> Result<Answer, Refusal> {
    let machine = &context.machine;
    Ok(Answer::json(&Info {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pid: std::process::id(),
        guest: context.guest.clone(),
        accelerator: context.accelerator.to_owned(),
        processors: machine.processors.iter().count(),
        threads: machine.processors.carriers(),
        memory_bytes: machine.ram.size().bytes(),
        hpt_order: machine.hpt.table().order().log2_bytes(),
        uptime_seconds: machine.made.elapsed().as_secs_f64(),
        state: state(machine),
    }))
}

/// Stop all processors until the run is resumed
///
/// When this is answered, no processor of the guest runs. With emulated processors the guest's time stands still; KVM's goes
/// on with the host's. A run that is paused already stays so.
#[utoipa::path(post, path = "/v1/pause", request_body = Option<Nothing>, responses(
    (status = 200, description = "It is paused", body = Life),
    (status = "4XX", description = "Not done", body = Failure),
    (status = "5XX", description = "Processors did not come out in time, and the run goes on; or the run is over", body = Failure),
))]
pub(super) fn pause(context: &Context, body: &[u8]) -> Result<Answer, Refusal> {
    let (None | Some(Nothing {})) = parse::<Option<Nothing>>(body, "{}")?;
    match context.machine.pause(PATIENCE) {
        Ok(()) => Ok(now(&context.machine)),
        Err(error) => Err(Refusal::new(hyper::StatusCode::SERVICE_UNAVAILABLE, error.to_string())),
    }
}

/// Let a paused run go on
///
/// A run that is not paused goes on as it does.
#[utoipa::path(post, path = "/v1/resume", request_body = Option<Nothing>, responses(
    (status = 200, description = "It runs", body = Life),
    (status = "4XX", description = "Not done", body = Failure),
    (status = "5XX", description = "The run is over, or an error of pteg's own", body = Failure),
))]
pub(super) fn resume(context: &Context, body: &[u8]) -> Result<Answer, Refusal> {
    let (None | Some(Nothing {})) = parse::<Option<Nothing>>(body, "{}")?;
    match context.machine.resume() {
        Ok(()) => Ok(now(&context.machine)),
        Err(held) => Err(Refusal::new(hyper::StatusCode::CONFLICT, held.to_string())),
    }
}

/// Ask the guest to shut down
///
/// The guest is told by an event of its power supply, and does what it is set up to do: Linux runs `/sbin/poweroff`. Whether it does, and when,
/// is its own affair; one that does not listen yet hears of it when it does.
#[utoipa::path(post, path = "/v1/powerdown", request_body = Option<Nothing>, responses(
    (status = 200, description = "It is asked", body = Life),
    (status = "4XX", description = "Not done", body = Failure),
    (status = "5XX", description = "The run is over, or an error of pteg's own", body = Failure),
))]
pub(super) fn powerdown(context: &Context, body: &[u8]) -> Result<Answer, Refusal> {
    let (None | Some(Nothing {})) = parse::<Option<Nothing>>(body, "{}")?;
    context.machine.power_events.request_shutdown();
    Ok(now(&context.machine))
}

/// Start the machine anew, as a reset button does
///
/// The guest is not asked: what it has not written to its disks is lost. Its memory is cleared, and its kernel loaded again. The answer comes
/// before that is done. A run that is paused stays so.
#[utoipa::path(post, path = "/v1/reset", request_body = Option<Nothing>, responses(
    (status = 200, description = "It is about to be started anew", body = Life),
    (status = "4XX", description = "Not done", body = Failure),
    (status = "5XX", description = "The run is over, or an error of pteg's own", body = Failure),
))]
pub(super) fn reset(context: &Context, body: &[u8]) -> Result<Answer, Refusal> {
    let (None | Some(Nothing {})) = parse::<Option<Nothing>>(body, "{}")?;
    context.machine.stop.request_reset();
    Ok(now(&context.machine))
}

/// End the run, as Ctrl-A X does
#[utoipa::path(post, path = "/v1/stop", request_body = Option<Nothing>, responses(
    (status = 200, description = "It ends", body = Life),
    (status = "4XX", description = "Not done", body = Failure),
    (status = "5XX", description = "The run is over, or an error of pteg's own", body = Failure),
))]
pub(super) fn stop(context: &Context, body: &[u8]) -> Result<Answer, Refusal> {
    let (None | Some(Nothing {})) = parse::<Option<Nothing>>(body, "{}")?;
    context.machine.stop.request(Ending::Asked);
    Ok(now(&context.machine))
}
