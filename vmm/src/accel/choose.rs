//! Which accelerator runs the guest, with whose interrupt controller, and why: a judgement of facts about the host, and of nothing else.
//!
//! [`obstacle`] knows what keeps KVM-PR from running a guest, with what would remove it; `pteg doctor` says the same.

use power::model::Model;

use crate::boot::{ProcessorKind, UnknownProcessor};
use crate::cli::{AccelArg, IrqchipArg};
use crate::config::Config;
use crate::host::{Architecture, Capability, Host, Kvm, Mmu, Platform, Refusal};

/// The accelerators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Chosen {
    /// Processors in software.
    Emulated,
    /// The processors of this machine, through KVM-PR.
    Kvm,
}

impl Chosen {
    /// As `--accel` names it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Emulated => "emulated",
            Self::Kvm => "kvm",
        }
    }
}

/// Whose interrupt controller serves the guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Irqchip {
    /// That of the host's kernel, without leaving the kernel.
    Kernel,
    /// The machine's.
    Ours,
}

/// What the user wants of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wish {
    /// `--cpu`, if it is there.
    pub(crate) cpu: Option<Model>,
    /// `--accel`.
    pub(crate) accel: AccelArg,
    /// `--irqchip`.
    pub(crate) irqchip: IrqchipArg,
    /// Processors of the guest.
    pub(crate) processors: u32,
    /// A flag that only emulated processors know, and why.
    pub(crate) emulated_only: Option<(&'static str, &'static str)>,
}

impl Wish {
    /// The best there is, for one processor.
    pub(crate) const fn any() -> Self {
        Self {
            cpu: None,
            accel: AccelArg::Auto,
            irqchip: IrqchipArg::Auto,
            processors: 1,
            emulated_only: None,
        }
    }

    /// That of `config`.
    pub(crate) fn of(config: &Config) -> Self {
        let emulated_only = if config.check_walkers {
            Some(("--check-walkers", "which looks into what emulated processors remember"))
        } else if config.turns.is_some() {
            Some(("--turns", "which counts the instructions of emulated processors"))
        } else if config.threads < config.processors {
            Some(("--threads", "and KVM runs each processor in a thread of its own"))
        } else {
            None
        };
        Self {
            cpu: config.cpu,
            accel: config.accel,
            irqchip: config.irqchip,
            processors: config.processors,
            emulated_only,
        }
    }

    /// What emulated processors are.
    pub(crate) fn model(&self) -> Model {
        self.cpu.unwrap_or_default()
    }
}

/// A choice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Choice {
    /// What runs the processors.
    pub(crate) accelerator: Chosen,
    /// Whose interrupt controller it comes with.
    pub(crate) irqchip: Irqchip,
    /// That and the reason, as one sentence for the user.
    pub(crate) why: String,
    /// Whether the guest's `sc 1` must be replaced before it starts.
    pub(crate) patch_sc1: bool,
}

/// The user wants what cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ChooseError {
    /// KVM.
    #[error("--accel kvm: {0}; {remedy}", remedy = .0.remedy())]
    Kvm(Obstacle),
    /// The kernel's interrupt controller, with processors that are not KVM's. The sentence says why they are not.
    #[error("--irqchip kernel: only KVM has it, and pteg is {0}; leave --irqchip out, or give --accel kvm")]
    NoKvm(String),
    /// The kernel's interrupt controller, which it does not have.
    #[error(
        "--irqchip kernel: this kernel's KVM-PR has no interrupt controller ({}); give --irqchip user, or boot a kernel built \
         with CONFIG_KVM_XICS, on a POWER9 without hypervisor with xive=off on its command line",
        Capability::Xics.name()
    )]
    NoXics,
}

impl ChooseError {
    /// The flag that wants it.
    pub(crate) const fn flag(&self) -> &'static str {
        match self {
            Self::Kvm(_) => "accel",
            Self::NoKvm(_) | Self::NoXics => "irqchip",
        }
    }
}

