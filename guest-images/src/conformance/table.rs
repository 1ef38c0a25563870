//! Cases as assembler text, for the engine to go through.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::case::{Action, Case, Operand, Part, Step, Then, Who};

/// The program's own part: the engine, and the table of `cases`.
pub(super) fn source(cases: &[Case]) -> String {
    let mut table = Table::default();
    for (number, case) in cases.iter().enumerate() {
        table.case(number, case);
    }
    let mut all = format!("    .balign 8\ncases:\n    .quad {}\n", cases.len());
    for number in 0..cases.len() {
        put(&mut all, format_args!("    .quad case_{number}\n"));
    }
    for (text, label) in &table.texts {
        put(
            &mut table.text,
            format_args!("text_of_table_{label}: .asciz \"{text}\"\n"),
        );
    }
    [
        include_str!("engine.s"),
        include_str!("routines.s"),
        include_str!("others.s"),
        include_str!("meanwhile.s"),
        &all,
        &table.text,
        "    .balign 4\n",
    ]
    .concat()
}

/// The table so far.
#[derive(Default)]
struct Table {
    text: String,
    /// Names of cases and steps, and their labels' numbers.
    texts: BTreeMap<String, usize>,
}

impl Table {
    fn case(&mut self, number: usize, case: &Case) {
        let name = self.label(case.name());
        put(
            &mut self.text,
            format_args!(
                "case_{number}:\n    .quad {name},{},{},{}\n",
                case.steps.len(),
                case.processors,
                case.steps.iter().filter(|step| step.who != Who::First).count()
            ),
        );
        for step in &case.steps {
            self.step(step);
        }
    }

    fn step(&mut self, step: &Step) {
        let what = self.label(&step.what);
        let (arguments, looks) = (step.arguments.len(), step.then.len());
        put(
            &mut self.text,
            format_args!(
                "    .quad {what},{},{arguments},{looks},{},{}\n",
                step.routine,
                match step.who {
                    Who::First => "0".to_owned(),
                    Who::Another(number) => number.to_string(),
                    Who::Others => "OTHERS".to_owned(),
                },
                match step.part {
                    Part::Whole => "WHOLE",
                    Part::Beginning => "BEGINNING",
                    Part::End => "END",
                }
            ),
        );
        for &argument in &step.arguments {
            self.operand(argument);
        }
        for then in &step.then {
            self.look(then);
        }
    }

    fn look(&mut self, &Then { register, action }: &Then) {
        let kind = match action {
            Action::Expect { .. } => "LOOK_EXPECT",
            Action::SkipIf { .. } => "LOOK_SKIP",
            Action::Save { .. } => "LOOK_SAVE",
        };
        put(
            &mut self.text,
            format_args!("    .quad {kind},{}\n", 8 * (register - 3)),
        );
        match action {
            Action::Expect { mask, value } => {
                self.operand(mask);
                self.operand(value);
            }
            Action::SkipIf { value } => {
                self.operand(u64::MAX.into());
                self.operand(value);
            }
            Action::Save { cell } => {
                self.operand(0.into());
                put(&mut self.text, format_args!("    .quad 0,{cell}\n"));
            }
        }
    }

    fn operand(&mut self, Operand { cell, number }: Operand) {
        put(
            &mut self.text,
            format_args!("    .quad {},{number:#x}\n", cell.unwrap_or("0")),
        );
    }

    fn label(&mut self, text: &str) -> String {
        let next = self.texts.len();
        let label = *self.texts.entry(text.to_owned()).or_insert(next);
        format!("text_of_table_{label}")
    }
}

fn put(text: &mut String, what: std::fmt::Arguments<'_>) {
    text.write_fmt(what).expect("a text takes everything");
}
