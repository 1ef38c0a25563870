//! Which processor a guest sees: its name, its version, and which instructions it has.
//!
//! A later model has what an earlier one has, so models are ordered: `model >= Model::Power9` asks for what came with
//! POWER9. The few instructions that a model took away say so in their row of the table ([`Models`]).

use std::fmt;
use std::str::FromStr;

/// A processor model.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum Model {
    /// POWER8: Power ISA v2.07B.
    #[default]
    Power8,
    /// POWER9: Power ISA v3.0B, with hashed page tables.
    Power9,
}

impl Model {
    /// Every model, the oldest first.
    pub const ALL: [Self; 2] = [Self::Power8, Self::Power9];

    /// As a user writes it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Power8 => "power8",
            Self::Power9 => "power9",
        }
    }

    /// As the manuals write it.
    pub const fn chip(self) -> &'static str {
        match self {
            Self::Power8 => "POWER8",
            Self::Power9 => "POWER9",
        }
    }

    /// The processor version register: POWER8 2.0, or POWER9 2.3.
    pub const fn pvr(self) -> u32 {
        match self {
            Self::Power8 => 0x004d_0200,
            Self::Power9 => 0x004e_1203,
        }
    }
}

impl fmt::Display for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// There is no model of this name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UnknownModel;

impl fmt::Display for UnknownModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the processors are power8 and power9")
    }
}

impl std::error::Error for UnknownModel {}

impl FromStr for Model {
    type Err = UnknownModel;

    fn from_str(text: &str) -> Result<Self, UnknownModel> {
        let named = Self::ALL.into_iter().find(|model| model.name() == text);
        named.ok_or(UnknownModel)
    }
}

/// The models that have something: a run of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Models {
    /// The first that has it.
    pub first: Model,
    /// The last that has it.
    pub last: Model,
}

impl Models {
    /// All of them.
    pub const ALL: Self = Self {
        first: Model::Power8,
        last: Model::Power9,
    };

    /// That model and all later ones.
    pub const fn since(first: Model) -> Self {
        Self { first, ..Self::ALL }
    }

    /// That model and all earlier ones.
    pub const fn until(last: Model) -> Self {
        Self { last, ..Self::ALL }
    }

    /// Whether `model` is one of them.
    pub fn include(self, model: Model) -> bool {
        (self.first..=self.last).contains(&model)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_is_found_by_its_name() {
        for model in Model::ALL {
            assert_eq!(model.to_string().parse(), Ok(model));
        }
        assert_eq!("POWER8".parse::<Model>(), Err(UnknownModel));
        assert_eq!("power10".parse::<Model>(), Err(UnknownModel));
    }

    #[test]
    fn a_later_model_has_what_came_before() {
        assert!(Models::ALL.include(Model::Power8) && Models::ALL.include(Model::Power9));
        let newer = Models::since(Model::Power9);
        assert!(!newer.include(Model::Power8) && newer.include(Model::Power9));
        let older = Models::until(Model::Power8);
        assert!(older.include(Model::Power8) && !older.include(Model::Power9));
    }
}
