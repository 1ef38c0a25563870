//! Hypercalls that guests do without if they must: what is hidden is neither offered to the guest nor answered.
//! To compare: the guest then takes the way that it takes on machines without them.

use clap::ValueEnum;
use power::hcall::Hcall;

/// Hypercalls that can be hidden (`--hide`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Feature {
    /// H_BULK_REMOVE: four pages in a call
    BulkRemove,
    /// H_BLOCK_REMOVE: eight neighbouring pages in a call
    BlockRemove,
    /// H_RESIZE_HPT_PREPARE and H_RESIZE_HPT_COMMIT: another size of the page table
    HptResize,
}

impl Feature {
    /// What `call` belongs to; `None`: it is always there.
    const fn of(call: Hcall) -> Option<Self> {
        match call {
            Hcall::BulkRemove => Some(Self::BulkRemove),
            Hcall::BlockRemove => Some(Self::BlockRemove),
            Hcall::ResizeHptPrepare | Hcall::ResizeHptCommit => Some(Self::HptResize),
            Hcall::Remove
            | Hcall::Enter
            | Hcall::Read
            | Hcall::ClearMod
            | Hcall::ClearRef
            | Hcall::Protect
            | Hcall::GetTce
            | Hcall::PutTce
            | Hcall::StuffTce
            | Hcall::PutTceIndirect
            | Hcall::SetSprg0
            | Hcall::SetDabr
            | Hcall::PageInit
            | Hcall::LogicalCiLoad
            | Hcall::LogicalCiStore
            | Hcall::LogicalIcbi
            | Hcall::LogicalDcbf
            | Hcall::GetTermChar
            | Hcall::PutTermChar
            | Hcall::Eoi
            | Hcall::Cppr
            | Hcall::Ipi
            | Hcall::Ipoll
            | Hcall::Xirr
            | Hcall::RegisterVpa
            | Hcall::Cede
            | Hcall::Confer
            | Hcall::Prod
            | Hcall::GetPpp
            | Hcall::SetPpp
            | Hcall::Purr
            | Hcall::GetCpuCharacteristics
            | Hcall::PollPending
            | Hcall::XirrX
            | Hcall::Random
            | Hcall::SetMode
            | Hcall::RegisterProcTbl
            | Hcall::Rtas => None,
        }
    }

    /// Its name in `ibm,hypertas-functions`.
    const fn function_set(self) -> &'static str {
        match self {
            Self::BulkRemove => "hcall-bulk",
            Self::BlockRemove => "hcall-block-remove",
            Self::HptResize => "hcall-hpt-resize",
        }
    }
}

/// What the guest is offered: everything but what is hidden.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Offer {
    /// A bit for each hidden feature.
    hidden: u8,
}

impl Offer {
    /// Everything but `hidden`.
    pub(crate) fn without(hidden: &[Feature]) -> Self {
        let hidden = hidden.iter().fold(0, |bits, &feature| bits | 1 << feature as u8);
        Self { hidden }
    }

    /// Whether the guest may use `feature`.
    pub(crate) const fn has(self, feature: Feature) -> bool {
        self.hidden & (1 << feature as u8) == 0
    }

    /// Whether the guest may make `call`.
    pub(crate) fn answers(self, call: Hcall) -> bool {
        // One look where nothing is hidden.
        self.hidden == 0 || Feature::of(call).is_none_or(|feature| self.has(feature))
    }

    /// Whether the guest may use the set of hypercalls that `ibm,hypertas-functions` knows by this name.
    pub(crate) fn names(self, function_set: &str) -> bool {
        let feature = Feature::value_variants()
            .iter()
            .find(|feature| feature.function_set() == function_set);
        feature.is_none_or(|&feature| self.has(feature))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_hidden_is_neither_named_nor_answered() {
        for &feature in Feature::value_variants() {
            let offer = Offer::without(&[feature]);
            assert!(!offer.names(feature.function_set()) && Offer::default().names(feature.function_set()));
            let unanswered: Vec<Hcall> = Hcall::ALL
                .iter()
                .copied()
                .filter(|&call| !offer.answers(call))
                .collect();
            assert!(!unanswered.is_empty());
            assert!(unanswered.iter().all(|&call| Feature::of(call) == Some(feature)));
        }
        let none = Offer::without(Feature::value_variants());
        assert!(none.answers(Hcall::Remove) && none.names("hcall-pft"));
    }
}
