//! A list that is made once and used by many inputs.

use std::ops::Range;

/// A list all of whose elements were the same, and which can be made so again.
pub struct Blank<T> {
    all: Vec<T>,
    value: T,
    /// Elements outside are `value`.
    changed: Range<usize>,
}

impl<T: Copy> Blank<T> {
    /// So many elements.
    pub fn new(count: usize, value: T) -> Self {
        Self {
            all: vec![value; count],
            value,
            changed: 0..0,
        }
    }

    /// Its elements.
    pub fn all(&self) -> &[T] {
        &self.all
    }

    /// Those of `range`, which change now.
    pub fn change(&mut self, range: Range<usize>) -> &mut [T] {
        if !range.is_empty() {
            self.changed = match self.changed.is_empty() {
                true => range.clone(),
                false => self.changed.start.min(range.start)..self.changed.end.max(range.end),
            };
        }
        &mut self.all[range]
    }

    /// Whether none has changed.
    pub fn is_blank(&self) -> bool {
        self.changed.is_empty()
    }

    /// With all elements as in the beginning.
    #[must_use]
    pub fn wiped(mut self) -> Self {
        self.all[self.changed.clone()].fill(self.value);
        self.changed = 0..0;
        self
    }
}
