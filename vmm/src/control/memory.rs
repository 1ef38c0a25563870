//! What is done to the guest's memory: `upkeep` does it, here are the words for it.

use std::ops::Range;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Context;
use super::answer::{Answer, Failure, Refusal, parse};
use crate::upkeep::{Discarded, Dumped, Harvest, Unmapping, Which};

/// A range of real addresses of the guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RealRange {
    /// The first real address.
    pub(crate) start: u64,
    /// Bytes.
    pub(crate) length: u64,
}

/// Ranges to be worked on.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Ranges {
    /// Whole pages of 4 KiB.
    pub(crate) ranges: Vec<RealRange>,
}

/// Ranges to be discarded.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Discard {
    /// Whole pages of 4 KiB.
    pub(crate) ranges: Vec<RealRange>,
    /// Also what the guest has not said to have no use for. It loses what is there.
    #[serde(default)]
    pub(crate) force: bool,
}

/// What was discarded.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct DiscardReport {
    /// Bytes that read as zero now.
    pub(crate) bytes: u64,
    /// How many of them the host has back; the rest are parts of host pages.
    pub(crate) returned_bytes: u64,
    /// The longest time that a part of it was not to be used by the guest.
    pub(crate) longest_seconds: f64,
}

/// What was unmapped.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct UnmapReport {
    /// Entries of the table whose translations were taken away.
    pub(crate) entries: u64,
    /// Flushes of processors.
    pub(crate) flushes: u64,
    /// Processors that had to leave the guest.
    pub(crate) kicks: u64,
    /// Steps that it was done in.
    pub(crate) steps: u64,
    /// The longest of them.
    pub(crate) longest_step_seconds: f64,
    /// All of it.
    pub(crate) seconds: f64,
}

/// What is to become of the dirty log.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Dirty {
    /// What.
    pub(crate) action: DirtyAction,
}

/// What may become of the dirty log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum DirtyAction {
    /// Note stores from here on.
    Start,
    /// Say what was stored to since the last harvest, or else the start.
    Harvest,
    /// Note them no longer.
    Stop,
}

/// The dirty log.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct DirtyReport {
    /// Whether stores are noted from here on.
    pub(crate) is_tracking: bool,
    /// What was stored to; only after a harvest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) harvest: Option<HarvestReport>,
}

/// What was stored to.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct HarvestReport {
    /// How many pages.
    pub(crate) pages: u64,
    /// Bytes of a page: what is told apart.
    pub(crate) page_bytes: u64,
    /// How long it took to find out.
    pub(crate) seconds: f64,
    /// 0; or, where there would be more than 65536 ranges: those with fewer bytes than this between them are told as one,
    /// clean pages between them included.
    pub(crate) joined_bytes: u64,
    /// Where they are, in order, neighbours together; no more than 65536.
    pub(crate) ranges: Vec<RealRange>,
}

/// Where memory is to be written to.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Dump {
    /// Absolute path of a new file on the machine of the run.
    #[schema(value_type = String)]
    pub(crate) path: PathBuf,
}

/// What was written.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct DumpReport {
    /// Bytes of memory.
    pub(crate) bytes: u64,
    /// How many of them were written; the rest is zero, and a hole in the file.
    pub(crate) written_bytes: u64,
    /// Frames of 4 KiB that were copied before their turn, as a processor was about to store to them.
    pub(crate) saved_first: u64,
    /// How long no processor could store at all.
    pub(crate) paused_seconds: f64,
    /// How long all of it took.
    pub(crate) seconds: f64,
}

const RANGES: &str = r#"{"ranges": [{"start": 268435456, "length": 65536}]}"#;
const DIRTY: &str = r#"{"action": "start"}, "harvest" or "stop""#;
const DUMP: &str = r#"{"path": "/var/tmp/guest.dump"}"#;

/// The ranges, if none is empty and each has an end.
pub(super) fn checked(ranges: &[RealRange]) -> Result<Vec<Range<u64>>, Refusal> {
    if ranges.is_empty() {
        return Err(Refusal::bad_request(format!(
            "no range is given; send JSON such as {RANGES}"
        )));
    }
    let checked = |range: &RealRange| {
        let RealRange { start, length } = *range;
        match start.checked_add(length) {
            Some(end) if length > 0 => Ok(start..end),
            _ => Err(Refusal::bad_request(format!(
                "the range of {length} bytes at {start:#x}: give a length of one page at least, and an end below 2^64"
            ))),
        }
    };
    ranges.iter().map(checked).collect()
}

