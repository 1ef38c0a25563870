//! What `/dev/kvm` of a POWER machine answers, as plain data. Who asks is `kvm.rs`.

use std::io;

/// What pteg may want of KVM beyond running a processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Capability {
    /// Guests that make hypercalls.
    Papr,
    /// The kernel can be told which hypercalls are not its own.
    EnableHcall,
    /// It says which pages and segments its processors know.
    SmmuInfo,
    /// An interrupt can be taken back.
    UnsetIrq,
    /// The interrupt line is a level.
    IrqLevel,
    /// Registers can be reached one by one.
    OneReg,
    /// Where interrupt vectors lie can be set.
    Hior,
    /// A processor can be kept from entering the guest.
    ImmediateExit,
    /// Pages of the host that go away leave the guest, too.
    SyncMmu,
    /// The kernel can emulate an interrupt controller for guests of the kind PR (not needed: pteg has its own).
    Xics,
}

impl Capability {
    /// All of them.
    pub(crate) const ALL: [Self; 10] = [
        Self::Papr,
        Self::EnableHcall,
        Self::SmmuInfo,
        Self::UnsetIrq,
        Self::IrqLevel,
        Self::OneReg,
        Self::Hior,
        Self::ImmediateExit,
        Self::SyncMmu,
        Self::Xics,
    ];

    /// Its name in the kernel's interface.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Papr => "KVM_CAP_PPC_PAPR",
            Self::EnableHcall => "KVM_CAP_PPC_ENABLE_HCALL",
            Self::SmmuInfo => "KVM_CAP_PPC_GET_SMMU_INFO",
            Self::UnsetIrq => "KVM_CAP_PPC_UNSET_IRQ",
            Self::IrqLevel => "KVM_CAP_PPC_IRQ_LEVEL",
            Self::OneReg => "KVM_CAP_ONE_REG",
            Self::Hior => "KVM_CAP_PPC_HIOR",
            Self::ImmediateExit => "KVM_CAP_IMMEDIATE_EXIT",
            Self::SyncMmu => "KVM_CAP_SYNC_MMU",
            Self::Xics => "KVM_CAP_IRQ_XICS",
        }
    }

    /// Whether pteg runs no guest on KVM without it.
    pub(crate) const fn is_needed(self) -> bool {
        !matches!(self, Self::Xics)
    }
}

/// What became of the attempt to reach KVM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kvm {
    /// Nobody asked: this is no POWER machine.
    #[cfg_attr(
        all(not(test), target_arch = "powerpc64"),
        expect(dead_code, reason = "this is a POWER machine")
    )]
    NotAsked,
    /// `/dev/kvm` is not there, or nobody is behind it.
    Absent,
    /// It may not be opened.
    Denied,
    /// It cannot be opened, and the host says why.
    Broken(String),
    /// It opens.
    Opens(Answers),
}

/// What KVM said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answers {
    /// What it can do.
    pub(crate) capabilities: Vec<Capability>,
    /// The most processors that one machine may have (`KVM_CAP_MAX_VCPUS`).
    pub(crate) most_processors: u32,
    /// Whether it makes a machine of the kind PR; the host's error otherwise.
    pub(crate) pr_machine: Result<(), Refusal>,
}

/// Why there is no machine of the kind PR.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The kernel does not know the kind (EINVAL): it has KVM-HV alone.
    UnknownKind,
    /// Another error, in the host's words.
    Other(String),
}

impl Answers {
    /// What pteg needs and the kernel lacks.
    pub(crate) fn lacking(&self) -> impl Iterator<Item = Capability> + '_ {
        let has = |capability| self.capabilities.contains(&capability);
        Capability::ALL
            .into_iter()
            .filter(move |&capability| capability.is_needed() && !has(capability))
    }
}

impl Kvm {
    /// What the error of opening `/dev/kvm` means.
    pub(crate) fn unopened(error: &io::Error) -> Self {
        use rustix::io::Errno;
        match Errno::from_io_error(error) {
            Some(Errno::NOENT | Errno::NODEV | Errno::NXIO) => Self::Absent,
            Some(Errno::ACCESS | Errno::PERM) => Self::Denied,
            _ => Self::Broken(error.to_string()),
        }
    }
}

impl Refusal {
    /// What the error of making a machine means.
    pub(crate) fn of(error: &io::Error) -> Self {
        match rustix::io::Errno::from_io_error(error) {
            Some(rustix::io::Errno::INVAL) => Self::UnknownKind,
            _ => Self::Other(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use rustix::io::Errno;

    use super::*;

    #[test]
    fn errors_of_opening_are_told_apart() {
        let meaning = |errno: Errno| Kvm::unopened(&errno.into());
        assert_eq!(meaning(Errno::NOENT), Kvm::Absent);
        assert_eq!(meaning(Errno::NODEV), Kvm::Absent);
        assert_eq!(meaning(Errno::ACCESS), Kvm::Denied);
        assert!(matches!(meaning(Errno::MFILE), Kvm::Broken(why) if why.contains("open files")));
    }

    #[test]
    fn a_kind_of_machine_that_is_not_known_is_told_from_other_errors() {
        assert_eq!(Refusal::of(&Errno::INVAL.into()), Refusal::UnknownKind);
        assert!(matches!(Refusal::of(&Errno::NOMEM.into()), Refusal::Other(_)));
    }

    #[test]
    fn what_is_not_needed_is_not_lacking() {
        let answers = Answers {
            capabilities: vec![Capability::Papr],
            most_processors: 1,
            pr_machine: Ok(()),
        };
        let lacking: Vec<_> = answers.lacking().collect();
        assert!(lacking.contains(&Capability::EnableHcall));
        assert!(!lacking.contains(&Capability::Papr) && !lacking.contains(&Capability::Xics));
    }
}
