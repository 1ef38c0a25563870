//! What there is to say about a host: a finding a subject, with what would be better. Pure functions of facts.

use std::fmt;
use std::path::PathBuf;

use emulator::MachineCode;
use serde::Serialize;
use tap_device::TUN;

use crate::accel::choose::{Obstacle, loses_sc1, obstacle};
use crate::host::{
    Architecture, Capability, CpuInfo, Host, Kvm, Limits, Mmu, Network, Overcommit, Platform, Userfaultfd,
};
use crate::size::Size;

/// How good it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Verdict {
    /// As it should be.
    Good,
    /// Worth knowing.
    Note,
    /// To be changed.
    Change,
}

/// Something about the host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    /// What it is about.
    pub(super) subject: &'static str,
    /// How good it is.
    pub(super) verdict: Verdict,
    /// How it is.
    pub(super) text: String,
    /// What to do; always there for [`Verdict::Change`].
    pub(super) remedy: Option<String>,
}

impl Finding {
    fn good(subject: &'static str, text: impl Into<String>) -> Self {
        Self {
            subject,
            verdict: Verdict::Good,
            text: text.into(),
            remedy: None,
        }
    }

    fn note(subject: &'static str, text: impl Into<String>, remedy: &str) -> Self {
        Self {
            verdict: Verdict::Note,
            remedy: (!remedy.is_empty()).then(|| remedy.to_owned()),
            ..Self::good(subject, text)
        }
    }

    fn change(subject: &'static str, text: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            verdict: Verdict::Change,
            remedy: Some(remedy.into()),
            ..Self::good(subject, text)
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = match self.verdict {
            Verdict::Good => "good",
            Verdict::Note => "note",
            Verdict::Change => "CHANGE",
        };
        write!(f, "{verdict:<6}  {}: {}", self.subject, self.text)?;
        self.remedy.as_ref().map_or(Ok(()), |remedy| write!(f, "; {remedy}"))
    }
}

/// All findings.
pub(super) fn of(host: &Host) -> Vec<Finding> {
    let mut found = vec![machine(host), kvm(host)];
    if matches!(host.architecture, Architecture::Power(_)) {
        found.push(modules(host));
        found.extend(host.cpu.mmu.map(mmu));
        found.push(pages(host.page_bytes));
    }
    if obstacle(host).is_none() {
        found.push(hypercall_instruction(host));
        found.extend(processors(host));
    }
    if obstacle(host).is_some() {
        found.push(machine_code(host.machine_code));
    }
    found.extend([
        memory(&host.limits),
        memory_file(&host.limits),
        userfaultfd(&host.limits),
    ]);
    if matches!(host.architecture, Architecture::Power(_)) {
        found.push(withheld_memory(&host.limits));
    }
    found.extend([address_space(&host.limits), open_files(&host.limits)]);
    found.extend(overcommit(&host.limits));
    found.extend([user_network(&host.network), tap_network(&host.network)]);
    found
}

fn machine(host: &Host) -> Finding {
    let kernel = format!("Linux {}", host.kernel.release);
    match host.architecture {
        Architecture::Other(name) => Finding::good(
            "machine",
            format!("{name}, {kernel}: guests run on emulated processors"),
        ),
        Architecture::Power(_) => Finding::good("machine", format!("{}, {kernel}", processor(&host.cpu))),
    }
}

fn processor(cpu: &CpuInfo) -> String {
    let mut text = cpu.name.clone().unwrap_or_else(|| "POWER".into());
    if let Some(pvr) = cpu.pvr {
        text.push_str(&format!(", pvr {pvr:#010x}"));
    }
    match cpu.platform {
        Some(Platform::PowerNv) => text.push_str(", without a hypervisor (PowerNV)"),
        Some(Platform::Pseries) => text.push_str(", itself a guest (pSeries)"),
        None => {}
    }
    if let Some(model) = &cpu.model {
        text.push_str(&format!(", model {model}"));
    }
    text
}

