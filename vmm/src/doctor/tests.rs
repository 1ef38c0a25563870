//! Findings about hosts that are made up.

use emulator::MachineCode;

use super::*;
use crate::host::kvm_answers::Answers;
use crate::host::tests::{power8, x86};
use crate::host::{CpuInfo, Kernel, Kvm, Limits, Mmu, Network, Overcommit, Platform, Refusal, Userfaultfd};
use crate::size::Size;

/// What is found about one subject.
#[track_caller]
fn finding(host: &Host, subject: &str) -> Finding {
    let found: Vec<_> = findings::of(host)
        .into_iter()
        .filter(|f| f.subject == subject)
        .collect();
    let [finding] = &found[..] else {
        panic!("{subject}: {found:?}");
    };
    finding.clone()
}

/// The report about a host that has all it takes to share directories.
fn report_of(host: &Host) -> Report {
    Report::of(host, &Ok("/usr/libexec/virtiofsd".into()))
}

fn with_limits(change: impl FnOnce(&mut Limits)) -> Host {
    let mut host = x86();
    change(&mut host.limits);
    host
}

#[test]
fn nothing_is_to_be_changed_where_guests_run_well() {
    for (host, accelerator) in [(x86(), "emulated"), (power8(), "kvm")] {
        let report = report_of(&host);
        assert_eq!(
            (report.accelerator, report.to_be_changed()),
            (accelerator, 0),
            "{report:?}"
        );
        assert!(
            report.text().ends_with("; nothing is to be changed.\n"),
            "{}",
            report.text()
        );
    }
}

#[test]
fn each_thing_to_be_changed_comes_with_a_remedy() {
    let radix = Host {
        cpu: CpuInfo {
            mmu: Some(Mmu::Radix),
            ..power8().cpu
        },
        ..power8()
    };
    let no_pr = Host {
        kernel: Kernel {
            has_kvm_pr: false,
            ..power8().kernel
        },
        kvm: Kvm::Opens(Answers {
            capabilities: Vec::new(),
            most_processors: 0,
            pr_machine: Err(Refusal::UnknownKind),
        }),
        ..power8()
    };
    let no_permission = Host {
        kvm: Kvm::Denied,
        ..power8()
    };
    for (host, subject, remedy) in [
        (radix, "KVM", "disable_radix"),
        (no_pr, "KVM", "modprobe kvm_pr"),
        (no_permission, "KVM", "group"),
        (with_limits(|l| l.open_files = Some(64)), "open files", "ulimit -n 256"),
        (
            with_limits(|l| l.address_space = Some(1 << 30)),
            "address space",
            "ulimit -v unlimited",
        ),
        (
            with_limits(|l| l.memory_file = Err("Function not implemented".into())),
            "memory files",
            "CONFIG_MEMFD_CREATE",
        ),
    ] {
        let finding = finding(&host, subject);
        assert_eq!(finding.verdict, Verdict::Change, "{finding}");
        assert!(finding.remedy.as_ref().unwrap().contains(remedy), "{finding}");
        let report = report_of(&host);
        assert_eq!(
            (report.accelerator, report.to_be_changed()),
            ("emulated", 1),
            "{report:?}"
        );
        assert!(report.text().contains("1 thing is to be changed"), "{}", report.text());
    }
}

#[test]
fn what_is_only_worth_knowing_changes_nothing() {
    let guest = Host {
        cpu: CpuInfo {
            platform: Some(Platform::Pseries),
            ..power8().cpu
        },
        page_bytes: 64 << 10,
        ..power8()
    };
    for (host, subject, words) in [
        (guest, "hypercalls", "replaces it"),
        (
            with_limits(|l| l.overcommit = Some(Overcommit::Never)),
            "overcommit",
            "vm.overcommit_memory=0",
        ),
        (with_limits(|l| l.memory = Size::from_mib(1000)), "memory", "--mem 496M"),
    ] {
        let finding = finding(&host, subject);
        assert_eq!(finding.verdict, Verdict::Note, "{finding}");
        assert!(finding.to_string().contains(words), "{finding}");
        assert_eq!(report_of(&host).to_be_changed(), 0);
    }
}

#[test]
fn a_module_without_a_trace_is_a_part_of_a_kernel_that_makes_guests() {
    let built_in = Host {
        kernel: Kernel {
            has_kvm_pr: false,
            ..power8().kernel
        },
        ..power8()
    };
    let finding = finding(&built_in, "modules");
    assert!(
        finding.verdict == Verdict::Good && finding.text.contains("part of the kernel"),
        "{finding}"
    );
}

