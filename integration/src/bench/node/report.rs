//! The figures of a node as a table.

use std::time::Duration;

use crate::bench::report::Memory;
use crate::bench::statistics::Summary;
use crate::bench::table::{NOTHING, Table};

/// Everything that was measured of a node.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Figures {
    /// From the manifest to the running container.
    pub started: Vec<Duration>,
    /// From a container's end to the next one's start.
    pub restarted: Vec<Duration>,
    /// From the manifest's removal until the pod is listed no longer.
    pub gone: Vec<Duration>,
    /// From the first of many manifests to the last running container.
    pub many_started: Vec<Duration>,
    /// From the removal of the first of many manifests until no pod is listed.
    pub many_gone: Vec<Duration>,
    /// Many pods that do nothing.
    pub rest: Rest,
}

/// A node at rest.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rest {
    /// How many pods it has.
    pub pods: usize,
    /// Memory of its daemon.
    pub memory: Memory,
    /// CPU of its daemon, in percent of one core.
    pub cpu: f64,
}

/// The table.
pub fn table(figures: &Figures) -> String {
    let mut table = Table::new(&["ms", "p50", "p95", "samples"]);
    for (name, samples) in [
        ("dropped to running", &figures.started),
        ("exit to restart", &figures.restarted),
        ("removed to gone", &figures.gone),
        ("all running", &figures.many_started),
        ("all gone", &figures.many_gone),
    ] {
        let cell = |of: fn(Summary) -> f64| {
            let summary = Summary::of(samples.iter().copied());
            summary.map_or_else(|| NOTHING.to_owned(), |all| format!("{:.1}", of(all)))
        };
        table.row(vec![
            name.to_owned(),
            cell(|all| all.p50),
            cell(|all| all.p95),
            samples.len().to_string(),
        ]);
    }
    let Rest { pods, memory, cpu } = figures.rest;
    format!(
        "{}\nwith {pods} pods at rest: CPU {cpu:.2} % of one core, RSS {:.1} MB, PSS {:.1} MB\n",
        table.render(),
        megabytes(memory.rss),
        megabytes(memory.pss),
    )
}

fn megabytes(kibibytes: u64) -> f64 {
    kibibytes as f64 * 1024.0 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_figure_has_a_row_and_what_was_not_measured_says_so() {
        let figures = Figures {
            started: vec![Duration::from_millis(20), Duration::from_millis(30)],
            rest: Rest {
                pods: 60,
                memory: Memory {
                    pss: 1000,
                    rss: 2000,
                },
                cpu: 0.25,
            },
            ..Figures::default()
        };
        let text = table(&figures);
        let lines: Vec<&str> = text.lines().collect();
        let cells = |line: usize| lines[line].split_whitespace().collect::<Vec<_>>();
        assert_eq!(cells(1), ["dropped", "to", "running", "20.0", "30.0", "2"]);
        assert_eq!(cells(2), ["exit", "to", "restart", "-", "-", "0"]);
        assert_eq!(
            lines[7],
            "with 60 pods at rest: CPU 0.25 % of one core, RSS 2.0 MB, PSS 1.0 MB"
        );
    }
}
