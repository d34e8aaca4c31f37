//! The whole scrape against etcd's. `families-3.7.1.txt` holds the `# TYPE` lines of a fresh one-member etcd 3.7.1
//! with `--metrics=extensive` that has answered ranges and health checks:
//! `curl -s 127.0.0.1:2379/metrics | grep '^# TYPE' | cut -c8-`.

use super::*;

const FAMILIES: &str = include_str!("families-3.7.1.txt");

fn fed() -> Metrics {
    let metrics = Metrics::new(0x8e9e05c52164694d, &Gates::default(), true);
    metrics.set_cluster_version("3.7.0");
    metrics.record_check("readyz", "non_learner", true);
    metrics.known_peers.with(["8e9e05c52164694d", "8e9e05c52164694d"]).set(1);
    metrics.apply_duration.with(["ClusterVersionSet", "true", "v3"]).observe(8.5e-05);
    metrics.request_duration.with(["true", "Range"]).observe(0.001);
    metrics.range_duration.with(["true"]).observe(0.0001);
    metrics
}

#[test]
fn families_and_kinds_are_etcds_in_its_order() {
    let text = fed().render(&Process::read());
    let families: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")).collect();
    assert_eq!(families, FAMILIES.lines().collect::<Vec<_>>());
}

#[test]
fn samples_have_etcds_labels_and_form() {
    let metrics = fed();
    metrics.quota_backend_bytes.set(2_147_483_648);
    metrics.set_cluster_version("3.8.0");
    let text = metrics.render(&Process::default());
    for line in [
        "etcd_server_id{server_id=\"8e9e05c52164694d\"} 1",
        "etcd_server_version{server_version=\"3.7.1\"} 1",
        "etcd_server_feature_enabled{name=\"FastLeaseKeepAlive\",stage=\"BETA\"} 1",
        "etcd_server_feature_enabled{name=\"AllAlpha\",stage=\"ALPHA\"} 0",
        "etcd_server_apply_duration_seconds_bucket{op=\"ClusterVersionSet\",success=\"true\",version=\"v3\",\
         le=\"0.0001\"} 1",
        "etcd_server_apply_duration_seconds_sum{op=\"ClusterVersionSet\",success=\"true\",version=\"v3\"} 8.5e-05",
        "etcd_server_request_duration_seconds_bucket{success=\"true\",type=\"Range\",le=\"8.192\"} 1",
        "etcd_server_healthchecks_total{name=\"non_learner\",status=\"success\",type=\"readyz\"} 1",
        "etcd_network_known_peers{Local=\"8e9e05c52164694d\",Remote=\"8e9e05c52164694d\"} 1",
        "etcd_cluster_version{cluster_version=\"3.7.0\"} 0",
        "etcd_cluster_version{cluster_version=\"3.8.0\"} 1",
        "etcd_server_quota_backend_bytes 2.147483648e+09",
        "etcd_debugging_mvcc_compact_revision -1",
        "promhttp_metric_handler_requests_in_flight 1",
        "promhttp_metric_handler_requests_total{code=\"200\"} 0",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}");
    }
    let again = metrics.render(&Process::default());
    assert!(again.contains("\npromhttp_metric_handler_requests_total{code=\"200\"} 1\n"));
    assert_eq!(metrics.scrapes_in_flight.value(), 0);
}
