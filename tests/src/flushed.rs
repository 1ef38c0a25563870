//! Files that a guest writes and flushes until pteg is killed, and that must be there afterwards.

use std::path::Path;
use std::process::Command;

use rustix::process::Signal;

use crate::Guest;

/// What a guest has said to be flushed: the files `1`, `2`, … in the directory where its shell is, each with its checksum beside it.
#[derive(Debug, Default)]
pub struct Flushed {
    /// How many there are.
    count: u64,
    /// How many of them a later guest has found to be as they were.
    checked: u64,
}

impl Flushed {
    /// Looks at those that are new since this was asked last.
    ///
    /// # Panics
    /// One is not as it was.
    pub fn check_new(&mut self, guest: &mut Guest) {
        self.check(guest, self.checked + 1);
        self.checked = self.count;
    }

    /// Looks at all of them.
    ///
    /// # Panics
    /// One is not as it was.
    pub fn check_all(&self, guest: &mut Guest) {
        self.check(guest, 1);
    }

    fn check(&self, guest: &mut Guest, first: u64) {
        let last = self.count;
        let compare = "[ \"$(md5sum < $n)\" = \"$(cat $n.sum)\" ] || echo $n";
        let wrong = guest.shell(&format!("for n in $(seq {first} {last}); do {compare}; done"));
        assert_eq!(wrong, "", "of the files up to {last}");
    }

    /// Has the guest write more, beside what nobody waits for, and kills pteg in the midst of that, once `more` files are flushed. Returns how many files
    /// there are.
    ///
    /// # Panics
    /// They do not get there.
    pub fn write_until_killed(&mut self, mut guest: Guest, more: u64) -> u64 {
        guest.send("while true; do dd if=/dev/urandom of=scratch bs=4k count=300; rm scratch; done 2>/dev/null &\n");
        guest.send(format!(
            "n={}; while true; do n=$((n + 1)); head -c 200000 /dev/urandom > $n; md5sum < $n > $n.sum; sync; echo flushed=$n.; done &\n",
            self.count
        ));
        guest.wait_for(&format!("flushed={}.", self.count + more));
        guest.signal(Signal::KILL);
        let said = guest.finish().output;
        let last = said
            .rsplit("flushed=")
            .find_map(|rest| rest.split_once('.')?.0.parse().ok());
        self.count = last.expect("it was waited for");
        self.count
    }
}

/// Does what is in the journal of an ext4 file system, as a guest would; anything else that is wrong is a failure.
///
/// # Panics
/// There is something else.
pub fn assert_journal_mends(disk: &Path) {
    let mended = Command::new("e2fsck").arg("-p").arg(disk).output();
    let mended = mended.expect("there is e2fsck (Debian: e2fsprogs)");
    assert!(matches!(mended.status.code(), Some(0 | 1)), "{mended:?}");
    let checked = Command::new("e2fsck").args(["-f", "-n"]).arg(disk).output();
    let checked = checked.expect("it was there a moment ago");
    assert!(checked.status.success(), "{checked:?}");
}
