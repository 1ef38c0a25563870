//! What all processors of a guest under KVM share.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use hpt::{Current, Shadow as _, Shootdown};
use kvm_bindings::kvm_ppc_cpu_char;
use kvm_ppc::{CodeMemory, KvmMemory};
use power::hcall::cpu_characteristics;

use super::errand::Errands;
use super::withheld::Withheld;
use crate::accel::Partition;

/// What all processors share.
pub(super) struct Shared {
    /// The table that the kernel walks.
    pub(super) table: Arc<Current>,
    /// Their seats.
    pub(super) shootdown: Arc<Shootdown>,
    /// Their modes.
    pub(super) modes: Arc<Modes>,
    /// Guest memory as the kernel has it.
    pub(super) memory: Arc<KvmMemory>,
    /// What processors do for us inside the guest.
    pub(super) errands: Errands,
    /// What of guest memory is withheld from them.
    pub(super) withheld: Withheld,
}

/// The modes. Each processor takes them over when it enters the guest: a register of KVM's can be set only while its processor is
/// outside. Whoever changes them sees to it that all enter once more: a guest may go on for ever without leaving by itself.
pub(super) struct Modes {
    shootdown: Arc<Shootdown>,
    lpcr: AtomicU64,
    /// Held while a part of LPCR is changed.
    changing: Mutex<()>,
    memory: CodeMemory,
    /// As `H_GET_CPU_CHARACTERISTICS` tells them.
    characteristics: [u64; 2],
}

/// What a guest should do about speculation on this host, of which the kernel knows `host`. What it does not know is assumed to be
/// needed.
pub(super) fn characteristics(host: &kvm_ppc_cpu_char) -> [u64; 2] {
    use cpu_characteristics as bits;
    const PRECAUTIONS: u64 = bits::FAVOUR_SECURITY
        | bits::FLUSH_L1D_TO_PROBLEM_STATE
        | bits::BARRIER_AFTER_BOUNDS_CHECK
        | bits::FLUSH_COUNT_CACHE
        | bits::FLUSH_LINK_STACK;
    [
        host.character & host.character_mask,
        host.behaviour & host.behaviour_mask | PRECAUTIONS & !host.behaviour_mask,
    ]
}

impl Modes {
    /// Those after a start, of the processors with seats in `shootdown`.
    pub(super) fn new(memory: CodeMemory, characteristics: [u64; 2], shootdown: Arc<Shootdown>) -> Self {
        Self {
            shootdown,
            characteristics,
            lpcr: AtomicU64::new(0),
            changing: Mutex::new(()),
            memory,
        }
    }
}

impl Partition for Modes {
    fn lpcr(&self) -> u64 {
        self.lpcr.load(Ordering::Acquire)
    }

    fn change_lpcr(&self, mask: u64, value: u64) {
        {
            let _changing = self.changing.lock().expect("nothing panics while LPCR is changed");
            self.lpcr
                .store((self.lpcr() & !mask) | (value & mask), Ordering::Release);
        }
        self.shootdown.quiesce();
    }

    fn relocates_interrupts(&self) -> bool {
        // KVM-PR knows one place only.
        false
    }

    fn characteristics(&self) -> [u64; 2] {
        self.characteristics
    }

    fn timebase(&self) -> u64 {
        kvm_ppc::timebase()
    }

    fn wrote(&self, real: u64, bytes: u64) {
        self.memory.synchronize_instructions(real..real.saturating_add(bytes));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;
    use std::sync::mpsc;
    use std::thread;

    use hpt::Kick;
    use power::msr::lpcr;

    use super::*;
    use crate::memory::GuestRam;
    use crate::size::Size;

    #[derive(Clone, Default)]
    struct Kicked(Arc<AtomicBool>);

    impl Kick for Kicked {
        fn kick(&self) {
            self.0.store(true, Ordering::SeqCst);
        }
    }

    #[test]
    fn a_processor_in_the_guest_leaves_it_before_a_mode_counts_as_changed() {
        let kicked = Kicked::default();
        let shootdown = Arc::new(Shootdown::new(vec![Box::new(kicked.clone())]));
        let ram = GuestRam::new(Size::from_mib(16)).expect("there is memory");
        let code = CodeMemory::new(ram.map_again().expect("it can be mapped twice"));
        let modes = Modes::new(code, [0; 2], Arc::clone(&shootdown));
        let has_left = AtomicBool::new(false);
        let (say, said) = mpsc::channel();
        thread::scope(|scope| {
            let (modes, kicked, has_left) = (&modes, &kicked, &has_left);
            scope.spawn(move || {
                let seat = shootdown.seat(0);
                seat.enter(|_| ());
                say.send(modes.lpcr()).expect("somebody listens");
                while !kicked.0.load(Ordering::SeqCst) {
                    thread::yield_now();
                }
                has_left.store(true, Ordering::SeqCst);
                seat.leave();
                seat.enter(|_| ());
                say.send(modes.lpcr()).expect("somebody listens");
                seat.leave();
            });
            assert_eq!(said.recv(), Ok(0));
            modes.change_lpcr(lpcr::ILE, lpcr::ILE);
            let had_left = has_left.load(Ordering::SeqCst);
            kicked.kick();
            assert!(had_left);
            assert_eq!(said.recv(), Ok(lpcr::ILE));
        });
    }

    #[test]
    fn what_the_kernel_does_not_know_is_guarded_against() {
        use cpu_characteristics as bits;
        assert_eq!(
            characteristics(&kvm_ppc_cpu_char::default()),
            [0, 0xe600_0000_0000_0000]
        );
        let host = kvm_ppc_cpu_char {
            character: bits::L1D_THREAD_PRIVATE | bits::BCCTR_SERIALISED,
            character_mask: bits::BCCTR_SERIALISED,
            behaviour: bits::NO_STORE_FORWARD_BARRIER | bits::FAVOUR_SECURITY,
            behaviour_mask: !bits::FLUSH_LINK_STACK,
        };
        let expected = bits::NO_STORE_FORWARD_BARRIER | bits::FAVOUR_SECURITY | bits::FLUSH_LINK_STACK;
        assert_eq!(characteristics(&host), [bits::BCCTR_SERIALISED, expected]);
    }
}
