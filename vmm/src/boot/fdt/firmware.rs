//! What firmware offers: RTAS and the hypercalls (`/rtas`), and platform facilities.

use std::ops::Range;

use power::rtas::RtasCall;
use vm_fdt::FdtWriter;

use crate::offer::Offer;

/// Sets of hypercalls (LoPAR, Logical Partitioning Option, "Hypervisor Call Function Table"), each of them here in
/// full. A guest takes what is named here for granted: nothing may stand here that
/// the dispatcher does not answer.
const HYPERTAS_FUNCTIONS: [&str; 13] = [
    "hcall-pft",
    "hcall-bulk",
    "hcall-block-remove",
    "hcall-hpt-resize",
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
        fdt.property_u32(call.name(), call.token())?;
    }
    // Calls of event-scan that are wanted, in a minute: there are no events. Linux takes its absence for a mistake.
    fdt.property_u32("rtas-event-scan-rate", 0)?;
    // Linux reports a panic with ibm,os-term only where this stands.
    fdt.property_null("ibm,extended-os-term")?;
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
