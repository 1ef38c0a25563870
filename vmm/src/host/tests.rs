//! Hosts made up for the tests of those who judge them.

use super::kvm_answers::Answers;
use super::*;
use crate::size::Size;

/// A laptop.
pub(crate) fn x86() -> Host {
    Host {
        architecture: Architecture::Other("x86_64"),
        page_bytes: 4096,
        cpu: CpuInfo::default(),
        kernel: Kernel {
            release: "6.12.1".into(),
            ..Kernel::default()
        },
        kvm: Kvm::NotAsked,
        limits: Limits {
            memory: Size::from_mib(16_000),
            overcommit: Some(Overcommit::Guess),
            address_space: None,
            open_files: Some(1024),
            memory_file: Ok(()),
            userfaultfd: Userfaultfd::OwnFaults,
        },
        network: Network {
            passt: Some("/usr/bin/passt".into()),
            tap: Ok(()),
        },
        machine_code: MachineCode::Possible,
    }
}

/// A POWER8 without hypervisor, whose kernel has KVM-PR: all that pteg can wish for.
pub(crate) fn power8() -> Host {
    Host {
        architecture: Architecture::Power(Endian::Little),
        cpu: CpuInfo {
            name: Some("POWER8 (raw)".into()),
            pvr: Some(0x004d_0200),
            clock_hz: Some(3_500_000_000),
            timebase_hz: Some(512_000_000),
            platform: Some(Platform::PowerNv),
            model: Some("8247-22L".into()),
            mmu: Some(Mmu::Hash),
        },
        kernel: Kernel {
            has_kvm_pr: true,
            ..x86().kernel
        },
        kvm: Kvm::Opens(Answers {
            capabilities: Capability::ALL.to_vec(),
            most_processors: 16,
            pr_machine: Ok(()),
        }),
        ..x86()
    }
}

#[test]
fn this_machine_can_be_looked_at() {
    let host = Host::look();
    assert_eq!(
        host.kvm == Kvm::NotAsked,
        matches!(host.architecture, Architecture::Other(_))
    );
    assert!(host.page_bytes.is_power_of_two() && host.page_bytes >= 4096);
}