fn kvm(host: &Host) -> Finding {
    match obstacle(host) {
        None => Finding::good("KVM", "/dev/kvm opens, and KVM-PR makes guests"),
        Some(why @ Obstacle::NotPower(_)) => Finding::note("KVM", why.to_string(), ""),
        Some(why) => Finding::change("KVM", why.to_string(), why.remedy()),
    }
}

fn modules(host: &Host) -> Finding {
    let is = |loaded| if loaded { "is there" } else { "is not loaded" };
    let (pr, hv) = (host.kernel.has_kvm_pr, host.kernel.has_kvm_hv);
    let text = format!("kvm_pr {}, kvm_hv {}", is(pr), is(hv));
    // One that is built in leaves no trace if there is no list of such; that it makes guests is the proof.
    if pr || obstacle(host).is_none() {
        let proven = if pr {
            text
        } else {
            "kvm_pr is a part of the kernel".into()
        };
        return Finding::good("modules", proven);
    }
    Finding::note(
        "modules",
        text,
        "modprobe kvm_pr loads it, if the kernel has it as a module",
    )
}

fn mmu(mmu: Mmu) -> Finding {
    match mmu {
        Mmu::Hash => Finding::good("MMU", "a hashed page table, as KVM-PR needs"),
        // What to do is said under KVM.
        Mmu::Radix => Finding::note("MMU", "radix trees, with which KVM-PR does not load", ""),
    }
}

fn pages(bytes: u64) -> Finding {
    let kib = bytes >> 10;
    match kib {
        4 => Finding::good("pages", "4 KiB: what a guest unmaps is dropped page by page"),
        64 => Finding::good(
            "pages",
            "64 KiB: what a guest unmaps of 4 KiB is dropped with its neighbours",
        ),
        _ => Finding::note("pages", format!("{kib} KiB, with which pteg has not been tried"), ""),
    }
}

fn hypercall_instruction(host: &Host) -> Finding {
    if loses_sc1(host) {
        let text = "the hypervisor below takes sc 1; pteg replaces it in the guest's kernel and RTAS, and not in what a guest \
                    loads later";
        Finding::note(
            "hypercalls",
            text,
            "a machine without a hypervisor needs no replacement",
        )
    } else {
        Finding::good("hypercalls", "sc 1 reaches KVM-PR: the guest's code stays as it is")
    }
}

fn processors(host: &Host) -> Option<Finding> {
    let Kvm::Opens(answers) = &host.kvm else {
        return None;
    };
    let most = answers.most_processors;
    let has_xics = answers.capabilities.contains(&Capability::Xics);
    let xics = if has_xics { ", and an interrupt controller" } else { "" };
    Some(Finding::good(
        "processors",
        format!("KVM gives a guest up to {most} (CONFIG_NR_CPUS){xics}"),
    ))
}

fn memory(limits: &Limits) -> Finding {
    /// What `--mem` is if nobody says it.
    const DEFAULT: Size = Size::from_mib(1024);
    let mib = limits.memory.bytes() >> 20;
    if limits.memory > DEFAULT {
        return Finding::good("memory", format!("{mib} MiB, and --mem may be less than that"));
    }
    let text = format!("{mib} MiB, too little for a guest of the default 1 GiB");
    Finding::note("memory", text, &format!("give --mem {}M or less", mib / 2 / 16 * 16))
}

fn memory_file(limits: &Limits) -> Finding {
    match &limits.memory_file {
        Ok(()) => Finding::good("memory files", "they can be made (memfd_create)"),
        Err(error) => Finding::change(
            "memory files",
            format!("they cannot be made ({error}), and guest memory is one"),
            "use a kernel with CONFIG_MEMFD_CREATE, and let the sandbox, if any, permit memfd_create",
        ),
    }
}

fn userfaultfd(limits: &Limits) -> Finding {
    let good = |how| {
        let text = format!("processes that share guest memory can tell what they do to it (userfaultfd{how})");
        Finding::good("shared memory", text)
    };
    match &limits.userfaultfd {
        Userfaultfd::All => good(""),
        Userfaultfd::OwnFaults => good(" with UFFD_USER_MODE_ONLY"),
        Userfaultfd::Refused(error) => Finding::note(
            "shared memory",
            format!(
                "no userfaultfd ({error}): processes that share guest memory (--share-memory) cannot tell what they do to it"
            ),
            "use a kernel with CONFIG_USERFAULTFD, and let the sandbox, if any, permit userfaultfd",
        ),
    }
}

