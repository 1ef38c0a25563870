//! Why something could not be made, in a sentence for the user.

use std::error::Error;

/// A sentence: what, where, and what would be right.
#[derive(Debug)]
pub struct Failed(pub String);

/// An error and its causes.
impl<E: Error> From<E> for Failed {
    fn from(error: E) -> Self {
        let mut sentence = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            sentence += &format!(": {error}");
            cause = error.source();
        }
        Self(sentence)
    }
}
