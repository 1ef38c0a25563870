//! What went on while rounds ran, one round behind the other: as many spans of time as a picture has room for, however long it all takes.

use super::super::moments::Moment;

/// Spans at most.
pub(super) const MOST_SPANS: usize = 240;

/// What went on in one span of time.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Span {
    pub(super) seconds: f64,
    pub(super) hypercalls: u64,
    /// Entries removed or changed.
    pub(super) changed: u64,
    /// Of them, those that no processor had used.
    pub(super) untouched: u64,
    /// Processors, summed over the flushes.
    pub(super) kicked: u64,
    pub(super) left_alone: u64,
    /// By part of the table: the share of valid entries at each moment, summed.
    heat: Vec<f32>,
    /// Moments that it ends with or has in it.
    moments: usize,
}

impl Span {
    fn add(&mut self, other: &Self) {
        self.seconds += other.seconds;
        self.hypercalls += other.hypercalls;
        self.changed += other.changed;
        self.untouched += other.untouched;
        self.kicked += other.kicked;
        self.left_alone += other.left_alone;
        self.moments += other.moments;
        if self.heat.len() < other.heat.len() {
            self.heat.resize(other.heat.len(), 0.0);
        }
        for (sum, more) in self.heat.iter_mut().zip(&other.heat) {
            *sum += more;
        }
    }

    /// The share of valid entries in each part of the table, on the average of the moments.
    pub(super) fn heat(&self) -> impl Iterator<Item = f32> {
        self.heat.iter().map(|sum| sum / self.moments.max(1) as f32)
    }
}

/// The spans.
#[derive(Debug)]
pub(super) struct Timeline {
    spans: Vec<Span>,
    /// How many moments each has, but for the last, which may still get some.
    each: usize,
}

impl Default for Timeline {
    fn default() -> Self {
        Self {
            spans: Vec::new(),
            each: 1,
        }
    }
}

impl Timeline {
    /// Adds the moments of a round.
    pub(super) fn add(&mut self, moments: &[Moment]) {
        let mut before = &Moment::default();
        for moment in moments {
            self.push(Span {
                seconds: (moment.seconds - before.seconds).max(0.0),
                hypercalls: moment.hypercalls.saturating_sub(before.hypercalls),
                changed: moment.changed.saturating_sub(before.changed),
                untouched: moment.untouched.saturating_sub(before.untouched),
                kicked: moment.kicked.saturating_sub(before.kicked),
                left_alone: moment.left_alone.saturating_sub(before.left_alone),
                heat: moment.heat.clone(),
                moments: 1,
            });
            before = moment;
        }
    }

    fn push(&mut self, span: Span) {
        match self.spans.last_mut() {
            Some(last) if last.moments < self.each => last.add(&span),
            _ => self.spans.push(span),
        }
        if self.spans.len() > MOST_SPANS {
            self.each *= 2;
            let merged = self.spans.chunks(2).map(|pair| {
                let mut all = Span::default();
                pair.iter().for_each(|span| all.add(span));
                all
            });
            self.spans = merged.collect();
        }
    }

    /// In their order.
    pub(super) fn spans(&self) -> &[Span] {
        &self.spans
    }

    /// All of it as one.
    pub(super) fn whole(&self) -> Span {
        let mut all = Span::default();
        self.spans.iter().for_each(|span| all.add(span));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(seconds: f64, hypercalls: u64, heat: f32) -> Moment {
        Moment {
            seconds,
            hypercalls,
            heat: vec![heat, 0.0],
            ..Moment::default()
        }
    }

    #[test]
    fn counts_of_a_round_are_since_its_start_and_spans_have_what_came_in_them() {
        let mut timeline = Timeline::default();
        timeline.add(&[moment(0.5, 10, 0.25), moment(1.5, 40, 0.5)]);
        timeline.add(&[moment(0.25, 7, 0.75)]);
        let spans: Vec<_> = timeline
            .spans()
            .iter()
            .map(|span| (span.seconds, span.hypercalls))
            .collect();
        assert_eq!(spans, [(0.5, 10), (1.0, 30), (0.25, 7)]);
        let whole = timeline.whole();
        assert_eq!((whole.seconds, whole.hypercalls), (1.75, 47));
        assert_eq!(whole.heat().collect::<Vec<_>>(), [0.5, 0.0]);
    }

    #[test]
    fn nothing_is_lost_and_nothing_grows_however_long_it_takes() {
        let mut timeline = Timeline::default();
        for _ in 0..5000 {
            timeline.add(&[moment(1.0, 3, 0.5)]);
        }
        let whole = timeline.whole();
        assert_eq!((whole.seconds, whole.hypercalls, whole.moments), (5000.0, 15_000, 5000));
        assert_eq!(whole.heat().next(), Some(0.5));
        let (last, others) = timeline.spans().split_last().unwrap();
        assert!((MOST_SPANS / 2..MOST_SPANS).contains(&others.len()), "{}", others.len());
        assert!(others.iter().all(|span| span.moments == 32), "{others:?}");
        assert!(last.moments <= 32);
    }
}
