//! The figures of a cluster's nodes as a table.

use std::time::Duration;

use crate::bench::statistics::Summary;
use crate::bench::table::{NOTHING, Table};

/// Everything that was measured of one node.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Figures {
    /// Its name.
    pub node: String,
    /// From the pod's creation until it is told that it runs.
    pub running: Vec<Duration>,
    /// From the pod's creation until it is told that it is Ready.
    pub ready: Vec<Duration>,
    /// From the pod's deletion until its object is gone.
    pub gone: Vec<Duration>,
    /// From the creation of the first of many until the last one runs.
    pub all_running: Vec<Duration>,
    /// From the deletion of the first of many until the last object is gone.
    pub all_gone: Vec<Duration>,
}

/// A row's name, and the samples that it is of.
type Row = (&'static str, fn(&Figures) -> &[Duration]);

/// The table: a row a node and figure.
pub fn table(nodes: &[Figures]) -> String {
    let mut table = Table::new(&["ms", "node", "p50", "p95", "samples"]);
    let rows: [Row; 5] = [
        ("created to running", |figures| &figures.running),
        ("created to ready", |figures| &figures.ready),
        ("deleted to gone", |figures| &figures.gone),
        ("all running", |figures| &figures.all_running),
        ("all gone", |figures| &figures.all_gone),
    ];
    for (name, samples) in rows {
        for figures in nodes {
            let samples = samples(figures);
            let summary = Summary::of(samples.iter().copied());
            let cell = |of: fn(Summary) -> f64| {
                summary.map_or_else(|| NOTHING.to_owned(), |all| format!("{:.1}", of(all)))
            };
            table.row(vec![
                name.to_owned(),
                figures.node.clone(),
                cell(|all| all.p50),
                cell(|all| all.p95),
                samples.len().to_string(),
            ]);
        }
    }
    table.render()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_figure_has_a_row_for_each_node() {
        let node = |name: &str, milliseconds| Figures {
            node: name.to_owned(),
            ready: vec![Duration::from_millis(milliseconds)],
            ..Figures::default()
        };
        let text = table(&[node("podling", 60), node("upstream", 230)]);
        let lines: Vec<Vec<&str>> = text
            .lines()
            .map(|line| line.split_whitespace().collect())
            .collect();
        assert_eq!(lines.len(), 11);
        assert_eq!(
            lines[3],
            ["created", "to", "ready", "podling", "60.0", "60.0", "1"]
        );
        assert_eq!(lines[4][3..5], ["upstream", "230.0"]);
        assert_eq!(lines[5][4], "-");
    }
}
