//! Families: a name, its help, and one value or one per label set.

use super::value::{Counter, Gauge, Histogram, Value};
use std::{
    collections::BTreeMap,
    fmt,
    ops::Deref,
    sync::{Arc, Mutex, MutexGuard},
};

/// What can be scraped.
pub trait Render {
    fn name(&self) -> &'static str;
    /// Appends help, kind and samples; nothing if there is no sample.
    fn render(&self, out: &mut String);
}

/// The name of a family and its text.
pub fn text(family: &dyn Render) -> (&'static str, String) {
    let mut out = String::new();
    family.render(&mut out);
    (family.name(), out)
}

/// Appends the two lines that head a family.
pub fn head(out: &mut String, name: &str, help: &str, kind: &str) {
    let help = help.replace('\\', "\\\\").replace('\n', "\\n");
    out.push_str(&format!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
}

/// `name="value"` pairs, joined by commas.
pub fn label_text<V: AsRef<str>>(names: &[&str], values: &[V]) -> String {
    let pair = |(name, value): (&&str, &V)| {
        let value = value.as_ref().replace('\\', "\\\\").replace('\n', "\\n").replace('"', "\\\"");
        format!("{name}=\"{value}\"")
    };
    names.iter().zip(values).map(pair).collect::<Vec<_>>().join(",")
}

/// A family of one value.
#[derive(Debug)]
pub struct One<T> {
    name: &'static str,
    help: &'static str,
    value: T,
}

pub fn counter(name: &'static str, help: &'static str) -> One<Counter> {
    One { name, help, value: Counter::new(&()) }
}

pub fn gauge(name: &'static str, help: &'static str) -> One<Gauge> {
    One { name, help, value: Gauge::new(&()) }
}

pub fn histogram(name: &'static str, help: &'static str, bounds: Arc<[f64]>) -> One<Histogram> {
    One { name, help, value: Histogram::new(&bounds) }
}

impl<T> Deref for One<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: Value> Render for One<T> {
    fn name(&self) -> &'static str {
        self.name
    }
    fn render(&self, out: &mut String) {
        head(out, self.name, self.help, T::KIND);
        self.value.write(self.name, "", out);
    }
}

/// A family of one value per label set. Whoever feeds one often keeps the `Arc`.
pub struct Labelled<T: Value, const N: usize> {
    name: &'static str,
    help: &'static str,
    /// In alphabetical order.
    labels: [&'static str; N],
    shape: T::Shape,
    /// Locked to look up or add a label set and to render; never to feed a value.
    values: Mutex<BTreeMap<[String; N], Arc<T>>>,
}

pub fn labelled<T: Value<Shape = ()>, const N: usize>(
    name: &'static str,
    help: &'static str,
    labels: [&'static str; N],
) -> Labelled<T, N> {
    Labelled { name, help, labels, shape: (), values: Mutex::default() }
}

pub fn labelled_histogram<const N: usize>(
    name: &'static str,
    help: &'static str,
    labels: [&'static str; N],
    bounds: Arc<[f64]>,
) -> Labelled<Histogram, N> {
    Labelled { name, help, labels, shape: bounds, values: Mutex::default() }
}

impl<T: Value, const N: usize> Labelled<T, N> {
    /// The value of a label set, made if it is new. Label values in the order of the family's labels.
    pub fn with(&self, values: [&str; N]) -> Arc<T> {
        let key = values.map(ToString::to_string);
        self.lock().entry(key).or_insert_with(|| Arc::new(T::new(&self.shape))).clone()
    }

    pub fn each(&self, act: impl Fn(&T)) {
        self.lock().values().for_each(|value| act(value));
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<[String; N], Arc<T>>> {
        self.values.lock().expect("nothing that holds this lock can panic")
    }
}

impl<T: Value, const N: usize> fmt::Debug for Labelled<T, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Labelled").field("name", &self.name).finish_non_exhaustive()
    }
}

impl<T: Value, const N: usize> Render for Labelled<T, N> {
    fn name(&self) -> &'static str {
        self.name
    }
    fn render(&self, out: &mut String) {
        let values = self.lock();
        if values.is_empty() {
            return;
        }
        head(out, self.name, self.help, T::KIND);
        for (key, value) in values.iter() {
            value.write(self.name, &label_text(&self.labels, key), out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labelled_families_show_what_was_used_in_order() {
        let family: Labelled<Counter, 2> = labelled("x_total", "A \\ and\na line.", ["a", "b"]);
        assert_eq!(text(&family), ("x_total", String::new()));
        family.with(["2", "\"q\"\n\\"]).add(2_000_000);
        family.with(["1", "z"]).increment();
        family.with(["1", "z"]).increment();
        assert_eq!(
            text(&family).1,
            "# HELP x_total A \\\\ and\\na line.\n# TYPE x_total counter\nx_total{a=\"1\",b=\"z\"} 2\n\
             x_total{a=\"2\",b=\"\\\"q\\\"\\n\\\\\"} 2e+06\n"
        );
    }
}
