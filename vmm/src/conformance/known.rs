//! What is known of other hypervisors, for whoever compares. `docs/conformance.md` has the same as a table.

/// A known difference of QEMU with processors in software (TCG), 7.2 and 10.0.
#[derive(Debug)]
pub(super) struct Known {
    /// How the names of its cases begin.
    cases: &'static str,
    /// What QEMU does otherwise.
    pub(super) what: &'static str,
}

const fn known(cases: &'static str, what: &'static str) -> Known {
    Known { cases, what }
}

const CONTENT: &str = "H_ENTER ignores the flags that work on the page's content";
const SEGMENT_SIZE: &str = "H_ENTER takes reserved segment sizes";
const NO_CLEAR: &str = "there is neither H_CLEAR_REF nor H_CLEAR_MOD";
const BULK_REMOVE: &str = "R and C of H_BULK_REMOVE come eight bits too low, in the index";
const ABORT: &str = "QEMU aborts in H_RESIZE_HPT_COMMIT when a bolted entry lies in the group of its second hash";

const NO_BREAKPOINTS: &str = "7.2: H_SET_MODE knows neither breakpoints nor watchpoints";
const FLAG: &str = "H_SET_MODE says that bit 0 is the flag that is not supported";
const FLAGS_FIRST: &str = "H_SET_MODE of a breakpoint looks at the flags before the second value";
const PROD_IS_LOST: &str = "H_CEDE sleeps although the processor has been prodded, by itself";

const PROD_OF_RUNNING: &str = "H_CEDE sleeps although another processor has prodded this one while it ran";

const AREAS_OF_OTHERS: &str = "H_REGISTER_VPA changes the areas of another processor that runs";

const OF_QEMU: &[Known] = &[
    known(
        "h_enter/bits/reserved_1",
        "H_ENTER keeps reserved bit 1 of the second doubleword",
    ),
    known("h_enter/wrong/segment_size", SEGMENT_SIZE),
    known("h_enter/content/", CONTENT),
    known("h_protect/clears_r", "H_PROTECT leaves R set"),
    known("h_clear_ref/", NO_CLEAR),
    known("h_clear_mod/", NO_CLEAR),
    known("recording/c_again_after_h_clear_mod", NO_CLEAR),
    known("recording/r_again_after_h_clear_ref", NO_CLEAR),
    known("others/recording/c_again_after_h_clear_mod", NO_CLEAR),
    known("others/recording/h_clear_", NO_CLEAR),
    known("h_bulk_remove/returns_", BULK_REMOVE),
    known("recording/h_bulk_remove_returns_both", BULK_REMOVE),
    known("h_resize_hpt/halved/bolted_secondary", ABORT),
    known("h_resize_hpt/halved_and_doubled/bolted_secondary", ABORT),
    known(
        "h_resize_hpt_prepare/wrong_order_gives_up",
        "H_RESIZE_HPT_PREPARE keeps the pending table when it refuses a size",
    ),
    known(
        "h_resize_hpt_commit/flag",
        "H_RESIZE_HPT_COMMIT answers a flag with H_Parameter, and not with H_Closed",
    ),
    known("h_set_mode/interrupt_location/reserved", FLAG),
    known("h_set_mode/interrupt_location/flag", FLAG),
    known("h_set_mode/byte_order/flag", FLAG),
    known("h_set_mode/breakpoint/flag", FLAG),
    known("h_set_mode/watchpoint/flag", FLAG),
    known("h_set_mode/watchpoint/all_wrong", FLAG),
    known("h_set_mode/breakpoint/all_wrong", FLAGS_FIRST),
    known(
        "h_set_mode/byte_order/interrupts_enabled",
        "H_SET_MODE changes the byte order of interrupts while they are enabled",
    ),
    known("h_set_mode/breakpoint/", NO_BREAKPOINTS),
    known("h_set_mode/watchpoint/", NO_BREAKPOINTS),
    known("h_prod/itself_then_h_cede", PROD_IS_LOST),
    known("h_prod/twice_is_once", PROD_IS_LOST),
    known("h_prod/the_second/running_then_h_cede", PROD_OF_RUNNING),
    known("h_prod/the_last/running_then_h_cede", PROD_OF_RUNNING),
    known(
        "h_prod/stopped_processor",
        "H_PROD sets a processor going that is in the RTAS stopped state",
    ),
    known("h_confer/to_all", "H_CONFER leaves r3 as it was"),
    known("h_register_vpa/vpa/of_another", AREAS_OF_OTHERS),
    known("h_register_vpa/vpa/by_itself_and_back_by_another", AREAS_OF_OTHERS),
    known("h_register_vpa/slb_shadow/of_another_keeps_its_vpa", AREAS_OF_OTHERS),
];

/// What is known of QEMU and the case `name`.
pub(super) fn of_qemu(name: &str) -> Option<&'static Known> {
    OF_QEMU.iter().find(|known| name.starts_with(known.cases))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use guest_images::conformance::{Configuration, cases};

    use super::*;

    #[test]
    fn each_known_difference_is_of_cases_that_there_are() {
        let names: BTreeSet<String> = Configuration::all()
            .flat_map(|configuration| cases(configuration).into_iter().map(|case| case.name().to_owned()))
            .collect();
        for known in OF_QEMU {
            assert!(names.iter().any(|name| name.starts_with(known.cases)), "{known:?}");
        }
    }

    #[test]
    fn the_document_has_the_number_of_cases() {
        let count: usize = Configuration::all()
            .map(|configuration| cases(configuration).len())
            .sum();
        let document = include_str!("../../../docs/conformance.md");
        assert_eq!(document.matches(&format!("all {count}, ")).count(), 1, "{count} cases");
        assert!(document.contains(&format!("of the {count} cases")), "{count} cases");
    }

    #[test]
    fn the_documents_table_has_each() {
        let document = include_str!("../../../docs/conformance.md");
        for known in OF_QEMU {
            assert!(document.contains(known.what), "{}", known.what);
        }
    }
}
