//! Who touches which memory first: `upkeep::watch` sees it, here are the words for it.

use std::ops::Range;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Context;
use super::answer::{Answer, Failure, Refusal, parse};
use super::client::Client;
use super::memory::{RealRange, checked};
use crate::upkeep::{LONGEST_WATCH, MOST_SEEN, Seen, Toucher, Touches, WatchOrder, Watched};

/// What is to be watched.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Watch {
    /// Whole pages of 4 KiB.
    pub(crate) ranges: Vec<RealRange>,
    /// Loads and fetches as well as stores.
    #[serde(default)]
    pub(crate) loads: bool,
    /// For how long, at most 3600; 10 if it is not said.
    #[serde(default = "ten")]
    pub(crate) seconds: f64,
    /// How many accesses are told, at most 65536; 100 if it is not said. The others are counted.
    #[serde(default = "hundred")]
    pub(crate) most: usize,
}

fn ten() -> f64 {
    10.0
}

fn hundred() -> usize {
    100
}

/// What was touched.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct WatchReport {
    /// How long it was watched; less than asked for, if all of it was touched by then.
    pub(crate) seconds: f64,
    /// Frames of 4 KiB that were watched.
    pub(crate) frames: u64,
    /// How many of them were touched.
    pub(crate) touched: u64,
    /// The first access to each frame, in their order; no more than were asked for.
    pub(crate) accesses: Vec<AccessReport>,
}

/// The first access to a frame.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct AccessReport {
    /// Real address of its first byte in that frame.
    pub(crate) real: u64,
    /// What it did there.
    pub(crate) access: AccessKind,
    /// Server number of the processor that made it; null: pteg itself, as in a hypercall or when it loads something.
    pub(crate) processor: Option<usize>,
    /// Effective address of the instruction, if a processor made it.
    pub(crate) instruction: Option<u64>,
    /// Since the watch began.
    pub(crate) seconds: f64,
}

/// What an access does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum AccessKind {
    /// Reads.
    Load,
    /// Writes.
    Store,
    /// Fetches an instruction.
    Fetch,
}

impl From<Seen> for AccessReport {
    fn from(seen: Seen) -> Self {
        let (processor, instruction) = match seen.by {
            Toucher::Processor { server, pc } => (Some(server), Some(pc)),
            Toucher::Program => (None, None),
        };
        Self {
            real: seen.real,
            access: match seen.access {
                hpt::Access::Load => AccessKind::Load,
                hpt::Access::Store => AccessKind::Store,
                hpt::Access::Fetch => AccessKind::Fetch,
            },
            processor,
            instruction,
            seconds: seen.after.as_secs_f64(),
        }
    }
}

const WATCH: &str = r#"{"ranges": [{"start": 268435456, "length": 65536}], "seconds": 10}"#;

/// Say who first stores to each page of a range
///
/// Stores, with `loads` every access, are held up at the first one to each frame of 4 KiB; it is noted and goes on, and the frame is not
/// watched any more. Under KVM only with `loads`, and an access to a page of the host is told for each frame in it. The answer comes when the time is over or all frames were touched; a client that leaves ends the watch.
#[utoipa::path(post, path = "/v1/watch", request_body = Watch, responses(
    (status = 200, description = "What was touched", body = WatchReport),
    (status = "4XX", description = "Not done; 409: others watch already", body = Failure),
    (status = "5XX", description = "This host cannot, too much is being done, or the run is over", body = Failure),
))]
pub(super) fn watch(context: &Context, client: &Client, body: &[u8]) -> Result<Answer, Refusal> {
    let Watch {
        ranges,
        loads,
        seconds,
        most,
    } = parse(body, WATCH)?;
    let ranges: Vec<Range<u64>> = checked(&ranges)?;
    let longest = LONGEST_WATCH.as_secs();
    if !(seconds > 0.0 && seconds <= LONGEST_WATCH.as_secs_f64()) {
        return Err(Refusal::bad_request(format!(
            "a watch of {seconds} s: give more than 0 and no more than {longest}"
        )));
    }
    if most > MOST_SEEN {
        return Err(Refusal::bad_request(format!(
            "{most} accesses to be told: give {MOST_SEEN} at most; the others are counted"
        )));
    }
    let order = WatchOrder {
        ranges: &ranges,
        watched: if loads { Watched::Everything } else { Watched::Stores },
        lasts: Duration::from_secs_f64(seconds),
        most,
    };
    let Touches {
        frames,
        touched,
        seen,
        took,
    } = context.machine.upkeep.watch(&order, &|| client.is_gone())?;
    Ok(Answer::json(&WatchReport {
        seconds: took.as_secs_f64(),
        frames,
        touched,
        accesses: seen.into_iter().map(AccessReport::from).collect(),
    }))
}
