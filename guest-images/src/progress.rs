//! How a recipe tells of its longer steps: a bar on a terminal, plain lines in a pipe.

use std::cell::RefCell;
use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Whoever wants to know what a recipe is doing.
pub trait Progress {
    /// A step begins, named by what it does (`downloading linux-image…`), of so many bytes if that is
    /// known. The step ends when the result is dropped, in success and in failure alike.
    fn begin(&self, what: &str, bytes: Option<u64>) -> Box<dyn Step + '_>;
}

/// A step under way.
pub trait Step {
    /// So many bytes of the step are done by now.
    fn reach(&mut self, bytes: u64);
}

/// Tells nobody.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Progress for Silent {
    fn begin(&self, _what: &str, _bytes: Option<u64>) -> Box<dyn Step + '_> {
        Box::new(Silent)
    }
}

impl Step for Silent {
    fn reach(&mut self, _bytes: u64) {}
}

/// Tells the user, on stderr.
#[derive(Debug)]
pub struct Stderr {
    /// `None` on a terminal, which gets bars.
    lines: Option<Lines<io::Stderr>>,
}

impl Stderr {
    /// Bars if stderr is a terminal now, else a line every few seconds.
    #[expect(
        clippy::new_without_default,
        reason = "looks at the process's stderr: not a plain value"
    )]
    pub fn new() -> Self {
        let stderr = io::stderr();
        let lines = (!stderr.is_terminal()).then(|| Lines::new(stderr, Duration::from_secs(5)));
        Self { lines }
    }
}

impl Progress for Stderr {
    fn begin(&self, what: &str, bytes: Option<u64>) -> Box<dyn Step + '_> {
        match &self.lines {
            Some(lines) => lines.begin(what, bytes),
            None => Box::new(Bar::new(what, bytes)),
        }
    }
}

/// A bar, or a spinner for a step of unknown length; it leaves the terminal as it was.
struct Bar(ProgressBar);

impl Bar {
    fn new(what: &str, bytes: Option<u64>) -> Self {
        let bar = ProgressBar::with_draw_target(bytes, ProgressDrawTarget::stderr());
        let template = match bytes {
            Some(_) => "{msg} {wide_bar} {binary_bytes} of {binary_total_bytes}",
            None => "{spinner} {msg}",
        };
        bar.set_style(ProgressStyle::with_template(template).expect("the template is ours"));
        bar.set_message(what.to_owned());
        bar.enable_steady_tick(Duration::from_millis(100));
        Self(bar)
    }
}

impl Step for Bar {
    fn reach(&mut self, bytes: u64) {
        self.0.set_position(bytes);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// Writes a line when a step begins and then one at most every so often, as logs like it:
/// `downloading linux-image…: 12 of 45 MiB`.
#[derive(Debug)]
pub struct Lines<W> {
    out: RefCell<W>,
    every: Duration,
}

impl<W: Write> Lines<W> {
    /// Lines for `out`, at least `every` apart within a step.
    pub fn new(out: W, every: Duration) -> Self {
        Self {
            out: RefCell::new(out),
            every,
        }
    }

    fn line(&self, line: &str) {
        // Nobody reads our stderr any more: no reason to stop working.
        let _ = writeln!(self.out.borrow_mut(), "pteg: {line}");
    }
}

impl<W: Write> Progress for Lines<W> {
    fn begin(&self, what: &str, bytes: Option<u64>) -> Box<dyn Step + '_> {
        self.line(&match bytes {
            Some(bytes) => format!("{what}: {} MiB", mib(bytes)),
            None => what.to_owned(),
        });
        Box::new(LineStep {
            lines: self,
            what: what.to_owned(),
            bytes,
            last: Instant::now(),
        })
    }
}

struct LineStep<'a, W> {
    lines: &'a Lines<W>,
    what: String,
    bytes: Option<u64>,
    last: Instant,
}

impl<W: Write> Step for LineStep<'_, W> {
    fn reach(&mut self, bytes: u64) {
        if self.last.elapsed() < self.lines.every {
            return;
        }
        self.last = Instant::now();
        let Self { lines, what, .. } = self;
        match self.bytes {
            Some(total) => lines.line(&format!("{what}: {} of {} MiB", mib(bytes), mib(total))),
            None => lines.line(&format!("{what}: {} MiB", mib(bytes))),
        }
    }
}

/// Bytes in MiB, with a digit after the point where there would be few before it.
fn mib(bytes: u64) -> String {
    let mib = bytes as f64 / f64::from(1 << 20);
    format!("{mib:.*}", usize::from(mib < 10.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(every: Duration, use_it: impl FnOnce(&dyn Progress)) -> String {
        let lines = Lines::new(Vec::new(), every);
        use_it(&lines);
        String::from_utf8(lines.out.into_inner()).unwrap()
    }

    #[test]
    fn a_step_of_known_size_counts_towards_it() {
        let text = lines(Duration::ZERO, |progress| {
            let mut step = progress.begin("downloading it", Some(45 << 20));
            step.reach(5 << 20);
            step.reach(12 << 20);
        });
        assert_eq!(
            text,
            "pteg: downloading it: 45 MiB\npteg: downloading it: 5.0 of 45 MiB\npteg: downloading it: 12 of 45 MiB\n"
        );
    }

    #[test]
    fn a_step_has_one_line_however_often_it_moves_within_the_interval() {
        let text = lines(Duration::MAX, |progress| {
            let mut step = progress.begin("reading lists", None);
            (0..1000).for_each(|bytes| step.reach(bytes));
        });
        assert_eq!(text, "pteg: reading lists\n");
    }
}
