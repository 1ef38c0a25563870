//! Hypercalls: from the number in r3 to one small function each, and its status back to r3 (LoPAR,
//! Logical Partitioning Option, 5.4). Arguments are r4 and up; so are results.

mod areas;
mod capacity;
mod dispatch_log;
mod interrupts;
mod memory;
mod modes;
mod page_table;
mod processors;
mod tally;
mod tces;
mod terminal;

use hpt::Port;
use power::hcall::{Hcall, Status};

pub(crate) use areas::Areas;
pub(crate) use dispatch_log::{Wait, Waited};
pub(crate) use tally::{Counted, Tally};

use crate::accel::{Exit, Processor};
use crate::machine::Machine;
use crate::rtas;

/// What the processor does after its call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Goes on.
    Run,
    /// Is stopped until another starts it.
    Stopped,
    /// Sleeps until prodded or, with interrupts enabled, until one comes.
    Sleep(Wait),
    /// Lets others run: the processor with this server number if it waits for its turn, or else all.
    Confer(Option<usize>),
}

/// Where a call comes from.
#[derive(Clone, Copy)]
pub(crate) struct Caller<'a> {
    /// The machine.
    pub(crate) machine: &'a Machine,
    /// Server number of the calling processor.
    pub(crate) server: usize,
}

/// Answers the hypercall that `cpu`, which is in its seat, has just made, if that waits for nobody: an `H_ENTER` as page faults
/// make it. Whether it was answered.
pub(crate) fn answer_inside<P: Processor>(caller: Caller<'_>, port: &mut Port, cpu: &mut P) -> bool {
    let machine = caller.machine;
    let may_stay = cpu.gpr(3) == Hcall::Enter.number()
        && port.enters_inside(cpu.gpr(4))
        && !cpu.in_problem_state()
        && machine.offer.answers(Hcall::Enter);
    if !may_stay {
        return false;
    }
    let _timed = machine.tally.as_ref().map(|tally| {
        tally.note_exit(caller.server, &Exit::Hypercall);
        tally.begin(caller.server, Hcall::Enter)
    });
    let status = page_table::enter(machine, port, cpu);
    cpu.set_gpr(3, status.to_register());
    true
}

/// Answers the hypercall that `cpu` has just made; `port` is its way to the page table.
pub(crate) fn dispatch<P: Processor>(caller: Caller<'_>, port: &mut Port, cpu: &mut P) -> Next {
    if cpu.in_problem_state() {
        cpu.set_gpr(3, Status::Privilege.to_register());
        return Next::Run;
    }
    let machine = caller.machine;
    let call = Hcall::from_number(cpu.gpr(3)).filter(|&call| machine.offer.answers(call));
    let Some(call) = call else {
        cpu.set_gpr(3, Status::Function.to_register());
        return Next::Run;
    };
    let _timed = machine.tally.as_ref().map(|tally| tally.begin(caller.server, call));
    let mut next = Next::Run;
    let status = match call {
        Hcall::Remove => page_table::remove(machine, port, cpu),
        Hcall::Enter => page_table::enter(machine, port, cpu),
        Hcall::Read => page_table::read(machine, port, cpu),
        Hcall::ClearMod => page_table::clear_mod(machine, port, cpu),
        Hcall::ClearRef => page_table::clear_ref(machine, port, cpu),
        Hcall::Protect => page_table::protect(machine, port, cpu),
        Hcall::BulkRemove => page_table::bulk_remove(port, cpu),
        Hcall::BlockRemove => page_table::block_remove(port, cpu),
        Hcall::ResizeHptPrepare => page_table::resize_prepare(port, cpu),
        Hcall::ResizeHptCommit => page_table::resize_commit(port, cpu),
        Hcall::GetTce => tces::get(machine, cpu),
        Hcall::PutTce => tces::put(machine, cpu),
        Hcall::StuffTce => tces::stuff(machine, cpu),
        Hcall::PutTceIndirect => tces::put_indirect(machine, cpu),
        Hcall::SetSprg0 => modes::set_sprg0(cpu),
        Hcall::SetDabr => modes::set_dabr(machine, cpu),
        Hcall::SetMode => modes::set_mode(machine, cpu),
        Hcall::RegisterProcTbl => modes::register_process_table(machine, cpu),
        Hcall::GetCpuCharacteristics => modes::get_cpu_characteristics(machine, cpu),
        Hcall::Random => modes::random(machine, cpu),
        Hcall::PageInit => memory::page_init(machine, cpu),
        Hcall::LogicalCiLoad => memory::logical_ci_load(machine, cpu),
        Hcall::LogicalCiStore => memory::logical_ci_store(machine, cpu),
        Hcall::LogicalIcbi => memory::logical_icbi(machine, cpu),
        Hcall::LogicalDcbf => memory::logical_dcbf(machine, cpu),
        Hcall::GetTermChar => terminal::get_term_char(machine, cpu),
        Hcall::PutTermChar => terminal::put_term_char(machine, cpu),
        Hcall::Eoi => interrupts::eoi(caller, cpu),
        Hcall::Cppr => interrupts::cppr(caller, cpu),
        Hcall::Ipi => interrupts::ipi(machine, cpu),
        Hcall::Ipoll => interrupts::ipoll(machine, cpu),
        Hcall::Xirr => interrupts::xirr(caller, cpu),
        Hcall::XirrX => interrupts::xirr_x(caller, cpu),
        Hcall::RegisterVpa => areas::register_vpa(caller, cpu),
        Hcall::Cede => processors::cede(cpu, &mut next),
        Hcall::Confer => processors::confer(caller, cpu, &mut next),
        Hcall::Prod => processors::prod(machine, cpu),
        Hcall::GetPpp => capacity::get_ppp(machine, cpu),
        Hcall::SetPpp => capacity::set_ppp(machine, cpu),
        Hcall::Purr => capacity::purr(machine, cpu),
        Hcall::PollPending => capacity::poll_pending(),
        Hcall::Rtas => match rtas::call(caller, cpu.gpr(4)) {
            Ok(Next::Run) => Status::Success,
            Ok(other) => return other,
            Err(status) => status,
        },
    };
    cpu.set_gpr(3, status.to_register());
    next
}

#[cfg(test)]
mod tests;
