//! The counters of a run for Prometheus (and whoever else reads OpenMetrics): those of `statistics`, under names with their units.

use std::fmt::Error;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _, NoLabelSet, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use super::Context;
use super::answer::{Answer, Failure, Refusal};
use super::table::gather;
use crate::machine::Machine;
use crate::run::{Changes, Distribution, Emulation, Exits, Hypercalls, Occupancy, Statistics, Withheld};

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Counters, as Prometheus reads them
#[utoipa::path(get, path = "/v1/metrics", responses(
    (status = 200, description = "OpenMetrics", body = String, content_type = "application/openmetrics-text"),
    (status = "4XX", description = "Not done", body = Failure),
    (status = "5XX", description = "The run is over, or an error of pteg's own", body = Failure),
))]
pub(super) fn metrics(context: &Context, _: &[u8]) -> Result<Answer, Refusal> {
    Ok(Answer::text(OPEN_METRICS, words(Moment::of(&context.machine))))
}

fn words(moment: Moment) -> String {
    let mut registry = Registry::with_prefix("pteg");
    registry.register_collector(Box::new(moment));
    let mut words = String::new();
    text::encode(&mut words, &registry).expect("a string takes all that is written to it");
    words
}

/// A run at one moment.
#[derive(Debug)]
struct Moment {
    statistics: Statistics,
    is_paused: bool,
    processors: usize,
    memory_bytes: u64,
}

impl Moment {
    fn of(machine: &Machine) -> Self {
        Self {
            statistics: gather(machine),
            is_paused: machine.pause.is_paused(),
            processors: machine.processors.iter().count(),
            memory_bytes: machine.ram.size().bytes(),
        }
    }
}

impl Collector for Moment {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        let mut page = Page(encoder);
        let statistics = &self.statistics;
        page.gauge("uptime_seconds", "Time since the machine was made", statistics.seconds)?;
        page.gauge(
            "paused",
            "1 while the run is paused",
            if self.is_paused { 1.0 } else { 0.0 },
        )?;
        page.gauge("processors", "Processors of the guest", self.processors as f64)?;
        page.gauge("memory_bytes", "Memory of the guest", self.memory_bytes as f64)?;
        page.counters(
            "instructions",
            "Instructions executed, when the processor last left the guest",
            "processor",
            statistics
                .instructions
                .iter()
                .map(|of| (of.processor.to_string(), of.executed)),
        )?;
        if let Some(exits) = &statistics.exits {
            page.exits(exits)?;
        }
        if let Some(emulation) = &statistics.emulation {
            page.emulation(emulation)?;
        }
        if let Some(hypercalls) = &statistics.hypercalls {
            page.hypercalls(hypercalls)?;
        }
        page.withheld(&statistics.withheld)?;
        page.table(&statistics.table)?;
        page.changes(&statistics.changes)
    }
}

/// What is being written.
struct Page<'a>(DescriptorEncoder<'a>);

