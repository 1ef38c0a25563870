//! What firmware offers: RTAS and the hypercalls (`/rtas`), and platform facilities.

use std::ops::Range;

use power::error_log;
use power::rtas::RtasCall;
use vm_fdt::FdtWriter;

use super::{EDGE, long_names};
use crate::offer::Offer;

/// Sets of hypercalls (LoPAR, Logical Partitioning Option, "Hypervisor Call Function Table"), each of them here in
/// full. A guest takes what is named here for granted: nothing may stand here that
/// the dispatcher does not answer.
const HYPERTAS_FUNCTIONS: [&str; 15] = [
    "hcall-pft",
    "hcall-bulk",
    "hcall-block-remove",
    "hcall-hpt-resize",
    "hcall-tce",
    "hcall-multi-tce",
    "hcall-sprg0",
    "hcall-copy",
    "hcall-debug",
    "hcall-term",
    "hcall-interrupt",
    "hcall-splpar",
    "hcall-poll-pending",
    "hcall-set-mode",
    "hcall-random",
];

/// Writes `/rtas` for a stub that lies at `stub`, with what of it is on `offer`.
pub(super) fn write_rtas(fdt: &mut FdtWriter, stub: &Range<u64>, offer: Offer) -> Result<(), vm_fdt::Error> {
    let low = |address| u32::try_from(address).expect("the layout keeps RTAS below 1 GiB");
    let node = fdt.begin_node("rtas")?;
    let functions = HYPERTAS_FUNCTIONS.into_iter().filter(|set| offer.names(set));
    fdt.property_string_list("ibm,hypertas-functions", functions.map(String::from).collect())?;
    fdt.property_u32("rtas-size", low(stub.end - stub.start))?;
    fdt.property_u32("linux,rtas-base", low(stub.start))?;
    fdt.property_u32("linux,rtas-entry", low(stub.start))?;
    for &call in RtasCall::ALL {
        fdt.property_u32(long_names::cut(call.name()), call.token())?;
    }
    // Calls of event-scan that are wanted, in a minute: what happens interrupts. Linux takes its absence for a mistake.
    fdt.property_u32("rtas-event-scan-rate", 0)?;
    fdt.property_u32("rtas-error-log-max", error_log::MOST_BYTES)?;
    // Each sensor with its largest index.
    fdt.property_array_u32("rtas-sensors", &[error_log::EPOW_SENSOR, 0])?;
    // `ibm,change-msi` knows MSI-X.
    fdt.property_null("ibm,change-msix-capable")?;
    // Linux reports a panic with ibm,os-term only where this stands.
    fdt.property_null("ibm,extended-os-term")?;
    fdt.end_node(node)
}

/// Writes `/event-sources`: events of the power supply are reported by `interrupt` of `controller` (LoPAR, Device Tree, 4.12).
pub(super) fn write_events(fdt: &mut FdtWriter, controller: u32, interrupt: u32) -> Result<(), vm_fdt::Error> {
    let sources = fdt.begin_node("event-sources")?;
    fdt.property_null("interrupt-controller")?;
    fdt.property_u32("#interrupt-cells", 2)?;
    fdt.property_array_u32("interrupt-ranges", &[interrupt, 1])?;
    let power = fdt.begin_node("epow-events")?;
    fdt.property_u32("interrupt-parent", controller)?;
    fdt.property_array_u32("interrupts", &[interrupt, EDGE])?;
    fdt.end_node(power)?;
    fdt.end_node(sources)
}

/// Writes `/nvram`, which has so many `bytes`.
pub(super) fn write_nvram(fdt: &mut FdtWriter, bytes: usize) -> Result<(), vm_fdt::Error> {
    let node = fdt.begin_node("nvram")?;
    fdt.property_string("device_type", "nvram")?;
    fdt.property_u32("#bytes", u32::try_from(bytes).expect("NVRAM has 1 MiB at most"))?;
    fdt.end_node(node)
}

/// Writes `/ibm,platform-facilities` with the random number generator, which is `H_RANDOM`.
pub(super) fn write_facilities(fdt: &mut FdtWriter) -> Result<(), vm_fdt::Error> {
    let facilities = fdt.begin_node("ibm,platform-facilities")?;
    fdt.property_string("device_type", "ibm,platform-facilities")?;
    fdt.property_u32("#address-cells", 1)?;
    fdt.property_u32("#size-cells", 0)?;
    let random = fdt.begin_node("ibm,random-v1@0")?;
    fdt.property_string("device_type", "ibm,random-v1")?;
    fdt.property_string("compatible", "ibm,random")?;
    fdt.property_string("status", "okay")?;
    fdt.property_u32("reg", 0)?;
    fdt.property_null("ibm,max-sync-cop")?;
    fdt.end_node(random)?;
    fdt.end_node(facilities)
}
