//! The control socket (`--control`): HTTP and JSON over a Unix socket, by which other programs look at a run and
//! act on it. `pteg ctl` is one of them (`ctl`).
//!
//! - `server` is the thread that serves it, `requests` turns a request into a call.
//! - `routes` is the table of what can be asked for; `life`, `table`, `metrics`, `balloon`, `memory` and `watch` answer, `document` describes it all
//!   as an OpenAPI document.
//! - `answer` is what they have in common, `client` tells whether somebody still waits for it; `worded` refuses what is no request.
//!
//! Nothing here is done by a thread that runs the guest, and none of them ever waits for a client.

mod answer;
mod balloon;
mod client;
mod document;
mod life;
mod memory;
mod metrics;
mod requests;
mod routes;
mod server;
mod table;
mod watch;
mod worded;

use std::sync::Arc;

use devices::virtio::balloon::Balloon;

use crate::machine::Machine;

pub(crate) use answer::Failure;
pub(crate) use balloon::BalloonReport;
pub(crate) use life::{Info, Life};
pub(crate) use memory::{DirtyReport, DiscardReport, DumpReport, UnmapReport};
pub(crate) use server::serve;
pub(crate) use watch::WatchReport;

/// The run that is served.
pub(crate) struct Context {
    /// Its machine.
    pub(crate) machine: Arc<Machine>,
    /// Its balloon, if it has one.
    pub(crate) balloon: Option<Arc<Balloon>>,
    /// What runs its processors.
    pub(crate) accelerator: &'static str,
    /// What was started, as the user named it.
    pub(crate) guest: String,
}