/// Give guest memory back to the host
///
/// Of the ranges, what the guest has said to have no use for is given back to the host, and reads as zero afterwards. With
/// `force` all of it is, and the guest loses what was there.
#[utoipa::path(post, path = "/v1/discard", request_body = Discard, responses(
    (status = 200, description = "It was given back", body = DiscardReport),
    (status = "4XX", description = "Not done", body = Failure),
    (status = "5XX", description = "This host cannot, too much is being done, or the run is over", body = Failure),
))]
pub(super) fn discard(context: &Context, body: &[u8]) -> Result<Answer, Refusal> {
    let Discard { ranges, force } = parse(body, RANGES)?;
    let which = if force { Which::Any } else { Which::Hinted };
    let Discarded {
        bytes,
        returned,
        longest,
    } = context.machine.upkeep.discard(&checked(&ranges)?, which)?;
    Ok(Answer::json(&DiscardReport {
        bytes,
        returned_bytes: returned,
        longest_seconds: longest.as_secs_f64(),
    }))
}

/// Take all translations of a range from the processors
///
/// The memory and the guest's entries stay as they are; processors find their translations again. To measure what it costs.
#[utoipa::path(post, path = "/v1/unmap", request_body = Ranges, responses(
    (status = 200, description = "No processor holds a translation that it made before", body = UnmapReport),
    (status = "4XX", description = "Not done", body = Failure),
    (status = "5XX", description = "This host cannot, too much is being done, or the run is over", body = Failure),
))]
pub(super) fn unmap(context: &Context, body: &[u8]) -> Result<Answer, Refusal> {
    let Ranges { ranges } = parse(body, RANGES)?;
    let Unmapping {
        entries,
        flushes,
        kicks,
        steps,
        longest_step,
        took,
    } = context.machine.upkeep.unmap(&checked(&ranges)?)?;
    Ok(Answer::json(&UnmapReport {
        entries,
        flushes,
        kicks,
        steps,
        longest_step_seconds: longest_step.as_secs_f64(),
        seconds: took.as_secs_f64(),
    }))
}

/// Note which pages the guest stores to
///
/// What a harvest tells is not told again: a client that does not get its answer must take all pages for dirty. Where pages are
/// scattered over more than 65536 ranges, neighbours are told as one, and `joined_bytes` says so.
#[utoipa::path(post, path = "/v1/dirty", request_body = Dirty, responses(
    (status = 200, description = "Done", body = DirtyReport),
    (status = "4XX", description = "Not done; 409: started already, or not yet", body = Failure),
    (status = "5XX", description = "This host cannot, too much is being done, or the run is over", body = Failure),
))]
pub(super) fn dirty(context: &Context, body: &[u8]) -> Result<Answer, Refusal> {
    let Dirty { action } = parse(body, DIRTY)?;
    let upkeep = &context.machine.upkeep;
    let harvest = match action {
        DirtyAction::Start => {
            upkeep.dirty_start()?;
            None
        }
        DirtyAction::Stop => {
            upkeep.dirty_stop()?;
            None
        }
        DirtyAction::Harvest => Some(report(&upkeep.dirty_harvest()?)),
    };
    Ok(Answer::json(&DirtyReport {
        is_tracking: action != DirtyAction::Stop,
        harvest,
    }))
}

fn report(harvest: &Harvest) -> HarvestReport {
    let range = |range: Range<u64>| RealRange {
        start: range.start,
        length: range.end - range.start,
    };
    let (joined_bytes, ranges) = told(harvest.ranges(), harvest.page_bytes, MOST_RANGES);
    HarvestReport {
        pages: harvest.pages,
        page_bytes: harvest.page_bytes,
        seconds: harvest.took.as_secs_f64(),
        joined_bytes,
        ranges: ranges.into_iter().map(range).collect(),
    }
}

/// Ranges that a harvest tells: an answer of some MiB, however much memory the guest has.
const MOST_RANGES: usize = 1 << 16;

