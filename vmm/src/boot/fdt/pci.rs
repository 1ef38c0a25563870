//! The PCI host bridge and the functions behind it (PCI Bus Binding to Open Firmware 2.1; LoPAR, Device Tree, "PCI Host Bridge Nodes").
//!
//! A guest on a logical partition finds functions in the tree, not by trying out configuration space, and takes their BARs where the tree
//! says that they are.

use devices::pci::{Bridge, LINES, Place, Plugged, SPACES, Space, line_of};
use vm_fdt::FdtWriter;

use super::INTERRUPT_CONTROLLER;
use crate::sources::{FIRST_LINE, MESSAGES};

/// First cell of an address: it cannot be moved to another one by whoever reads the tree.
const FIXED: u32 = 1 << 31;

/// First cell of an address: prefetchable.
const PREFETCHABLE: u32 = 1 << 30;

/// Second cell of an interrupt: a level.
const LEVEL: u32 = 1;

/// First cell of an address: which space.
const fn code(space: Space) -> u32 {
    (match space {
        Space::Io => 1,
        Space::Memory32 => 2,
        Space::Memory64 => 3,
    }) << 24
}

/// Both halves, the upper one first.
const fn halves(value: u64) -> [u32; 2] {
    [(value >> 32) as u32, value as u32]
}

/// Writes the bridge with its `functions`.
pub(super) fn write(fdt: &mut FdtWriter, functions: &[Plugged]) -> Result<(), vm_fdt::Error> {
    let node = fdt.begin_node(&format!("pci@{:x}", Bridge::UNIT))?;
    fdt.property_string("device_type", "pci")?;
    fdt.property_string("compatible", "IBM,Logical_PHB")?;
    fdt.property_string("model", "pteg PCI host bridge")?;
    // The unit's number alone: nothing lies at that address.
    fdt.property_array_u64("reg", &[Bridge::UNIT, 0])?;
    fdt.property_u32("#address-cells", 3)?;
    fdt.property_u32("#size-cells", 2)?;
    fdt.property_u32("#interrupt-cells", 1)?;
    fdt.property_null("used-by-rtas")?;
    fdt.property_null("64-bit-addressing")?;
    fdt.property_null("ibm,extended-address")?;
    fdt.property_array_u32("bus-range", &[0, 0])?;
    fdt.property_array_u32("ranges", &ranges())?;
    // Register numbers of eight bits.
    fdt.property_u32("ibm,pci-config-space-type", 0)?;
    fdt.property_u32("ibm,pe-total-#msi", MESSAGES)?;
    fdt.property_array_u32("interrupt-map-mask", &[(LINES - 1) << 11, 0, 0, 7])?;
    fdt.property_array_u32("interrupt-map", &interrupt_map())?;
    fdt.property_u32("ibm,#dma-address-cells", 2)?;
    fdt.property_u32("ibm,#dma-size-cells", 2)?;
    let [high, low] = halves(Bridge::DMA_BYTES);
    fdt.property_array_u32("ibm,dma-window", &[Bridge::LIOBN, 0, 0, high, low])?;
    for function in functions {
        write_function(fdt, function)?;
    }
    fdt.end_node(node)
}

/// For each window: its bus address with the kind of it, its real address, its size.
fn ranges() -> Vec<u32> {
    let range = |space: Space| {
        let window = space.window();
        let [bus, real, bytes] = [window.bus, window.real, window.bytes].map(halves);
        [[code(space), bus[0]], [bus[1], real[0]], [real[1], bytes[0]]]
            .concat()
            .into_iter()
            .chain([bytes[1]])
    };
    SPACES.into_iter().flat_map(range).collect()
}

/// Where each pin of each device leads; devices whose numbers differ by a multiple of four are alike.
fn interrupt_map() -> Vec<u32> {
    let pins = (0..LINES as u8).flat_map(|device| (0..LINES).map(move |pin| (device, pin)));
    let entry = |(device, pin)| {
        let source = FIRST_LINE + line_of(device, pin);
        [
            u32::from(device) << 11,
            0,
            0,
            pin + 1,
            INTERRUPT_CONTROLLER,
            source,
            LEVEL,
        ]
    };
    pins.flat_map(entry).collect()
}

fn write_function(fdt: &mut FdtWriter, function: &Plugged) -> Result<(), vm_fdt::Error> {
    let Plugged {
        device,
        identity,
        vectors,
        places,
    } = function;
    let name = format!("pci{:x},{:x}@{device:x}", identity.vendor, identity.device);
    let node = fdt.begin_node(&name)?;
    fdt.property_u32("vendor-id", identity.vendor.into())?;
    fdt.property_u32("device-id", identity.device.into())?;
    fdt.property_u32("revision-id", identity.revision.into())?;
    fdt.property_u32("class-code", identity.class)?;
    fdt.property_u32("subsystem-vendor-id", identity.subsystem_vendor.into())?;
    fdt.property_u32("subsystem-id", identity.subsystem.into())?;
    fdt.property_u32("min-grant", 0)?;
    fdt.property_u32("max-latency", 0)?;
    fdt.property_u32("devsel-speed", 0)?;
    fdt.property_u32("ibm,pci-config-space-type", 0)?;
    // INTA.
    fdt.property_u32("interrupts", 1)?;
    if *vectors > 0 {
        fdt.property_u32("ibm,req#msi-x", (*vectors).into())?;
    }
    let itself = u32::from(*device) << 11;
    let sizes = places.iter().map(|place| address(itself, place, 0, 0));
    let reg: Vec<u32> = std::iter::once([itself, 0, 0, 0, 0]).chain(sizes).flatten().collect();
    fdt.property_array_u32("reg", &reg)?;
    let assigned: Vec<u32> = places
        .iter()
        .flat_map(|place| address(itself, place, FIXED, place.at))
        .collect();
    fdt.property_array_u32("assigned-addresses", &assigned)?;
    fdt.end_node(node)
}

/// A BAR: its register, with the kind of its address; the address; its size.
fn address(function: u32, place: &Place, flags: u32, at: u64) -> [u32; 5] {
    let register = 0x10 + 4 * place.bar as u32;
    let prefetchable = if place.space == Space::Memory64 {
        PREFETCHABLE
    } else {
        0
    };
    let [high, low] = halves(at);
    let [size_high, size_low] = halves(place.bytes);
    let first = flags | prefetchable | code(place.space) | function | register;
    [first, high, low, size_high, size_low]
}
