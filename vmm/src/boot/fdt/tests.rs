//! The tree as an independent parser reads it.

use std::sync::LazyLock;

use devices::pci::{Bridge, Identity, Place, SPACES, Space};
use fdt::Fdt;
use fdt::node::FdtNode;
use power::hcall::Status;
use power::model::Model;
use power::msr::Msr;

use super::*;
use crate::boot::processor::tests::smmu;
use crate::host::tests::power8;
use crate::hypercall::{Caller, dispatch};
use crate::offer::Feature;
use crate::test_machine::{Registers, machine};

/// What the processors are, unless a test says otherwise.
static EMULATED: LazyLock<ProcessorKind> = LazyLock::new(|| ProcessorKind::emulated(Model::Power8));

fn tree(processors: u32) -> Tree<'static> {
    Tree {
        memory: Size::from_mib(4096),
        processors,
        processor: &EMULATED,
        hpt_order: 25,
        command_line: "console=hvc0 quiet",
        console_interrupt: 0x1000,
        power_interrupt: 0x1001,
        nvram_bytes: 65536,
        pci: None,
        offer: Offer::default(),
        seed: [7; SEED_BYTES],
    }
}

fn layout() -> Layout {
    Layout {
        rtas: 0x3fff_0000..0x3fff_0014,
        fdt: 0x3ffe_0000..0x3ffe_4000,
        initrd: Some(0xf000_0000..0x1_0000_0000),
    }
}

fn cells(node: FdtNode<'_, '_>, name: &str) -> Vec<u32> {
    let value = node
        .property(name)
        .unwrap_or_else(|| panic!("{} has no {name}", node.name))
        .value;
    value
        .chunks_exact(4)
        .map(|cell| u32::from_be_bytes(cell.try_into().unwrap()))
        .collect()
}

fn text<'a>(node: FdtNode<'_, 'a>, name: &str) -> &'a str {
    node.property(name)
        .unwrap_or_else(|| panic!("{} has no {name}", node.name))
        .as_str()
        .unwrap()
}

