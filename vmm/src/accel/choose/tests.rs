//! Choices for hosts that are made up.

use power::insn::Endian;

use super::*;
use crate::host::kvm_answers::Answers;
use crate::host::tests::{power8, x86};
use crate::host::{CpuInfo, Kernel};

/// The same machine with another KVM.
fn with_kvm(kvm: Kvm) -> Host {
    Host { kvm, ..power8() }
}

/// The same machine with a kernel that makes no guests of the kind PR.
fn without_pr(refusal: Refusal, has_kvm_hv: bool) -> Host {
    let answers = answers(&power8());
    Host {
        kernel: Kernel {
            has_kvm_pr: false,
            has_kvm_hv,
            ..power8().kernel
        },
        ..with_kvm(Kvm::Opens(Answers {
            pr_machine: Err(refusal),
            ..answers
        }))
    }
}

fn answers(host: &Host) -> Answers {
    match &host.kvm {
        Kvm::Opens(answers) => answers.clone(),
        other => panic!("{other:?}"),
    }
}

fn radix(command_line: &str) -> Host {
    Host {
        cpu: CpuInfo {
            pvr: Some(0x004e_1202),
            mmu: Some(Mmu::Radix),
            ..power8().cpu
        },
        kernel: Kernel {
            command_line: command_line.into(),
            ..power8().kernel
        },
        // What follows from it.
        ..without_pr(Refusal::UnknownKind, true)
    }
}

/// Every obstacle, with a machine that has it, and words that its message must say.
fn obstacles() -> Vec<(Host, &'static [&'static str])> {
    vec![
        (x86(), &["x86_64", "--accel emulated"]),
        (
            with_kvm(Kvm::Absent),
            &["/dev/kvm", "modprobe kvm_pr", "CONTEXT_TRACKING_USER"],
        ),
        (with_kvm(Kvm::Denied), &["/dev/kvm", "may not be opened", "group"]),
        (
            with_kvm(Kvm::Broken("Input/output error".into())),
            &["Input/output error"],
        ),
        (radix("quiet"), &["radix", "disable_radix on its command line"]),
        (
            radix("quiet disable_radix"),
            &["radix", "nothing else", "--accel emulated"],
        ),
        (without_pr(Refusal::UnknownKind, true), &["KVM-HV only", "kvm_pr"]),
        (
            without_pr(Refusal::UnknownKind, false),
            &["kind PR", "kvm_pr", "CONTEXT_TRACKING_USER"],
        ),
        (
            without_pr(Refusal::Other("out of memory".into()), false),
            &["out of memory"],
        ),
        (
            with_kvm(Kvm::Opens(Answers {
                capabilities: vec![Capability::Papr, Capability::Hior],
                ..answers(&power8())
            })),
            &["KVM_CAP_PPC_ENABLE_HCALL", "KVM_CAP_IMMEDIATE_EXIT", "newer kernel"],
        ),
        (
            Host {
                cpu: CpuInfo {
                    pvr: Some(0x0080_0200),
                    ..power8().cpu
                },
                ..power8()
            },
            &["0x00800200", "POWER8", "POWER9"],
        ),
    ]
}

fn wish(accel: AccelArg, processors: u32) -> Wish {
    Wish {
        accel,
        processors,
        ..Wish::any()
    }
}

