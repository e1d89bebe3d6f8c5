//! Metric families as the prometheus crate renders them, from names and values.

use evenkeel_model::{BOUNDS_SECONDS, Totals};
use prometheus::proto;

use crate::names::{Kind, Name};

/// One series: label values in the order of its name's labels, and a value.
pub(crate) struct Sample {
    pub(crate) labels: Vec<String>,
    pub(crate) value: Value,
}

pub(crate) enum Value {
    Number(f64),
    Durations(Totals),
}

/// A count as a sample. Above 2^53 the last digits are lost, as in Prometheus itself.
pub(crate) fn count(labels: &[&str], value: u64) -> Sample {
    number(labels, value as f64)
}

pub(crate) fn number(labels: &[&str], value: f64) -> Sample {
    Sample { labels: owned(labels), value: Value::Number(value) }
}

pub(crate) fn durations(labels: &[&str], totals: Totals) -> Sample {
    Sample { labels: owned(labels), value: Value::Durations(totals) }
}

/// All series of one metric.
pub(crate) fn family(name: &Name, samples: impl Iterator<Item = Sample>) -> proto::MetricFamily {
    let mut family = proto::MetricFamily::default();
    family.set_name(name.name.to_string());
    family.set_help(name.help.to_string());
    family.set_field_type(match name.kind {
        Kind::Counter => proto::MetricType::COUNTER,
        Kind::Gauge => proto::MetricType::GAUGE,
        Kind::Histogram => proto::MetricType::HISTOGRAM,
    });
    family.set_metric(samples.map(|sample| metric(name, sample)).collect());
    family
}

fn metric(name: &Name, sample: Sample) -> proto::Metric {
    debug_assert_eq!(name.labels.len(), sample.labels.len());
    let labels = name.labels.iter().zip(sample.labels);
    let mut metric = proto::Metric::from_label(labels.map(pair).collect());
    match sample.value {
        Value::Number(value) if name.kind == Kind::Counter => {
            let mut counter = proto::Counter::default();
            counter.set_value(value);
            metric.set_counter(counter);
        }
        Value::Number(value) => {
            let mut gauge = proto::Gauge::default();
            gauge.set_value(value);
            metric.set_gauge(gauge);
        }
        Value::Durations(totals) => metric.set_histogram(histogram(&totals)),
    }
    metric
}

fn pair((name, value): (&&str, String)) -> proto::LabelPair {
    let mut pair = proto::LabelPair::default();
    pair.set_name((*name).to_string());
    pair.set_value(value);
    pair
}

/// Prometheus counts cumulatively; the count of all is the bucket without a bound.
fn histogram(totals: &Totals) -> proto::Histogram {
    let mut so_far = 0;
    let mut buckets = Vec::with_capacity(BOUNDS_SECONDS.len());
    for (bound, count) in BOUNDS_SECONDS.iter().zip(totals.buckets) {
        so_far += count;
        let mut bucket = proto::Bucket::default();
        bucket.set_upper_bound(*bound);
        bucket.set_cumulative_count(so_far);
        buckets.push(bucket);
    }
    let mut histogram = proto::Histogram::default();
    histogram.set_bucket(buckets);
    histogram.set_sample_count(totals.buckets.iter().sum());
    histogram.set_sample_sum(totals.sum_seconds);
    histogram
}

fn owned(labels: &[&str]) -> Vec<String> {
    labels.iter().map(|label| (*label).to_string()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_cumulative_and_the_rest_is_in_the_count() {
        let mut totals = Totals::default();
        totals.buckets[0] = 2;
        totals.buckets[3] = 1;
        totals.buckets[16] = 4;
        let histogram = histogram(&totals);
        let counts: Vec<_> = histogram.get_bucket().iter().map(|b| b.cumulative_count()).collect();
        assert_eq!(counts[..4], [2, 2, 2, 3]);
        assert_eq!(counts[15], 3);
        assert_eq!(histogram.get_sample_count(), 7);
    }
}
