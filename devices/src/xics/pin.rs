//! What a device holds of the interrupt controller: one source, of the right kind; or, for one that has many, all of them by number.

use std::sync::Arc;

use super::{Trigger, Xics};
use crate::interrupt::{Interrupt, Sources};

/// An edge-triggered source in a device's hand. Only [`Xics::edge_pin`] makes one.
pub struct EdgePin {
    xics: Arc<Xics>,
    index: usize,
}

/// A level-triggered source in a device's hand. Only [`Xics::level_pin`] makes one.
pub struct LevelPin {
    xics: Arc<Xics>,
    index: usize,
}

impl Xics {
    /// The source `number`, if it is edge-triggered.
    pub fn edge_pin(self: &Arc<Self>, number: u32) -> Option<EdgePin> {
        let index = self.index(number)?;
        (self.trigger(index) == Trigger::Edge).then(|| EdgePin {
            xics: Arc::clone(self),
            index,
        })
    }

    /// The source `number`, if it is level-triggered.
    pub fn level_pin(self: &Arc<Self>, number: u32) -> Option<LevelPin> {
        let index = self.index(number)?;
        (self.trigger(index) == Trigger::Level).then(|| LevelPin {
            xics: Arc::clone(self),
            index,
        })
    }
}

impl Sources for Xics {
    fn pulse(&self, number: u32) {
        if let Some(index) = self.index(number).filter(|&index| self.trigger(index) == Trigger::Edge) {
            Xics::pulse(self, index);
        }
    }

    fn set_level(&self, number: u32, up: bool) {
        if let Some(index) = self
            .index(number)
            .filter(|&index| self.trigger(index) == Trigger::Level)
        {
            Xics::set_level(self, index, up);
        }
    }
}

impl Interrupt for EdgePin {
    fn raise(&self) {
        self.xics.pulse(self.index);
    }
}

impl LevelPin {
    /// Puts the line up or down.
    pub fn set(&self, up: bool) {
        self.xics.set_level(self.index, up);
    }
}
