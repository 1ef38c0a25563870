//! What a device sees of the interrupt controller: its sources, by number.

use super::{Trigger, Xics};
use crate::interrupt::Sources;

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