impl Page<'_> {
    fn gauge(&mut self, name: &str, help: &str, value: f64) -> Result<(), Error> {
        let gauge = ConstGauge::new(value);
        let metric = self.0.encode_descriptor(name, help, None, gauge.metric_type())?;
        gauge.encode(metric)
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) -> Result<(), Error> {
        let counter = ConstCounter::new(value);
        let metric = self.0.encode_descriptor(name, help, None, counter.metric_type())?;
        counter.encode(metric)
    }

    fn seconds(&mut self, name: &str, help: &str, value: f64) -> Result<(), Error> {
        let counter = ConstCounter::new(value);
        let metric = self.0.encode_descriptor(name, help, None, counter.metric_type())?;
        counter.encode(metric)
    }

    /// One counter for each value of a label.
    fn counters(
        &mut self,
        name: &str,
        help: &str,
        label: &'static str,
        values: impl Iterator<Item = (String, u64)>,
    ) -> Result<(), Error> {
        let mut metric = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (of, value) in values {
            let labels = [(label, of)];
            ConstCounter::new(value).encode(metric.encode_family(&labels)?)?;
        }
        Ok(())
    }

    fn exits(&mut self, exits: &Exits) -> Result<(), Error> {
        let reasons = [
            ("hypercall", exits.hypercalls),
            ("attention", exits.attention),
            ("withheld", exits.withheld),
            ("device_load", exits.device_loads),
            ("device_store", exits.device_stores),
            ("checkstop", exits.checkstops),
        ];
        self.counters(
            "exits",
            "Exits of processors from the guest",
            "reason",
            reasons.into_iter().map(|(reason, count)| (reason.to_owned(), count)),
        )
    }

    /// As of the last time that each processor was called out of the guest, or slept.
    fn emulation(&mut self, emulation: &Emulation) -> Result<(), Error> {
        let interrupts = emulation.interrupts.iter();
        self.counters(
            "interrupts",
            "Interrupts that emulated processors took",
            "name",
            interrupts.map(|interrupt| (interrupt.name.to_owned(), interrupt.count)),
        )?;
        let caches = &emulation.caches;
        self.counters(
            "cache_misses",
            "Look-ups of emulated processors that found nothing",
            "cache",
            caches.iter().map(|cache| (cache.name.to_owned(), cache.misses)),
        )?;
        self.counters(
            "cache_hits",
            "Look-ups of emulated processors that found something",
            "cache",
            caches
                .iter()
                .filter_map(|cache| Some((cache.name.to_owned(), cache.hits?))),
        )?;
        self.counter(
            "decoded_blocks",
            "Blocks of instructions that emulated processors decoded",
            emulation.blocks.decoded,
        )
    }

    fn hypercalls(&mut self, hypercalls: &Hypercalls) -> Result<(), Error> {
        let calls = &hypercalls.calls;
        self.seconds(
            "processor_seconds",
            "Time that the processors ran, in the guest and in hypercalls",
            hypercalls.processor_seconds,
        )?;
        self.counters(
            "hypercalls",
            "Hypercalls answered",
            "name",
            calls.iter().map(|call| (call.name.to_owned(), call.count)),
        )?;
        let help = "Time that they took";
        let mut metric = self
            .0
            .encode_descriptor("hypercall_seconds", help, None, MetricType::Counter)?;
        for call in calls {
            let labels = [("name", call.name)];
            ConstCounter::new(call.seconds).encode(metric.encode_family(&labels)?)?;
        }
        let help = "How long one of them took at most";
        let mut metric = self
            .0
            .encode_descriptor("hypercall_longest_seconds", help, None, MetricType::Gauge)?;
        for call in calls {
            let labels = [("name", call.name)];
            ConstGauge::new(call.longest_seconds).encode(metric.encode_family(&labels)?)?;
        }
        Ok(())
    }

    fn withheld(&mut self, withheld: &Withheld) -> Result<(), Error> {
        self.gauge(
            "withheld_longest_delay_seconds",
            "The longest time that a processor got no further, as memory was taken away or copied",
            withheld.longest_delay_seconds,
        )?;
        self.histogram(
            "withheld_wait_seconds",
            "Waits of processors for memory that was taken away or copied",
            &withheld.wait_ns,
            1e-9,
            Some(withheld.waited_seconds),
        )
    }

    fn table(&mut self, table: &Occupancy) -> Result<(), Error> {
        for (name, help, value) in [
            ("hpt_order", "log2 of the table's bytes", u64::from(table.order)),
            ("hpt_entries", "Entries that the table has", table.entries),
            ("hpt_valid_entries", "Of them valid", table.valid),
            ("hpt_bolted_entries", "Of the valid ones bolted", table.bolted),
            (
                "hpt_secondary_entries",
                "Of the valid ones in the group of the second hash",
                table.secondary,
            ),
        ] {
            self.gauge(name, help, value as f64)?;
        }
        Ok(())
    }

    fn changes(&mut self, changes: &Changes) -> Result<(), Error> {
        for (name, help, value) in counters(changes) {
            self.counter(&format!("hpt_{name}"), help, value)?;
        }
        self.seconds(
            "hpt_waited_seconds",
            "Time that writers waited for processors to leave the guest",
            changes.waited_seconds,
        )?;
        self.gauge(
            "hpt_longest_unmap_step_seconds",
            "The longest step of all requests to take translations away",
            changes.longest_unmap_step_ns as f64 * 1e-9,
        )?;
        let batches = &changes.batch_sizes;
        self.histogram(
            "hpt_batch_entries",
            "Entries that were flushed together; the sum takes each batch for the least of its bucket",
            batches,
            1.0,
            None,
        )?;
        self.histogram(
            "hpt_wait_seconds",
            "Waits for processors to leave the guest",
            &changes.wait_ns,
            1e-9,
            Some(changes.waited_seconds),
        )
    }

    /// Buckets of powers of two, each value times `unit`. Without a `sum` it is as if each value were the least of its bucket.
    fn histogram(
        &mut self,
        name: &str,
        help: &str,
        values: &Distribution,
        unit: f64,
        sum: Option<f64>,
    ) -> Result<(), Error> {
        let counts = values.log2_counts.iter().copied();
        let mut buckets: Vec<(f64, u64)> = (1..)
            .zip(counts)
            .map(|(n, count)| ((2_f64.powi(n) - 1.0) * unit, count))
            .collect();
        let least = |(at_most, count): &(f64, u64)| (at_most / unit + 1.0) / 2.0 * unit * *count as f64;
        let sum = sum.unwrap_or_else(|| buckets.iter().map(least).sum());
        buckets.push((f64::INFINITY, 0));
        let mut metric = self.0.encode_descriptor(name, help, None, MetricType::Histogram)?;
        metric.encode_histogram::<NoLabelSet>(sum, values.count, &buckets, None)
    }
}

