//! What became of the page table: the numbers of `--stats-json`, while the guest runs.

use super::Context;
use super::answer::{Answer, Failure, Refusal};
use crate::machine::Machine;
use crate::run::Statistics;

/// Statistics of the run and its hashed page table
///
/// The same as --stats-json writes, as it is now. Instructions are as of the last time that a processor left the guest.
#[utoipa::path(get, path = "/v1/hpt", responses(
    (status = 200, description = "The statistics", body = Statistics),
    (status = "4XX", description = "Not done", body = Failure),
    (status = "5XX", description = "The run is over, or an error of pteg's own", body = Failure),
))]
pub(super) fn hpt(context: &Context, _: &[u8]) -> Result<Answer, Refusal> {
    Ok(Answer::json(&gather(&context.machine)))
}

/// The statistics now. Processors are called out of the guest, so that they say soon how many instructions they have executed.
pub(super) fn gather(machine: &Machine) -> Statistics {
    machine
        .processors
        .iter()
        .for_each(crate::processors::Processor::call_out);
    Statistics::gather(machine, 1)
}
