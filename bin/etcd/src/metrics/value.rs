//! The three kinds of values. Each is a few atomics; feeding one takes no lock. Orders are relaxed: a scrape needs
//! no exact moment.

use crate::notation::float_text;
use std::{
    fmt::Write as _,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

/// What a family holds: one value, or one per label set.
pub trait Value {
    /// What is needed to make one.
    type Shape: Clone;
    const KIND: &'static str;
    fn new(shape: &Self::Shape) -> Self;
    /// Appends the value's lines. `labels` are those between the braces, without them.
    fn write(&self, name: &str, labels: &str, out: &mut String);
}

/// Only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    pub fn increment(&self) {
        self.add(1);
    }
    pub fn add(&self, count: u64) {
        self.0.fetch_add(count, Relaxed);
    }
    pub fn value(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

impl Value for Counter {
    type Shape = ();
    const KIND: &'static str = "counter";
    fn new((): &()) -> Counter {
        Counter::default()
    }
    fn write(&self, name: &str, labels: &str, out: &mut String) {
        sample(out, name, labels, self.value() as f64);
    }
}

/// Goes up and down.
#[derive(Debug, Default)]
pub struct Gauge(AtomicI64);

impl Gauge {
    pub fn set(&self, value: i64) {
        self.0.store(value, Relaxed);
    }
    pub fn add(&self, difference: i64) {
        self.0.fetch_add(difference, Relaxed);
    }
    pub fn value(&self) -> i64 {
        self.0.load(Relaxed)
    }
}

impl Value for Gauge {
    type Shape = ();
    const KIND: &'static str = "gauge";
    fn new((): &()) -> Gauge {
        Gauge::default()
    }
    fn write(&self, name: &str, labels: &str, out: &mut String) {
        sample(out, name, labels, self.value() as f64);
    }
}

/// Counts observations by size.
#[derive(Debug)]
pub struct Histogram {
    /// Upper bounds, inclusive, ascending.
    bounds: Arc<[f64]>,
    /// Observations of each bucket alone; the last one is for what exceeds every bound.
    counts: Box<[AtomicU64]>,
    /// Bits of an `f64`.
    sum: AtomicU64,
}

impl Histogram {
    pub fn observe(&self, value: f64) {
        let bucket = self.bounds.partition_point(|bound| *bound < value);
        self.counts[bucket].fetch_add(1, Relaxed);
        let add = |bits: u64| Some((f64::from_bits(bits) + value).to_bits());
        // It fails only if the closure gives nothing.
        _ = self.sum.fetch_update(Relaxed, Relaxed, add);
    }
    /// In seconds.
    pub fn observe_time(&self, took: Duration) {
        self.observe(took.as_secs_f64());
    }
    pub fn count(&self) -> u64 {
        self.counts.iter().map(|count| count.load(Relaxed)).sum()
    }
}

impl Value for Histogram {
    type Shape = Arc<[f64]>;
    const KIND: &'static str = "histogram";
    fn new(bounds: &Arc<[f64]>) -> Histogram {
        let counts = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Histogram { bounds: bounds.clone(), counts, sum: AtomicU64::new(0f64.to_bits()) }
    }
    fn write(&self, name: &str, labels: &str, out: &mut String) {
        let comma = if labels.is_empty() { "" } else { "," };
        let bounds = self.bounds.iter().copied().chain([f64::INFINITY]);
        let mut total = 0;
        for (bound, count) in bounds.zip(&self.counts) {
            total += count.load(Relaxed);
            let labels = format!("{labels}{comma}le=\"{}\"", float_text(bound));
            sample(out, &format!("{name}_bucket"), &labels, total as f64);
        }
        sample(out, &format!("{name}_sum"), labels, f64::from_bits(self.sum.load(Relaxed)));
        sample(out, &format!("{name}_count"), labels, total as f64);
    }
}

/// `count` bounds from `start` on, each `factor` times the one before.
pub fn exponential(start: f64, factor: f64, count: usize) -> Arc<[f64]> {
    let next = |bound: &f64| Some(bound * factor);
    std::iter::successors(Some(start), next).take(count).collect()
}

/// One line: name, labels in braces, value.
pub fn sample(out: &mut String, name: &str, labels: &str, value: f64) {
    let value = float_text(value);
    let written = match labels {
        "" => writeln!(out, "{name} {value}"),
        _ => writeln!(out, "{name}{{{labels}}} {value}"),
    };
    written.expect("writing to a String cannot fail");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_inclusive_and_buckets_add_up() {
        let histogram = Histogram::new(&exponential(0.001, 2.0, 3));
        for value in [0.0005, 0.001, 0.0011, 0.004, 9.0] {
            histogram.observe(value);
        }
        let mut text = String::new();
        histogram.write("x", "a=\"b\"", &mut text);
        assert_eq!(
            text,
            "x_bucket{a=\"b\",le=\"0.001\"} 2\nx_bucket{a=\"b\",le=\"0.002\"} 3\nx_bucket{a=\"b\",le=\"0.004\"} 4\n\
             x_bucket{a=\"b\",le=\"+Inf\"} 5\nx_sum{a=\"b\"} 9.0066\nx_count{a=\"b\"} 5\n"
        );
    }

    #[test]
    fn bounds_grow_as_gos_do() {
        let last =
            |start, factor, count| float_text(*exponential(start, factor, count).last().expect("some"));
        assert_eq!(last(0.001, 2.0, 14), "8.192");
        assert_eq!(last(0.0001, 2.0, 20), "52.4288");
        assert_eq!(last(1.0, 2.0, 24), "8.388608e+06");
        assert_eq!(last(100.0, 2.0, 14), "819200");
    }
}
