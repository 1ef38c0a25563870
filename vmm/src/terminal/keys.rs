//! What the user's keys mean: all go to the guest, but those after Ctrl-A.

/// Ctrl-A as a terminal sends it.
const ESCAPE: u8 = 1;

/// What the user wants besides typing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// End the guest.
    Quit,
    /// Be told the keys.
    Help,
}

/// The keys as [`Wish::Help`] lists them.
pub(super) const HELP: &str = "
pteg: Ctrl-A X       ends the guest
pteg: Ctrl-A H       lists these keys
pteg: Ctrl-A Ctrl-A  sends Ctrl-A to the guest";

/// Reads keys.
#[derive(Debug, Default)]
pub(super) struct Keys {
    escaped: bool,
}

impl Keys {
    /// Takes what was typed; adds to `typed` what is for the guest. Returns at the first wish, with the
    /// rest of the bytes.
    pub(super) fn read<'a>(&mut self, mut bytes: &'a [u8], typed: &mut Vec<u8>) -> Option<(Wish, &'a [u8])> {
        while let [byte, rest @ ..] = bytes {
            bytes = rest;
            if std::mem::take(&mut self.escaped) {
                match byte {
                    b'x' | b'X' => return Some((Wish::Quit, rest)),
                    b'h' | b'H' | b'?' => return Some((Wish::Help, rest)),
                    &ESCAPE => typed.push(ESCAPE),
                    // Not one of ours: the guest may know it.
                    other => typed.extend([ESCAPE, *other]),
                }
            } else if *byte == ESCAPE {
                self.escaped = true;
            } else {
                typed.push(*byte);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_keys_but_ours_reach_the_guest() {
        let mut typed = Vec::new();
        let every: Vec<u8> = (0..=255).filter(|&byte| byte != ESCAPE).collect();
        assert_eq!(Keys::default().read(&every, &mut typed), None);
        assert_eq!(typed, every);
    }

    #[test]
    fn ctrl_a_and_a_letter_is_a_wish_even_in_two_reads() {
        for (letter, wish) in [
            (b'x', Wish::Quit),
            (b'X', Wish::Quit),
            (b'h', Wish::Help),
            (b'H', Wish::Help),
        ] {
            let (mut keys, mut typed) = (Keys::default(), Vec::new());
            assert_eq!(keys.read(&[b'a', ESCAPE], &mut typed), None);
            assert_eq!(keys.read(&[letter, b'b'], &mut typed), Some((wish, &b"b"[..])));
            assert_eq!(typed, b"a");
        }
    }

    #[test]
    fn ctrl_a_twice_is_one_for_the_guest_and_other_letters_go_with_it() {
        let (mut keys, mut typed) = (Keys::default(), Vec::new());
        assert_eq!(keys.read(b"\x01\x01x\x01q", &mut typed), None);
        assert_eq!(typed, b"\x01x\x01q");
    }
}