/// What keeps KVM from running the guest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Obstacle {
    /// The user wants what only emulated processors have.
    #[error("there is {0}, {1}")]
    Flag(&'static str, &'static str),
    /// The user wants a processor that the machine's is not.
    #[error("--cpu {0} wants another processor than this machine's, and KVM has no other")]
    OtherModel(Model),
    /// Another architecture.
    #[error("this is no POWER machine but {0}, whose KVM runs no POWER guests")]
    NotPower(&'static str),
    /// A POWER machine with other processors.
    #[error(transparent)]
    Processor(UnknownProcessor),
    /// KVM-PR refuses to load.
    #[error("this machine translates addresses by radix trees, and KVM-PR works with a hashed page table only")]
    Radix {
        /// It was told not to, in vain.
        told_to_hash: bool,
    },
    /// No `/dev/kvm`.
    #[error("there is no KVM here (no /dev/kvm)")]
    Absent,
    /// `/dev/kvm` may not be opened.
    #[error("/dev/kvm may not be opened by this user")]
    Denied,
    /// `/dev/kvm` cannot be opened.
    #[error("/dev/kvm cannot be opened ({0})")]
    Broken(String),
    /// KVM-HV, which owns the page table itself, is the only one.
    #[error("this kernel has KVM-HV only, which keeps the guest's page table to itself; pteg needs KVM-PR")]
    HvOnly,
    /// `/dev/kvm` is there, and no KVM-PR behind it.
    #[error("this kernel's KVM makes no guests of the kind PR")]
    NoPr,
    /// KVM-PR makes no guest, for a reason of the host's.
    #[error("KVM-PR makes no guest ({0})")]
    Refused(String),
    /// The kernel is too old, or built without them.
    #[error("this kernel's KVM-PR lacks {}", names(.0))]
    Lacks(Vec<Capability>),
    /// Fewer than the guest is to have.
    #[error("this kernel's KVM gives a guest at most {most} processors, and --smp wants {wanted}")]
    Processors {
        /// What there can be.
        most: u32,
        /// What the user asked for.
        wanted: u32,
    },
}

fn names(capabilities: &[Capability]) -> String {
    let names: Vec<_> = capabilities.iter().map(|capability| capability.name()).collect();
    names.join(", ")
}

/// How to get KVM-PR where there is none.
const GET_PR: &str = "load the module kvm_pr (modprobe kvm_pr), or boot a kernel that has it (CONFIG_KVM_BOOK3S_64_PR; \
                      kernels built with CONTEXT_TRACKING_USER, such as Debian's, cannot)";

impl Obstacle {
    /// What would remove it, in one line.
    pub(crate) fn remedy(&self) -> String {
        match self {
            Self::Flag(flag, _) => format!("leave {flag} out, or give --accel emulated"),
            Self::OtherModel(_) => "leave --cpu out, or give --accel emulated".into(),
            Self::NotPower(_) => "give --accel emulated, or leave the flag out".into(),
            Self::Processor(_) => "use a machine with POWER8 or POWER9, or --accel emulated".into(),
            Self::Radix { told_to_hash: false } => {
                "boot this machine's kernel with disable_radix on its command line, or give --accel emulated".into()
            }
            Self::Radix { told_to_hash: true } => {
                "its kernel has disable_radix and kept to radix trees, so the platform has nothing else: give --accel \
                 emulated"
                    .into()
            }
            Self::Absent | Self::HvOnly | Self::NoPr => GET_PR.into(),
            Self::Denied => "join the group that owns it (ls -l /dev/kvm; often kvm), or run pteg as root".into(),
            Self::Broken(_) => "load the module kvm_pr again and see the kernel's log, or give --accel emulated".into(),
            Self::Refused(_) => "see the kernel's log, or give --accel emulated".into(),
            Self::Lacks(_) => "boot a newer kernel (6.1 and 6.12 have them), or give --accel emulated".into(),
            Self::Processors { most, .. } => {
                format!("give --smp {most} or less, or boot a kernel built with a larger CONFIG_NR_CPUS")
            }
        }
    }
}