/// What was done to the table: names as in the JSON file, what they say, and how often.
fn counters(changes: &Changes) -> [(&'static str, &'static str, u64); 26] {
    [
        ("entered", "Entries entered", changes.entered),
        (
            "entered_secondary",
            "Of them in the group of the second hash",
            changes.entered_secondary,
        ),
        (
            "group_full",
            "Entries that found no room in their group",
            changes.group_full,
        ),
        ("removed", "Entries removed", changes.removed),
        (
            "evicted",
            "Entries that the guest removed to make room",
            changes.evicted,
        ),
        ("protected", "Entries whose protection was changed", changes.protected),
        ("cleared", "Entries of which a mark was cleared", changes.cleared),
        (
            "untouched",
            "Changes of entries that no processor had used",
            changes.untouched,
        ),
        ("grace_periods", "Waits for all walkers", changes.grace_periods),
        (
            "nobody_concerned",
            "Of them those that concerned no processor",
            changes.nobody_concerned,
        ),
        (
            "left_alone",
            "Processors that were not concerned, summed over the grace periods",
            changes.left_alone,
        ),
        (
            "posted",
            "Batches posted to processors outside the guest",
            changes.posted,
        ),
        ("kicked", "Processors made to leave the guest", changes.kicked),
        ("joined", "Writers that shared another's grace period", changes.joined),
        (
            "flushes",
            "Flushes that followed a grace period of their own",
            changes.flushes,
        ),
        (
            "errands",
            "Of them those that a processor did inside the guest",
            changes.errands,
        ),
        (
            "discarded",
            "Ranges of real addresses taken from all processors",
            changes.discarded,
        ),
        (
            "flushed_all",
            "Times that processors dropped everything",
            changes.flushed_all,
        ),
        (
            "flushed_early",
            "Batches flushed early, out of memory",
            changes.flushed_early,
        ),
        ("resizes", "Tables that took another's place", changes.resizes),
        (
            "unmaps",
            "Requests to take all translations of real addresses away",
            changes.unmaps,
        ),
        (
            "unmapped",
            "Entries whose translations were taken away by address",
            changes.unmapped,
        ),
        (
            "unmapped_untouched",
            "Of them those that no processor had used",
            changes.unmapped_untouched,
        ),
        ("unmap_steps", "Steps of all such requests", changes.unmap_steps),
        ("unmap_flushes", "Flushes of all such requests", changes.unmap_flushes),
        (
            "unmapped_all",
            "Such requests that made all processors drop everything",
            changes.unmapped_all,
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_machine;

    fn moment() -> Moment {
        Moment::of(&test_machine::machine(2))
    }

    #[test]
    fn every_number_of_the_statistics_is_a_counter() {
        let mut named: Vec<&str> = counters(&Changes::default()).iter().map(|&(name, ..)| name).collect();
        // Found by the check for duplicates, which ends up on stderr; a quotient of others; written by their own functions.
        named.extend([
            "duplicates",
            "kicks_per_change",
            "waited_seconds",
            "longest_unmap_step_ns",
            "batch_sizes",
            "wait_ns",
        ]);
        let changes = serde_json::to_value(Changes::default()).unwrap();
        for name in changes.as_object().unwrap().keys() {
            assert!(named.contains(&name.as_str()), "{name} is no counter");
        }
    }

    /// The whole of the format that is used here, read back line by line.
    #[test]
    fn the_page_is_in_the_format_that_is_promised() {
        let page = words(moment());
        let mut lines: Vec<&str> = page.lines().collect();
        assert_eq!(lines.pop(), Some("# EOF"));
        for line in lines {
            if let Some(comment) = line.strip_prefix("# ") {
                let kind = comment.split(' ').next().unwrap();
                assert!(["HELP", "TYPE", "UNIT"].contains(&kind), "{line}");
                continue;
            }
            let (name, value) = line.rsplit_once(' ').unwrap();
            assert!(name.starts_with("pteg_"), "{line}");
            value.parse::<f64>().unwrap();
        }
        assert!(page.contains("\npteg_hpt_entered_total 0\n"), "{page}");
        assert!(page.contains("\npteg_processors 2"), "{page}");
        assert!(page.contains("\npteg_paused 0"), "{page}");
    }

    #[test]
    fn a_histogram_has_all_values_below_infinity() {
        let mut moment = moment();
        moment.statistics.changes.batch_sizes = Distribution {
            count: 6,
            log2_counts: vec![1, 2, 3],
            ..Distribution::default()
        };
        let page = words(moment);
        for line in [
            r#"pteg_hpt_batch_entries_bucket{le="1.0"} 1"#,
            r#"pteg_hpt_batch_entries_bucket{le="3.0"} 3"#,
            r#"pteg_hpt_batch_entries_bucket{le="7.0"} 6"#,
            r#"pteg_hpt_batch_entries_bucket{le="+Inf"} 6"#,
            "pteg_hpt_batch_entries_count 6",
        ] {
            assert!(page.contains(&format!("{line}\n")), "{line} is not in {page}");
        }
    }
}
