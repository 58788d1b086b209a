//! What is counted as the text that is scraped, version 0.0.4 as upstream's kubelet has it: pure.
//!
//! The library that counts writes OpenMetrics alone, which not everybody reads, and which has counters
//! without `_total` be nothing at all.
#![deny(clippy::disallowed_methods)]

use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;

/// What these registries have, one behind the other.
pub(crate) fn text(registries: &[&Registry]) -> String {
    let mut text = String::new();
    for registry in registries {
        let mut open = String::new();
        encode(&mut open, registry).expect("a String takes every write");
        text.push_str(&classic(&open));
    }
    text
}

/// The older text of an OpenMetrics one.
fn classic(open: &str) -> String {
    let mut text = String::with_capacity(open.len());
    let mut lines = open.lines().peekable();
    while let Some(line) = lines.next() {
        let written = if line == "# EOF" || line.starts_with("# UNIT ") {
            continue;
        } else if line.starts_with("# HELP ") {
            let (name, help) = described(line);
            // The kind follows.
            let (_, kind) = lines.peek().map_or(("", ""), |next| described(next));
            format!("# HELP {} {help}", family(name, kind))
        } else if line.starts_with("# TYPE ") {
            let (name, kind) = described(line);
            format!("# TYPE {} {}", family(name, kind), kind_of(kind))
        } else {
            line.to_owned()
        };
        text.push_str(&written);
        text.push('\n');
    }
    text
}

/// Whom a line that describes a family is about, and what it says.
fn described(line: &str) -> (&str, &str) {
    let mut words = line.splitn(4, ' ').skip(2);
    let name = words.next().unwrap_or_default();
    (name, words.next().unwrap_or_default())
}

/// The name of a family: OpenMetrics has it without what the names of all samples end with.
fn family(name: &str, kind: &str) -> String {
    let end = match kind {
        "counter" => "_total",
        "info" => "_info",
        _ => "",
    };
    format!("{name}{end}")
}

fn kind_of(kind: &str) -> &str {
    match kind {
        "info" | "stateset" => "gauge",
        "unknown" => "untyped",
        same => same,
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::metrics::counter::Counter;
    use prometheus_client::metrics::gauge::Gauge;
    use prometheus_client::metrics::histogram::Histogram;
    use prometheus_client::metrics::info::Info;
    use prometheus_client::registry::Unit;

    use super::*;

    #[test]
    fn families_are_named_as_their_samples_and_nothing_is_of_open_metrics_alone() {
        let mut first = Registry::with_prefix("a");
        let seconds = Counter::<u64>::default();
        seconds.inc();
        first.register_with_unit("work", "Time # UNIT spent", Unit::Seconds, seconds);
        first.register("size", "How much", Gauge::<i64>::default());
        let mut second = Registry::default();
        second.register("build", "What", Info::new(vec![("version", "# EOF")]));
        let took = Histogram::new([1.0]);
        took.observe(0.5);
        second.register("took", "How long", took);
        assert_eq!(
            text(&[&first, &second]),
            "# HELP a_work_seconds_total Time # UNIT spent.\n\
             # TYPE a_work_seconds_total counter\n\
             a_work_seconds_total 1\n\
             # HELP a_size How much.\n\
             # TYPE a_size gauge\n\
             a_size 0\n\
             # HELP build_info What.\n\
             # TYPE build_info gauge\n\
             build_info{version=\"# EOF\"} 1\n\
             # HELP took How long.\n\
             # TYPE took histogram\n\
             took_sum 0.5\n\
             took_count 1\n\
             took_bucket{le=\"1.0\"} 1\n\
             took_bucket{le=\"+Inf\"} 1\n"
        );
    }
}
