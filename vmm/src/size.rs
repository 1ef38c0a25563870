//! Amounts of memory as a user writes them: a number with K, M, G or T.

use std::fmt;
use std::str::FromStr;

/// An amount of memory in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Size(u64);

/// Why a text is not an amount of memory.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SizeError {
    /// No number, a negative one, or a unit that is not known.
    #[error("an amount of memory is a number with K, M, G or T, such as 512M or 4G")]
    Form,
    /// More bytes than 64 bits count.
    #[error("that is more than any machine has")]
    TooLarge,
}

impl Size {
    /// From a count of bytes.
    pub(crate) const fn from_bytes(bytes: u64) -> Self {
        Self(bytes)
    }

    /// From a count of MiB.
    pub(crate) const fn from_mib(mib: u64) -> Self {
        Self(mib << 20)
    }

    /// The amount in bytes.
    pub(crate) const fn bytes(self) -> u64 {
        self.0
    }
}

impl FromStr for Size {
    type Err = SizeError;

    /// Takes `1024M`, `1G`, `1g`, `1GiB`; a number alone is in MiB, as other launchers take it.
    fn from_str(text: &str) -> Result<Self, SizeError> {
        let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, unit) = text.split_at(digits);
        if number.is_empty() {
            return Err(SizeError::Form);
        }
        let shift = match unit.to_ascii_uppercase().as_str() {
            "K" | "KIB" => 10,
            "" | "M" | "MIB" => 20,
            "G" | "GIB" => 30,
            "T" | "TIB" => 40,
            _ => return Err(SizeError::Form),
        };
        let number: u64 = number.parse().map_err(|_| SizeError::TooLarge)?;
        number.checked_mul(1 << shift).map(Self).ok_or(SizeError::TooLarge)
    }
}

impl fmt::Display for Size {
    /// In the largest unit that gives a whole number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [(40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")];
        match units
            .iter()
            .find(|(shift, _)| self.0 != 0 && self.0.is_multiple_of(1 << shift))
        {
            Some((shift, unit)) => write!(f, "{} {unit}", self.0 >> shift),
            None => write!(f, "{} bytes", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_with_a_unit_is_an_amount() {
        for (text, bytes) in [
            ("1K", 1 << 10),
            ("512M", 512 << 20),
            ("512", 512 << 20),
            ("4g", 4 << 30),
            ("4GiB", 4 << 30),
            ("10T", 10 << 40),
            ("0G", 0),
        ] {
            assert_eq!(text.parse(), Ok(Size(bytes)), "{text}");
        }
    }

    #[test]
    fn anything_else_is_not() {
        for text in ["", "G", "-1G", "1.5G", "1 G", "1GB2", "0x10M", "１G"] {
            assert_eq!(text.parse::<Size>(), Err(SizeError::Form), "{text}");
        }
        assert_eq!("99999999T".parse::<Size>(), Err(SizeError::TooLarge));
        assert_eq!("99999999999999999999".parse::<Size>(), Err(SizeError::TooLarge));
    }

    #[test]
    fn a_size_is_shown_in_its_largest_whole_unit() {
        for (bytes, text) in [
            (1 << 30, "1 GiB"),
            (1536 << 20, "1536 MiB"),
            (1 << 10, "1 KiB"),
            (17, "17 bytes"),
            (0, "0 bytes"),
        ] {
            assert_eq!(Size(bytes).to_string(), text);
        }
    }
}
