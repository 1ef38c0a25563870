//! The flattened device tree that the guest starts with: LoPAR, Device Tree, and what Linux asks of it.
//!
//! No firmware runs before the guest, so the tree says at once what Open Firmware would have said later
//! (where RTAS is, where the RAM disk is), and the guest makes no client interface call.

mod cpus;
mod firmware;
mod long_names;
mod pci;

use devices::pci::Plugged;
use power::page::PageSize;
use power::rtas::RtasCall;
use vm_fdt::{FdtReserveEntry, FdtWriter};

use super::layout::Layout;
use super::processor::ProcessorKind;
use crate::offer::Offer;
use crate::size::Size;

/// Handle of the interrupt controller's node.
const INTERRUPT_CONTROLLER: u32 = 1;

/// The trigger of an interrupt: each signal is one.
const EDGE: u32 = 0;

/// Unit address of the console.
pub(crate) const CONSOLE: u32 = 0x3000_0000;

/// Path of the console.
const CONSOLE_PATH: &str = "/vdevice/vty@30000000";

/// The guest's largest ordinary page, which holds the RTAS stub and nothing else.
const RTAS_PAGE: u64 = PageSize::Size64K.bytes();

/// Bytes of randomness for the guest's pool.
pub(crate) const SEED_BYTES: usize = 64;

/// What the tree says.
#[derive(Clone, Debug)]
pub(crate) struct Tree<'a> {
    /// Size of RAM.
    pub(crate) memory: Size,
    /// Number of processors, whose server numbers count from 0.
    pub(crate) processors: u32,
    /// What they are.
    pub(crate) processor: &'a ProcessorKind,
    /// log2 of the size of the hashed page table in bytes.
    pub(crate) hpt_order: u32,
    /// The kernel's command line.
    pub(crate) command_line: &'a str,
    /// Interrupt source of the console.
    pub(crate) console_interrupt: u32,
    /// Interrupt source of the events of the power supply.
    pub(crate) power_interrupt: u32,
    /// Bytes of NVRAM.
    pub(crate) nvram_bytes: usize,
    /// PCI functions, if there is a PCI host bridge.
    pub(crate) pci: Option<&'a [Plugged]>,
    /// What of the hypercalls is on offer.
    pub(crate) offer: Offer,
    /// Randomness from the host for the guest's pool.
    pub(crate) seed: [u8; SEED_BYTES],
}

impl Tree<'_> {
    /// The tree of a guest laid out as `layout`. Its size does not depend on the layout's addresses,
    /// only on whether there is a RAM disk.
    pub(crate) fn flatten(&self, layout: &Layout) -> Result<Vec<u8>, vm_fdt::Error> {
        // Linux takes the RTAS stub's memory for its own unless it is reserved here.
        let rtas = FdtReserveEntry::new(layout.rtas.start, RTAS_PAGE)?;
        let mut fdt = FdtWriter::new_with_mem_reserv(&[rtas])?;
        // The processor that starts; it is the first.
        fdt.set_boot_cpuid_phys(0);
        let root = fdt.begin_node("")?;
        fdt.property_u32("#address-cells", 2)?;
        fdt.property_u32("#size-cells", 2)?;
        fdt.property_string("device_type", "chrp")?;
        fdt.property_string("model", "pteg (PAPR)")?;
        // The second name is the one that programs for this kind of machine look for (kvm-unit-tests
        // refuse to run without it); nothing in the tree or in the hypercalls is QEMU's alone.
        fdt.property_string_list("compatible", vec!["pteg,pseries".into(), "qemu,pseries".into()])?;
        self.chosen(&mut fdt, layout)?;
        self.memory(&mut fdt)?;
        cpus::write(&mut fdt, self.processors, self.processor, self.hpt_order)?;
        firmware::write_rtas(&mut fdt, &layout.rtas, self.offer)?;
        self.interrupt_controller(&mut fdt)?;
        self.virtual_devices(&mut fdt)?;
        firmware::write_events(&mut fdt, INTERRUPT_CONTROLLER, self.power_interrupt)?;
        firmware::write_nvram(&mut fdt, self.nvram_bytes)?;
        if let Some(functions) = self.pci {
            pci::write(&mut fdt, functions)?;
        }
        firmware::write_facilities(&mut fdt)?;
        fdt.end_node(root)?;
        let mut tree = fdt.finish()?;
        long_names::make_whole(&mut tree, RtasCall::ALL.iter().map(|call| call.name()));
        Ok(tree)
    }

    fn chosen(&self, fdt: &mut FdtWriter, layout: &Layout) -> Result<(), vm_fdt::Error> {
        let node = fdt.begin_node("chosen")?;
        fdt.property_string("bootargs", self.command_line)?;
        if let Some(initrd) = &layout.initrd {
            fdt.property_u64("linux,initrd-start", initrd.start)?;
            fdt.property_u64("linux,initrd-end", initrd.end)?;
        }
        // Without the first name Linux prints nothing until its console driver is up.
        fdt.property_string("linux,stdout-path", CONSOLE_PATH)?;
        fdt.property_string("stdout-path", CONSOLE_PATH)?;
        fdt.property("rng-seed", &self.seed)?;
        fdt.end_node(node)
    }

    fn memory(&self, fdt: &mut FdtWriter) -> Result<(), vm_fdt::Error> {
        let node = fdt.begin_node("memory@0")?;
        fdt.property_string("device_type", "memory")?;
        fdt.property_array_u64("reg", &[0, self.memory.bytes()])?;
        fdt.end_node(node)
    }

    fn interrupt_controller(&self, fdt: &mut FdtWriter) -> Result<(), vm_fdt::Error> {
        let node = fdt.begin_node("interrupt-controller")?;
        fdt.property_string("device_type", "PowerPC-External-Interrupt-Presentation")?;
        fdt.property_string("compatible", "IBM,ppc-xicp")?;
        fdt.property_null("interrupt-controller")?;
        fdt.property_u32("#interrupt-cells", 2)?;
        fdt.property_u32("#address-cells", 0)?;
        fdt.property_array_u32("ibm,interrupt-server-ranges", &[0, self.processors])?;
        fdt.property_phandle(INTERRUPT_CONTROLLER)?;
        fdt.end_node(node)
    }

    fn virtual_devices(&self, fdt: &mut FdtWriter) -> Result<(), vm_fdt::Error> {
        let bus = fdt.begin_node("vdevice")?;
        fdt.property_string("device_type", "vdevice")?;
        fdt.property_string("compatible", "IBM,vdevice")?;
        fdt.property_u32("#address-cells", 1)?;
        fdt.property_u32("#size-cells", 0)?;
        let vty = fdt.begin_node(&format!("vty@{CONSOLE:x}"))?;
        fdt.property_string("device_type", "serial")?;
        fdt.property_string("compatible", "hvterm1")?;
        fdt.property_u32("reg", CONSOLE)?;
        fdt.property_u32("interrupt-parent", INTERRUPT_CONTROLLER)?;
        fdt.property_array_u32("interrupts", &[self.console_interrupt, EDGE])?;
        fdt.end_node(vty)?;
        fdt.end_node(bus)
    }
}

#[cfg(test)]
mod tests;
