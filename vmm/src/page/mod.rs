//! What pages for people have in common: each is one HTML file that needs nothing else, in the light or the dark colours of whoever looks at it.
//!
//! The pictures are drawn here by hand (`chart`): their colours are names of the style sheet (`style.css`), so that they follow the reader's, which
//! those of a plotting library do not.

mod chart;

pub(crate) use chart::{Column, Columns, HeatMap};

/// The style sheet.
pub(crate) const STYLE: &str = include_str!("style.css");

/// A number with its digits in groups of three.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            // Narrow, and no line ends there.
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_numbers_are_grouped() {
        let grouped = [0, 999, 1000, 1_234_567].map(grouped);
        assert_eq!(grouped, ["0", "999", "1\u{202f}000", "1\u{202f}234\u{202f}567"]);
    }
}
