//! The guest's balloon: how much memory the guest has given away, and is to give.

use std::time::{Duration, Instant};

use devices::virtio::balloon::{Balloon, Size, Told};
use hyper::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Context;
use super::answer::{Answer, Failure, Refusal, parse};

/// How large the balloon is to be.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    /// Bytes of memory that are to be in it, rounded down to whole pages of 4 KiB. Less than all of the guest's memory.
    pub(crate) bytes: u64,
}

/// The balloon, and the guest's memory as the guest sees it.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct BalloonReport {
    /// Bytes that are to be in it.
    pub(crate) wanted_bytes: u64,
    /// Bytes that the guest says are in it.
    pub(crate) bytes: u64,
    /// Bytes beside it that the guest has reported as free, and that the host has taken, since the start; a page may have come again.
    pub(crate) reported_bytes: u64,
    /// What the guest says of its memory; not there if it never said anything, or if the size was set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) guest: Option<GuestReport>,
}

/// What a guest says of its memory. What it did not say is not there.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct GuestReport {
    /// How long ago it said so.
    pub(crate) age_seconds: f64,
    /// All of its memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) total_bytes: Option<u64>,
    /// What is used for nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) free_bytes: Option<u64>,
    /// What programs could get without swapping.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) available_bytes: Option<u64>,
    /// What holds parts of files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cache_bytes: Option<u64>,
    /// What was swapped in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) swapped_in_bytes: Option<u64>,
    /// What was swapped out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) swapped_out_bytes: Option<u64>,
    /// Page faults that took a read from a disk.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) major_faults: Option<u64>,
    /// Those that did not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) minor_faults: Option<u64>,
}

const WANTED: &str = r#"{"bytes": 536870912}"#;

/// How long a guest may think about its statistics.
const PATIENCE: Duration = Duration::from_secs(1);

fn report(balloon: &Balloon, told: Option<Told>) -> Answer {
    let Size {
        wanted,
        reached,
        reported,
    } = balloon.size();
    let guest = told.map(|Told { memory, at }| GuestReport {
        age_seconds: Instant::now().saturating_duration_since(at).as_secs_f64(),
        total_bytes: memory.total,
        free_bytes: memory.free,
        available_bytes: memory.available,
        cache_bytes: memory.caches,
        swapped_in_bytes: memory.swapped_in,
        swapped_out_bytes: memory.swapped_out,
        major_faults: memory.major_faults,
        minor_faults: memory.minor_faults,
    });
    Answer::json(&BalloonReport {
        wanted_bytes: wanted,
        bytes: reached,
        reported_bytes: reported,
        guest,
    })
}

fn balloon(context: &Context) -> Result<&Balloon, Refusal> {
    let none = || {
        Refusal::new(
            StatusCode::CONFLICT,
            "this run has no balloon: start it with pteg run --balloon",
        )
    };
    context.balloon.as_deref().ok_or_else(none)
}

/// How much memory the guest has given into its balloon
///
/// With what the guest says of its memory: it is asked, and given a second to answer. A guest that is paused, or has no driver, has said so
/// some time ago, or never.
#[utoipa::path(get, path = "/v1/balloon", responses(
    (status = 200, description = "The balloon", body = BalloonReport),
    (status = "4XX", description = "Not done", body = Failure),
    (status = "5XX", description = "The run is over, or an error of pteg's own", body = Failure),
))]
pub(super) fn look(context: &Context, _: &[u8]) -> Result<Answer, Refusal> {
    let balloon = balloon(context)?;
    Ok(report(balloon, balloon.ask(PATIENCE)))
}

/// Have the guest give memory into its balloon, or take it back
///
/// It does that when it comes to it, and as far as it can: a guest that runs out of memory takes some back unasked.
#[utoipa::path(post, path = "/v1/balloon", request_body = Wanted, responses(
    (status = 200, description = "The guest was told", body = BalloonReport),
    (status = "4XX", description = "Not done", body = Failure),
    (status = "5XX", description = "The run is over, or an error of pteg's own", body = Failure),
))]
pub(super) fn want(context: &Context, body: &[u8]) -> Result<Answer, Refusal> {
    let Wanted { bytes } = parse(body, WANTED)?;
    let balloon = balloon(context)?;
    let all = context.machine.ram.size();
    if bytes >= all.bytes() {
        return Err(Refusal::bad_request(format!(
            "the guest has {all} of memory, and keeps some of it; give a size below that"
        )));
    }
    balloon.want(bytes);
    Ok(report(balloon, None))
}
