//! The families of Go's runtime. There is none here; dashboards and tests expect the names, so they are shown with
//! zero, but for what has a meaning in any process: threads, resident memory, processors.

use super::{family::head, process::Process, value::sample};
use crate::version;
use std::thread::available_parallelism;

/// Families without a meaning here.
const ABSENT: &[(&str, &str)] = &[
    ("go_gc_gogc_percent", "gauge"),
    ("go_gc_gomemlimit_bytes", "gauge"),
    ("go_goroutines", "gauge"),
    ("go_memstats_alloc_bytes", "gauge"),
    ("go_memstats_alloc_bytes_total", "counter"),
    ("go_memstats_buck_hash_sys_bytes", "gauge"),
    ("go_memstats_frees_total", "counter"),
    ("go_memstats_gc_sys_bytes", "gauge"),
    ("go_memstats_heap_alloc_bytes", "gauge"),
    ("go_memstats_heap_idle_bytes", "gauge"),
    ("go_memstats_heap_inuse_bytes", "gauge"),
    ("go_memstats_heap_objects", "gauge"),
    ("go_memstats_heap_released_bytes", "gauge"),
    ("go_memstats_heap_sys_bytes", "gauge"),
    ("go_memstats_last_gc_time_seconds", "gauge"),
    ("go_memstats_mallocs_total", "counter"),
    ("go_memstats_mcache_inuse_bytes", "gauge"),
    ("go_memstats_mcache_sys_bytes", "gauge"),
    ("go_memstats_mspan_inuse_bytes", "gauge"),
    ("go_memstats_mspan_sys_bytes", "gauge"),
    ("go_memstats_next_gc_bytes", "gauge"),
    ("go_memstats_other_sys_bytes", "gauge"),
    ("go_memstats_stack_inuse_bytes", "gauge"),
    ("go_memstats_stack_sys_bytes", "gauge"),
];
const ABSENT_HELP: &str = "Always 0: this server has no Go runtime.";

pub fn texts(process: &Process) -> Vec<(&'static str, String)> {
    let family = |name: &'static str, kind: &str, help: &str, labels: &str, value: f64| {
        let mut out = String::new();
        head(&mut out, name, help, kind);
        sample(&mut out, name, labels, value);
        (name, out)
    };
    let mut texts: Vec<_> =
        ABSENT.iter().map(|(name, kind)| family(name, kind, ABSENT_HELP, "", 0.0)).collect();
    let toolchain = format!("version=\"{}\"", version::toolchain());
    let processors = available_parallelism().map_or(1.0, |count| count.get() as f64);
    texts.push(family("go_info", "gauge", "1 for what stands for the toolchain.", &toolchain, 1.0));
    texts.push(family("go_threads", "gauge", "Threads.", "", process.threads.unwrap_or(0.0)));
    texts.push(family("go_sched_gomaxprocs_threads", "gauge", "Processors in use.", "", processors));
    let resident = process.resident_bytes.unwrap_or(0.0);
    texts.push(family("go_memstats_sys_bytes", "gauge", "Resident memory, in bytes.", "", resident));
    texts.push(collections());
    texts
}

/// The one summary.
fn collections() -> (&'static str, String) {
    const NAME: &str = "go_gc_duration_seconds";
    let mut out = String::new();
    head(&mut out, NAME, ABSENT_HELP, "summary");
    for quantile in ["0", "0.25", "0.5", "0.75", "1"] {
        sample(&mut out, NAME, &format!("quantile=\"{quantile}\""), 0.0);
    }
    sample(&mut out, &format!("{NAME}_sum"), "", 0.0);
    sample(&mut out, &format!("{NAME}_count"), "", 0.0);
    (NAME, out)
}
