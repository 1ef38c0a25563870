//! Why something was not done to a guest's memory: a kind for whoever must answer by numbers, a sentence for the user.

/// What is the matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The request itself is wrong: it would be wrong at any time.
    BadRequest,
    /// It does not go together with what is going on now.
    Conflict,
    /// This host, or this accelerator, cannot.
    NotPossible,
    /// The disk is full, or a share of it.
    NoSpace,
    /// The run is over.
    Gone,
}

/// Why something was not done: what, where, and what would be right.
#[derive(Debug, thiserror::Error)]
#[error("{sentence}")]
pub(crate) struct UpkeepError {
    kind: Kind,
    sentence: String,
}

impl UpkeepError {
    /// What is the matter.
    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    pub(super) fn bad_request(sentence: impl Into<String>) -> Self {
        Self::new(Kind::BadRequest, sentence)
    }

    pub(super) fn conflict(sentence: impl Into<String>) -> Self {
        Self::new(Kind::Conflict, sentence)
    }

    pub(super) fn not_possible(sentence: impl Into<String>) -> Self {
        Self::new(Kind::NotPossible, sentence)
    }

    pub(super) fn no_space(sentence: impl Into<String>) -> Self {
        Self::new(Kind::NoSpace, sentence)
    }

    /// The run has ended in the middle of `what`.
    pub(super) fn gone(what: &str) -> Self {
        Self::new(Kind::Gone, format!("{what}: the run is over"))
    }

    fn new(kind: Kind, sentence: impl Into<String>) -> Self {
        Self {
            kind,
            sentence: sentence.into(),
        }
    }
}
