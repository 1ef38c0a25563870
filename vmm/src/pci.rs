//! The PCI host bridge in its machine: where its windows lie, which interrupt sources it has, and how functions get into it.

use std::sync::Arc;

use devices::bus::Bus;
use devices::interrupt::Sources;
use devices::pci::{Bridge, Fittings, Function, Porter, SPACES, Socket};

use crate::dma::GuestDma;
use crate::memory::GuestRam;
use crate::pause::Pause;
use crate::sources::{FIRST_LINE, FIRST_MESSAGE, MESSAGES};

/// Makes a function for the place where it is plugged in. What the user got wrong was found before.
pub(crate) type Plug = Box<dyn FnOnce(Socket) -> Arc<dyn Function> + Send>;

/// A bridge on `bus`, with nothing behind it yet.
pub(crate) fn bridge(
    bus: &Bus,
    ram: &Arc<GuestRam>,
    pause: &Arc<Pause>,
    sources: &Arc<dyn Sources>,
    porter: Option<Arc<dyn Porter>>,
) -> Arc<Bridge> {
    let dma = Arc::new(GuestDma::new(ram, pause));
    let bridge = Arc::new(Bridge::new(Fittings {
        sources: Arc::clone(sources),
        first_line: FIRST_LINE,
        first_message: FIRST_MESSAGE,
        messages: MESSAGES,
        memory: Box::new(move || Arc::clone(&dma) as Arc<_>),
        porter,
    }));
    for space in SPACES {
        let window = Arc::new(bridge.window(space));
        bus.map(space.window().range(), window)
            .expect("the bridge's windows have a place of their own");
    }
    bridge
}
