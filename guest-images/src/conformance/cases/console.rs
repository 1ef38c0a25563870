//! `H_PUT_TERM_CHAR` and `H_GET_TERM_CHAR`.

use super::{Case, Cases, Operand, cell};
use crate::programs::hypercalls::words::{H_GET_TERM_CHAR, H_PUT_TERM_CHAR, PARAMETER, SUCCESS};

const SECTION: &str = "LoPAR, Virtual I/O, 5.2 Virtual Terminal";

pub(super) fn add(cases: &mut Cases) {
    let case = |name: &str| Case::new(name, SECTION);
    let mut put = |name: &str, terminal: Operand, count: u64, status: u64| {
        cases.add(case(&format!("h_put_term_char/{name}")), |case| {
            let arguments: [Operand; 4] = [terminal, count.into(), 0.into(), 0.into()];
            case.answers("H_PUT_TERM_CHAR", H_PUT_TERM_CHAR, arguments, status);
        });
    };
    put("nothing", cell("terminal"), 0, SUCCESS);
    put("17_bytes", cell("terminal"), 17, PARAMETER);
    put("all_bytes_there_are", cell("terminal"), u64::MAX, PARAMETER);
    put("nobody", 0x1234.into(), 1, PARAMETER);
    cases.add(case("h_get_term_char/nothing_typed"), |case| {
        case.hcall("H_GET_TERM_CHAR", H_GET_TERM_CHAR, [cell("terminal")])
            .status(SUCCESS)
            .is(4, 0);
    });
    cases.add(case("h_get_term_char/nobody"), |case| {
        case.answers("H_GET_TERM_CHAR", H_GET_TERM_CHAR, [0x1234], PARAMETER);
    });
}