/// `ranges`, which are in order, as no more than `most`: those with fewer bytes than the returned number between them are one.
fn told(ranges: impl Iterator<Item = Range<u64>>, page_bytes: u64, most: usize) -> (u64, Vec<Range<u64>>) {
    fn add(told: &mut Vec<Range<u64>>, range: Range<u64>, joined_bytes: u64) {
        match told.last_mut() {
            Some(last) if range.start - last.end < joined_bytes => last.end = range.end,
            _ => told.push(range),
        }
    }
    let (mut joined_bytes, mut told) = (0, Vec::new());
    for range in ranges {
        add(&mut told, range, joined_bytes);
        while told.len() > most {
            // Gaps are whole pages.
            joined_bytes = if joined_bytes == 0 {
                2 * page_bytes
            } else {
                2 * joined_bytes
            };
            let before = std::mem::take(&mut told);
            before.into_iter().for_each(|range| add(&mut told, range, joined_bytes));
        }
    }
    (joined_bytes, told)
}

/// Write all memory to a file, as it is at one moment
///
/// The guest runs on meanwhile; under KVM it must be paused. The file gets its name when it is complete; what is zero is a hole
/// in it.
#[utoipa::path(post, path = "/v1/dump", request_body = Dump, responses(
    (status = 200, description = "The file is there", body = DumpReport),
    (status = "4XX", description = "Not done; 409: another dump is being written", body = Failure),
    (status = "5XX", description = "This host cannot, too much is being done, or the run is over; 507: no room for the file", body = Failure),
))]
pub(super) fn dump(context: &Context, body: &[u8]) -> Result<Answer, Refusal> {
    let Dump { path } = parse(body, DUMP)?;
    if !path.is_absolute() {
        return Err(Refusal::bad_request(format!(
            "{}: give an absolute path, as the run may be in another folder than you",
            path.display()
        )));
    }
    let Dumped {
        bytes,
        written,
        saved_first,
        paused,
        took,
    } = context.machine.upkeep.dump(&path)?;
    Ok(Answer::json(&DumpReport {
        bytes,
        written_bytes: written,
        saved_first,
        paused_seconds: paused.as_secs_f64(),
        seconds: took.as_secs_f64(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: u64 = 4096;

    #[test]
    fn few_ranges_are_told_as_they_are() {
        let ranges = [0..PAGE, 2 * PAGE..3 * PAGE, 9 * PAGE..20 * PAGE];
        assert_eq!(told(ranges.clone().into_iter(), PAGE, 3), (0, ranges.to_vec()));
        assert_eq!(told([].into_iter(), PAGE, 3), (0, vec![]));
    }

    #[test]
    fn of_many_ranges_those_that_are_near_each_other_are_told_as_one() {
        let ranges = [0..1, 2..3, 4..5, 100..101, 105..106].map(|range| range.start * PAGE..range.end * PAGE);
        let (joined_bytes, told) = told(ranges.into_iter(), PAGE, 3);
        assert_eq!(joined_bytes, 2 * PAGE);
        assert_eq!(
            told,
            [0..5, 100..101, 105..106].map(|range| range.start * PAGE..range.end * PAGE)
        );
    }

    /// Whatever is dirty is told, in order, within the bound, and what is not joined is as far away as is said.
    #[test]
    fn what_is_told_covers_all_that_is_dirty() {
        for step in [3, 4, 7, 64, 1000] {
            let ranges = || {
                (0..10_000_u64)
                    .map(|n| (n * step + n % 2) * PAGE)
                    .map(|start| start..start + PAGE)
            };
            for most in [1, 2, 100, 9_999, 10_000] {
                let (joined_bytes, told) = told(ranges(), PAGE, most);
                assert!(told.len() <= most, "{step} {most}");
                assert!(
                    told.windows(2)
                        .all(|two| two[1].start - two[0].end >= joined_bytes.max(1))
                );
                let mut told = told.into_iter().peekable();
                for range in ranges() {
                    while told.peek().is_some_and(|told| told.end <= range.start) {
                        told.next();
                    }
                    let covers = |told: &Range<u64>| told.start <= range.start && range.end <= told.end;
                    assert!(told.peek().is_some_and(covers), "{step} {most} {range:?}");
                }
            }
        }
    }
}