/// What keeps KVM on `host` from running any guest; the reason that stands behind the others comes first.
pub(crate) fn obstacle(host: &Host) -> Option<Obstacle> {
    if let Architecture::Other(name) = host.architecture {
        return Some(Obstacle::NotPower(name));
    }
    // Said before what follows from it: KVM-PR does not load, so nobody or KVM-HV is behind /dev/kvm.
    if host.cpu.mmu == Some(Mmu::Radix) {
        let told_to_hash = host.kernel.is_told_to_hash();
        return Some(Obstacle::Radix { told_to_hash });
    }
    if let Some(Err(unknown)) = host.cpu.pvr.map(ProcessorKind::check_version) {
        return Some(Obstacle::Processor(unknown));
    }
    let answers = match &host.kvm {
        Kvm::NotAsked | Kvm::Absent => return Some(Obstacle::Absent),
        Kvm::Denied => return Some(Obstacle::Denied),
        Kvm::Broken(why) => return Some(Obstacle::Broken(why.clone())),
        Kvm::Opens(answers) => answers,
    };
    match &answers.pr_machine {
        Ok(()) => {}
        Err(Refusal::UnknownKind) if host.kernel.has_kvm_hv => return Some(Obstacle::HvOnly),
        Err(Refusal::UnknownKind) => return Some(Obstacle::NoPr),
        Err(Refusal::Other(why)) => return Some(Obstacle::Refused(why.clone())),
    }
    let lacking: Vec<_> = answers.lacking().collect();
    (!lacking.is_empty()).then_some(Obstacle::Lacks(lacking))
}

/// Whether a hypervisor below the host takes the guest's `sc 1`. The instruction leads to whoever is in hypervisor state, and
/// a host that is a guest is not (Power ISA v2.07B, Book III-S, 3.3.1).
pub(crate) fn loses_sc1(host: &Host) -> bool {
    host.cpu.platform == Some(Platform::Pseries)
}

/// Takes what the user wants, or the best that works on `host`.
///
/// # Errors
/// When it is to be KVM, or the kernel's interrupt controller, and cannot: what is in the way, and what to change.
pub(crate) fn choose(wish: &Wish, host: &Host) -> Result<Choice, ChooseError> {
    if wish.accel == AccelArg::Emulated {
        return emulated(wish, format!("emulating {} processors, as asked", wish.model().chip()));
    }
    match obstacle(host).or_else(|| of_wish(wish, host)) {
        None => kvm(wish, host),
        Some(obstacle) if wish.accel == AccelArg::Kvm => Err(ChooseError::Kvm(obstacle)),
        Some(obstacle) => emulated(
            wish,
            format!("emulating {} processors: {obstacle}", wish.model().chip()),
        ),
    }
}

fn emulated(wish: &Wish, why: String) -> Result<Choice, ChooseError> {
    if wish.irqchip == IrqchipArg::Kernel {
        return Err(ChooseError::NoKvm(why));
    }
    Ok(Choice {
        accelerator: Chosen::Emulated,
        irqchip: Irqchip::Ours,
        why,
        patch_sc1: false,
    })
}

/// The kernel's controller spares each interrupt two ways through this program, so it is taken where it is.
fn irqchip(wish: &Wish, host: &Host) -> Result<Irqchip, ChooseError> {
    let is_there = matches!(&host.kvm, Kvm::Opens(answers) if answers.capabilities.contains(&Capability::Xics));
    match wish.irqchip {
        IrqchipArg::Kernel if !is_there => Err(ChooseError::NoXics),
        IrqchipArg::Auto | IrqchipArg::Kernel if is_there => Ok(Irqchip::Kernel),
        _ => Ok(Irqchip::Ours),
    }
}

/// What keeps KVM from running this guest, where it runs others.
fn of_wish(wish: &Wish, host: &Host) -> Option<Obstacle> {
    if let Some(model) = wish.cpu
        && host.cpu.pvr.and_then(ProcessorKind::model_of) != Some(model)
    {
        return Some(Obstacle::OtherModel(model));
    }
    let wanted = wish.processors;
    match &host.kvm {
        Kvm::Opens(answers) if answers.most_processors < wanted => Some(Obstacle::Processors {
            most: answers.most_processors,
            wanted,
        }),
        _ => wish.emulated_only.map(|(flag, why)| Obstacle::Flag(flag, why)),
    }
}

fn kvm(wish: &Wish, host: &Host) -> Result<Choice, ChooseError> {
    let patch_sc1 = loses_sc1(host);
    let processor = host.cpu.name.as_deref().unwrap_or("POWER");
    let note = if patch_sc1 {
        ", with the guest's sc 1 replaced, as this machine is a guest itself"
    } else {
        ""
    };
    Ok(Choice {
        accelerator: Chosen::Kvm,
        irqchip: irqchip(wish, host)?,
        why: format!("running on KVM-PR and this machine's processors ({processor}){note}"),
        patch_sc1,
    })
}

#[cfg(test)]
mod tests;
