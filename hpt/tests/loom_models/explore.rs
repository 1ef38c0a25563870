//! The search over interleavings, which must be as large as it was when the model was written.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Runs `body` in every interleaving with at most `preemptions` of them; fewer than `floor` runs mean that
/// the model does not race what it says it races.
pub(crate) fn explore(preemptions: usize, floor: usize, body: impl Fn() + Sync + Send + 'static) {
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&runs);
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(move || {
        counted.fetch_add(1, Ordering::Relaxed);
        body();
    });
    let runs = runs.load(Ordering::Relaxed);
    assert!(runs >= floor, "only {runs} runs, not {floor}");
}
