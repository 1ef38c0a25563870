//! The argument buffer: big-endian words of 32 bits: token, number of inputs, number of outputs, inputs,
//! outputs (LoPAR, RTAS Environment, "RTAS Argument Call Buffer").

use power::rtas::RtasStatus;

use crate::memory::GuestRam;

/// Inputs or outputs of one call at most; no call of the manual has more.
const MOST: u32 = 16;

/// Bytes of a word.
const WORD: u64 = 4;

/// A buffer all of which lies in RAM.
pub(super) struct Buffer<'a> {
    ram: &'a GuestRam,
    at: u64,
    token: u32,
    inputs: u32,
    outputs: u32,
}

impl<'a> Buffer<'a> {
    /// The buffer at the real address `at`. `None`: it has absurdly many words, or not all of it is RAM.
    pub(super) fn parse(ram: &'a GuestRam, at: u64) -> Option<Self> {
        let [token, inputs, outputs] = words(ram, at)?;
        let whole = (3 + u64::from(inputs) + u64::from(outputs)) * WORD;
        let right = inputs <= MOST && outputs <= MOST && ram.contains(at, whole);
        right.then_some(Self {
            ram,
            at,
            token,
            inputs,
            outputs,
        })
    }

    /// Which call this is.
    pub(super) fn token(&self) -> u32 {
        self.token
    }

    /// How many words the guest has room for, the status among them.
    pub(super) fn outputs(&self) -> u32 {
        self.outputs
    }

    /// Guest memory, for calls whose inputs are addresses.
    pub(super) fn ram(&self) -> &GuestRam {
        self.ram
    }

    /// The `N` inputs.
    ///
    /// # Errors
    /// The guest gave another number of them.
    pub(super) fn inputs<const N: usize>(&self) -> Result<[u32; N], RtasStatus> {
        if self.inputs as usize != N {
            return Err(RtasStatus::ParameterError);
        }
        words(self.ram, self.at + 3 * WORD).ok_or(RtasStatus::ParameterError)
    }

    /// Puts the status and `results` where the guest looks for them, as far as it left room.
    pub(super) fn answer(&self, status: RtasStatus, results: &[u32]) {
        let first = self.at + (3 + u64::from(self.inputs)) * WORD;
        let all = std::iter::once(status.to_word()).chain(results.iter().copied());
        for (n, word) in (0..u64::from(self.outputs)).zip(all) {
            self.ram
                .write(first + n * WORD, &word.to_be_bytes())
                .expect("parse checked the whole buffer");
        }
    }
}

fn words<const N: usize>(ram: &GuestRam, at: u64) -> Option<[u32; N]> {
    let mut words = [0; N];
    for (n, word) in (0..).zip(&mut words) {
        *word = u32::from_be_bytes(ram.read(at.checked_add(n * WORD)?)?);
    }
    Some(words)
}