#[test]
fn a_power_machine_is_described() {
    let host = power8();
    assert!(
        finding(&host, "machine")
            .text
            .contains("POWER8 (raw), pvr 0x004d0200, without a hypervisor")
    );
    assert!(finding(&host, "processors").text.contains("up to 16"));
    assert!(finding(&host, "pages").text.contains("4 KiB"));
    assert_eq!(finding(&host, "MMU").verdict, Verdict::Good);
}

#[test]
fn each_finding_is_one_line_and_the_last_line_is_the_sum() {
    let report = report_of(&power8());
    let text = report.text();
    assert_eq!(text.lines().count(), report.findings.len() + 1);
    assert!(
        text.lines().last().unwrap().starts_with("Guests run on KVM-PR; "),
        "{text}"
    );
}

#[test]
fn programs_read_the_same_as_json() {
    let json: serde_json::Value = serde_json::from_str(&report_of(&x86()).json()).unwrap();
    assert_eq!(json["accelerator"], "emulated");
    let findings = json["findings"].as_array().unwrap();
    let kvm = findings.iter().find(|finding| finding["subject"] == "KVM").unwrap();
    assert_eq!(
        (&kvm["verdict"], &kvm["remedy"]),
        (&"note".into(), &serde_json::Value::Null)
    );
}

#[test]
fn what_withholding_memory_from_guests_of_kvm_takes_is_said_on_power_hosts() {
    let host = |userfaultfd| {
        let mut host = power8();
        host.limits.userfaultfd = userfaultfd;
        host
    };
    let found = finding(&host(Userfaultfd::All), "withheld memory");
    assert_eq!(found.verdict, Verdict::Good);
    for (userfaultfd, remedy) in [
        (Userfaultfd::OwnFaults, "vm.unprivileged_userfaultfd=1"),
        (
            Userfaultfd::Refused("Function not implemented".into()),
            "CONFIG_USERFAULTFD",
        ),
    ] {
        let found = finding(&host(userfaultfd), "withheld memory");
        assert_eq!(found.verdict, Verdict::Note);
        assert!(found.text.contains("watch --loads") && found.remedy.unwrap().contains(remedy));
    }
    assert!(
        findings::of(&x86())
            .iter()
            .all(|found| found.subject != "withheld memory")
    );
}

#[test]
fn a_kernel_without_userfaultfd_is_worth_knowing_and_nothing_to_be_changed() {
    let host = with_limits(|limits| {
        limits.userfaultfd = Userfaultfd::Refused("Function not implemented (os error 38)".into());
    });
    let found = finding(&host, "shared memory");
    assert_eq!(found.verdict, Verdict::Note);
    assert!(found.text.contains("os error 38") && found.text.contains("--share-memory") && found.remedy.is_some());
    assert_eq!(report_of(&host).to_be_changed(), 0);
}

#[test]
fn what_a_network_lacks_is_worth_knowing_and_nothing_to_be_changed() {
    let host = Host {
        network: Network {
            passt: None,
            tap: Err("No such file or directory (os error 2)".into()),
        },
        ..x86()
    };
    for (subject, words) in [
        ("user network", "install the package passt"),
        ("tap network", "modprobe tun"),
    ] {
        let finding = finding(&host, subject);
        assert_eq!(finding.verdict, Verdict::Note, "{finding}");
        assert!(finding.to_string().contains(words), "{finding}");
    }
    assert_eq!(report_of(&host).to_be_changed(), 0);
    assert_eq!(finding(&x86(), "user network").verdict, Verdict::Good);
}

#[test]
fn a_host_without_machine_code_is_worth_knowing_where_processors_are_emulated() {
    let on = |host: Host, machine_code| Host { machine_code, ..host };
    for (machine_code, verdict, words) in [
        (MachineCode::Possible, Verdict::Good, "compile what they execute often"),
        (MachineCode::Refused, Verdict::Note, "execmem"),
        (MachineCode::NoCompiler, Verdict::Note, "on x86-64 alone"),
    ] {
        let host = on(x86(), machine_code);
        let finding = finding(&host, "machine code");
        assert_eq!(finding.verdict, verdict, "{finding}");
        assert!(finding.to_string().contains(words), "{finding}");
        assert_eq!(report_of(&host).to_be_changed(), 0);
    }
    let found = findings::of(&on(power8(), MachineCode::NoCompiler));
    assert!(found.iter().all(|found| found.subject != "machine code"));
}

#[test]
fn what_directories_lack_to_be_shared_is_said_in_the_words_of_a_run() {
    let why = "it needs the program virtiofsd, which is not here".to_owned();
    let report = Report::of(&x86(), &Err(why.clone()));
    assert_eq!(report.to_be_changed(), 0);
    let line = format!("note    shared directories: --share does not work here: {why}\n");
    assert!(report.text().contains(&line), "{}", report.text());
    let there = "good    shared directories: /usr/libexec/virtiofsd is there for --share\n";
    assert!(report_of(&x86()).text().contains(there));
}
