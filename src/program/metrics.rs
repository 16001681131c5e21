//! The numbers of server, chat, journal and process, as Prometheus reads them.

use core::time::Duration;

use prometheus::core::Collector;
#[cfg(target_os = "linux")]
use prometheus::process_collector::ProcessCollector;
use prometheus::proto::{self, LabelPair, Metric, MetricFamily, MetricType};
use prometheus::{TEXT_FORMAT, TextEncoder};

use crate::chat::{self, Chat, Journal, Report};
use crate::http::response::{Response, Status};
use crate::server::{Context, Counters, Histogram, Phases, Tally};

/// Gathers what there is to tell at the moment.
#[derive(Default)]
pub(super) struct Metrics {
    process: Process,
}

impl Metrics {
    /// All of it.
    pub(super) fn response<J: Journal>(
        &mut self,
        cx: &Context<'_>,
        chat: &mut Chat<J>,
    ) -> Response<'static> {
        let mut families = Vec::new();
        of_server(&mut families, cx.counters(), cx.phases());
        of_chat(&mut families, chat.usage());
        of_journal(&mut families, &chat.journal().report());
        families.extend_from_slice(self.process.families(cx.now()));
        match TextEncoder::new().encode_to_string(&families) {
            Ok(text) => Response::new(Status::Ok, TEXT_FORMAT, text.into_bytes()),
            Err(error) => Response::text(Status::InternalServerError, &error.to_string()),
        }
    }
}

#[rustfmt::skip]
fn of_server(families: &mut Vec<MetricFamily>, counters: &Counters, phases: Phases) {
    let Counters {
        accepted, dropped, handshakes, responses, closes, messages_received, messages_sent,
        messages_published, frames_published, frames_dropped, lagged, bytes_received, bytes_sent,
        turns, flushes,
    } = counters;
    let phases = [("handshake", phases.handshake), ("open", phases.open), ("closing", phases.closing)];
    let phases = phases.map(|(phase, count)| with_label("phase", phase, gauge(count)));
    let mut add = |name, help, kind, metrics| families.push(family(name, help, kind, metrics));
    let (count, times) = (MetricType::COUNTER, MetricType::HISTOGRAM);

    add("veche_connections", "Connections by phase.", MetricType::GAUGE, phases.into());
    add("veche_connections_accepted_total", "Connections accepted.", count, counter(*accepted));
    add("veche_connections_dropped_total", "Connections of an address that had too many.", count, counter(*dropped));
    add("veche_handshakes_total", "Requests for a WebSocket by status; 101 also where the server was full.", count, tally("status", handshakes));
    add("veche_http_responses_total", "HTTP responses by status, refused handshakes among them.", count, tally("status", responses));
    add("veche_closes_total", "WebSocket connections closed, by code.", count, tally("code", closes));
    add("veche_messages_received_total", "WebSocket messages of any kind received.", count, counter(*messages_received));
    add("veche_messages_sent_total", "WebSocket messages of any kind for one connection alone, sent or dropped.", count, counter(*messages_sent));
    add("veche_messages_published_total", "WebSocket messages of any kind for all in a room.", count, counter(*messages_published));
    add("veche_frames_published_total", "Frames of published messages, one for each connection.", count, counter(*frames_published));
    add("veche_frames_dropped_total", "Frames that connections that lagged did not get.", count, counter(*frames_dropped));
    add("veche_lagged_total", "How often a connection lagged.", count, counter(*lagged));
    add("veche_received_bytes_total", "Bytes read, without what TLS adds.", count, counter(*bytes_received));
    add("veche_sent_bytes_total", "Bytes written, without what TLS adds.", count, counter(*bytes_sent));
    add("veche_turn_duration_seconds", "How long turns of the loop took.", times, histogram(turns, NANOS));
    add("veche_flush_duration_seconds", "How long writing a room took, to those who are in no other and have nothing else waiting.", times, histogram(flushes, NANOS));
}