#[test]
fn kvm_that_is_asked_for_and_cannot_be_is_an_error_that_says_what_to_change() {
    for (host, words) in obstacles() {
        let said = choose(&wish(AccelArg::Kvm, 1), &host).unwrap_err().to_string();
        assert!(said.starts_with("--accel kvm: "), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
        for word in words {
            assert!(said.contains(word), "no {word:?} in {said:?}");
        }
    }
}

#[test]
fn auto_emulates_where_kvm_cannot_be_and_says_why() {
    for (host, words) in obstacles() {
        let choice = choose(&wish(AccelArg::Auto, 1), &host).unwrap();
        assert_eq!((choice.accelerator, choice.patch_sc1), (Chosen::Emulated, false));
        assert!(
            choice.why.starts_with("emulating POWER8 processors: "),
            "{}",
            choice.why
        );
        assert!(choice.why.contains(words[0]), "{}", choice.why);
    }
}

#[test]
fn kvm_is_taken_where_it_works() {
    for wanted in [AccelArg::Auto, AccelArg::Kvm] {
        let choice = choose(&wish(wanted, 4), &power8()).unwrap();
        assert_eq!((choice.accelerator, choice.patch_sc1), (Chosen::Kvm, false));
        assert!(
            choice.why.contains("KVM-PR") && choice.why.contains("POWER8 (raw)"),
            "{}",
            choice.why
        );
    }
}

#[test]
fn a_host_that_is_a_guest_has_sc_1_replaced_for_kvm_only() {
    let host = Host {
        cpu: CpuInfo {
            platform: Some(Platform::Pseries),
            ..power8().cpu
        },
        architecture: Architecture::Power(Endian::Big),
        ..power8()
    };
    let choice = choose(&wish(AccelArg::Auto, 1), &host).unwrap();
    assert_eq!((choice.accelerator, choice.patch_sc1), (Chosen::Kvm, true));
    assert!(choice.why.contains("sc 1"), "{}", choice.why);
    let choice = choose(&wish(AccelArg::Emulated, 1), &host).unwrap();
    assert_eq!((choice.accelerator, choice.patch_sc1), (Chosen::Emulated, false));
}

#[test]
fn emulated_processors_are_always_there() {
    for host in obstacles().into_iter().map(|(host, _)| host).chain([power8()]) {
        let choice = choose(&wish(AccelArg::Emulated, 64), &host).unwrap();
        assert_eq!(choice.accelerator, Chosen::Emulated);
    }
}

#[test]
fn more_processors_than_kvm_has_are_emulated_or_refused() {
    let most = answers(&power8()).most_processors;
    assert_eq!(
        choose(&wish(AccelArg::Auto, most), &power8()).unwrap().accelerator,
        Chosen::Kvm
    );
    let choice = choose(&wish(AccelArg::Auto, most + 1), &power8()).unwrap();
    assert_eq!(choice.accelerator, Chosen::Emulated);
    let said = choose(&wish(AccelArg::Kvm, most + 1), &power8())
        .unwrap_err()
        .to_string();
    assert!(said.contains(&format!("--smp {most} or less")), "{said}");
}

#[test]
fn a_host_that_says_little_of_itself_is_asked_no_more() {
    let host = Host {
        cpu: CpuInfo::default(),
        ..power8()
    };
    let choice = choose(&wish(AccelArg::Kvm, 1), &host).unwrap();
    assert_eq!((choice.accelerator, choice.patch_sc1), (Chosen::Kvm, false));
}

/// The same machine with a kernel whose interrupt controller is not for KVM-PR.
fn without_xics() -> Host {
    let mut answers = answers(&power8());
    answers
        .capabilities
        .retain(|&capability| capability != Capability::Xics);
    with_kvm(Kvm::Opens(answers))
}

#[test]
fn the_kernels_interrupt_controller_is_taken_where_kvm_has_it_and_it_is_not_unwanted() {
    use Irqchip::{Kernel, Ours};
    for (accel, irqchip, host, chosen) in [
        (AccelArg::Auto, IrqchipArg::Auto, power8(), Kernel),
        (AccelArg::Kvm, IrqchipArg::Auto, power8(), Kernel),
        (AccelArg::Auto, IrqchipArg::Kernel, power8(), Kernel),
        (AccelArg::Kvm, IrqchipArg::User, power8(), Ours),
        (AccelArg::Kvm, IrqchipArg::Auto, without_xics(), Ours),
        (AccelArg::Kvm, IrqchipArg::User, without_xics(), Ours),
        (AccelArg::Emulated, IrqchipArg::Auto, power8(), Ours),
        (AccelArg::Auto, IrqchipArg::User, x86(), Ours),
    ] {
        let wish = Wish {
            irqchip,
            ..wish(accel, 1)
        };
        assert_eq!(choose(&wish, &host).unwrap().irqchip, chosen, "{wish:?}");
    }
}

#[test]
fn the_kernels_interrupt_controller_that_cannot_be_is_an_error_that_says_what_to_change() {
    for (accel, host, words) in [
        (AccelArg::Emulated, power8(), &["as asked", "give --accel kvm"][..]),
        (AccelArg::Auto, x86(), &["x86_64", "leave --irqchip out"]),
        (
            AccelArg::Kvm,
            without_xics(),
            &["KVM_CAP_IRQ_XICS", "--irqchip user", "xive=off"],
        ),
    ] {
        let wish = Wish {
            irqchip: IrqchipArg::Kernel,
            ..wish(accel, 1)
        };
        let said = choose(&wish, &host).unwrap_err().to_string();
        assert!(said.starts_with("--irqchip kernel: "), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
        for word in words {
            assert!(said.contains(word), "no {word:?} in {said:?}");
        }
    }
}

/// A POWER9 without radix trees.
fn power9() -> Host {
    Host {
        cpu: CpuInfo {
            pvr: Some(0x004e_1202),
            ..power8().cpu
        },
        ..power8()
    }
}

#[test]
fn kvm_runs_the_machines_own_processor_and_no_other() {
    let wish = |accel, cpu| Wish { cpu, ..wish(accel, 1) };
    for (host, own, other) in [
        (power8(), Model::Power8, Model::Power9),
        (power9(), Model::Power9, Model::Power8),
    ] {
        for cpu in [None, Some(own)] {
            assert_eq!(
                choose(&wish(AccelArg::Auto, cpu), &host).unwrap().accelerator,
                Chosen::Kvm
            );
        }
        let choice = choose(&wish(AccelArg::Auto, Some(other)), &host).unwrap();
        assert_eq!(choice.accelerator, Chosen::Emulated);
        let begins = format!("emulating {} processors: --cpu {other} wants another", other.chip());
        assert!(choice.why.starts_with(&begins), "{}", choice.why);
        let said = choose(&wish(AccelArg::Kvm, Some(other)), &host)
            .unwrap_err()
            .to_string();
        assert!(
            said.contains(&format!("--cpu {other}")) && said.contains("leave --cpu out"),
            "{said}"
        );
    }
}

#[test]
fn emulated_processors_are_what_the_user_wants_or_a_power8() {
    for (cpu, chip) in [
        (None, "POWER8"),
        (Some(Model::Power8), "POWER8"),
        (Some(Model::Power9), "POWER9"),
    ] {
        let wish = Wish {
            cpu,
            ..wish(AccelArg::Emulated, 1)
        };
        let why = choose(&wish, &x86()).unwrap().why;
        assert_eq!(why, format!("emulating {chip} processors, as asked"));
    }
}

#[test]
fn what_only_emulated_processors_have_is_a_reason_to_emulate() {
    let wish = |accel| Wish {
        emulated_only: Some(("--check-walkers", "which looks into what emulated processors remember")),
        ..wish(accel, 1)
    };
    let choice = choose(&wish(AccelArg::Auto), &power8()).unwrap();
    assert_eq!(choice.accelerator, Chosen::Emulated);
    assert!(choice.why.contains("--check-walkers"), "{}", choice.why);
    let said = choose(&wish(AccelArg::Kvm), &power8()).unwrap_err().to_string();
    assert!(said.contains("leave --check-walkers out"), "{said}");
}
