//! What the host refuses: the guest gets an I/O error and the run goes on, and the user is told once for each kind.

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::sync::Mutex;

/// What was being done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Activity {
    /// A read.
    Reading,
    /// A write.
    Writing,
    /// A flush.
    Flushing,
    /// A discard.
    Discarding,
    /// Zeros.
    Zeroing,
}

impl fmt::Display for Activity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Reading => "reading",
            Self::Writing => "writing",
            Self::Flushing => "flushing",
            Self::Discarding => "discarding",
            Self::Zeroing => "writing zeros",
        })
    }
}

/// Where a disk's errors go.
pub struct Faults {
    /// The disk, as its user calls it.
    name: String,
    say: Box<dyn Fn(&str) + Send + Sync>,
    said: Mutex<BTreeSet<(Activity, Option<i32>)>>,
}

impl Faults {
    /// Those of the disk `name`, of which `say` tells the user, in one line each.
    pub fn new(name: String, say: Box<dyn Fn(&str) + Send + Sync>) -> Self {
        Self {
            name,
            say,
            said: Mutex::default(),
        }
    }

    /// The host has refused something: says so, unless it has been said of this activity and this error.
    pub fn note(&self, activity: Activity, error: &io::Error) {
        let kind = (activity, error.raw_os_error());
        if self.said.lock().expect("nothing panics with it locked").insert(kind) {
            let name = &self.name;
            (self.say)(&format!(
                "disk {name}: {activity}: {error}; the guest gets an I/O error (said once)"
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn each_kind_of_error_is_said_once() {
        let lines = Arc::<Mutex<Vec<String>>>::default();
        let said = Arc::clone(&lines);
        let say = Box::new(move |line: &str| said.lock().unwrap().push(line.to_owned()));
        let faults = Faults::new("root.img".into(), say);
        let full = || io::Error::from_raw_os_error(28);
        for _ in 0..3 {
            faults.note(Activity::Writing, &full());
        }
        faults.note(Activity::Reading, &io::Error::from_raw_os_error(5));
        faults.note(Activity::Flushing, &full());
        let lines = lines.lock().unwrap();
        assert_eq!(lines.len(), 3, "{lines:?}");
        assert!(lines[0].contains("root.img: writing: No space left"), "{lines:?}");
    }
}