#[rustfmt::skip]
fn of_chat(families: &mut Vec<MetricFamily>, usage: chat::Usage) {
    let mut add = |name, help, value| families.push(family(name, help, MetricType::GAUGE, vec![gauge(value)]));
    add("veche_rooms", "Rooms in use.", usage.rooms);
    add("veche_members", "People in rooms, once for each room.", usage.members);
    add("veche_clients", "Connections that have said hello.", usage.clients);
    add("veche_sessions", "Sessions, connected or remembered.", usage.sessions);
    add("veche_pending_jobs", "Jobs that the journal has not answered.", usage.jobs);
}

#[rustfmt::skip]
fn of_journal(families: &mut Vec<MetricFamily>, report: &Report) {
    let mut add = |name, help, kind, metrics| families.push(family(name, help, kind, metrics));
    let is_failing = usize::from(report.is_failing);
    add("veche_journal_waiting_jobs", "Jobs that the journal has not begun.", MetricType::GAUGE, vec![gauge(report.waiting)]);
    add("veche_journal_failing", "1 while messages cannot be kept.", MetricType::GAUGE, vec![gauge(is_failing)]);
    if let Some(commits) = &report.commits {
        let (times, sizes) = (histogram(&commits.times, NANOS), histogram(&commits.sizes, 1.0));
        add("veche_commit_duration_seconds", "How long it took to keep messages.", MetricType::HISTOGRAM, times);
        add("veche_commit_messages", "How many messages were kept, repeated or removed at once.", MetricType::HISTOGRAM, sizes);
    }
}

fn family(name: &str, help: &str, kind: MetricType, metrics: Vec<Metric>) -> MetricFamily {
    let mut family = MetricFamily::default();
    family.set_name(name.to_owned());
    family.set_help(help.to_owned());
    family.set_field_type(kind);
    family.set_metric(metrics);
    family
}

fn with_label(name: &str, value: &str, mut metric: Metric) -> Metric {
    let mut label = LabelPair::default();
    label.set_name(name.to_owned());
    label.set_value(value.to_owned());
    metric.set_label(vec![label]);
    metric
}

fn gauge(value: usize) -> Metric {
    let mut gauge = proto::Gauge::default();
    gauge.set_value(value as f64);
    Metric::from_gauge(gauge)
}

fn count(value: u64) -> Metric {
    let mut counter = proto::Counter::default();
    counter.set_value(value as f64);
    let mut metric = Metric::from_label(Vec::new());
    metric.set_counter(counter);
    metric
}

fn counter(value: u64) -> Vec<Metric> {
    vec![count(value)]
}

/// A count for each number, and one for all others.
fn tally(label: &str, tally: &Tally) -> Vec<Metric> {
    let of = |(number, value): (u16, u64)| with_label(label, &number.to_string(), count(value));
    let mut metrics: Vec<Metric> = tally.counts().map(of).collect();
    metrics.push(with_label(label, "other", count(tally.other())));
    metrics
}

/// A histogram of values that are told in a unit so many times theirs.
fn histogram(values: &Histogram, unit: f64) -> Vec<Metric> {
    let buckets = values.buckets().map(|(bound, count)| {
        let mut bucket = proto::Bucket::default();
        bucket.set_upper_bound(bound as f64 / unit);
        bucket.set_cumulative_count(count);
        bucket
    });
    let mut histogram = proto::Histogram::default();
    histogram.set_bucket(buckets.collect());
    histogram.set_sample_count(values.count());
    histogram.set_sample_sum(values.sum() as f64 / unit);
    let mut metric = Metric::from_label(Vec::new());
    metric.set_histogram(histogram);
    vec![metric]
}

/// What the system knows of the process: looking through its descriptors takes
/// milliseconds where they are many, so that is asked for now and then only.
#[derive(Default)]
struct Process {
    families: Vec<MetricFamily>,
    asked_at: Option<Duration>,
}

impl Process {
    fn families(&mut self, now: Duration) -> &[MetricFamily] {
        #[cfg(target_os = "linux")]
        if self.asked_at.is_none_or(|at| now >= at + PROCESS_PERIOD) {
            self.asked_at = Some(now);
            self.families = ProcessCollector::for_self().collect();
        }
        &self.families
    }
}

/// The system is not asked more often.
const PROCESS_PERIOD: Duration = Duration::from_secs(1);

/// Nanoseconds in a second.
const NANOS: f64 = 1e9;