fn machine_code(here: MachineCode) -> Finding {
    let subject = "machine code";
    match here {
        MachineCode::Possible => Finding::good(subject, "emulated processors compile what they execute often"),
        MachineCode::Refused => Finding::note(
            subject,
            "emulated processors interpret everything, as this host gives pteg no memory that can be executed",
            "allow it (SELinux: execmem), and loops are two to three times as fast",
        ),
        MachineCode::NoCompiler => Finding::note(
            subject,
            "emulated processors interpret everything: they compile on x86-64 alone",
            "",
        ),
    }
}

fn user_network(network: &Network) -> Finding {
    match &network.passt {
        Some(path) => Finding::good("user network", format!("{} is there for --net user", path.display())),
        None => Finding::note(
            "user network",
            "there is no passt in PATH, which --net user needs",
            "install the package passt",
        ),
    }
}

fn tap_network(network: &Network) -> Finding {
    match &network.tap {
        Ok(()) => Finding::good(
            "tap network",
            "tap interfaces that are yours can be used (--net tap=NAME)",
        ),
        Err(error) => Finding::note(
            "tap network",
            format!("no {TUN} ({error}), which --net tap=NAME needs"),
            "modprobe tun makes it; it is to be readable and writable for you",
        ),
    }
}

/// What serves the directories that a guest shares, or why nothing does.
pub(super) fn shared_directories(server: &Result<PathBuf, String>) -> Finding {
    const SUBJECT: &str = "shared directories";
    match server {
        Ok(path) => Finding::good(SUBJECT, format!("{} is there for --share", path.display())),
        Err(why) => Finding::note(SUBJECT, format!("--share does not work here: {why}"), ""),
    }
}

fn withheld_memory(limits: &Limits) -> Finding {
    const SUBJECT: &str = "withheld memory";
    const WITHOUT: &str = "pteg ctl VM watch --loads works for emulated guests alone";
    match &limits.userfaultfd {
        Userfaultfd::All => Finding::good(
            SUBJECT,
            "memory can be withheld from guests under KVM (userfaultfd of faults in the kernel)".to_owned(),
        ),
        Userfaultfd::OwnFaults => Finding::note(
            SUBJECT,
            format!("no userfaultfd of faults in the kernel: {WITHOUT}"),
            "give pteg CAP_SYS_PTRACE, or sysctl vm.unprivileged_userfaultfd=1",
        ),
        Userfaultfd::Refused(error) => Finding::note(
            SUBJECT,
            format!("no userfaultfd ({error}): {WITHOUT}"),
            "use a kernel with CONFIG_USERFAULTFD",
        ),
    }
}

fn address_space(limits: &Limits) -> Finding {
    match limits.address_space {
        None => Finding::good("address space", "no limit"),
        Some(bytes) => Finding::change(
            "address space",
            format!(
                "limited to {} KiB, and guest memory and page tables are mapped whole",
                bytes >> 10
            ),
            "ulimit -v unlimited",
        ),
    }
}

fn open_files(limits: &Limits) -> Finding {
    /// Each of 64 processors is a file of KVM's; pteg's own files, and the guest's disks, come to less than the rest.
    const ENOUGH: u64 = 256;
    match limits.open_files {
        None => Finding::good("open files", "no limit"),
        Some(most) if most >= ENOUGH => Finding::good("open files", format!("up to {most}")),
        Some(most) => Finding::change(
            "open files",
            format!("limited to {most}, and a guest with 64 processors takes more than 64"),
            format!("ulimit -n {ENOUGH}"),
        ),
    }
}

fn overcommit(limits: &Limits) -> Option<Finding> {
    match limits.overcommit? {
        Overcommit::Guess | Overcommit::Always => None,
        Overcommit::Never => Some(Finding::note(
            "overcommit",
            "this machine promises no more memory than it has: a guest's counts in full from its start",
            "sysctl vm.overcommit_memory=0 lets it count as it is touched",
        )),
    }
}
