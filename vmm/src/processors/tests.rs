//! Starting, stopping and prodding. How processors sleep and wake is tested with those who carry them, in `carriers`.

use super::*;

struct NoWire;

impl Wire for NoWire {
    fn ring(&self) {}
    fn set_external(&self, _level: bool) {}
}

const START: Start = Start {
    pc: 0x100,
    r3: 7,
    msr: Msr::from_raw(Msr::SF),
};

fn processor() -> Processor {
    Processor::new(Arc::new(NoWire), Arc::default())
}

#[test]
fn a_processor_is_started_once() {
    let processor = processor();
    assert_eq!(processor.stopped_state(), CpuStoppedState::Stopped);
    assert_eq!(processor.take_start(), None);
    assert!(processor.start(START));
    assert!(processor.is_starting());
    assert!(!processor.start(START));
    assert_eq!(processor.take_start(), Some(START));
    assert!(!processor.is_starting());
    assert_eq!(processor.take_start(), None);
    assert_eq!(processor.stopped_state(), CpuStoppedState::Running);
    assert!(!processor.start(START));
    processor.stop();
    assert!(processor.start(START));
}

#[test]
fn a_prod_is_remembered_once() {
    let processor = processor();
    processor.prod();
    processor.prod();
    assert!(processor.is_prodded());
    processor.take_prod();
    assert!(!processor.is_prodded());
}

#[test]
fn starting_forgets_an_old_prod() {
    let processor = processor();
    processor.prod();
    processor.start(START);
    assert!(!processor.is_prodded());
}

#[test]
fn whatever_may_make_it_run_rings_its_bell() {
    let bell = Arc::<Bell>::default();
    let processor = Processor::new(Arc::new(NoWire), Arc::clone(&bell));
    let rings = |what: &str, change: &dyn Fn()| {
        let epoch = bell.epoch();
        change();
        assert_ne!(bell.epoch(), epoch, "{what}");
    };
    rings("start", &|| assert!(processor.start(START)));
    rings("prod", &|| processor.prod());
    rings("interrupt", &|| processor.set_external(true));
    let epoch = bell.epoch();
    processor.set_external(false);
    assert_eq!(bell.epoch(), epoch, "the end of an interrupt wakes nobody");
}

#[test]
fn processors_share_a_bell_where_they_share_their_threads() {
    let processors = |carriers| Processors::new((0..3).map(|_| Arc::new(NoWire) as Arc<dyn Wire>).collect(), carriers);
    let bells = |processors: &Processors| {
        let bell = |server| Arc::as_ptr(processors.by_server(server).bell());
        (bell(0) == bell(1), bell(1) == bell(2))
    };
    assert_eq!(bells(&processors(3)), (false, false));
    assert_eq!(bells(&processors(2)), (true, true));
    assert_eq!(bells(&processors(1)), (true, true));
    assert_eq!(processors(2).carriers(), 2);
}