fn check(processors: u32, look: impl Fn(&Fdt<'_>)) {
    let blob = tree(processors).flatten(&layout()).unwrap();
    look(&Fdt::new(&blob).unwrap());
}

#[test]
fn linux_finds_a_logical_partition() {
    check(1, |fdt| {
        let root = fdt.find_node("/").unwrap();
        assert_eq!(text(root, "device_type"), "chrp");
        let compatible: Vec<&str> = root.compatible().unwrap().all().collect();
        assert!(compatible.contains(&"qemu,pseries"));
        let rtas = fdt.find_node("/rtas").unwrap();
        let functions = rtas.property("ibm,hypertas-functions").unwrap().value;
        for set in ["hcall-pft", "hcall-set-mode", "hcall-splpar", "hcall-bulk"] {
            let string = [set.as_bytes(), b"\0"].concat();
            assert!(functions.windows(string.len()).any(|window| window == string), "{set}");
        }
        assert_eq!(cells(rtas, "linux,rtas-base"), [0x3fff_0000]);
        assert_eq!(cells(rtas, "linux,rtas-entry"), [0x3fff_0000]);
        assert_eq!(cells(rtas, "rtas-size"), [20]);
        assert_eq!(cells(rtas, "rtas-event-scan-rate"), [0]);
    });
}

#[test]
fn a_call_of_rtas_is_found_by_its_whole_name_however_long() {
    check(1, |fdt| {
        let rtas = fdt.find_node("/rtas").unwrap();
        for call in RtasCall::ALL {
            assert_eq!(cells(rtas, call.name()), [call.token()], "{call}");
        }
        assert!(
            rtas.properties()
                .all(|property| property.name != "ibm,query-interrupt-source-numb")
        );
    });
}

/// The hypercalls of each function set (LoPAR, Logical Partitioning Option, "Hypervisor Call Function Table").
const FUNCTION_SETS: [(&str, &[u64]); 15] = [
    ("hcall-pft", &[0x04, 0x08, 0x0c, 0x10, 0x14, 0x18]),
    ("hcall-tce", &[0x1c, 0x20]),
    // 0x140, which the table counts among them, is a call of virtual I/O (H_PUT_RTCE_INDIRECT), of which there is none here.
    ("hcall-multi-tce", &[0x138, 0x13c]),
    ("hcall-sprg0", &[0x24]),
    ("hcall-copy", &[0x2c]),
    ("hcall-debug", &[0x3c, 0x40]),
    ("hcall-term", &[0x54, 0x58]),
    ("hcall-interrupt", &[0x64, 0x68, 0x6c, 0x70, 0x74, 0x2fc]),
    ("hcall-splpar", &[0xdc, 0xe0, 0xe4, 0xe8, 0xec, 0xf0, 0xf4]),
    ("hcall-bulk", &[0x124]),
    ("hcall-block-remove", &[0x328]),
    ("hcall-hpt-resize", &[0x36c, 0x370]),
    ("hcall-poll-pending", &[0x1d8]),
    ("hcall-random", &[0x300]),
    ("hcall-set-mode", &[0x31c]),
];

#[test]
fn every_call_of_every_function_set_on_offer_is_answered() {
    let machine = machine(1);
    machine.processors.by_server(0).areas().arrive(&machine.ram);
    let caller = Caller {
        machine: &machine,
        server: 0,
    };
    check(1, |fdt| {
        let rtas = fdt.find_node("/rtas").unwrap();
        let offered = rtas.property("ibm,hypertas-functions").unwrap().as_str().unwrap();
        for set in offered.split_terminator('\0') {
            let (_, calls) = FUNCTION_SETS
                .into_iter()
                .find(|&(name, _)| name == set)
                .unwrap_or_else(|| panic!("the manual has no {set}"));
            for &number in calls {
                // An interrupt waits, so that H_CEDE returns.
                let mut cpu = Registers {
                    msr: Msr::EE,
                    interrupt: true,
                    ..Registers::default()
                };
                cpu.gprs[3] = number;
                dispatch(caller, &mut machine.hpt.port(), &mut cpu);
                assert_ne!(cpu.gprs[3], Status::Function.to_register(), "{number:#x} of {set}");
            }
        }
    });
}

#[test]
fn what_is_hidden_is_not_on_offer() {
    let hidden = [Feature::BlockRemove, Feature::HptResize];
    let tree = Tree {
        offer: Offer::without(&hidden),
        ..tree(1)
    };
    let blob = tree.flatten(&layout()).unwrap();
    let fdt = Fdt::new(&blob).unwrap();
    let offered = text(fdt.find_node("/rtas").unwrap(), "ibm,hypertas-functions");
    let offered: Vec<&str> = offered.split_terminator('\0').collect();
    assert!(offered.contains(&"hcall-bulk"));
    assert!(!offered.contains(&"hcall-block-remove") && !offered.contains(&"hcall-hpt-resize"));
}

#[test]
fn every_rtas_call_has_its_token() {
    check(1, |fdt| {
        let rtas = fdt.find_node("/rtas").unwrap();
        for &call in RtasCall::ALL {
            assert_eq!(cells(rtas, call.name()), [call.token()]);
        }
    });
}

#[test]
fn the_stub_is_reserved_and_the_boot_processor_is_the_first() {
    let blob = tree(4).flatten(&layout()).unwrap();
    let fdt = Fdt::new(&blob).unwrap();
    let reserved: Vec<_> = fdt
        .memory_reservations()
        .map(|r| (r.address() as u64, r.size()))
        .collect();
    assert_eq!(reserved, [(0x3fff_0000, 0x1_0000)]);
    // boot_cpuid_phys is the eighth word of the header.
    assert_eq!(blob[28..32], [0; 4]);
}

#[test]
fn each_processor_is_described() {
    for processors in [1, 4, 64] {
        check(processors, |fdt| {
            let nodes: Vec<_> = fdt.find_node("/cpus").unwrap().children().collect();
            assert_eq!(nodes.len(), processors as usize);
            for (server, &node) in (0..processors).zip(&nodes) {
                assert_eq!(node.name, format!("PowerPC,POWER8@{server:x}"));
                assert_eq!(text(node, "device_type"), "cpu");
                assert_eq!(cells(node, "reg"), [server]);
                assert_eq!(cells(node, "ibm,ppc-interrupt-server#s"), [server]);
                assert_eq!(cells(node, "timebase-frequency"), [512_000_000]);
                assert_eq!(cells(node, "cpu-version"), [0x004d_0200]);
                assert_eq!(cells(node, "ibm,pft-size"), [0, 25]);
                assert_eq!(cells(node, "i-cache-line-size"), [128]);
                assert_eq!(cells(node, "d-cache-block-size"), [128]);
                assert_eq!(cells(node, "d-cache-sets"), [64]);
                assert_eq!(cells(node, "ibm,vmx"), [2]);
                assert_eq!(cells(node, "ibm,processor-storage-keys"), [32, 32]);
            }
        });
    }
}

#[test]
fn a_power9_under_kvm_is_a_processor_of_isa_2_07_with_the_pages_that_kvm_names() {
    let kind = ProcessorKind::of_kvm(0x004e_1202, smmu(), &power8()).unwrap();
    let tree = Tree {
        processor: &kind,
        ..tree(2)
    };
    let blob = tree.flatten(&layout()).unwrap();
    let fdt = Fdt::new(&blob).unwrap();
    let cpu = fdt.find_node("/cpus/PowerPC,POWER9@1").unwrap();
    assert_eq!(cells(cpu, "cpu-version"), [0x0f00_0004]);
    assert_eq!(cells(cpu, "ibm,slb-size"), [64]);
    let pages = [12, 0, 1, 12, 0, 16, 0x110, 1, 16, 1, 24, 0x100, 1, 24, 0];
    assert_eq!(cells(cpu, "ibm,segment-page-sizes"), pages);
    let segments = cells(cpu, "ibm,processor-segment-sizes");
    assert_eq!(segments, [28, 40, u32::MAX, u32::MAX]);
    assert_eq!(cells(cpu, "ibm,dfp"), [1]);
    assert_eq!(cells(cpu, "clock-frequency"), [3_500_000_000]);
    assert_eq!(cells(cpu, "d-cache-size"), [32 << 10]);
    let attributes = cpu.property("ibm,pa-features").unwrap().value;
    assert_eq!(attributes, kind.pa_features);
    assert!(cpu.property("ibm,dec-bits").is_none() && cpu.property("ibm,arch-vec-5-platform-support").is_none());
    // Its pages have no class.
    assert!(cpu.property("ibm,processor-storage-keys").is_none());
}

#[test]
fn an_emulated_power9_is_one_of_isa_3_0_without_radix_trees() {
    let kind = ProcessorKind::emulated(Model::Power9);
    let tree = Tree {
        processor: &kind,
        ..tree(2)
    };
    let blob = tree.flatten(&layout()).unwrap();
    let fdt = Fdt::new(&blob).unwrap();
    let cpu = fdt.find_node("/cpus/PowerPC,POWER9@1").unwrap();
    assert_eq!(cells(cpu, "cpu-version"), [0x004e_1203]);
    let features = cpu.property("ibm,pa-features").unwrap().value;
    assert_eq!(features.len(), 2 + usize::from(features[0]));
    let attribute = |byte: usize| features[2 + byte];
    assert_eq!(attribute(40), 0, "no radix trees");
    assert_eq!(
        (attribute(22), attribute(54)),
        (0, 0),
        "neither transactions nor decimal floating point"
    );
    assert_eq!(
        (attribute(24), attribute(38)),
        (0, 0),
        "a decrementer of 32 bits, no accelerators"
    );
    assert_eq!(attribute(46), 0x80, "scv");
    // Whoever finds none has a hashed page table (LoPAR, Device Tree, "ibm,architecture-vec-5"), and the decrementer's width of old.
    let chosen = fdt.find_node("/chosen").unwrap();
    assert!(chosen.property("ibm,architecture-vec-5").is_none() && cpu.property("ibm,dec-bits").is_none());
}

#[test]
fn page_and_segment_sizes_are_those_of_the_table() {
    check(1, |fdt| {
        let node = fdt.find_node("/cpus/PowerPC,POWER8@0").unwrap();
        let sizes = [
            [0x0c, 0x000, 3, 0x0c, 0, 0x10, 7, 0x18, 0x38].as_slice(),
            [0x10, 0x110, 2, 0x10, 1, 0x18, 8].as_slice(),
            [0x18, 0x100, 1, 0x18, 0].as_slice(),
        ]
        .concat();
        assert_eq!(cells(node, "ibm,segment-page-sizes"), sizes);
        assert_eq!(
            cells(node, "ibm,processor-segment-sizes"),
            [0x1c, 0x28, u32::MAX, u32::MAX]
        );
        let features = node.property("ibm,pa-features").unwrap().value;
        assert_eq!(features.len(), 2 + usize::from(features[0]));
        assert_eq!(features[1], 0, "specifier type");
        assert_eq!(features[2 + 22], 0, "no transactional memory");
        assert_eq!(features[2 + 5] & 0x10, 0x10, "loads and stores of quadwords");
    });
}

#[test]
fn memory_command_line_disk_and_seed_are_passed() {
    check(1, |fdt| {
        assert_eq!(
            fdt.find_node("/memory@0").unwrap().property("reg").unwrap().value,
            [[0; 8], (4_u64 << 30).to_be_bytes()].concat()
        );
        let chosen = fdt.find_node("/chosen").unwrap();
        assert_eq!(text(chosen, "bootargs"), "console=hvc0 quiet");
        assert_eq!(cells(chosen, "linux,initrd-start"), [0, 0xf000_0000]);
        assert_eq!(cells(chosen, "linux,initrd-end"), [1, 0]);
        assert_eq!(chosen.property("rng-seed").unwrap().value, [7; SEED_BYTES]);
    });
}

#[test]
fn the_console_is_where_stdout_points_and_has_its_interrupt() {
    check(1, |fdt| {
        let path = text(fdt.find_node("/chosen").unwrap(), "linux,stdout-path");
        let vty = fdt.find_node(path).unwrap();
        assert_eq!(text(vty, "compatible"), "hvterm1");
        assert_eq!(cells(vty, "reg"), [devices::vty::UNIT_ADDRESS as u32]);
        assert_eq!(cells(vty, "interrupts"), [0x1000, 0]);
        let controller = fdt.find_node("/interrupt-controller").unwrap();
        assert_eq!(cells(vty, "interrupt-parent"), cells(controller, "phandle"));
        assert_eq!(text(controller, "compatible"), "IBM,ppc-xicp");
        assert_eq!(cells(controller, "#interrupt-cells"), [2]);
    });
}

/// As Linux looks for them: by path, by type, and by the properties that it asks for.
#[test]
fn events_of_power_and_nvram_are_where_linux_looks_for_them() {
    check(1, |fdt| {
        let events = fdt.find_node("/event-sources/epow-events").unwrap();
        let controller = fdt.find_node("/interrupt-controller").unwrap();
        assert_eq!(cells(events, "interrupts"), [0x1001, 0]);
        assert_eq!(cells(events, "interrupt-parent"), cells(controller, "phandle"));
        let nvram = fdt.all_nodes().find(|node| {
            let kind = node.property("device_type").and_then(fdt::node::NodeProperty::as_str);
            kind == Some("nvram")
        });
        assert_eq!(cells(nvram.unwrap(), "#bytes"), [65536]);
        let rtas = fdt.find_node("/rtas").unwrap();
        assert_eq!(cells(rtas, "rtas-error-log-max"), [2048]);
        assert_eq!(cells(rtas, "rtas-sensors"), [9, 0]);
    });
}

#[test]
fn a_tree_without_disk_has_no_trace_of_one() {
    let blob = tree(1)
        .flatten(&Layout {
            initrd: None,
            ..layout()
        })
        .unwrap();
    let fdt = Fdt::new(&blob).unwrap();
    assert!(
        fdt.find_node("/chosen")
            .unwrap()
            .property("linux,initrd-start")
            .is_none()
    );
}

#[test]
fn the_size_does_not_depend_on_the_addresses() {
    let draft = Layout {
        initrd: Some(0..0),
        ..Layout::default()
    };
    assert_eq!(
        tree(4).flatten(&draft).unwrap().len(),
        tree(4).flatten(&layout()).unwrap().len()
    );
}

/// Two functions, the second with a BAR of each kind.
fn functions() -> [Plugged; 2] {
    let identity = Identity {
        vendor: 0x1af4,
        device: 0x1042,
        subsystem_vendor: 0x1af4,
        subsystem: 0x40,
        revision: 1,
        class: 0x01_00_00,
    };
    let place = |bar, space, at, bytes| Place { bar, space, at, bytes };
    let plain = Plugged {
        device: 0,
        identity,
        vectors: 0,
        places: Vec::new(),
    };
    let places = vec![
        place(0, Space::Io, 0x1000, 0x40),
        place(1, Space::Memory32, 0x8000_0000, 0x2000),
        place(4, Space::Memory64, 0x1_0100_0000_0000, 0x4000),
    ];
    let full = Plugged {
        device: 5,
        vectors: 3,
        places,
        ..plain.clone()
    };
    [plain, full]
}

fn check_pci(look: impl Fn(&Fdt<'_>)) {
    let functions = functions();
    let tree = Tree {
        pci: Some(&functions),
        ..tree(1)
    };
    let blob = tree.flatten(&layout()).unwrap();
    look(&Fdt::new(&blob).unwrap());
}

/// The bridge's node.
fn bridge_path() -> String {
    format!("/pci@{:x}", Bridge::UNIT)
}

#[test]
fn a_machine_without_pci_has_no_trace_of_it() {
    check(1, |fdt| {
        assert!(fdt.all_nodes().all(|node| !node.name.starts_with("pci")));
    });
}

/// As Linux reads `ranges`: three cells of a bus address, two of a real one, two of a size.
#[test]
fn the_bridges_windows_lie_where_it_answers() {
    check_pci(|fdt| {
        let node = fdt.find_node(&bridge_path()).unwrap();
        assert_eq!(text(node, "device_type"), "pci");
        assert_eq!(text(node, "compatible"), "IBM,Logical_PHB");
        let wide = |cells: &[u32]| u64::from(cells[0]) << 32 | u64::from(cells[1]);
        let ranges = cells(node, "ranges");
        assert_eq!(ranges.len(), 21);
        for (range, (space, code)) in ranges.chunks(7).zip(SPACES.into_iter().zip(1..)) {
            let window = space.window();
            assert_eq!(range[0], code << 24);
            assert_eq!(
                (wide(&range[1..]), wide(&range[3..]), wide(&range[5..])),
                (window.bus, window.real, window.bytes)
            );
            assert!(window.real >= 1 << 46, "above what Linux can have of RAM");
        }
        assert_eq!(
            cells(node, "reg"),
            [(Bridge::UNIT >> 32) as u32, Bridge::UNIT as u32, 0, 0]
        );
        assert_eq!(cells(node, "bus-range"), [0, 0]);
        assert_eq!(
            (cells(node, "#address-cells"), cells(node, "#size-cells")),
            (vec![3], vec![2])
        );
        let window = cells(node, "ibm,dma-window");
        assert_eq!(
            (window[0], wide(&window[1..]), wide(&window[3..])),
            (Bridge::LIOBN, 0, Bridge::DMA_BYTES)
        );
        assert_eq!(cells(node, "ibm,#dma-address-cells"), [2]);
        assert_eq!(cells(node, "ibm,pe-total-#msi"), [1018]);
    });
}

/// As the binding has it: an address and a pin under the mask name one entry of the map.
#[test]
fn every_pin_leads_to_a_level_of_the_interrupt_controller() {
    check_pci(|fdt| {
        let node = fdt.find_node(&bridge_path()).unwrap();
        let (mask, map) = (cells(node, "interrupt-map-mask"), cells(node, "interrupt-map"));
        let controller = cells(fdt.find_node("/interrupt-controller").unwrap(), "phandle")[0];
        assert_eq!(cells(node, "#interrupt-cells"), [1]);
        for (device, pin) in (0..32).flat_map(|device| (1..5).map(move |pin| (device, pin))) {
            let unit = [device << 11, 0, 0, pin];
            let matches = |entry: &&[u32]| {
                unit.iter()
                    .zip(&mask)
                    .zip(*entry)
                    .all(|((cell, mask), entry)| cell & mask == *entry)
            };
            let found: Vec<_> = map.chunks(7).filter(matches).collect();
            let source = 0x1002 + (device + pin - 1) % 4;
            assert_eq!(found, [&[unit[0] & mask[0], 0, 0, pin, controller, source, 1]]);
        }
    });
}

#[test]
fn a_function_is_described_with_its_windows() {
    check_pci(|fdt| {
        let names: Vec<_> = fdt
            .find_node(&bridge_path())
            .unwrap()
            .children()
            .map(|node| node.name.to_owned())
            .collect();
        assert_eq!(names, ["pci1af4,1042@0", "pci1af4,1042@5"]);
        let node = fdt.find_node(&format!("{}/{}", bridge_path(), names[1])).unwrap();
        let expected = [
            ("vendor-id", 0x1af4),
            ("device-id", 0x1042),
            ("subsystem-vendor-id", 0x1af4),
            ("subsystem-id", 0x40),
            ("revision-id", 1),
            ("class-code", 0x01_00_00),
            ("interrupts", 1),
            ("ibm,req#msi-x", 3),
        ];
        for (name, value) in expected {
            assert_eq!(cells(node, name), [value], "{name}");
        }
        // Configuration space, and each BAR by its register, the space in bits 6 and 7, with its size (IEEE 1275 PCI binding, 2.2.1.1).
        let device = 5 << 11;
        assert_eq!(
            cells(node, "reg"),
            [
                [device, 0, 0, 0, 0],
                [0x0100_0010 | device, 0, 0, 0, 0x40],
                [0x0200_0014 | device, 0, 0, 0, 0x2000],
                [0x4300_0020 | device, 0, 0, 0, 0x4000],
            ]
            .concat()
        );
        assert_eq!(
            cells(node, "assigned-addresses"),
            [
                [0x8100_0010 | device, 0, 0x1000, 0, 0x40],
                [0x8200_0014 | device, 0, 0x8000_0000, 0, 0x2000],
                [0xc300_0020 | device, 0x1_0100, 0, 0, 0x4000],
            ]
            .concat()
        );
        let plain = fdt.find_node(&format!("{}/{}", bridge_path(), names[0])).unwrap();
        assert!(plain.property("ibm,req#msi-x").is_none());
    });
}
