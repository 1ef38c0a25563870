//! A case as data: steps that call something, and what must come of each.

/// What a register is set to, or expected to hold.
#[derive(Clone, Copy, Debug)]
pub(super) struct Operand {
    /// The doubleword in memory at this label, added to the number.
    pub(super) cell: Option<&'static str>,
    pub(super) number: u64,
}

impl From<u64> for Operand {
    fn from(number: u64) -> Self {
        Self { cell: None, number }
    }
}

/// What the machine or an earlier step has put into the cell `label`.
pub(super) fn cell(label: &'static str) -> Operand {
    Operand {
        cell: Some(label),
        number: 0,
    }
}

/// The place `back` entries before the table's end.
pub(super) fn from_end(back: u64) -> Operand {
    Operand {
        cell: Some("table_entries"),
        number: back.wrapping_neg(),
    }
}

/// What is done with a register after a step's call.
#[derive(Clone, Copy, Debug)]
pub(super) enum Action {
    /// The case fails unless the bits of `mask` are as in `value`.
    Expect { mask: Operand, value: Operand },
    /// The case is skipped if it holds `value`; the reason is what the step is called.
    SkipIf { value: Operand },
    /// It goes into a cell.
    Save { cell: &'static str },
}

/// What is done after a step's call: with which register, and what.
#[derive(Clone, Copy, Debug)]
pub(super) struct Then {
    pub(super) register: u64,
    pub(super) action: Action,
}

/// Which processor makes a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Who {
    /// The one that goes through the cases.
    First,
    /// Another, by its number in the device tree, from 1 on.
    Another(u64),
    /// All but the first, at the same time. What is expected is expected of each.
    Others,
}

impl Who {
    /// How many processors the machine must have.
    fn needs(self) -> u64 {
        match self {
            Self::First => 1,
            Self::Another(number) => number + 1,
            Self::Others => 2,
        }
    }
}

/// How much of a step is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// All of it, before the next step.
    Whole,
    /// Another processor begins, and the next step comes at once.
    Beginning,
    /// What another processor has begun comes to its end.
    End,
}

/// One call, and what must come of it.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) what: String,
    pub(super) who: Who,
    pub(super) part: Part,
    /// A label of the engine; arguments begin in r3.
    pub(super) routine: &'static str,
    pub(super) arguments: Vec<Operand>,
    pub(super) then: Vec<Then>,
}

impl Step {
    /// The register holds `value`.
    pub(super) fn is(&mut self, register: u64, value: impl Into<Operand>) -> &mut Self {
        self.bits(register, u64::MAX, value)
    }

    /// The bits of `mask` in the register are those of `value`.
    pub(super) fn bits(&mut self, register: u64, mask: impl Into<Operand>, value: impl Into<Operand>) -> &mut Self {
        let (mask, value) = (mask.into(), value.into());
        self.then(register, Action::Expect { mask, value })
    }

    /// r3 holds `status`.
    pub(super) fn status(&mut self, status: u64) -> &mut Self {
        self.is(3, status)
    }

    /// The case is not for this machine if the register holds `value`.
    pub(super) fn skip_if(&mut self, register: u64, value: impl Into<Operand>) -> &mut Self {
        let value = value.into();
        self.then(register, Action::SkipIf { value })
    }

    /// Later steps find the register in `cell`.
    pub(super) fn save(&mut self, register: u64, cell: &'static str) -> &mut Self {
        self.then(register, Action::Save { cell })
    }

    fn then(&mut self, register: u64, action: Action) -> &mut Self {
        self.then.push(Then { register, action });
        self
    }
}

/// One thing that a hypervisor does right or wrong.
#[derive(Debug)]
pub struct Case {
    name: String,
    section: &'static str,
    /// How many processors it takes.
    pub(super) processors: u64,
    /// Who makes the next steps.
    who: Who,
    pub(super) steps: Vec<Step>,
}

impl Case {
    pub(super) fn new(name: impl Into<String>, section: &'static str) -> Self {
        Self {
            name: name.into(),
            section,
            processors: 1,
            who: Who::First,
            steps: Vec::new(),
        }
    }

    /// Its name: the call, what of it, and the circumstances, between slashes. No two cases of a configuration have the same.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The manual's section that decides.
    pub fn section(&self) -> &'static str {
        self.section
    }

    /// A hypercall with arguments from r4 on.
    pub(super) fn hcall<A: Into<Operand>>(
        &mut self,
        what: impl Into<String>,
        number: u64,
        arguments: impl IntoIterator<Item = A>,
    ) -> &mut Step {
        let arguments = arguments.into_iter().map(Into::into);
        self.call(what, "hypercall", [number.into()].into_iter().chain(arguments))
    }

    /// A routine of the engine with arguments from r3 on.
    pub(super) fn call<A: Into<Operand>>(
        &mut self,
        what: impl Into<String>,
        routine: &'static str,
        arguments: impl IntoIterator<Item = A>,
    ) -> &mut Step {
        let arguments = arguments.into_iter().map(Into::into).collect();
        self.step(what.into(), Part::Whole, routine, arguments)
    }

    /// The machine must have this many processors.
    pub(super) fn needs(&mut self, processors: u64) {
        self.processors = self.processors.max(processors);
    }

    /// What `steps` adds is made by `who`.
    pub(super) fn by(&mut self, who: Who, steps: impl FnOnce(&mut Self)) {
        self.needs(who.needs());
        let before = std::mem::replace(&mut self.who, who);
        steps(self);
        self.who = before;
    }

    /// `who`, who is not the first, begins a routine of the engine.
    pub(super) fn begins<A: Into<Operand>>(
        &mut self,
        who: Who,
        what: &str,
        routine: &'static str,
        arguments: impl IntoIterator<Item = A>,
    ) {
        let arguments = arguments.into_iter().map(Into::into).collect();
        self.by(who, |case| {
            case.step(what.to_owned(), Part::Beginning, routine, arguments);
        });
    }

    /// What `who` has begun must come to its end within a minute.
    pub(super) fn ends(&mut self, who: Who, what: &str) -> &mut Step {
        self.by(who, |case| {
            case.step(what.to_owned(), Part::End, "0", Vec::new());
        });
        self.steps.last_mut().expect("one has been added")
    }

    fn step(&mut self, what: String, part: Part, routine: &'static str, arguments: Vec<Operand>) -> &mut Step {
        self.steps.push(Step {
            what,
            who: self.who,
            part,
            routine,
            arguments,
            then: Vec::new(),
        });
        self.steps.last_mut().expect("one has been added")
    }
}
